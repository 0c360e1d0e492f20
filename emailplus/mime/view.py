"""A message as something that can be shown: text, safe HTML, files, appointments, cards (RFC 2045 to 2049).

    seen = read(mime)                      # or from_body(...) for a body that ActiveSync delivered apart
    seen.text, seen.attachments, seen.problems
    seen.safe_html(pictures=False).new     # sanitised; nothing is fetched

Nothing here fails: `problems` says what could not be read, and why something is missing. `view` is the small form that
the index and the store use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Literal

from ..errors import UsageError
from ..model.message import BodyType
from . import cards, charset, headers, html_text, names, quotes, rtf, sanitise, tnef
from .brief import MimeView, PartView, decoded_text, header_text, is_attached, view
from .outline import Outline, outline
from .parts import IDENTITY, MAX_PARTS, Part, parse
from .pictures import MAX_PICTURE
from .source import Source, beginning

__all__ = [
    "MAX_PARTS", "AnnouncedFile", "AttachmentView", "MessageView", "MimeView", "PartView", "SafeBody", "decoded_text",
    "from_body", "header_text", "read", "view",
]  # fmt: skip

MAX_TEXT = 4 << 20
"""Bytes of one text part that are read, and characters of all together."""
MAX_BODY = 2 * rtf.MAX_RTF + 2 * MAX_TEXT + 1
"""Bytes of a body that came apart that are looked at, whatever its form."""
MAX_TNEF = 64 << 20
MAX_NESTED_TNEF = 3
MAX_ATTACHED = 10
"""Messages attached to each other that are opened."""
MAX_MESSAGE = 32 << 20
"""Bytes of an attached message that has to be decoded to be read."""

Kind = Literal["file", "message", "signature", "calendar", "contact"]
Pieces = Callable[[], Iterator[bytes]]

_SIGNATURES = frozenset(("application/pkcs7-signature", "application/x-pkcs7-signature", "application/pgp-signature"))
_PKCS7 = frozenset(("application/pkcs7-mime", "application/x-pkcs7-mime"))
_TNEF = frozenset(("application/ms-tnef", "application/vnd.ms-tnef"))
_CARDS = frozenset(("text/vcard", "text/x-vcard", "text/directory"))
_RTF = frozenset(("text/rtf", "application/rtf", "text/richtext-ms"))


@dataclass(slots=True)
class AttachmentView:
    """A file of a message. Its bytes come when asked for, piece by piece."""

    name: str
    """Safe to use as a file name, and different from the others of the message."""
    written: str
    """The name as the sender wrote it; never use it as a path."""
    content_type: str
    size: int
    """Bytes, as far as they are known without decoding."""
    content_id: str
    inline: bool
    """Meant to be seen within the text."""
    pieces: Pieces
    kind: Kind = "file"
    id: int | None = None
    """The store's number of it, where it lies there apart."""
    number: str = ""
    """What the command line calls it: that number, or that of the attached message it stands in and its place there."""
    opens: Callable[[], MessageView] | None = field(default=None, repr=False, compare=False)

    def message(self) -> MessageView:
        """An attached message as a view of its own, at most `MAX_ATTACHED` in each other; nothing is fetched.

        Raises `UsageError` for what is no message (`kind`).
        """
        if self.opens is None:
            raise UsageError(f"{self.name!r} is no message")
        return self.opens()

    def content(self) -> bytes:
        """All of it."""
        return b"".join(self.pieces())


@dataclass(frozen=True, slots=True)
class AnnouncedFile:
    """A file as its message announces it: a MIME part, or an attachment that lies in the store apart."""

    name: str
    content_type: str
    size: int
    content_id: str
    inline: bool
    pieces: Pieces
    id: int | None = None
    location: str = ""
    charset: str = ""
    within: tuple[Source, tuple[int, int]] | None = None
    """Where its bytes lie as they are."""

    def text(self) -> str:
        """Its beginning as text."""
        return charset.decode(beginning(self.pieces, MAX_TEXT), self.charset)[0]


