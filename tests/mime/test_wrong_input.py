"""Mail that nobody should write, the whole way: delivered, synchronised, seen, printed. What could be read is there,
what could not is named, and it costs what it may."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from typing import NamedTuple

import pytest
from typer.testing import CliRunner

from emailplus.cli.app import app
from emailplus.errors import RightsDenied
from emailplus.mock import MockLicence
from emailplus.rms.gate import Door
from emailplus.store.store import Store

from ..flows.conftest import clock, make_world, world
from ..flows.world import KEY, World, deliver, mail

__all__ = ["clock", "make_world", "world"]

HEAD = "From: Bob <bob@example.test>\r\nTo: alice@example.test\r\nMIME-Version: 1.0\r\nSubject: {}\r\n"
MIXED = 'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'
ALLOWED = 64 << 20
"""Bytes of Python's memory for a view, a page and a terminal of one of them."""
SECONDS = 60
"""Far beyond what any of them takes; endless is what it is not."""


class Case(NamedTuple):
    name: str
    raw: bytes
    text: str
    """Stands in the text of the view."""
    problem: str
    """Stands in one of its problems; "": there is none."""
    files: tuple[str, ...] = ()


def made(name: str, rest: str | bytes) -> bytes:
    return HEAD.format(name).encode() + (rest.encode() if isinstance(rest, str) else rest)


def levels(count: int) -> str:
    heads = "".join(f"Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n" for n in range(count))
    return f"{heads}\r\ndeep\r\n" + "".join(f"--b{n}--\r\n" for n in reversed(range(count)))


def named(*names: str) -> str:
    parts = "".join(f"--b\r\nContent-Disposition: attachment; {name}\r\n\r\nx\r\n" for name in names)
    return f"{MIXED}--b\r\n\r\nfiles\r\n{parts}--b--\r\n"


CASES = [
    Case("10,000 parts", made("10,000 parts", MIXED + "--b\r\n\r\npart\r\n" * 10_000 + "--b--\r\n"), "part\npart",
         "of more than 1,000 parts the rest was left out"),
    Case("10,000 files", made("10,000 files", named(*(f"filename=f{n}.bin" for n in range(10_000)))), "files",
         "of more than 1,000 parts"),
    Case("1,000 levels", made("1,000 levels", levels(1000)), "", "were not opened"),
    Case("a header of 1 MB", made("a header of 1 MB", f"X-Long: {'y' * 1_000_000}\r\n\r\nbody"), "body",
         "a header of more than 262,144 bytes was cut"),
    Case("no boundary", made("no boundary", "Content-Type: multipart/mixed\r\n\r\n--b\r\n\r\nwords\r\n--b--\r\n"),
         "words", "a multipart without a boundary"),
    Case("another boundary", made("another boundary", f"{MIXED}--c\r\n\r\nwords\r\n--c--\r\n"), "words",
         "its boundary does not occur"),
    Case("no end", made("no end", f"{MIXED}--b\r\n\r\nwords"), "words", "without an end"),
    Case("wrong charset", made("wrong charset", b'Content-Type: text/plain; charset="utf-8"\r\n\r\nGr\xf6\xdfe'),
         "Größe", "a charset was repaired"),
    Case("no such charset", made("no such charset", b"Content-Type: text/plain; charset=x\r\n\r\nGr\xc3\xb6\xc3\x9fe"),
         "Größe", ""),
    Case("NULs", made("NULs", b"Content-Type: text/html\r\n\r\n<p>a\0b</p><scr\0ipt>x\0</scr\0ipt>\0"), "", ""),
    Case("names", made("names", named(
        'filename="../../etc/passwd"', 'filename="C:\\\\x\\\\con.txt"', "filename*=utf-8''a%00%0Ab%E2%80%AEfdp.exe",
        'filename="..."', "filename*=utf-8''%2Fx%2Fy.pdf")), "files", "",
        ("passwd", "_con.txt", "a bfdp.exe", "attachment.txt", "y.pdf")),
]  # fmt: skip


@pytest.fixture
def post(world: World) -> World:
    for case in CASES:
        deliver(world.alice, case.raw)
    return world


def numbers(world: World) -> dict[str, int]:
    with Store.open(world.path, KEY) as store:
        return {message.subject: message.id for message in store.messages(list(store.ids()))}


def printed(world: World, *arguments: str) -> str:
    shown = CliRunner().invoke(app, ["show", "--store", str(world.path), *arguments])
    assert shown.exit_code == 0, shown.output
    return shown.stdout


