"""Messages that are read a window at a time: the same as from memory, whatever the windows; and nothing is held."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emailplus.errors import NotFound, StoreDamaged
from emailplus.mime import parts, source
from emailplus.mime.brief import view as brief
from emailplus.mime.source import Windowed, search
from emailplus.mime.view import MessageView, read
from emailplus.model.changes import ClaimBlob, FinishBlob
from emailplus.model.message import Body
from emailplus.reading import Reading
from emailplus.store import store as stores
from emailplus.store.store import Store

from ..shared import root
from ..store.mail import KEY, attachment, message, new_store, window

MIXED = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
CORPUS = sorted((root / "corpus" / "eml").rglob("*.eml"))


def windowed(data: bytes, *sizes: int) -> Windowed:
    """`data` in windows of those sizes, again and again."""
    starts, at = [], 0
    while at < len(data):
        starts.append(at)
        at += sizes[len(starts) % len(sizes)]
    starts.append(len(data))

    def give(at: int) -> tuple[int, bytes]:
        number = next(n for n, start in enumerate(starts) if at < starts[n + 1])
        return starts[number], data[starts[number] : starts[number + 1]]

    return Windowed(len(data), give)


ends = st.integers(0, 45)
sizes = st.lists(st.integers(1, 9), min_size=1, max_size=4)


@settings(max_examples=300, deadline=None)
@given(
    st.text("ab\n-", max_size=40),
    sizes,
    st.text("ab\n-", min_size=1, max_size=5),
    st.integers(0, 45),
    st.integers(0, 45),
)
def test_as_bytes(text: str, widths: list[int], part: str, start: int, end: int) -> None:
    data, wanted = text.encode(), part.encode()
    made = windowed(data, *widths)
    assert len(made) == len(data)
    assert made[start:end] == data[start:end]
    assert made[-3:] == data[-3:]
    assert made[:] == data
    assert made.find(wanted, start, end) == data.find(wanted, start, end)
    assert made.find(wanted) == data.find(wanted)
    assert made.rfind(wanted, start, end) == data.rfind(wanted, start, end)
    pattern = re.compile(rb"\n-?\n")
    assert search(pattern, made, start, end) == search(pattern, data, start, end)


def test_a_slice_has_no_step() -> None:
    with pytest.raises(ValueError, match="no step"):
        windowed(b"abc", 2)[::2]


def facts(seen: MessageView) -> Any:
    items = [(item.name, item.written, item.content_type, item.size, item.content_id, item.inline, item.kind,
              item.content()) for item in seen.attachments]  # fmt: skip
    head = (seen.subject, seen.sender, seen.to, seen.cc, seen.bcc, seen.reply_to, seen.date, seen.message_id)
    cards = [*map(astuple, seen.events), *map(astuple, seen.contacts)]
    return head, seen.text, seen.html, items, sorted(seen.resources), cards, seen.protection, seen.problems


lines = st.sampled_from([
    b"", b"text", b"--b", b"--b--", b"--bb", b"--b \t", b"--bx", b"Content-Type: text/html", b"begin 644 x",
    b"Content-Type: multipart/mixed; boundary=bb", b"--bb--", b"Content-Transfer-Encoding: base64", b"aGVsbG8=",
    b"Content-Type: message/rfc822", b"Subject: =?utf-8?q?=C3=BC?=", b" folded", b"Content-Disposition: attachment",
    b"Content-Transfer-Encoding: quoted-printable", b"a=C3=BC=", b"Content-Type: text/calendar", b"BEGIN:VEVENT",
    b"Content-Transfer-Encoding: x-uue", b"#86%C", b"\0\0", b"Content-Type: text/rtf", b"{\\rtf1 a}",
])  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(lines, max_size=30), st.sampled_from([b"\r\n", b"\n"]), sizes)
def test_any_message_is_read_alike(body: list[bytes], ends: bytes, widths: list[int]) -> None:
    raw = ends.join([b"Subject: s", b"Content-Type: multipart/mixed; boundary=b", b"", *body])
    assert facts(read(windowed(raw, *widths))) == facts(read(raw))


@pytest.mark.skipif(not CORPUS, reason="needs the shared corpus")
def test_the_corpus_is_read_alike() -> None:
    for path in CORPUS:
        raw = path.read_bytes()
        assert facts(read(windowed(raw, 700, 64, 1))) == facts(read(raw)), path.name


def test_large_contents_and_headers_are_read_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "PIECE", 999)
    noise = bytes(range(256)) * 40
    encoded = b"\r\n".join(re.findall(b".{1,76}", b64encode(noise)))
    blank = b"--b" + b" " * 3000 + b"\r\n"
    for raw in (
        b"X: " + b"y" * 600_000 + b"\r\nSubject: lost\r\n\r\nbody",
        b"Content-Type: x/y\r\nContent-Transfer-Encoding: base64\r\n\r\n" + encoded,
        b"Content-Type: x/y\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" + b"a=3D\r\n" * 5000,
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
        + blank
        + b"--b\r\n\r\nx\r\n--b"
        + b" " * 998
        + b"\r\n\r\ny",
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b" + b" " * 3000,
    ):
        seen = read(raw)
        assert facts(read(windowed(raw, 4096, 3))) == facts(seen)
        assert seen.attachments or seen.text


def test_lines_that_only_begin_like_a_boundary_are_bounded() -> None:
    raw = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx" + b"\n--bx" * 100_000
    seen = read(raw)
    assert any("begin like a boundary" in problem for problem in seen.problems)
    assert seen.text.startswith("x\n--bx\n")


# -- in the store

SIZE = (150 if os.environ.get("EMAILPLUS_TORTURE") else 24) << 20
ALLOWED = 45 << 20
"""Bytes of memory beyond an open store: the command line, windows, a text. Far less than the attachment, decoded."""


def pieces(size: int) -> Iterator[bytes]:
    yield (
        b"Subject: large\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhello\r\n"
        b"--b\r\nContent-Type: application/zip; name=z.zip\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    )
    line = b64encode(bytes(range(57))) + b"\r\n"
    for _ in range(size // (57 * 4096)):
        yield line * 4096
    yield b"--b\r\nContent-Type: text/plain; name=last.txt\r\n\r\nlast\r\n--b--\r\n"


def stored(path: Path, size: int) -> None:
    with new_store(path) as store:
        announced = [attachment("z.zip", size, state="stored"), attachment("last.txt", 4, state="stored")]
        body = Body(4, b"", 10)
        window(store, added=[message("1", "large", body=body, body_state="pending", attachments=announced)])
        blob, _ = store.apply(ClaimBlob("body", 1))
        writer = store.blob_writer(blob)
        for piece in pieces(size):
            writer.write(piece)
        writer.flush()
        store.apply(FinishBlob("body", 1, blob, body_type=4))


def test_a_large_body_stays_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "HELD", 1000)
    monkeypatch.setattr(source, "KEPT", 1)
    stored(tmp_path / "mailbox.db", 2 << 20)
    with Store.open(tmp_path / "mailbox.db", KEY) as store:
        made = store.body_source(1)
        assert isinstance(made, Windowed)
        assert made[:] == store.body(1)
        assert store.body(1, 10) == store.body(1)[:10]
        seen = Reading(store).view(1)
        assert facts(seen) == facts(Reading(store).view(1))
        assert [(item.id, item.name) for item in seen.attachments] == [(1, "z.zip"), (2, "last.txt")]
        for item, part in zip(seen.attachments, list(parts.parse(store.body(1)).leaves())[1:], strict=True):
            assert item.id is not None
            assert item.content() == b"".join(store.attachment_content(item.id)) == part.content()
        assert store.message(1).text == brief(store.body(1)).text == "hello"
        item, kept = seen.attachments[0], seen.attachments[1].pieces()
        store.database.execute("DELETE FROM chunks WHERE offset > 0")
        with pytest.raises(StoreDamaged):
            item.content()
        store.database.execute("DELETE FROM blobs")
        with pytest.raises(NotFound, match="no longer"):
            list(kept)


CHILD = """
import os, resource, sys
from emailplus.reading import Reading
from emailplus.store.store import Store
path, work = sys.argv[1:]
if work.startswith("show"):
    from emailplus.cli.app import app
    out, sys.stdout = sys.stdout, open(os.devnull, "w")
    app(["show", "--store", path, "1", *work.split()[1:]], standalone_mode=False)
    sys.stdout = out
else:
    with Store.open(path, bytes(range(32))) as store:
        reading = Reading(store)
        if work == "all":
            assert "z.zip" in reading.page(1).html and "z.zip" in reading.terminal(1)
            view = reading.view(1)
            assert sum(map(len, view.attachments[0].pieces())) == sum(map(len, store.attachment_content(1)))
            assert store.message(1).text == "hello"
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def test_a_large_message_is_not_held(tmp_path: Path) -> None:
    path = tmp_path / "mailbox.db"
    stored(path, SIZE)
    environment = {**os.environ, "EMAILPLUS_STORE_KEY": KEY.hex()}

    def peak(work: str) -> int:
        command = [sys.executable, "-c", CHILD, str(path), work]
        return int(subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment).stdout)

    base = peak("nothing")
    for work in ("all", "show", "show --json", "show --attachment 1"):
        assert peak(work) - base < ALLOWED, work