@dataclass(slots=True)
class SafeBody:
    """The HTML body, safe: what is new, and the quoted history behind it ("" where none was recognised)."""

    new: str
    history: str = ""
    pictures: list[sanitise.Picture] = field(default_factory=list)
    links: list[sanitise.Link] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    """Content-IDs and locations of the pictures that stand in the text."""
    problems: list[str] = field(default_factory=list)

    @property
    def blocked(self) -> int:
        """Remote pictures that would be there if pictures were shown."""
        return sum(
            picture.kind == "picture" and not picture.shown and not picture.tracking for picture in self.pictures
        )

    @property
    def trackers(self) -> list[str]:
        """Addresses of pictures that are there to tell the sender that the message was opened; never shown."""
        return [picture.url for picture in self.pictures if picture.tracking]


@dataclass(slots=True)
class MessageView:
    """A message for people. Header values are decoded; `text` is plain, `html` is what the sender wrote: UNSAFE."""

    subject: str = ""
    sender: str = ""
    to: str = ""
    cc: str = ""
    bcc: str = ""
    reply_to: str = ""
    date: datetime | None = None
    message_id: str = ""
    text: str = ""
    html: str = ""
    """The HTML body as it came, or "". Show `safe_html` instead."""
    attachments: list[AttachmentView] = field(default_factory=list)
    resources: dict[str, Callable[[], bytes]] = field(default_factory=dict)
    """Content-ID or location (lower case) -> bytes, for pictures within the text; what is larger than one may be comes
    cut."""
    events: list[cards.EventView] = field(default_factory=list)
    contacts: list[cards.ContactView] = field(default_factory=list)
    protection: str = ""
    """"signed", "encrypted" or "": what the structure says, before anything is checked."""
    problems: list[str] = field(default_factory=list)
    outlined: Callable[[], list[Outline]] = field(default=list, repr=False, compare=False)

    @property
    def parts(self) -> list[Outline]:
        """The structure, at most `MAX_PARTS`: of MIME its tree, of protected MIME what lies inside; of a body that came
        apart, the body and its files side by side."""
        return self.outlined()

    @property
    def new_text(self) -> str:
        """The text without its quoted history."""
        return quotes.split_text(self.text)[0]

    @property
    def quoted_text(self) -> str:
        """The quoted history, "" where none was recognised."""
        return quotes.split_text(self.text)[1]

    def safe_html(self, *, pictures: bool = False, rewrite: Callable[[str], str | None] | None = None) -> SafeBody:
        """The body as HTML that can be shown, from the HTML or else from the text.

        `pictures`: remote ones keep their addresses. `rewrite`: what becomes of http and https links, None for nothing.
        Raises `UsageError` where a body has HTML and the extra `html` is not installed.
        """
        if not self.html:
            new, history = quotes.split_text(self.text)
            return SafeBody(html_text.to_html(new, rewrite), html_text.to_html(history, rewrite) if history else "")
        from . import pictures as inline

        found, problems = inline.inline_pictures(self.html, self.resources)
        choice = sanitise.Choice(pictures, rewrite, found)
        new, history = quotes.split_html(self.html)
        first = sanitise.sanitise(new, choice)
        if first.problems and not first.markup:
            return SafeBody(html_text.to_html(self.text, rewrite), problems=[*problems, *first.problems])
        body = SafeBody(first.markup, "", first.pictures, first.links, first.used, [*problems, *first.problems])
        if history:
            second = sanitise.sanitise(history, choice)
            body.history = second.markup
            body.pictures += second.pictures
            body.links += second.links
            body.used |= second.used
            body.problems += second.problems
        return body

    def readable_text(self, body: SafeBody | None = None) -> str:
        """The text for a terminal: the plain body, else the HTML as text with its links. `body` where it is known."""
        if not self.html or self.text_is_written:
            return self.text
        body = body or self.safe_html()
        return html_text.readable(body.new + body.history) or self.text

    text_is_written: bool = True
    """False: there was no plain text, `text` was made from the HTML."""


# -- from MIME ---------------------------------------------------------------------------------------------------------


