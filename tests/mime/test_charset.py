"""Charsets: declared, wrong, missing, hostile."""

from __future__ import annotations

import time

import pytest

from emailplus.mime.charset import codec_name, decode

JAPANESE = "\u4f1a\u8b70\u306f\u5341\u6642\u304b\u3089\u3067\u3059"
RUSSIAN = (
    "\u0417\u0430\u0432\u0442\u0440\u0430 \u0432 \u0434\u0435\u0441\u044f\u0442\u044c \u0447\u0430\u0441\u043e\u0432"
)


@pytest.mark.parametrize(
    ("data", "declared", "text", "repaired"),
    [
        (b"plain", "us-ascii", "plain", False),
        (b"plain", "", "plain", False),
        ("\u00fc".encode(), "utf-8", "\u00fc", False),
        (b"\xfc \x80", "iso-8859-1", "\u00fc \u20ac", False),  # what the label means in practice
        ("\u00fc".encode(), "iso-8859-1", "\u00fc", True),  # UTF-8 under another label
        ("\u00fc".encode(), "us-ascii", "\u00fc", False),
        (b"\xfc", "utf-8", "\u00fc", True),
        (b"\xfc", "", "\u00fc", True),
        (b"\xfc", "x-unknown", "\u00fc", True),
        (JAPANESE.encode("iso-2022-jp"), "iso-2022-jp", JAPANESE, False),
        (JAPANESE.encode("iso-2022-jp"), "", JAPANESE, True),
        (JAPANESE.encode("cp932"), "shift_jis", JAPANESE, False),
        (JAPANESE.encode("euc_jp"), "x-euc-jp", JAPANESE, False),
        ("\ud55c\uae00".encode("cp949"), "ks_c_5601-1987", "\ud55c\uae00", False),
        ("\u4f60\u597d\u20ac".encode("gb18030"), "gb2312", "\u4f60\u597d\u20ac", False),
        (RUSSIAN.encode("koi8-r"), "koi8-r", RUSSIAN, False),
        ("\u05e9\u05dc\u05d5\u05dd".encode("iso8859-8"), "iso-8859-8-i", "\u05e9\u05dc\u05d5\u05dd", False),
        ("a\u00fc".encode("utf-16"), "", "a\u00fc", False),
        ("a\u00fc".encode("utf-16-le"), "utf-16-le", "a\u00fc", False),
        ("\ufeffa".encode(), "utf-8", "a", False),
        (b"+AOk-", "utf-7", "\u00e9", False),
        (b"+AOk-", "us-ascii", "+AOk-", False),
        (b"a\0b\x1bc", "utf-8", "abc", False),
    ],
)
def test_decode(data: bytes, declared: str, text: str, repaired: bool) -> None:
    found, note = decode(data, declared)
    assert found == text
    assert bool(note) is repaired, note


def test_the_last_resort_never_fails() -> None:
    text, note = decode(b"\x81\x8d \xff" * 50, "utf-8")
    assert text
    assert note


@pytest.mark.parametrize(
    "label", ["punycode", "idna", "unicode_escape", "raw_unicode_escape", "rot13", "zlib", "hex", "base64", "mbcs",
              "undefined", "palmos", "../../etc/passwd", "x" * 5000, "\0", "utf-8\r\nx: y"],
)  # fmt: skip
def test_codecs_that_mail_does_not_use(label: str) -> None:
    assert codec_name(label) in ("", "utf-8")
    began = time.process_time()
    decode(b"-" + b"a9" * 200_000 + b"\xfc", label)
    assert time.process_time() - began < 5
