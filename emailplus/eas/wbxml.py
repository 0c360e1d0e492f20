"""WBXML as ActiveSync uses it (MS-ASWBXML, WAP-192-WBXML 1.3), bytes to tree and back.

A node is a plain tuple ``(tag, content)``: `tag` is ``"Namespace:Name"`` as in `code_pages`, and `content` is

- ``None``: an empty element, written without the content bit;
- ``str``: text (``""``: written with the content bit and nothing inside);
- ``bytes``: an OPAQUE value;
- a list of nodes: the children. Text beside children appears as a node tagged `TEXT`.

Plain tuples and lists are what CPython builds fastest; there is no XML in between. A tag without a row in the
code pages is kept as ``"Namespace:0xTT"`` and written back as the same token.

Untrusted input costs bounded time and memory: `Limits` names every bound, and whatever is wrong with the bytes, the
one error is `WbxmlError` with the byte offset.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from ..errors import WbxmlError
from .code_pages import CODE_PAGES, NAMESPACES, PAGE_NUMBERS, TAG_NAMES, TAG_TOKENS

Content: TypeAlias = "str | bytes | list[Node] | None"
Node: TypeAlias = "tuple[str, Content]"

TEXT = "#text"
"""Tag of text (or opaque data) that stands beside child elements or beside other text."""

# Global tokens, WBXML 1.3 section 7.1.
SWITCH_PAGE, END, ENTITY, STR_I, LITERAL, OPAQUE = 0x00, 0x01, 0x02, 0x03, 0x04, 0xC3
CONTENT_BIT, ATTRIBUTE_BIT = 0x40, 0x80
FIRST_TAG = 0x05

HEADER = b"\x03\x01\x6a\x00"
"""Version 1.3, public identifier unknown, charset UTF-8, empty string table (MS-ASWBXML 2.1)."""

_CHARSETS = {0: "utf-8", 3: "utf-8", 106: "utf-8"}  # unknown, US-ASCII, UTF-8 (IANA MIBenum)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a decoder accepts; the reason stands beside each bound."""

    total: int = 128 << 20  # larger answers are streamed to the spool, never decoded whole
    text: int = 128 << 20  # a MIME body or base64 attachment from a server that ignores truncation
    opaque: int = 128 << 20  # likewise, sent as OPAQUE
    depth: int = 64  # the deepest published message has 12 levels
    elements: int = 2_000_000  # a full window of 512 items has about 40,000; bounds memory to some 300 MB


DEFAULT_LIMITS = Limits()


def _tag_tables() -> list[list[str]]:
    """One table a page, indexed by the token byte with or without its content bit; "" where no tag can stand."""
    tables = []
    for page in CODE_PAGES:
        table = [""] * 256
        for token in range(FIRST_TAG, 0x40):
            name = TAG_NAMES.get((page.number, token)) or f"{page.namespace}:0x{token:02X}"
            table[token] = table[token | CONTENT_BIT] = name
        tables.append(table)
    return tables


_TABLES = _tag_tables()


def decode_tag(page: int, token: int) -> str:
    """Name of a tag token on a page; "" for a token that is no tag."""
    return _TABLES[page][token]


def page_exists(page: int) -> bool:
    """Whether SWITCH_PAGE may name this page."""
    return page < len(_TABLES)


_EMPTY: dict[str, Node] = {}  # one shared tuple per empty element: a run of them costs a pointer each


