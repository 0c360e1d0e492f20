"""The documentation says what the code does: its examples run, its tables are complete.

Examples of a page run in order, in one folder, against a mock server that takes the place of the server they name.
JSON with a host becomes the app config, Python is executed with `password` defined, and of the console blocks every
`emailplus` command is run as it stands.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from emailplus import errors
from emailplus.cli.app import app
from emailplus.mock import MockExchange, MockUser

ROOT = Path(__file__).resolve().parents[1]
PAGES = (
    "README.md",
    "docs/index.md",
    "docs/library.md",
    "docs/diagnosis.md",
    "docs/items.md",
    "docs/command_line.md",
    "docs/errors.md",
    "docs/contributing.md",
)
PASSWORD = "correct horse"
KEY = "5a" * 32
APP_CONFIG = {
    "email_address": "alice@example.com",
    "email_exchange_host": "mail.example.com",
    "email_exchange_username": "EXAMPLE\\alice",
    "email_device_id": "8C1B4F0A5D3E4B7C9A6F2E1D0C9B8A77",
    "email_ssl_required": "true",
}
MAIL = (
    b"From: Bob <bob@example.com>\r\nTo: alice@example.com\r\nSubject: Invoice\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nPlease pay.\r\n'
    b'--b\r\nContent-Type: application/pdf; name="invoice.pdf"\r\n'
    b'Content-Disposition: attachment; filename="invoice.pdf"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
    b"JVBERi0xLjQK\r\n--b--\r\n"
)


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str) -> list[tuple[str, str]]:
    """(language, code) of every fenced block."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", text_of(page), re.M | re.S)


class Desk:
    """A folder with an app config, a mock server behind it, and what the examples said."""

    def __init__(self, folder: Path, server: MockExchange) -> None:
        self.folder = folder
        self.server = server
        self.names: dict[str, Any] = {"password": PASSWORD}
        self.environment = {
            **os.environ, "EMAILPLUS_STORE_KEY": KEY, "EMAILPLUS_PASSWORD": PASSWORD, "PYTHONPATH": str(ROOT),
        }  # fmt: skip
        self.ran: list[str] = []
        (folder / "password.txt").write_text(PASSWORD + "\n", encoding="utf-8")
        self.write_config(APP_CONFIG)

    def write_config(self, document: dict[str, Any]) -> None:
        """`document` as app.json, with the mock in place of its server."""
        here = self.server.url.split("/")[2]
        changed = {**document, "email_exchange_host": here, "email_ssl_required": "false"}
        (self.folder / "app.json").write_text(json.dumps(changed), encoding="utf-8")

    def json(self, code: str) -> None:
        document = json.loads(code)
        if "email_exchange_host" in document:
            self.write_config(document)

    def python(self, code: str) -> None:
        exec(compile(code, "example", "exec"), self.names)

    def console(self, code: str) -> None:
        for line in code.splitlines():
            assert line.startswith("$ "), f"a console block holds commands only: {line}"
            self.command(line[2:])

    def command(self, line: str) -> None:
        words = shlex.split(line, comments=True)
        if words[0] == "make":
            assert re.search(rf"^{re.escape(words[1])}:", text_of("Makefile"), re.M), line
        elif words[:3] == ["openssl", "rand", "-hex"] and words[4] == ">":
            (self.folder / words[5]).write_text(KEY + "\n", encoding="utf-8")
        elif words[0] == "emailplus":
            self.run(words[1:])
        else:
            assert words[0] in ("pip", "export", "read", "python"), line

    def run(self, words: list[str]) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "emailplus.cli", *words],
            capture_output=True, text=True, cwd=self.folder, env=self.environment, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"emailplus {' '.join(words)}\n{done.stdout}{done.stderr}"
        if "--json" in words:
            json.loads(done.stdout)
        self.ran.append(words[0])


@pytest.fixture
def desk(tmp_path: Path, mock_exchange_factory: Callable[..., MockExchange], monkeypatch: pytest.MonkeyPatch) -> Desk:
    server = mock_exchange_factory([MockUser("alice@example.com", "alice", PASSWORD)])
    server.user("alice").deliver(MAIL)
    server.user("alice").deliver(b"From: carol@example.com\r\nSubject: Lunch?\r\n\r\nAt noon.\r\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EMAILPLUS_STORE_KEY", KEY)
    return Desk(tmp_path, server)


def run_examples(page: str, desk: Desk) -> None:
    """Every block of a page, and what the server thinks of the requests they made."""
    found = blocks(page)
    assert found
    for language, code in found:
        getattr(desk, language)(code)
    assert (desk.folder / "mailbox.db").exists()
    assert desk.server.requests.of("Sync"), "no example synchronised"
    # Each example is a session of its own, and cookies last for a session.
    problems = [problem for problem in desk.server.requests.problems() if "MS-ASHTTP_R4076" not in problem]
    assert problems == []


