"""Whole messages around hostile HTML: every way by which markup comes into a view.

`attack(seed, number)` is one message as bytes; what it wants to run sets ``window.ran``, what it wants to fetch has its
number in the address.
"""

from __future__ import annotations

import base64
import quopri
import struct
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from ..mime.test_packed import packed, prop, props
from .grammar import Grammar


@dataclass(frozen=True)
class Attack:
    number: int
    way: str
    mime: bytes


def attack(seed: int, number: int) -> Attack:
    rng = Random(f"{seed}/{number}")
    way = rng.choice(_NAMES)
    return Attack(number, way, WAYS[way](rng, Grammar(rng, number)))


HEAD = b"From: Eve <eve@evil.example>\r\nTo: alice@example.com\r\nSubject: Offer\r\nMIME-Version: 1.0\r\n"
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _html(rng: Random, markup: str) -> bytes:
    """A part in some transfer encoding."""
    data = _bytes(markup)
    head = b"Content-Type: text/html; charset=utf-8\r\n"
    way = rng.randrange(3)
    if way == 0:
        return head + b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(data)
    if way == 1:
        return head + b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + quopri.encodestring(data)
    return head + b"\r\n" + data


def _multi(kind: str, *parts: bytes) -> bytes:
    joined = b"".join(b"--=_b\r\n" + part + b"\r\n" for part in parts)
    return b'Content-Type: multipart/%b; boundary="=_b"\r\n\r\n%b--=_b--\r\n' % (kind.encode(), joined)


def plain_html(rng: Random, grammar: Grammar) -> bytes:
    return HEAD + _html(rng, grammar.body())


def document(rng: Random, grammar: Grammar) -> bytes:
    head = rng.choice(
        ("<meta charset=utf-7>", "<meta charset=utf-16>", "<base href=//evil.example/>", "<title>", "", "</head>")
    )
    return HEAD + _html(
        rng, f"<!DOCTYPE html><html><head>{head}{grammar.payload()}</head><body>{grammar.body()}</body></html>"
    )


def charsets(rng: Random, grammar: Grammar) -> bytes:
    """The charset of the header, of a meta element and of the bytes are three."""
    markup = grammar.body()
    label, codec = rng.choice((
        ("utf-7", "utf-7"), ("unicode-1-1-utf-7", "utf-7"), ("utf-16", "utf-16"), ("utf-16le", "utf-16-le"),
        ("utf-16be", "utf-16-be"), ("utf-8", "utf-16"), ("utf-32", "utf-32"), ("iso-2022-jp", "iso2022_jp"),
        ("iso-2022-kr", "utf-8"), ("hz-gb-2312", "utf-8"), ("cp037", "cp037"), ("ibm500", "cp500"), ("utf-8", "cp037"),
        ("shift_jis", "utf-8"), ("big5", "latin-1"), ("x-user-defined", "latin-1"), ("gb18030", "gb18030"),
        ("us-ascii", "utf-7"), ("iso-8859-1", "utf-8"), ("none", "utf-16-le"),
    ))  # fmt: skip
    data = markup.encode(codec, "replace")
    way = rng.randrange(4)
    if way == 0:  # overlong forms of < > " '
        for char, long in (
            (b"<", b"\xc0\xbc"),
            (b">", b"\xe0\x80\xbe"),
            (b'"', b"\xc0\xa2"),
            (b"'", b"\xf0\x80\x80\xa7"),
        ):
            data = data.replace(char, long, rng.randrange(1, 9))
    elif way == 1:  # a lead byte before every quote, as if it swallowed it
        data = data.replace(b'"', rng.choice((b"\x81", b"\xe3\x81", b"\xf0", b"\x1b$B", b"\x1b(J", b"~{")) + b'"')
    elif way == 2:
        data = f"<meta http-equiv=content-type content='text/html;charset={label}'>".encode() + data
    encoded = base64.encodebytes(data)
    return (
        HEAD
        + f"Content-Type: text/html; charset={label}\r\nContent-Transfer-Encoding: base64\r\n\r\n".encode()
        + encoded
    )


def alternatives(rng: Random, grammar: Grammar) -> bytes:
    """One tag in two parts, or markup in the part that says it is text."""
    markup = grammar.body()
    at = rng.randrange(len(markup) + 1)
    plain = b"Content-Type: text/plain\r\n\r\n" + _bytes(markup[:at])
    parts = [plain, _html(rng, markup[:at]), _html(rng, markup[at:])]
    rng.shuffle(parts)
    return HEAD + _multi(rng.choice(("alternative", "mixed", "related")), *parts)


