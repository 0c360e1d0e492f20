"""A draft as a MIME message (RFC 5322, 2045 to 2047, 2231, 2387, 3676, 6532): pure, date and Message-ID from outside.

    mixed
    ├── alternative
    │   ├── text/plain
    │   ├── related                 where the HTML shows images
    │   │   ├── text/html
    │   │   └── image/png           by Content-ID
    │   └── text/calendar           of an invitation, with its method (RFC 6047 2.4, MS-ASCMD_R3347)
    └── application/pdf             attachments, in the draft's order

Levels that hold one part only are left out. Lines end with CRLF and everything is 7-bit, with two exceptions: an
attached message that is 8-bit itself goes as it is, since it may not be encoded (RFC 2046 5.2.1), and an address beyond
ASCII (`fields`). The result comes in two pieces, header fields and entity, because S/MIME protects the second.
"""

from __future__ import annotations

import html as escapes
import mimetypes
import re
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email.message import MIMEPart
from email.policy import SMTP
from email.utils import format_datetime
from hashlib import blake2b
from typing import Protocol

from ..errors import UsageError
from ..model.draft import Draft, DraftAttachment, Invitation, Quote
from .fields import address_field, identifiers_field, one_line, parameter, text_field
from .transfer import base64_blocks

_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")
_CONTENT_ID = re.compile(r"[\x21-\x3b\x3d\x3f-\x7e]{1,900}")
_UNWRITABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")
_SEVEN_BIT = SMTP.clone(cte_type="7bit")
_IMPORTANCE = {0: "low", 2: "high"}
_REFERENCES = 20
"""Message-IDs kept of a long thread: the first and the latest (RFC 5322 3.6.4 lets us trim)."""
_OWN_FIELDS = frozenset(
    {
        "from", "to", "cc", "bcc", "reply-to", "subject", "date", "message-id", "in-reply-to", "references",
        "mime-version", "content-type", "content-transfer-encoding", "content-disposition", "sender",
        "thread-topic", "thread-index", "importance", "disposition-notification-to",
    }
)  # fmt: skip
"""Fields that a stage may not add: they are the draft's own."""

Contents = Callable[[DraftAttachment], bytes]
Pieces = list[bytes]
"""A part before it is put together, its header first: a large file is copied once, when the whole is."""


@dataclass(frozen=True, slots=True)
class Composed:
    """A message in two pieces: `head` are the fields of the message, `entity` begins with Content-Type."""

    head: bytes
    entity: bytes

    @property
    def message(self) -> bytes:
        return b"".join((self.head, b"MIME-Version: 1.0\r\n", self.entity))


class BodyStamp(Protocol):
    """Writes what a stage puts above and below a whole body, quotation included."""

    def text(self, body: str) -> str:
        """The plain body."""

    def html(self, body: str) -> str:
        """The HTML body."""


def compose(
    draft: Draft,
    date: datetime,
    contents: Contents | None = None,
    *,
    quote: bool = True,
    stamp: BodyStamp | None = None,
) -> Composed:
    """The message of a draft. `contents` gives the bytes of an attachment that the draft only names.

    `quote` False leaves the original out, for a SmartReply or SmartForward to which the server adds it. `stamp` goes
    over the whole bodies. Raises `UsageError` for an address or a header field that is none, or an attachment without
    content.
    """
    shown = draft.quote if quote else None
    body = _body(draft, shown, stamp)
    inline = [a for a in draft.attachments if a.content_id and draft.html]
    beside = [a for a in draft.attachments if not (a.content_id and draft.html)]
    salt = draft.message_id.encode(errors="replace")
    if inline:
        text, rich = body
        shown_parts = [rich, *(_attachment(a, contents, inline=True) for a in inline)]
        body = [text, _multipart("related", shown_parts, salt + b"r", extra='; type="text/html"')]
    if draft.invitation is not None:
        body.append(_calendar(draft.invitation))
    root = body[0] if len(body) == 1 else _multipart("alternative", body, salt + b"a")
    if beside:
        root = _multipart("mixed", [root, *(_attachment(a, contents, inline=False) for a in beside)], salt + b"m")
    return Composed(_head(draft, date), b"".join(root))


