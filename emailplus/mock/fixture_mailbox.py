"""A mailbox of varied mail for demos and tests: deterministic for a given `now`, dated up to sixty days back.

`messages` makes them, `fill` puts them into a mailbox of the mock. `large_mailbox` makes as many plain messages of a
size as a benchmark wants, each only when its bytes are asked for.
"""

from __future__ import annotations

import base64
import random
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial

from .fixture_text import FOREIGN, PARAGRAPHS, PEOPLE, SUBJECTS, THREADS
from .mailbox import Flag, Mailbox, Source

SPAN_DAYS = 60
RECENT = 66  # messages of the last three days
BIG_ATTACHMENT = 11 << 20  # bytes; beyond a limit of 10 MB
BIG_BODY = 4_500_000  # bytes; beyond a limit of 4 MB

FOLDERS: tuple[tuple[str, str | None], ...] = (
    ("Projects", "Inbox"),
    ("Newsletters", "Inbox"),
    ("Archive", None),
    ("Rechnungen & Belege", None),
    ("会議", "Archive"),
)
"""Folders made beside the default ones, with their parents."""


@dataclass(frozen=True, slots=True)
class FixtureMessage:
    """One message: where it lies, when it came, what it shows. `kind` names what is special about it."""

    kind: str
    raw: bytes
    received: datetime
    folder: str = "Inbox"
    read: bool = True
    flag: Flag | None = None


@dataclass(slots=True)
class _Letter:
    """The making of one message."""

    sender: tuple[str, str]
    to: tuple[str, str]
    subject: str | None
    date: datetime
    number: int
    message_id: bool = True
    references: tuple[str, ...] = ()
    extra: tuple[tuple[str, str], ...] = ()

    @property
    def identity(self) -> str:
        return f"<fixture-{self.number}@example.test>"

    def write(self, content_type: str, body: bytes, encoding: str = "") -> bytes:
        lines = [f"From: {_person(self.sender)}", f"To: {_person(self.to)}"]
        if self.subject is not None:
            lines.append(f"Subject: {_words(self.subject)}")
        lines.append(f"Date: {format_datetime(self.date)}")
        if self.message_id:
            lines.append(f"Message-ID: {self.identity}")
        if self.references:
            lines.append(f"In-Reply-To: {self.references[-1]}")
            lines.append("References: " + "\r\n ".join(self.references))
        lines += [f"{name}: {text}" for name, text in self.extra]
        lines += ["MIME-Version: 1.0", f"Content-Type: {content_type}"]
        if encoding:
            lines.append(f"Content-Transfer-Encoding: {encoding}")
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def _words(text: str) -> str:
    """A header text, as encoded words (RFC 2047) where it is not ASCII."""
    if text.isascii():
        return text
    pieces, piece = [], ""
    for character in text:
        if len((piece + character).encode()) > 42:
            pieces.append(piece)
            piece = ""
        piece += character
    pieces.append(piece)
    return "\r\n ".join(f"=?utf-8?b?{base64.b64encode(p.encode()).decode()}?=" for p in pieces)


def _person(person: tuple[str, str]) -> str:
    name, address = person
    return f'"{name}" <{address}>' if name.isascii() else f"{_words(name)} <{address}>"


def _base64(data: bytes) -> bytes:
    return base64.encodebytes(data).replace(b"\n", b"\r\n")


