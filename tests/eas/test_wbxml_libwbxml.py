"""The codec against libwbxml, which was written by others from the same standards."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emailplus.eas.code_pages import OPAQUE_TAGS, TAG_TOKENS
from emailplus.eas.wbxml import Node, decode, encode
from tests.eas.libwbxml import Libwbxml
from tests.eas.wbxml_reference import tree_of_xml, without_empty_texts


@pytest.fixture(scope="module")
def other() -> Libwbxml:
    return Libwbxml()


def reads(other: Libwbxml, data: bytes) -> Node | None:
    """What libwbxml makes of a document."""
    xml = other.to_xml(data)
    return None if xml is None else tree_of_xml(xml, OPAQUE_TAGS)


@pytest.fixture(scope="module")
def alike(other: Libwbxml) -> list[str]:
    """The tags that both know by the same name, opaque ones aside."""
    return [
        tag for tag in TAG_TOKENS if tag not in OPAQUE_TAGS and reads(other, encode(_holding(tag))) == _holding(tag)
    ]


def _holding(tag: str) -> Node:
    return ("AirSync:Sync", [(tag, None)])


def test_no_token_has_the_name_of_another(other: Libwbxml) -> None:
    """Many spellings differ, but where libwbxml uses one of our names it means the same token."""
    alike = 0
    for tag in TAG_TOKENS:
        tree = reads(other, encode(_holding(tag)))
        assert tree is not None
        assert isinstance(tree[1], list)
        theirs = tree[1][0][0]
        assert theirs == tag or theirs not in TAG_TOKENS, (tag, theirs)
        alike += theirs == tag
    assert alike > 530


@pytest.mark.parametrize("tag", sorted(OPAQUE_TAGS))
def test_opaque_tags(other: Libwbxml, tag: str) -> None:
    node: Node = ("AirSync:Sync", [(tag, bytes(range(256)) * 3)])
    assert reads(other, encode(node)) == node


def _nodes(tags: list[str]) -> st.SearchStrategy[Node]:
    names = st.integers(0, len(tags) - 1).map(lambda number: tags[number])
    carried = st.characters(
        exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff", include_characters="\t\n"
    )
    texts = st.text(carried, min_size=1, max_size=30)
    leaves: st.SearchStrategy[Node] = st.tuples(names, st.one_of(st.none(), texts))
    return st.recursive(
        leaves, lambda children: st.tuples(names, st.lists(children, min_size=1, max_size=5)), max_leaves=20
    ).map(lambda node: ("AirSync:Sync", [node]))


@given(data=st.data())
def test_random_trees_are_read_and_written_alike(other: Libwbxml, alike: list[str], data: st.DataObject) -> None:
    node = data.draw(_nodes(alike))
    written = encode(node)
    assert reads(other, written) == node
    xml = other.to_xml(written)
    assert xml is not None
    assert other.to_wbxml(xml) == written
    assert without_empty_texts(decode(written)) == node
