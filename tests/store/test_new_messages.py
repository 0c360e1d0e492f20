"""New messages of one window, which are written together: ids, twins, and what is named twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emailplus.model.changes import EndRun
from emailplus.store.store import Store

from .mail import attachment, message, new_store, window


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with new_store(tmp_path / "mailbox.db") as opened:
        yield opened


def rows(store: Store) -> list[tuple[Any, ...]]:
    return store.database.all(
        "SELECT m.id, m.server_id, CAST(b.data AS TEXT) FROM messages m "
        "LEFT JOIN bodies b ON b.message_id = m.id ORDER BY m.id"
    )


def test_each_gets_its_own_body_and_attachments(store: Store) -> None:
    added = [
        message("5:1", "One", "first", attachments=[attachment("a.txt"), attachment("b.txt")]),
        message("5:2", "Two"),
        message("5:3", "Three", "third", attachments=[attachment("c.txt")]),
    ]
    assert window(store, begins_pass=True, added=added).added == 3
    assert rows(store) == [(1, "5:1", "first"), (2, "5:2", None), (3, "5:3", "third")]
    assert store.database.all("SELECT message_id, name FROM attachments ORDER BY id") == [
        (1, "a.txt"),
        (1, "b.txt"),
        (3, "c.txt"),
    ]


def test_ids_are_never_given_again(store: Store) -> None:
    window(store, begins_pass=True, added=[message("5:1", "One"), message("5:2", "Two")])
    window(store, deleted=["5:1", "5:2"])
    store.apply(EndRun(None))
    window(store, added=[message("5:3", "Three")])
    window(store, folder=2, begins_pass=True, added=[message("7:1", "Four")])
    assert [row[:2] for row in rows(store)] == [(3, "5:3"), (4, "7:1")]


def test_the_last_word_counts_for_one_named_twice(store: Store) -> None:
    counts = window(store, begins_pass=True, added=[message("5:1", "Draft", "one"), message("5:1", "Final", "two")])
    assert (counts.added, counts.changed) == (1, 1)
    assert rows(store) == [(1, "5:1", "two")]


def test_equal_mails_take_over_one_row_each(store: Store) -> None:
    same = {"subject": "Reminder", "text": "again"}
    window(store, begins_pass=True, completes_pass=True, added=[message("5:1", **same), message("5:2", **same)])
    window(store, begins_pass=True)
    anew = [message(f"5:{number}", **same) for number in (11, 12, 13)]
    counts = window(store, completes_pass=True, added=anew)
    assert (counts.added, counts.deleted) == (1, 0)
    assert [row[:2] for row in rows(store)] == [(1, "5:11"), (2, "5:12"), (3, "5:13")]


def test_a_copy_leaves_the_row_of_its_original_alone(store: Store) -> None:
    same = {"subject": "Reminder", "text": "again"}
    window(store, begins_pass=True, completes_pass=True, added=[message("5:1", **same)])
    window(store, begins_pass=True)
    window(store, completes_pass=True, added=[message("5:2", **same), message("5:1", **same)])
    assert [row[:2] for row in rows(store)] == [(1, "5:1"), (2, "5:2")]


def test_one_named_twice_takes_over_a_row_once(store: Store) -> None:
    same = {"subject": "Reminder", "text": "again"}
    window(store, begins_pass=True, completes_pass=True, added=[message("5:1", **same)])
    window(store, begins_pass=True)
    window(store, completes_pass=True, added=[message("5:9", **same), message("5:9", **same)])
    assert [row[:2] for row in rows(store)] == [(1, "5:9")]
