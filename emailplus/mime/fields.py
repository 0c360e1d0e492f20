"""Header fields as they are written (RFC 5322 2.2, 3.4; RFC 2047; RFC 2231; RFC 6532), as bytes that end with CRLF.

Everything is 7-bit and folded at 78 characters. The one exception is an address whose local part is not ASCII: there is
no 7-bit form of it, so its field is in UTF-8 (RFC 6532). A value never begins a second field: control characters and
line ends become blanks.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable
from email.utils import quote as quoted
from urllib.parse import quote as percent_encoded

from ..errors import UsageError
from ..model.message import Address
from ..policy.addresses import domain_key

_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_DOT_ATOM = re.compile(r"[^\s()<>\[\]:;@\\,.\"]+(?:\.[^\s()<>\[\]:;@\\,.\"]+)*")
_QUOTED_LOCAL = re.compile(r'"(?:[^"\\]|\\.)*"')
_FIELD_NAME = re.compile(r"[!-9;-~]+")
_PLAIN_VALUE = re.compile(r"[\x20\x21\x23-\x5b\x5d-\x7e]*")
_Q_SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")
_Q = ["_" if byte == 32 else chr(byte) if byte in _Q_SAFE else f"={byte:02X}" for byte in range(256)]
"""Each byte as the Q encoding writes it (RFC 2047 4.2)."""
_WORD_FRAME = len("=?utf-8?q??=")
_LINE = 76
_SECTION = 54
"""Characters of a value in one section of a parameter (RFC 2231 3)."""
_HARD_LINE = 998
"""Characters a line may never exceed (RFC 5322 2.1.1)."""


def one_line(value: str) -> str:
    """`value` as one line of Unicode text that can be encoded."""
    return _SURROGATE.sub("\ufffd", _CONTROL.sub(" ", value)).strip()


def text_field(name: str, value: str) -> bytes:
    """An unstructured field such as Subject. Raises `UsageError` for a name that cannot be one."""
    if not _FIELD_NAME.fullmatch(name):
        raise UsageError(f"{name[:40]!r} is no name of a header field")
    value = one_line(value)
    plain = value.isascii() and "=?" not in value and "  " not in value
    if plain and all(len(word) < _HARD_LINE - len(name) - 2 for word in value.split(" ")):
        return f"{name}: {_folded(value, len(name) + 2)}\r\n".encode()
    return f"{name}: {_encoded(value, len(name) + 2)}\r\n".encode()


def _folded(value: str, used: int) -> str:
    """Folded at blanks; what has none stays in one piece."""
    lines, line = [], ""
    for word in value.split(" "):
        if line and used + len(line) + 1 + len(word) > _LINE:
            lines.append(line)
            line, used = word, 1
        else:
            line = f"{line} {word}" if line else word
    return "\r\n ".join([*lines, line])


def _encoded(value: str, used: int) -> str:
    """Encoded words of at most 75 characters, whole characters in each, Q or B by which is shorter (RFC 2047 2, 5)."""
    characters = [character.encode() for character in value]
    lengths = [sum(map(len, map(_Q.__getitem__, data))) for data in characters]
    total = sum(map(len, characters))
    in_q = sum(lengths) <= (total + 2) // 3 * 4
    if not in_q:
        lengths = [len(data) for data in characters]
    words: list[str] = []
    first = size = 0
    for at, length in enumerate(lengths):
        room = _LINE - 1 - (used if not words else 1) - _WORD_FRAME
        if at > first and (size + length if in_q else (size + length + 2) // 3 * 4) > room:
            words.append(_word(b"".join(characters[first:at]), in_q))
            first, size = at, 0
        size += length
    words.append(_word(b"".join(characters[first:]), in_q))
    return "\r\n ".join(words)


def _word(data: bytes, in_q: bool) -> str:
    return f"=?utf-8?q?{''.join(map(_Q.__getitem__, data))}?=" if in_q else f"=?utf-8?b?{b64encode(data).decode()}?="


def address_field(name: str, people: Iterable[Address]) -> bytes:
    """To, Cc, From and their like; one person a line where they do not fit. Raises `UsageError` for no address."""
    written = [_mailbox(person) for person in people]
    lines, line = [], f"{name}: "
    for number, mailbox in enumerate(written):
        piece = mailbox + ("," if number < len(written) - 1 else "")
        first = piece.split("\r\n", 1)[0]
        if line.strip(" ") and not line.endswith(": ") and len(line) + len(first) > _LINE:
            lines.append(line.rstrip(" "))
            line = " "
        line = f"{line}{piece} "
        if "\r\n" in piece:
            head, _, line = line.rpartition("\r\n")
            lines.append(head)
    lines.append(line.rstrip(" "))
    return ("\r\n".join(lines) + "\r\n").encode()


def _mailbox(person: Address) -> str:
    address = checked_address(person.address)
    name = one_line(person.name)
    if not name:
        return address
    if name.isascii() and "=?" not in name and len(name) < _LINE:
        shown = name if _ATOMS.fullmatch(name) else f'"{quoted(name)}"'
    else:
        shown = _encoded(name, _LINE // 2)
    separator = "\r\n " if len(shown.rpartition("\r\n")[2]) + len(address) + 3 > _LINE else " "
    return f"{shown}{separator}<{address}>"


def checked_address(address: str) -> str:
    """An address as a header carries it, a domain beyond ASCII as A-labels. Raises `UsageError` for what is none."""
    address = address.strip()
    local, at, written = address.rpartition("@")
    domain = domain_key(written)
    good = bool(at) and bool(_DOT_ATOM.fullmatch(local) or _QUOTED_LOCAL.fullmatch(local)) and len(address) <= 320
    if not good or domain is None or _CONTROL.search(address) or _SURROGATE.search(local):
        raise UsageError(f"{address[:80]!r} is no email address")
    return f"{local}@{written if written.isascii() else domain}"


def parameter(name: str, value: str) -> str:
    """One parameter of a structured field, folded onto a line of its own; RFC 2231 where it needs it."""
    value = one_line(value)
    if _PLAIN_VALUE.fullmatch(value) and len(value) <= 60:
        return f';\r\n {name}="{value}"'
    characters = [percent_encoded(character, safe="!#$&+-.^_`{}~", encoding="utf-8") for character in value]
    first = f";\r\n {name}*=utf-8''{''.join(characters)}"
    if len(first) - 3 <= _LINE:
        return first
    pieces = [""]
    for character in characters:  # whole characters in each section: not every reader puts them together first
        if len(pieces[-1]) + len(character) > _SECTION:
            pieces.append("")
        pieces[-1] += character
    lines = [f"{name}*{number}*={'' if number else chr(39).join(('utf-8', '', ''))}{piece}"
             for number, piece in enumerate(pieces)]  # fmt: skip
    return "".join(f";\r\n {line}" for line in lines)


def identifiers_field(name: str, identifiers: Iterable[str]) -> bytes:
    """Message-ID, In-Reply-To, References: in angle brackets, one a line. Identifiers that are none are left out."""
    good = [identifier for identifier in identifiers if valid_identifier(identifier)]
    if not good:
        return b""
    written = b"\r\n ".join(f"<{identifier}>".encode() for identifier in good)
    return name.encode() + b": " + written + b"\r\n"


def valid_identifier(identifier: str) -> bool:
    """Whether it can stand in angle brackets: printable ASCII without blanks or brackets, of bearable length."""
    return bool(re.fullmatch(r"[\x21-\x3b\x3d\x3f-\x7e]{1,900}", identifier))