def read(source: Source, span: tuple[int, int] | None = None, *, depth: int = 0) -> MessageView:
    """A MIME message (`bytes`, an `mmap` of a file, or a `Windowed` source). Never fails.

    `span`: the message is only those bytes of it; `depth`: it is attached to another, so many in each other.
    """
    if depth > MAX_ATTACHED:
        return MessageView(
            problems=[f"of more than {MAX_ATTACHED} messages attached to each other the rest stays shut"]
        )
    tree = parse(source, *(span or (0, None)))
    root = tree.root
    seen = MessageView(problems=list(tree.problems), outlined=partial(outline, root))
    wanted = {"subject": "subject", "from": "sender", "to": "to", "cc": "cc", "bcc": "bcc", "reply-to": "reply_to"}
    met: dict[str, list[str]] = {}
    for name, value in root.fields:
        if name in wanted:
            met.setdefault(name, []).append(value)
        elif name == "date" and seen.date is None:
            seen.date = _date(value)
        elif name == "message-id" and not seen.message_id:
            seen.message_id = value.strip()
    for name, values in met.items():
        written = values[0] if name in ("subject", "from") else ", ".join(values)
        decode = headers.decoded if name == "subject" else headers.decoded_people
        setattr(seen, wanted[name], decode(written))
    work = _Reading(seen, depth=depth)
    work.part(root)
    work.finish()
    return seen


def _date(value: str) -> datetime | None:
    try:
        return parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


@dataclass(slots=True)
class _Block:
    """One piece of the body in one or both of its forms."""

    plain: str | None = None
    html: str | None = None


