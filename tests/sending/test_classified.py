"""Classified mail end to end: compose, stamp, send, receive on a second account, parse, reply, refuse."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from emailplus.classification import ready
from emailplus.classification.stamp import MARK_CLASS
from emailplus.cli.app import app
from emailplus.errors import ClassificationDowngrade, ClassificationRefused, ClassificationRequired
from emailplus.mailbox import Mailbox
from emailplus.model.draft import DraftAttachment
from emailplus.model.event import Event
from emailplus.model.message import Body
from emailplus.model.outbox import OutboxState

from ..flows.test_markings import AU, COMPANY, marked
from ..flows.world import KEY, NOW, World, deliver, noise
from .test_send import VERSIONS, arrived

LIST = {"email_classification_list": "SEC=UNCLASSIFIED;SEC=PROTECTED;SEC=PROTECTED,DLM=Sensitive"}
BOB = {"email_address": "bob@example.test", "email_exchange_username": "bob", "email_password": "bob-secret",
       "email_device_id": "FEDCBA9876543210FEDCBA9876543210"}  # fmt: skip


def bob(world: World, keys: dict[str, str]) -> Mailbox:
    return Mailbox.open(world.config(**{**keys, **BOB}), store=world.folder / "bob.db", key=KEY)


def only(mailbox: Mailbox, query: str = "in:inbox") -> Any:
    mailbox.sync()
    (found,) = mailbox.search(query)
    return mailbox.message(found.id)


def text_of(message: Any, kind: str = "plain") -> str:
    part = message.get_body((kind,))
    return part.get_content().replace("\r\n", "\n") if part is not None else ""


@pytest.mark.parametrize("version", VERSIONS)
def test_marked_mail_travels_and_a_reply_may_rise_but_not_fall(make_world: Callable[..., World], version: str) -> None:
    world = make_world(versions=(version,))
    with world.open(AU) as alice:
        choice = alice.classification.compose().choose("SEC", "SECRET").choose("CAVEAT", "RI:AUSTEO")
        draft = alice.new(
            to="bob@example.test", subject="Überprüfung der Haushaltspläne", text="Hello\n", html="<p>Hello</p>",
            attachments=[DraftAttachment(name="plan.bin", content=noise(3_000))],
        )  # fmt: skip
        number = alice.save(replace(draft, classification=choice.saved()))
        assert alice.send(alice.draft(number)).state is OutboxState.CONFIRMED
    (sent,) = arrived(world)
    assert sent["Subject"] == "Überprüfung der Haushaltspläne [SEC=SECRET, CAVEAT=RI:AUSTEO]"
    assert sent["X-Protective-Marking"] == (
        "VER=2025.1, NS=gov.au, SEC=SECRET, CAVEAT=RI:AUSTEO, ORIGIN=alice@example.test"
    )
    assert text_of(sent).startswith("SECRET//RI:AUSTEO\n\nHello\n")
    assert text_of(sent).rstrip().endswith("\nSECRET")
    assert text_of(sent, "html").count(MARK_CLASS) == 2
    assert next(sent.iter_attachments()).get_content() == noise(3_000)

    with bob(world, AU) as other:
        received = only(other)
        assert received.marking.label == "SEC=SECRET, CAVEAT=RI:AUSTEO"
        assert received.marking.place == "x-protective-marking"
        assert [hit.id for hit in other.search("class:SECRET")] == [received.id]
        answer = other.reply(received.id, text="On it.\n")
        lower = other.classification.reply(received.id).saved() | {"chosen": {"SEC": ["OFFICIAL"]}}
        with pytest.raises(ClassificationDowngrade, match="may not be lower"):
            other.send(replace(answer, classification=lower))
        with pytest.raises(ClassificationDowngrade):
            other.send(replace(other.forward(received.id, to="carol@example.test"), classification={"chosen": {}}))
        assert (other.outbox(), arrived(world, "carol")) == ([], [])
        higher = other.classification.reply(received.id).choose("SEC", "TOP-SECRET")
        assert other.send(replace(answer, classification=higher.saved())).state is OutboxState.CONFIRMED

    with world.open(AU) as alice:
        back = only(alice)
        assert back.marking.fields == {"SEC": ("TOP-SECRET",), "CAVEAT": ("RI:AUSTEO",)}
        assert back.subject.count("[SEC=") == 1
        assert back.text.count("TOP-SECRET") == 2
        assert "SECRET//RI:AUSTEO\n" not in back.text.replace("TOP-SECRET//RI:AUSTEO", "")
        assert [message.marking.label for message in alice.search("in:sent")] == ["SEC=SECRET, CAVEAT=RI:AUSTEO"]


def test_a_reply_without_a_choice_takes_the_marking_over(world: World) -> None:
    deliver(world.alice, marked("Plan", "VER=2025.1, NS=gov.au, SEC=PROTECTED, ACCESS=Legal-Privilege"))
    with world.open(AU) as alice:
        message = only(alice)
        alice.send(alice.reply(message.id, text="Yes"))
        alice.send(alice.forward(message.id, to="bob@example.test", text="See"))
    assert {mail["Subject"] for mail in arrived(world)} == {
        "Re: Plan [SEC=PROTECTED, ACCESS=Legal-Privilege]", "Fwd: Plan [SEC=PROTECTED, ACCESS=Legal-Privilege]",
    }  # fmt: skip
    assert {mail["X-Protective-Marking"].partition(", SEC")[2] for mail in arrived(world)} == {
        "=PROTECTED, ACCESS=Legal-Privilege, ORIGIN=alice@example.test"
    }


@pytest.mark.parametrize("version", ["12.1", "14.1", "16.1"])
def test_the_footer_stands_below_the_quotation(make_world: Callable[..., World], version: str) -> None:
    """The server is not left to add the original, though that would save the attachment's way."""
    world = make_world(versions=(version,))
    deliver(
        world.alice, marked("Plan", "SEC=SECRET", body="Original words\n", attachments=(("big.bin", noise(90_000)),))
    )
    with world.open(AU) as alice:
        message = only(alice)
        alice.send(alice.forward(message.id, to="bob@example.test", text="See"))
    with bob(world, AU) as other:
        received = only(other)
        assert received.marking.label == "SEC=SECRET"
        lines = received.text.split()
        assert (lines[0], lines[-1]) == ("SECRET", "SECRET")
        assert lines.index("See") < lines.index("Original")
        assert [attachment.name for attachment in received.attachments] == ["big.bin"]