def _crlf(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode()


def _multipart(kind: str, boundary: str, *parts: bytes) -> tuple[str, bytes]:
    body = b"".join(b"--%s\r\n%s\r\n" % (boundary.encode(), part) for part in parts)
    return f'multipart/{kind}; boundary="{boundary}"', body + b"--%s--\r\n" % boundary.encode()


def _part(content_type: str, body: bytes, *fields: str) -> bytes:
    head = "\r\n".join((f"Content-Type: {content_type}", *fields))
    return head.encode() + b"\r\n\r\n" + body


def _attachment(name: str, content_type: str, data: bytes) -> bytes:
    disposition = f'Content-Disposition: attachment; filename="{name}"'
    return _part(f'{content_type}; name="{name}"', _base64(data), disposition, "Content-Transfer-Encoding: base64")


def _text(rng: random.Random, paragraphs: int) -> str:
    return "\n\n".join(rng.choice(PARAGRAPHS) for _ in range(paragraphs)) + "\n"


def _html(rng: random.Random, paragraphs: int, image: str = "") -> str:
    shown = "".join(f"<p>{rng.choice(PARAGRAPHS)}</p>\n" for _ in range(paragraphs))
    picture = f'<p><img src="cid:{image}" alt="chart"></p>\n' if image else ""
    style = "<style>p { font-family: sans-serif; color: #222 }</style>"
    return f"<html><head>{style}</head><body>\n{shown}{picture}</body></html>\n"


def png(colour: tuple[int, int, int], size: int = 16) -> bytes:
    """A small one-colour PNG picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\x00" + bytes(colour) * size) * size
    head = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


def signed_data(content: bytes | None) -> bytes:
    """A CMS SignedData (RFC 5652 5.1) without signers, its content inside or (None) detached; DER."""

    def der(tag: int, *parts: bytes) -> bytes:
        body = b"".join(parts)
        size = len(body)
        length = bytes([size]) if size < 128 else bytes([0x80 | (n := (size.bit_length() + 7) // 8)]) + size.to_bytes(n)
        return bytes([tag]) + length + body

    data = bytes.fromhex("06092a864886f70d010701")
    signed = bytes.fromhex("06092a864886f70d010702")
    inner = der(0x30, data) if content is None else der(0x30, data, der(0xA0, der(0x04, content)))
    return der(0x30, signed, der(0xA0, der(0x30, der(0x02, b"\x01"), der(0x31), inner, der(0x31))))


# -- the kinds


def _plain(letter: _Letter, rng: random.Random) -> bytes:
    return letter.write("text/plain; charset=us-ascii", _crlf(_text(rng, rng.randint(1, 6))))


def _rich(letter: _Letter, rng: random.Random) -> bytes:
    return letter.write("text/html; charset=utf-8", _crlf(_html(rng, rng.randint(2, 9))), "8bit")


def _alternative(letter: _Letter, rng: random.Random) -> bytes:
    plain = _part("text/plain; charset=utf-8", _crlf(_text(rng, 3)))
    rich = _part("text/html; charset=utf-8", _crlf(_html(rng, 3)))
    return letter.write(*_multipart("alternative", f"=_alt{letter.number}", plain, rich))


def _inline_image(letter: _Letter, rng: random.Random) -> bytes:
    image = f"chart{letter.number}@example.test"
    colour = (rng.randrange(256), rng.randrange(256), rng.randrange(256))
    picture = _part(
        'image/png; name="chart.png"',
        _base64(png(colour)),
        f"Content-ID: <{image}>",
        'Content-Disposition: inline; filename="chart.png"',
        "Content-Transfer-Encoding: base64",
    )
    plain = _part("text/plain; charset=utf-8", _crlf(_text(rng, 2)))
    related = _multipart(
        "related", f"=_rel{letter.number}", _part("text/html; charset=utf-8", _crlf(_html(rng, 2, image))), picture
    )
    nested = _part(related[0], related[1])
    return letter.write(*_multipart("alternative", f"=_alt{letter.number}", plain, nested))


_FILES = (
    ("minutes.txt", "text/plain", 1_200),
    ("budget.xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", 48_000),
    ("report.pdf", "application/pdf", 180_000),
    ("photo.jpg", "image/jpeg", 420_000),
    ("backup.zip", "application/zip", 1_400_000),
)


def _with_files(letter: _Letter, rng: random.Random) -> bytes:
    parts = [_part("text/plain; charset=utf-8", _crlf(_text(rng, 2)))]
    for name, kind, size in rng.sample(_FILES, rng.choice((1, 1, 2, 3))):
        parts.append(_attachment(name, kind, rng.randbytes(size)))
    return letter.write(*_multipart("mixed", f"=_mix{letter.number}", *parts))


def _big_attachment(letter: _Letter, rng: random.Random) -> bytes:
    note = _part("text/plain; charset=utf-8", b"The recording is attached.\r\n")
    recording = _attachment("recording.mp4", "video/mp4", rng.randbytes(BIG_ATTACHMENT))
    return letter.write(*_multipart("mixed", "=_big", note, recording))


def _big_body(letter: _Letter, rng: random.Random) -> bytes:
    block = _crlf(_text(rng, 40))
    return letter.write("text/plain; charset=utf-8", (block * (BIG_BODY // len(block) + 1))[:BIG_BODY])


def _foreign(letter: _Letter, rng: random.Random) -> bytes:
    name, address, subject, text, charset = FOREIGN[letter.number % len(FOREIGN)]
    letter.sender, letter.subject = (name, address), subject
    body = text.replace("\n", "\r\n").encode(charset)
    if letter.number % 2:
        return letter.write(f"text/plain; charset={charset}", _base64(body), "base64")
    return letter.write(f"text/plain; charset={charset}", body, "8bit")


def _empty_subject(letter: _Letter, rng: random.Random) -> bytes:
    letter.subject = "" if letter.number % 2 else None
    return _plain(letter, rng)


def _no_message_id(letter: _Letter, rng: random.Random) -> bytes:
    letter.message_id = False
    return _plain(letter, rng)


def _control_characters(letter: _Letter, rng: random.Random) -> bytes:
    letter.subject = "Bell\x07 and vertical\x0b tab"
    return letter.write(
        "text/plain; charset=utf-8", b"before \x00\x01\x08\x0c\x1b[31m after\r\n" + _crlf(_text(rng, 1))
    )


def _forwarded_message(letter: _Letter, rng: random.Random) -> bytes:
    inner = _Letter(
        letter.to, letter.sender, "The original question", letter.date - timedelta(days=1), letter.number + 5000
    )
    attached = _part("message/rfc822", _with_files(inner, rng), "Content-Disposition: attachment")
    note = _part("text/plain; charset=utf-8", b"As an attachment, as you asked.\r\n")
    return letter.write(*_multipart("mixed", f"=_fwd{letter.number}", note, attached))


def _broken(letter: _Letter, rng: random.Random) -> bytes:
    """Never-closed multipart, base64 that is none, a header without a colon, raw 8-bit in the subject."""
    raw = letter.write(
        'multipart/mixed; boundary="never-closed"',
        b"--never-closed\r\nContent-Type: text/plain\r\n\r\nText before the damage.\r\n"
        b"--never-closed\r\nContent-Type: application/octet-stream; name=damaged.bin\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n!!!! this is not base64 !!!!\r\n" + rng.randbytes(40),
    )
    return raw.replace(b"Subject: ", b"this line has no colon\r\nSubject: \xe9t\xe9 ", 1)


def _long_names(letter: _Letter, rng: random.Random) -> bytes:
    """File names by RFC 2231, split and encoded, and by encoded words."""
    split = _part(
        "application/octet-stream",
        _base64(rng.randbytes(900)),
        "Content-Disposition: attachment;\r\n filename*0*=utf-8''%C3%9Cbersicht%20;\r\n filename*1=2026.bin",
        "Content-Transfer-Encoding: base64",
    )
    word = _part(
        'application/octet-stream; name="=?utf-8?b?6KuL5rGC5pu4LmJpbg==?="',
        _base64(rng.randbytes(900)),
        "Content-Disposition: attachment",
        "Content-Transfer-Encoding: base64",
    )
    note = _part("text/plain; charset=utf-8", b"Two files with long names.\r\n")
    return letter.write(*_multipart("mixed", f"=_names{letter.number}", note, split, word))


def _smime_opaque(letter: _Letter, rng: random.Random) -> bytes:
    inner = b"Content-Type: text/plain\r\n\r\n" + _crlf(_text(rng, 1))
    kind = "application/pkcs7-mime; smime-type=signed-data; name=smime.p7m"
    letter.extra = (*letter.extra, ("Content-Disposition", "attachment; filename=smime.p7m"))
    return letter.write(kind, _base64(signed_data(inner)), "base64")


def _smime_signed(letter: _Letter, rng: random.Random) -> bytes:
    inner = _part("text/plain; charset=us-ascii", _crlf(_text(rng, 2)))
    signature = _part(
        "application/pkcs7-signature; name=smime.p7s",
        _base64(signed_data(None)),
        "Content-Disposition: attachment; filename=smime.p7s",
        "Content-Transfer-Encoding: base64",
    )
    kind, body = _multipart("signed", f"=_signed{letter.number}", inner, signature)
    return letter.write(f'{kind};\r\n protocol="application/pkcs7-signature"; micalg=sha-256', body)


def _quoted_printable(letter: _Letter, rng: random.Random) -> bytes:
    line = b"Caf=E9 =A3 20=\r\n and a line that goes on, na=EFve and =22quoted=22.\r\n"
    return letter.write("text/plain; charset=iso-8859-1", line * rng.randint(3, 9), "quoted-printable")


def _report(letter: _Letter, rng: random.Random) -> bytes:
    letter.subject = "Undeliverable: " + (letter.subject or "")
    note = _part("text/plain", b"Your message could not be delivered.\r\n")
    status = _part("message/delivery-status", b"Final-Recipient: rfc822; nobody@example.test\r\nStatus: 5.1.1\r\n")
    kind, body = _multipart("report", f"=_dsn{letter.number}", note, status)
    return letter.write(f"{kind}; report-type=delivery-status", body)


def _urgent(letter: _Letter, rng: random.Random) -> bytes:
    letter.extra = (("Importance", "high"), ("X-Priority", "1"), ("Cc", _person(rng.choice(PEOPLE))))
    return _alternative(letter, rng)


KINDS = (
    ("big-attachment", _big_attachment, 1),
    ("big-body", _big_body, 1),
    ("plain", _plain, 40),
    ("html", _rich, 24),
    ("alternative", _alternative, 24),
    ("inline-image", _inline_image, 10),
    ("attachments", _with_files, 16),
    ("foreign", _foreign, 20),
    ("empty-subject", _empty_subject, 4),
    ("no-message-id", _no_message_id, 3),
    ("control-characters", _control_characters, 2),
    ("forwarded-message", _forwarded_message, 3),
    ("broken", _broken, 2),
    ("long-names", _long_names, 3),
    ("smime-opaque", _smime_opaque, 3),
    ("smime-signed", _smime_signed, 3),
    ("quoted-printable", _quoted_printable, 4),
    ("report", _report, 2),
    ("urgent", _urgent, 4),
)
"""Kind, its maker and how many there are; sixty more are the messages of `THREADS`."""


def messages(now: datetime, owner: tuple[str, str] = ("Alice Anderson", "alice@example.test")) -> list[FixtureMessage]:
    """The fixture mailbox of `owner` as it looks at `now` (aware), newest first; the same for the same arguments."""
    rng = random.Random(20261124)
    rest = [kind for kind, _, count in KINDS for _ in range(count)]
    rng.shuffle(rest)
    first = [kind for kind, _, _ in KINDS]  # one of every kind within the last three days
    for kind in first:
        rest.remove(kind)
    plan = first + rest
    makers = {kind: maker for kind, maker, _ in KINDS}
    result = []
    for number, kind in enumerate(plan):
        moment = _moment(now, number, len(plan), rng)
        letter = _Letter(rng.choice(PEOPLE), owner, rng.choice(SUBJECTS), moment, number)
        folder = _folder(number, kind)
        if folder == "Sent Items":
            letter.sender, letter.to = owner, letter.sender
        raw = makers[kind](letter, rng)
        flag = Flag(due=moment + timedelta(days=2)) if number % 17 == 3 else None
        result.append(FixtureMessage(kind, raw, moment, folder, number % 3 != 0, flag))
    result += _threads(now, owner, rng)
    return sorted(result, key=lambda message: message.received, reverse=True)


def _moment(now: datetime, number: int, total: int, rng: random.Random) -> datetime:
    """When the number-th came: the first `RECENT` within three days, the others over the rest of the span."""
    if number < RECENT:
        minutes = 20 + number * (70 * 60 - 40) / RECENT
    else:
        minutes = 73 * 60 + (number - RECENT) * (SPAN_DAYS - 4) * 24 * 60 / (total - RECENT)
    moment = now.astimezone(UTC) - timedelta(minutes=minutes, seconds=rng.randrange(60))
    return moment.replace(microsecond=0)


def _folder(number: int, kind: str) -> str:
    if kind.startswith("big") or number < 10:
        return "Inbox"
    names = ("Inbox", "Inbox", "Inbox", "Projects", "Inbox", "Sent Items", "Newsletters", "Inbox", "Archive", "Inbox")
    if number % 37 == 0:
        return "会議"
    if number % 31 == 0:
        return "Rechnungen & Belege"
    return "Junk Email" if number % 29 == 0 else names[number % len(names)]


def _threads(now: datetime, owner: tuple[str, str], rng: random.Random) -> list[FixtureMessage]:
    """Long conversations, answers referring to answers."""
    result = []
    for index, (topic, length, days) in enumerate(THREADS):
        references: tuple[str, ...] = ()
        others = rng.sample(PEOPLE, 3)
        for step in range(length):
            number = 1000 + index * 100 + step
            age = timedelta(days=days) * (length - step) / length
            moment = (now.astimezone(UTC) - age - timedelta(minutes=3)).replace(microsecond=0)
            mine = step % 3 == 2
            sender, to = (owner, others[0]) if mine else (others[step % 3], owner)
            subject = topic if step == 0 else f"Re: {topic}"
            letter = _Letter(sender, to, subject, moment, number, references=references[-12:])
            raw = (_alternative if step % 2 else _plain)(letter, rng)
            references = (*references, letter.identity)
            result.append(FixtureMessage("thread", raw, moment, "Sent Items" if mine else "Inbox", step < length - 1))
    return result


def fill(mailbox: Mailbox, now: datetime | None = None) -> list[str]:
    """Put the fixture messages into a mailbox, making their folders; returns the server ids, oldest mail first."""
    for name, parent in FOLDERS:
        mailbox.create_folder(name, parent)
    ids = []
    for message in reversed(messages(now or mailbox.clock())):
        ids.append(mailbox.deliver(message.raw, message.folder, message.received, message.read, message.flag))
    return ids


def large_mailbox(count: int, size: int = 7_500, now: datetime | None = None) -> Iterator[tuple[Source, datetime]]:
    """`count` messages of about `size` bytes for `Mailbox.deliver_many`, a minute apart, newest last.

    Each is made when its bytes are asked for and not kept, so that 100,000 of them cost little memory.
    """
    end = (now or datetime.now(UTC)).replace(microsecond=0)
    for number in range(count):
        moment = end - timedelta(minutes=count - number)
        yield partial(large_message, number, size, moment), moment


_FILLER = _crlf("\n".join(PARAGRAPHS) + "\n") * 40


def large_message(number: int, size: int, moment: datetime) -> bytes:
    """The number-th message of a `large_mailbox`: plain text of `size` bytes in all, at least its headers."""
    sender = PEOPLE[number % len(PEOPLE)]
    subject = f"{SUBJECTS[number % len(SUBJECTS)]} ({number})"
    letter = _Letter(sender, ("Alice Anderson", "alice@example.test"), subject, moment, number)
    head = letter.write("text/plain; charset=us-ascii", b"")
    start = number * 61 % len(_FILLER)
    wanted = max(0, size - len(head) - 2)
    body = (_FILLER[start:] + _FILLER * (wanted // len(_FILLER) + 1))[:wanted]
    return head + body + b"\r\n"
