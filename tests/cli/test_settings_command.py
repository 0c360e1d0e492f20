"""`emailplus settings`, run as its users run it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from emailplus.cli.app import app
from tests.config.samples import PLAIN
from tests.store.mail import KEY


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("EMAILPLUS_STORE_KEY", KEY.hex())
    file = tmp_path / "app.json"
    file.write_text(json.dumps({**PLAIN, "email_max_sync_period": "3"}))

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(
            app, ["settings", "--config", str(file), "--store", str(tmp_path / "m.db"), *arguments]
        )

    return run


def test_a_choice_is_kept_and_the_ceiling_holds(run: Any) -> None:
    assert json.loads(run("sync_period", "1", "--json").stdout)["settings"]["sync_period"] == {
        "value": 1, "chosen": 1, "by_user": True,
    }  # fmt: skip
    assert json.loads(run("sync_period", "5", "--json").stdout)["settings"]["sync_period"] == {
        "value": 3, "chosen": 5, "by_user": False,
    }  # fmt: skip
    assert "sync_period              3  (default)" in run().stdout
    assert json.loads(run("sync_period", "--reset", "--json").stdout)["settings"]["sync_period"]["chosen"] is None


def test_text_and_structures(run: Any) -> None:
    assert json.loads(run("signature", "Alice, Example Ltd", "--json").stdout)["settings"]["signature"]["value"] == (
        "Alice, Example Ltd"
    )
    hours = '{"mon": ["08:00", "12:00"]}'
    assert json.loads(run("work_hours", hours, "--json").stdout)["settings"]["work_hours"]["value"] == json.loads(hours)
    assert set(json.loads(run("--json").stdout)["settings"]) >= {"signature", "work_hours", "always_sign"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("volume", "11"), "no setting is called"),
        (("sync_period", "9"), "a number from 0 (all) to 5"),
        (("weekend_alerts", "true"), "work_hours_only"),
        (("sync_period", "1", "--reset"), "not both"),
    ],
)
def test_what_cannot_be_chosen_is_said(run: Any, arguments: tuple[str, ...], says: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert says in result.stderr