@pytest.mark.parametrize("page", ["docs/library.md", "docs/diagnosis.md", "docs/command_line.md"])
def test_the_examples_run(page: str, desk: Desk) -> None:
    run_examples(page, desk)


def test_the_readme_shows_the_whole_job(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    run_examples("README.md", desk)
    assert desk.ran == ["sync", "search", "show", "export"]
    assert b"Subject: Invoice" in (desk.folder / "mail.mbox").read_bytes()
    printed = capsys.readouterr().out
    assert "0 new, 0 gone, 0 refused" in printed  # the command line had fetched everything before
    assert "Please pay." in printed
    first_screen = "\n".join(text_of("README.md").splitlines()[:56])
    for word in ("make demo", "make test", "app.json", "emailplus sync", "emailplus search", "mailbox.sync()"):
        assert word in first_screen


@pytest.mark.parametrize("page", ["docs/index.md", "docs/errors.md", "docs/contributing.md"])
def test_pages_without_examples_name_targets_that_exist(page: str) -> None:
    for language, code in blocks(page):
        assert language == "console"
        for line in code.splitlines():
            target = re.match(r"\$ make (\w+)", line)
            assert target is not None, line
            assert re.search(rf"^{target[1]}:", text_of("Makefile"), re.M), line


@pytest.mark.parametrize("page", PAGES)
def test_links_between_pages_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", text_of(page)):
        assert (ROOT / page).parent.joinpath(target).exists(), target


def test_every_page_is_in_the_navigation() -> None:
    named = set(re.findall(r": ([\w-]+\.md)$", text_of("mkdocs.yml"), re.M))
    assert {path.name for path in (ROOT / "docs").glob("*.md")} == named


@pytest.mark.parametrize("tool", ["config_table.py", "command_table.py"])
def test_generated_tables_are_current(tool: str) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / tool), "--check"],
        capture_output=True, text=True, check=False, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def help_of(*words: str) -> str:
    done = CliRunner().invoke(app, [*words, "--help"])
    assert done.exit_code == 0, done.output
    return done.output


def test_the_command_page_agrees_with_help() -> None:
    """The page is generated; here what the command itself prints is the judge."""
    sections = dict(
        re.findall(r"^### emailplus ([\w ]+)\n(.*?)(?=^###|^<!--)", text_of("docs/command_line.md"), re.M | re.S)
    )
    groups = {name.split()[0] for name in sections}
    listed = set(re.findall(r"^  ([a-z]+) ", help_of().partition("Commands:")[2], re.M))
    assert groups == listed
    for name, section in sections.items():
        printed = help_of(*name.split())
        options = set(re.findall(r"(?<![\w-])(--[a-z][a-z-]*|-[a-z](?=,))", printed.partition("Options:")[2])) - {
            "--help"
        }
        rows = "".join(re.findall(r"^\| (.*?) \|", section, re.M))
        assert set(re.findall(r"`(--?[a-z][a-z-]*)", rows)) == options, name


def error_classes() -> dict[str, type[errors.EmailplusError]]:
    return {
        name: kind
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.EmailplusError)
    }


def test_every_error_stands_on_its_page_with_its_code() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (\d) \| ", text_of("docs/errors.md"), re.M))
    assert rows == {name: str(kind.exit_code) for name, kind in error_classes().items()}


def test_every_exit_code_is_explained() -> None:
    table = text_of("docs/command_line.md").partition("## Exit codes")[2].partition("\n## ")[0]
    codes = {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.M)}
    assert codes == {0, 130} | {kind.exit_code for kind in error_classes().values()}


def test_the_report_is_described_in_full() -> None:
    from emailplus import SyncReport

    part = text_of("docs/command_line.md").partition("## What a sync reports")[2].partition("\n## ")[0]
    named = set(re.findall(r"`(\w+)`", part))
    assert set(SyncReport().as_dict()) <= named


def test_the_documented_server_of_the_command_line_serves_and_stops(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "emailplus.cli", "mock", "serve", "--server-json", "server.json"],
        stdout=subprocess.PIPE, text=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        lines: list[str] = []
        while not lines or lines[-1] != "}\n":
            lines.append(process.stdout.readline())
            assert lines[-1], lines
        document = json.loads("".join(lines))
        assert document == json.loads((tmp_path / "server.json").read_text(encoding="utf-8"))
        assert document["eas_url"].startswith("http://127.0.0.1:")
    finally:
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=20)
    assert process.returncode == 0, output


def test_the_changelog_has_the_form_it_claims() -> None:
    titles = re.findall(r"^## (.+)$", text_of("CHANGELOG.md"), re.M)
    assert titles[0] == "[Unreleased]"
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d{2}-\d{2}", title) for title in titles[1:])
    kinds = set(re.findall(r"^### (.+)$", text_of("CHANGELOG.md"), re.M))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
