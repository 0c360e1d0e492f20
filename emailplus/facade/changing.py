"""Changing mail. Every change is in the store at once and goes to the server with the next sync, before all else."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import partial
from typing import Any

from .. import account, changing
from ..model.mail_changes import ChangeKind, ConflictPolicy, PendingChange
from ..model.questions import Confirm
from ..policy.features import Features
from ..rms.gate import Door
from ..store import mail_changes
from . import AsyncOnline, Online


class Changing(Online):
    """Methods of `Mailbox`. Messages are named by our own ids, which stay the same through moves."""

    read_only: bool
    door: Door

    def mark_read(
        self, message_ids: Iterable[int], read: bool = True, *, conflict: str = ConflictPolicy.SERVER_WINS
    ) -> int:
        """Set the read state; how many messages changed.

        `conflict` says who is right where the server's copy was changed meanwhile: "server_wins", "client_wins" or
        "keep_both". Raises `ReadOnlyMailbox`, `UsageError`.
        """
        return self._set(ChangeKind.READ, message_ids, "1" if read else "0", conflict)

    def flag(
        self, message_ids: Iterable[int], status: str = "active", *, conflict: str = ConflictPolicy.SERVER_WINS
    ) -> int:
        """Set the follow-up flag to "active", "complete" or "none" (from 12.0 on). See `mark_read`."""
        return self._set(ChangeKind.FLAG, message_ids, changing.flag_value(status), conflict)

    def categorise(
        self, message_ids: Iterable[int], *categories: str, conflict: str = ConflictPolicy.SERVER_WINS
    ) -> int:
        """Give messages exactly these categories, none to clear them (from 14.0 on). See `mark_read`."""
        return self._set(ChangeKind.CATEGORIES, message_ids, changing.category_lines(categories), conflict)

    def _set(self, kind: ChangeKind, message_ids: Iterable[int], value: str, conflict: str) -> int:
        changing.writable(self.read_only)
        return changing.set_property(self.store, kind, message_ids, value, self._moment(), conflict)

    def move(self, message_ids: Iterable[int], folder: str, *, confirm: Confirm | None = None) -> int:
        """Move messages to a folder, by name, path ("Inbox/Projects") or the server's id; how many.

        A person is asked first (`MoveMessages`), unless `disabled_features` has `move_button`. Raises
        `ConfirmationNeeded`, `Declined`, `NotFound`, `UsageError`, `ReadOnlyMailbox`.
        """
        changing.writable(self.read_only)
        asks = Features.of(self.config).confirm_moves
        return changing.move(self.store, message_ids, folder, self._moment(), asks=asks, confirm=confirm)

    def delete(self, message_ids: Iterable[int], *, permanent: bool = False, confirm: Confirm | None = None) -> int:
        """Delete messages, to Deleted Items or for good; how many.

        More than 50 at a time, those counted whose deletion still waits, are asked about (`DeleteMany`). Raises as
        `move`.
        """
        changing.writable(self.read_only)
        return changing.delete(self.store, message_ids, self._moment(), permanent=permanent, confirm=confirm)

    def empty_folder(self, folder: str, *, confirm: Confirm | None = None) -> int:
        """Delete everything in a folder for good, also what was never synchronised (from 12.0 on). Always asked."""
        changing.writable(self.read_only)
        return changing.empty(self.store, folder, self._moment(), confirm=confirm)

    def pending_changes(self) -> list[PendingChange]:
        """What waits for the server, and what it refused last (`state` "failed")."""
        return mail_changes.pending(self.store.database)

    def export_pending(self) -> dict[str, Any]:
        """Everything that is only here: changes, drafts and unsent mail, for JSON; without attachments of drafts. Where
        content of protected mail is in it that may not be taken, "withheld" says why."""
        return changing.export_pending(self.store, self.door, account.utc_now())

    @staticmethod
    def _moment() -> float:
        return account.utc_now().timestamp()


class AsyncChanging(AsyncOnline):
    """`Changing` for asyncio."""

    _mailbox: Changing

    async def mark_read(
        self, message_ids: Iterable[int], read: bool = True, *, conflict: str = ConflictPolicy.SERVER_WINS
    ) -> int:
        """See `Mailbox.mark_read`."""
        return await asyncio.to_thread(partial(self._mailbox.mark_read, message_ids, read, conflict=conflict))

    async def flag(
        self, message_ids: Iterable[int], status: str = "active", *, conflict: str = ConflictPolicy.SERVER_WINS
    ) -> int:
        """See `Mailbox.flag`."""
        return await asyncio.to_thread(partial(self._mailbox.flag, message_ids, status, conflict=conflict))

    async def categorise(
        self, message_ids: Iterable[int], *categories: str, conflict: str = ConflictPolicy.SERVER_WINS
    ) -> int:
        """See `Mailbox.categorise`."""
        return await asyncio.to_thread(partial(self._mailbox.categorise, message_ids, *categories, conflict=conflict))

    async def move(self, message_ids: Iterable[int], folder: str, *, confirm: Confirm | None = None) -> int:
        """See `Mailbox.move`. `confirm` is called in another thread."""
        return await asyncio.to_thread(partial(self._mailbox.move, message_ids, folder, confirm=confirm))

    async def delete(
        self, message_ids: Iterable[int], *, permanent: bool = False, confirm: Confirm | None = None
    ) -> int:
        """See `Mailbox.delete`."""
        return await asyncio.to_thread(partial(self._mailbox.delete, message_ids, permanent=permanent, confirm=confirm))

    async def empty_folder(self, folder: str, *, confirm: Confirm | None = None) -> int:
        """See `Mailbox.empty_folder`."""
        return await asyncio.to_thread(partial(self._mailbox.empty_folder, folder, confirm=confirm))

    async def pending_changes(self) -> list[PendingChange]:
        """See `Mailbox.pending_changes`."""
        return await asyncio.to_thread(self._mailbox.pending_changes)

    async def export_pending(self) -> dict[str, Any]:
        """See `Mailbox.export_pending`."""
        return await asyncio.to_thread(self._mailbox.export_pending)
