"""The addresses of a header or of what a person typed, read so that none can hide (RFC 5322 3.4, RFC 6532).

A policy looks at every recipient, so this reading differs from a lenient one in what it does with doubt: whatever is
not plainly one mailbox comes out as an entry with a `fault`, never as nothing. Groups give their members, comments and
routes are left out, quoted names and local parts are respected. Linear in the length of the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header, make_header

import idna

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|\[[^\[\]\\]*\]|[<>,:;@]|[^"\[\]<>,:;@()\s]+|\s+', re.S)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_QUOTED_PAIR = re.compile(r"\\(.)", re.S)
_DOMAIN = re.compile(r"[^.\s@]+(\.[^.\s@]+)*\.?")
_SHOWN_ADDRESS = re.compile(r"[\w.+%-]{1,64}@(\w[\w.-]{0,253}\w)")


@dataclass(frozen=True, slots=True)
class Entry:
    """One mailbox of a list. `address` and `domain` are "" where `fault` says why the text `raw` is none."""

    raw: str
    name: str = ""
    address: str = ""
    domain: str = ""
    group: str = ""
    fault: str = ""

    @property
    def claims(self) -> str:
        """The domain of an address that stands in the display name and is not the address's own; "" without one."""
        own = domain_key(self.domain)
        for match in _SHOWN_ADDRESS.finditer(self.name):
            if domain_key(match[1]) != own:
                return match[1]
        return ""


def read(text: str) -> list[Entry]:
    """Every mailbox of an address list, in order. Never raises; empty parts between commas count for nothing."""
    return list(_entries(text))


def domain_key(domain: str) -> str | None:
    """`domain` in the one form in which domains are compared: A-labels (RFC 5890), lower case, no final dot.

    None for what is no domain. A domain literal keeps its brackets, so it equals itself only.
    """
    domain = domain.strip()
    if domain.startswith("["):
        return domain.lower() if domain.endswith("]") else None
    if not _DOMAIN.fullmatch(domain) or _CONTROL.search(domain) or len(domain) > 1000:
        return None
    if domain.isascii():
        return domain.lower().removesuffix(".")
    try:
        # UTS 46 as browsers have it; not the older mapping, under which another domain could pass for ours (ß as ss).
        return idna.encode(domain, uts46=True).decode().lower().removesuffix(".")
    except (idna.IDNAError, UnicodeError):
        return None


def _entries(text: str) -> Iterator[Entry]:
    """Cut the list at its commas, follow groups, and read each part."""
    start, angle, group, seen_at = 0, False, "", False
    tokens: list[str] = []
    for token, begin, end in _tokens(text):
        if token == "<":
            angle = True
        elif token == ">":
            angle = False
        elif token == "@" and not angle:
            seen_at = True
        cut = not angle and (token in (",", ";") or (token == ":" and not seen_at and not group))
        if not cut:
            tokens.append(token)
            continue
        if token == ":":
            group = _phrase(tokens) or "(no name)"
        else:
            yield from _entry(text[start:begin], tokens, group)
            group = group if token == "," else ""
        tokens, start, seen_at = [], end, False
    yield from _entry(text[start:], tokens, group)


def _tokens(text: str) -> Iterator[tuple[str, int, int]]:
    """(token, begin, end); a comment is a blank, and what cannot be read is the token "\\0" up to the end."""
    position = 0
    while position < len(text):
        if text[position] == "(":
            end = _end_of_comment(text, position)
            token = " " if end else "\0"
        else:
            match = _TOKEN.match(text, position)
            end, token = (match.end(), match[0]) if match else (0, "\0")
        end = end or len(text)
        yield token, position, end
        position = end


def _end_of_comment(text: str, position: int) -> int:
    """Behind the parenthesis that closes the comment; 0 where none does."""
    depth = 0
    while position < len(text):
        char = text[position]
        depth += (char == "(") - (char == ")")
        position += 2 if char == "\\" else 1
        if depth == 0:
            return position
    return 0


def _entry(raw: str, tokens: list[str], group: str) -> Iterator[Entry]:
    raw = raw.strip()
    if not raw:
        return
    if not any(token.strip() for token in tokens):
        return  # a comment alone, or the end of a group
    if _CONTROL.search(raw):
        yield Entry(raw, group=group, fault="holds control characters")
        return
    name = ""
    if "<" in tokens or ">" in tokens:
        if tokens.count("<") != 1 or tokens.count(">") != 1 or tokens.index("<") > tokens.index(">"):
            yield Entry(raw, group=group, fault="has angle brackets that do not match")
            return
        opened, closed = tokens.index("<"), tokens.index(">")
        if any(token.strip() for token in tokens[closed + 1 :]):
            yield Entry(raw, group=group, fault="goes on behind its address")
            return
        name, tokens = _phrase(tokens[:opened]), tokens[opened + 1 : closed]
        if next((token for token in tokens if token.strip()), "") == "@" and ":" in tokens:
            tokens = tokens[tokens.index(":") + 1 :]  # the route of RFC 5322 4.4
    yield _addr_spec(raw, name, tokens, group)


def _addr_spec(raw: str, name: str, tokens: list[str], group: str) -> Entry:
    def faulty(why: str) -> Entry:
        return Entry(raw, name, group=group, fault=why)

    if tokens.count("@") != 1:
        return faulty("is no address" if "@" not in tokens else "has more than one @")
    at = tokens.index("@")
    local, domain = _solid(tokens[:at]), _solid(tokens[at + 1 :])
    if local is None or domain is None:
        return faulty("has a blank inside its address")
    if any(mark in (*local, *domain) for mark in ("\0", "<", ">", ",", ":", ";")):
        return faulty("is no address")
    if not local or len(domain) != 1:
        return faulty("lacks a part beside its @")
    if not (domain[0].startswith("[") or _DOMAIN.fullmatch(domain[0])) or domain[0].startswith('"'):
        return faulty("has no domain")
    return Entry(raw, name, f"{''.join(local)}@{domain[0]}", domain[0], group)


def _solid(tokens: list[str]) -> list[str] | None:
    """The tokens without the blanks around them; None where a blank stands between two."""
    filled = [number for number, token in enumerate(tokens) if token.strip()]
    inner = tokens[filled[0] : filled[-1] + 1] if filled else []
    return None if len(inner) != len(filled) else inner


def _phrase(tokens: list[str]) -> str:
    """A display name as a person reads it: without quotes, encoded words (RFC 2047) decoded."""
    words = [_QUOTED_PAIR.sub(r"\1", token[1:-1]) if token.startswith('"') else token for token in tokens]
    name = " ".join("".join(words).split())
    if "=?" not in name:
        return name
    try:
        return str(make_header(decode_header(name)))
    except (HeaderParseError, LookupError, UnicodeError, ValueError):
        return name
