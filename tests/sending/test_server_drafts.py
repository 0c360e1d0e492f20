"""Drafts on the server from 16.0 on: two devices, both directions, conflicts, attachments, lost answers, sending.

MS-ASEMAIL_R1488, R1489, R1490, R1494, MS-ASAIRS_R1006, R1138, R1336, MS-ASCMD_R5916.
"""

from __future__ import annotations

import email
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from email.policy import default
from typing import Any

import pytest

from emailplus.mailbox import Mailbox
from emailplus.mock import Drop, LoseResponse, Status
from emailplus.model.draft import Draft, DraftAttachment
from emailplus.model.outbox import OutboxState

from ..flows.world import KEY, World, deliver, mail, noise
from ..items.two import Device, devices
from ..stops import every_commit, given_up

NEW = ("16.0", "16.1")
OLD = ("2.5", "12.1", "14.1")
RICH = {"enabled_features": "richtext_email_support"}


def on_server(world: World) -> list[Any]:
    return [email.message_from_bytes(item.raw, policy=default) for item in world.alice.items("Drafts")]


def write(device: Device, **values: Any) -> int:
    """A new draft; or, with `id`, a saved one with other values."""

    def save(mailbox: Mailbox) -> int:
        number = values.pop("id", None)
        if number is not None:
            return mailbox.save(replace(mailbox.draft(number), **values))
        more = {name: values.pop(name) for name in ("importance", "bcc_later") if name in values}
        return mailbox.save(replace(mailbox.new(**values), **more))

    return device.do(save)


def drafts(device: Device) -> list[Draft]:
    return device.do(lambda mailbox: [mailbox.draft(stored.id) for stored in reversed(mailbox.drafts())])


def only(device: Device) -> Draft:
    (found,) = drafts(device)
    return found


def facts(draft: Draft) -> Any:
    files = [(a.name, a.content, a.content_id) for a in draft.attachments]
    people = [[person.address for person in group] for group in (draft.to, draft.cc, draft.bcc)]
    return draft.subject, people, " ".join(draft.text.split()), draft.importance, files


@pytest.fixture
def pair(make_world: Callable[..., World]) -> Callable[..., tuple[Device, Device]]:
    def made(version: str, **more: Any) -> tuple[Device, Device]:
        one, two = devices(make_world(), version, **more)
        one.sync()
        two.sync()
        return one, two

    return made


Pair = Callable[..., tuple[Device, Device]]
WHOLE: dict[str, Any] = {
    "to": "Bob <bob@example.test>", "cc": "carol@example.test", "bcc": "dave@example.test", "subject": "Plän",
    "text": "first words\n",
}  # fmt: skip


@pytest.mark.parametrize("version", NEW)
def test_a_draft_is_on_both_devices(pair: Pair, version: str) -> None:
    one, two = pair(version)
    files = [DraftAttachment(name="a.bin", content=noise(3000)), DraftAttachment(name="b.txt", content=b"two")]
    mine = write(one, **WHOLE, attachments=files, importance=2)
    assert on_server(one.world) == []
    one.sync()
    (there,) = on_server(one.world)
    assert (there["Subject"], there["Bcc"], there["Importance"]) == ("Plän", "dave@example.test", "high")
    two.sync()
    here, other = only(one), only(two)
    assert here.id == mine
    assert facts(here) == facts(other)
    assert [a.content for a in other.attachments] == [noise(3000), b"two"]
    for device in (one, two):  # nothing is left to be told, nothing comes twice
        report = device.sync()
        assert (report.added, report.changed, report.deleted) == (0, 0, 0)
        (listed,) = device.do(lambda mailbox: mailbox.drafts())
        assert listed.server_id == one.world.alice.items("Drafts")[0].server_id
        (message,) = device.do(lambda mailbox: mailbox.search("in:drafts"))
        assert message.subject == "Plän"
        contents = device.do(lambda mailbox, m=message: [mailbox.message(m.id).attachments])
        assert [(a.name, a.state) for a in contents[0]] == [("a.bin", "stored"), ("b.txt", "stored")]
    assert len(on_server(one.world)) == 1