def history(rng: Random, grammar: Grammar) -> bytes:
    """The mark of a quotation stands anywhere, inside a tag or a comment too."""
    mark = rng.choice((
        '<div class="gmail_quote">', "<blockquote type=cite>", '<div id="divRplyFwdMsg">', "-----Original Message-----",
        '<hr id="stopSpelling">', "<div style='border:none;border-top:solid #E1E1E1 1.0pt'>",
    ))  # fmt: skip
    markup = grammar.body()
    at = rng.randrange(len(markup) + 1)
    return HEAD + _html(rng, f"new {markup[:at]}{mark}{markup[at:]}")


def related(rng: Random, grammar: Grammar) -> bytes:
    """Pictures by Content-ID or location that are something else, or whose names are markup."""
    kind, data = rng.choice((
        ("image/png", PNG), ("image/svg+xml", f"<svg xmlns='http://www.w3.org/2000/svg' onload='{grammar.run}'/>".encode()),
        ("image/png", f"<svg onload={grammar.run}>".encode()), ("text/html", f"<script>{grammar.run}</script>".encode()),
        ("image/gif", b"GIF89a/*\x01\x00*/=1;" + grammar.run.encode()), ("image/png\"onerror=\"x", PNG),
    ))  # fmt: skip
    name = rng.choice(("p@x", "p%40x", 'p"onerror=x', "javascript:x", "http://n1.hostile.test/n1/1", "p@x> <q"))
    shown = rng.choice((
        "<img src='cid:p@x'>", f"<img src='cid:{name}'>", f"<img src='{name}'>", f"<img src=\"cid:p@x\" {grammar.css()}>",
        "<svg><image href='cid:p@x'></svg>", "<iframe src='cid:p@x'></iframe>", "<object data='cid:p@x'></object>",
        "<a href='cid:p@x'>x</a>", "<link rel=stylesheet href='cid:p@x'>", "<p style='background:url(cid:p@x)'>x</p>",
    ))  # fmt: skip
    part = (
        f"Content-Type: {kind}\r\nContent-ID: <{name}>\r\nContent-Location: {name}\r\n"
        "Content-Transfer-Encoding: base64\r\n\r\n"
    ).encode() + base64.encodebytes(data)
    return HEAD + _multi("related", _html(rng, shown + grammar.body()), part)


def winmail(rng: Random, grammar: Grammar) -> bytes:
    body = _bytes(grammar.body())
    form = rng.choice((
        prop(0x1013, 0x0102, body), prop(0x1013, 0x001E, body + b"\0"), prop(0x1000, 0x001E, body + b"\0"),
        prop(0x1009, 0x0102, _stored(encapsulated(rng, grammar))),
    ))  # fmt: skip
    title = grammar.payload().encode("cp1252", "replace").decode("cp1252")
    data = packed(props(form), (title[:200], b"x", props()))
    return (
        HEAD
        + b"Content-Type: application/ms-tnef; name=winmail.dat\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + base64.encodebytes(data)
    )


def _stored(rich: bytes) -> bytes:
    """The uncompressed form of MS-OXRTFCP."""
    return struct.pack("<II4sI", len(rich) + 12, len(rich), b"MELA", 0) + rich


def encapsulated(rng: Random, grammar: Grammar) -> bytes:
    """HTML within rich text: as its tags, as its words, and half of each."""
    markup = grammar.body()
    at = rng.randrange(len(markup) + 1)
    written = [_rich(part) for part in (markup[:at], markup[at:])]
    start = (
        b"{\\rtf1\\ansi\\ansicpg1252"
        + rng.choice((b"\\fromhtml1 ", b"\\fromhtml1 ", b" "))
        + b"\\deff0{\\fonttbl{\\f0 Arial;}}"
    )
    middle = rng.choice((
        b"{\\*\\htmltag64 %b}%b", b"%b{\\*\\htmltag64 %b}", b"\\htmlrtf %b\\htmlrtf0 %b", b"{\\*\\mhtmltag64 %b}{\\*\\htmltag %b}",
        b"{\\field{\\*\\fldinst HYPERLINK %b}{\\fldrslt %b}}", b"{\\b %b{\\i %b}}", b"{\\*\\htmltag64 %b{\\*\\htmltag %b}}",
    )) % (written[0], written[1])  # fmt: skip
    return start + middle + b"}"


def _rich(text: str) -> bytes:
    out = []
    for char in text:
        if char in "\\{}":
            out.append(f"\\{char}")
        elif char < "\x80":
            out.append(char if char not in "\r\n" else "\\par ")
        else:
            out.append(f"\\u{(ord(char) & 0xFFFF) - (0x10000 if ord(char) & 0x8000 else 0)}?")
    return "".join(out).encode("ascii", "replace")


