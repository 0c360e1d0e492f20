"""`emailplus store`, run as its users run it."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from emailplus.cli.app import app
from emailplus.store.database import PAGE_SIZE
from emailplus.store.keys import Kdf, KeyFile, Passphrase
from emailplus.store.store import Store
from tests.store.mail import KEY, attachment, index_all, message, new_store, window


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EMAILPLUS_STORE_KEY", KEY.hex())
    monkeypatch.setattr(Passphrase, "new_kdf", lambda _: Kdf(secrets.token_bytes(16), n=16384))
    with new_store(tmp_path / "mailbox.db") as store:
        window(store, added=[message(f"m{n}", text="words " * 2000, attachments=[attachment("f")]) for n in range(9)])
        index_all(store)
    return tmp_path / "mailbox.db"


def run(command: str, path: Path, *arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["store", command, "--store", str(path), *map(str, arguments)])


def test_stats_as_json_is_what_the_store_says(path: Path) -> None:
    result = run("stats", path, "--json")
    with Store.open(path, KEY) as store:
        assert json.loads(result.stdout) == store.stats()
    assert json.loads(result.stdout)["items"] == {"Email": 9}
    assert (result.exit_code, result.stderr) == (0, "")


def test_stats_for_people(path: Path) -> None:
    result = run("stats", path)
    assert (result.exit_code, result.stdout) == (0, "")
    lines = [" ".join(line.split()) for line in result.stderr.splitlines()]
    assert {"items: Email 9", "bodies: stored 9", "unread 9", "attachments: pending 9"} <= set(lines)


def test_verify(path: Path) -> None:
    result = run("verify", path)
    assert (result.exit_code, result.stdout) == (0, "")
    assert "is whole" in result.stderr
    data = bytearray(path.read_bytes())
    data[7 * PAGE_SIZE + 99] ^= 1
    path.write_bytes(data)
    result = run("verify", path, "--json")
    assert result.exit_code == 5
    document = json.loads(result.stdout)
    assert document["ok"] is False
    assert document["problems"]
    result = run("verify", path)
    assert result.exit_code == 5
    assert "tampered" in result.stderr


def test_rekey_to_a_passphrase_and_back(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "words").write_text("correct horse\n")
    (tmp_path / "key").write_text(secrets.token_hex(32))
    result = run("rekey", path, "--new-passphrase-file", tmp_path / "words")
    assert (result.exit_code, result.stdout) == (0, "")
    assert run("stats", path).exit_code == 5
    monkeypatch.delenv("EMAILPLUS_STORE_KEY")
    assert run("stats", path, "--passphrase-file", tmp_path / "words", "--json").exit_code == 0
    result = run("rekey", path, "--passphrase-file", tmp_path / "words", "--new-key-file", tmp_path / "key", "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (0, {"ok": True})
    with Store.open(path, KeyFile(tmp_path / "key")) as store:
        assert len(list(store.ids())) == 9


@pytest.mark.parametrize(
    ("arguments", "says"), [([], "which key"), (["--new-key-file", "a", "--new-passphrase-file", "b"], "which key")]
)
def test_rekey_wants_one_new_key(path: Path, arguments: list[str], says: str) -> None:
    result = run("rekey", path, *arguments)
    assert result.exit_code == 2
    assert says in result.stderr


def test_errors_have_their_exit_codes(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text(secrets.token_hex(32))
    before = path.read_bytes()
    for command in ("stats", "verify"):
        result = run(command, path, "--key-file", tmp_path / "key", "--json")
        assert result.exit_code == 5
        assert json.loads(result.stdout)["error"]["type"] == "WrongStoreKey"
        assert "does not belong" in result.stderr
    assert run("stats", tmp_path / "absent.db").exit_code == 5
    assert not (tmp_path / "absent.db").exists()
    with Store.open(path, KEY, lock=True):
        result = run("rekey", path, "--new-key-file", tmp_path / "key")
        assert result.exit_code == 5
        assert "another process" in result.stderr
    monkeypatch.delenv("EMAILPLUS_STORE_KEY")
    result = run("stats", path)
    assert result.exit_code == 5
    assert "EMAILPLUS_STORE_KEY" in result.stderr
    assert path.read_bytes() == before
    assert os.environ.get("EMAILPLUS_STORE_KEY") is None
