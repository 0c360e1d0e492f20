"""The command line, which a program may run as well as a person: every command, every form of its output."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from emailplus.cli.app import app

from ..flows.world import KEY
from .canaries import EXPIRY, PLANTED, leaks, spill
from .test_no_way_out import KEYS, Walk, prepared
from .test_protected_mail import _today

__all__ = ["_today", "prepared"]

Lines = Iterable[list[str]]


def ways(walk: Walk, *options: str, over: Iterable[int] | None = None) -> Lines:
    """The line once for each number; a few mails unless others are named: every line opens a mailbox anew."""
    few = [walk.numbers[name] for name in ("unprotected", "nothing", "all but programmatic_access", "garbage date")]
    return [[*options, str(number)] for number in (few if over is None else over)]


ASKED: dict[str, Callable[[Walk], Lines]] = {
    "search": lambda w: [[], ["kanari*"], ["--limit", "100"], *[[planted.body] for planted in PLANTED[:6]]],
    "drafts": lambda w: [[]],
    "outbox": lambda w: [[], *ways(w, "--withdraw", over=w.entries[:2] + w.entries[-2:])],
    "pending": lambda w: [[], ["--export"]],
    "folders create": lambda w: [["Made"]],
    "mark": lambda w: ways(w, "--read"),
    "move": lambda w: [["--to", "Deleted Items", "--yes", str(w.few[-1])]],
    "sync": lambda w: [[], ["--traffic-full", "--traffic", str(w.world.folder / "traffic.txt")]],
    "report": lambda w: [["--output", str(w.world.folder / "report.zip")]],
    "store stats": lambda w: [[]],
    "store verify": lambda w: [[]],
    "policy report": lambda w: [[]],
    "send": lambda w: [
        *[[*line, "--preview", "-"] for way in ("--reply", "--reply-all", "--forward") for line in ways(w, way)],
        *[[*line, "--preview", "-"] for line in ways(w, "--draft", over=w.drafts[:4] + w.drafts[-4:])],
        *[[*line, "--save", "--to", "eve@example.test"] for line in ways(w, "--forward")],
        *[[*line, "--text", "T", "--to", "eve@example.test"] for line in ways(w, "--forward")],
        *ways(w, "--report-phishing"),
        ["--flush"],
    ],
}  # fmt: skip
"""Command -> the lines that are tried; each also with --json, where the command has it."""

PERSON = {"show": "test_show", "export": "test_export"}
"""Has forms for both doors, or writes files: looked at by a test of its own."""

_REASONS: dict[str, tuple[str, ...]] = {
    "reads a file that the caller has": (
        "config check", "config diff", "config show", "classify check", "classify explain", "classify parse",
        "classify stamp", "smime decrypt", "smime encrypt", "smime inspect", "smime sign", "smime verify",
        "wbxml decode", "wbxml encode",
    ),
    "names no message": (
        "config keys", "demo", "discover", "folders delete", "folders rename", "gal", "notify end",
        "notify organization", "notify register", "notify renew", "notify serve", "notify state", "oof",
        "policy link", "policy recipients", "settings", "sign-in", "sign-out", "store rekey", "templates",
        "mock serve",
    ),
    "calendar": ("event-files add", "event-files list", "event-files remove", "event-files save"),
    "of mail it knows header fields alone (EwsMail)": ("ews listen", "ews subscriptions"),
    "prints the events of Mailbox.watch: test_no_way_out.py": ("watch",),
    "takes away": ("delete",),
}  # fmt: skip
QUIET = {name: reason for reason, names in _REASONS.items() for name in names}
"""Command -> why it lets no content of mail out."""


def commands() -> dict[str, Any]:
    def walk(command: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
        if hasattr(command, "commands"):
            for name, inner in command.commands.items():
                yield from walk(inner, (*path, name))
        else:
            yield " ".join(path), command

    return dict(walk(typer.main.get_command(app), ()))


def test_every_command_is_classified() -> None:
    assert commands().keys() == {*ASKED, *PERSON, *QUIET}
    assert not ASKED.keys() & QUIET.keys()


@pytest.fixture
def run(prepared: Walk, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Runs a command on the store; everything that it printed, and its exit code."""
    world = prepared.world
    monkeypatch.setenv("EMAILPLUS_STORE_KEY", KEY.hex())
    config = world.folder / "app.json"
    given = {
        "email_address": "alice@example.test", "email_exchange_host": world.host, "email_exchange_username": "alice",
        "email_device_id": world.config().email_device_id, "email_password": "alice-secret",
        "email_ssl_required": "false", "email_max_sync_period": "0", "email_default_sync_period": "0", **KEYS,
    }  # fmt: skip
    config.write_text(json.dumps(given), encoding="utf-8")
    known = commands()

    def invoke(name: str, *arguments: str) -> tuple[str, int]:
        options = {option for parameter in known[name].params for option in parameter.opts}
        line = [*name.split(), "--store", str(world.path)]
        if "--config" in options:
            line += ["--config", str(config)]
        done = CliRunner().invoke(app, [*line, *arguments])
        assert done.exception is None or isinstance(done.exception, SystemExit), (name, arguments, done.exception)
        return done.stdout + done.stderr, done.exit_code

    return invoke


