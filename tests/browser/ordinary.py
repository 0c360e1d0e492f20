"""Ten ordinary messages, one that is none, and a draft, as people see them: what the pictures in docs/view.md show."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from tempfile import TemporaryDirectory

from emailplus.config import AppConfig
from emailplus.mime.compose import compose
from emailplus.mime.page import Cell, Look, Watermark, render
from emailplus.mime.quoted import quotable
from emailplus.mime.view import read
from emailplus.model.draft import Draft, DraftAttachment, DraftKind, Quote
from emailplus.model.message import Address
from emailplus.reading import Reading
from emailplus.store.store import Store


@dataclass(frozen=True)
class Picture:
    """A page and how the window around it is."""

    html: str
    width: int = 760
    height: int = 520
    scheme: str = "light"
    """`height` is the most; the picture ends where the page does."""


def png(width: int, height: int, colour: Callable[[int, int], tuple[int, int, int]]) -> bytes:
    """A picture, made here so that none has to be kept."""
    rows = b"".join(b"\0" + bytes(part for x in range(width) for part in colour(x, y)) for y in range(height))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


def _mail(
    subject: str, sender: str = "Bob Baker <bob@example.com>", to: str = "Alice <alice@example.com>"
) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, to, subject
    message["Date"] = "Wed, 25 Nov 2026 09:30:00 +0100"
    return message


def _unsafe(address: str) -> bool:
    return not address.endswith("@example.com")


def plain_reply() -> Picture:
    mail = _mail("Re: Thursday")
    mail.set_content(
        "Thursday suits me. The room is booked, see https://rooms.example.com/42.\n\nBob\n\n"
        "On Tue, 24 Nov 2026 at 17:02, Alice <alice@example.com> wrote:\n> Shall we meet on Thursday?\n"
        "> At ten?\n> A.\n"
    )
    return Picture(render(read(mail.as_bytes()), Look(unsafe=_unsafe)).html)


def newsletter() -> Picture:
    mail = _mail("Winter sale: everything must go", "Shop <news@shop.example.net>")
    cells = "".join(
        f'<td width=190 style="padding:10px;text-align:center;background-color:{colour}">'
        f'<img src="https://cdn.shop.example.net/{name}.jpg" width=170 height=90 alt="{name}"><br><b>{name}</b><br>'
        f'<a href="https://shop.example.net/{name}">{price}</a></td>'
        for name, price, colour in (("Coat", "89", "#fff4e5"), ("Boots", "59", "#e8f4ff"), ("Scarf", "19", "#f0ffe8"))
    )
    mail.add_alternative(
        '<html><head><style>td{color:red}</style><title>Sale</title></head><body bgcolor="#eeeeee">'
        '<table align=center width=600 bgcolor="#ffffff" cellpadding=8><tr><td colspan=3 align=center '
        'style="background-color:#7a1f3d;color:#ffffff;font-size:26px"><b>WINTER SALE</b></td></tr>'
        f"<tr>{cells}</tr><tr><td colspan=3 style='font-size:11px;color:#777777'>You once bought a coat here. "
        '<a href="https://shop.example.net/out">Unsubscribe</a></td></tr></table>'
        '<img src="https://track.shop.example.net/open?id=4711" width=1 height=1></body></html>',
        subtype="html",
    )
    return Picture(render(read(mail.as_bytes()), Look(unsafe=_unsafe)).html)


def picture_in_the_text() -> Picture:
    mail = _mail("The new sign")
    drawing = png(220, 90, lambda x, y: (30 + x, 90 + y, 200 - x // 2))
    mail.set_content("See the HTML.")
    mail.add_alternative(
        '<p>Dear Alice,</p><p>this is how it will look:</p><p><img src="cid:sign@example.com" alt="sign"></p>'
        '<ul><li>steel, <b>not</b> plastic</li><li>lit from behind</li></ul><p>Bob</p><div class="gmail_quote">'
        "On Monday Alice wrote:<blockquote>Will we see a draft?</blockquote></div>",
        subtype="html",
    )
    mail.get_payload()[1].add_related(drawing, "image", "png", cid="<sign@example.com>")  # type: ignore[union-attr, index]
    return Picture(render(read(mail.as_bytes()), Look(unsafe=_unsafe)).html)


def invitation() -> Picture:
    mail = _mail("Invitation: budget round", to="Alice <alice@example.com>, Carol <carol@partner.example.org>")
    mail.set_content("The yearly round. Please bring your figures.")
    mail.add_alternative(
        b"BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:1\r\nSUMMARY:Budget round 2027\r\n"
        b"DTSTART;TZID=Europe/Berlin:20261203T100000\r\nDTEND;TZID=Europe/Berlin:20261203T113000\r\n"
        b"LOCATION:Room 4\\, second floor\r\nRRULE:FREQ=YEARLY\r\nORGANIZER;CN=Bob Baker:mailto:bob@example.com\r\n"
        b"ATTENDEE;CN=Alice;PARTSTAT=NEEDS-ACTION:mailto:alice@example.com\r\n"
        b"ATTENDEE;CN=Carol;PARTSTAT=ACCEPTED:mailto:carol@partner.example.org\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
        "text",
        "calendar",
        params={"method": "REQUEST", "charset": "utf-8"},
    )
    return Picture(render(read(mail.as_bytes()), Look(unsafe=_unsafe)).html)


def classified() -> Picture:
    mail = _mail("Quarterly figures [SEC=PROTECTED]", to="alice@example.com, dave@elsewhere.example.net")
    mail.set_content("The figures are not to leave the house before Friday.\n")
    mail.add_attachment(b"%PDF-1.7" + bytes(48_000), "application", "pdf", filename="figures-q4.pdf")
    cells = (
        Cell("classification", "PROTECTED", "Sensitivity", colour="#b0102a"),
        Cell("security", "Signed and trusted", "Bob Baker <bob@example.com>", "good"),
    )
    look = Look(unsafe=_unsafe, cells=cells, watermark=Watermark("EXAMPLE CORP alice"))
    return Picture(render(read(mail.as_bytes()), look).html)


def protected() -> Picture:
    mail = _mail("Plan for the merger", "Carol <carol@example.com>")
    mail.set_content("<p>Please do <i>not</i> forward this.</p><p>Carol</p>", subtype="html")
    cell = Cell("rights", "Do Not Forward", "Recipients can read this message, but cannot forward or print it.")
    return Picture(render(read(mail.as_bytes()), Look(cells=(cell,), printable=False, copyable=False)).html)


def with_files() -> Picture:
    mail = _mail("Everything you asked for")
    mail.set_content("<p>Two files, a card, and an old mail.</p>", subtype="html")
    mail.add_attachment(bytes(1_400_000), "application", "zip", filename="photos.zip")
    mail.add_attachment(b"MZ", "application", "octet-stream", filename="../../invoice\u202efdp.exe")
    card = (
        "BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Dr. Eve Adams\r\nORG:Adams & Co\r\nTEL;TYPE=work:+49 30 1234\r\nEND:VCARD\r\n"
    )
    mail.add_attachment(card.encode(), "text", "vcard", filename="eve.vcf")
    old = _mail("Old: the contract")
    old.set_content("See there.")
    mail.add_attachment(old)
    return Picture(render(read(mail.as_bytes())).html)


def wide_on_a_small_screen() -> Picture:
    mail = _mail("Timetable")
    row = "".join(f'<td width=150 style="border:1px solid #888888">{hour}:00</td>' for hour in range(8, 15))
    mail.set_content(f'<table width="1050"><tr>{row}</tr><tr>{row}</tr></table><p>Fits the screen.</p>', subtype="html")
    return Picture(render(read(mail.as_bytes()), Look(fit_to_width=True)).html, width=620)


def other_scripts() -> Picture:
    subject = base64.b64encode("会議の予定について".encode("iso-2022-jp")).decode()
    raw = (
        f"From: =?iso-2022-jp?B?{base64.b64encode('田中'.encode('iso-2022-jp')).decode()}?= <tanaka@example.com>\r\n"
        f"To: alice@example.com\r\nSubject: =?iso-2022-jp?B?{subject}?=\r\nDate: Wed, 25 Nov 2026 18:00:00 +0900\r\n"
        'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n'
        "Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n"
    ).encode() + "明日の会議は十時からです。\r\n".encode("iso-2022-jp")
    raw += b'--b\r\nContent-Type: text/html; charset=windows-1256\r\n\r\n<p dir="rtl">' + "مرحبا بالعالم".encode(
        "cp1256"
    )
    raw += b"</p>\r\n--b\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\nGr\xfc\xdfe aus M\xfcnchen\r\n--b--\r\n"
    return Picture(render(read(raw)).html)


def in_the_dark() -> Picture:
    mail = _mail("Re: lights")
    mail.set_content(
        "<p>I left them <b>on</b>. See <a href='https://example.com/lights'>the plan</a>.</p>", subtype="html"
    )
    cell = Cell("security", "Doubtful signature", "the certificate has expired", "warning")
    return Picture(render(read(mail.as_bytes()), Look(cells=(cell,))).html, scheme="dark", height=360)


def phishing() -> Picture:
    mail = _mail("Your account is locked", '"service@bank.example" <x7@evil.example.net>')
    mail.set_content(
        "<p>Dear customer,</p><p>please log in at <a href='https://evil.example.net/7'>https://www.bank.example</a> "
        "within 24 hours.</p>",
        subtype="html",
    )
    mail.add_attachment(b"MZ", "application", "octet-stream", filename="form.pdf.exe")
    return Picture(render(read(mail.as_bytes()), Look(unsafe=_unsafe)).html)


def draft() -> Picture:
    """An answer before it is sent, as `Mailbox.preview` shows it."""
    quote = Quote(
        sender="Bob Baker <bob@example.com>",
        sent="Wednesday, 25 November 2026 08:30 UTC",
        to="Alice <alice@example.com>",
        subject="The new sign",
        html=quotable("<p>Shall it be <b>steel</b>?</p><p>Bob</p>"),
    )
    answer = Draft(
        message_id="d@example.com", sender=Address("Alice", "alice@example.com"), kind=DraftKind.REPLY,
        to=(Address("Bob Baker", "bob@example.com"), Address("Dave", "dave@elsewhere.example.net")),
        subject="Re: The new sign", html="<p>Steel it is, <i>please</i>.</p>", text="Steel it is, please.",
        signature="Alice Example\nHead of signs", importance=2, quote=quote,
        attachments=(DraftAttachment(name="steel.pdf", content=bytes(81_000), content_type="application/pdf"),),
    )  # fmt: skip
    config = AppConfig.load({
        "email_address": "alice@example.com", "email_device_id": "A" * 32, "email_exchange_host": "x.example.com",
        "email_exchange_username": "alice", "email_watermark": "EXAMPLE CORP alice",
        "email_safe_domains": "example.com",
    })  # fmt: skip
    with TemporaryDirectory() as folder, Store.open(Path(folder) / "store.db", bytes(32)) as store:
        mime = compose(answer, datetime(2026, 11, 25, 9, 0, tzinfo=UTC)).message
        return Picture(Reading(store, config).draft_page(mime).html, height=600)


ORDINARY: dict[str, Callable[[], Picture]] = {
    "plain-reply": plain_reply,
    "newsletter": newsletter,
    "picture-in-the-text": picture_in_the_text,
    "invitation": invitation,
    "classified": classified,
    "protected": protected,
    "with-files": with_files,
    "wide-on-a-small-screen": wide_on_a_small_screen,
    "other-scripts": other_scripts,
    "in-the-dark": in_the_dark,
    "phishing": phishing,
    "draft": draft,
}
