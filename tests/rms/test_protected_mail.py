"""Protected mail from the server to every place where its content could come out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from emailplus.cli.app import app
from emailplus.eas import status
from emailplus.errors import (
    CommandFailed,
    NotFound,
    NotOffered,
    ProtectionRefused,
    RightsDenied,
    RightsManagementOff,
    RightsServiceBusy,
    RightsServiceFailed,
    UnknownTemplate,
)
from emailplus.mailbox import AsyncMailbox, Mailbox
from emailplus.mock import MockLicence
from emailplus.mock.mailbox import long_id
from emailplus.model.events import MessageReceived
from emailplus.model.message import Message
from emailplus.model.rights import Right
from emailplus.model.search import FoundMail
from emailplus.rms.gate import Door, Operation
from emailplus.store.export import export
from emailplus.store.store import Store

from ..flows.world import DEVICE, KEY, NOW, World, mail

RMS = {"enabled_features": "rms_support"}
KEYS = {
    "email_address": "alice@example.test", "email_device_id": DEVICE, "email_exchange_username": "alice",
    "email_password": "alice-secret", "email_ssl_required": "false",
}  # fmt: skip
BODY = "The plan is zebra."
TEMPLATES = [(f"{number:08d}-0000-0000-0000-000000000000", f"T{number}", f"Template {number}") for number in range(25)]


@pytest.fixture(autouse=True)
def _today(monkeypatch: pytest.MonkeyPatch, clock: Any) -> None:
    """The store and the view look at the real clock; here they look at the test's."""
    for name in ("store.rights", "store.index", "store.export", "reading"):
        module = __import__(f"emailplus.{name}", fromlist=["datetime"])

        class Clocked(module.datetime):  # type: ignore[misc, name-defined]
            @classmethod
            def now(cls, tz: Any = None) -> Any:
                return clock.now

        monkeypatch.setattr(module, "datetime", Clocked)


def protected(world: World, licence: MockLicence | None = None, **more: Any) -> str:
    raw = mail("Plan", BODY + "\n", attachments=(("plan.txt", b"zebra file"),), **more)
    return str(world.alice.deliver(raw, received=NOW - timedelta(hours=1), licence=licence or MockLicence()))


def only(world: World) -> int:
    with Store.open(world.path, KEY) as store:
        (number,) = store.ids()
    return number


# -- what is asked for, and what comes


def test_the_licence_comes_and_stays(world: World) -> None:
    protected(world, MockLicence(reply=True, print=True, expires=NOW + timedelta(days=3)))
    world.sync(RMS)
    with Store.open(world.path, KEY) as store:
        (message,) = store.messages([only(world)])
    assert message.rights is not None
    assert message.rights.granted == {Right.REPLY, Right.PRINT}
    assert message.rights.expires == NOW + timedelta(days=3)
    assert (message.rights.template_name, message.rights.content_owner) == ("Do Not Forward", "bob@example.test")
    assert message.may(Right.REPLY)
    assert not message.may(Right.FORWARD)


def test_rms_support_decides_whether_it_is_asked_for(make_world: Callable[..., World]) -> None:
    """`enabled_features` = `rms_support`: without it the wrapper comes; switched on later, the mail comes again."""
    world = make_world()
    protected(world)
    world.sync()
    with Store.open(world.path, KEY) as store:
        sealed = store.message(only(world))
    assert sealed.rights is None
    assert "zebra" not in sealed.text
    assert [item.name for item in sealed.attachments] == ["message.rpmsg"]
    world.sync(RMS)
    with Store.open(world.path, KEY) as store:
        opened = store.message(only(world))
    assert opened.rights is not None
    assert opened.text.strip() == BODY
    assert [item.name for item in opened.attachments] == ["plan.txt"]


@pytest.mark.parametrize("version", ["2.5", "12.1", "14.0", "14.1", "16.0", "16.1"])
def test_it_is_asked_for_from_14_1_on(make_world: Callable[..., World], version: str) -> None:
    world = make_world(versions=[version])
    protected(world)
    world.alice.deliver(mail("large", "x" * 400_000), received=NOW - timedelta(hours=2))
    world.sync(RMS)
    supported = version not in ("2.5", "12.1", "14.0")
    for command in ("Sync", "ItemOperations"):
        asked = [
            request
            for request in world.exchange.requests.of(command)
            if "RightsManagementSupport" in repr(request.tree)
        ]
        assert bool(asked) is supported, command


# -- both doors


