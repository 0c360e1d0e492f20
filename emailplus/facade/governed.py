"""What governs a mailbox: the app policy, the server's policy, and the decisions that follow from both."""

from __future__ import annotations

import asyncio
import json
import os
from abc import abstractmethod
from collections.abc import Collection
from dataclasses import replace
from functools import partial
from pathlib import Path

from ..config.app_policy import AppConnectPolicy
from ..eas.flows.provision import ACKNOWLEDGED_FACT, HOST_FACT, PASSPHRASE_FACT
from ..model.changes import SaveAccount
from ..policy.decision import Decision
from ..policy.dlp import Action, DataLossPrevention, Target, Unlock
from ..policy.passphrase import Passphrase
from ..policy.policy_report import PolicyReport, assess, checked_claims
from ..policy.server_policy import ServerPolicy
from ..store import app_policy
from ..store.contact_export import ContactExport
from ..store.contact_export import export_contacts as write_contacts
from ..store.keys import KeyProvider
from ..store.keys import Passphrase as StorePassphrase
from ..store.store import Store
from . import AsyncOnline, Online


def admit(rules: DataLossPrevention, unlock: Unlock) -> None:
    """Raise `PolicyDenied` where the data may not be opened, or not with this key."""
    rules.may(Action.OPEN_DATA).require()
    rules.may(Action.UNLOCK, unlock).require()


def report_of(store: Store) -> PolicyReport:
    """The report on the policy that a store has met."""
    facts = store.account()
    policy = ServerPolicy.from_json(facts["policy"]) if "policy" in facts else ServerPolicy()
    told = facts.get(ACKNOWLEDGED_FACT)
    known = Passphrase.from_json(facts[PASSPHRASE_FACT]) if PASSPHRASE_FACT in facts else None
    report = assess(policy, json.loads(facts.get(HOST_FACT, "[]")), known)
    return replace(report, acknowledged=int(told) if told else None, state=facts.get("provisioned", ""))


def remember_claims(store: Store, host_enforces: Collection[str] | None, key: KeyProvider) -> None:
    """What protects the mailbox: what the operator says the host enforces (None: as before), and the passphrase.

    A change is told to the server: its policy is fetched and acknowledged again.
    """
    facts = store.account()
    now = {PASSPHRASE_FACT: key.measure().to_json() if isinstance(key, StorePassphrase) else None}
    if host_enforces is not None:
        claims = checked_claims(host_enforces)
        now[HOST_FACT] = json.dumps(sorted(claims)) if claims else None
    if any(facts.get(name) != value for name, value in now.items()):
        known = facts.get("provisioned") in ("full", "partly")
        store.apply(SaveAccount({**now, **({"provisioned": None, "policy_key": None} if known else {})}))


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

    def export_contacts(
        self, target: str | os.PathLike[str], *, version: str = "4.0", query: str = ""
    ) -> ContactExport:
        """Write contacts as vCards ("3.0" or "4.0") to a file that is not there yet; those that hold all of `query`.

        Raises `PolicyDenied` unless `allow_export_contacts` is true; `limit_contact_export_to` may leave names and
        numbers only. Raises `UsageError` where the file cannot be written.
        """
        return write_contacts(self.store, Path(target), version, query=query, keys=self.config)

    def policy_report(self) -> PolicyReport:
        """How far the server's policy is kept, rule by rule, and what the server was told of it.

        Without rules where the server has no policy for this device, or none was fetched yet; `state` says which.
        """
        return report_of(self.store)


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

    async def export_contacts(
        self, target: str | os.PathLike[str], *, version: str = "4.0", query: str = ""
    ) -> ContactExport:
        """See `Mailbox.export_contacts`."""
        call = partial(self._mailbox.export_contacts, target, version=version, query=query)
        return await asyncio.to_thread(call)

    async def policy_report(self) -> PolicyReport:
        """See `Mailbox.policy_report`."""
        return await asyncio.to_thread(self._mailbox.policy_report)