@pytest.mark.parametrize("version", NEW)
def test_changes_go_both_ways(pair: Pair, version: str) -> None:
    one, two = pair(version)
    mine = write(one, **WHOLE, attachments=[DraftAttachment(name="a.bin", content=b"one")])
    one.sync()
    two.sync()
    theirs = only(two)
    write(two, id=theirs.id, subject="second", text="other words\n", cc=())
    two.sync()
    one.sync()
    assert facts(only(one)) == facts(only(two))
    assert (only(one).subject, only(one).id, only(one).cc) == ("second", mine, ())
    added = (*only(one).attachments, DraftAttachment(name="c.bin", content=noise(900, 2)))
    write(one, id=mine, attachments=added)
    one.sync()
    two.sync()
    assert [(a.name, a.content) for a in only(two).attachments] == [("a.bin", b"one"), ("c.bin", noise(900, 2))]
    write(two, id=theirs.id, attachments=only(two).attachments[1:])
    two.sync()
    one.sync()
    assert [(a.name, a.content) for a in only(one).attachments] == [("c.bin", noise(900, 2))]
    assert [part.get_filename() for part in on_server(one.world)[0].iter_attachments()] == ["c.bin"]
    assert only(one).id == mine


@pytest.mark.parametrize("version", NEW)
@pytest.mark.parametrize("policy", ["server_wins", "client_wins", "keep_both"])
def test_a_draft_changed_on_both(pair: Pair, version: str, policy: str) -> None:
    one, two = pair(version, conflicts=policy)
    mine = write(one, **WHOLE)
    one.sync()
    two.sync()
    write(two, id=only(two).id, text="server's\n")
    two.sync()
    write(one, id=mine, text="client's\n")
    report = one.sync()
    one.sync()
    two.sync()
    expected = {"server_wins": ["server's"], "client_wins": ["client's"], "keep_both": ["client's", "server's"]}[policy]
    for device in (one, two):
        assert sorted(draft.text.strip() for draft in drafts(device)) == expected
    assert len(on_server(one.world)) == len(expected)
    assert any("changed on both sides" in line for line in report.warnings) == (policy != "client_wins")


@pytest.mark.parametrize("version", NEW)
def test_deletions_reach_the_other_side(pair: Pair, version: str) -> None:
    one, two = pair(version)
    first, second = write(one, **WHOLE), write(one, **{**WHOLE, "subject": "kept"})
    one.sync()
    two.sync()
    one.do(lambda mailbox: mailbox.discard(first))
    write(two, id=drafts(two)[1].id, text="edited while it is deleted\n")
    one.do(lambda mailbox: mailbox.discard(second))
    one.sync()
    assert on_server(one.world) == []
    assert one.world.alice.items("Deleted Items") == []
    report = two.sync()
    two.sync()
    one.sync()
    assert any("was deleted on the server" in line for line in report.warnings)
    assert [d.text.strip() for d in drafts(two)] == [d.text.strip() for d in drafts(one)] == [
        "edited while it is deleted"
    ]  # fmt: skip
    assert len(on_server(one.world)) == 1


@pytest.mark.parametrize("fault", [Drop(), LoseResponse()], ids=["cut before", "cut after"])
@pytest.mark.parametrize("edited", [False, True])
@pytest.mark.parametrize("forget", [False, True])
def test_a_lost_answer_makes_no_double(pair: Pair, fault: Any, edited: bool, forget: bool) -> None:
    one, two = pair("16.1")
    number = write(one, **WHOLE)
    one.world.exchange.faults.add(fault, "Sync")
    with given_up():
        one.sync()
    if edited:
        write(one, id=number, text="better\n")
    if forget:
        one.world.exchange.forget_sync_state("alice")
    one.sync()
    one.sync()
    two.sync()
    assert len(on_server(one.world)) == 1
    assert only(one).id == number
    assert only(one).text == only(two).text == ("better\n" if edited else "first words\n")


def test_every_commit_may_be_the_last(make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch) -> None:
    for stop in every_commit(monkeypatch, step=4, more_than=8):
        one, two = devices(make_world(), "16.1")
        one.sync()
        two.sync()
        number = write(one, **WHOLE, attachments=[DraftAttachment(name="a.bin", content=b"one")])
        write(two, to="eve@example.test", subject="theirs", text="from two\n")
        two.sync()
        with stop:
            one.sync()
        one.sync()
        one.sync()
        two.sync()
        assert sorted(d["Subject"] for d in on_server(one.world)) == ["Plän", "theirs"], stop.at
        assert sorted(map(repr, map(facts, drafts(one)))) == sorted(map(repr, map(facts, drafts(two))))
        assert number in {draft.id for draft in drafts(one)}


