"""TNEF and rich text: written here by the specification, read here and by a library that others wrote."""

from __future__ import annotations

import struct
import zlib

import pytest

from emailplus.mime import rtf, tnef
from emailplus.mime.view import from_body, read
from emailplus.model.message import BodyType


def attribute(level: int, name: int, value: bytes) -> bytes:
    return struct.pack("<BII", level, name, len(value)) + value + struct.pack("<H", sum(value) & 0xFFFF)


def prop(identity: int, kind: int, value: bytes) -> bytes:
    head = struct.pack("<HH", kind, identity)
    if kind in (0x001E, 0x001F, 0x0102, 0x000D):
        return head + struct.pack("<II", 1, len(value)) + value + bytes(-len(value) % 4)
    return head + value + bytes(-len(value) % 4)


def props(*items: bytes) -> bytes:
    return struct.pack("<I", len(items)) + b"".join(items)


def packed(message: bytes, *attachments: tuple[str, bytes, bytes]) -> bytes:
    out = struct.pack("<IH", tnef.SIGNATURE, 1)
    out += attribute(1, 0x00069007, struct.pack("<II", 1252, 0))
    out += attribute(1, 0x00018004, b"Packed\0")
    out += attribute(1, 0x00069003, message)
    for title, data, more in attachments:
        out += attribute(2, 0x00069002, bytes(14))
        out += attribute(2, 0x00018010, title.encode("cp1252") + b"\0")
        if data:
            out += attribute(2, 0x0006800F, data)
        out += attribute(2, 0x00069005, more)
    return out


LONG_NAME = prop(0x3707, 0x001F, "Stra\u00dfe.txt\0".encode("utf-16-le"))
NAMED = struct.pack("<HH", 0x0003, 0x8001) + bytes(16) + struct.pack("<II", 0, 5) + struct.pack("<I", 7)
BODY = props(
    NAMED, prop(0x1000, 0x001F, "Plain caf\u00e9\0".encode("utf-16-le")), prop(0x1013, 0x0102, b"<p>caf\xe9</p>")
)
WINMAIL = packed(
    BODY,
    ("STRASSE.TXT", b"street", props(LONG_NAME)),
    ("pic", b"\x89PNG", props(prop(0x3712, 0x001E, b"p@x\0"), prop(0x370E, 0x001E, b"image/png\0"))),
)


def test_a_winmail_dat() -> None:
    opened = tnef.read(WINMAIL)
    assert (opened.subject, opened.text, opened.html) == ("Packed", "Plain caf\u00e9", "<p>caf\u00e9</p>")
    assert [(a.name, a.data, a.content_type, a.content_id) for a in opened.attachments] == [
        ("Stra\u00dfe.txt", b"street", "", ""), ("pic", b"\x89PNG", "image/png", "p@x"),
    ]  # fmt: skip
    assert opened.problems == []


def test_another_reader_agrees() -> None:
    tnefparse = pytest.importorskip("tnefparse", reason="tnefparse, another reader of TNEF, is not installed")
    other = tnefparse.TNEF(WINMAIL)
    assert [a.data for a in other.attachments] == [a.data for a in tnef.read(WINMAIL).attachments]
    assert other.attachments[0].long_filename().rstrip("\0") == "Stra\u00dfe.txt"


def test_a_message_that_is_only_a_winmail_dat() -> None:
    raw = b"Subject: W\r\nContent-Type: application/ms-tnef; name=winmail.dat\r\n\r\n" + WINMAIL
    seen = read(raw)
    assert seen.html == "<p>caf\u00e9</p>"
    assert seen.text == "Plain caf\u00e9"
    assert [item.name for item in seen.attachments] == ["Stra\u00dfe.txt", "pic"]


def test_a_message_within() -> None:
    inner = packed(props(prop(0x1000, 0x001E, b"deep\0")), ("in.txt", b"x", props()))
    method = prop(0x3705, 0x0003, struct.pack("<I", 5))
    outer = packed(props(), ("inner", b"", props(method, prop(0x3701, 0x000D, bytes(16) + inner))))
    seen = read(b"Content-Type: application/ms-tnef\r\n\r\n" + outer)
    assert [(item.name, item.kind) for item in seen.attachments] == [("Packed.txt", "message"), ("in.txt", "file")]
    assert seen.attachments[0].content() == b"deep"