def test_what_never_came_down_is_added_by_the_server_and_the_message_is_marked(world: World) -> None:
    deliver(world.alice, marked("Plan", "SEC=SECRET", attachments=(("big.bin", noise(1_500_000)),)))
    with world.open({**AU, "email_max_attachment": "1"}) as alice:
        message = only(alice)
        entry = alice.send(alice.forward(message.id, to="bob@example.test", text="See"))
        assert entry.command == "SmartForward"
    with bob(world, AU) as other:
        received = only(other)
        assert (received.subject, received.marking.label) == ("Fwd: Plan [SEC=SECRET]", "SEC=SECRET")
        assert received.text.startswith("SECRET")
        assert [attachment.name for attachment in received.attachments] == ["big.bin"]


def test_an_unmarked_message_does_not_leave(world: World) -> None:
    with world.open(AU) as alice:
        draft = alice.new(to="bob@example.test", subject="Plan", text="Hello")
        with pytest.raises(ClassificationRequired, match="Classification is required"):
            alice.send(draft)
        with pytest.raises(ClassificationRefused, match="COSMIC"):
            alice.send(replace(draft, classification={"chosen": {"SEC": ["COSMIC"]}}))
        assert alice.outbox() == []
        assert len(world.exchange.requests) == 0
        assert alice.send(replace(draft, subject="Plan [SEC=OFFICIAL]")).state is OutboxState.CONFIRMED
    assert [mail["Subject"] for mail in arrived(world)] == ["Plan [SEC=OFFICIAL]"]


