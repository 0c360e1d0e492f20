"""Random sequences of Sync answers against a plain dictionary of what the server holds."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from emailplus.model.changes import EndRun, ItemChange, QuarantinedItem, ResetCollections, SyncWindows, Window
from emailplus.model.queries import MailCollections
from emailplus.store.search import search
from emailplus.store.store import Store
from tests.store.mail import KEY, attachment, index_all, message, new_store

FOLDERS = st.sampled_from([1, 2])
CONTENTS = st.integers(0, 3)
"""Few different mails, so that twins are common."""


class Mailbox(RuleBasedStateMachine):
    """The server's folders as dictionaries ServerId -> (content, read); what we hold must follow them."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "mailbox.db"
        self.store = new_store(self.path)
        self.store.database.execute("PRAGMA synchronous = OFF")
        self.server: dict[int, dict[str, tuple[int, bool]]] = {1: {}, 2: {}}
        self.unmet: dict[int, set[str] | None] = {1: None, 2: None}
        """During a pass: what the server has and the pass has not told yet."""
        self.stale: dict[int, dict[str, tuple[int, bool]]] = {1: {}, 2: {}}
        """What we still hold of the time before the pass."""
        self.number = 0

    def teardown(self) -> None:
        assert self.store.database.verify() == []
        self.store.close()
        self.folder.cleanup()

    @initialize()
    def begin(self) -> None:
        for folder in (1, 2):
            self.answer(Window(folder, "1", "", begins_pass=True, completes_pass=True))

    def answer(self, *windows: Window) -> None:
        self.store.apply(SyncWindows(list(windows)))

    def mail(self, server_id: str, content: int, read: bool) -> object:
        return message(
            server_id,
            f"Subject {content}",
            f"word{content}",
            read=read,
            attachments=[attachment(f"f{content}", content)],
        )

    def told(self, folder: int, server_id: str) -> None:
        unmet = self.unmet[folder]
        if unmet is not None:
            unmet.discard(server_id)

    @rule(folder=FOLDERS, contents=st.lists(CONTENTS, min_size=1, max_size=3), by_pass=st.booleans())
    def add(self, folder: int, contents: list[int], by_pass: bool) -> None:
        new = {}
        for content in contents:
            self.number += 1
            new[f"id{self.number}"] = (content, False)
        self.server[folder] |= new
        unmet = self.unmet[folder]
        if unmet is not None and by_pass:
            unmet |= set(new)  # the pass under way will tell them, in one answer with what was there before
            return
        self.answer(Window(folder, "2", "", added=[self.mail(name, *facts) for name, facts in new.items()]))

    @precondition(lambda self: any(self.known(folder) for folder in (1, 2)))
    @rule(data=st.data(), soft=st.booleans())
    def delete(self, data: st.DataObject, soft: bool) -> None:
        folder, server_id = self.pick(data)
        del self.server[folder][server_id]
        if soft:
            self.answer(Window(folder, "3", "", soft_deleted=[server_id]))
        else:
            self.answer(Window(folder, "3", "", deleted=[server_id]))

    @precondition(lambda self: any(self.known(folder) for folder in (1, 2)))
    @rule(data=st.data())
    def change(self, data: st.DataObject) -> None:
        folder, server_id = self.pick(data)
        content, read = self.server[folder][server_id]
        self.server[folder][server_id] = (content, not read)
        self.answer(Window(folder, "4", "", changed=[ItemChange(server_id, {"read": not read})]))

    @precondition(lambda self: any(self.known(folder) for folder in (1, 2)))
    @rule(data=st.data(), order=st.booleans(), together=st.booleans())
    def move(self, data: st.DataObject, order: bool, together: bool) -> None:
        folder, server_id = self.pick(data)
        other = 3 - folder
        self.number += 1
        facts = self.server[folder].pop(server_id)
        new = f"id{self.number}"
        self.server[other][new] = facts
        windows = [
            Window(folder, "5", "", deleted=[server_id]),
            Window(other, "5", "", added=[self.mail(new, *facts)]),
        ]
        windows = windows if order else windows[::-1]
        if together:
            self.answer(*windows)
        else:
            for window in windows:
                self.answer(window)

    @precondition(lambda self: any(self.known(folder) for folder in (1, 2)))
    @rule(data=st.data())
    def quarantine(self, data: st.DataObject) -> None:
        folder, server_id = self.pick(data)
        self.answer(Window(folder, "6", "", quarantined=[QuarantinedItem(server_id, b"raw", "unreadable")]))

    @rule(folder=FOLDERS, fresh_ids=st.booleans())
    def begin_pass(self, folder: int, fresh_ids: bool) -> None:
        """The key was lost; maybe the ServerIds too."""
        self.stale[folder] = self.held(folder)
        if fresh_ids:
            renamed = {}
            for facts in self.server[folder].values():
                self.number += 1
                renamed[f"id{self.number}"] = facts
            self.server[folder] = renamed
        self.store.apply(ResetCollections([folder]))
        self.answer(Window(folder, "1", "", begins_pass=True))
        self.unmet[folder] = set(self.server[folder])

    @precondition(lambda self: any(unmet is not None for unmet in self.unmet.values()))
    @rule(data=st.data(), finish=st.booleans())
    def continue_pass(self, data: st.DataObject, finish: bool) -> None:
        folder = data.draw(st.sampled_from([number for number, unmet in self.unmet.items() if unmet is not None]))
        unmet = self.unmet[folder] or set()
        names = data.draw(st.permutations(sorted(unmet)))
        if not finish:
            names = names[: len(names) // 2]
        window = Window(folder, "2", "", completes_pass=finish)
        window.added = [self.mail(name, *self.server[folder][name]) for name in names]
        self.answer(window)
        self.unmet[folder] = None if finish else unmet - set(names)

    @rule()
    def end_run(self) -> None:
        self.store.apply(EndRun())

    @rule()
    def index(self) -> None:
        index_all(self.store)
        for content in range(4):
            expected = sum(facts[0] == content for folder in (1, 2) for facts in self.held(folder).values())
            assert len(search(self.store.database, f"word{content}", None)) == expected

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.store = Store.open(self.path, KEY, create=False)
        self.store.database.execute("PRAGMA synchronous = OFF")

    def known(self, folder: int) -> list[str]:
        """What the server has told us of, and so may name in a Change or Delete."""
        return sorted(set(self.server[folder]) - (self.unmet[folder] or set()))

    def pick(self, data: st.DataObject) -> tuple[int, str]:
        return data.draw(st.sampled_from([(folder, name) for folder in (1, 2) for name in self.known(folder)]))

    def held(self, folder: int) -> dict[str, tuple[int, bool]]:
        name = ("Inbox", "Archive")[folder - 1]
        return {
            mail.server_id: (int(mail.subject.split()[1]), mail.read)
            for mail in self.store.messages(list(self.store.ids()))
            if mail.folder == name
        }

    @invariant()
    def nothing_is_lost(self) -> None:
        for folder in (1, 2):
            held = self.held(folder)
            told = {name: self.server[folder][name] for name in self.known(folder)}
            if self.unmet[folder] is None:
                assert held == told
            else:
                # All that the pass has told, and beside it nothing that we did not hold before.
                assert told.items() <= held.items()
                assert set(held) - set(told) <= set(self.stale[folder])

    @invariant()
    def contents_belong_to_their_mail(self) -> None:
        for number in self.store.ids():
            mail = self.store.message(number)
            content = mail.subject.split()[1]
            assert mail.text == f"word{content}"
            assert [item.name for item in mail.attachments] == [f"f{content}"]

    @invariant()
    def nothing_is_left_behind(self) -> None:
        count: Callable[[str], int] = self.store.database.scalar
        assert count("SELECT count(*) FROM bodies WHERE message_id NOT IN (SELECT id FROM messages)") == 0
        assert count("SELECT count(*) FROM attachments WHERE message_id NOT IN (SELECT id FROM messages)") == 0
        assert {item.folder_id for item in self.store.load(MailCollections())} == {1, 2, 3}


TestMailbox = Mailbox.TestCase
TestMailbox.settings = settings(
    max_examples=60, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
