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

This file is also the source of the compiled form: Cython reads it together with `wbxml.pxd`, which types the variables
of the two loops and holds C versions of the functions between the marks ``pure: begin`` and ``pure: end``.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias

from ..errors import WbxmlError
from .code_pages import CODE_PAGES, TAG_NAMES

Content: TypeAlias = "str | bytes | list[Node] | None"
Node: TypeAlias = "tuple[str, Content]"
_Around: TypeAlias = "tuple[str, list[Node], _Around] | None"

TEXT = "#text"
"""Tag of text (or opaque data) that stands beside child elements or beside other text."""

COMPILED = not __file__.endswith(".py")
"""Whether this is the compiled form."""

# Global tokens, WBXML 1.3 section 7.1.
SWITCH_PAGE, END, ENTITY, STR_I, LITERAL, OPAQUE = 0x00, 0x01, 0x02, 0x03, 0x04, 0xC3
CONTENT_BIT, ATTRIBUTE_BIT = 0x40, 0x80
FIRST_TAG = 0x05

HEADER = b"\x03\x01\x6a\x00"
"""Version 1.3, public identifier unknown, charset UTF-8, empty string table (MS-ASWBXML 2.1)."""

_CHARSETS = (0, 3, 106)  # unknown, US-ASCII, UTF-8 (IANA MIBenum): all read as UTF-8


class Limits(NamedTuple):
    """What the codec accepts; the reason stands beside each bound."""

    total: int = 128 << 20  # larger answers are streamed to the spool, never decoded whole
    text: int = 128 << 20  # a MIME body or base64 attachment from a server that ignores truncation
    opaque: int = 128 << 20  # likewise, sent as OPAQUE
    depth: int = 64  # the deepest published message has 12 levels
    elements: int = 2_000_000
    """Start tags, separate texts, page switches and ENDs of elements with children. A full window of 512 items has
    about 20,000; bounds memory beyond the texts themselves to some 300 MB."""


DEFAULT_LIMITS = Limits()
_DEFAULT_BOUNDS = tuple(DEFAULT_LIMITS)


def _tag_tables() -> list[list[str]]:
    """One table a page: token with content bit -> tag; "" for every other byte."""
    tables = []
    for page in CODE_PAGES:
        table = [""] * 256
        for token in range(FIRST_TAG, CONTENT_BIT):
            table[token | CONTENT_BIT] = TAG_NAMES.get((page.number, token)) or f"{page.namespace}:0x{token:02X}"
        tables.append(table)
    return tables


_TABLES = _tag_tables()
# One shared node per empty element: a run of them costs a pointer each.
_EMPTY: dict[str, Node] = {tag: (tag, None) for table in _TABLES for tag in table if tag}

_PAUSE_ABOVE = 4096
"""Bytes from which a decode pauses the cyclic collector: below, no collection would be due."""

# pure: begin
_starts: Callable[[bytes, bytes], bool] = bytes.startswith
_find: Callable[[bytes, int, int], int] = bytes.index
_output: Callable[[], list[bytes]] = list
_put: Callable[[list[bytes], bytes], None] = list.append
_put_text: Callable[[list[bytes], bytes], None] = list.append
_utf8: Callable[[str], bytes] = str.encode
_release: Callable[[list[bytes]], None] = list.clear


def _length(out: list[bytes]) -> int:
    return sum(map(len, out))


def _joined(out: list[bytes]) -> bytes:
    return b"".join(out)


# pure: end


def decode(data: bytes, limits: Limits = DEFAULT_LIMITS, *, errors: str = "surrogateescape") -> Node:
    """The root node of one WBXML document.

    `errors` says what becomes of bytes that are not UTF-8: ``"surrogateescape"`` keeps them for `encode` to write
    back, ``"replace"`` makes them U+FFFD, ``"strict"`` refuses them. Raises `WbxmlError`.

    Python's cyclic collector is paused meanwhile, as a tree holds no cycles. It is one switch for the whole process:
    other threads run on without it, for as long as this call takes, and a thread that switches it off itself in just
    that time finds it on again.
    """
    if len(data) < _PAUSE_ABOVE or not gc.isenabled():
        return _decode(data, limits, errors)
    gc.disable()
    try:
        return _decode(data, limits, errors)
    finally:
        gc.enable()