@pytest.mark.parametrize("prepared", ["16.1"], indirect=True)
def test_no_command_tells_a_program(prepared: Walk, run: Callable[..., Any]) -> None:
    shut = [planted for planted in PLANTED if not planted.open_to_programs()]
    known = commands()
    told: dict[str, str] = {}
    for name, lines in ASKED.items():
        has_json = any("--json" in parameter.opts for parameter in known[name].params)
        for line in lines(prepared):
            told[name] = told.get(name, "") + run(name, *line)[0]
            if has_json and name not in ("folders create", "move", "send"):
                told[name] += run(name, *line, "--json")[0]
    told["files"] = spill(sorted(prepared.world.folder.glob("*.zip")) + sorted(prepared.world.folder.glob("*.txt")))
    found = {name: leaks(text, shut) for name, text in told.items()}
    assert {name: words for name, words in found.items() if words} == {}
    for name in ("send", "pending"):
        assert leaks(told[name], [PLANTED[0]]), name
    sent = prepared.world.exchange.user("eve").items()
    assert sent
    clear = [item.raw.decode("utf-8", "replace") for item in sent if item.licence is None]
    assert [words for raw in clear if (words := leaks(raw, shut))] == []


@pytest.mark.parametrize("prepared", ["16.1"], indirect=True)
def test_show(prepared: Walk, run: Callable[..., Any]) -> None:
    """A person looks at the terminal and the page; a program gets nothing."""
    for planted, file in zip(PLANTED, prepared.files, strict=True):
        number = str(prepared.numbers[planted.name])
        readable = planted.licence is None or not planted.licence.raw_expiry
        for line in ([number], [number, "--html", "-"]):
            assert bool(leaks(run("show", *line)[0], [planted])) is readable, planted.name
        data, code = run("show", number, "--json")
        assert bool(leaks(data, [planted])) is planted.open_to_programs(), planted.name
        assert code == (0 if planted.open_to_programs() else 6)
        extract = planted.licence is None or planted.licence.extract
        data, code = run("show", number, "--attachment", str(file))
        assert bool(leaks(data, [planted])) is (planted.open_to_programs() and extract), planted.name


@pytest.mark.parametrize("form", ["eml", "mbox", "maildir", "jsonl"])
@pytest.mark.parametrize("prepared", ["16.1"], indirect=True)
def test_export(prepared: Walk, run: Callable[..., Any], tmp_path: Path, form: str) -> None:
    target = tmp_path / "out"
    more = ["--contents"] if form == "jsonl" else []
    run("export", str(target), "--format", form, *more)
    files = [target] if target.is_file() else sorted(path for path in target.rglob("*") if path.is_file())
    text = spill(files)
    for planted in PLANTED:
        out = planted.open_to_programs() and (planted.licence is None or planted.licence.export)
        assert bool(leaks(text, [planted])) is out, planted.name


@pytest.mark.parametrize("prepared", ["16.1"], indirect=True)
def test_show_after_expiry(prepared: Walk, run: Callable[..., Any]) -> None:
    """The end of a licence is the end for a person too."""
    prepared.world.clock.now = EXPIRY
    for planted in PLANTED:
        if planted.licence is not None and planted.licence.expires is not None:
            number = str(prepared.numbers[planted.name])
            for line in ([number], [number, "--html", "-"], [number, "--json"]):
                told, _ = run("show", *line)
                assert leaks(told, [planted]) == []
                assert "expired" in told