def test_the_default_is_written_where_there_is_one(world: World) -> None:
    with world.open(COMPANY) as alice:
        alice.send(alice.new(to="bob@example.test", subject="Plan", text="Hello"))
    (mail,) = arrived(world)
    assert (mail["Subject"], mail["X-Classification"]) == ("Plan [Level: Internal]", "Level=Internal")


def test_without_classification_nothing_is_written(world: World) -> None:
    with world.open() as alice:
        alice.send(alice.new(to="bob@example.test", subject="Plan", text="Hello"))
    (mail,) = arrived(world)
    assert mail["Subject"] == "Plan"
    assert text_of(mail).startswith("Hello\n")
    assert "SEC" not in str(mail)


def test_markers_that_cannot_be_used_let_mail_through_and_are_told(world: World) -> None:
    with world.open({**LIST, "email_security_classification_json": '{"version": "2.0.0"}'}) as alice:
        alice.send(alice.new(to="bob@example.test", subject="Plan", text="Hello"))
        assert any("classification is off" in line for line in alice.sync().warnings)
    assert [mail["Subject"] for mail in arrived(world)] == ["Plan"]


def test_a_mime_message_keeps_the_marking_it_carries(world: World) -> None:
    head = b"To: bob@example.test\r\nSubject: Plan\r\nX-Protective-Marking: VER=2025.1, NS=gov.au, SEC=SECRET\r\n"
    raw = head + b"\r\nHello\r\n"
    with world.open(AU) as alice:
        alice.send(alice.draft_from(raw))
    assert [mail["Subject"] for mail in arrived(world)] == ["Plan [SEC=SECRET]"]


def test_values_are_put_into_a_draft_by_name(world: World) -> None:
    deliver(world.alice, marked("Plan", "SEC=OFFICIAL:Sensitive, CAVEAT=SH:NATIONAL-CABINET, ACCESS=Legal-Privilege"))
    with world.open(AU) as alice:
        message = only(alice)
        answer = alice.reply(message.id, text="Yes")
        assert alice.classification.of(answer).chosen["SEC"] == ("OFFICIAL:Sensitive",)
        higher = alice.classification.mark(answer, {"CAVEAT": ["SH:CABINET"], "SEC": ["SECRET"]})
        assert alice.send(higher).subject == "Re: Plan [SEC=SECRET, CAVEAT=SH:CABINET, ACCESS=Legal-Privilege]"
        with pytest.raises(ClassificationDowngrade):
            alice.classification.mark(answer, {"SEC": ["UNOFFICIAL"]})
        with pytest.raises(ClassificationRefused, match="no such field"):
            alice.classification.mark(answer, {"NOPE": ["x"]})


def test_a_new_event_is_marked_in_subject_and_body(world: World) -> None:
    start = NOW + timedelta(days=1)
    event = Event(subject="Review", start=start, end=start + timedelta(hours=1), body=Body(1, b"Room 5\n", 7))
    with world.open(COMPANY) as alice:
        alice.sync()
        first = alice.create_item(event)
        marked_event = alice.classification.mark_event(event, {"Level": ["Confidential"]})
        assert alice.classification.mark_event(marked_event) == marked_event
        second = alice.create_item(marked_event)
        alice.sync()
        assert alice.waiting_changes() == []
        made = [alice.item(number) for number in (first, second)]
        assert [item.subject for item in made] == ["Review [Level: Internal]", "Review [Level: Confidential]"]
        assert made[0].body_text.replace("\r", "").startswith("Classification: Internal\n\nRoom 5")
        assert alice.classification.read(made[1].subject).fields == {"Level": ("Confidential",)}
        alice.change_item(second, subject="Renamed")  # the marking stays ...
        assert alice.item(second).subject == "Renamed [Level: Confidential]"
        assert alice.item(second).body_text.replace("\r", "").startswith("Classification: Confidential")
        alice.change_item(second, subject="Renamed [Level: Internal]")  # ... unless another one is chosen
        assert alice.item(second).subject == "Renamed [Level: Internal]"
        alice.change_item(second, start=start + timedelta(days=1))
        assert alice.item(second).subject == "Renamed [Level: Internal]"
        page = replace(event, body=Body(2, b"<p>Room 5</p>", 13))
        assert b"color:#C00000" in alice.classification.mark_event(page, {"Level": ["Confidential"]}).body.data
        with pytest.raises(ClassificationRefused):
            alice.classification.mark_event(event, {"Level": ["Cosmic"]})
    with world.open(AU) as alice, pytest.raises(ClassificationRequired):
        alice.create_item(event)
    with world.open() as alice:
        assert alice.classification.mark_event(event) is event