def _decode(data: bytes, limits: Limits, errors: str) -> Node:
    total, text_limit, opaque_limit, depth, elements = _DEFAULT_BOUNDS if limits is DEFAULT_LIMITS else tuple(limits)
    if len(data) > total:
        raise WbxmlError(f"document longer than {total} bytes", total)
    position = 4 if _starts(data, HEADER) else _read_header(data)
    root_at = _find_root(data, position, elements)
    page = 0 if root_at == position else data[root_at - 1]
    names = _TABLES[page]
    token = data[root_at]
    root = names[token | 0x40]
    if token < 0x40:
        return _EMPTY[root]
    position = root_at + 1
    text_limit += 2  # as `position` is that of the tag
    children: list[Node] = []
    around: _Around = None  # the elements around that of `children`, from the inside out
    loose = False  # some text did not become the content of its element at once
    try:
        for _ in range(elements):
            token = data[position]
            tag = names[token]
            if tag:
                token = data[position + 1]
                if token == 3:  # STR_I: nearly every element holds one text and nothing else
                    end = _find(data, 0, position)
                    if data[end + 1] == 1 and end - position <= text_limit:
                        try:
                            children.append((tag, data[position + 2 : end].decode()))
                        except UnicodeDecodeError:
                            children.append((tag, _text(data, position + 2, end, errors)))
                        position = end + 2
                        continue
                elif token == 0xC3:  # OPAQUE
                    length, start = _read_multi_byte(data, position + 2)
                    end = start + length
                    if length <= opaque_limit and end < len(data) and data[end] == 1:
                        children.append((tag, data[start:end]))
                        position = end + 1
                        continue
                elif token == 1:  # END
                    children.append((tag, ""))
                    position += 2
                    continue
                depth -= 1
                if depth <= 0:
                    raise WbxmlError(f"elements nested deeper than {limits.depth}", position)
                around = (tag, children, around)
                children = []
                position += 1
            elif token == 1:  # END
                if around is None:
                    break
                tag, outer, around = around
                outer.append((tag, _settle(children) if loose else children or ""))
                children = outer
                depth += 1
                position += 1
            elif token == 0:  # SWITCH_PAGE
                page = data[position + 1]
                if page >= len(_TABLES):
                    raise WbxmlError(f"unknown code page {page}", position + 1)
                names = _TABLES[page]
                position += 2
            elif 0x05 <= token < 0x40:
                children.append(_EMPTY[names[token | 0x40]])
                position += 1
            else:
                position = _loose_text(data, position, limits, errors, children)
                loose = True
        else:
            raise WbxmlError(f"more than {elements} elements", position)
    except IndexError:
        raise WbxmlError("document ends in the middle of an element", len(data)) from None
    except ValueError:  # of _find
        start = position + (1 if data[position] == STR_I else 2)
        raise WbxmlError("inline string without its terminating NUL", start) from None
    # Bytes behind the root are ignored: a captured phone (vector device-16) sends its whole body twice.
    return (root, _settle(children) if loose else children or "")


def _find_root(data: bytes, position: int, elements: int) -> int:
    """The position of the root element's tag, behind the page switches before it."""
    last = position + 2 * elements
    while position < len(data) and data[position] == SWITCH_PAGE:
        if position + 1 < len(data) and data[position + 1] >= len(_TABLES):
            raise WbxmlError(f"unknown code page {data[position + 1]}", position + 1)
        position += 2
        if position > last:
            raise WbxmlError(f"more than {elements} elements", position)
    if position >= len(data):
        raise WbxmlError("document without a root element", len(data))
    token = data[position]
    if token in (END, STR_I, OPAQUE, ENTITY):
        raise WbxmlError("END or text outside the root element", position)
    if token >= ATTRIBUTE_BIT or token & 0x3F < FIRST_TAG:
        raise WbxmlError(_refusal(token), position)
    return position


