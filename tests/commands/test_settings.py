"""Settings: published messages, every property in every version that has it, wrong answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from emailplus.eas.commands import settings
from emailplus.eas.versions import VERSIONS
from emailplus.eas.wbxml import Node
from emailplus.errors import CommandFailed, MalformedResponse, NotOffered, UsageError
from emailplus.mock import MockPolicy
from emailplus.model.account import MailAccount, OofState, OutOfOffice, Reply, RightsTemplate

from ..flows.world import NOW, World
from ..mock.validate import problems
from .published import example

V141 = VERSIONS["14.1"]
FROM_12 = ["12.0", "12.1", "14.0", "14.1", "16.0", "16.1"]


def test_published_requests_are_built() -> None:
    names = ("Model", "IMEI", "FriendlyName", "OS", "OSLanguage", "PhoneNumber", "MobileOperator", "UserAgent")
    assert settings.build_device_information(dict.fromkeys(names, "...")) == example(1, "request")
    assert settings.build_out_of_office(V141) == example(72, "request")
    assert settings.build_set_out_of_office(OutOfOffice(), V141) == example(76, "request")
    assert settings.build_user_information(V141) == example(80, "request")
    assert settings.build_device_password("bar", V141) == example(82, "request")
    text = str(_find(example(74, "request"), "Settings:ReplyMessage"))
    wanted = OutOfOffice(OofState.ON, None, None, Reply(text, html=True), Reply("", False), Reply("", False))
    published = repr(example(74, "request")).replace("OofState', '2'", "OofState', '1'")  # 2 without times is none
    assert repr(settings.build_set_out_of_office(wanted, V141)) == published


def _find(node: Node, tag: str) -> object:
    if node[0] == tag:
        return node[1]
    found = [_find(child, tag) for child in node[1]] if isinstance(node[1], list) else []
    return next((each for each in found if each is not None), None)


def test_published_answers_are_read() -> None:
    oof = settings.parse_out_of_office(example(73, "response"))
    assert (oof.state, oof.start) == (OofState.SCHEDULED, datetime(2007, 5, 8, 10, 45, 51, 250000, tzinfo=UTC))
    assert oof.internal == Reply("Internal OOF Message")
    assert oof.external_unknown == Reply("External OOF Message", enabled=False)
    settings.parse_set_out_of_office(example(75, "response"))
    settings.parse_set_out_of_office(example(77, "response"))
    assert settings.parse_user_information(example(81, "response")).addresses == ("chris@contoso.com",)
    with pytest.raises(MalformedResponse):  # "..." stands there in the published text
        settings.parse_device_password(example(83, "response"))


@pytest.mark.parametrize("version", FROM_12)
def test_out_of_office_in_every_version(make_world: Callable[..., World], version: str) -> None:
    world = make_world(versions=(version,))
    with world.open() as mailbox:
        assert mailbox.out_of_office() == OutOfOffice()
        wanted = OutOfOffice(
            OofState.SCHEDULED,
            NOW + timedelta(days=1),
            NOW + timedelta(days=8),
            Reply("Back on Monday"),
            Reply("<p>Away</p>", html=True),
            Reply("", enabled=False),
        )
        mailbox.set_out_of_office(wanted)
        plain = mailbox.out_of_office()
        assert (plain.state, plain.start, plain.end) == (wanted.state, wanted.start, wanted.end)
        assert plain.internal == Reply("Back on Monday")
        assert plain.external_known == Reply("Away")
        assert plain.external_unknown == Reply("", enabled=False)
        rich = mailbox.out_of_office(html=True)
        assert rich.external_known is not None
        assert (rich.external_known.text, rich.external_known.html) == ("<p>Away</p>", True)
        mailbox.set_out_of_office(OutOfOffice(OofState.ON, internal=Reply("Ill")))
        after = mailbox.out_of_office()
        assert (after.state, after.internal, after.start) == (OofState.ON, Reply("Ill"), None)
        assert after.external_known == plain.external_known  # what is not named stays
        mailbox.set_out_of_office(OutOfOffice())
        assert mailbox.out_of_office().state is OofState.OFF


def test_impossible_times_are_refused_before_they_are_sent() -> None:
    good = OutOfOffice(OofState.SCHEDULED, NOW, NOW + timedelta(hours=1))
    assert problems(settings.build_set_out_of_office(good, V141), "14.1", "Request") == []
    for bad in (
        replace(good, end=None),
        replace(good, end=NOW),
        replace(good, start=NOW.replace(tzinfo=None), end=datetime(2027, 1, 1)),
        OutOfOffice(OofState.ON, NOW, NOW + timedelta(hours=1)),
    ):
        with pytest.raises(UsageError):
            settings.build_set_out_of_office(bad, V141)


@pytest.mark.parametrize("version", FROM_12)
def test_user_information_in_every_version(make_world: Callable[..., World], version: str) -> None:
    world = make_world(versions=(version,))
    with world.open() as mailbox:
        found = mailbox.user_information()
    assert found.addresses == ("alice@example.test",)
    if VERSIONS[version].code >= 141:
        own = ("alice@example.test",)
        assert found.accounts == (MailAccount(display_name="Alice Anderson", addresses=own, primary=own[0]),)
        assert found.primary == own[0]
    else:
        assert (found.accounts, found.primary) == ((), "")


def test_the_recovery_password_is_left_where_the_policy_allows_it(world: World) -> None:
    with world.open() as mailbox:
        with pytest.raises(CommandFailed) as caught:
            mailbox.set_device_password("0000-1111")
        assert (caught.value.status, caught.value.action) == (7, "stop")
        assert "0000-1111" not in str(caught.value)
        world.exchange.set_policy(MockPolicy({"PasswordRecoveryEnabled": "1"}))
        mailbox.set_device_password("0000-1111")
        (device,) = world.exchange.devices_of("alice")
        assert device.recovery_password == "0000-1111"
        mailbox.set_device_password("")
        assert device.recovery_password == ""
        with pytest.raises(UsageError):
            mailbox.set_device_password("x" * 256)


@pytest.mark.parametrize("version", ["14.1", "16.0", "16.1"])
def test_rights_templates(make_world: Callable[..., World], version: str) -> None:
    world = make_world(versions=(version,))
    with world.open() as mailbox:
        with pytest.raises(NotOffered, match="168"):
            mailbox.rights_templates()
        world.exchange.rights_templates = [("{1}", "Do not forward", "Readers only"), ("{2}", "Secret", "")]
        assert mailbox.rights_templates() == [
            RightsTemplate("{1}", "Do not forward", "Readers only"),
            RightsTemplate("{2}", "Secret", "Secret"),
        ]
        world.exchange.rights_templates = []
        assert mailbox.rights_templates() == []


def test_what_a_version_lacks(make_world: Callable[..., World]) -> None:
    with make_world(versions=("14.0",)).open() as mailbox, pytest.raises(NotOffered, match=r"14\.1"):
        mailbox.rights_templates()
    with make_world(versions=("2.5",)).open() as mailbox, pytest.raises(NotOffered, match=r"12\.0"):
        mailbox.out_of_office()


def test_every_request_obeys_its_schema() -> None:
    oof = OutOfOffice(OofState.ON, internal=Reply("x"), external_known=Reply("y", html=True))
    for version in (VERSIONS[name] for name in FROM_12):
        for request in (
            settings.build_out_of_office(version, html=True),
            settings.build_set_out_of_office(oof, version),
            settings.build_user_information(version),
            settings.build_device_password("", version),
        ):
            assert problems(request, version.name, "Request") == []
    assert problems(settings.build_rights_templates(V141), "14.1", "Request") == []


def _answer(part: Node) -> Node:
    return ("Settings:Settings", [("Settings:Status", "1"), part])


def test_hostile_answers() -> None:
    state: Node = ("Settings:OofState", "9")
    late: Node = ("Settings:StartTime", "tomorrow")
    for answer in (
        ("AirSync:Sync", None),
        _answer(("Settings:UserInformation", None)),
        _answer(("Settings:Oof", None)),
        _answer(("Settings:Oof", [("Settings:Get", [state])])),
        _answer(("Settings:Oof", [("Settings:Get", [("Settings:OofState", "1"), late])])),
        _answer(("Settings:Oof", [("Settings:Status", "good")])),
    ):
        with pytest.raises(MalformedResponse):
            settings.parse_out_of_office(answer)
    with pytest.raises(CommandFailed):
        settings.parse_out_of_office(_answer(("Settings:Oof", [("Settings:Status", "2")])))
    nameless: Node = ("RightsManagement:RightsManagementTemplate", [("RightsManagement:TemplateName", "x")])
    templates: Node = ("RightsManagement:RightsManagementTemplates", [nameless])
    rights: Node = ("Settings:RightsManagementInformation", [("Settings:Status", "1"), ("Settings:Get", [templates])])
    assert settings.parse_rights_templates(_answer(rights)) == []
