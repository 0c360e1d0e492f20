"""What a stored message with a large attachment costs to read: `python bench/large.py [--json] [MEGABYTES]`.

Every operation runs in a process of its own, over an encrypted store that holds one MIME message; the figure is the
highest resident memory of that process above that of one which only opens the store, and its seconds of CPU.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT)]

from emailplus.model.changes import ClaimBlob, FinishBlob, FolderChanges, SyncWindows, Window  # noqa: E402
from emailplus.model.folder import Folder  # noqa: E402
from emailplus.model.message import Attachment, Body, Message  # noqa: E402
from emailplus.reading import Reading  # noqa: E402
from emailplus.store.store import Store  # noqa: E402

KEY = bytes(range(32))
SIZE = 150
"""Megabytes of the attachment, decoded."""


def pieces(size: int) -> Iterator[bytes]:
    """A MIME message with one attachment of about `size` bytes, decoded."""
    yield (
        b"Subject: large\r\nFrom: Bob <bob@example.com>\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhello\r\n--b\r\n"
        b"Content-Type: application/zip; name=z.zip\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    )
    lines = b"".join(b64encode(os.urandom(57)) + b"\r\n" for _ in range(4096))
    for _ in range(max(1, size // (57 * 4096))):
        yield lines
    yield b"--b--\r\n"


def make(path: Path, size: int) -> None:
    """A store with that message."""
    with Store.open(path, KEY) as store:
        store.apply(FolderChanges("1", added=(Folder("5", "0", "Inbox", 2),)))
        announced = Attachment("r", name="z.zip", size=size, state="stored")
        message = Message("1", "large", "Bob <bob@example.com>", received=datetime(2026, 1, 1, tzinfo=UTC),
                          body=Body(4, b"", size), body_state="pending", attachments=[announced])  # fmt: skip
        store.apply(SyncWindows([Window(1, "1", "", added=[message])], keep_content=True))
        blob, _ = store.apply(ClaimBlob("body", 1))
        writer = store.blob_writer(blob)
        for piece in pieces(size):
            writer.write(piece)
        writer.flush()
        store.apply(FinishBlob("body", 1, blob, body_type=4))


def opened(path: Path) -> None:
    with Store.open(path, KEY) as store:
        store.messages([1])


def view(path: Path) -> None:
    with Store.open(path, KEY) as store:
        assert Reading(store).view(1).text.strip() == "hello"


def page(path: Path) -> None:
    with Store.open(path, KEY) as store:
        assert "z.zip" in Reading(store).page(1).html


def terminal(path: Path) -> None:
    with Store.open(path, KEY) as store:
        assert "z.zip" in Reading(store).terminal(1)


def file(path: Path) -> None:
    with Store.open(path, KEY) as store:
        assert sum(map(len, Reading(store).view(1).attachments[0].pieces())) > 1000


def attachment(path: Path) -> None:
    with Store.open(path, KEY) as store:
        assert sum(map(len, store.attachment_content(1))) > 1000


def message(path: Path) -> None:
    with Store.open(path, KEY) as store:
        assert store.message(1).text.strip() == "hello"


def show(path: Path, *arguments: str) -> None:
    from emailplus.cli.app import app

    os.environ["EMAILPLUS_STORE_KEY"] = KEY.hex()
    sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - to the end of the process
    app(["show", "--store", str(path), "1", *arguments], standalone_mode=False)


def show_page(path: Path) -> None:
    show(path, "--html", "-")


def show_attachment(path: Path) -> None:
    show(path, "--attachment", "1")


def show_json(path: Path) -> None:
    show(path, "--json")


WORKS: dict[str, Callable[[Path], None]] = {
    work.__name__: work
    for work in (opened, view, page, terminal, file, attachment, message, show, show_page, show_attachment, show_json)
}


def measured(name: str, path: Path) -> tuple[int, float]:
    """(highest resident memory in bytes, seconds of CPU) of one operation."""
    command = [sys.executable, __file__, "--work", name, "--path", str(path)]
    peak, spent = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.split()
    return int(peak), float(spent)


def main() -> int:
    parser = argparse.ArgumentParser(description="What a stored message with a large attachment costs to read.")
    parser.add_argument("size", nargs="?", type=int, default=SIZE, help="megabytes of the attachment")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--work", choices=sorted(WORKS), help=argparse.SUPPRESS)
    parser.add_argument("--path", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        output = os.dup(1)
        try:
            WORKS[arguments.work](arguments.path)
        finally:
            used = resource.getrusage(resource.RUSAGE_SELF)
            os.write(output, f"{used.ru_maxrss * 1024} {used.ru_utime + used.ru_stime}".encode())
        return 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mailbox.db"
        make(path, arguments.size << 20)
        found = {name: measured(name, path) for name in WORKS}
    base = found["opened"]
    result = {name: {"bytes": peak - base[0], "seconds": spent - base[1]} for name, (peak, spent) in found.items()}
    if arguments.json:
        json.dump({"attachment": arguments.size << 20, "works": result}, sys.stdout)
    else:
        print(f"an attachment of {arguments.size} MB: peak and CPU above opening the store")
        for name, row in result.items():
            print(f"{name:16}{row['bytes'] / (1 << 20):8.1f} MB{row['seconds']:8.2f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