def test_the_command_line_marks_what_it_sends(world: World, tmp_path: Path) -> None:
    config, key, password = tmp_path / "app.json", tmp_path / "store.key", tmp_path / "password"
    pairs = {
        "email_address": "alice@example.test", "email_device_id": "0123456789ABCDEF0123456789ABCDEF",
        "email_exchange_host": world.host, "email_exchange_username": "alice", "email_ssl_required": "false",
        "email_security_classification_json": ready.text("au_2025").replace("{", "{// ours\n", 1),
    }  # fmt: skip
    config.write_text(json.dumps(pairs))
    key.write_text("00" * 32)
    key.chmod(0o600)
    password.write_text("alice-secret")
    password.chmod(0o600)
    reading = ["--store", str(world.path), "--key-file", str(key)]
    where = [*reading, "--config", str(config), "--password-file", str(password)]
    letter = ["send", *where, "--to", "bob@example.test", "--subject", "Plan", "--text", "Hello"]
    run = CliRunner()
    refused = run.invoke(app, letter)
    assert (refused.exit_code, arrived(world)) == (6, [])
    assert "Classification is required" in refused.stderr
    assert "repaired: line 1, column 2: comment skipped" in refused.stderr
    sent = run.invoke(app, [*letter, "--mark", "SEC=SECRET", "--mark", "CAVEAT=RI:AGAO", "--mark", "CAVEAT=RI:AUSTEO"])
    assert sent.exit_code == 0, sent.stderr
    assert arrived(world)[0]["Subject"] == "Plan [SEC=SECRET, CAVEAT=RI:AGAO, CAVEAT=RI:AUSTEO]"
    assert run.invoke(app, [*letter, "--mark", "SECRET"]).exit_code == 2
    synced = run.invoke(app, ["sync", *where, "--json"])
    assert json.loads(synced.stdout)["markings"] == {"SEC=SECRET, CAVEAT=RI:AGAO, CAVEAT=RI:AUSTEO": 1}
    found = json.loads(run.invoke(app, ["search", "class:SECRET", *reading, "--json"]).stdout)
    assert found[0]["marking"]["in_effect"]["SEC"] == ["SECRET"]
    shown = run.invoke(app, ["show", str(found[0]["id"]), *reading]).stdout
    assert "SEC=SECRET, CAVEAT=RI:AGAO, CAVEAT=RI:AUSTEO" in shown.splitlines()[0]
    assert "SEC=SECRET" in run.invoke(app, ["search", *reading], terminal_width=200).stderr


# -- the older list: every key changes what leaves


def leaves(world: World, keys: dict[str, str], choice: dict[str, str] | None = None) -> Any:
    with world.open({**LIST, **keys}) as alice:
        draft = alice.new(to="bob@example.test", subject="Plan", text="Hello\n")
        if choice is not None:
            chosen = {name: [value] for name, value in choice.items()}
            draft = replace(draft, classification={"chosen": chosen})
        alice.send(draft)
    return arrived(world)[-1]