def decode(data: bytes, limits: Limits = DEFAULT_LIMITS, *, errors: str = "surrogateescape") -> Node:
    """The root node of one WBXML document.

    `errors` says what becomes of bytes that are not UTF-8: ``"surrogateescape"`` keeps them for `encode` to write
    back, ``"replace"`` makes them U+FFFD. Raises `WbxmlError`.
    """
    position = _read_header(data, limits)
    tables = _TABLES
    table = tables[0]
    page_count = len(tables)
    text_limit = limits.text
    find = data.find
    root: list[Node] = []
    children = root
    append = children.append
    parents: list[tuple[str, list[Node]]] = []
    try:
        while True:
            token = data[position]
            position += 1
            if 0x44 < token < 0x80:  # a tag with content; the common case is text and END right behind it
                tag = table[token]
                if data[position] == 3:
                    end = find(0, position)
                    if end < 0:
                        raise WbxmlError("inline string without its terminating NUL", position)
                    if end - position > text_limit:
                        raise WbxmlError(f"inline string longer than {text_limit} bytes", position)
                    if data[end + 1] == 1:
                        try:
                            append((tag, data[position + 1 : end].decode()))
                        except UnicodeDecodeError:
                            append((tag, data[position + 1 : end].decode(errors=errors)))
                        position = end + 2
                        if not parents:
                            break
                        continue
                parents.append((tag, children))
                if len(parents) > limits.depth:
                    raise WbxmlError(f"elements nested deeper than {limits.depth}", position - 1)
                children = []
                append = children.append
            elif token == END:
                if not parents:
                    raise WbxmlError("END without an open element", position - 1)
                tag, outer = parents.pop()
                outer.append((tag, _settle(children)))
                if not parents:
                    break
                children = outer
                append = children.append
            elif token == SWITCH_PAGE:
                page = data[position]
                position += 1
                if page >= page_count:
                    raise WbxmlError(f"unknown code page {page}", position - 1)
                table = tables[page]
            elif token == STR_I:
                end = find(0, position)
                if end < 0:
                    raise WbxmlError("inline string without its terminating NUL", position)
                if end - position > text_limit:
                    raise WbxmlError(f"inline string longer than {text_limit} bytes", position)
                if not parents:
                    raise WbxmlError("text outside the root element", position - 1)
                append((TEXT, data[position:end].decode(errors=errors)))
                position = end + 1
            elif token == OPAQUE:
                length, start = _read_multi_byte(data, position)
                end = start + length
                if length > limits.opaque:
                    raise WbxmlError(f"opaque value longer than {limits.opaque} bytes", position)
                if end > len(data):
                    raise WbxmlError("opaque value longer than the document", position)
                if not parents:
                    raise WbxmlError("opaque value outside the root element", position - 1)
                append((TEXT, data[start:end]))
                position = end
            elif FIRST_TAG <= token < 0x40:
                tag = table[token]
                node = _EMPTY.get(tag)
                if node is None:
                    node = _EMPTY[tag] = (tag, None)
                append(node)
                if not parents:
                    break
            elif token == ENTITY:
                code, position = _read_multi_byte(data, position)
                if code == 0 or code > 0x10FFFF or 0xD800 <= code < 0xE000:
                    raise WbxmlError(f"entity {code} is not a character", position - 1)
                if not parents:
                    raise WbxmlError("entity outside the root element", position - 1)
                append((TEXT, chr(code)))
            else:
                raise WbxmlError(_refusal(token), position - 1)
    except IndexError:
        raise WbxmlError("document ends in the middle of an element", len(data)) from None
    # Bytes behind the root are ignored: a captured phone (vector device-16) sends its whole body twice.
    return root[0]


def _settle(children: list[Node]) -> Content:
    """Content of a closed element: lone text is the content itself, neighbouring texts are one text."""
    if not children:
        return ""
    if children[0][0] is not TEXT and (len(children) == 1 or all(child[0] is not TEXT for child in children)):
        return children
    if len(children) == 1:
        return children[0][1]
    if all(child[0] is TEXT and isinstance(child[1], str) for child in children):
        return "".join(child[1] for child in children if isinstance(child[1], str))
    return children


def _read_header(data: bytes, limits: Limits) -> int:
    if len(data) > limits.total:
        raise WbxmlError(f"document longer than {limits.total} bytes", limits.total)
    # Every element but a shared empty one owns an END byte, so this bounds the elements before any is built.
    if data.count(b"\x01") > limits.elements:
        raise WbxmlError(f"more than {limits.elements} elements", 0)
    if len(data) < 4:
        raise WbxmlError("document shorter than its header", len(data))
    if data[0] not in (1, 2, 3):
        raise WbxmlError(f"not WBXML: version byte 0x{data[0]:02X}", 0)
    public_id, position = _read_multi_byte(data, 1)
    if public_id == 0:
        raise WbxmlError("public identifier in the string table (not used by ActiveSync)", 1)
    charset_at = position
    charset, position = _read_multi_byte(data, position)
    if charset not in _CHARSETS:
        raise WbxmlError(f"charset {charset} is not UTF-8", charset_at)
    table_at = position
    table_length, position = _read_multi_byte(data, position)
    if table_length:
        raise WbxmlError("string table (not used by ActiveSync)", table_at)
    return position


def _read_multi_byte(data: bytes, position: int) -> tuple[int, int]:
    """A mb_u_int32 (WBXML 1.3 section 5.1) and the position behind it."""
    value = 0
    for offset in range(position, position + 5):
        if offset >= len(data):
            raise WbxmlError("document ends in the middle of a length", len(data))
        byte = data[offset]
        value = (value << 7) | (byte & 0x7F)
        if byte < 0x80:
            if value > 0xFFFFFFFF:
                raise WbxmlError("length does not fit 32 bits", position)
            return value, offset + 1
    raise WbxmlError("length of more than five bytes", position)


