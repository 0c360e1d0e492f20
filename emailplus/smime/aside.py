"""What came out of a large protected message, put aside to be read by offsets: never in the clear on a disk.

The copy lies in a file without a name, encrypted with a key that is nowhere but in this object (AES-256-GCM, a window
at a time): with the process the key is gone, and what may be left of the file is noise.
"""

from __future__ import annotations

import os
import secrets
import tempfile
import weakref
from collections.abc import Iterable
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ..errors import StoreDamaged
from ..mime.source import Windowed

WINDOW = 512 * 1024
_TAG = 16


class Aside:
    """A copy of bytes that come in pieces. It lasts as long as the object, or the `source` made of it."""

    def __init__(self, pieces: Iterable[bytes], folder: Path) -> None:
        """Raises `OSError` where the folder has no room, and whatever the pieces raise."""
        self._cipher = AESGCM(secrets.token_bytes(32))
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 - as long as the object
        weakref.finalize(self, self._file.close)
        self.size = 0
        held = bytearray()
        try:
            for piece in pieces:
                held += piece
                while len(held) >= WINDOW:
                    self._write(bytes(held[:WINDOW]))
                    del held[:WINDOW]
            if held:
                self._write(bytes(held))
        except BaseException:
            self._file.close()
            raise

    def _write(self, window: bytes) -> None:
        data = memoryview(self._cipher.encrypt(_nonce(self.size // WINDOW), window, None))
        while data:
            data = data[self._file.write(data) or 0 :]
        self.size += len(window)

    def source(self) -> Windowed:
        """The bytes again."""
        return Windowed(self.size, self._window)

    def _window(self, at: int) -> tuple[int, bytes]:
        number = at // WINDOW
        sealed = os.pread(self._file.fileno(), WINDOW + _TAG, number * (WINDOW + _TAG))
        try:
            return number * WINDOW, self._cipher.decrypt(_nonce(number), sealed, None)
        except InvalidTag as error:
            raise StoreDamaged("the copy of a large protected message was changed while it was read") from error


def _nonce(number: int) -> bytes:
    """Never twice with one key: every window is written once."""
    return number.to_bytes(12, "big")
