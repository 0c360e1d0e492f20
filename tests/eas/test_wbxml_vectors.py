"""The codec against published, captured and foreign bytes, and against the published examples."""

from __future__ import annotations

from pathlib import Path

import pytest

from emailplus.eas.wbxml import Node, decode, encode
from emailplus.errors import WbxmlError
from tests.eas.wbxml_reference import tree_of_xml, vectors, without_empty_texts
from tests.shared import shared


def test_every_vector_decodes_to_its_xml() -> None:
    entries = vectors()
    assert len(entries) == 110
    for entry in entries:
        tree = decode(bytes.fromhex(entry["hex"]))
        expected = tree_of_xml(entry["xml"], entry.get("opaque_elements", ()))
        assert without_empty_texts(tree) == without_empty_texts(expected), entry["name"]


def test_every_vector_encodes_from_its_xml() -> None:
    """Built from the XML alone, 107 are byte for byte what others wrote."""
    alike = 0
    for entry in vectors():
        tree = tree_of_xml(entry["xml"], entry.get("opaque_elements", ()))
        data = encode(tree)
        assert without_empty_texts(decode(data)) == without_empty_texts(tree), entry["name"]
        if entry["reencodes_identically"]:
            assert data.hex() == entry["hex"], entry["name"]
            alike += 1
    assert alike == 107


def test_re_encoding_what_was_decoded_differs_only_where_the_writer_was_wasteful() -> None:
    """Two vectors hold an empty inline string (03 00), one redundant page switches and its body twice."""
    entries = vectors()
    differing = [entry for entry in entries if encode(decode(bytes.fromhex(entry["hex"]))).hex() != entry["hex"]]
    assert [entry["name"] for entry in differing] == [
        "device-03-provision-request-phase-1",
        "device-08-settings-deviceinformation-set",
        "device-16-getitemestimate-request",
    ]
    assert differing == [entry for entry in entries if not entry["reencodes_identically"]]


def test_edge_cases() -> None:
    entries = {entry["name"]: entry for entry in vectors("wbxml_edge_cases.json")}
    assert len(entries) == 13
    refused = 0
    for entry in entries.values():
        data = bytes.fromhex(entry["hex"])
        if entry["expect"] == "error":
            with pytest.raises(WbxmlError) as caught:
                decode(data)
            assert 0 <= caught.value.offset <= len(data), entry["name"]
            refused += 1
    values = {name: _edge_value(entry["hex"]) for name, entry in entries.items() if entry["expect"] != "error"}
    assert refused == 6
    assert values == {
        "aosp-unknown-tag": ("AirSync:0x3F", "1"),
        "aosp-text-DF": ("AirSync:SyncKey", "DF"),
        "aosp-empty-tag-no-content": ("AirSync:SyncKey", None),
        "aosp-empty-tag-with-content-bit": ("AirSync:SyncKey", ""),
        "aosp-opaque-where-text-expected": ("AirSync:SyncKey", bytes.fromhex("112233")),
        "aosp-opaque": ("AirSync:ServerId", bytes.fromhex("112233")),
        "aosp-string-where-opaque-expected": ("AirSync:ServerId", "DF"),
    }


def _edge_value(hexadecimal: str) -> Node:
    tag, content = decode(bytes.fromhex(hexadecimal))
    assert tag == "AirSync:Sync"
    assert isinstance(content, list)
    assert len(content) == 1
    child: Node = content[0]
    return child


def _examples() -> list[Path]:
    return sorted(shared("spec", "eas", "examples").glob("*.xml"))


def test_published_examples_survive_the_way_through_wbxml() -> None:
    examples = _examples()
    assert len(examples) == 101
    for path in examples:
        tree = tree_of_xml(path.read_text(encoding="utf-8"))
        assert decode(encode(tree)) == tree, path.name