def test_what_was_read_and_what_was_not(post: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMAILPLUS_STORE_KEY", KEY.hex())
    post.sync({"always_fetch_mime": "true"})
    ids = numbers(post)
    with post.open() as mailbox:
        for case in CASES:
            began = time.monotonic()
            tracemalloc.start()
            try:
                number = ids[case.name]
                seen = mailbox.view(number)
                page, lines = mailbox.page(number).html, mailbox.reading.terminal(number)
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
            assert case.text in seen.text, case.name
            told = [problem for problem in seen.problems if case.problem in problem]
            assert told if case.problem else not seen.problems, (case.name, seen.problems)
            if case.files:
                assert tuple(item.name for item in seen.attachments) == case.files
            assert len(seen.attachments) <= 1000
            for what in (case.name, *told[:1], *case.files):
                assert what in page, case.name
                assert what in lines, case.name
            assert not {"\0", "\x1b", "\u202e"} & {*page, *lines}, case.name
            assert "<script" not in page
            assert peak < ALLOWED, (case.name, peak)
            assert time.monotonic() - began < SECONDS, case.name
    for case in CASES:
        number = str(ids[case.name])
        assert f"Subject: {case.name}" in printed(post, number)
        assert json.loads(printed(post, number, "--json"))["subject"] == case.name
        assert printed(post, number, "--html", "-").startswith("<!DOCTYPE html>")


@pytest.mark.parametrize("version", ["2.5", "16.1"])
def test_where_the_server_takes_it_apart(make_world: Callable[..., World], version: str) -> None:
    """Its reading is another; ours of what it gives holds as well."""
    world = make_world(versions=(version,))
    for case in CASES:
        deliver(world.alice, case.raw)
    world.sync()
    ids = numbers(world)
    assert set(ids) == {case.name for case in CASES}
    with world.open() as mailbox:
        for case in CASES:
            seen = mailbox.view(ids[case.name])
            page, lines = mailbox.page(ids[case.name]).html, mailbox.reading.terminal(ids[case.name])
            assert seen.subject == case.name
            assert not {"\0", "\u202e"} & {*page, *lines}
            assert not [item.name for item in seen.attachments if {*item.name} & {*"/\\\0\n\u202e"}]


@pytest.mark.parametrize("expiry", ["garbage", "9999", "0000-00-00T00:00:00.000Z", "2026-13-45T99:00:00.000Z", " "])
def test_a_licence_with_a_garbage_date(world: World, expiry: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A licence that cannot be read denies: the header stays, with the reason."""
    monkeypatch.setenv("EMAILPLUS_STORE_KEY", KEY.hex())
    licence = MockLicence.everything(raw_expiry=expiry)
    world.alice.deliver(mail("Plan", "The plan is zebra.\n"), received=world.clock(), licence=licence)
    world.sync({"enabled_features": "rms_support"})
    (number,) = numbers(world).values()
    with world.open({"enabled_features": "rms_support"}, acting_for_person=True) as mailbox:
        seen = mailbox.view(number)
        page, lines = mailbox.page(number).html, mailbox.reading.terminal(number)
        assert seen.text == ""
        assert any("does not say until when" in problem for problem in seen.problems)
        assert "zebra" not in page + lines
        assert "Plan" in page
        assert "Subject: Plan" in lines
        assert not mailbox.permits(number, "forward")
    with world.open({"enabled_features": "rms_support"}) as mailbox:
        assert mailbox.door is Door.PROGRAM
        with pytest.raises(RightsDenied):
            mailbox.message(number)
    shown = CliRunner().invoke(app, ["show", "--store", str(world.path), str(number)])
    assert "zebra" not in shown.output
    assert "does not say until when" in shown.output


# -- large ones

MEGABYTES = 120 if os.environ.get("EMAILPLUS_TORTURE") else 24
"""The mock writes no document of more than 128 MB; `test_source` has one of 200 MB in a store."""
HELD = 48 << 20
"""Bytes of resident memory beyond that of an open mailbox: far less than such a message is, decoded or not."""
CHILD = """
import json, os, resource, sys
from emailplus.config import AppConfig
from emailplus.mailbox import Mailbox
keys, path, work = json.loads(sys.argv[1]), *sys.argv[2:]
with Mailbox.open(AppConfig.load(keys), store=path, key=bytes(range(32))) as mailbox:
    if work == "sync":
        mailbox.sync()
    elif work == "see":
        view = mailbox.view(1)
        assert "hello" in view.text and view.problems == []
        assert "z.zip" in mailbox.page(1).html and "z.zip" in mailbox.reading.terminal(1)
        (item,) = view.attachments
        assert sum(map(len, item.pieces())) == sum(map(len, mailbox.attachment(item.id))) > 1 << 20
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def test_a_large_message(world: World) -> None:
    """`EMAILPLUS_TORTURE` makes it as large as the mock can send; else it is a smaller one under the same bound."""
    size = MEGABYTES << 20
    deliver(
        world.alice, mail("large", "hello\n", attachments=(("z.zip", os.urandom(1 << 20) * (size * 3 // 4 >> 20)),))
    )
    keys = {
        "email_address": "alice@example.test", "email_device_id": "A" * 32, "email_exchange_username": "alice",
        "email_exchange_host": world.host, "email_password": "alice-secret", "email_ssl_required": "false",
        "email_max_body_size": "400", "email_max_attachment": "400", "always_fetch_mime": "true",
        "email_max_sync_period": "0", "email_default_sync_period": "0",
    }  # fmt: skip

    def peak(work: str) -> int:
        command = [sys.executable, "-c", CHILD, json.dumps(keys), str(world.path), work]
        return int(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)

    base = peak("nothing")
    assert peak("sync") - base < HELD
    with Store.open(world.path, KEY) as store:
        assert store.messages([1])[0].body_state == "stored"
        assert len(store.body(1, 1000)) == 1000
    assert peak("see") - base < HELD