@pytest.mark.parametrize("cut", [7, 40, 100, 150, len(WINMAIL) - 3])
def test_a_stream_that_breaks_off(cut: int) -> None:
    tnef.read(WINMAIL[:cut])


def test_hostile_tnef() -> None:
    with pytest.raises(tnef.NotTnef):
        tnef.read(b"MZ")
    head = struct.pack("<IH", tnef.SIGNATURE, 1)
    for tail in (
        attribute(1, 0x00069003, struct.pack("<I", 0xFFFFFFFF)),
        attribute(1, 0x00069003, struct.pack("<IHHI", 1, 0x1102, 0x1009, 0xFFFFFFFF)),
        struct.pack("<BII", 1, 1, 0xFFFFFFFF),
        attribute(2, 0x00069002, b"") * 5_000,
    ):
        opened = tnef.read(head + tail)
        assert len(opened.attachments) <= tnef.MAX_ATTACHMENTS
        assert len(opened.problems) <= 1


# -- rich text

ENCAPSULATED = (
    rb"{\rtf1\ansi\ansicpg1252\fromhtml1 \deff0{\fonttbl{\f0\fswiss Arial;}{\f1\fcharset238 X;}}{\*\generator x;}"
    rb"{\*\htmltag64 <html>}{\*\htmltag84 <p class=\'22a\'22>}\htmlrtf {\htmlrtf0 Caf\'e9 \u8364?1 < 2 "
    rb"{\*\htmltag84 &nbsp;}\htmlrtf \'a0\htmlrtf0{\f1 \'b3}\htmlrtf \par}\htmlrtf0 {\*\mhtmltag84 hidden}"
    rb"{\*\htmltag92 </p>}{\*\htmltag27 </html>}}"
)
PLAIN = (
    rb"{\rtf1\ansi\ansicpg1251{\info{\title t}}\pard Bold: {\b yes} \'cf\'f0 \u-10179?\u-8704? \{x\}\line a\tab b\par}"
)


def test_rich_text_made_of_html_gives_it_back() -> None:
    assert rtf.to_html(ENCAPSULATED) == '<html><p class="a">Caf\u00e9 \u20ac1 &lt; 2 &nbsp;\u0142</p></html>'


def test_other_rich_text() -> None:
    assert rtf.to_text(PLAIN) == "Bold: yes \u041f\u0440 \U0001f600 {x}\na\tb"
    assert "<b>yes</b>" in rtf.to_html(PLAIN)
    assert "title" not in rtf.to_html(PLAIN)


def test_compressed_rich_text() -> None:
    compressed_rtf = pytest.importorskip("compressed_rtf")
    data = compressed_rtf.compress(PLAIN)
    assert rtf.decompressed(data) == PLAIN
    raw = struct.pack("<III", len(PLAIN) + 12, len(PLAIN), 0x414C454D) + bytes(4) + PLAIN
    assert rtf.decompressed(raw) == PLAIN
    assert "yes" in from_body(BodyType.RTF, data).html or from_body(BodyType.RTF, PLAIN).html
    with pytest.raises(rtf.BadRtf):
        rtf.decompressed(data[:10])
    with pytest.raises(rtf.BadRtf):
        rtf.decompressed(data[:-20] + bytes(20))
    assert "rich text could not be read" in from_body(BodyType.RTF, b"nothing").problems[0]
    assert zlib.crc32(data) != 0


@pytest.mark.parametrize(
    "piece", [b"{", b"}", b"\\", b"\\'", b"\\u", b"{\\b ", b"\\u8364?", b"{\\*\\htmltag64 ", b"\\par ", b"a"]
)
def test_hostile_rich_text(piece: bytes) -> None:
    data = b"{\\rtf1\\fromhtml1 " + piece * (400_000 // len(piece))
    rtf.to_html(data)
    rtf.to_text(data)
