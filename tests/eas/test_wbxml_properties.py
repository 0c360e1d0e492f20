"""Properties of the codec over random trees, random bytes and damaged vectors."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from emailplus.eas.wbxml import HEADER, TEXT, Limits, Node, decode, encode
from emailplus.errors import WbxmlError
from tests.eas.wbxml_reference import nodes, vectors

_TOKENS = st.one_of(
    st.sampled_from([0x00, 0x01, 0x01, 0x02, 0x03, 0x04, 0xC3, 0x43, 0x84]),
    st.integers(0x05, 0x7F),
    st.integers(0, 255),
)
token_soup = st.lists(_TOKENS, max_size=60).map(bytes)
"""Bytes in which every branch of the decoder is met often."""


@given(nodes)
@example(("AirSync:Sync", [(TEXT, ""), ("AirSync:Sync", ""), (TEXT, "")]))
@example(("Find:0x3F", b""))
def test_a_tree_survives_the_round_trip(node: Node) -> None:
    data = encode(node)
    assert decode(data) == node
    assert encode(decode(data)) == data


def decodes_or_refuses(data: bytes, limits: Limits = Limits()) -> Node | None:  # noqa: B008
    try:
        return decode(data, limits)
    except WbxmlError as error:
        refusal = error
    assert 0 <= refusal.offset <= len(data)
    assert refusal.reason
    return None


def round_trips(node: Node | None) -> None:
    """What was decoded can be encoded, and from then on nothing changes."""
    if node is not None:
        data = encode(node)
        assert decode(data) == node
        assert encode(decode(data)) == data


@given(st.binary(max_size=80))
def test_random_bytes_raise_nothing_else(data: bytes) -> None:
    round_trips(decodes_or_refuses(data))


@given(token_soup)
def test_random_tokens_raise_nothing_else(body: bytes) -> None:
    round_trips(decodes_or_refuses(HEADER + body))
    round_trips(decodes_or_refuses(HEADER + b"\x45" + body + b"\x01\x01"))


@given(token_soup, st.integers(0, 40), st.integers(0, 6), st.integers(0, 6), st.integers(1, 5), st.integers(1, 9))
def test_limits_hold(body: bytes, total: int, text: int, opaque: int, depth: int, elements: int) -> None:
    limits = Limits(total, text, opaque, depth, elements)
    node = decodes_or_refuses(HEADER + b"\x45" + body + b"\x01\x01", limits)
    if node is not None:
        assert len(HEADER + b"\x45" + body + b"\x01\x01") <= total
        assert nesting(node) <= depth
        assert count(node) <= elements + 1


def nesting(node: Node) -> int:
    return 1 + max(map(nesting, node[1])) if isinstance(node[1], list) else 0


def count(node: Node) -> int:
    return 1 + (sum(map(count, node[1])) if isinstance(node[1], list) else 0)


_DAMAGE = st.tuples(st.sampled_from(["flip", "cut", "insert", "drop", "double"]), st.integers(0), st.binary(max_size=4))


def damaged(data: bytes, kind: str, place: int, extra: bytes) -> bytes:
    place %= len(data) + 1
    match kind:
        case "flip":
            return data[:place] + bytes(byte ^ 0x80 for byte in data[place : place + 1]) + data[place + 1 :]
        case "cut":
            return data[:place]
        case "insert":
            return data[:place] + extra + data[place:]
        case "drop":
            return data[:place] + data[place + 1 + len(extra) :]
        case _:
            return data[:place] + data


@pytest.fixture(scope="module")
def published() -> list[bytes]:
    return [bytes.fromhex(entry["hex"]) for entry in vectors()]


@given(st.data())
def test_damaged_vectors_raise_nothing_else(published: list[bytes], data: st.DataObject) -> None:
    document = data.draw(st.sampled_from(published))
    for kind, place, extra in data.draw(st.lists(_DAMAGE, min_size=1, max_size=4)):
        document = damaged(document, kind, place, extra)
    round_trips(decodes_or_refuses(document))


def test_truncated_vectors_are_refused(published: list[bytes]) -> None:
    """A prefix is never taken for a shorter document; one vector has 49 bytes behind its root that may go."""
    for document in published:
        node = decode(document)
        taken = [length for length in range(len(document)) if decodes_or_refuses(document[:length]) is not None]
        assert all(decode(document[:length]) == node for length in taken)
        assert taken in ([], list(range(52, 101)))


_ANYTHING = st.recursive(
    st.one_of(st.none(), st.text(max_size=5), st.binary(max_size=5), st.integers(), st.booleans()),
    lambda values: st.one_of(
        st.lists(values, max_size=4),
        st.lists(st.tuples(st.one_of(st.just(TEXT), st.sampled_from(["AirSync:Sync", "x"]), st.text()), values)),
    ),
    max_leaves=12,
)


@given(st.lists(st.tuples(st.sampled_from(["AirSync:Sync", "Ping:Ping", TEXT, "x:y"]), _ANYTHING), max_size=4))
def test_encode_refuses_with_wbxml_error_alone(children: list[tuple[str, object]]) -> None:
    """Whatever content is given, as long as lists hold pairs."""
    if not all(well_paired(content) for _, content in children):
        return
    try:
        data = encode(("AirSync:Sync", children))  # type: ignore[arg-type]
    except WbxmlError as error:
        refusal = error
    else:
        round_trips(decode(data))
        return
    assert refusal.offset >= 4


def well_paired(content: object) -> bool:
    if isinstance(content, list):
        return all(isinstance(child, tuple) and well_paired(child[1]) for child in content)
    return True
