"""File names that a stranger chose, made safe to use: one name, no path, nothing that hides what it is."""

from __future__ import annotations

import mimetypes
import re
import unicodedata

MAX_NAME = 120
"""Bytes of a name in UTF-8; file systems allow 255."""

_PATH = re.compile(r"[/\\]+|\A[A-Za-z]:(?=[^\s])")
_BAD = re.compile(r'[<>:"|?*\x00-\x1f\x7f-\x9f\ud800-\udfff]')
_DEVICE = re.compile(
    r"(?:con|prn|aux|nul|clock\$|com[0-9\u00b9\u00b2\u00b3]|lpt[0-9\u00b9\u00b2\u00b3])(?:\.|\Z)", re.I
)

EXTENSIONS = {
    "text/plain": "txt", "text/html": "html", "text/calendar": "ics", "text/vcard": "vcf", "text/x-vcard": "vcf",
    "image/png": "png", "image/jpeg": "jpg", "image/gif": "gif", "image/webp": "webp", "image/bmp": "bmp",
    "application/pdf": "pdf", "application/zip": "zip", "message/rfc822": "eml", "application/ms-tnef": "dat",
    "application/rtf": "rtf", "text/rtf": "rtf", "application/pkcs7-mime": "p7m", "application/x-pkcs7-mime": "p7m",
    "application/pkcs7-signature": "p7s", "application/x-pkcs7-signature": "p7s",
}  # fmt: skip


def safe_name(written: str, content_type: str = "", fallback: str = "attachment") -> str:
    """`written` as one file name for every file system: never empty, a path, hidden, or a device.

    Direction marks and other invisible characters go: they make ``exe.txt`` out of ``txt.exe``.
    """
    name = unicodedata.normalize("NFC", written.encode("utf-8", "replace").decode())
    name = "".join(" " if char.isspace() else char for char in name if char.isspace() or _visible(char))
    pieces = [piece for piece in _PATH.split(name) if piece.strip(" .")]
    name = _BAD.sub("_", pieces[-1] if pieces else "")
    name = " ".join(name.split()).strip(" .")
    if not name:
        name = fallback
        extension = EXTENSIONS.get(content_type)
        if extension:
            name = f"{name}.{extension}"
    if _DEVICE.match(name):
        name = f"_{name}"
    return _shortened(name)


def _visible(char: str) -> bool:
    category = unicodedata.category(char)
    return category[0] != "C" or category == "Co"


def _shortened(name: str) -> str:
    if len(name.encode()) <= MAX_NAME:
        return name
    stem, dot, extension = name.rpartition(".")
    if not dot or len(extension.encode()) > 16:
        stem, extension = name, ""
    room = MAX_NAME - len(extension.encode()) - bool(extension)
    stem = stem.encode()[:room].decode(errors="ignore").rstrip(" .")
    return f"{stem}.{extension}" if extension else stem


def distinct(names: list[str]) -> list[str]:
    """The same names, those that repeat (whatever their case) numbered: ``a.txt``, ``a (2).txt``."""
    taken: set[str] = set()
    result = []
    counts: dict[str, int] = {}
    for name in names:
        candidate = name
        while candidate.casefold() in taken:
            counts[name] = counts.get(name, 1) + 1
            stem, dot, extension = name.rpartition(".")
            number = f" ({counts[name]})"
            candidate = f"{stem}{number}.{extension}" if dot else f"{name}{number}"
        taken.add(candidate.casefold())
        result.append(candidate)
    return result


def guessed_type(name: str) -> str:
    """The content type that a file name stands for; ``application/octet-stream`` where it says nothing."""
    return mimetypes.guess_type(name.lower(), strict=False)[0] or "application/octet-stream"
