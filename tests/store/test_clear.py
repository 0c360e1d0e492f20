"""Nothing of a mailbox is ever on disk in the clear: every file that a process wrote is read for what it was given."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.store.mail import KEY

MARKS = tuple(
    f"qq{name}".encode()
    for name in (
        "bodymark", "subjectmark", "sendermark", "recipientmark", "categorymark", "previewmark", "topicmark",
        "mimemark", "headermark", "mimebody", "filemark", "referencemark", "contentmark", "serverid", "synckeymark",
    )
)  # fmt: skip
UTF16 = tuple(mark.decode().encode("utf-16-le") for mark in MARKS)
STRUCTURE = (b"CREATE TABLE", b"SQLite format 3", b"INTEGER PRIMARY KEY")


def in_the_clear(folder: Path) -> dict[str, list[bytes]]:
    """File -> what was recognised in it; empty when all is well."""
    found = {}
    for path in folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes().lower()
            hits = [mark for mark in (*MARKS, *UTF16, *STRUCTURE, KEY, KEY[::-1]) if mark.lower() in data]
            hits += [key for key in (KEY.hex().encode(), KEY[::-1].hex().encode()) if key in data]
            if hits:
                found[path.name] = hits
    return found


def open_files(process: int) -> list[Path]:
    """Regular files that a process holds open, deleted ones included; not its standard streams."""
    files = []
    for link in Path(f"/proc/{process}/fd").iterdir():
        if int(link.name) <= 2:
            continue
        try:
            target = os.readlink(link)
        except OSError:
            continue
        if target.startswith("/") and not target.startswith(("/dev/", "/proc/")):
            files.append(link)
    return files


def test_no_file_holds_anything_readable(tmp_path: Path) -> None:
    for name in ("home", "tmp", "work"):
        (tmp_path / name).mkdir()
    root = Path(__file__).resolve().parents[2]
    environment = {
        "PATH": os.environ["PATH"], "PYTHONPATH": str(root), "HOME": str(tmp_path / "home"),
        "TMPDIR": str(tmp_path / "tmp"), "SQLITE_TMPDIR": str(tmp_path / "tmp"), "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.store.writer", str(tmp_path / "work" / "mailbox.db"), KEY.hex()],
        cwd=tmp_path / "work", env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        for word, grown in (("filled", "mailbox.db-wal"), ("open", "mailbox.db-wal")):
            assert process.stdout.readline().strip() == word
            # The step was large enough to reach the disk before it was committed.
            assert (tmp_path / "work" / grown).stat().st_size > 1_000_000
            assert in_the_clear(tmp_path) == {}
            for link in open_files(process.pid):
                assert os.path.realpath(link).startswith((str(tmp_path), sys.prefix, sys.base_prefix, "/usr", "/lib"))
            process.stdin.write("\n")
            process.stdin.flush()
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.communicate()
    assert in_the_clear(tmp_path) == {}
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {"mailbox.db", "mailbox.db.key"}


def test_the_search_for_clear_text_would_find_it(tmp_path: Path) -> None:
    (tmp_path / "leak").write_bytes(b"\0\0QQSubjectMark 7")
    assert in_the_clear(tmp_path) == {"leak": [b"qqsubjectmark"]}