@dataclass(slots=True)
class _Reading:
    seen: MessageView
    blocks: list[_Block] = field(default_factory=list)
    files: list[AttachmentView] = field(default_factory=list)
    length: int = 0
    depth: int = 0
    """How many messages this one is attached to."""

    def part(self, part: Part) -> None:
        kind = part.content_type
        if part.children:
            if kind == "multipart/alternative":
                self._alternatives(part)
            else:
                self._multipart(part)
        elif kind.startswith("multipart/"):
            return  # it had a boundary and nothing between: there is nothing to see
        elif kind in ("text/plain", "text/html") and not is_attached(part):
            self.blocks.append(self._body(part))
        else:
            self._file(part)

    def _multipart(self, part: Part) -> None:
        if part.content_type == "multipart/signed":
            self.seen.protection = self.seen.protection or "signed"
        elif part.content_type == "multipart/encrypted":
            self.seen.protection = "encrypted"
        for child in part.children:
            self.part(child)

    def _alternatives(self, part: Part) -> None:
        """RFC 2046 5.1.4: the same in several forms, the best one last. Files among them are taken all."""
        before = self.blocks
        plain: list[_Block] = []
        rich: list[_Block] = []
        for child in part.children:
            self.blocks = []
            if child.content_type == "text/calendar":
                self._file(child, alternative=True)
            elif child.children or child.content_type in ("text/plain", "text/html") or is_attached(child):
                self.part(child)
            if any(block.html is not None for block in self.blocks):
                rich = self.blocks
            elif self.blocks:
                plain = plain or self.blocks
        self.blocks = before
        if not rich or not plain:
            self.blocks += rich or plain
            return
        text = "\n".join(block.plain for block in plain if block.plain is not None)
        self.blocks.append(_Block(text, "\n".join(_as_html(block) for block in rich)))

    def _body(self, part: Part) -> _Block:
        if self.length >= MAX_TEXT:
            self.problem("more text than is shown was left out")
            return _Block("")
        text, repaired = part.text(MAX_TEXT)
        if part.end - part.body > 2 * MAX_TEXT or len(text) > MAX_TEXT:
            self.problem("a text was cut: it is longer than what is shown")
            text = text[:MAX_TEXT]
        self.length += len(text)
        if repaired:
            self.problem(f"a charset was repaired: {repaired}")
        if part.content_type == "text/html":
            return _Block(None, text)
        if part.parameters.get("format", "").lower() == "flowed":
            text = html_text.unflowed(text, part.parameters.get("delsp", "").lower() == "yes")
        return _Block(text.replace("\r\n", "\n"))

    def _file(self, part: Part, alternative: bool = False) -> None:
        content_type = part.content_type
        if content_type in _PKCS7:
            form = part.parameters.get("smime-type", "").lower()
            self.seen.protection = "signed" if form == "signed-data" else "encrypted"
        elif content_type in _RTF and not is_attached(part) and not self.blocks:
            self.rich(part.beginning(rtf.MAX_RTF))
            return
        content_id = part.content_id
        self.file(
            AnnouncedFile(
                part.name or (_subject_of(part) if content_type == "message/rfc822" else ""),
                content_type,
                part.size,
                content_id,
                part.disposition == "inline" or (bool(content_id) and part.disposition != "attachment"),
                part.pieces,
                location=part.header("content-location").strip(),
                charset=part.parameters.get("charset", ""),
                within=(part.source, (part.body, part.end)) if part.encoding in IDENTITY else None,
            ),
            known=alternative and bool(self.seen.events),
        )

    def file(self, given: AnnouncedFile, known: bool = False) -> None:
        """Take a file in. `known`: it says again what an earlier one said."""
        content_type = given.content_type
        kind: Kind = "file"
        if content_type in _TNEF or given.name.lower() == "winmail.dat":
            if self._opened(given):
                return
        elif content_type == "message/rfc822":
            kind = "message"
        elif content_type in _SIGNATURES:
            kind = "signature"
        elif content_type == "text/calendar":
            kind = "calendar"
            if not known:
                self.seen.events += cards.events(given.text())
        elif content_type in _CARDS:
            kind = "contact"
            self.seen.contacts += cards.contacts(given.text())
        self._add(given, kind)

    def _add(self, given: AnnouncedFile, kind: Kind = "file") -> None:
        fallback = {"message": "message", "signature": "signature", "calendar": "invitation", "contact": "contact"}
        safe = names.safe_name(given.name, given.content_type, fallback.get(kind, "attachment"))
        if kind == "message" and not safe.lower().endswith((".eml", ".txt")):
            safe = f"{safe}.eml"
        item = AttachmentView(
            safe,
            given.name,
            given.content_type,
            given.size,
            given.content_id,
            given.inline,
            given.pieces,
            kind,
            given.id,
            opens=partial(_attached, given, self.depth + 1) if kind == "message" else None,
        )
        self.files.append(item)
        if given.content_type.startswith("image/") or given.content_id:
            for key in (given.content_id, given.location):
                if key:
                    self.seen.resources.setdefault(key.lower(), partial(beginning, given.pieces, MAX_PICTURE + 1))

    def _opened(self, given: AnnouncedFile) -> bool:
        """Whether a winmail.dat could be opened."""
        if given.size > MAX_TNEF:
            self.problem("winmail.dat is too large to be opened")
            return False
        try:
            self._packed(b"".join(given.pieces()), 0)
        except tnef.NotTnef:
            self.problem("winmail.dat is no TNEF: it could not be opened")
            return False
        return True

    def _packed(self, data: bytes, depth: int) -> None:
        opened = tnef.read(data)
        for problem in opened.problems:
            self.problem(problem)
        if not self.blocks and not depth:
            if opened.html:
                self.blocks.append(_Block(opened.text or None, opened.html))
            elif opened.rtf:
                self.rich(opened.rtf, opened.text)
            elif opened.text:
                self.blocks.append(_Block(opened.text.replace("\r\n", "\n")))
        if not depth and not self.seen.subject:
            self.seen.subject = opened.subject
        for item in opened.attachments:
            if item.embedded and depth < MAX_NESTED_TNEF:
                inner = tnef.read(item.data)
                name = f"{inner.subject or item.name or 'message'}.txt"
                text = inner.text.encode() if inner.text else html_text.linear(inner.html).encode()
                self._add(AnnouncedFile(name, "text/plain", len(text), "", False, partial(_one, text)), "message")
                self._packed(item.data, depth + 1)
                continue
            content_type = item.content_type or names.guessed_type(item.name)
            data = item.data
            inline = bool(item.content_id)
            self.file(AnnouncedFile(item.name, content_type, len(data), item.content_id, inline, partial(_one, data)))

    def rich(self, data: bytes, text: str = "") -> None:
        try:
            self.blocks.append(_Block(text or None, rtf.to_html(rtf.decompressed(data))))
        except rtf.BadRtf as problem:
            self.problem(f"rich text could not be read: {problem}")
            if text:
                self.blocks.append(_Block(text))

    def problem(self, text: str) -> None:
        if text not in self.seen.problems:
            self.seen.problems.append(text)

    def finish(self) -> None:
        """Put the pieces together."""
        seen = self.seen
        if any(block.html is not None for block in self.blocks):
            seen.html = "\n".join(_as_html(block) for block in self.blocks)
        seen.text_is_written = all(block.plain is not None for block in self.blocks)
        seen.text = "\n".join(
            block.plain if block.plain is not None else html_text.linear(block.html or "") for block in self.blocks
        )
        for item, name in zip(self.files, names.distinct([item.name for item in self.files]), strict=True):
            item.name = name
        seen.attachments = self.files


