"""Text out of bytes whose charset is declared, wrong, or not known at all.

Declared first, then UTF-8, then windows-1252, which is what undeclared western mail is written in. Only where none of
them fits is the charset guessed from the bytes (`charset-normalizer`, where it is installed): a guess about short text
is worth less than these three. Only charsets that mail uses are taken: Python's registry has codecs of quadratic cost.
"""

from __future__ import annotations

import codecs
import re
from functools import lru_cache

GUESS_BYTES = 64 * 1024
"""How much of a text the guess looks at."""

_NAMES = (
    "ascii big5 big5hkscs cp037 cp437 cp500 cp720 cp737 cp775 cp850 cp852 cp855 cp857 cp858 cp860 cp861 cp862 cp863 "
    "cp864 cp865 cp866 cp869 cp874 cp932 cp949 cp950 cp1006 cp1026 cp1125 cp1140 cp1250 cp1251 cp1252 cp1253 cp1254 "
    "cp1255 cp1256 cp1257 cp1258 euc_jp euc_jis_2004 euc_jisx0213 euc_kr gb2312 gb18030 gbk hz iso2022_jp iso2022_jp_1 "
    "iso2022_jp_2 iso2022_jp_2004 iso2022_jp_3 iso2022_jp_ext iso2022_kr iso8859-1 iso8859-2 iso8859-3 iso8859-4 "
    "iso8859-5 iso8859-6 iso8859-7 iso8859-8 iso8859-9 iso8859-10 iso8859-11 iso8859-13 iso8859-14 iso8859-15 "
    "iso8859-16 johab koi8-r koi8-t koi8-u kz1048 mac-cyrillic mac-greek mac-iceland mac-latin2 mac-roman mac-turkish "
    "ptcp154 shift_jis shift_jis_2004 shift_jisx0213 tis-620 utf-7 utf-8 utf-8-sig utf-16 utf-16-be utf-16-le utf-32 "
    "utf-32-be utf-32-le"
)
_ALLOWED = frozenset(codecs.lookup(name).name for name in _NAMES.split())

_MEANT = {
    # What a label means in practice is a superset of what it says (WHATWG Encoding 4.2).
    "ascii": "cp1252", "iso8859-1": "cp1252", "iso8859-9": "cp1254", "iso8859-11": "cp874", "tis-620": "cp874",
    "gb2312": "gb18030", "gbk": "gb18030", "shift_jis": "cp932", "euc_kr": "cp949", "utf-8-sig": "utf-8",
    # Labels that Python does not know.
    "ks_c_5601-1987": "cp949", "ks_c_5601": "cp949", "windows-31j": "cp932", "x-sjis": "cp932", "x-euc-jp": "euc_jp",
    "x-gbk": "gb18030", "x-big5": "big5", "unicode-1-1-utf-7": "utf-7", "unicode-1-1-utf-8": "utf-8",
    "unicode": "utf-16",
    "iso-8859-8-i": "iso8859-8", "iso-8859-8-e": "iso8859-8", "iso-8859-6-i": "iso8859-6", "iso-8859-6-e": "iso8859-6",
    "x-mac-roman": "mac-roman", "x-mac-cyrillic": "mac-cyrillic", "ansi_x3.4-1968": "cp1252",
    "x-user-defined": "cp1252",
    "windows-874": "cp874", "dos-874": "cp874", "cp-850": "cp850", "x-cp1250": "cp1250", "x-cp1251": "cp1251",
    "x-cp1252": "cp1252", "cp65001": "utf-8", "utf": "utf-8", "unknown-8bit": "", "x-unknown": "", "unknown": "",
    "default": "", "default_charset": "", "binary": "", "8bit": "", "7bit": "", "none": "",
}  # fmt: skip

_STATEFUL = ("utf-16", "utf-32", "utf-7", "hz", "iso2022", "cp037", "cp500", "cp1026", "cp1140")
"""Where a byte of ASCII is not that character."""

_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufeff\ufffe\uffff\ud800-\udfff]")


@lru_cache(maxsize=256)
def codec_name(label: str) -> str:
    """The codec that a charset label stands for; "" for one that mail does not use or that says nothing."""
    label = label.strip().strip("\"'").lower()[:60]
    if label in _MEANT:
        return _MEANT[label]
    try:
        name = codecs.lookup(label).name
    except (LookupError, ValueError, UnicodeError):
        return ""
    if name not in _ALLOWED:
        return ""
    return _MEANT.get(name, name)


def decode(data: bytes, declared: str = "") -> tuple[str, str]:
    """The text of `data`, and what was wrong with the declared charset ("" where nothing was).

    Never fails. NUL and other control characters that no text has are taken out; line ends are left as they are.
    """
    wanted = codec_name(declared) if declared else ""
    if data.isascii() and b"\x1b" not in data and not wanted.startswith(_STATEFUL):
        return _clean(data.decode("ascii")), ""
    if data.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        mark = "utf-8" if data[0] == 0xEF else "utf-16"
        text = _try(data, mark)
        if text is not None:
            return _clean(text), ""
    if not wanted and b"\x1b$" in data:
        text = _try(data, "iso2022_jp_ext")
        if text is not None:
            return _clean(text), _note(declared, "iso-2022-jp")
    if wanted in ("cp1252", "") and not data.isascii():
        # Text labelled Latin-1 or not at all that is valid UTF-8 is UTF-8: other text is so only by rare chance.
        text = _try(data, "utf-8")
        if text is not None:
            wrong = wanted and declared.lower() not in ("us-ascii", "ascii")
            return _clean(text), f"declared as {declared[:40]}, read as utf-8" if wrong else ""
    if wanted:
        text = _try(data, wanted)
        if text is not None:
            return _clean(text), ""
    for name in ("utf-8", "cp1252"):
        text = _try(data, name)
        if text is not None:
            return _clean(text), _note(declared, name)
    guessed = _guess(data)
    if guessed:
        return _clean(data.decode(guessed, "replace")), _note(declared, guessed)
    readable = wanted or "utf-8"
    return _clean(data.decode(readable, "replace")), f"{_note(declared, readable)}, with characters lost"


def _try(data: bytes, name: str) -> str | None:
    try:
        return data.decode(name)
    except (UnicodeError, ValueError):
        return None


def _note(declared: str, used: str) -> str:
    return f"declared as {declared[:40]}, read as {used}" if declared else f"no charset declared, read as {used}"


def _guess(data: bytes) -> str:
    """The codec that fits the bytes best; "" where nothing is installed that could say."""
    try:
        from charset_normalizer import from_bytes
    except ImportError:
        return ""
    best = from_bytes(data[:GUESS_BYTES]).best()
    return codec_name(best.encoding) if best is not None else ""


def _clean(text: str) -> str:
    return text if text.isprintable() else _CONTROLS.sub("", text)
