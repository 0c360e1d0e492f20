"""Changes of mail made here: in the store at once, on the server with the next sync, not lost and not made twice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from emailplus.errors import ConfirmationNeeded, Declined, NotFound, ReadOnlyMailbox, UsageError
from emailplus.mailbox import AsyncMailbox
from emailplus.mock import Http, LoseResponse, Status
from emailplus.model.account import OofState, OutOfOffice
from emailplus.model.contact import Contact
from emailplus.model.mail_changes import ChangeKind
from emailplus.model.questions import DeleteMany, MoveMessages

from ..flows.world import KEY, World, deliver, mail, noise

VERSIONS = ("2.5", "12.0", "12.1", "14.0", "14.1", "16.0", "16.1")
MOVES = {"disabled_features": "move_button"}


def yes(question: Any) -> str:
    return "proceed"


def number(mailbox: Any, subject: str) -> int:
    (found,) = [m.id for m in mailbox.search("", limit=None) if m.subject == subject]
    return int(found)


def folder_of(mailbox: Any, message_id: int) -> str:
    return str(mailbox.message(message_id).folder)


def fill(world: World, count: int = 4) -> dict[str, str]:
    ids = {}
    for index in range(count):
        subject = f"mail {index}"
        ids[subject] = deliver(world.alice, mail(subject, attachments=((f"{index}.bin", noise(900, index)),)))
    world.alice.create_folder("Projects", parent="Inbox")
    world.sync()
    return ids


def on_server(world: World, subject: str) -> list[tuple[str, Any]]:
    found = []
    for folder, item in world.alice.walk():
        if f"Subject: {subject}\r\n".encode() in item.raw:
            found.append((folder.name, item))
    return found


@pytest.mark.parametrize("version", VERSIONS)
def test_changes_reach_the_server_in_every_version(make_world: Callable[..., World], version: str) -> None:
    world = make_world(versions=(version,))
    fill(world)
    with world.open(MOVES) as mailbox:
        one, two, three, four = (number(mailbox, f"mail {index}") for index in range(4))
        assert mailbox.mark_read([one, two]) == 2
        assert mailbox.mark_read([one]) == 0
        assert mailbox.flag([two]) == 1
        assert mailbox.categorise([two], "blue", "green") == 1
        assert mailbox.move([three], "Inbox/Projects") == 1
        assert mailbox.delete([four]) == 1
        assert mailbox.message(one).read
        assert folder_of(mailbox, three) == "Projects"
        with pytest.raises(NotFound):
            mailbox.message(four)
        report = mailbox.sync()
        new, old = version >= "14" and version[0] == "1", version == "2.5"
        assert report.told == (4 if old else 6 if new else 5)
        assert len(report.warnings) == (2 if old else 0 if new else 1)
        ((_, first),) = on_server(world, "mail 0")
        ((_, second),) = on_server(world, "mail 1")
        assert first.read
        assert second.read
        assert (second.flag is not None and second.flag.status == 2) is not old
        assert second.categories == (("blue", "green") if new else ())
        assert mailbox.message(two).flag_status == (0 if old else 2)  # what the version has no place for is undone
        assert mailbox.message(two).categories == (("blue", "green") if new else ())
        assert [name for name, _ in on_server(world, "mail 2")] == ["Projects"]
        assert [name for name, _ in on_server(world, "mail 3")] == ["Deleted Items"]
        # Our ids are the same as before, with everything that was there.
        assert folder_of(mailbox, three) == "Projects"
        assert folder_of(mailbox, four) == "Deleted Items"
        for index, message_id in enumerate((one, two, three, four)):
            (attachment,) = mailbox.message(message_id).attachments
            assert b"".join(mailbox.attachment(attachment.id)) == noise(900, index)
        assert [c.kind for c in mailbox.pending_changes() if c.state == "queued"] == []
        assert mailbox.sync().changed == 0
        assert len(mailbox.search("", limit=None)) == 4
    assert world.exchange.defects == []


def test_deleting_for_good(world: World) -> None:
    fill(world)
    with world.open() as mailbox:
        mailbox.delete([number(mailbox, "mail 1")], permanent=True)
        mailbox.sync()
        assert on_server(world, "mail 1") == []
        assert len(mailbox.search("", limit=None)) == 3
        assert mailbox.store.database.scalar("SELECT count(*) FROM messages") == 3


@pytest.mark.parametrize("version", ["2.5", "12.1", "14.1"])
def test_emptying_a_folder(make_world: Callable[..., World], version: str) -> None:
    world = make_world(versions=(version,))
    for index in range(3):
        deliver(world.alice, mail(f"junk {index}"), folder="Deleted Items")
    fill(world)
    deliver(world.alice, mail("never synchronised"), folder="Deleted Items")
    with world.open() as mailbox:
        with pytest.raises(ConfirmationNeeded) as needed:
            mailbox.empty_folder("Deleted Items")
        assert isinstance(needed.value.question, DeleteMany)
        assert (needed.value.question.count, needed.value.question.folder) == (3, "Deleted Items")
        assert mailbox.empty_folder("Deleted Items", confirm=yes) == 3
        assert len(mailbox.search("", limit=None)) == 4
        report = mailbox.sync()
        left = len(mailbox.search("", limit=None))
        assert mailbox.pending_changes() == []
    if version == "2.5":  # one by one: what this device never saw stays
        assert left == 5
        assert len(world.alice.items("Deleted Items")) == 1
    else:
        assert left == 4
        assert world.alice.items("Deleted Items") == []
    assert report.warnings == []


def test_a_move_asks_unless_its_key_says_otherwise(world: World) -> None:
    fill(world)
    with world.open() as mailbox:
        one = number(mailbox, "mail 0")
        with pytest.raises(ConfirmationNeeded) as needed:
            mailbox.move([one], "Projects")
        assert isinstance(needed.value.question, MoveMessages)
        assert needed.value.question.text == "Move 1 message to Projects?"
        with pytest.raises(Declined):
            mailbox.move([one], "Projects", confirm=lambda _: "cancel")
        assert mailbox.pending_changes() == []
        assert mailbox.move([one], "Projects", confirm=yes) == 1
        assert mailbox.move([one], "Projects", confirm=yes) == 1  # the same wish once more
        assert len(mailbox.pending_changes()) == 1
    with world.open(MOVES) as mailbox:
        assert mailbox.move([one], "Inbox") == 0  # and back to where the server has it
        assert mailbox.pending_changes() == []
        assert folder_of(mailbox, one) == "Inbox"
        for wrong, error in (("Nowhere", NotFound), ("Calendar", UsageError)):
            with pytest.raises(error):
                mailbox.move([one], wrong)


def test_many_deletions_ask_first(world: World) -> None:
    fill(world, 60)
    with world.open() as mailbox:
        ids = [m.id for m in mailbox.search("", limit=None)]
        assert mailbox.delete(ids[:50]) == 50
        with pytest.raises(ConfirmationNeeded) as needed:
            mailbox.delete(ids[50:51])
        assert isinstance(needed.value.question, DeleteMany)
        assert needed.value.question.count == 51
        assert mailbox.delete(ids[50:], confirm=yes) == 10
        mailbox.sync()
        assert mailbox.delete(ids[:1]) == 1
    assert len(world.alice.items("Deleted Items")) == 60


def test_read_only_refuses_every_change_and_syncs(world: World) -> None:
    fill(world)
    with world.open() as mailbox:
        one = number(mailbox, "mail 0")
        mailbox.mark_read([one])
        draft = mailbox.new(to="bob@example.test", subject="x")
    before = len(world.exchange.requests)
    with world.open(read_only=True) as mailbox:
        for call in (
            lambda: mailbox.mark_read([one]),
            lambda: mailbox.flag([one]),
            lambda: mailbox.categorise([one], "a"),
            lambda: mailbox.move([one], "Projects", confirm=yes),
            lambda: mailbox.delete([one]),
            lambda: mailbox.empty_folder("Inbox", confirm=yes),
            lambda: mailbox.send(draft),
            lambda: mailbox.save(draft),
            mailbox.flush,
            lambda: mailbox.withdraw(1),
            lambda: mailbox.discard(1),
            lambda: mailbox.create_item(Contact(last_name="x")),
            lambda: mailbox.change_item(1, last_name="y"),
            lambda: mailbox.delete_item(1),
            lambda: mailbox.delete_items([1]),
            lambda: mailbox.move_item(1, "Contacts"),
            lambda: mailbox.drop_change(1),
            lambda: mailbox.respond(one, "accept"),
            lambda: mailbox.move_conversation(one, "Projects"),
            lambda: mailbox.create_folder("x"),
            lambda: mailbox.rename_folder("Projects", "x"),
            lambda: mailbox.delete_folder("Projects"),
            lambda: mailbox.set_out_of_office(OutOfOffice(OofState.OFF)),
            lambda: mailbox.set_device_password("x"),
            lambda: mailbox.report_phishing(one),
        ):
            with pytest.raises(ReadOnlyMailbox):
                call()
        mailbox.sync()
        assert len(mailbox.pending_changes()) == 1
    assert all(b"Commands" not in r.body for r in list(world.exchange.requests)[before:])
    assert not on_server(world, "mail 0")[0][1].read
    with world.open() as mailbox:
        mailbox.sync()
    assert on_server(world, "mail 0")[0][1].read


# Both sides.


@pytest.mark.parametrize("policy", ["server_wins", "client_wins", "keep_both"])
def test_a_message_changed_on_both_sides(make_world: Callable[..., World], policy: str) -> None:
    world = make_world(versions=("14.1",))
    ids = fill(world)
    with world.open() as mailbox:
        one = number(mailbox, "mail 0")
        mailbox.categorise([one], "ours", conflict=policy)
        world.alice.categorise(ids["mail 0"], "theirs")
        mailbox.sync()
        mailbox.sync()
        wanted = {"server_wins": {"theirs"}, "client_wins": {"ours"}, "keep_both": {"ours", "theirs"}}[policy]
        assert set(on_server(world, "mail 0")[0][1].categories) == wanted
        assert set(mailbox.message(one).categories) == wanted
        assert [c.state for c in mailbox.pending_changes()] == (["failed"] if policy == "server_wins" else [])
        with pytest.raises(UsageError, match="conflict"):
            mailbox.mark_read([one], conflict="nobody")


def test_a_message_gone_on_the_server(world: World) -> None:
    ids = fill(world)
    with world.open(MOVES) as mailbox:
        numbers = [number(mailbox, f"mail {index}") for index in range(4)]
        mailbox.mark_read(numbers[:1])
        mailbox.move(numbers[1:2], "Projects")
        mailbox.delete(numbers[2:3])
        for subject in ("mail 0", "mail 1", "mail 2"):
            world.alice.delete(ids[subject])
        mailbox.sync()
        mailbox.sync()
        assert [m.subject for m in mailbox.search("", limit=None)] == ["mail 3"]
        assert mailbox.pending_changes() == []


def test_a_message_moved_elsewhere_meanwhile_keeps_its_id(world: World) -> None:
    ids = fill(world)
    with world.open(MOVES) as mailbox:
        one = number(mailbox, "mail 0")
        mailbox.move([one], "Projects")
        world.alice.move(ids["mail 0"], "Junk Email")
        mailbox.sync()
        assert folder_of(mailbox, one) == "Junk Email"
        assert len(mailbox.search("", limit=None)) == 4


def test_changes_wait_while_the_server_is_away(world: World) -> None:
    fill(world)
    with world.open(MOVES) as mailbox:
        one, two, three = (number(mailbox, f"mail {index}") for index in range(3))
        mailbox.mark_read([one])
        mailbox.move([two], "Projects")
        mailbox.delete([three])
        world.exchange.faults.add(Http(503, headers={"Retry-After": "3600"}), "Sync", times=1)
        mailbox.sync()
        assert len(mailbox.pending_changes()) == 0  # the second try of the same run
        mailbox.mark_read([one], False)
    with world.open() as mailbox:
        assert not mailbox.message(one).read
        (change,) = mailbox.pending_changes()
        assert (change.kind, change.value, change.before) == (ChangeKind.READ, "0", "1")
        mailbox.sync()
    assert not on_server(world, "mail 0")[0][1].read


def test_changes_survive_a_lost_state(world: World) -> None:
    """The server forgets its sync state: a full pass, and the changes go after it."""
    fill(world)
    with world.open(MOVES) as mailbox:
        one, two, three = (number(mailbox, f"mail {index}") for index in range(3))
        mailbox.mark_read([one])
        mailbox.move([two], "Projects")
        mailbox.delete([three])
        world.exchange.forget_sync_state("alice")
        mailbox.sync()
        mailbox.sync()
        assert mailbox.pending_changes() == []
        assert on_server(world, "mail 0")[0][1].read
        assert [name for name, _ in on_server(world, "mail 1")] == ["Projects"]
        assert [name for name, _ in on_server(world, "mail 2")] == ["Deleted Items"]
        assert folder_of(mailbox, two) == "Projects"
        assert len(mailbox.search("", limit=None)) == 4


@pytest.mark.parametrize("version", ["2.5", "14.1"])
def test_an_answer_that_is_lost(make_world: Callable[..., World], version: str) -> None:
    world = make_world(versions=(version,))
    fill(world)
    with world.open(MOVES) as mailbox:
        one, two, three = (number(mailbox, f"mail {index}") for index in range(3))
        mailbox.mark_read([one])
        mailbox.move([two], "Projects")
        mailbox.delete([three])
        world.exchange.faults.add(LoseResponse(), "Sync")
        world.exchange.faults.add(LoseResponse(), "MoveItems")
        mailbox.sync()
        assert mailbox.pending_changes() == []
        assert folder_of(mailbox, two) == "Projects"
        assert folder_of(mailbox, three) == "Deleted Items"
        assert len(mailbox.search("", limit=None)) == 4
        assert mailbox.sync().added == 0
    assert on_server(world, "mail 0")[0][1].read


def test_a_refused_move_is_undone_and_told(world: World) -> None:
    fill(world)
    with world.open(MOVES) as mailbox:
        one = number(mailbox, "mail 0")
        mailbox.move([one], "Projects")
        world.alice.delete_folder("Projects")
        report = mailbox.sync()
        assert folder_of(mailbox, one) == "Inbox"
        assert any("the folder of 'mail 0' was not changed" in warning for warning in report.warnings)
        world.exchange.faults.add(Status(110), "MoveItems")
        mailbox.move([one], "Junk Email")
        report = mailbox.sync()
        assert any("wait for the next run" in warning for warning in report.warnings)
        assert on_server(world, "mail 0")[0][0] == "Junk Email"  # the second push of the run


def test_what_is_only_here_can_be_exported(world: World) -> None:
    fill(world)
    with world.open() as mailbox:
        one = number(mailbox, "mail 0")
        mailbox.mark_read([one])
        mailbox.save(mailbox.new(to="bob@example.test", subject="Draft", text="Ä"))
        mailbox.create_item(Contact(last_name="Lee", picture=b"\xff"))
        world.exchange.faults.add(Http(503, headers={"Retry-After": "3600"}), "SendMail")
        mailbox.send(mailbox.new(to="bob@example.test", subject="Waiting", text="Ö"))
        written = json.loads(json.dumps(mailbox.export_pending()))
    (change,) = written["changes"]
    assert (change["kind"], change["subject"], change["value"]) == ("read", "mail 0", "1")
    assert [(d["subject"], d["text"]) for d in written["drafts"]] == [("Draft", "Ä")]
    (item,) = written["items"]
    assert (item["kind"], item["class"], item["values"]["last_name"]) == ("add", "Contacts", "Lee")
    (waiting,) = written["outbox"]
    assert waiting["state"] == "queued"
    assert "Subject: Waiting" in waiting["mime"]


def test_wrong_values(world: World) -> None:
    fill(world, 1)
    with world.open() as mailbox:
        one = number(mailbox, "mail 0")
        with pytest.raises(UsageError):
            mailbox.flag([one], "red")
        for wrong in (["a\nb"], [""], [str(count) for count in range(301)]):
            with pytest.raises(UsageError):
                mailbox.categorise([one], *wrong)
        assert mailbox.mark_read([999_999]) == 0
        assert mailbox.flag([one], "complete") == 1
        assert mailbox.categorise([one], " a ", "a") == 1
        mailbox.sync()
        ((_, item),) = on_server(world, "mail 0")
        assert (item.flag.status, item.categories) == (1, ("a",))
        mailbox.flag([one], "none")
        mailbox.categorise([one])
        mailbox.sync()
        assert (item.flag, item.categories) == (None, ())


def test_the_async_twin(world: World) -> None:
    fill(world)

    async def go() -> list[int]:
        async with await AsyncMailbox.open(world.config(), store=world.path, key=KEY) as mailbox:
            ids = [m.id for m in await mailbox.search("", limit=None)]
            counts = [
                await mailbox.mark_read(ids),
                await mailbox.flag(ids[:1]),
                await mailbox.categorise(ids[:1], "a"),
                await mailbox.move(ids[1:2], "Projects", confirm=yes),
                await mailbox.delete(ids[2:3]),
                await mailbox.empty_folder("Junk Email", confirm=yes),
                len(await mailbox.pending_changes()),
                len((await mailbox.export_pending())["changes"]),
            ]
            await mailbox.sync()
            await mailbox.flush()
            return [*counts, len(await mailbox.pending_changes())]

    assert asyncio.run(go()) == [4, 1, 1, 1, 1, 0, 8, 8, 0]