def rich(rng: Random, grammar: Grammar) -> bytes:
    return (
        HEAD
        + b"Content-Type: text/rtf\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + base64.encodebytes(encapsulated(rng, grammar))
    )


def text(rng: Random, grammar: Grammar) -> bytes:
    """Markup as words, with addresses among them."""
    kind = rng.choice(("text/plain", "text/plain; format=flowed; delsp=yes", "text/enriched", "text/unknown"))
    words = f"{grammar.url()}\"{grammar.payload()} www.x.example/'onmouseover='{grammar.run} > {grammar.body()}"
    return HEAD + f"Content-Type: {kind}\r\n\r\n".encode() + _bytes(words)


def _word(text: str) -> bytes:
    return b"=?utf-8?B?" + base64.b64encode(_bytes(text[:3000])) + b"?="


def fields(rng: Random, grammar: Grammar) -> bytes:
    """Markup in subject, people and date."""
    markup = [grammar.hidden(grammar.payload()) for _ in range(5)]
    address = markup[3].replace("\r", "").replace("\n", " ").replace("\x00", "")
    return (
        b"Subject: %b\r\nFrom: %b <eve@evil.example>\r\nTo: %b\r\nCc: \"%b\" <x@x>\r\nReply-To: <%b@x>\r\n"
        b"Date: %b\r\n" % (_word(f"</title>{markup[0]}"), _word(markup[1]), _word(markup[2]), _bytes(address), _bytes(address), _word(markup[4]))
        + _html(rng, "<p>x</p>")
    )  # fmt: skip


def files(rng: Random, grammar: Grammar) -> bytes:
    """Markup in names, types and Content-IDs of files, and in attached messages' subjects."""
    name = base64.b64encode(_bytes(grammar.hidden(grammar.payload())[:900])).decode()
    kind = rng.choice(
        (
            "application/pdf",
            f"x/{grammar.payload()[:60]}".replace("\r", "").replace("\n", ""),
            "message/rfc822",
            "text/html",
        )
    )
    part = _bytes(
        f'Content-Type: {kind}; name="=?utf-8?B?{name}?="\r\nContent-Disposition: attachment\r\nContent-ID: <{grammar.run}>\r\n\r\n'
    )
    inner = b"Subject: " + _word(grammar.payload()) + b"\r\n\r\nx"
    return HEAD + _multi("mixed", _html(rng, "<p>x</p>"), part + inner, part + _bytes(grammar.body()))


def calendar(rng: Random, grammar: Grammar) -> bytes:
    values = [grammar.hidden(grammar.payload()).replace("\r", "").replace("\n", "\\n") for _ in range(6)]
    text = (
        f"BEGIN:VCALENDAR\r\nMETHOD:{rng.choice(('REQUEST', values[5][:50]))}\r\nBEGIN:VEVENT\r\nSUMMARY:{values[0]}\r\n"
        f"DTSTART:{values[1][:80]}\r\nLOCATION:{values[2]}\r\nDESCRIPTION:{values[3]}\r\nRRULE:{values[4][:200]}\r\n"
        f"ORGANIZER;CN=\"{values[1]}\":mailto:{values[3][:90]}\r\nATTENDEE;CN={values[2]};PARTSTAT={values[0][:40]}:x\r\n"
        "END:VEVENT\r\nEND:VCALENDAR\r\n"
    )  # fmt: skip
    return HEAD + _multi(
        "alternative", _html(rng, grammar.body()), b"Content-Type: text/calendar; charset=utf-8\r\n\r\n" + _bytes(text)
    )


def card(rng: Random, grammar: Grammar) -> bytes:
    values = [grammar.hidden(grammar.payload()).replace("\r", "").replace("\n", "\\n") for _ in range(5)]
    text = (
        f"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:{values[0]}\r\nORG:{values[1]};{values[2]}\r\nTITLE:{values[3]}\r\n"
        f"TEL;TYPE={values[4][:60]}:{values[1]}\r\nURL:{grammar.scheme()}\r\nPHOTO;VALUE=uri:{grammar.url()}\r\nNOTE:{values[2]}\r\nEND:VCARD\r\n"
    )
    return HEAD + _multi(
        "mixed", _html(rng, "<p>x</p>"), b"Content-Type: text/vcard; charset=utf-8\r\n\r\n" + _bytes(text)
    )


WAYS: dict[str, Callable[[Random, Grammar], bytes]] = {
    way.__name__: way
    for way in (
        plain_html, document, charsets, alternatives, history, related, winmail, rich, text, fields, files, calendar, card,
    )
}  # fmt: skip
_NAMES = [*WAYS, *["plain_html"] * 8, *["history"] * 3, *["alternatives"] * 2, *["document"] * 2]
