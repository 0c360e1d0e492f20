"""docs/notifications.md is run from start to finish: its commands, its files, mail at the end of it."""

from __future__ import annotations

import json
import os
import re
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from emailplus.mock import MockExchange, MockUser
from emailplus.notify.proxy.options import Limits

from ..soak.world import ROOT, Webhook, free_port, letter
from .proxy_desk import KEY

PAGE = (ROOT / "docs" / "notifications.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.M | re.S)


def until(what: Callable[[], object], folder: Path) -> None:
    end = time.monotonic() + 60
    while not what():
        log = folder / "proxy.log"
        assert time.monotonic() < end, log.read_text() if log.exists() else "no log"
        time.sleep(0.05)


class Walk:
    """The page in a folder, with servers of the test in place of those it names."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        alice = MockUser("alice@example.com", "alice", "alice-secret")
        self.exchange = MockExchange([alice, MockUser("notify@example.com", "notify", "s3rvice")]).start()
        self.exchange.ews.allow_impersonation("notify")
        self.exchange.ews.retry_pauses = (0.2,) * 1000
        self.webhook = Webhook()
        self.port = free_port()
        self.environment = {
            **os.environ, "PYTHONPATH": str(ROOT), "EMAILPLUS_STORE_KEY": KEY, "EMAILPLUS_PASSWORD": "alice-secret",
            "SERVICE_PASSWORD": "s3rvice", "PYTHON": sys.executable,
        }  # fmt: skip

    def real(self, text: str) -> str:
        """The names of the page as they are here."""
        names = {
            "DNS:push.example.com": "IP:127.0.0.1",
            "push.example.com:8443": f"127.0.0.1:{self.port}",
            "0.0.0.0:8443": f"127.0.0.1:{self.port}",
            "https://mail.example.com/EWS/Exchange.asmx": self.exchange.ews_url,
            '"mail.example.com"': f'"{self.exchange.url.split("/")[2]}"',
            '"email_ssl_required": "true"': '"email_ssl_required": "false"',
            "https://desk.example.com/hook": self.webhook.url,
        }
        made = self.folder / "organization.json"
        if made.exists():
            document = json.loads(made.read_text())
            names |= {
                "ORGANIZATION_ID": document["proxy"]["id"],
                "TOKEN_SHA256": document["proxy"]["token_sha256"],
                '"TOKEN"': json.dumps(document["app_config"]["notification_server_authorization"]),
                '"CERTIFICATE"': json.dumps((self.folder / "proxy.b64").read_text()),
            }
        for name, here in names.items():
            text = text.replace(name, here)
        return text

    def sh(self, code: str) -> None:
        if code.startswith("pip "):
            return
        script = 'set -euo pipefail\nemailplus() { "$PYTHON" -m emailplus.cli "$@"; }\n' + self.real(code)
        done = subprocess.run(
            ["bash", "-c", script], cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False,
        ) if not code.rstrip().endswith("&") else self._behind(script)  # fmt: skip
        assert done.returncode == 0, f"{code}\n{done.stdout}"

    def _behind(self, script: str) -> subprocess.CompletedProcess[str]:
        """A block that leaves a server running."""
        with open(self.folder / "out.txt", "w") as out:
            done = subprocess.run(
                ["bash", "-c", script], cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, stdout=out,
                stderr=out, text=True, timeout=120, check=False,
            )  # fmt: skip
        until((self.folder / "proxy.json").exists, self.folder)
        self.exchange.ews.push_tls = ssl.create_default_context(cafile=str(self.folder / "proxy.pem"))
        self.webhook.secret = (self.folder / "hook-secret.txt").read_text().strip()
        return done

    def toml(self, code: str) -> None:
        (self.folder / "proxy.toml").write_text(self.real(code))

    def json(self, code: str) -> None:
        document = json.loads(self.real(code))
        if "email_exchange_host" in document:
            (self.folder / "app.json").write_text(json.dumps(document))


def alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


@pytest.fixture
def walk(tmp_path: Path):  # type: ignore[no-untyped-def]
    made = Walk(tmp_path)
    yield made
    described = tmp_path / "proxy.json"
    if described.exists() and alive(pid := json.loads(described.read_text())["pid"]):
        os.kill(pid, 9)
    made.exchange.stop()
    made.webhook.stop()


def test_the_whole_way(walk: Walk, tmp_path: Path) -> None:
    for language, code in BLOCKS:
        getattr(walk, language)(code)
        if code.startswith("emailplus notify register"):
            walk.exchange.user("alice").deliver(letter("Lunch", "Bob <bob@partner.example>"))
            until(lambda: walk.webhook.delivered, tmp_path)
    (told,) = walk.webhook.delivered.values()
    assert (told["kind"], told["sender"], told["subject"], told["device"]) == ("details", "Bob", "Lunch", "desk-1")
    assert told["snippet"] == "The body of Lunch."
    assert walk.webhook.forged == 0
    shown = next(json.loads(code) for language, code in BLOCKS if language == "json" and '"notifications"' in code)
    assert set(shown["notifications"][0]) == set(told)
    pid = json.loads((tmp_path / "proxy.json").read_text())["pid"]
    until(lambda: not alive(pid), tmp_path)
    events = [json.loads(line)["event"] for line in (tmp_path / "proxy.log").read_text().splitlines()]
    assert events[0] == "started"
    assert events[-1] == "stopped"


def test_the_limits_are_all_named() -> None:
    part = PAGE.partition("## Limits")[2].partition("\n## ")[0]
    named = dict(re.findall(r"`(\w+)` (?:and `\w+` )?\(([\d,]+)", part))
    assert set(re.findall(r"`(\w+)`", part)) == set(Limits.__slots__)
    for name, value in named.items():
        if name != "lookups":
            assert int(value.replace(",", "")) == getattr(Limits(), name), name


def test_every_block_is_of_a_kind_that_is_run() -> None:
    assert {language for language, _ in BLOCKS} == {"sh", "toml", "json"}