def _head(draft: Draft, date: datetime) -> bytes:
    lines = [
        text_field("Date", format_datetime(date)),
        address_field("From", [draft.sender]),
    ]
    for name, people in (("To", draft.to), ("Cc", draft.cc), ("Bcc", draft.bcc), ("Reply-To", draft.reply_to)):
        if people:
            lines.append(address_field(name, people))
    lines.append(text_field("Subject", draft.subject))
    lines.append(identifiers_field("Message-ID", [draft.message_id]))
    if draft.in_reply_to:
        lines.append(identifiers_field("In-Reply-To", [draft.in_reply_to]))
    references = draft.references
    if len(references) > _REFERENCES:
        references = (references[0], *references[-_REFERENCES + 1 :])
    lines.append(identifiers_field("References", references))
    if draft.thread_topic:
        lines.append(text_field("Thread-Topic", draft.thread_topic))
    if draft.thread_index:
        lines.append(text_field("Thread-Index", b64encode(draft.thread_index).decode()))
    if draft.importance in _IMPORTANCE:
        lines.append(text_field("Importance", _IMPORTANCE[draft.importance]))
    if draft.read_receipt:  # RFC 8098 2.1
        lines.append(address_field("Disposition-Notification-To", [draft.sender]))
    for name, value in draft.headers:
        if name.lower() in _OWN_FIELDS:
            raise UsageError(f"the header field {name} is the draft's own")
        lines.append(text_field(name, value))
    return b"".join(lines)


# Text.


def _body(draft: Draft, quote: Quote | None, stamp: BodyStamp | None) -> list[Pieces]:
    plain = plain_text(draft, quote)
    parts = [_text(stamp.text(plain) if stamp is not None else plain, "plain")]
    if draft.html:
        rich = html_text(draft, quote)
        parts.append(_text(stamp.html(rich) if stamp is not None else rich, "html"))
    return parts


def plain_text(draft: Draft, quote: Quote | None = None) -> str:
    """Text, signature and quoted original, in this order."""
    text = draft.text.rstrip("\n")
    if draft.signature.strip():
        text = f"{text}\n\n-- \n{draft.signature.strip()}" if text else f"-- \n{draft.signature.strip()}"
    if quote is not None:
        lines = [f"> {line}" if line and not line.startswith(">") else f">{line}" for line in quote.text.splitlines()]
        head = "\n".join(f"{label}: {value}" for label, value in quote_lines(quote))
        text = f"{text}\n\n-----Original Message-----\n{head}\n\n" + "\n".join(lines)
    return text + "\n"


def html_text(draft: Draft, quote: Quote | None = None) -> str:
    """The same in HTML. What comes behind the text goes before the end of its body, if it has one."""
    below = ""
    if draft.signature.strip():
        signature = "<br>".join(escapes.escape(line) for line in draft.signature.strip().splitlines())
        below += f'<div class="signature">-- <br>{signature}</div>\n'
    if quote is not None:
        head = "<br>\n".join(
            f"<b>{escapes.escape(label)}:</b> {escapes.escape(value)}" for label, value in quote_lines(quote)
        )
        original = html_content(quote.html) if quote.html else text_as_html(quote.text)
        # By this id mail programs know where a quotation begins, and so does `quotes`.
        below += f'<hr>\n<div id="divRplyFwdMsg">{head}</div>\n<blockquote type="cite">\n{original}\n</blockquote>\n'
    if not below:
        return draft.html
    end = max(draft.html.lower().rfind("</body"), -1)
    if end < 0:
        end = draft.html.lower().rfind("</html")
    return draft.html + below if end < 0 else draft.html[:end] + below + draft.html[end:]


def quote_lines(quote: Quote) -> list[tuple[str, str]]:
    """The header of a quotation: what is known of From, Sent, To, Cc and Subject."""
    names = ("From", "Sent", "To", "Cc", "Subject")
    rows = zip(names, (quote.sender, quote.sent, quote.to, quote.cc, quote.subject), strict=True)
    return [(label, one_line(value)) for label, value in rows if value.strip()]


def text_as_html(text: str) -> str:
    """Plain text as HTML with the same lines."""
    return "<br>\n".join(escapes.escape(line) for line in text.splitlines())


def html_content(document: str) -> str:
    """What stands inside the body of an HTML document, so that it can stand inside another; linear time."""
    lower = document.lower() if document.isascii() else "".join(c.lower() if c < "\x80" else c for c in document)
    start = 0
    opening = lower.find("<body")
    if opening >= 0:
        start = lower.find(">", opening) + 1
    elif (head := lower.rfind("</head>")) >= 0:
        start = head + len("</head>")
    end = lower.rfind("</body")
    if end < start:
        end = lower.rfind("</html")
    return document[start:] if end < start else document[start:end]


