"""The copy of a large protected message: readable by offsets, unreadable on the disk, gone with its object."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from emailplus.errors import StoreDamaged
from emailplus.smime import aside
from emailplus.smime.aside import Aside


def test_the_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aside, "WINDOW", 1000)
    data = b"secret words " * 400
    made = Aside(iter([data[:7], data[7:3000], b"", data[3000:]]), tmp_path)
    source = made.source()
    assert source[:] == data
    assert source[990:2010] == data[990:2010]
    assert source.find(b"words", 3500) == data.find(b"words", 3500)
    assert list(tmp_path.iterdir()) == []  # it has no name
    at_rest = os.pread(made._file.fileno(), 1 << 20, 0)
    assert b"secret" not in at_rest
    assert len(at_rest) == len(data) + 16 * -(-len(data) // 1000)
    del made
    assert source[5000:] == data[5000:]  # what reads it keeps it


def test_a_copy_that_was_changed(tmp_path: Path) -> None:
    made = Aside([b"x" * 100], tmp_path)
    os.pwrite(made._file.fileno(), b"\0", 5)
    with pytest.raises(StoreDamaged, match="changed"):
        made.source()[:]


def test_pieces_that_break_off(tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield b"x"
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        Aside(broken(), tmp_path)
    assert Aside([], tmp_path).source()[:] == b""
