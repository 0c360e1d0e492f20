"""The readable XML form: loss-free both ways, tolerant of other writers, closed to hostile XML."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emailplus.eas.wbxml import TEXT, Limits, Node, decode, encode
from emailplus.eas.wbxml_xml import from_xml, to_xml
from emailplus.errors import WbxmlError
from tests.eas.wbxml_reference import nodes, tree_of_xml, vectors
from tests.shared import shared

DECLARATION = '<?xml version="1.0" encoding="utf-8"?>\n'


@given(nodes)
def test_a_tree_survives_the_way_through_xml(node: Node) -> None:
    xml = to_xml(node)
    assert from_xml(xml) == node
    assert from_xml(xml.encode()) == node
    assert to_xml(from_xml(xml)) == xml


@given(nodes)
def test_what_is_written_is_xml(node: Node) -> None:
    root = ElementTree.fromstring(to_xml(node).encode())
    assert len(list(root.iter())) == count(node)


def count(node: Node) -> int:
    return 1 + (sum(map(count, node[1])) if isinstance(node[1], list) else 0)


CASES: list[tuple[Node, str]] = [
    (("AirSync:Sync", None), '<Sync xmlns="AirSync"/>'),
    (("AirSync:Sync", ""), '<Sync xmlns="AirSync" content="empty"/>'),
    (("AirSync:Sync", " "), '<Sync xmlns="AirSync"> </Sync>'),
    (("AirSync:Sync", "a<b>&\"'\t\r\n"), '<Sync xmlns="AirSync">a&lt;b&gt;&amp;"\'\t&#13;\n</Sync>'),
    (("AirSync:Sync", b"\x00\xff"), '<Sync xmlns="AirSync" content="opaque">AP8=</Sync>'),
    (("AirSync:Sync", b""), '<Sync xmlns="AirSync" content="opaque"></Sync>'),
    (("AirSync:Sync", "\x08"), '<Sync xmlns="AirSync" content="text">CA==</Sync>'),
    (("AirSync:Sync", "\udcff"), '<Sync xmlns="AirSync" content="text">/w==</Sync>'),
    (("AirSync:Sync", "\uffff"), '<Sync xmlns="AirSync" content="text">77+/</Sync>'),
    (("AirSync:0x3F", "a"), '<_0x3F xmlns="AirSync">a</_0x3F>'),
    (
        ("AirSync:Sync", [("AirSyncBase:Body", [("AirSyncBase:Type", "1")]), ("AirSync:Status", "1")]),
        '<Sync xmlns="AirSync">\n'
        '  <Body xmlns="AirSyncBase">\n'
        "    <Type>1</Type>\n"
        "  </Body>\n"
        "  <Status>1</Status>\n"
        "</Sync>",
    ),
    (
        ("AirSync:Sync", [(TEXT, "a "), ("AirSync:Status", None), (TEXT, ""), (TEXT, b"b"), (TEXT, "\x01")]),
        '<Sync xmlns="AirSync">\n'
        "  <_text>a </_text>\n"
        "  <Status/>\n"
        "  <_text/>\n"
        '  <_text content="opaque">Yg==</_text>\n'
        '  <_text content="text">AQ==</_text>\n'
        "</Sync>",
    ),
]


@pytest.mark.parametrize(("node", "xml"), CASES)
def test_forms(node: Node, xml: str) -> None:
    assert to_xml(node) == f"{DECLARATION}{xml}\n"
    assert from_xml(xml) == node


@pytest.mark.parametrize(
    ("xml", "node"),
    [
        ('<s:Sync xmlns:s="AirSync"><s:Status>1</s:Status></s:Sync>', ("AirSync:Sync", [("AirSync:Status", "1")])),
        ('<Sync xmlns="AirSync:"><Data xmlns="AirSyncBase:"/></Sync>', ("AirSync:Sync", [("AirSyncBase:Data", None)])),
        ('<Phone xmlns="Gal">1</Phone>', ("GAL:Phone", "1")),
        ('<TimeZone xmlns="Calendar">x</TimeZone>', ("Calendar:Timezone", "x")),
        ('<CheckCRL xmlns="ValidateCert"/>', ("ValidateCert:CheckCrl", None)),
        ('<Sync xmlns="AirSync"><![CDATA[<html>&amp;]]></Sync>', ("AirSync:Sync", "<html>&amp;")),
        ('<Sync xmlns="AirSync">&#x1F4E7;&#233;</Sync>', ("AirSync:Sync", "📧é")),
        ('<Sync xmlns="AirSync">a<!-- no -->b<?no no?>c</Sync>', ("AirSync:Sync", "abc")),
        ('<Sync xmlns="AirSync"></Sync>', ("AirSync:Sync", None)),
        ('<Sync xmlns="AirSync">\n</Sync>', ("AirSync:Sync", "\n")),
        ('<_0x0B xmlns="AirSync"/>', ("AirSync:SyncKey", None)),
        (
            '<Sync xmlns="AirSync"> a <Status/>b</Sync>',
            ("AirSync:Sync", [(TEXT, " a "), ("AirSync:Status", None), (TEXT, "b")]),
        ),
        ('<Sync xmlns="AirSync" content="opaque">\n  AP8\n  =\n</Sync>', ("AirSync:Sync", b"\x00\xff")),
    ],
)
def test_what_others_write(xml: str, node: Node) -> None:
    assert from_xml(xml) == node


def test_encodings_of_bytes() -> None:
    xml = '<?xml version="1.0" encoding="{}"?><Sync xmlns="AirSync">é</Sync>'
    for name in ("utf-8", "utf-16", "iso-8859-1", "windows-1252"):
        assert from_xml(xml.format(name).encode(name)) == ("AirSync:Sync", "é")
    assert from_xml(b"\xef\xbb\xbf" + xml.format("utf-8").encode()) == ("AirSync:Sync", "é")
    assert from_xml(xml.format("iso-8859-1")) == ("AirSync:Sync", "é"), "text has no encoding any more"


def test_published_examples() -> None:
    paths = sorted(shared("spec", "eas", "examples").glob("*.xml"))
    assert len(paths) == 101
    for path in paths:
        xml = path.read_text(encoding="utf-8")
        node = from_xml(xml)
        assert node == tree_of_xml(xml), path.name
        assert from_xml(to_xml(node)) == node
        assert decode(encode(node)) == node


def test_vectors() -> None:
    for entry in vectors():
        node = decode(bytes.fromhex(entry["hex"]))
        assert from_xml(to_xml(node)) == node, entry["name"]
        if not entry.get("opaque_elements"):
            read = from_xml(entry["xml"].replace("\r", "&#13;"))
            assert read == tree_of_xml(entry["xml"]), entry["name"]


@pytest.mark.parametrize(
    ("xml", "reason"),
    [
        ("", "no element found in line 1"),
        ("Sync", "syntax error in line 1"),
        ('<Sync xmlns="AirSync">\n<Status></Sync>', "mismatched tag in line 2"),
        ('<Sync xmlns="AirSync"/><Sync/>', "junk after document element"),
        ('<Sync xmlns="AirSync">\x08</Sync>', "invalid token"),
        ('<Sync xmlns="AirSync">&nbsp;</Sync>', "undefined entity"),
        ("<a:Sync/>", "unbound prefix"),
        ("<Sync/>", "Sync has no namespace"),
        ('<Sync xmlns="Nonsense"/>', "no code page has the namespace 'Nonsense', in line 1"),
        ('\n<Sync xmlns="AirSync">\n<Key/></Sync>', "no code page has a tag 'AirSync:Key', in line 3"),
        ('<_0x40 xmlns="AirSync"/>', "no code page has a tag"),
        ('<_0xZZ xmlns="AirSync"/>', "no code page has a tag"),
        ('<Sync xmlns="AirSync" a="1"/>', "AirSync:Sync has an attribute 'a'"),
        ('<Sync xmlns="AirSync" content="hex">00</Sync>', "it is opaque, text or empty"),
        ('<Sync xmlns="AirSync" content="opaque">A</Sync>', "does not hold base64"),
        ('<Sync xmlns="AirSync" content="text">é</Sync>', "does not hold base64"),
        ('<Sync xmlns="AirSync" content="empty">a</Sync>', "holds text"),
        ('<Sync xmlns="AirSync" content="opaque"><Status/></Sync>', "can hold nothing but text"),
        ('<Sync xmlns="AirSync"><_text><Status/></_text></Sync>', "can hold nothing but text"),
        ("<_text/>", "text outside the root element"),
        ("<Sync>\ud800</Sync>", "lone surrogate"),
    ],
)
def test_refusals_name_the_reason_and_the_line(xml: str, reason: str) -> None:
    with pytest.raises(WbxmlError, match=reason) as caught:
        from_xml(xml)
    assert 0 <= caught.value.offset <= len(xml.encode(errors="surrogatepass"))


def test_unknown_encodings() -> None:
    for name in ("none-such", "utf-7", "gb18030"):
        with pytest.raises(WbxmlError):
            from_xml(f'<?xml version="1.0" encoding="{name}"?><Sync xmlns="AirSync"/>'.encode())


@pytest.mark.parametrize(
    "declaration",
    [
        '<!DOCTYPE Sync [<!ENTITY a "b">]>',
        '<!DOCTYPE Sync SYSTEM "file:///etc/passwd">',
        '<!DOCTYPE Sync PUBLIC "-//MICROSOFT//DTD ActiveSync//EN" "http://localhost:1/">',
        '<!DOCTYPE lolz [<!ENTITY l "lol"><!ENTITY m "&l;&l;&l;&l;"><!ENTITY n "&m;&m;&m;&m;">]>',
    ],
)
def test_document_types_are_refused(declaration: str) -> None:
    with pytest.raises(WbxmlError, match="document type declarations are not read"):
        from_xml(f'{declaration}<Sync xmlns="AirSync">&n;</Sync>')


def nested(levels: int) -> Node:
    node: Node = ("AirSync:Sync", "innermost")
    for _ in range(levels):
        node = ("AirSync:Sync", [node])
    return node


def test_depth_is_that_of_the_codec() -> None:
    limits = Limits(depth=9)
    assert from_xml(to_xml(nested(9), limits), limits) == nested(9)
    with pytest.raises(WbxmlError, match="nested deeper than 9"):
        to_xml(nested(10), limits)
    with pytest.raises(WbxmlError, match="nested deeper than 9"):
        from_xml(to_xml(nested(10)), limits)
    with pytest.raises(WbxmlError, match="nested deeper than 64"):
        from_xml('<Sync xmlns="AirSync">' * 100_000)


def test_size_and_elements() -> None:
    node: Node = ("AirSync:Sync", [("AirSync:Status", None)] * 99)
    assert from_xml(to_xml(node, Limits(elements=100)), Limits(elements=100)) == node
    with pytest.raises(WbxmlError, match="more than 99 elements"):
        to_xml(node, Limits(elements=99))
    with pytest.raises(WbxmlError, match="more than 99 elements"):
        from_xml(to_xml(node), Limits(elements=99))
    with pytest.raises(WbxmlError, match="longer than 20 characters"):
        to_xml(("AirSync:Sync", "a" * 20), Limits(total=10))
    with pytest.raises(WbxmlError, match="longer than 20 characters"):
        from_xml('<Sync xmlns="AirSync"/>', Limits(total=10))


def test_cyclic_tree() -> None:
    children: list[Node] = []
    children.append(("AirSync:Sync", children))
    with pytest.raises(WbxmlError, match="nested deeper than 64"):
        to_xml(("AirSync:Sync", children))


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        ((TEXT, "a"), "outside the root"),
        (("AirSync:Nonsense", None), "no code page has a tag"),
        (("AirSync:0x40", None), "no code page has a tag"),
        (('AirSync:a b="c"', None), "no code page has a tag"),
        (("AirSync:Sync", "\ud800"), "lone surrogate"),
        (("AirSync:Sync", 1), "content of AirSync:Sync is int"),
        (("AirSync:Sync", [(TEXT, None)]), "content of #text is NoneType"),
    ],
)
def test_trees_that_cannot_be_written(node: Node, reason: str) -> None:
    with pytest.raises(WbxmlError, match=reason):
        to_xml(node)


_PIECES = st.sampled_from(
    (
        *('<Sync xmlns="AirSync">', "</Sync>", "<Status>", "</Status>", "<Status/>", "<_text>", "</_text>", "<_text/>"),
        *('<Status content="opaque">', '<Status content="text">', "YQ==", "a", " ", "&amp;", "\x00", "\r\n"),
        *("]]>", "<!--", "-->", "<![CDATA[", "<?x ?>"),
    )
)


@given(st.lists(_PIECES, max_size=20).map("".join))
def test_random_pieces_raise_nothing_else(xml: str) -> None:
    try:
        node = from_xml(xml)
    except WbxmlError as error:
        refusal = error
    else:
        assert from_xml(to_xml(node)) == node
        return
    assert 0 <= refusal.offset <= len(xml.encode())
