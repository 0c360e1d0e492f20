"""Sync answers in the store: adds, changes, deletes, full passes, moves, quarantine, retention, and ids only."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from emailplus.errors import NotFound, StoreError
from emailplus.model.changes import (
    EndRun,
    FolderChanges,
    IndexMessages,
    ItemChange,
    QuarantinedItem,
    ResetCollections,
    SyncCounts,
    SyncWindows,
    TakeTroubles,
    Window,
    Wipe,
)  # fmt: skip
from emailplus.model.folder import Folder
from emailplus.model.message import Body
from emailplus.model.queries import MailCollections
from emailplus.store.search import search
from emailplus.store.store import Store
from tests.store.mail import attachment, index_all, message, new_store, window


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with new_store(tmp_path / "mailbox.db") as opened:
        yield opened


def held(store: Store) -> dict[str, int]:
    return {item.server_id: item.id for item in store.messages(list(store.ids()))}


def keys(store: Store) -> dict[int, tuple[str, bool]]:
    return {item.folder_id: (item.sync_key, item.pass_open) for item in store.load(MailCollections())}


def test_an_answer_and_its_key_are_one(store: Store) -> None:
    assert window(store, key="k1", added=[message("a"), message("b")]) == SyncCounts(added=2)
    bad = message("c")
    bad.preview = object()  # type: ignore[assignment]
    with pytest.raises(StoreError):
        store.apply(SyncWindows([Window(2, "x", "", added=[message("z")]), Window(1, "k2", "", added=[bad])]))
    assert set(held(store)) == {"a", "b"}
    assert keys(store)[1] == ("k1", False)
    assert keys(store)[2] == ("0", False)


def test_the_same_answer_twice_adds_nothing(store: Store) -> None:
    mail = [message("a", text="hello", attachments=[attachment("f")]), message("b", received=None, sender="")]
    window(store, added=mail)
    before = held(store)
    index_all(store)
    assert window(store, added=mail) == SyncCounts(unchanged=2)
    assert held(store) == before
    assert store.stats()["unindexed"] == 0
    assert window(store, added=[message("a", "New", text="hello", attachments=[attachment("f")])]).changed == 1


def test_a_change_touches_what_it_names_only(store: Store) -> None:
    window(store, added=[message("a", text="body", categories=("Red",), cc="cc@example.com")])
    index_all(store)
    counts = window(store, changed=[ItemChange("a", {"read": True, "flag_status": 2}), ItemChange("unknown", {})])
    assert counts == SyncCounts(changed=1)
    mail = store.message(1)
    assert (mail.read, mail.flag_status, mail.categories, mail.cc, mail.text) == (
        True, 2, ("Red",), "cc@example.com", "body"
    )  # fmt: skip
    assert store.stats()["unindexed"] == 0
    window(store, changed=[ItemChange("a", {"subject": "Other", "categories": ()})])
    assert (store.message(1).subject, store.message(1).categories) == ("Other", ())
    assert store.stats()["unindexed"] == 1
    window(store, changed=[ItemChange("a", {"body": Body(2, b"<p>new</p>", 10), "body_state": "stored"})])
    assert store.message(1).html == "<p>new</p>"
    index_all(store)
    assert search(store.database, "new other") == [1]
    assert search(store.database, "body") == []


def test_delete_and_soft_delete_are_counted_apart(store: Store) -> None:
    window(store, added=[message("a"), message("b"), message("c")])
    counts = window(store, deleted=["a", "unknown"], soft_deleted=["b"])
    assert counts == SyncCounts(deleted=1, expired=1)
    assert set(held(store)) == {"c"}
    with pytest.raises(NotFound):
        store.message(1)
    store.apply(EndRun())
    assert store.database.all("SELECT server_id FROM messages") == [("c",)]


def test_a_full_pass_removes_at_its_end_only(store: Store) -> None:
    window(store, added=[message(name, name) for name in "abc"], begins_pass=True, completes_pass=True)
    before = held(store)
    store.apply(ResetCollections([1]))
    assert keys(store)[1] == ("0", False)
    window(store, key="1", begins_pass=True)
    window(store, key="2", added=[message("a", "a")])
    assert held(store) == before
    assert keys(store)[1] == ("2", True)
    # Cut here and begun again: what the first pass met proves nothing any more.
    store.apply(ResetCollections([]))
    window(store, key="1", begins_pass=True)
    window(store, key="2", added=[message("b", "b")])
    counts = window(store, key="3", added=[message("d", "d")], completes_pass=True)
    assert (counts.added, counts.deleted) == (1, 2)
    assert set(held(store)) == {"b", "d"}
    assert held(store)["b"] == before["b"]
    assert window(store, key="4", completes_pass=True) == SyncCounts()
    assert set(held(store)) == {"b", "d"}


def test_a_change_during_a_pass_proves_presence(store: Store) -> None:
    window(store, added=[message("a")])
    window(store, begins_pass=True)
    window(store, changed=[ItemChange("a", {"read": True})], completes_pass=True)
    assert set(held(store)) == {"a"}


def test_new_server_ids_of_the_same_mail_keep_our_id_and_contents(store: Store) -> None:
    window(store, added=[message("old", text="body", attachments=[attachment("f", reference="r1")])])
    window(store, begins_pass=True)
    counts = window(store, added=[message("new", text="body", attachments=[attachment("f", reference="r2")])],
                    completes_pass=True)  # fmt: skip
    assert held(store) == {"new": 1}
    assert counts == SyncCounts(unchanged=1)
    assert store.database.scalar("SELECT file_reference FROM attachments") == "r2"


@pytest.mark.parametrize("first", [1, 2])
def test_a_move_keeps_the_id(store: Store, first: int) -> None:
    window(store, first, added=[message("a", text="body")])
    other = 3 - first
    windows = [Window(1, "2", ""), Window(2, "2", "")]
    windows[first - 1].deleted = ["a"]
    windows[other - 1].added = [message("b", text="body")]
    store.apply(SyncWindows(windows))
    assert held(store) == {"b": 1}
    assert store.message(1).folder == ("Inbox", "Archive")[other - 1]
    assert store.message(1).text == "body"
    store.apply(EndRun())
    assert held(store) == {"b": 1}


def test_a_move_in_two_answers_keeps_the_id_within_a_run(store: Store) -> None:
    window(store, 1, added=[message("a")])
    window(store, 1, deleted=["a"])
    assert window(store, 2, added=[message("b")]).unchanged == 1
    assert held(store) == {"b": 1}
    window(store, 2, deleted=["b"])
    store.apply(EndRun())
    window(store, 1, added=[message("c")])
    assert held(store) == {"c": 2}


def test_a_copy_is_not_a_move(store: Store) -> None:
    window(store, 1, added=[message("a")])
    window(store, 2, added=[message("b")])
    assert held(store) == {"a": 1, "b": 2}
    window(store, 1, deleted=["a"])
    assert held(store) == {"b": 2}


def test_twins_in_one_pass_are_both_kept(store: Store) -> None:
    """Two equal mails of which one got a new ServerId: the new one must not take the row that is named beside it."""
    window(store, added=[message("a1"), message("a2")])
    window(store, begins_pass=True)
    window(store, added=[message("n"), message("a1"), message("a2")], completes_pass=True)
    assert set(held(store)) == {"n", "a1", "a2"}
    assert (held(store)["a1"], held(store)["a2"]) == (1, 2)


def test_a_twin_is_given_once_in_a_large_answer(store: Store) -> None:
    window(store, added=[message("old", "Same")])
    window(store, begins_pass=True)
    others = [message(f"m{n}", f"Mail {n}") for n in range(900)]
    window(store, added=[message("n1", "Same"), *others, message("n2", "Same")], completes_pass=True)
    assert set(held(store)) == {"n1", "n2", *(f"m{n}" for n in range(900))}


def test_one_item_named_twice_in_an_answer(store: Store) -> None:
    counts = window(store, added=[message("a", "first"), message("a", "second")])
    assert (counts.added, counts.changed) == (1, 1)
    assert store.message(1).subject == "second"


def test_a_body_fetched_apart_gives_way_to_one_that_came_along(store: Store) -> None:
    from emailplus.model.changes import ClaimBlob, FinishBlob

    window(store, added=[message("a", body=Body(1, b"", 9, truncated=True), body_state="pending")])
    blob, _ = store.apply(ClaimBlob("body", 1))
    writer = store.blob_writer(blob)
    writer.write(b"the whole")
    writer.flush()
    store.apply(FinishBlob("body", 1, blob))
    again = message("a", body=Body(1, b"", 9, truncated=True), body_state="pending")
    assert window(store, added=[again]).unchanged == 1
    assert store.message(1).text == "the whole"
    window(store, added=[message("a", text="shorter")])
    assert store.message(1).text == "shorter"
    assert store.database.scalar("SELECT count(*) FROM chunks") == 0


def test_attachments_are_linked_again_by_what_they_are(store: Store) -> None:
    from emailplus.model.changes import StoreContents

    files = [attachment("a", 1, "r1"), attachment("a", 1, "r2"), attachment("b", 2, "r3", content_id="x")]
    window(store, added=[message("m", attachments=files)])
    store.apply(StoreContents([(n, f"c{n}".encode(), "text/plain") for n in (1, 2, 3)]))
    renamed = [attachment("a", 1, "n1"), attachment("a", 1, "n2"), attachment("b", 2, "n3", content_id="x")]
    window(store, changed=[ItemChange("m", {"attachments": renamed})])
    rows = store.database.all("SELECT id, file_reference, state FROM attachments ORDER BY id")
    assert rows == [(1, "n1", "stored"), (2, "n2", "stored"), (3, "n3", "stored")]
    window(store, changed=[ItemChange("m", {"attachments": [renamed[2], attachment("c", 5)]})])
    assert [(item.id, item.name, item.state) for item in store.attachments(1)] == [
        (3, "b", "stored"), (4, "c", "pending")
    ]  # fmt: skip
    assert b"".join(store.attachment_content(3)) == b"c3"
    assert store.database.scalar("SELECT count(*) FROM blobs") == 1


def test_quarantine(store: Store) -> None:
    window(store, added=[message("a")], begins_pass=True, completes_pass=True)
    item = QuarantinedItem("a", b"\x03raw", "no idea")
    window(store, begins_pass=True)
    assert window(store, quarantined=[item], completes_pass=True).quarantined == 1
    assert set(held(store)) == {"a"}
    assert window(store, quarantined=[item]).quarantined == 0
    assert store.database.all("SELECT raw, error FROM quarantine") == [(b"\x03raw", "no idea")]
    assert [(trouble.kind, trouble.new) for trouble in store.apply(TakeTroubles())] == [("item", True)]
    assert [trouble.new for trouble in store.apply(TakeTroubles())] == [False]
    window(store, added=[message("a")])
    assert store.stats()["quarantined"] == 0
    window(store, quarantined=[item])
    window(store, deleted=["a"])
    assert store.stats()["quarantined"] == 0


def test_mail_out_of_the_period_leaves(store: Store) -> None:
    def on(day: int) -> datetime:
        return datetime(2026, 1, day, tzinfo=UTC)

    window(store, 1, added=[message(f"a{day}", text="old", received=on(day), attachments=[attachment("f")])
                            for day in (1, 2, 3)])  # fmt: skip
    window(store, 2, added=[message("b", received=on(1))], begins_pass=True)
    window(store, 3, added=[message("c", received=None)])
    index_all(store)
    assert store.apply(EndRun(cutoff=on(2).timestamp())) == 1
    assert set(held(store)) == {"a2", "a3", "b", "c"}  # the open pass of folder 2 keeps its mail
    for table in ("bodies", "attachments"):
        assert store.database.scalar(f"SELECT count(*) FROM {table}") == 2
    assert len(search(store.database, "old")) == 2


def test_space_is_given_back(store: Store) -> None:
    window(store, added=[message(f"m{n}", text="x" * 20_000) for n in range(60)])
    pages = store.database.scalar("PRAGMA page_count")
    window(store, deleted=[f"m{n}" for n in range(60)])
    store.apply(EndRun())
    assert store.database.scalar("PRAGMA page_count") < pages / 2
    assert store.database.scalar("PRAGMA freelist_count") == 0


def test_folders_go_with_their_mail(store: Store) -> None:
    window(store, 2, added=[message("a", text="x")], quarantined=[QuarantinedItem("q", b"", "")])
    store.apply(FolderChanges("2", updated=[Folder("5", "0", "Posteingang", 2)], deleted=["7"]))
    assert [folder.name for folder, _, _ in store.folders()] == ["Posteingang", "Entwürfe"]
    assert store.stats()["items"] == {"Email": 0}
    assert store.stats()["quarantined"] == 0
    assert store.database.scalar("SELECT count(*) FROM bodies") == 0
    assert window(store, 2, added=[message("late")]) == SyncCounts()
    store.apply(FolderChanges("1", added=[Folder("9", "0", "Drafts", 3)], full=True))
    assert [(folder.server_id, folder.name) for folder, _, _ in store.folders()] == [("9", "Drafts")]
    assert store.account()["folder_sync_key"] == "1"


# -- nothing kept ------------------------------------------------------------------------------------------------------

_MARKERS = ("Zyxsubject", "zyxbody", "zyxsender", "zyxfile", "zyxcontent", "zyxcategory", "zyxpreview")


def marked(server_id: str) -> object:
    return message(
        server_id, "Zyxsubject", "zyxbody", sender="zyxsender@example.com", categories=("zyxcategory",),
        preview="zyxpreview", attachments=[attachment("zyxfile.txt", 10, content_type="text/plain")],
    )  # fmt: skip


def leftovers(store: Store) -> set[str]:
    """The markers that any cell of any table holds, the index's own tables included."""
    found = set()
    for (table,) in store.database.all("SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'search'"):
        for row in store.database.all(f'SELECT * FROM "{table}"'):
            for cell in row:
                data = cell if isinstance(cell, bytes) else str(cell).encode()
                found |= {marker for marker in _MARKERS if marker.encode().lower() in data.lower()}
    return found


