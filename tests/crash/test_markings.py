"""A run that reads markings, stopped at each of its effects and run again."""

from __future__ import annotations

import json

import pytest

from emailplus.classification import ready
from emailplus.mock import Rewrite
from emailplus.store.store import Store

from ..flows.test_markings import AU, COMPANY, as_text, marked
from ..flows.world import KEY, World, deliver, noise
from . import test_every_effect
from .test_every_effect import SCENARIOS, Laboratory, Stepper, _difference


def _fill(world: World) -> None:
    deliver(world.alice, marked("header", "VER=2025.1, NS=gov.au, SEC=SECRET"))
    deliver(world.alice, marked("subject [SEC=PROTECTED]"))
    deliver(world.alice, marked("both [SEC=OFFICIAL]", "VER=2025.1, NS=gov.au, SEC=TOP-SECRET"))
    deliver(world.alice, marked("vast", "SEC=SECRET", attachments=(("a.bin", noise(400_000)),)))
    deliver(world.alice, marked("company", "Level=Confidential", name="X-Classification"))


@pytest.mark.parametrize(
    ("before", "apart"),
    [(None, False), (None, True), ({}, False), (COMPANY, True)],
    ids=["first, mime", "first, apart", "unclassified before", "other markers before"],
)
def test_stopped_at_every_effect_the_markings_are_those_of_a_whole_run(
    world: World, monkeypatch: pytest.MonkeyPatch, before: dict[str, str] | None, apart: bool
) -> None:
    if apart:
        world.exchange.faults.add(Rewrite(as_text), "Sync", times=None)
    _fill(world)
    if before is not None:
        assert Stepper(world, before, period=3).run().ended
    monkeypatch.setattr(test_every_effect, "_fill", lambda world: [])
    monkeypatch.setitem(SCENARIOS, "marked", (lambda world, ids: None, False))
    laboratory = Laboratory(world, "marked")
    laboratory.stepper = Stepper(world, AU, period=3)
    laboratory.reset()
    whole = laboratory.stepper.run()
    assert whole.ended
    wanted = world.snapshot()
    labels = {row[0]: wanted["markings"][key].label for key, row in wanted["messages"].items()}
    assert labels == {
        "header": "SEC=SECRET", "subject [SEC=PROTECTED]": "SEC=PROTECTED", "both [SEC=OFFICIAL]": "SEC=TOP-SECRET",
        "vast": "SEC=SECRET", "company": "",
    }  # fmt: skip
    for number in range(len(whole.kinds)):
        if number in whole.reading:
            continue
        laboratory.reset()
        laboratory.stepper.run(number, after=True)
        laboratory.stepper.run()
        found = world.snapshot()
        assert found == wanted, f"effect {number}: {_difference(found, wanted)}"


def test_a_killed_change_of_markers_leaves_no_marking_of_the_old_ones(world: World) -> None:
    """Between the restart and the reading a message shows no marking rather than one of other rules."""
    _fill(world)
    assert Stepper(world, AU).run().ended
    document = json.loads(ready.text("au_2025"))
    document["version"] = "2.1.0"
    other = Stepper(world, {"email_security_classification_json": json.dumps(document)})
    whole = other.run()
    assert whole.ended
    with Store.open(world.path, KEY) as store:
        store.database.execute("UPDATE account SET value = 'older' WHERE name = 'classification'")
    first = next(number for number in range(len(whole.kinds)) if _restarted(other, world, number))
    assert first
    with Store.open(world.path, KEY) as store:
        assert {message.marking for message in store.messages(list(store.ids()))} == {None}
        assert store.database.scalar("SELECT count(*) FROM marking_values") == 0


def _restarted(stepper: Stepper, world: World, number: int) -> bool:
    stepper.run(number, after=True)
    with Store.open(world.path, KEY) as store:
        return store.database.scalar("SELECT count(*) FROM markings WHERE state = 'stale'") == 5