def test_a_program_gets_nothing_and_a_person_sees_it(world: World) -> None:
    protected(world)
    world.sync(RMS)
    number = only(world)
    with world.open(RMS) as mailbox:
        for take in (mailbox.message, mailbox.view, mailbox.page, mailbox.opened, mailbox.opened_in_pieces):
            with pytest.raises(RightsDenied) as denied:
                take(number)
            assert (denied.value.right, denied.value.template) == ("ProgrammaticAccessAllowed", "Do Not Forward")
        attachment = mailbox.store.attachments(number)[0].id
        with pytest.raises(RightsDenied):
            mailbox.attachment(attachment)
        (hit,) = mailbox.search("subject:plan")
        assert (hit.subject, hit.preview) == ("Plan", "")
        assert mailbox.search("zebra") == []
    with world.open(RMS, acting_for_person=True) as mailbox:
        assert mailbox.message(number).text.strip() == BODY
        assert b"".join(mailbox.attachment(attachment)) == b"zebra file"
        page = mailbox.page(number).html
        assert "zebra" in page
        assert "user-select:none" in page
        assert "@media print{body{display:none}}" in page
        assert page.index("<h1>") < page.index("Do Not Forward") < page.index("zebra")
    licence = MockLicence(programmatic_access=True, extract=True, print=True)
    world.alice.protect(world.alice.items()[0].server_id, licence)
    world.sync(RMS)
    with world.open(RMS) as mailbox:
        assert mailbox.message(number).text.strip() == BODY
        assert [message.id for message in mailbox.search("zebra")] == [number]
        assert "user-select:none" not in mailbox.page(number).html


def test_acting_for_a_person_is_logged(world: World) -> None:
    keys = {**RMS, "allow_logging": "true"}
    with world.open(keys, acting_for_person=True) as mailbox:
        mailbox._diagnosis.log.flush()
        lines = mailbox.store.database.all("SELECT * FROM log_lines")
    assert any("acting for a person" in str(line) for line in lines)
    with world.open(keys) as mailbox:
        assert mailbox.door is Door.PROGRAM


def test_the_async_mailbox_has_the_same_doors(world: World) -> None:
    protected(world)
    world.sync(RMS)
    number = only(world)

    async def look(acting: bool) -> str:
        opening = AsyncMailbox.open(world.config(**RMS), store=world.path, key=KEY, acting_for_person=acting)
        async with await opening as mailbox:
            assert (await mailbox.permits(number, "print")).right is Right.PRINT or acting
            return (await mailbox.message(number)).text

    with pytest.raises(RightsDenied):
        asyncio.run(look(False))
    assert asyncio.run(look(True)).strip() == BODY


def test_what_listeners_are_told(world: World) -> None:
    protected(world)
    protected(world, MockLicence(programmatic_access=True))
    world.sync(RMS, tell_messages=True)
    bodies = [event.message.body for event in world.told(MessageReceived)]
    assert [body is None for body in bodies] == [True, False]


@pytest.mark.parametrize(
    ("licence", "exported"),
    [
        (MockLicence(), 0), (MockLicence(export=True), 0), (MockLicence(programmatic_access=True), 0),
        (MockLicence(export=True, programmatic_access=True), 1), (MockLicence.everything(export=False), 0),
    ],
)  # fmt: skip
@pytest.mark.parametrize("form", ["eml", "mbox", "maildir", "jsonl"])
def test_export(world: World, tmp_path: Path, licence: MockLicence, exported: int, form: Any) -> None:
    protected(world, licence)
    world.alice.deliver(mail("open", "apple"), received=NOW - timedelta(hours=3))
    world.sync(RMS)
    with Store.open(world.path, KEY) as store:
        report = export(store, list(store.ids()), tmp_path / "out", form)
    assert report.exported == 1 + exported
    assert len(report.denied) == 1 - exported
    files = (
        [tmp_path / "out"]
        if (tmp_path / "out").is_file()
        else [p for p in (tmp_path / "out").rglob("*") if p.is_file()]
    )
    text = b"".join(path.read_bytes() for path in files)
    assert (b"zebra" in text) is bool(exported)
    assert b"apple" in text


