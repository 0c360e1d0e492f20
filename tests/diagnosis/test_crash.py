"""Crash reports: there when our own code fails, silent about whose mailbox it was, and never in the way."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from emailplus.diagnosis import crash
from emailplus.diagnosis.crash import CrashReport
from emailplus.errors import AuthenticationFailed, StoreError
from emailplus.mock import Http
from emailplus.store import diagnosis as kept
from emailplus.store.store import Store

from ..flows.world import KEY, World
from .planted import KEYS, PASSWORD, fill, found_in

MESSAGE = f"'Quartalszahlen für Ulrike' from bob@example.test in /home/alice on mail.example.test with {PASSWORD}"


class Poisoned(ValueError):
    """An error of somebody else's code, with a name and a message that say too much."""


def poisoned_by_ulrike(*_: Any, **__: Any) -> None:
    try:
        json.loads("{Quartalszahlen")
    except ValueError as cause:
        raise Poisoned(MESSAGE) from cause


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emailplus.store.passes.apply_windows", poisoned_by_ulrike)


class Collector:
    def __init__(self) -> None:
        self.reports: list[CrashReport] = []

    def deliver(self, report: CrashReport) -> None:
        self.reports.append(report)


def crashed(world: World, keys: dict[str, Any] = KEYS, **more: Any) -> list[CrashReport]:
    with world.open(keys, **more) as mailbox:
        with pytest.raises(Poisoned):
            mailbox.sync()
        return mailbox.crash_reports()


@pytest.mark.usefixtures("broken")
def test_a_report_says_where_and_not_whose(world: World) -> None:
    fill(world)
    (report,) = crashed(world)
    written = json.dumps(report.as_dict())
    assert found_in(written) == []
    assert not re.search(r"example|@|/|poisoned|Poisoned|test_crash", written)
    assert report.kind == "exception"
    assert report.errors == ("(another type)", "json.decoder.JSONDecodeError")
    assert all(frame.startswith("emailplus.") for frame in report.frames)
    assert report.frames[-1].startswith("emailplus.store.")
    assert any(frame.startswith("emailplus.driver:_perform:") for frame in report.frames)
    assert (report.phase, report.protocol) == ("mail", "16.1")
    assert report.time == "2026-11-24T12:00Z"
    assert re.fullmatch(r"[0-9a-f]{32}", report.installation)
    assert report.memory % 256 == 0 < report.memory
    assert CrashReport.from_json(written) == report


@pytest.mark.usefixtures("broken")
def test_disable_analytics(world: World) -> None:
    fill(world)
    collector = Collector()
    assert crashed(world, {**KEYS, "disable_analytics": "true"}, reporter=collector) == []
    assert collector.reports == []
    assert len(crashed(world, reporter=collector)) == 1
    assert len(collector.reports) == 1
    with world.open({**KEYS, "disable_analytics": "true"}, reporter=collector) as mailbox:
        assert mailbox.crash_reports() == []  # those kept before go as well
    assert len(collector.reports) == 1


@pytest.mark.usefixtures("broken")
def test_a_reporter_gets_each_once_and_the_id_of_the_log(world: World, lines: list[str]) -> None:
    fill(world)
    collector = Collector()
    crashed(world, reporter=collector)
    crashed(world, reporter=collector)
    assert len(collector.reports) == 2
    ids = {report.installation for report in collector.reports}
    assert ids == {line["installation"] for line in map(json.loads, lines) if line["event"] == "opened"}
    assert len(ids) == 1
    assert [report.starts for report in collector.reports] == [1, 2]


@pytest.mark.usefixtures("broken")
def test_a_reporter_that_fails_changes_nothing_and_is_asked_again(world: World) -> None:
    fill(world)

    class Broken:
        def deliver(self, report: CrashReport) -> None:
            raise ConnectionError("no way out")

    assert len(crashed(world, reporter=Broken())) == 1
    collector = Collector()
    with world.open(KEYS, reporter=collector):
        pass
    assert len(collector.reports) == 1
    with world.open(KEYS, reporter=collector):
        pass
    assert len(collector.reports) == 1


@pytest.mark.usefixtures("broken")
def test_a_report_that_cannot_be_kept_hides_no_error(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(world)

    def full(*_: Any) -> int:
        raise StoreError("the disk is full")

    monkeypatch.setattr(kept, "keep_crash", full)
    monkeypatch.setattr(crash, "_memory", lambda: 1 // 0)  # even a fault in the report itself
    assert crashed(world) == []


def test_errors_that_say_what_to_do_are_no_crashes(world: World) -> None:
    world.exchange.faults.add(Http(401), "FolderSync", times=9)
    with world.open(KEYS) as mailbox:
        with pytest.raises(AuthenticationFailed):
            mailbox.sync()
        assert mailbox.crash_reports() == []


def test_a_mistake_of_the_listener_is_the_callers(world: World) -> None:
    fill(world)

    def listener(event: Any) -> None:
        raise Poisoned(MESSAGE)

    with world.open(KEYS) as mailbox:
        with pytest.raises(Poisoned):
            mailbox.sync(listener=listener)
        assert mailbox.crash_reports() == []
    with Store.open(world.path, KEY) as store:
        assert kept.crashed_starts(store.database) == []


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    with Store.open(tmp_path / "s.db", KEY) as store:
        for number in range(kept.CRASH_REPORTS + 7):
            kept.keep_crash(store.database, json.dumps(number))
        numbers = [json.loads(text) for _, text in kept.crashes(store.database)]
    assert numbers == list(range(7, kept.CRASH_REPORTS + 7))


def test_a_wipe_of_the_account_takes_diagnosis_along(world: World) -> None:
    from emailplus.model.changes import Wipe

    fill(world)
    world.sync(KEYS)
    with Store.open(world.path, KEY) as store:
        before = kept.installation(store.database)
        kept.keep_crash(store.database, "{}")
        store.apply(Wipe(account_only=True))
        assert kept.read_log(store.database) == []
        assert kept.crashes(store.database) == []
        assert kept.installation(store.database) != before
