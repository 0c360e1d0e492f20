"""What the store remembers of EWS, and what of it survives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from emailplus.model.changes import Wipe
from emailplus.model.ews import EwsSubscription
from emailplus.store.ews import KEEP_TOLD, EwsMemory
from emailplus.store.keys import RawKey
from emailplus.store.store import Store

ONE = EwsSubscription(
    "push", "id", "mark", 1.0, 2.0, "https://x/y", ("inbox", "inbox/A"), ("old", "older"), 60.0, 120.0
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "mailbox.db", RawKey(bytes(32)))
    yield opened
    opened.close()


def test_a_subscription_comes_back_as_it_was(store: Store) -> None:
    memory = EwsMemory(store.database, "alice")
    for kind in ("streaming", "pull", "push"):
        memory.save(replace(ONE, kind=kind))  # type: ignore[arg-type]
    assert memory.subscription("push") == ONE
    assert [each.kind for each in memory.subscriptions()] == ["push", "pull", "streaming"]
    memory.save(replace(ONE, id="new"))
    memory.forget("pull")
    assert [(each.kind, each.id) for each in memory.subscriptions()] == [("push", "new"), ("streaming", "id")]


def test_mailboxes_do_not_mix(store: Store) -> None:
    alice, bob = EwsMemory(store.database, "alice"), EwsMemory(store.database, "bob")
    alice.save(ONE)
    alice.keep_sync_state("inbox", "state", 5.0)
    alice.tell("item", 5.0)
    assert (bob.subscription("push"), bob.sync_state("inbox"), bob.untold(["item"])) == (None, None, ["item"])
    assert alice.sync_state("inbox") == ("state", 5.0)
    assert alice.untold(["item", "other", "other"]) == ["other"]


def test_what_was_told_is_let_go_after_a_while(store: Store) -> None:
    memory = EwsMemory(store.database, "alice")
    memory.tell("old", 0.0)
    memory.tell("new", KEEP_TOLD + 1)
    assert memory.untold(["old", "new"]) == ["old"]


def test_a_wipe_takes_all_of_it(store: Store) -> None:
    memory = EwsMemory(store.database, "alice")
    memory.save(ONE)
    memory.keep_sync_state("inbox", "state", 5.0)
    memory.tell("item", 5.0)
    store.apply(Wipe(account_only=True))
    assert (memory.subscriptions(), memory.sync_state("inbox"), memory.untold(["item"])) == ([], None, ["item"])