def test_ids_only_leaves_nothing_of_the_content(store: Store) -> None:
    counts = window(store, keep=False, added=[marked("a"), marked("b")])
    assert counts.added == 2
    assert leftovers(store) == set()
    assert (store.stats()["ids_only"], list(store.ids())) == (2, [])
    assert window(store, keep=False, added=[marked("a")]).added == 0
    window(store, keep=False, changed=[ItemChange("a", {"subject": "Zyxsubject", "preview": "zyxpreview"})])
    assert leftovers(store) == set()
    assert store.apply(IndexMessages()) == 0
    assert window(store, keep=False, deleted=["a"]).deleted == 1


def test_ids_only_after_a_time_with_content(store: Store) -> None:
    from emailplus.model.changes import StoreContents

    window(store, added=[marked("a"), marked("b")])
    store.apply(StoreContents([(1, b"zyxcontent", "text/plain")]))
    index_all(store)
    assert leftovers(store) == {*_MARKERS}
    store.apply(ResetCollections([]))
    window(store, keep=False, begins_pass=True)
    window(store, keep=False, added=[marked("a")], completes_pass=True)
    store.apply(EndRun())
    assert leftovers(store) == set()
    assert store.stats()["ids_only"] == 1


def test_content_after_a_time_without(store: Store) -> None:
    window(store, keep=False, added=[marked("a")])
    window(store, added=[marked("a")])
    assert store.message(1).text == "zyxbody"
    assert index_all(store) == 1