def _loose_text(data: bytes, position: int, limits: Limits, errors: str, children: list[Node]) -> int:
    """Append the text, opaque value or entity that stands at `position`; the position behind it."""
    token = data[position]
    if token == STR_I:
        end = data.index(0, position)
        if end - position - 1 > limits.text:
            raise WbxmlError(f"inline string longer than {limits.text} bytes", position + 1)
        children.append((TEXT, _text(data, position + 1, end, errors)))
        return end + 1
    if token == OPAQUE:
        length, start = _read_multi_byte(data, position + 1)
        if length > limits.opaque:
            raise WbxmlError(f"opaque value longer than {limits.opaque} bytes", position + 1)
        if start + length > len(data):
            raise WbxmlError("opaque value longer than the document", position + 1)
        children.append((TEXT, data[start : start + length]))
        return start + length
    if token == ENTITY:
        code, end = _read_multi_byte(data, position + 1)
        if code == 0 or code > 0x10FFFF or 0xD800 <= code < 0xE000:
            raise WbxmlError(f"entity {code} is not a character", position + 1)
        children.append((TEXT, chr(code)))
        return end
    raise WbxmlError(_refusal(token), position)


def _text(data: bytes, start: int, end: int, errors: str) -> str:
    try:
        return data[start:end].decode(errors=errors)
    except UnicodeDecodeError as error:
        raise WbxmlError("text is not UTF-8", start + error.start) from None


def _settle(children: list[Node]) -> Content:
    """Content of a closed element that may hold loose text: lone text is the content itself, texts alone are one."""
    if not children:
        return ""
    if len(children) == 1:
        return children[0][1] if children[0][0] is TEXT else children
    texts = []
    for tag, content in children:
        if tag is not TEXT or not isinstance(content, str):
            return children
        texts.append(content)
    text = "".join(texts)
    try:  # a character may have been cut in two: bytes that were not UTF-8 now are
        return text.encode(errors="surrogateescape").decode(errors="surrogateescape")
    except UnicodeEncodeError:  # another error handler left other surrogates
        return text


def _read_header(data: bytes) -> int:
    """The position behind a header that is not `HEADER` itself."""
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


class _Unencodable(Exception):
    """Why a node cannot be written; `encode` adds the offset."""


# Tag -> page and start of an element that holds one text; the same for other content; an empty element.
_TEXT_STARTS: dict[str, tuple[int, bytes]] = {}
_STARTS: dict[str, tuple[int, bytes]] = {}
_EMPTY_ELEMENTS: dict[str, bytes] = {}
for _page, _table in enumerate(_TABLES):
    for _token, _tag in enumerate(_table):
        if _tag:
            _TEXT_STARTS[_tag] = _page, bytes([_token, STR_I])
            _STARTS[_tag] = _page, bytes([_token])
            _EMPTY_ELEMENTS[_tag] = bytes([_token & ~CONTENT_BIT])
_SWITCH = [bytes([SWITCH_PAGE, page]) for page in range(len(_TABLES))]


def encode(root: Node, limits: Limits = DEFAULT_LIMITS) -> bytes:
    """The WBXML document of a node: SWITCH_PAGE only where the page changes, text inline, bytes as OPAQUE.

    An empty list is written as ``None`` is. Raises `WbxmlError` (its offset counts output bytes) for an unknown tag,
    text that holds a NUL or a surrogate that `decode` did not make, content of another type, more elements or depth
    than `limits` allows (a cyclic tree is infinitely deep) or output longer than `limits.total`.
    """
    out = _output()
    try:
        _put(out, HEADER)
        try:
            _encode(root, limits, out)
        except _Unencodable as error:
            raise WbxmlError(str(error), _length(out)) from None
        data = _joined(out)
    finally:
        _release(out)
    if len(data) > limits.total:
        raise WbxmlError(f"document longer than {limits.total} bytes", limits.total)
    return data


