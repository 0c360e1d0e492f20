"""A run with changes of ours, stopped at every effect and taken up again: the same end, and nothing twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from emailplus.mailbox import Mailbox
from emailplus.store.store import Store

from ..flows.world import KEY, World
from .two import SAMPLES, devices


class Stopped(BaseException):
    """The process died."""


def everything(store: Store) -> dict[str, Any]:
    rows = store.database.all(
        "SELECT class, title, server_id LIKE 'new:%', base IS NULL, gone FROM items ORDER BY class, title"
    )
    return {"items": rows, "changes": store.database.all("SELECT kind, state FROM item_changes")}


@pytest.mark.parametrize("version", ["2.5", "14.1", "16.1"])
def test_every_commit_may_be_the_last(
    make_world: Callable[..., World], version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_at = 0
    while True:
        world = make_world()
        one, two = devices(world, version)
        classes = [name for name in SAMPLES if not (name == "Notes" and version == "2.5")]
        one.sync()
        for name in classes:
            one.create(SAMPLES[name]("mine"))
        world.alice.add_item("Contacts", [("Contacts:LastName", "theirs")])
        counted = {"applies": 0}
        real = Store.apply

        def apply(self: Store, batch: Any, limit: int = stop_at, counted: Any = counted, real: Any = real) -> Any:
            counted["applies"] += 1
            if counted["applies"] == limit + 1:
                raise Stopped
            return real(self, batch)

        stopped = False
        with monkeypatch.context() as patch:
            patch.setattr(Store, "apply", apply)
            try:
                with Mailbox.open(one.config(), store=one.path, key=KEY) as mailbox:
                    mailbox.sync(version=version)
            except Stopped:
                stopped = True
        one.sync()
        one.sync()
        two.sync()
        with Store.open(one.path, KEY) as store:
            found = everything(store)
        assert found["changes"] == [], stop_at
        assert len(found["items"]) == len(classes) + 1, (stop_at, found)
        assert all(not waiting and settled and not gone for _, _, waiting, settled, gone in found["items"]), stop_at
        with Store.open(two.path, KEY) as store:
            assert [row[0] for row in everything(store)["items"]] == [row[0] for row in found["items"]], stop_at
        if not stopped:
            break
        stop_at += 3
    assert stop_at > 6
