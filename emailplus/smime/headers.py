"""Header protection, reading and writing (RFC 9788; the wrapped form of RFC 8551 3.1; `protected-headers="v1"`)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from typing import Literal

from .entity import Entity, addresses, parse
from .limits import MAX_PARTS

_STRUCTURAL = re.compile(r"content-|mime-version$|hp-outer$", re.IGNORECASE)
_HIDDEN_SUBJECT = "[...]"
_LEGACY_DISPLAY_HEADERS = re.compile(rb"\A(?:[!-9;-~]+:[^\r\n]*\r?\n(?:[ \t][^\r\n]*\r?\n)*)+\r?\n")


@dataclass(frozen=True, slots=True)
class ProtectedHeaders:
    """`fields` as they were protected. `confidential`: names that were hidden or altered outside (HP-Outer)."""

    scheme: Literal["clear", "cipher", "v1", "wrapped"]
    fields: tuple[tuple[str, str], ...]
    confidential: tuple[str, ...] = ()

    def get(self, name: str) -> str | None:
        return next((value for key, value in self.fields if key.lower() == name.lower()), None)


def read(payload: Entity, *, encrypted: bool = False) -> tuple[ProtectedHeaders | None, Entity]:
    """(the protected headers of a payload, the payload to show).

    A payload of type message/rfc822 that is no attachment is the wrapped form: the message inside is shown.
    """
    scheme = payload.parameter("hp").lower()
    if scheme in ("clear", "cipher"):
        outer = _outer(payload.headers)
        fields = _fields(payload.headers)
        hidden = tuple(name for name, value in fields if (name.lower(), _flat(value)) not in outer)
        kind: Literal["clear", "cipher"] = "cipher" if scheme == "cipher" else "clear"
        return ProtectedHeaders(kind, fields, hidden if kind == "cipher" else ()), payload
    if payload.parameter("protected-headers").lower() == "v1":
        return ProtectedHeaders("v1", _fields(payload.headers)), payload
    if payload.content_type == "message/rfc822" and not payload.is_attachment:
        inner = parse(payload.decoded())
        if _fields(inner.headers):
            return ProtectedHeaders("wrapped", _fields(inner.headers)), inner
    return None, payload


def _fields(headers: Message) -> tuple[tuple[str, str], ...]:
    return tuple((name, str(value)) for name, value in headers.items() if not _STRUCTURAL.match(name))


def _outer(headers: Message) -> set[tuple[str, str]]:
    found = set()
    for value in headers.get_all("HP-Outer", []):
        name, colon, content = str(value).partition(":")
        if colon:
            found.add((name.strip().lower(), _flat(content)))
    return found


def _flat(value: str) -> str:
    return " ".join(value.split())


def mismatches(outer: Message, protected: ProtectedHeaders) -> tuple[str, ...]:
    """Names whose outer value is neither the protected one nor the one the sender put there (HP-Outer).

    From is compared by address. A subject that is hidden ("..." or "[...]") is no mismatch.
    """
    found = []
    for name in ("From", "Sender", "To", "Cc", "Subject", "Date", "Reply-To"):
        inner = [value for key, value in protected.fields if key.lower() == name.lower()]
        outside = [str(value) for value in outer.get_all(name, [])]
        if not inner or not outside or name in protected.confidential:
            if name == "From" and inner and not outside:
                found.append(name)
            continue
        if name == "Subject" and _flat(outside[0]) in (_HIDDEN_SUBJECT, "..."):
            continue
        if name in ("From", "Sender", "To", "Cc", "Reply-To"):
            wrapped = Message()
            for value in inner:
                wrapped[name] = value
            same = addresses(outer, name) == addresses(wrapped, name)
        else:
            same = [_flat(value) for value in outside] == [_flat(value) for value in inner]
        if not same:
            found.append(name)
    return tuple(found)


def without_legacy_display(part: Entity) -> bytes:
    """The decoded text of a part, without the copy of the headers put there for old readers (RFC 9788 4.10).

    Only text/plain with `hp-legacy-display="1"` is touched.
    """
    text = part.decoded()
    if part.content_type != "text/plain" or part.parameter("hp-legacy-display") != "1":
        return text
    return _LEGACY_DISPLAY_HEADERS.sub(b"", text, count=1)


_LEGACY_DISPLAY_BLOCK = re.compile(
    r"""<div\b[^>]*\bclass=["']?header-protection-legacy-display\b[^>]*>.*?</div\s*>""", re.IGNORECASE | re.DOTALL
)


def visible_text(content: bytes, text: str, html: str) -> tuple[str, str]:
    """`text` and `html` of a payload without the headers repeated there for old readers (RFC 9788 4.10, 5.2.2)."""
    if b"hp-legacy-display" not in content.lower():
        return text, html
    for part in _leaves(parse(content)):
        if part.parameter("hp-legacy-display") != "1":
            continue
        if part.content_type == "text/plain":
            text = without_legacy_display(part).decode(_charset(part), "replace")
        elif part.content_type == "text/html":
            html = _LEGACY_DISPLAY_BLOCK.sub("", html, count=1)
    return text, html


def _leaves(entity: Entity) -> Iterator[Entity]:
    waiting = [entity]
    for _ in range(MAX_PARTS):
        if not waiting:
            return
        current = waiting.pop(0)
        inner = current.parts()
        waiting[:0] = inner
        if not inner:
            yield current


def _charset(part: Entity) -> str:
    name = part.headers.get_content_charset() or "utf-8"
    try:
        b"".decode(name)
    except LookupError:
        return "utf-8"
    return name


def protect(message: bytes, *, hide_subject: bool = True, encrypted: bool) -> tuple[bytes, bytes]:
    """(payload to sign or encrypt, header block to put outside) for a finished message.

    The payload carries every header and `hp`; for encryption the outer Subject is "[...]" when `hide_subject`, and
    HP-Outer lists what stands outside (RFC 9788 2.2, 3.2.1). The outer block has no Content headers.
    """
    entity = parse(message)
    content_type = str(entity.headers.get("Content-Type", "text/plain"))
    scheme = "cipher" if encrypted else "clear"
    inner, outer = [], []
    for name, value in entity.headers.items():
        text = re.sub(r"\r?\n(?=[ \t])", "\r\n", str(value))
        lower = name.lower()
        if lower == "bcc":
            continue
        if lower == "content-type":
            continue
        if _STRUCTURAL.match(name):
            if lower != "mime-version":
                inner.append(f"{name}: {text}")
            continue
        inner.append(f"{name}: {text}")
        shown = _HIDDEN_SUBJECT if encrypted and hide_subject and lower == "subject" else text
        outer.append(f"{name}: {shown}")
    if encrypted:
        inner.extend(f"HP-Outer: {line}" for line in outer)
    inner.append(f'Content-Type: {content_type}; hp="{scheme}"')
    head = "\r\n".join(inner).encode("utf-8", "surrogateescape")
    block = "".join(f"{line}\r\n" for line in outer).encode("utf-8", "surrogateescape")
    return head + b"\r\n\r\n" + entity.body, block
