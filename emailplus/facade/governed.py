"""What governs a mailbox: the app policy, the server's policy, and the decisions that follow from both."""

from __future__ import annotations

import asyncio
from abc import abstractmethod

from ..config.app_policy import AppConnectPolicy
from ..policy.decision import Decision
from ..policy.dlp import Action, DataLossPrevention, Target, Unlock
from ..store import app_policy
from . import AsyncOnline, Online


def admit(rules: DataLossPrevention, unlock: Unlock) -> None:
    """Raise `PolicyDenied` where the data may not be opened, or not with this key."""
    rules.may(Action.OPEN_DATA).require()
    rules.may(Action.UNLOCK, unlock).require()


class Governed(Online):
    """Methods of `Mailbox`."""

    @abstractmethod
    def close(self) -> None:
        """Close the store."""

    def apply_app_policy(self, policy: AppConnectPolicy) -> None:
        """Put another app policy in force, as the device manager sends it.

        Where it withdraws the authorisation, the mailbox is closed and `PolicyDenied` raised: nothing is opened again
        before a policy authorises the app.
        """
        app_policy.remember(self.store.database, policy)
        decision = self.may(Action.OPEN_DATA)
        if not decision:
            self.close()
            decision.require()

    def may(self, action: Action | str, target: Target = None) -> Decision:
        """Whether the app config and the app policy allow `action`; `policy.dlp` has the table of both.

        Raises ValueError for an action that is none, TypeError for a target that is not the action's.
        """
        return app_policy.guard(self.store.database, self.config).may(action, target)


class AsyncGoverned(AsyncOnline):
    """Methods of `AsyncMailbox`."""

    _mailbox: Governed
    _turn: asyncio.Lock

    async def apply_app_policy(self, policy: AppConnectPolicy) -> None:
        """See `Mailbox.apply_app_policy`. Waits for a sync that is under way."""
        async with self._turn:
            await asyncio.to_thread(self._mailbox.apply_app_policy, policy)

    async def may(self, action: Action | str, target: Target = None) -> Decision:
        """See `Mailbox.may`."""
        return await asyncio.to_thread(self._mailbox.may, action, target)
