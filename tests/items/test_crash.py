"""A run with changes of ours, stopped at every effect and taken up again: the same end, and nothing twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from emailplus.store.store import Store

from ..flows.world import KEY, World
from ..stops import every_commit
from .two import SAMPLES, devices


def everything(store: Store) -> dict[str, Any]:
    rows = store.database.all(
        "SELECT class, title, server_id LIKE 'new:%', base IS NULL, gone FROM items ORDER BY class, title"
    )
    return {"items": rows, "changes": store.database.all("SELECT kind, state FROM item_changes")}


@pytest.mark.parametrize("version", ["2.5", "14.1", "16.1"])
def test_every_commit_may_be_the_last(
    make_world: Callable[..., World], version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for stop in every_commit(monkeypatch, step=3, more_than=6):
        world = make_world()
        one, two = devices(world, version)
        classes = [name for name in SAMPLES if not (name == "Notes" and version == "2.5")]
        one.sync()
        for name in classes:
            one.create(SAMPLES[name]("mine"))
        world.alice.add_item("Contacts", [("Contacts:LastName", "theirs")])
        with stop:
            one.sync()
        one.sync()
        one.sync()
        two.sync()
        with Store.open(one.path, KEY) as store:
            found = everything(store)
        assert found["changes"] == [], stop.at
        assert len(found["items"]) == len(classes) + 1, (stop.at, found)
        assert all(not waiting and settled and not gone for _, _, waiting, settled, gone in found["items"]), stop.at
        with Store.open(two.path, KEY) as store:
            assert [row[0] for row in everything(store)["items"]] == [row[0] for row in found["items"]], stop.at