def test_the_list_switches_classification_on(world: World) -> None:
    mail = leaves(world, {}, {"SEC": "PROTECTED", "DLM": "Sensitive"})
    assert mail["Subject"] == "Plan [SEC=PROTECTED, DLM=Sensitive]"
    assert mail["X-Protective-Marking"] == (
        "VER=2012.3, NS=gov.au, SEC=PROTECTED, DLM=Sensitive, ORIGIN=alice@example.test"
    )
    assert text_of(mail).startswith("SEC=PROTECTED, DLM=Sensitive\n\nHello\n")
    assert text_of(mail).endswith("\n\nSEC=PROTECTED, DLM=Sensitive\n")


def test_the_version_begins_the_header(world: World) -> None:
    mail = leaves(world, {"email_classification_version": "VER=2012.9,NS=gov.au"}, {"SEC": "PROTECTED"})
    assert mail["X-Protective-Marking"].startswith("VER=2012.9, NS=gov.au, SEC=PROTECTED")


def test_the_default_marks_new_mail(world: World) -> None:
    assert leaves(world, {"email_classification_default": "SEC=UNCLASSIFIED"})["Subject"] == "Plan [SEC=UNCLASSIFIED]"
    with pytest.raises(ClassificationRequired):
        leaves(world, {})


def test_the_body_may_stay_as_it_is(world: World) -> None:
    mail = leaves(world, {"email_classification_body": "False"}, {"SEC": "PROTECTED"})
    assert mail["Subject"] == "Plan [SEC=PROTECTED]"
    assert "SEC=" not in text_of(mail)


def test_the_texts_of_the_refusal(world: World) -> None:
    with pytest.raises(ClassificationRequired, match=r"^Required: Mark it first$"):
        leaves(world, {"email_classification_alert_string": "Mark it first"})
    with pytest.raises(ClassificationRequired, match=r"^Stop: Classification is required$"):
        leaves(world, {"email_classification_required_string": "Stop"})


def test_the_labels_of_the_fields(world: World) -> None:
    keys = {"email_classification_security_label": "Level", "email_classification_dlm_label": "Limit"}
    with world.open({**LIST, **keys}) as alice:
        choice = alice.classification.compose().choose("SEC", "PROTECTED")
        assert [field.title for field in alice.classification.choices(choice)] == ["Level", "Limit"]
    with world.open(LIST) as alice:
        assert [field.title for field in alice.classification.choices(choice)] == ["SEC", "DLM"]


@pytest.mark.parametrize("locked", ["True", "False"])
def test_a_dlm_may_be_locked(world: World, locked: str) -> None:
    deliver(world.alice, marked("Plan", "VER=2012.3, NS=gov.au, SEC=PROTECTED, DLM=Sensitive"))
    with world.open({**LIST, "email_classification_lock_dlm": locked}) as alice:
        draft = replace(alice.reply(only(alice).id), classification={"chosen": {"SEC": ["PROTECTED"]}})
        if locked == "True":
            with pytest.raises(ClassificationDowngrade, match="fixed by the original message: Sensitive"):
                alice.send(draft)
        else:
            assert alice.send(draft).subject == "Re: Plan [SEC=PROTECTED]"


def test_the_markers_count_where_both_are_given(world: World) -> None:
    with world.open({**LIST, **COMPANY}) as alice:
        assert (
            alice.send(alice.new(to="bob@example.test", subject="Plan", text="x")).subject == "Plan [Level: Internal]"
        )


def test_a_configured_style_and_condition_reach_the_html(world: World) -> None:
    document = json.loads(ready.text("company"))
    with world.open({"email_security_classification_json": json.dumps(document)}) as alice:
        draft = alice.new(to="bob@example.test", subject="Plan", html="<p>Hello</p>")
        alice.send(replace(draft, classification={"chosen": {"Level": ["Confidential"]}}))
    page = text_of(arrived(world)[0], "html")
    assert "color:#C00000;text-align:left" in page
    assert page.index("Classification: Confidential") < page.index("Hello")