def _encode(root: Node, limits: Limits, out: list[bytes]) -> None:
    if root[0] == TEXT:
        raise _Unencodable("text outside the root element")
    total, _, _, depth, elements = _DEFAULT_BOUNDS if limits is DEFAULT_LIMITS else tuple(limits)
    room = total  # for texts that are not short, of which a tree may hold one many times over
    page = 0
    joined = 0  # pure
    parents: list[Iterator[Node]] = []
    siblings: Iterator[Node] = iter([root])
    while True:
        for tag, content in siblings:
            try:
                number, start = (_TEXT_STARTS if type(content) is str else _STARTS)[tag]
            except KeyError:
                if tag != TEXT:
                    raise _Unencodable(f"no code page has a tag {tag!r}") from None
                inline = _inline(tag, content)
                room -= len(inline)
                if room < 0:
                    break
                _put(out, inline)
                continue
            if number != page:
                page = number
                _put(out, _SWITCH[page])
            if type(content) is str:
                text = content
                size = len(text)
                if size > 64:
                    room -= size
                    if room < 0:
                        break
                elif not size:
                    _put(out, _STARTS[tag][1])
                    _put(out, b"\x01")
                    continue
                _put(out, start)
                try:
                    if "\0" in text:  # pure
                        raise ValueError  # pure
                    _put_text(out, _utf8(text))
                except ValueError:
                    _put(out, _escaped(tag, text))
                _put(out, b"\x00\x01")
            elif content is None or (type(content) is list and not content):
                _put(out, _EMPTY_ELEMENTS[tag])
            elif isinstance(content, list):
                elements -= len(content)
                parents.append(siblings)
                if len(parents) > depth or elements < 0:
                    break
                _put(out, start)
                siblings = iter(content)
                break
            elif type(content) is bytes:
                size = len(content)
                room -= size
                if room < 0:
                    break
                _put(out, start)
                _put(out, _OPAQUE_SHORT[size] if size < 0x80 else _opaque_start(size))
                _put(out, content)
                _put(out, b"\x01")
            else:
                inline = _inline(tag, content)
                room -= len(inline)
                if room < 0:
                    break
                _put(out, start)
                _put(out, inline)
                _put(out, b"\x01")
        else:
            if not parents:
                return
            _put(out, b"\x01")
            siblings = parents.pop()
            if len(out) - joined > 2000:  # pure
                # What lies in the processor's caches is joined faster than all of it at the end.  # pure
                out[joined:] = [b"".join(out[joined:])]  # pure
                joined += 1  # pure
            continue
        if len(parents) > depth:
            raise _Unencodable(f"elements nested deeper than {depth}")
        if elements < 0:
            raise _Unencodable(f"more than {limits.elements} elements")
        if room < 0:
            raise _Unencodable(f"document longer than {total} bytes")


def _inline(tag: str, content: object) -> bytes:
    """Content that is not the one common text: bytes, the empty text, text beside elements."""
    if isinstance(content, bytes):
        return _opaque_start(len(content)) + content
    if not isinstance(content, str):
        raise _Unencodable(f"content of {tag} is {type(content).__name__}")
    if not content and tag != TEXT:
        return b""
    return b"\x03" + _escaped(tag, content) + b"\x00"


def _escaped(tag: str, text: str) -> bytes:
    """UTF-8 of text, which `decode` may have made from bytes that were not UTF-8."""
    try:
        data = text.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        raise _Unencodable(f"text of {tag} holds a lone surrogate") from None
    if 0 in data:
        raise _Unencodable(f"text of {tag} holds a NUL")
    return data


def _opaque_start(length: int) -> bytes:
    """OPAQUE and the mb_u_int32 of its length."""
    groups = [length & 0x7F]
    while length := length >> 7:
        groups.append(length & 0x7F | 0x80)
    return bytes([OPAQUE, *reversed(groups)])


_OPAQUE_SHORT = [_opaque_start(length) for length in range(0x80)]