def test_an_account_wipe_leaves_nothing_but_the_file(store: Store) -> None:
    window(store, added=[marked("a")])
    index_all(store)
    store.apply(Wipe(account_only=True))
    assert leftovers(store) == set()
    assert store.account() == {}
    assert store.database.verify() == []


def test_the_index_is_complete(store: Store) -> None:
    bodies = [
        Body(1, "größer".encode(), 7),
        Body(2, b"<html><head><title>no</title></head><p>marked<b>up</b></p><script>hidden()</script>", 80),
        Body(4, b"Subject: x\r\nContent-Type: text/html\r\n\r\n<p>enveloped</p>", 50),
        Body(4, b"\xff\xfe broken \x00", 12),
    ]
    window(store, added=[message(f"m{n}", f"Nr {n}", body=body, body_state="stored") for n, body in enumerate(bodies)])
    window(store, 2, added=[message("r", "refused one", body=Body(1, b"", 5), body_state="refused")])
    assert index_all(store) == 5
    found = {word: search(store.database, word) for word in ("grosser", "größer", "markedup", "hidden", "enveloped")}
    assert found == {"grosser": [], "größer": [1], "markedup": [2], "hidden": [], "enveloped": [3]}
    assert search(store.database, "refused") == [5]
    assert store.stats()["unindexed"] == 0
