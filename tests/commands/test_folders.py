"""Folders made, renamed, moved and deleted: published messages, every version, lost answers, stale keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from emailplus.eas.commands import folder_create, folder_delete, folder_update, get_hierarchy
from emailplus.eas.flows import folders as flows
from emailplus.eas.wbxml import Node
from emailplus.errors import CommandFailed, MalformedResponse, NotFound, NotOffered, UsageError
from emailplus.mock import LoseResponse, Status
from emailplus.model.folder import Folder, FolderType

from ..flows.world import World, deliver, mail
from ..mock.client import Client
from ..mock.validate import problems
from .published import example

EVERY = ["2.5", "12.0", "12.1", "14.0", "14.1", "16.0", "16.1"]


def test_published_messages() -> None:
    assert folder_create.build("1", "5", "NewFolder", 12) == example(48, "request")
    assert folder_create.parse(example(49, "response")) == ("2", "13")
    assert folder_delete.build("2", "13") == example(50, "request")
    assert folder_delete.parse(example(51, "response")) == "3"
    assert folder_update.build("3", "14", "5", "NewName") == example(52, "request")
    assert folder_update.parse(example(53, "response")) == "4"
    for request in (
        folder_create.build("1", "5", "x" * 256, 17),
        folder_update.build("1", "2", "0", "x"),
        folder_delete.build("1", "2"),
    ):
        assert problems(request, "16.1", "Request") == []


def on_server(world: World) -> set[str]:
    box = world.alice
    return {box._path(folder) for folder in box.folders.values()}


@pytest.mark.parametrize("version", EVERY)
def test_a_folder_s_life_in_every_version(make_world: Callable[..., World], version: str) -> None:
    world = make_world(versions=(version,))
    with world.open() as mailbox:
        made = mailbox.create_folder("Projects", "Inbox")
        inner = mailbox.create_folder("Alpha", "Inbox/Projects")
        mailbox.create_folder("Dates", folder_type=FolderType.USER_CALENDAR)
        assert {"Inbox/Projects", "Inbox/Projects/Alpha", "Dates"} <= on_server(world)
        assert world.alice.folder("Dates").type == 13
        renamed = mailbox.rename_folder("Alpha", "Beta", parent="0")
        assert (renamed.server_id, renamed.name, renamed.parent_id) == (inner.server_id, "Beta", "0")
        assert "Beta" in on_server(world)
        assert mailbox.rename_folder("Beta", "Beta") == renamed
        mailbox.rename_folder("Beta", parent="Projects")
        deleted = mailbox.delete_folder("Inbox/Projects")
        assert deleted == made
        assert not {"Inbox/Projects", "Inbox/Projects/Beta", "Beta"} & on_server(world)
        here = {folder.name for folder, _, _ in mailbox.folders()}
        assert {"Projects", "Beta"} & here == set()
        before = len(world.exchange.requests)
        mailbox.sync()
        assert {folder.name for folder, _, _ in mailbox.folders()} == here
        keys = [r.tree for r in world.exchange.requests.of("FolderSync") if r.number > before]
        assert keys != [("FolderHierarchy:FolderSync", [("FolderHierarchy:SyncKey", "0")])]


def test_a_deleted_folder_takes_its_mail_along(world: World) -> None:
    world.alice.create_folder("Old")
    deliver(world.alice, mail("inside"), folder="Old")
    with world.open() as mailbox:
        mailbox.sync()
        assert [m.subject for m in mailbox.search()] == ["inside"]
        mailbox.delete_folder("old")
        assert mailbox.search() == []


@pytest.mark.parametrize("command", ["FolderCreate", "FolderUpdate", "FolderDelete"])
def test_a_lost_answer_does_the_work_once(world: World, command: str) -> None:
    with world.open() as mailbox:
        mailbox.create_folder("One")
        world.exchange.faults.add(LoseResponse(), command)
        if command == "FolderCreate":
            made = mailbox.create_folder("Two")
            assert made.server_id == world.alice.folder("Two").server_id
        elif command == "FolderUpdate":
            mailbox.rename_folder("One", "Two")
        else:
            mailbox.delete_folder("One")
        assert [name for name in sorted(on_server(world)) if name in ("One", "Two")] == {
            "FolderCreate": ["One", "Two"], "FolderUpdate": ["Two"], "FolderDelete": [],
        }[command]  # fmt: skip
        here = {folder.name for folder, _, _ in mailbox.folders()}
        assert here == {folder.name for folder in world.alice.folders.values()}
        mailbox.create_folder("After")  # the key is a good one


def test_a_folder_that_another_device_made_just_so_is_taken_as_ours(world: World) -> None:
    """The outcome is the same as that of a lost answer, and so is the answer: the folder exists as wished."""
    with world.open() as mailbox:
        mailbox.sync()
        world.alice.create_folder("Shared")
        assert mailbox.create_folder("Shared").server_id == world.alice.folder("Shared").server_id


def test_a_forgotten_hierarchy_is_read_again(world: World) -> None:
    with world.open() as mailbox:
        mailbox.create_folder("One")
        world.exchange.forget_sync_state("alice")
        mailbox.create_folder("Two")
        assert {"One", "Two"} <= on_server(world)


def test_what_cannot_be_done_is_refused_before_it_is_sent(world: World) -> None:
    with world.open() as mailbox:
        mailbox.create_folder("Projects", "Inbox")
        mailbox.create_folder("Projects")
        for call in (
            lambda: mailbox.create_folder("PROJECTS"),
            lambda: mailbox.create_folder(" "),
            lambda: mailbox.create_folder("x" * 257),
            lambda: mailbox.create_folder("x", folder_type=FolderType.INBOX),
            lambda: mailbox.rename_folder("Inbox/Projects", "Drafts", parent="0"),
            lambda: mailbox.rename_folder("Inbox", parent="Inbox/Projects"),
        ):
            sent = len(world.exchange.requests)
            with pytest.raises(UsageError):
                call()
            assert len(world.exchange.requests) == sent
        with pytest.raises(NotFound):
            mailbox.delete_folder("No such")
        with pytest.raises(CommandFailed) as caught:
            mailbox.delete_folder("Inbox")
        assert (caught.value.status, caught.value.action) == (3, "fix_request")


def test_names_that_several_folders_have() -> None:
    folders = [Folder("1", "0", "Inbox", 2), Folder("2", "1", "Plans", 12), Folder("3", "0", "Work", 12)]
    folders.append(Folder("4", "3", "Plans", 12))
    assert flows.find_folder(folders, "inbox/plans").server_id == "2"
    assert flows.find_folder(folders, "4").server_id == "4"
    with pytest.raises(UsageError, match="Inbox/Plans, Work/Plans"):
        flows.find_folder(folders, "plans")
    circle = [Folder("1", "2", "a", 12), Folder("2", "1", "b", 12)]
    assert flows.path(circle, circle[0]) == "b/a"
    assert flows.below(circle, "1") == {"1", "2"}


@pytest.mark.parametrize("version", ["2.5", "12.0", "12.1"])
def test_get_hierarchy(make_world: Callable[..., World], version: str) -> None:
    world = make_world(versions=(version,))
    inner = world.alice.create_folder("Projects", "Inbox")
    with world.open() as mailbox:
        found = mailbox._converse(flows.hierarchy)
    assert Folder(inner.server_id, "1", "Projects", 12) in found
    assert {folder.type for folder in found} == {2, 3, 4, 5, 6, 12}
    client = Client(world.exchange, version=version, device="other")  # its answers are validated by the schema
    client.command("GetHierarchy", None)
    client.close()


def test_get_hierarchy_ended_with_12_1(world: World) -> None:
    with world.open() as mailbox, pytest.raises(NotOffered):
        mailbox._converse(flows.hierarchy)


def test_statuses(world: World) -> None:
    with world.open() as mailbox:
        mailbox.create_folder("One")
        for code in (10, 12):
            world.exchange.faults.add(Status(code), "FolderCreate")
            with pytest.raises(CommandFailed) as caught:
                mailbox.create_folder("Two")
            assert caught.value.status == code


@pytest.mark.parametrize(
    "answer",
    [
        ("AirSync:Sync", None),
        ("FolderHierarchy:FolderCreate", None),
        ("FolderHierarchy:FolderCreate", [("FolderHierarchy:Status", "ok")]),
        ("FolderHierarchy:FolderCreate", [("FolderHierarchy:Status", "1"), ("FolderHierarchy:SyncKey", "2")]),
    ],
)
def test_hostile_answers(answer: Any) -> None:
    with pytest.raises(MalformedResponse):
        folder_create.parse(answer)


def test_hostile_hierarchies() -> None:
    nameless: Node = ("FolderHierarchy:Folders", [("FolderHierarchy:Folder", [("FolderHierarchy:Type", "2")])])
    with pytest.raises(MalformedResponse):
        get_hierarchy.parse(nameless)
    odd: Node = (
        "FolderHierarchy:Folders",
        [("FolderHierarchy:Folder", [("FolderHierarchy:ServerId", "7"), ("FolderHierarchy:Type", "9" * 5000)])],
    )
    assert get_hierarchy.parse(odd) == [Folder("7", "0", "7", 18)]
