"""Hostile input costs bounded memory and processor time, both ways."""

from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

from emailplus.eas.wbxml import DEFAULT_LIMITS, HEADER, TEXT, Limits, Node, decode, encode
from emailplus.errors import WbxmlError

MEGABYTE = 1 << 20
BODIES = {
    "empty elements": b"\x05",
    "elements with nothing inside": b"\x45\x01",
    "leaves": b"\x4b\x03\x00\x01",
    "empty strings": b"\x03\x00",
    "empty opaque values": b"\xc3\x00",
    "entities": b"\x02\x41",
    "page switches": b"\x00\x00",
    "page switches and elements": b"\x00\x01\x05",
    "parents": b"\x45\x05\x01",
    "open elements": b"\x45",
    "string never ended": b"\x03\x41",
    "lengths too long": b"\xc3\xff\xff",
    "END in text": b"\x03" + b"\x01" * 50 + b"\x00",
    "bytes that are not UTF-8": b"\x4b\x03\xff\xff\xff\xff\xff\xff\x00\x01",
}


def document(body: bytes, size: int) -> bytes:
    return HEADER + b"\x45" + body * (size // len(body))


@pytest.mark.parametrize("name", BODIES)
def test_memory_is_bounded_by_the_elements(name: str) -> None:
    """Two megabytes of the worst, 10,000 elements allowed: beyond the text itself, some 200 bytes each at most."""
    data = document(BODIES[name], 2 * MEGABYTE)
    tracemalloc.start()
    try:
        with pytest.raises(WbxmlError) as caught:
            decode(data, Limits(elements=10_000))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 0 <= caught.value.offset <= len(data)
    assert peak < 4 * MEGABYTE


def test_opaque_bytes_are_not_counted_as_elements() -> None:
    """A legitimate attachment may consist of any bytes, ENDs included."""
    data = b"\x01" * (DEFAULT_LIMITS.elements + 1)
    node: Node = ("ItemOperations:Data", data)
    assert decode(encode(node)) == node
    node = ("ItemOperations:Properties", [("ItemOperations:Data", data), ("ItemOperations:Version", None)])
    assert decode(encode(node)) == node


def test_one_long_text_is_copied_and_no_more() -> None:
    data = document(b"\x4b\x03" + b"a" * (4 * MEGABYTE) + b"\x00\x01", 4 * MEGABYTE + 4) + b"\x01"
    tracemalloc.start()
    try:
        decode(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 * len(data)


def test_cyclic_tree() -> None:
    children: list[Node] = []
    children.append(("AirSync:Sync", children))
    with pytest.raises(WbxmlError, match="nested deeper than 64"):
        encode(("AirSync:Sync", children))
    children.insert(0, ("AirSync:Sync", children))
    children.insert(0, ("AirSync:SyncKey", "x" * 100))
    with pytest.raises(WbxmlError):
        encode(("AirSync:Sync", children))


def test_tree_that_holds_itself_many_times() -> None:
    """Forty levels that each hold the next twice: 2**40 elements from a few hundred bytes."""
    node: Node = ("AirSync:SyncKey", None)
    for _ in range(40):
        node = ("AirSync:Sync", [node, node])
    with pytest.raises(WbxmlError, match="more than 100000 elements"):
        encode(node, Limits(elements=100_000))


LONG: list[Node] = [
    ("AirSync:SyncKey", "x" * MEGABYTE),
    ("AirSync:SyncKey", "é" * MEGABYTE),
    ("AirSync:SyncKey", b"x" * MEGABYTE),
    ("AirSync:SyncKey", [(TEXT, "x" * MEGABYTE)]),
    (TEXT, "x" * MEGABYTE),
    (TEXT, b"x" * MEGABYTE),
]


@pytest.mark.parametrize("leaf", LONG, ids=["text", "accents", "opaque", "list", "loose text", "loose opaque"])
def test_long_text_held_many_times(leaf: Node) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(WbxmlError, match=f"longer than {8 * MEGABYTE} bytes"):
            encode(("AirSync:Sync", [leaf] * 100_000), Limits(total=8 * MEGABYTE))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 48 * MEGABYTE


_CHILD = """
import resource
import sys
from tests.eas import conftest  # selects the codec
from tests.eas.test_wbxml_hostile import BODIES, MEGABYTE, document
from emailplus.eas.wbxml import decode
from emailplus.errors import WbxmlError

data = document(BODIES[sys.argv[1]], 32 * MEGABYTE)
resource.setrlimit(resource.RLIMIT_AS, (1200 * MEGABYTE,) * 2)
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
try:
    decode(data)
except WbxmlError as error:
    assert 0 <= error.offset <= len(data)
    print(error.reason)
"""


@pytest.mark.parametrize("name", ["empty elements", "leaves", "empty strings", "parents", "page switches"])
def test_default_limits_keep_a_process_within_its_means(name: str) -> None:
    """32 MB of the worst under the default limits, in a process that may have 1.2 GB of address space."""
    ended = subprocess.run(
        [sys.executable, "-c", _CHILD, name],
        cwd=Path(__file__).resolve().parents[2],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stderr == ""
    assert ended.stdout.strip() == f"more than {DEFAULT_LIMITS.elements} elements"
