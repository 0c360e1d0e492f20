"""Rich text (RTF 1.9.1) as HTML or text, and the compressed form that Exchange and TNEF carry (MS-OXRTFCP).

RTF made from HTML holds the original (MS-OXRTFEX, ``\\fromhtml1``) and gives it back. Of other RTF a view needs words,
paragraphs, bold, italic, underlined and strike; the rest of the language is passed over. One pass, linear time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from html import escape

from . import charset


def _words(text: bytes) -> frozenset[bytes]:
    return frozenset(text.split())


MAX_RTF = 8 << 20
MAX_GROUPS = 2_000

_TOKEN = re.compile(
    rb"\\([a-zA-Z]{1,32})(-?\d{1,10})? ?|\\'([0-9a-fA-F]{2})|\\([^a-zA-Z])|([{}])|[\r\n]+|([^\\{}\r\n]+)", re.DOTALL
)
_SKIPPED = _words(
    b"fonttbl colortbl stylesheet info pict object themedata colorschememapping datastore latentstyles listtable "
    b"listoverridetable rsidtbl generator xmlnstbl header footer headerl headerr footerl footerr fldinst filetbl "
    b"revtbl bkmkstart bkmkend nonshppict mmathPr"
)
_CHARACTERS = {
    b"par": "\n", b"line": "\n", b"sect": "\n", b"page": "\n", b"tab": "\t", b"cell": "\t", b"row": "\n",
    b"emdash": "\u2014", b"endash": "\u2013", b"bullet": "\u2022", b"lquote": "\u2018", b"rquote": "\u2019",
    b"ldblquote": "\u201c", b"rdblquote": "\u201d", b"emspace": "\u2003", b"enspace": "\u2002",
}  # fmt: skip
_STYLES = {b"b": "b", b"i": "i", b"ul": "u", b"strike": "s"}
_FONT_CHARSETS = {
    0: "cp1252", 128: "cp932", 129: "cp949", 134: "gb18030", 136: "big5", 161: "cp1253", 162: "cp1254", 163: "cp1258",
    177: "cp1255", 178: "cp1256", 186: "cp1257", 204: "cp1251", 222: "cp874", 238: "cp1250", 77: "mac-roman",
}  # fmt: skip
"""\\fcharset -> codec (RTF 1.9.1, Font Table)."""


class BadRtf(ValueError):
    """Not RTF, or a compressed form that cannot be opened."""


def decompressed(data: bytes) -> bytes:
    """The RTF in its compressed form (MS-OXRTFCP). Raises `BadRtf`."""
    if data[:5] == b"{\\rtf":
        return data
    if len(data) < 16 or data[8:12] not in (b"LZFu", b"MELA"):
        raise BadRtf("no compressed RTF")
    if len(data) > MAX_RTF:
        raise BadRtf("compressed RTF of more than 8 MB")
    if data[8:12] == b"MELA":
        return data[16 : 16 + int.from_bytes(data[4:8], "little")]
    try:
        from compressed_rtf import decompress
    except ImportError as problem:
        raise BadRtf("opening compressed RTF needs an extra: pip install 'emailplus[html]'") from problem
    try:
        return bytes(decompress(data))
    except Exception as problem:  # the library says many things about broken data
        raise BadRtf("compressed RTF that is broken") from problem


@dataclass(slots=True)
class _State:
    skip: bool = False
    html_tag: bool = False
    hidden: bool = False
    """\\htmlrtf: only for programs that show the RTF itself."""
    unicode_skip: int = 1
    font: int = 0
    styles: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Work:
    from_html: bool = False
    code_page: str = "cp1252"
    fonts: dict[int, str] = field(default_factory=dict)
    out: list[str] = field(default_factory=list)
    pending: bytearray = field(default_factory=bytearray)
    """Bytes of text, until it is sure that a character does not go on."""
    pending_font: int = 0
    """Of the pending bytes; -1: they are HTML as it stands."""
    high: int = 0
    opened: frozenset[str] = frozenset()


def to_html(data: bytes) -> str:
    """RTF as HTML: the original where it was made from HTML, else words and simple styles. Raises `BadRtf`."""
    data = data[:MAX_RTF]
    if data[:5] != b"{\\rtf":
        raise BadRtf("no RTF")
    work = _Work(from_html=b"\\fromhtml1" in data[:2000])
    if work.from_html:
        _walk(data, work, markup=True)
        return "".join(work.out)
    work.out.append('<div style="white-space:pre-wrap">')
    _walk(data, work, markup=True)
    return f"{''.join(work.out)}</div>"


def to_text(data: bytes) -> str:
    """The words of RTF that was not made from HTML; markup is left out. Raises `BadRtf`."""
    data = data[:MAX_RTF]
    if data[:5] != b"{\\rtf":
        raise BadRtf("no RTF")
    work = _Work()
    _walk(data, work, markup=False)
    return "".join(work.out).strip()


def _walk(data: bytes, work: _Work, *, markup: bool) -> None:
    stack: list[_State] = []
    state = _State()
    first_in_group = star = in_fonts = False
    font_number = 0
    left_to_skip = 0
    for match in _TOKEN.finditer(data):
        word, number, code, symbol, brace, text = match.groups()
        if brace == b"{":
            if len(stack) >= MAX_GROUPS:
                return
            stack.append(state)
            state = replace(state)
            first_in_group, star, left_to_skip = True, False, 0
            continue
        if brace == b"}":
            _flush(work, markup)
            in_fonts = in_fonts and len(stack) > 2
            if not stack:
                return
            state = stack.pop()
            first_in_group = False
            continue
        if symbol == b"*":
            star = True
            continue
        if word is not None:
            value = int(number) if number else None
            if word == b"fonttbl":
                in_fonts = True
            if in_fonts and word == b"f" and value is not None:
                font_number = value
            elif in_fonts and word == b"fcharset" and value is not None:
                work.fonts[font_number] = _FONT_CHARSETS.get(value, "")
            elif first_in_group and word == b"htmltag" and star:
                state.html_tag, state.skip = True, False
            elif first_in_group and (star or word in _SKIPPED):
                state.skip = True
            elif word == b"u" and value is not None:
                if not _silent(state, work):
                    _flush(work, markup)
                    _unicode(work, value & 0xFFFF, state, markup)
                left_to_skip = state.unicode_skip
                first_in_group = False
                continue
            else:
                _word(word, value, state, work, markup)
            first_in_group = False
            continue
        first_in_group = False
        if code is not None:
            if left_to_skip:
                left_to_skip -= 1
            elif not _silent(state, work):
                _bytes(work, bytes([int(code, 16)]), state, markup)
            continue
        if symbol is not None:
            if not _silent(state, work):
                written = {b"~": "\u00a0", b"_": "\u2011", b"-": ""}.get(symbol)
                if written is None:
                    _bytes(work, symbol if symbol in b"\\{}" else b"\n" if symbol in b"\r\n" else b"", state, markup)
                else:
                    _flush(work, markup)
                    _write(work, written, state, markup)
            continue
        if text is not None and left_to_skip:
            text, left_to_skip = text[left_to_skip:], max(0, left_to_skip - len(text))
        if text and not _silent(state, work):
            _bytes(work, text, state, markup)
    _flush(work, markup)


def _silent(state: _State, work: _Work) -> bool:
    return state.skip or (work.from_html and state.hidden and not state.html_tag)


def _word(word: bytes, value: int | None, state: _State, work: _Work, markup: bool) -> None:
    if word in _CHARACTERS:
        if not _silent(state, work) and not (work.from_html and not state.html_tag and word == b"cell"):
            _flush(work, markup)
            _write(work, _CHARACTERS[word], state, markup)
    elif word == b"ansicpg" and value is not None:
        work.code_page = charset.codec_name(f"cp{value}") or work.code_page
    elif word == b"uc" and value is not None:
        state.unicode_skip = max(0, min(value, 8))
    elif word == b"f" and value is not None:
        _flush(work, markup)
        state.font = value
    elif word == b"htmlrtf":
        _flush(work, markup)
        state.hidden = value != 0
    elif word == b"plain":
        state.styles = frozenset()
    elif word == b"ulnone":
        state.styles -= {"u"}
    elif word in _STYLES and not work.from_html:
        _flush(work, markup)
        style = _STYLES[word]
        state.styles = state.styles - {style} if value == 0 else state.styles | {style}


def _bytes(work: _Work, data: bytes, state: _State, markup: bool) -> None:
    font = -1 if state.html_tag else state.font
    if work.pending and (font != work.pending_font or state.styles != work.opened):
        _flush(work, markup)
    if not work.pending:
        _restyle(work, state, markup)
        work.pending_font = font
    work.pending += data


def _flush(work: _Work, markup: bool) -> None:
    if not work.pending:
        return
    name = work.fonts.get(work.pending_font, "") or work.code_page
    text = charset.decode(bytes(work.pending), name)[0]
    work.pending.clear()
    work.out.append(escape(text, quote=False) if markup and work.pending_font != -1 else text)


def _unicode(work: _Work, value: int, state: _State, markup: bool) -> None:
    if 0xD800 <= value < 0xDC00:
        work.high = value
        return
    if 0xDC00 <= value < 0xE000:
        if not work.high:
            return
        value = 0x10000 + ((work.high - 0xD800) << 10) + (value - 0xDC00)
    work.high = 0
    _write(work, chr(value), state, markup)


def _write(work: _Work, text: str, state: _State, markup: bool) -> None:
    _restyle(work, state, markup)
    if markup and not state.html_tag:
        text = escape(text, quote=False)
        if work.from_html:
            text = text.replace("\u00a0", "&nbsp;")
    work.out.append(text)


def _restyle(work: _Work, state: _State, markup: bool) -> None:
    """Close and open what differs between the styles that are open and those wanted."""
    if not markup or work.from_html or work.opened == state.styles:
        return
    work.out += [f"</{style}>" for style in sorted(work.opened, reverse=True)]
    work.out += [f"<{style}>" for style in sorted(state.styles)]
    work.opened = state.styles