def test_the_command_line(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    protected(world)
    world.sync(RMS)
    monkeypatch.setenv("EMAILPLUS_STORE_KEY", KEY.hex())

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(app, [arguments[0], "--store", str(world.path), *arguments[1:]])

    number = str(only(world))
    shown = run("show", number)
    assert "zebra" in shown.stdout  # a person looks
    assert "Do Not Forward" in shown.stdout
    assert "zebra" in run("show", number, "--html", "-").stdout
    for arguments in (("show", number, "--json"), ("show", number, "--attachment", "1")):
        refused = run(*arguments)
        assert refused.exit_code == 6
        assert "zebra" not in refused.stdout
    assert "zebra" not in run("search", "--json").stdout
    left_out = run("export", str(tmp_path / "out"), "--json")
    assert left_out.exit_code == 1
    assert json.loads(left_out.stdout)["denied"][0]["message_id"] == int(number)


# -- the end of a licence


def test_expired_content_leaves_and_the_header_stays(world: World) -> None:
    protected(world, MockLicence.everything(expires=NOW + timedelta(days=1)))
    world.sync(RMS)
    number = only(world)
    with world.open(RMS, acting_for_person=True) as mailbox:
        assert mailbox.search("zebra")
    world.clock.now = NOW + timedelta(days=1)
    with Store.open(world.path, KEY) as store:  # not removed yet, and shut already
        from emailplus.reading import Reading

        seen = Reading(store).view(number)
        assert (seen.subject, seen.text) == ("Plan", "")
        assert "expired" in seen.problems[0]
        report = export(store, [number], world.folder / "late", "eml")
        assert report.exported == 0
    with world.open(RMS, acting_for_person=True) as mailbox:
        with pytest.raises(RightsDenied, match="expired"):
            mailbox.message(number)
        (hit,) = mailbox.search("subject:plan")
        assert (hit.body_state, hit.preview, hit.sender) == ("expired", "", "Bob <bob@example.test>")
        assert "expired" in hit.reason
        assert "expired" in mailbox.page(number).html
        assert mailbox.search("zebra") == []
        scalar = mailbox.store.database.scalar
        assert scalar("SELECT count(*) FROM bodies") + scalar("SELECT count(*) FROM chunks") == 0
        assert scalar("SELECT count(*) FROM blobs") == 0
        mailbox.sync()  # nothing is fetched again unasked
        assert scalar("SELECT body_state FROM messages") == "expired"
    assert b"zebra" not in world.path.read_bytes()


def test_a_renewed_licence_brings_the_content_again(world: World) -> None:
    server_id = protected(world, MockLicence.everything(expires=NOW + timedelta(days=1)))
    world.sync(RMS)
    number = only(world)
    world.clock.now = NOW + timedelta(days=2)
    world.alice.items()[0].licence = MockLicence.everything(expires=NOW + timedelta(days=9))
    with world.open(RMS) as mailbox:
        with pytest.raises(RightsDenied):
            mailbox.message(number)
        licence = mailbox.renew(number)
        assert licence is not None
        assert licence.expires == NOW + timedelta(days=9)
        assert mailbox.message(number).text.strip() == BODY
        with pytest.raises(NotFound):
            mailbox.renew(999)
    assert server_id


def test_a_garbage_date_opens_nothing(world: World) -> None:
    protected(world, MockLicence.everything(raw_expiry="someday"))
    world.sync(RMS)
    number = only(world)
    with world.open(RMS, acting_for_person=True) as mailbox:
        with pytest.raises(RightsDenied, match="until when"):
            mailbox.message(number)
        page = mailbox.page(number).html
        assert "zebra" not in page
        assert "ContentExpiryDate is no date" in page
        assert mailbox.search("subject:plan")
        assert not mailbox.permits(number, Operation.REPLY)


# -- protection taken off, templates


def test_protection_is_taken_off_where_it_may_be(world: World) -> None:
    protected(world, MockLicence.everything())
    world.sync(RMS)
    number = only(world)
    with world.open(RMS) as mailbox:
        mailbox.remove_protection(number)
        message = mailbox.message(number)
        assert (message.rights, message.text.strip()) == (None, BODY)
    assert world.alice.items()[0].licence is None


def test_protection_stays_where_it_must(make_world: Callable[..., World]) -> None:
    world = make_world()
    protected(world, MockLicence.everything(export=False))
    world.sync(RMS)
    number = only(world)
    with world.open(RMS, acting_for_person=True) as mailbox:
        with pytest.raises(RightsDenied) as denied:
            mailbox.remove_protection(number)
        assert denied.value.right == "ExportAllowed"
        # A server that thinks otherwise than the licence we have: its refusal is typed.
        mailbox.store.database.execute(
            'UPDATE messages SET licence = replace(licence, \'"EditAllowed"\', \'"EditAllowed", "ExportAllowed"\')'
        )
        with pytest.raises(ProtectionRefused):
            mailbox.remove_protection(number)
    assert world.alice.items()[0].licence is not None


def test_templates_are_kept_for_a_day(world: World) -> None:
    world.exchange.rights_templates = TEMPLATES
    with world.open(RMS) as mailbox:
        found = mailbox.templates()
        assert [(t.id, t.name, t.description) for t in found] == TEMPLATES[:20]
        world.exchange.rights_templates = TEMPLATES[:1]
        assert len(mailbox.templates()) == 20
        assert len(mailbox.templates(refresh=True)) == 1
        world.exchange.rights_templates = []
        world.clock.now = NOW + timedelta(hours=25)
        assert mailbox.templates() == []
        world.exchange.rights_templates = TEMPLATES
        assert mailbox.templates() == []  # "none" is an answer too


def test_templates_of_the_command_line(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.exchange.rights_templates = TEMPLATES[:2]
    monkeypatch.setenv("EMAILPLUS_STORE_KEY", KEY.hex())
    keys = {name: value for name, value in KEYS.items() if name != "email_exchange_host"}
    path = world.folder / "app.json"
    path.write_text(json.dumps({**keys, "email_exchange_host": world.host, **RMS}), encoding="utf-8")
    arguments = ["templates", "--config", str(path), "--store", str(world.path)]
    assert [row["name"] for row in json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)] == ["T0", "T1"]
    world.exchange.rights_templates = None
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert CliRunner().invoke(app, [*arguments, "--refresh"]).exit_code == 4


def test_a_found_mail_passes_the_gate_too(world: World) -> None:
    server_id = protected(world)
    found = FoundMail(Message(), "", long_id=long_id(server_id))
    with world.open(RMS) as mailbox:
        with pytest.raises(RightsDenied):
            mailbox.fetch_found(found)
        world.alice.protect(server_id, MockLicence(programmatic_access=True))
        message = mailbox.fetch_found(found)
        assert message.body is not None
        assert message.body.data.decode().strip() == BODY
    with world.open() as mailbox:  # not asked to be opened: the wrapper
        assert "zebra" not in repr(mailbox.fetch_found(found))


@pytest.mark.parametrize("version", ["14.1", "16.0", "16.1"])
def test_what_the_server_finds_passes_the_gate(make_world: Callable[..., World], version: str) -> None:
    """MS-ASRM_R353: Search asks for it to be opened; its snippet is for whom the licence lets through."""
    world = make_world(versions=(version,))
    server_id = protected(world)
    with world.open(RMS) as mailbox:
        mailbox.sync()
        mailbox.store.database.execute("DELETE FROM messages")  # as if it lay beyond the synchronised window
        (hit,) = mailbox.search_everywhere("zebra").hits
        assert (hit.found is not None, hit.subject) == (True, "Plan")
        assert hit.preview == "" or version == "16.1"  # Find gives that of the shell
        assert "zebra" not in repr(hit)
    if version != "16.1":  # Find knows nothing of rights
        with world.open(RMS, acting_for_person=True) as mailbox:
            assert "zebra" in mailbox.search_everywhere("zebra").hits[0].preview
        world.alice.protect(server_id, MockLicence(programmatic_access=True))
        with world.open(RMS) as mailbox:
            assert "zebra" in mailbox.search_everywhere("zebra").hits[0].preview
    with world.open() as mailbox:
        assert "zebra" not in repr(mailbox.search_everywhere("zebra"))


def test_no_templates(make_world: Callable[..., World]) -> None:
    for world in (make_world(), make_world(versions=["14.0"])):
        with world.open(RMS) as mailbox, pytest.raises(NotOffered):
            mailbox.templates()
    old = make_world(versions=["14.0"])
    protected(old)
    old.sync(RMS)
    with old.open(RMS) as mailbox, pytest.raises(NotOffered):
        mailbox.renew(only_of(mailbox))


def only_of(mailbox: Mailbox) -> int:
    (number,) = mailbox.store.ids()
    return number


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (168, RightsManagementOff), (169, RightsServiceBusy), (170, RightsServiceFailed), (171, UnknownTemplate),
        (172, ProtectionRefused),
    ],
)  # fmt: skip
def test_status_codes_are_typed(code: int, kind: type[Exception]) -> None:
    problem = status.error("SmartReply", code)
    assert type(problem) is kind
    if isinstance(problem, CommandFailed):
        assert problem.status == code