def _text(text: str, subtype: str) -> Pieces:
    """A text part, in the transfer encoding that suits it; characters that no text has are left out."""
    part = MIMEPart(policy=_SEVEN_BIT)
    cleaned = _UNWRITABLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    part.set_content(cleaned, subtype=subtype, charset="utf-8")
    return [part.as_bytes()]


def _calendar(invitation: Invitation) -> Pieces:
    """The calendar part. Raises `UsageError` for a method that is none, or text that is not UTF-8."""
    if not re.fullmatch(r"[A-Z]{3,20}", invitation.method):
        raise UsageError(f"{invitation.method!r} is no iCalendar method")
    try:
        text = invitation.calendar.decode()
    except UnicodeDecodeError as problem:
        raise UsageError("the calendar of an invitation is UTF-8") from problem
    part = MIMEPart(policy=_SEVEN_BIT)
    cleaned = _UNWRITABLE.sub("", text.replace("\r\n", "\n"))
    part.set_content(cleaned, subtype="calendar", charset="utf-8", params={"method": invitation.method})
    return [part.as_bytes()]


# Parts.


def _multipart(subtype: str, parts: list[Pieces], salt: bytes, extra: str = "") -> Pieces:
    """Parts under a boundary that stands in none of them; the same message always gets the same one."""
    boundary = "=_" + blake2b(salt, digest_size=15).hexdigest()
    while any(boundary.encode() in piece for part in parts for piece in part):
        boundary = "=_" + blake2b(boundary.encode(), digest_size=15).hexdigest()
    mark = f"--{boundary}".encode()
    head = f'Content-Type: multipart/{subtype}{extra};\r\n boundary="{boundary}"\r\n'
    if any(b"\r\nContent-Transfer-Encoding: 8bit\r\n" in part[0].partition(b"\r\n\r\n")[0] + b"\r\n" for part in parts):
        head += "Content-Transfer-Encoding: 8bit\r\n"  # RFC 2045 6.4
    pieces = [f"{head}\r\n".encode()]
    for part in parts:
        pieces += [mark, b"\r\n", *part, b"" if part[-1].endswith(b"\r\n") else b"\r\n"]
        if part[-1].endswith(b"\r\n"):
            pieces.append(b"\r\n")  # the line end before a boundary belongs to it (RFC 2046 5.1.1)
    pieces += [mark, b"--\r\n"]
    return pieces


def _attachment(attachment: DraftAttachment, contents: Contents | None, *, inline: bool) -> Pieces:
    content = attachment.content
    if content is None:
        if contents is None:
            raise UsageError(f"the content of the attachment {attachment.name!r} is not here")
        content = contents(attachment)
    kind = attachment.content_type.partition(";")[0].strip().lower()
    if not _TYPE.fullmatch(kind) or kind.startswith("multipart/"):
        kind = mimetypes.guess_type(attachment.name)[0] or "application/octet-stream"
    encoding = "base64"
    if kind.startswith("message/"):
        kind, encoding = _message_form(kind, content)
    name = one_line(attachment.name)
    shown = parameter("name", name) if name else ""
    head = [f"Content-Type: {kind}{shown}", f"Content-Transfer-Encoding: {encoding}"]
    disposition = "inline" if inline else "attachment"
    head.append(f"Content-Disposition: {disposition}{parameter('filename', name) if name else ''}")
    identifier = attachment.content_id.strip().strip("<>")
    if _CONTENT_ID.fullmatch(identifier):
        head.append(f"Content-ID: <{identifier}>")
    start = "\r\n".join(head).encode() + b"\r\n\r\n"
    return [start, *(base64_blocks(content) if encoding == "base64" else [content])]


def _message_form(kind: str, content: bytes) -> tuple[str, str]:
    """Type and encoding of an attached message, byte for byte: as a message where its lines allow that, else as a file.

    Only 7bit, 8bit and binary are allowed for message/rfc822 (RFC 2046 5.2.1), and none of them carries long lines or
    line ends other than CRLF unharmed.
    """
    lines = content.split(b"\r\n")
    clean = b"\0" not in content and all(len(line) <= 998 and b"\n" not in line and b"\r" not in line for line in lines)
    if kind != "message/rfc822" or not clean:
        return "application/octet-stream", "base64"
    return kind, "7bit" if content.isascii() else "8bit"