@pytest.mark.parametrize("version", NEW)
def test_a_draft_that_is_sent_leaves_the_server(pair: Pair, version: str) -> None:
    one, two = pair(version)
    number = write(one, **WHOLE)
    one.sync()
    two.sync()
    other = only(two)
    entry = two.do(lambda mailbox: mailbox.send(mailbox.draft(other.id)))
    assert entry.state is OutboxState.CONFIRMED
    two.sync()
    assert on_server(one.world) == []
    one.sync()
    assert drafts(one) == []
    assert len(one.world.exchange.user("bob").items()) == 1
    assert number


@pytest.mark.parametrize("version", NEW)
def test_an_answer_keeps_its_thread_and_its_form(pair: Pair, version: str) -> None:
    one, two = pair(version, keys=RICH)
    deliver(one.world.alice, mail("Question", "What now?\n"))
    one.sync()

    def answer(mailbox: Mailbox) -> int:
        (found,) = mailbox.search("in:inbox")
        return mailbox.save(mailbox.reply(found.id, text="This.\n", html="<p>This.</p>"))

    number = one.do(answer)
    one.sync()
    before = one.do(lambda mailbox: mailbox.draft(number))
    one.sync()
    after = one.do(lambda mailbox: mailbox.draft(number))
    assert before == after
    assert after.quote is not None
    two.sync()
    assert "What now?" in only(two).text
    assert "<p>This.</p>" in only(two).html
    write(two, id=only(two).id, text="That.\n", html="<p>That.</p>")
    two.sync()
    one.sync()
    changed = one.do(lambda mailbox: mailbox.draft(number))
    assert "That." in changed.text
    assert (changed.in_reply_to, changed.kind, changed.quote) == (before.in_reply_to, before.kind, None)


@pytest.mark.parametrize("version", OLD)
def test_below_16_drafts_stay_here(pair: Pair, version: str) -> None:
    one, two = pair(version)
    write(one, **WHOLE)
    one.sync()
    two.sync()
    assert on_server(one.world) == []
    assert drafts(two) == []
    assert only(one).subject == "Plän"


def test_drafts_come_whole_whatever_their_age(pair: Pair) -> None:
    one, two = pair("16.1", keys={"email_max_sync_period": "1", "email_default_sync_period": "1"})
    number = write(one, **WHOLE)
    one.sync()
    one.world.clock.now += timedelta(days=90)
    one.sync()
    two.sync()
    assert only(one).id == number
    assert only(two).subject == "Plän"
    assert len(on_server(one.world)) == 1


def test_what_others_leave_in_drafts_is_taken_as_far_as_it_can_be_read(pair: Pair) -> None:
    one, _ = pair("16.1")
    half = mail("half", "text\n").replace(b"To: alice@example.test", b"To: bo, carol@example.test")
    box = one.world.alice
    drafts_folder = box.folder("Drafts").server_id
    for raw in (half, mail("files", attachments=(("../../a.bin", b"x"),)), b"no header at all"):
        box.deliver(raw, drafts_folder, draft=True)
    deliver(box, mail("beside"))
    report = one.sync()
    found = {draft.subject: draft for draft in drafts(one)}
    assert [person.address for person in found["half"].to] == ["carol@example.test"]
    assert [(a.name, a.content) for a in found["files"].attachments] == [("../../a.bin", b"x")]
    assert report.added == 4
    assert len(found) == 3
    assert one.sync().changed == 0
    assert len(box.items("Drafts")) == 3


def test_what_the_server_refuses_stays_here_and_is_said_once(pair: Pair) -> None:
    one, _ = pair("16.1")
    number = write(one, **WHOLE)
    one.world.exchange.faults.add(Status(6), "Sync")
    one.sync()
    one.sync()
    assert only(one).id == number


def test_read_only_tells_nothing(pair: Pair) -> None:
    one, _ = pair("16.1")
    write(one, **WHOLE)
    with Mailbox.open(one.config(), store=one.path, key=KEY, read_only=True) as mailbox:
        mailbox.sync(version="16.1")
    assert on_server(one.world) == []