def _as_html(block: _Block) -> str:
    return block.html if block.html is not None else html_text.to_html(block.plain or "")


def _one(data: bytes) -> Iterator[bytes]:
    yield data


def _attached(given: AnnouncedFile, depth: int) -> MessageView:
    """An attached message: read where it lies, else from its decoded bytes, which are bounded."""
    if given.content_type != "message/rfc822":  # out of a winmail.dat, as text
        return from_body(BodyType.PLAIN, beginning(given.pieces, MAX_TEXT))
    if given.within is not None:
        return read(*given.within, depth=depth)
    data = beginning(given.pieces, MAX_MESSAGE + 1)
    seen = read(data[:MAX_MESSAGE], depth=depth)
    if len(data) > MAX_MESSAGE:
        seen.problems.insert(0, f"of an attached message only the first {MAX_MESSAGE >> 20} MB were read")
    return seen


def _subject_of(part: Part) -> str:
    """The subject of an attached message."""
    block = part.source[part.body : min(part.end, part.body + headers.MAX_HEADER)]
    end = block.find(b"\r\n\r\n")
    for name, value in headers.read(block[: end if end >= 0 else None]):
        if name == "subject":
            return headers.decoded(value)
    return ""


# -- from a body that came apart ---------------------------------------------------------------------------------------


def from_body(body_type: int, data: bytes, files: Iterable[AnnouncedFile] = ()) -> MessageView:
    """The body of an ActiveSync message (MS-ASAIRS 2.2.2.41.1): text, HTML, compressed RTF, or a whole MIME message.

    `files` came apart from it. Subject and people do too, except in MIME; the caller fills them in.
    """
    if body_type == BodyType.MIME:
        return read(data)
    files = list(files)
    seen = MessageView(outlined=partial(_side_by_side, body_type, len(data), files))
    work = _Reading(seen)
    if len(data) > 2 * MAX_TEXT:
        work.problem("a text was cut: it is longer than what is shown")
    if body_type == BodyType.RTF:
        work.rich(data if data[:5] == b"{\\rtf" else headers.base64_bytes(data[: 2 * rtf.MAX_RTF]))
    elif data:
        text = charset.decode(data[: 2 * MAX_TEXT], "utf-8")[0][:MAX_TEXT]
        work.blocks.append(_Block(None, text) if body_type == BodyType.HTML else _Block(text.replace("\r\n", "\n")))
    for given in files:
        work.file(given)
    work.finish()
    return seen


_FORMS = {BodyType.PLAIN: "text/plain", BodyType.HTML: "text/html", BodyType.RTF: "application/rtf"}


def _side_by_side(body_type: int, size: int, files: Iterable[AnnouncedFile]) -> list[Outline]:
    form = next((name for kind, name in _FORMS.items() if kind == body_type), "text/plain")
    body = [Outline(0, form, "", size, "inline", "utf-8")] if size else []
    return body + [
        Outline(0, file.content_type, names.safe_name(file.name, file.content_type), file.size,
                "inline" if file.inline else "attachment")
        for file in files
    ][: MAX_PARTS - 1]  # fmt: skip
