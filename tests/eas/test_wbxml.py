"""What the codec makes of each construct of WBXML 1.3, and what it refuses."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from emailplus.eas.wbxml import HEADER, TEXT, Limits, Node, decode, encode
from emailplus.errors import WbxmlError

SYNC = HEADER + b"\x45"  # AirSync:Sync with content


@pytest.mark.parametrize(
    ("body", "content"),
    [
        (b"\x01", ""),
        (b"\x03abc\x00\x01", "abc"),
        (b"\x03\x00\x01", ""),
        (b"\x03a\x00\x03b\x00\x01", "ab"),
        (b"\x03\xc3\x00\x03\xa9\xff\x00\x01", "é\udcff"),  # a character cut in two
        (b"\x02\x41\x01", "A"),
        (b"\x02\x87\xfa\x22\x01", "\U0001fd22"),
        (b"\x03a\x00\x02\x42\x03c\x00\x01", "aBc"),
        (b"\xc3\x02\x00\x01\x01", b"\x00\x01"),
        (b"\xc3\x00\x01", b""),
        (b"\xc3\x81\x00" + b"x" * 128 + b"\x01", b"x" * 128),
        (b"\xc3\x80\x01y\x01", b"y"),
        (b"\xc3\x01a\xc3\x01b\x01", [(TEXT, b"a"), (TEXT, b"b")]),
        (b"\x03a\x00\xc3\x01b\x01", [(TEXT, "a"), (TEXT, b"b")]),
        (b"\x03a\x00\x0b\x03b\x00\x01", [(TEXT, "a"), ("AirSync:SyncKey", None), (TEXT, "b")]),
        (b"\x4b\x03a\x00\x03b\x00\x01\x01", [("AirSync:SyncKey", "ab")]),
        (b"\x0b\x4b\x01\x4b\x03x\x00\x01\x01", [("AirSync:SyncKey", c) for c in (None, "", "x")]),
        (b"\x00\x11\x46\x03x\x00\x01\x00\x00\x0b\x01", [("AirSyncBase:Type", "x"), ("AirSync:SyncKey", None)]),
        (b"\x00\x11\x00\x00\x0b\x01", [("AirSync:SyncKey", None)]),
        (b"\x3f\x7f\x03x\x00\x01\x01", [("AirSync:0x3F", None), ("AirSync:0x3F", "x")]),
        (b"\x03\xc3\xa9\xe2\x82\xac\xf0\x9f\x93\xa7\x00\x01", "é€📧"),
        (b"\x03\x01\x02\x1f\x7f\r\n\x00\x01", "\x01\x02\x1f\x7f\r\n"),
    ],
)
def test_content(body: bytes, content: object) -> None:
    assert decode(SYNC + body) == ("AirSync:Sync", content)


@pytest.mark.parametrize(
    ("data", "node"),
    [
        (HEADER + b"\x05", ("AirSync:Sync", None)),
        (HEADER + b"\x00\x0d\x45\x01", ("Ping:Ping", "")),
        (HEADER + b"\x00\x01\x00\x0d\x05", ("Ping:Ping", None)),
        (b"\x03\x01\x03\x00\x05", ("AirSync:Sync", None)),  # US-ASCII
        (b"\x02\x01\x00\x00\x05", ("AirSync:Sync", None)),  # WBXML 1.2, charset unknown
        (b"\x01\x01\x6a\x00\x45\x03x\x00\x01", ("AirSync:Sync", "x")),
        (b"\x03\x9f\x51\x6a\x00\x05", ("AirSync:Sync", None)),  # a registered public identifier
        (SYNC + b"\x01\xff\xff\x04", ("AirSync:Sync", "")),  # bytes behind the root
    ],
)
def test_header_and_root(data: bytes, node: Node) -> None:
    assert decode(data) == node


@pytest.mark.parametrize(
    ("data", "reason", "offset"),
    [
        (b"", "shorter than its header", 0),
        (b"\x03\x01\x6a", "shorter than its header", 3),
        (b"\x04\x01\x6a\x00\x05", "version byte 0x04", 0),
        (b"<?xml version", "not WBXML", 0),
        (b"\x03\x00\x00\x6a\x00\x05", "public identifier in the string table", 1),
        (b"\x03\x01\x04\x00\x05", "charset 4", 2),
        (b"\x03\x01\x87\x68\x00\x05", "charset 1000", 2),
        (b"\x03\x01\x6a\x05abcde\x05", "string table", 3),
        (b"\x03\x01\x6a\xff", "middle of a length", 4),
        (HEADER, "without a root", 4),
        (HEADER + b"\x00", "without a root", 5),
        (HEADER + b"\x00\x0d", "without a root", 6),
        (HEADER + b"\x00\x1a\x05", "unknown code page 26", 5),
        (HEADER + b"\x01", "outside the root", 4),
        (HEADER + b"\x03abc\x00", "outside the root", 4),
        (HEADER + b"\xc3\x01a", "outside the root", 4),
        (HEADER + b"\x02\x41", "outside the root", 4),
        (HEADER + b"\x43", "global token 0x43", 4),
        (HEADER + b"\x85\x05\x01", "attributes", 4),
        (HEADER + b"\x04\x00", "literal", 4),
        (SYNC, "middle of an element", 5),
        (SYNC + b"\x4b", "middle of an element", 6),
        (SYNC + b"\x4b\x03a\x00", "middle of an element", 9),
        (SYNC + b"\x4b\x03a\x00\x01", "middle of an element", 10),
        (SYNC + b"\x00", "middle of an element", 6),
        (SYNC + b"\x00\x40\x05", "unknown code page 64", 6),
        (SYNC + b"\x03abc", "without its terminating NUL", 6),
        (SYNC + b"\x4b\x03abc", "without its terminating NUL", 7),
        (SYNC + b"\xc3", "middle of a length", 6),
        (SYNC + b"\x4b\xc3", "middle of a length", 7),
        (SYNC + b"\xc3\x05abc\x01", "longer than the document", 6),
        (SYNC + b"\x4b\xc3\x05abc\x01", "longer than the document", 7),
        (SYNC + b"\xc3\x8f\xff\xff\xff\x7f", "longer than 134217728 bytes", 6),
        (SYNC + b"\xc3\x9f\xff\xff\xff\x7f", "does not fit 32 bits", 6),
        (SYNC + b"\xc3\x81\x81\x81\x81\x81\x01", "more than five bytes", 6),
        (SYNC + b"\x02\x00\x01", "not a character", 6),
        (SYNC + b"\x02\x83\xb0\x00\x01", "entity 55296 is not a character", 6),
        (SYNC + b"\x02\xc4\x80\x00\x01", "entity 1114112 is not a character", 6),
        (SYNC + b"\x04\x00\x01", "literal", 5),
        (SYNC + b"\x44\x00\x01", "literal", 5),
        (SYNC + b"\xcb\x05\x01\x01", "attributes", 5),
        (SYNC + b"\x40a\x00\x01", "global token 0x40", 5),
        (SYNC + b"\x83\x00\x01", "global token 0x83", 5),
        (SYNC + b"\xc0\x01", "global token 0xC0", 5),
    ],
)
def test_refusals_name_reason_and_offset(data: bytes, reason: str, offset: int) -> None:
    with pytest.raises(WbxmlError, match=reason) as caught:
        decode(data)
    assert caught.value.offset == offset
    assert f"(at byte {offset})" in str(caught.value)


class TestTextThatIsNotUtf8:
    data = SYNC + b"\x4b\x03caf\xe9\x00\x01\x03\xff\x00\x01"

    def test_is_kept_for_the_way_back(self) -> None:
        node = decode(self.data)
        assert node == ("AirSync:Sync", [("AirSync:SyncKey", "caf\udce9"), (TEXT, "\udcff")])
        assert encode(node) == self.data

    def test_is_replaced_on_request(self) -> None:
        assert decode(self.data, errors="replace") == (
            "AirSync:Sync",
            [("AirSync:SyncKey", "caf\ufffd"), (TEXT, "\ufffd")],
        )

    def test_is_refused_on_request(self) -> None:
        with pytest.raises(WbxmlError, match="not UTF-8") as caught:
            decode(self.data, errors="strict")
        assert caught.value.offset == self.data.index(0xE9)
        with pytest.raises(WbxmlError, match="not UTF-8") as caught:
            decode(SYNC + b"\x03ab\xff\x00\x01", errors="strict")
        assert caught.value.offset == 8

    def test_any_error_handler_will_do(self) -> None:
        lone = b"\x03\xed\xa0\x80\x00"  # U+D800 in what would be UTF-8
        assert decode(SYNC + lone + lone + b"\x01", errors="surrogatepass") == ("AirSync:Sync", "\ud800\ud800")


class TestEncode:
    def test_switches_the_page_only_where_it_changes(self) -> None:
        node: Node = (
            "AirSync:Sync",
            [
                ("AirSyncBase:Body", [("AirSyncBase:Type", "1")]),
                ("AirSyncBase:NativeBodyType", "2"),
                ("AirSync:Status", None),
            ],
        )
        assert encode(node) == SYNC + b"\x00\x11\x4a\x46\x031\x00\x01\x01\x56\x032\x00\x01\x00\x00\x0e\x01"

    @pytest.mark.parametrize(
        ("content", "body"),
        [
            (None, b"\x0b"),
            ([], b"\x0b"),
            ("", b"\x4b\x01"),
            ("a", b"\x4b\x03a\x00\x01"),
            (b"", b"\x4b\xc3\x00\x01"),
            (b"a\x00", b"\x4b\xc3\x02a\x00\x01"),
            (b"x" * 200, b"\x4b\xc3\x81\x48" + b"x" * 200 + b"\x01"),
            (b"x" * 20_000, b"\x4b\xc3\x81\x9c\x20" + b"x" * 20_000 + b"\x01"),
            ([(TEXT, "a"), (TEXT, b"b"), (TEXT, "")], b"\x4b\x03a\x00\xc3\x01b\x03\x00\x01"),
            ("\x01\x08\x1f\x7f\x85\ufffe\uffff", b"\x4b\x03\x01\x08\x1f\x7f\xc2\x85\xef\xbf\xbe\xef\xbf\xbf\x00\x01"),
            ("a" * 5000 + "é", b"\x4b\x03" + b"a" * 5000 + b"\xc3\xa9\x00\x01"),
        ],
    )
    def test_content(self, content: object, body: bytes) -> None:
        node: Node = ("AirSync:Sync", [("AirSync:SyncKey", content)])  # type: ignore[list-item]
        assert encode(node) == SYNC + body + b"\x01"

    def test_str_subclasses_are_text(self) -> None:
        class Name(str):
            __slots__ = ()

        assert encode(("AirSync:Sync", Name("x"))) == SYNC + b"\x03x\x00\x01"

    @pytest.mark.parametrize(
        ("content", "reason", "offset"),
        [
            ("a\0b", "text of AirSync:SyncKey holds a NUL", 7),
            ("\0", "text of AirSync:SyncKey holds a NUL", 7),
            ("\ud800", "text of AirSync:SyncKey holds a lone surrogate", 7),
            ("a\udc7f", "text of AirSync:SyncKey holds a lone surrogate", 7),  # decode makes U+DC80 and up
            ([(TEXT, "a\0")], "text of #text holds a NUL", 6),
            ([(TEXT, None)], "content of #text is NoneType", 6),
            ([(TEXT, [])], "content of #text is list", 6),
            (1, "content of AirSync:SyncKey is int", 5),
            (("AirSync:SyncKey", None), "content of AirSync:SyncKey is tuple", 5),
            (bytearray(b"a"), "content of AirSync:SyncKey is bytearray", 5),
        ],
    )
    def test_content_that_cannot_be_written(self, content: object, reason: str, offset: int) -> None:
        with pytest.raises(WbxmlError, match=reason) as caught:
            encode(("AirSync:Sync", [("AirSync:SyncKey", content)]))  # type: ignore[list-item]
        assert caught.value.offset == offset

    @pytest.mark.parametrize(
        "tag",
        ["AirSync:Nonsense", "Nonsense:Sync", "Sync", "", "AirSync:", "AirSync:0x0B", "AirSync:0x40", "AirSync:0x3f"],
    )
    def test_tags_without_a_token(self, tag: str) -> None:
        with pytest.raises(WbxmlError, match="no code page has a tag"):
            encode((tag, None))

    def test_text_as_root(self) -> None:
        with pytest.raises(WbxmlError, match="outside the root"):
            encode((TEXT, "a"))

    def test_an_error_leaves_nothing_behind(self) -> None:
        good: Node = ("AirSync:Sync", [("AirSync:SyncKey", "x" * 3000)])
        before = encode(good)
        with pytest.raises(WbxmlError):
            encode(("AirSync:Sync", [("AirSync:SyncKey", "y" * 5000), ("AirSync:Nonsense", None)]))
        assert encode(good) == before


class TestLimits:
    def test_total(self) -> None:
        data = SYNC + b"\x03" + b"a" * 10 + b"\x00\x01"
        assert decode(data, Limits(total=len(data)))[1] == "a" * 10
        with pytest.raises(WbxmlError, match=f"longer than {len(data) - 1} bytes") as caught:
            decode(data, Limits(total=len(data) - 1))
        assert caught.value.offset == len(data) - 1
        assert encode(("AirSync:Sync", "a" * 10), Limits(total=len(data))) == data
        with pytest.raises(WbxmlError, match=f"longer than {len(data) - 1} bytes"):
            encode(("AirSync:Sync", "a" * 10), Limits(total=len(data) - 1))

    @pytest.mark.parametrize("body", [b"\x4b\x03abcd\x00\x01\x01", b"\x03abcd\x00\x01"])
    def test_text(self, body: bytes) -> None:
        decode(SYNC + body, Limits(text=4))
        with pytest.raises(WbxmlError, match="inline string longer than 3 bytes") as caught:
            decode(SYNC + body, Limits(text=3))
        assert caught.value.offset == len(SYNC) + body.index(b"abcd")

    @pytest.mark.parametrize("body", [b"\x4b\xc3\x04abcd\x01\x01", b"\xc3\x04abcd\x01"])
    def test_opaque(self, body: bytes) -> None:
        decode(SYNC + body, Limits(opaque=4))
        with pytest.raises(WbxmlError, match="opaque value longer than 3 bytes"):
            decode(SYNC + body, Limits(opaque=3))

    def test_depth_is_the_same_both_ways(self) -> None:
        def nested(levels: int) -> Node:
            node: Node = ("AirSync:Sync", "innermost")
            for _ in range(levels):
                node = ("AirSync:Sync", [node])
            return node

        limits = Limits(depth=9)
        data = encode(nested(9), limits)
        assert decode(data, limits) == nested(9)
        with pytest.raises(WbxmlError, match="nested deeper than 9") as caught:
            encode(nested(10), limits)
        assert caught.value.offset == 4 + 9
        with pytest.raises(WbxmlError, match="nested deeper than 9") as caught:
            decode(encode(nested(10)), limits)
        assert caught.value.offset == 4 + 9

    def test_elements(self) -> None:
        node: Node = ("AirSync:Sync", [("AirSync:SyncKey", None)] * 99)
        assert decode(encode(node, Limits(elements=100)), Limits(elements=100)) == node
        with pytest.raises(WbxmlError, match="more than 98 elements"):
            decode(encode(node), Limits(elements=98))
        with pytest.raises(WbxmlError, match="more than 98 elements"):
            encode(node, Limits(elements=98))

    def test_defaults_take_the_published_sizes(self) -> None:
        node: Node = ("AirSync:Sync", [("AirSync:SyncKey", "1")] * 50_000)
        assert decode(encode(node)) == node


class TestCollector:
    """The cyclic collector is paused during a long decode and afterwards as it was."""

    long = encode(("AirSync:Sync", [("AirSync:SyncKey", "12345")] * 2000))

    @pytest.fixture(autouse=True)
    def _restored(self) -> Iterator[None]:
        was = gc.isenabled()
        yield
        (gc.enable if was else gc.disable)()

    @pytest.mark.parametrize("enabled", [True, False])
    def test_stays_as_it_was(self, enabled: bool) -> None:
        (gc.enable if enabled else gc.disable)()
        decode(self.long)
        assert gc.isenabled() is enabled
        with pytest.raises(WbxmlError):
            decode(self.long[:-1])
        assert gc.isenabled() is enabled

    def test_does_not_run_meanwhile(self) -> None:
        runs: list[str] = []
        watch = lambda phase, _: runs.append(phase)  # noqa: E731
        gc.enable()
        gc.callbacks.append(watch)
        try:
            node = decode(self.long)
            during = len(runs)
        finally:
            gc.callbacks.remove(watch)
        assert len(node[1] or ()) == 2000
        assert during == 0
