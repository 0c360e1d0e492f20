"""The C driver around libwbxml, compiled on first use into build/bench."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path

EVENTS, TREE, XML, ENCODE = range(4)

_SOURCE = Path(__file__).with_suffix(".c")
_BUILT = Path(__file__).resolve().parents[1] / "build" / "bench" / "libwbxml_driver.so"


class Unavailable(Exception):
    """libwbxml, its headers or a C compiler are missing."""


def _compiled() -> Path:
    if _BUILT.exists() and _BUILT.stat().st_mtime > _SOURCE.stat().st_mtime:
        return _BUILT
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise Unavailable("no C compiler (cc, gcc)")
    _BUILT.parent.mkdir(parents=True, exist_ok=True)
    flags = ["-I/usr/include/libwbxml-1.0", "-lwbxml2"]
    if pkg_config := shutil.which("pkg-config"):
        found = _run(pkg_config, "--cflags", "--libs", "libwbxml2")
        flags = found.stdout.split() if found.returncode == 0 else flags
    made = _run(compiler, "-O2", "-shared", "-fPIC", "-o", str(_BUILT), str(_SOURCE), *flags)
    if made.returncode:
        raise Unavailable(f"the driver around libwbxml does not compile (Debian: libwbxml2-dev)\n{made.stderr}")
    return _BUILT


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, check=False, capture_output=True, text=True)


class Driver:
    """See libwbxml.c for what each way of reading and writing does."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(str(_compiled()))
        self._library.bench_time.restype = ctypes.c_int64
        self._library.bench_time.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int]
        self._library.bench_convert.argtypes = [
            ctypes.c_int,
            ctypes.c_char_p,
            ctypes.c_size_t,
            ctypes.POINTER(ctypes.c_void_p),
            ctypes.POINTER(ctypes.c_size_t),
        ]
        self._library.bench_free.argtypes = [ctypes.c_void_p]

    def convert(self, what: int, data: bytes) -> bytes:
        out, length = ctypes.c_void_p(), ctypes.c_size_t()
        error = self._library.bench_convert(what, data, len(data), ctypes.byref(out), ctypes.byref(length))
        if error or not out.value:
            raise RuntimeError(f"libwbxml refuses the document: error {error}")
        try:
            return ctypes.string_at(out.value, length.value)
        finally:
            self._library.bench_free(out)

    def time(self, what: int, documents: list[bytes], passes: int) -> float:
        """CPU nanoseconds of one pass over the documents, the mean of `passes`."""
        total = 0
        for document in documents:
            taken = self._library.bench_time(what, document, len(document), passes)
            if taken < 0:
                raise RuntimeError(f"libwbxml refuses the document: error {-taken}")
            total += taken
        return total / passes
