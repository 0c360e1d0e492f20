"""What of rights management stands in which request, what the server's statuses lead to, and templates that are odd."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from emailplus.cli.app import app
from emailplus.eas.commands import settings
from emailplus.eas.items.rights import read_licence
from emailplus.eas.wbxml import Node, decode
from emailplus.errors import (
    ConnectionFailed,
    NotOffered,
    PolicyDenied,
    ProtectionRefused,
    RightsManagementOff,
    RightsRefused,
    RightsServiceBusy,
    RightsServiceFailed,
    UnknownTemplate,
)
from emailplus.mailbox import AsyncMailbox
from emailplus.mime import page as pages
from emailplus.mime import terminal
from emailplus.mock import MockLicence, Status
from emailplus.mock.mailbox import long_id
from emailplus.model.account import RightsTemplate
from emailplus.model.message import Message
from emailplus.model.outbox import OutboxState
from emailplus.model.rights import Right
from emailplus.model.search import FoundMail
from emailplus.reading import Reading
from emailplus.store.store import Store

from ..flows.world import KEY, NOW, World, mail, noise
from .test_answers import T1, USERS, answered, arrived, synced
from .test_protected_mail import BODY, KEYS, RMS, TEMPLATES, _today, protected

__all__ = ["_today"]

SUPPORT = "RightsManagement:RightsManagementSupport"
VERSIONS = ["2.5", "12.0", "12.1", "14.0", "14.1", "16.0", "16.1"]


# -- RightsManagementSupport


def walk(node: Node, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    tag, content = node
    here = (*path, tag)
    inner = [found for child in content for found in walk(child, here)] if isinstance(content, list) else []
    return [(here, content), *inner]


def options(world: World, command: str, parent: str) -> list[list[str]]:
    """The children of every Options of those requests, those of text messages and of other classes left out."""
    found = []
    for request in world.exchange.requests.of(command):
        if request.tree is None:
            continue
        for path, content in walk(request.tree):
            if path[-1] == f"{command}:Options" or (command == "Sync" and path[-1] == "AirSync:Options"):
                assert path[-2].endswith(f":{parent}")
                found.append([tag for tag, _ in content])
    return found


@pytest.mark.parametrize("on", [True, False])
@pytest.mark.parametrize("version", VERSIONS)
def test_it_stands_in_every_request_that_may_open_mail(
    make_world: Callable[..., World], version: str, on: bool
) -> None:
    """MS-ASRM_R185, R351, R352, R353: Sync, fetched bodies and attachments, Search, what was found, what is renewed;
    none below 14.1, or without `rms_support`."""
    world = make_world(versions=[version])
    server_id = protected(world)
    large = mail("large", "x" * 400_000, attachments=(("big.bin", noise(400_000)), ("small.bin", noise(2_000))))
    world.alice.deliver(large, received=NOW - timedelta(hours=2))
    keys = RMS if on else {}
    world.sync(keys)
    with world.open(keys, acting_for_person=True) as mailbox:
        mailbox.store.database.execute("UPDATE folders SET sync_key = '0'")
        mailbox.sync()  # from the start
        if version != "2.5":
            mailbox.search_everywhere("plan")
            if version not in ("12.0", "12.1", "14.0") and on:
                mailbox.renew(mailbox.search("subject:plan")[0].id)
            mailbox.fetch_found(FoundMail(Message(), "", long_id=long_id(server_id)))
    expected = on and version in ("14.1", "16.0", "16.1")
    seen = options(world, "Sync", "Collection") + options(world, "ItemOperations", "Fetch")
    seen += options(world, "Search", "Store")
    assert seen
    mails = [tags for tags in seen if "AirSync:Conflict" not in tags]  # items that are no mail
    for tags in mails:
        assert (SUPPORT in tags) is expected, tags
    if version not in ("2.5", "12.0", "12.1", "14.0"):
        fetches = options(world, "ItemOperations", "Fetch")
        assert len([tags for tags in fetches if SUPPORT in tags]) == (len(fetches) if expected else 0)


def test_what_has_to_come_as_it_arrived_does_not_ask(make_world: Callable[..., World]) -> None:
    """The MIME for a report, and heads for markings: sealed."""
    world = make_world()
    number = synced(world, MockLicence.everything())
    before = len(world.exchange.requests.of("ItemOperations"))
    with world.open(RMS, acting_for_person=True) as mailbox:
        assert b"message.rpmsg" in mailbox.original_mime(number)
    (request,) = world.exchange.requests.of("ItemOperations")[before:]
    assert SUPPORT not in repr(request.tree)


# -- statuses

KINDS = {168: RightsManagementOff, 169: RightsServiceBusy, 170: RightsServiceFailed, 171: UnknownTemplate,
         172: ProtectionRefused}  # fmt: skip
SAID = {168: "off", 169: "in a few minutes", 170: "administrator", 171: "choose another", 172: "licence"}
"""What the message says to do next (MS-ASRM_R196 to R201)."""


@pytest.mark.parametrize("command", ["SendMail", "SmartReply", "SmartForward"])
@pytest.mark.parametrize("code", sorted(KINDS))
def test_statuses_of_sending(make_world: Callable[..., World], command: str, code: int) -> None:
    """169 waits and goes with the next run (MS-ASRM_R198); all others fail, typed, and stay in the outbox."""
    world = make_world(users=USERS)
    world.exchange.rights_templates = [(T1, "Do Not Forward", "No.")]
    number = synced(world, MockLicence.everything())
    world.exchange.faults.add(Status(code), command)
    with world.open(RMS, acting_for_person=True) as mailbox:
        if command == "SendMail":
            draft = replace(mailbox.new(to="bob@example.test", text="T", subject="S"), template=T1)
        else:
            draft = answered(mailbox, number, "reply" if command == "SmartReply" else "forward")
        if code == 169:
            entry = mailbox.send(draft)
            assert entry.state is OutboxState.QUEUED
            assert SAID[code] in entry.reason
            mailbox.sync()
            assert mailbox.outbox()[-1].state is OutboxState.CONFIRMED
        else:
            with pytest.raises(RightsRefused) as refused:
                mailbox.send(draft)
            assert refused.value.status == code
            assert SAID[code] in str(refused.value)
            (entry,) = mailbox.outbox()
            assert entry.state is OutboxState.FAILED
            mailbox.sync()  # it is not tried again by itself
            assert [each.state for each in mailbox.outbox()] == [OutboxState.FAILED]
            mailbox.send(draft)  # handed in again, it goes
    user = "carol" if command == "SmartForward" else "bob"
    assert arrived(world, user).licence is not None


def test_a_template_that_is_gone(make_world: Callable[..., World]) -> None:
    """Chosen, then removed by the administrator: 171; the message stays, the list is asked for anew, another goes."""
    world = make_world(users=USERS)
    world.exchange.rights_templates = TEMPLATES[1:3]
    with world.open(RMS) as mailbox:
        draft = mailbox.protect(mailbox.new(to="bob@example.test", text="T", subject="S"), "T1")
        world.exchange.rights_templates = TEMPLATES[2:4]
        assert [template.name for template in mailbox.templates()] == ["T1", "T2"]  # as asked for today
        with pytest.raises(RightsRefused, match="choose another") as refused:
            mailbox.send(draft)
        assert refused.value.status == 171
        assert [template.name for template in mailbox.templates()] == ["T2", "T3"]  # asked for anew, unasked
        (entry,) = mailbox.outbox()
        number = mailbox.withdraw(entry.id)
        assert number is not None
        mailbox.send(mailbox.protect(mailbox.draft(number), "T2"))
    licence = arrived(world).licence
    assert licence is not None
    assert licence.template_name == "T2"


@pytest.mark.parametrize("code", [169, 170, 171, 172])
@pytest.mark.parametrize("command", ["Sync", "ItemOperations", "Settings"])
def test_statuses_of_what_is_asked(make_world: Callable[..., World], command: str, code: int) -> None:
    world = make_world()
    world.exchange.rights_templates = TEMPLATES[:1]
    number = synced(world, MockLicence.everything())
    ask: dict[str, Callable[[Any], Any]] = {
        "Sync": lambda mailbox: mailbox.sync(),
        "ItemOperations": lambda mailbox: mailbox.renew(number),
        "Settings": lambda mailbox: mailbox.templates(refresh=True),
    }
    world.exchange.faults.add(Status(code), command, times=None)
    with world.open(RMS) as mailbox:
        with pytest.raises(KINDS[code]) as told:
            ask[command](mailbox)
        assert SAID[code] in str(told.value)
        world.exchange.faults.clear()
        ask[command](mailbox)
        assert mailbox.message(number).text.strip() == BODY  # nothing was lost


def test_a_server_that_has_it_switched_off(make_world: Callable[..., World]) -> None:
    """Status 168 to a Sync that asks (MS-ASRM_R196): all comes, protected mail sealed; for a day it does not ask."""
    world = make_world()
    protected(world)
    world.alice.deliver(mail("Plain", "apple"), received=NOW - timedelta(hours=3))
    world.exchange.faults.add(Status(168), "Sync", times=None, when=lambda r: SUPPORT in repr(decode(r.body)))
    report = world.sync(RMS)
    assert any("sealed" in warning for warning in report.warnings)
    assert world.subjects() == ["Plain", "Plan"]
    before = len(world.exchange.requests)
    world.sync(RMS)
    assert SUPPORT not in repr([request.tree for request in list(world.exchange.requests)[before:]])
    with world.open(RMS) as mailbox:
        (number,) = [message.id for message in mailbox.search("subject:plan")]
        assert [file.name for file in mailbox.message(number).attachments] == ["message.rpmsg"]
    world.exchange.faults.clear()
    world.clock.now = NOW + timedelta(hours=25)
    world.sync(RMS)
    with world.open(RMS, acting_for_person=True) as mailbox:
        (found,) = mailbox.search("subject:plan")
        assert mailbox.message(found.id).text.strip() == BODY
        assert found.rights is not None
    with make_world(versions=["14.1"]).open(RMS) as mailbox, pytest.raises(NotOffered, match="168"):
        mailbox.templates()


# -- templates


def answer(*templates: tuple[str, str, str]) -> Node:
    def node(name: str, text: str) -> Node:
        return (f"RightsManagement:{name}", text)

    listed: list[Node] = [
        ("RightsManagement:RightsManagementTemplate",
         [node("TemplateID", identity), node("TemplateName", name), node("TemplateDescription", description)])
        for identity, name, description in templates
    ]  # fmt: skip
    inner: Node = ("Settings:Get", [("RightsManagement:RightsManagementTemplates", listed)])
    part: Node = ("Settings:RightsManagementInformation", [("Settings:Status", "1"), inner])
    return ("Settings:Settings", [("Settings:Status", "1"), part])


def test_odd_templates() -> None:
    read = settings.parse_rights_templates(
        answer(
            ("A", "Name", "About"),
            ("a", "Again", "the same id"),
            ("", "No id", "cannot be sent"),
            ("B", "", ""),
            ("x" * 257, "Too long", ""),
            (" C ", "n" * 300, "d" * 20_000),
        )
    )
    assert read == [
        RightsTemplate("A", "Name", "About"), RightsTemplate("B", "B", ""), RightsTemplate("C", "n" * 256, "d" * 10_240)
    ]  # fmt: skip
    assert settings.parse_rights_templates(answer()) == []


HOSTILE = "<script>alert(1)</script><b>Bold</b> [red]x[/red] \x1b[31mred\x1b[0m \x07"


def test_names_are_text_wherever_they_are_shown(make_world: Callable[..., World], monkeypatch: Any) -> None:
    """Of a licence on the page and in the terminal, of templates in the list: no markup, no control characters."""
    world = make_world()
    world.exchange.rights_templates = [(T1, HOSTILE, HOSTILE)]
    licence = MockLicence(
        template_name=HOSTILE.replace("\x1b", "").replace("\x07", ""), template_description="<i>d</i>"
    )
    number = synced(world, licence)
    with Store.open(world.path, KEY) as store:
        store.database.execute("UPDATE messages SET licence = replace(licence, 'Bold', 'Bold\\u001b[31m\\u0007')")
        reading = Reading(store)
        seen, look = reading.view(number), reading.look(store.messages([number])[0])
        html = pages.render(seen, look).html
        shown = terminal.render(seen, look)
    assert "<script>" not in html
    assert "<b>Bold" not in html
    assert "<i>d" not in html
    assert "&lt;script&gt;" in html
    assert "\x1b" not in shown
    assert "\x07" not in shown
    monkeypatch.setenv("EMAILPLUS_STORE_KEY", KEY.hex())
    path = world.folder / "app.json"
    path.write_text(json.dumps({**KEYS, "email_exchange_host": world.host, **RMS}), encoding="utf-8")
    line = ["templates", "--config", str(path), "--store", str(world.path)]
    told = CliRunner().invoke(app, line)
    assert told.exit_code == 0
    assert "\x1b" not in told.stderr
    assert "[red]x[/red]" in told.stderr
    (row,) = json.loads(CliRunner().invoke(app, [*line, "--json"]).stdout)
    assert (row["id"], row["name"]) == (T1, HOSTILE.strip())


def test_without_the_server(make_world: Callable[..., World]) -> None:
    """The list that it offered last, a week later still; nothing where there is none, or another one is wanted."""
    world = make_world()
    world.exchange.rights_templates = TEMPLATES[:2]
    with world.open(RMS) as mailbox:
        assert len(mailbox.templates()) == 2
        world.clock.now = NOW + timedelta(days=7)
        world.exchange.stop()
        assert [template.name for template in mailbox.templates()] == ["T0", "T1"]
        assert mailbox.protect(mailbox.new(text="T"), "T1").template == TEMPLATES[1][0]
        with pytest.raises(ConnectionFailed):
            mailbox.templates(refresh=True)

        async def later() -> list[RightsTemplate]:
            opening = AsyncMailbox(mailbox)
            with pytest.raises(ConnectionFailed):
                await opening.templates(refresh=True)
            return await opening.templates()

        assert len(asyncio.run(later())) == 2
        mailbox.store.database.execute("DELETE FROM rights_templates")
        with pytest.raises(ConnectionFailed):
            mailbox.templates()
    with world.open() as mailbox, pytest.raises(PolicyDenied, match="rms_support"):
        mailbox.templates()


# -- licences


def test_a_right_that_is_said_twice_is_not_granted() -> None:
    def licence(*pairs: tuple[str, Any]) -> Any:
        return read_licence([(f"RightsManagement:{name}", value) for name, value in pairs])

    date = ("ContentExpiryDate", "9999-12-30T23:59:59.999Z")
    assert licence(date, ("EditAllowed", "0"), ("EditAllowed", "1")).granted == frozenset()
    assert licence(date, ("EditAllowed", "1"), ("EditAllowed", "0")).granted == frozenset()
    assert licence(date, ("EditAllowed", "1"), ("EditAllowed", "1")).granted == {Right.EDIT}
    assert licence(date, ("EditAllowed", [("RightsManagement:Owner", "1")])).granted == frozenset()
    assert licence(date, ("ContentExpiryDate", "2020-01-01T00:00:00Z")).undated