def _refusal(token: int) -> str:
    """Why a token cannot stand where a tag, text or END may."""
    if token & 0x3F == LITERAL:
        return f"literal tag 0x{token:02X} (not used by ActiveSync)"
    if token >= ATTRIBUTE_BIT and token & 0x3F >= FIRST_TAG:
        return f"tag 0x{token:02X} with attributes (not used by ActiveSync)"
    return f"global token 0x{token:02X} (not used by ActiveSync)"


def _open_tokens() -> dict[str, tuple[int, bytes, bytes]]:
    """Tag -> (page, token byte with content, token byte without)."""
    return {tag: (page, bytes([token | CONTENT_BIT]), bytes([token])) for tag, (page, token) in TAG_TOKENS.items()}


_OPEN = _open_tokens()
_SWITCH = [bytes([SWITCH_PAGE, page]) for page in range(len(NAMESPACES))]


def encode(root: Node, limits: Limits = DEFAULT_LIMITS) -> bytes:
    """The WBXML document of a node: SWITCH_PAGE only where the page changes, text inline, bytes as OPAQUE.

    Raises `WbxmlError` (its offset counts output bytes) for an unknown tag, text that holds a NUL, a tree deeper than
    `limits.depth` (a cyclic one is infinitely deep) or output longer than `limits.total`.
    """
    out = [HEADER]
    emit = out.append
    tokens = _OPEN
    page = 0
    if root[0] == TEXT:
        raise WbxmlError("text outside the root element", len(HEADER))
    stack: list[Iterator[Node]] = []
    siblings: Iterator[Node] = iter((root,))
    while True:
        for tag, content in siblings:
            if tag == TEXT:
                if isinstance(content, (str, bytes)):
                    emit(_inline(content, out))
                continue
            known = tokens.get(tag)
            if known is None:
                known = _unknown_tag(tag, out)
            if known[0] != page:
                page = known[0]
                emit(_SWITCH[page])
            if content is None or (content.__class__ is list and not content):
                emit(known[2])
                continue
            emit(known[1])
            if content.__class__ is str:
                if content:
                    emit(b"\x03")
                    try:
                        text = content.encode()
                    except UnicodeEncodeError:
                        text = _encode_text(content, out)
                    if 0 in text:
                        raise WbxmlError(f"text of {tag} holds a NUL", _length(out))
                    emit(text)
                    emit(b"\x00\x01")
                else:
                    emit(b"\x01")
            elif isinstance(content, list):
                stack.append(siblings)
                if len(stack) > limits.depth:
                    raise WbxmlError(f"elements nested deeper than {limits.depth}", _length(out))
                siblings = iter(content)
                break
            elif isinstance(content, bytes):
                emit(_inline(content, out))
                emit(b"\x01")
            else:
                raise WbxmlError(f"content of {tag} is {type(content).__name__}", _length(out))
        else:
            if not stack:
                break
            emit(b"\x01")
            siblings = stack.pop()
    data = b"".join(out)
    if len(data) > limits.total:
        raise WbxmlError(f"document longer than {limits.total} bytes", limits.total)
    return data


def _length(parts: list[bytes]) -> int:
    return sum(map(len, parts))


def _encode_text(text: str, out: list[bytes]) -> bytes:
    """UTF-8 of text that `decode` made from bytes that were not UTF-8."""
    try:
        return text.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        raise WbxmlError("text holds a lone surrogate", _length(out)) from None


def _inline(content: str | bytes, out: list[bytes]) -> bytes:
    if isinstance(content, bytes):
        return bytes([OPAQUE]) + _multi_byte(len(content)) + content
    text = _encode_text(content, out)
    if 0 in text:
        raise WbxmlError("text holds a NUL", _length(out))
    return b"\x03" + text + b"\x00"


def _multi_byte(value: int) -> bytes:
    groups = [value & 0x7F]
    while value := value >> 7:
        groups.append(value & 0x7F | 0x80)
    return bytes(reversed(groups))


def _unknown_tag(tag: str, out: list[bytes]) -> tuple[int, bytes, bytes]:
    """Tokens of a tag that `decode` named by its number."""
    namespace, _, number = tag.partition(":")
    page = PAGE_NUMBERS.get(namespace)
    if page is not None and number.startswith("0x"):
        try:
            token = int(number, 16)
        except ValueError:
            token = 0
        if FIRST_TAG <= token < 0x40:
            return page, bytes([token | CONTENT_BIT]), bytes([token])
    raise WbxmlError(f"no code page has a tag {tag!r}", _length(out))
