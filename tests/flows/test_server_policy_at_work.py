"""The server's policy: what is told of it is true, and what was told can be read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from emailplus.cli.app import app
from emailplus.errors import PolicyNotApplicable, UsageError
from emailplus.mailbox import AsyncMailbox, Mailbox
from emailplus.mock import MockPolicy
from emailplus.mock.policy import DEFAULT_SETTINGS
from emailplus.store.keys import Passphrase
from emailplus.store.store import Store

from .world import KEY, World, deliver, mail, noise

PASSWORD = {"DevicePasswordEnabled": "1", "MinDevicePasswordLength": "6", "MaxInactivityTimeDeviceLock": "300"}


def policy(*, partial: bool = True, external: bool = False, **settings: str) -> MockPolicy:
    return MockPolicy({**DEFAULT_SETTINGS, **settings}, allow_partial=partial, allow_external=external)


def acknowledged(world: World) -> list[str]:
    """The Status of every acknowledgement that the server got, in order."""
    found: list[str] = []

    def walk(node: Any) -> None:
        name, content = node
        inner = content if isinstance(content, list) else []
        if name == "Provision:Policy":
            found.extend(value for tag, value in inner if tag == "Provision:Status")
        for child in inner:
            walk(child)

    for request in world.exchange.requests.of("Provision"):
        if request.tree is not None:
            walk(request.tree)
    return found


def command(world: World, *words: str) -> Result:
    return CliRunner().invoke(app, [*words, "--store", str(world.path)], env={"EMAILPLUS_STORE_KEY": KEY.hex()})


@pytest.mark.parametrize("version", ["2.5", "12.1", "14.1", "16.1"])
def test_a_policy_that_is_kept_whole(make_world: Callable[..., World], version: str) -> None:
    world = make_world(policy=policy(MaxEmailAgeFilter="3"))
    with world.open() as mailbox:
        assert mailbox.policy_report().acknowledged is None
        mailbox.sync(version=version)
        report = mailbox.policy_report()
    assert acknowledged(world) == ["1"]
    assert (report.acknowledged, report.state) == (1, "full")
    assert report.having("unsupported") == ()
    if version != "2.5":
        [rule] = [rule for rule in report.rules if rule.element == "MaxEmailAgeFilter"]
        assert (rule.value, rule.verdict, rule.source) == (3, "applied", "MS-ASPROV_R740")


def test_a_policy_that_is_kept_in_part(make_world: Callable[..., World]) -> None:
    world = make_world(policy=policy(MaxInactivityTimeDeviceLock="300", MaxEmailAgeFilter="3"))
    deliver(world.alice, mail("one"))
    report = world.sync()
    assert acknowledged(world) == ["2"]
    assert any("MaxInactivityTimeDeviceLock" in warning for warning in report.warnings)
    with world.open() as mailbox:
        found = mailbox.policy_report()
    assert (found.acknowledged, found.state) == (2, "partly")
    assert found.having("unsupported") == ("MaxInactivityTimeDeviceLock",)
    assert world.subjects() == ["one"]


def test_a_password_that_nobody_asks_for_is_not_claimed(make_world: Callable[..., World]) -> None:
    """2 would say that at least the PIN is there (MS-ASPROV_R387): 3 is the truth, until the host vouches for it."""
    world = make_world(policy=policy(**PASSWORD))
    deliver(world.alice, mail("one"))
    with pytest.raises(PolicyNotApplicable, match=r"DevicePasswordEnabled.*host_enforces"):
        world.sync()
    assert acknowledged(world) == ["3"]
    with world.open() as mailbox:  # what it was is there to be read all the same
        found = mailbox.policy_report()
    assert (found.acknowledged, found.state) == (3, "")
    assert set(found.having("unsupported")) == set(PASSWORD)
    with world.open(host_enforces=["DevicePasswordEnabled", "MinDevicePasswordLength"]) as mailbox:
        mailbox.sync()
        assert mailbox.policy_report().having("unsupported") == ("MaxInactivityTimeDeviceLock",)
    assert acknowledged(world) == ["3", "2"]
    assert world.subjects() == ["one"]


def test_what_the_operator_says_is_told_anew_and_remembered(make_world: Callable[..., World]) -> None:
    world = make_world(policy=policy(**PASSWORD, partial=False))
    with world.open(host_enforces=list(PASSWORD)) as mailbox:
        mailbox.sync()
        assert mailbox.policy_report().state == "full"
    world.sync()  # not said again, still true: nothing to tell
    with world.open(host_enforces=list(PASSWORD)) as mailbox:
        mailbox.sync()
    assert acknowledged(world) == ["1"]
    with world.open(host_enforces=["DevicePasswordEnabled"]) as mailbox:
        with pytest.raises(PolicyNotApplicable, match=r"insists on what is not kept: MinDevicePasswordLength"):
            mailbox.sync()
        assert mailbox.policy_report().acknowledged == 2
    assert acknowledged(world) == ["1", "2"]


def test_a_passphrase_is_a_password(make_world: Callable[..., World]) -> None:
    """A store that opens with a passphrase of the demanded kind keeps the policy; a rekey to another is told."""
    demanded = {"DevicePasswordEnabled": "1", "MinDevicePasswordLength": "8", "AllowSimpleDevicePassword": "0"}
    world = make_world(policy=policy(**demanded))
    with Mailbox.open(world.config(), store=world.path, key=Passphrase("correct horse")) as mailbox:
        mailbox.sync()
        report = mailbox.policy_report()
        assert (report.acknowledged, report.having("unsupported")) == (1, ())
        mailbox.store.database.rekey(Passphrase("1234"))
    with Mailbox.open(world.config(), store=world.path, key=Passphrase("1234")) as mailbox:
        mailbox.sync()
        report = mailbox.policy_report()
        assert report.having("unsupported") == ("MinDevicePasswordLength", "AllowSimpleDevicePassword")
    assert acknowledged(world) == ["1", "2"]
    assert b"correct horse" not in world.path.read_bytes()


@pytest.mark.parametrize("external", [True, False])
def test_a_host_that_a_device_manager_provisions(make_world: Callable[..., World], external: bool) -> None:
    world = make_world(policy=policy(**PASSWORD, external=external))
    with world.open(host_enforces=["*"]) as mailbox:
        if external:
            mailbox.sync()
            assert mailbox.policy_report().state == "partly"
        else:  # status 145
            with pytest.raises(PolicyNotApplicable, match="third party"):
                mailbox.sync()
        assert mailbox.policy_report().acknowledged == 4
    assert acknowledged(world) == ["4"]


def test_a_claim_that_is_no_element(world: World) -> None:
    with pytest.raises(UsageError, match="DevicePasswordEnable"):
        world.open(host_enforces=["DevicePasswordEnable"])
    world.open().close()  # the store was closed


def test_a_server_without_a_policy(world: World) -> None:
    with world.open() as mailbox:
        mailbox.sync()
        report = mailbox.policy_report()
    assert (report.rules, report.acknowledged, report.state) == ((), None, "none")
    assert acknowledged(world) == []


def test_a_policy_that_changes_is_assessed_anew(make_world: Callable[..., World]) -> None:
    world = make_world(policy=policy())
    world.sync()
    world.exchange.set_policy(policy(RequireSignedSMIMEMessages="1", MaxEmailAgeFilter="3"))
    world.sync()
    assert acknowledged(world)[0] == "1"
    with world.open() as mailbox:
        report = mailbox.policy_report()
    assert report.acknowledged == int(acknowledged(world)[-1]) == int(report.acknowledgement)
    assert {rule.element for rule in report.rules} >= {"RequireSignedSMIMEMessages", "MaxEmailAgeFilter"}


def test_a_stricter_policy_holds_in_the_run_in_which_it_comes(make_world: Callable[..., World]) -> None:
    """Acknowledged is enforced (MS-ASPROV_R625): mail outside the new period goes, and comes back with a wider one."""
    world = make_world(policy=policy())
    for name, days in (("new", 1), ("old", 10)):
        deliver(world.alice, mail(name, attachments=((f"{name}.bin", noise(2_000, days)),)), days=days)
    world.sync()
    assert world.subjects() == ["new", "old"]
    world.exchange.set_policy(policy(MaxEmailAgeFilter="3", AttachmentsEnabled="0"))
    report = world.sync()
    assert world.subjects() == ["new"]
    assert any("policy changed" in warning for warning in report.warnings)
    with Store.open(world.path, KEY) as store:
        assert store.stats()["attachments"] == {"refused": 1}
    world.exchange.set_policy(policy())
    world.sync()
    assert world.subjects() == ["new", "old"]
    with Store.open(world.path, KEY) as store:
        assert store.stats()["attachments"] == {"stored": 2}


def test_truncation_to_the_header_lets_no_body_through(make_world: Callable[..., World]) -> None:
    """MaxEmailBodyTruncationSize 0 (MS-ASPROV_R268)."""
    world = make_world(policy=policy(MaxEmailBodyTruncationSize="0"))
    deliver(world.alice, mail("one", "secret text\n"))
    report = world.sync()
    assert [trouble.kind for trouble in report.refused] == ["body"]
    assert world.subjects() == ["one"]
    with world.open() as mailbox:
        [found] = mailbox.search()
        assert "secret" not in mailbox.message(found.id).text


def test_the_report_by_command_and_for_asyncio(make_world: Callable[..., World]) -> None:
    world = make_world(policy=policy(MaxInactivityTimeDeviceLock="300", MaxEmailAgeFilter="3"))
    world.sync()
    told = command(world, "policy", "report", "--json")
    assert told.exit_code == 6  # a part of it is not kept
    document = json.loads(told.stdout)
    assert (document["acknowledged"], document["state"]) == (2, "partly")
    verdicts = {rule["element"]: rule["verdict"] for rule in document["rules"]}
    assert verdicts["MaxInactivityTimeDeviceLock"] == "unsupported"
    assert verdicts["MaxEmailAgeFilter"] == "applied"
    assert verdicts["AllowCamera"] == "applied"  # it allows it
    shown = command(world, "policy", "report")
    assert "MaxInactivityTimeDeviceLock" in shown.output
    assert "status 2" in shown.output

    async def ask() -> Any:
        async with await AsyncMailbox.open(world.config(), store=world.path, key=KEY) as mailbox:
            return await mailbox.policy_report()

    assert asyncio.run(ask()).as_dict() == document


def filters(world: World) -> dict[str, set[str]]:
    """FilterType of each collection in the Sync requests, by the name of its folder; "" where none was given."""
    found: dict[str, set[str]] = {}

    def walk(node: Any) -> None:
        name, content = node
        inner = content if isinstance(content, list) else []
        if name == "AirSync:Collection":
            flat = dict(child for child in inner if isinstance(child[1], str))
            options = next((child[1] for child in inner if child[0] == "AirSync:Options" and child[1]), [])
            chosen = {value for tag, value in options if tag == "AirSync:FilterType"} or {""}
            found.setdefault(flat["AirSync:CollectionId"], set()).update(chosen)
        for child in inner:
            walk(child)

    for request in world.exchange.requests.of("Sync"):
        if request.tree is not None:
            walk(request.tree)
    with Store.open(world.path, KEY) as store:
        names = {folder.server_id: folder.name for folder, *_ in store.folders()}
    return {names[server_id]: chosen - {""} for server_id, chosen in found.items()}


@pytest.mark.parametrize(("server", "calendar"), [("4", {"4"}), ("0", {"0"}), ("7", {"7"})])
def test_events_follow_the_server_and_mail_the_shortest_period(
    make_world: Callable[..., World], server: str, calendar: set[str]
) -> None:
    """MaxCalendarAgeFilter is the calendar's own limit; the period of mail is none of its business, nor of tasks."""
    world = make_world(policy=policy(MaxCalendarAgeFilter=server, MaxEmailAgeFilter="3"))
    world.sync({"email_max_sync_period": "5"})
    found = filters(world)
    assert found["Inbox"] == {"3"}
    assert found["Calendar"] == calendar
    assert found["Tasks"] <= {"0"}
    assert found["Contacts"] <= {"0"}
