"""A synchronisation that tells the server our changes, stopped at each effect and run again: each is made once."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable
from typing import Any

import pytest

from emailplus.flow import Commit, Http, HttpToSink

from ..flows.world import World, deliver, mail, noise
from .test_every_effect import KEYS, TORTURE, Stepper


class Laboratory:
    """Changes of every kind wait; the server and the store are put back for every stop."""

    def __init__(self, world: World) -> None:
        self.world = world
        world.alice.create_folder("Projects")
        for index in range(6):
            deliver(world.alice, mail(f"mail {index}", attachments=((f"{index}.bin", noise(900, index)),)))
        deliver(world.alice, mail("junk"), folder="Junk Email")
        self.stepper = Stepper(world, {"disabled_features": "move_button"})
        assert self.stepper.run().ended
        with world.open({**KEYS, "disabled_features": "move_button"}) as m:
            ids = {message.subject: message.id for message in m.search("", limit=None)}
            self.ids = ids
            m.mark_read([ids["mail 0"], ids["mail 2"]])
            m.flag([ids["mail 1"]])
            m.categorise([ids["mail 1"]], "blue")
            m.move([ids["mail 2"], ids["mail 3"]], "Projects")
            m.delete([ids["mail 4"]])
            m.delete([ids["mail 5"]], permanent=True)
            m.empty_folder("Junk Email", confirm=lambda _: "proceed")
        self.keep = world.folder / "before"
        self.keep.mkdir()
        for path in world.folder.iterdir():
            if path.is_file():
                shutil.copy(path, self.keep)
        self.devices = copy.deepcopy(world.exchange.devices)
        self.folders = self._copy(world.alice.folders)

    @staticmethod
    def _copy(folders: dict[str, Any]) -> dict[str, Any]:
        return copy.deepcopy(folders)

    def reset(self) -> None:
        for path in self.world.folder.iterdir():
            if path.is_file():
                path.unlink()
        for path in self.keep.iterdir():
            shutil.copy(path, self.world.folder)
        self.world.exchange.devices.clear()
        self.world.exchange.devices.update(copy.deepcopy(self.devices))
        self.world.alice.folders.clear()
        self.world.alice.folders.update(self._copy(self.folders))
        self.world.alice._parsed.clear()

    def check(self, where: str) -> None:
        for _ in range(2):
            assert self.stepper.run().ended, where
        found: dict[str, list[tuple[str, Any]]] = {}
        for folder, item in self.world.alice.walk():
            subject = self.world.alice.message(item).headers.get("subject")
            found.setdefault(subject, []).append((folder.name, item))
        assert {name: [place for place, _ in places] for name, places in found.items()} == {
            "mail 0": ["Inbox"],
            "mail 1": ["Inbox"],
            "mail 2": ["Projects"],
            "mail 3": ["Projects"],
            "mail 4": ["Deleted Items"],
        }, where
        assert found["mail 0"][0][1].read
        assert found["mail 2"][0][1].read
        assert found["mail 1"][0][1].flag.status == 2
        assert found["mail 1"][0][1].categories == ("blue",)
        with self.world.open() as mailbox:
            held = {m.subject: (m.id, m.folder, m.read) for m in mailbox.search("", limit=None)}
            assert mailbox.pending_changes() == [], where
            assert mailbox.store.database.scalar("SELECT count(*) FROM messages") == 5, where
        places = {"mail 0": "Inbox", "mail 1": "Inbox", "mail 2": "Projects", "mail 3": "Projects"}
        assert held == {
            name: (self.ids[name], places.get(name, "Deleted Items"), name in ("mail 0", "mail 2")) for name in found
        }, where


@pytest.mark.parametrize("version", ["14.1", "16.1"])
def test_stopped_at_every_effect(make_world: Callable[..., World], version: str) -> None:
    world = make_world(versions=(version,), cookies=False)
    laboratory = Laboratory(world)
    laboratory.reset()
    outcome = laboratory.stepper.run()
    laboratory.check("not stopped")
    for number, kind in enumerate(outcome.kinds):
        if not TORTURE and not issubclass(kind, (Commit, Http, HttpToSink)):
            continue
        laboratory.reset()
        assert not laboratory.stepper.run(number, after=True).ended
        laboratory.check(f"effect {number} ({kind.__name__})")
