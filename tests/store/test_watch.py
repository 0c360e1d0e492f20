"""What is to be told, as the store keeps it; a store that rests; stores of the version before."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from emailplus.errors import StoreBusy, StoreError
from emailplus.model.changes import FolderChanges, SyncWindows, Window
from emailplus.model.folder import Folder
from emailplus.model.message import Message
from emailplus.store import watch
from emailplus.store.keys import RawKey
from emailplus.store.schema import MIGRATIONS
from emailplus.store.schema import watch as schema
from emailplus.store.store import Store

from ..flows.world import KEY, NOW

HERE = ["1"]
NOON = NOW.timestamp()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "s.db", KEY, lock=True) as store:
        store.apply(FolderChanges("1", added=[Folder("1", "0", "Inbox", 2), Folder("2", "0", "Sent", 5)]))
        yield store


def window(
    store: Store,
    *names: str,
    folder: str = "1",
    key: str = "k",
    begins: bool = False,
    done: bool = False,
    read: bool = False,
) -> None:
    """Messages of these names come in one window."""
    number = store.database.scalar("SELECT id FROM folders WHERE server_id = ?", (folder,))
    added = [
        Message(server_id=name, subject=name, sender="bob@example.test", received=NOW, read=read) for name in names
    ]
    made = Window(number, key, "", begins_pass=begins, completes_pass=done, item_class="Email")
    made.added = added
    store.apply(SyncWindows([made], True))


def news(store: Store) -> list[str]:
    """Subjects of what is to be told, and it is told."""
    found = watch.collect(store.database, HERE, NOON)
    for number in found:
        watch.told(store.database, number)
    return [message.subject for message in store.messages(found)]


def first_pass(store: Store, *names: str) -> None:
    window(store, begins=True)
    window(store, *names, done=True)


def test_what_was_there_is_not_told_and_what_comes_is(store: Store) -> None:
    first_pass(store, "a", "b")
    assert not watch.begun(store.database)
    assert news(store) == []
    assert watch.begun(store.database)
    window(store, "c")
    window(store, "d", "e")
    assert news(store) == ["c", "d", "e"]
    assert news(store) == []


def test_a_watch_begins_with_what_was_synchronised_before(store: Store) -> None:
    first_pass(store, "a")
    watch.begin(store.database, HERE, NOON)
    window(store, "while the first run was under way")
    assert news(store) == ["while the first run was under way"]


@pytest.mark.parametrize("folders", [[], ["1"], ["1", "2"], ["1", "unknown"]])
def test_what_no_pass_went_through_does_not_begin_yet(store: Store, folders: list[str]) -> None:
    window(store, begins=True)
    if len(folders) == 2:
        window(store, done=True)  # the other one is not
    watch.begin(store.database, folders, NOON)
    assert not watch.begun(store.database)
    window(store, "a", done=True)
    assert news(store) == []


def test_before_the_first_watch_nothing_is_noted_down(store: Store) -> None:
    first_pass(store)
    window(store, "a")
    assert store.database.scalar("SELECT count(*) FROM arrivals") == 0
    assert news(store) == []


def test_other_folders_and_read_mail_are_not_told_later_either(store: Store) -> None:
    first_pass(store)
    window(store, begins=True, folder="2")
    window(store, done=True, folder="2")
    news(store)
    window(store, "sent", folder="2")
    window(store, "seen", read=True)
    assert news(store) == []
    store.database.execute("UPDATE messages SET read = 0")  # marked unread again
    assert news(store) == []


def test_what_a_full_pass_brings_is_new_only_if_it_is_later_than_all_that_was_known(store: Store) -> None:
    first_pass(store, "a", "b")
    news(store)
    store.database.execute("DELETE FROM messages")
    window(store, begins=True)
    window(store, "a", "b", "late", done=True)
    store.database.execute("UPDATE messages SET received = received + 60 WHERE subject = 'late'")
    assert news(store) == ["late"]


def test_a_date_of_the_future_hides_nothing(store: Store) -> None:
    first_pass(store, "a")
    store.database.execute("UPDATE messages SET received = 4e9")
    news(store)
    window(store, begins=True)
    window(store, "b", done=True)
    assert news(store) == ["b"]


def test_a_message_that_moves_keeps_its_place(store: Store) -> None:
    first_pass(store)
    news(store)
    window(store, "a")
    number = watch.collect(store.database, HERE, NOON)
    store.database.execute("UPDATE messages SET folder_id = (SELECT id FROM folders WHERE server_id = '2')")
    assert watch.collect(store.database, HERE, NOON) == []
    assert len(number) == 1


def test_reminders_are_told_once_and_forgotten_in_the_end(store: Store) -> None:
    assert not watch.reminder_told(store.database, 7, NOON)
    watch.mark_reminders(store.database, [(7, NOON)], NOON)
    assert watch.reminder_told(store.database, 7, NOON)
    assert not watch.reminder_told(store.database, 7, NOON + 1)
    watch.mark_reminders(store.database, [], NOON + watch.REMEMBERED + 1)
    assert store.database.scalar("SELECT count(*) FROM reminders_told") == 0


# -- a store that rests


def test_a_store_that_rests_opens_by_itself_and_keeps_its_lock(store: Store) -> None:
    first_pass(store, "a")
    store.database.rest()
    store.database.rest()
    with pytest.raises(StoreBusy):
        Store.open(store.path, KEY, lock=True)
    assert store.stats()["items"]["Email"] == 1
    with store.database.transaction():
        store.database.rest()  # not now
        store.database.execute("UPDATE messages SET subject = 'z'")
    store.database.rest()
    assert store.database.scalar("SELECT subject FROM messages") == "z"


def test_it_rests_under_another_key_too(store: Store) -> None:
    store.database.rekey(RawKey(bytes(reversed(KEY))))
    store.database.rest()
    assert store.stats()["folders"] == 2


def test_a_closed_or_removed_store_does_not_come_back(store: Store) -> None:
    store.database.rest()
    store.path.rename(store.path.with_suffix(".gone"))
    with pytest.raises(StoreError):
        store.stats()
    assert not store.path.exists()
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.stats()


def test_a_store_without_the_lock_does_not_rest(tmp_path: Path, store: Store) -> None:
    with Store.open(store.path, KEY) as reader:
        before = reader.database._connection
        reader.database.rest()
        assert reader.database._connection is before


def test_work_in_one_thread_and_rest_in_another(store: Store) -> None:
    first_pass(store)
    stop = threading.Event()

    def rest() -> None:
        while not stop.is_set():
            store.database.rest()

    thread = threading.Thread(target=rest)
    thread.start()
    try:
        for number in range(40):
            window(store, f"m{number}")
            assert store.stats()["items"]["Email"] == number + 1
    finally:
        stop.set()
        thread.join()


# -- migration


def test_a_filled_store_of_the_version_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = MIGRATIONS.index(schema.TABLES)
    from emailplus.store.database import Database

    old = Database.open(tmp_path / "s.db", RawKey(KEY), migrations=MIGRATIONS[:place])
    old.execute(
        "INSERT INTO folders (id, server_id, parent_id, name, type, sync_key) VALUES (1, '1', '0', 'Inbox', 2, 'k')"
    )
    old.execute("INSERT INTO messages (folder_id, server_id, pass, subject, received) VALUES (1, 'x', 0, 'old', 1)")
    old.close()
    with Store.open(tmp_path / "s.db", KEY) as store:
        assert news(store) == []
        window(store, "new")
        assert news(store) == ["new"]
        assert {message.subject for message in store.messages(list(store.ids()))} == {"old", "new"}
