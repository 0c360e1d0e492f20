"""A configuration takes effect: what differs from the one in force, and what is done about it.

The store remembers the configuration in force (`config.snapshot`), so a change is noticed whether it comes while a
mailbox is open (`Mailbox.apply`) or between two runs (`Mailbox.open`); both end here. Everything a change asks of the
store happens in one transaction with the new snapshot: it is in force whole or not at all.

`ACTIONS` is the table: what a consequence (`config.diff.Consequence`) leads to.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from . import account
from .config import AppConfig, ConfigDiff, Consequence, KeyChange
from .config.diff import diff
from .config.snapshot import Snapshot
from .eas.flows.synchronise import FULL_SYNC_FACT
from .model.changes import EndRun, FolderChanges, ForgetContents, ResetCollections, SaveAccount
from .model.outbox import DropOutgoing, OutboxEntries, OutboxState
from .policy.alert_times import NOTE
from .policy.server_policy import ServerPolicy
from .policy.sync_period import cut_off, effective_period
from .settings import PICTURES_FACT, MailboxSettings
from .store import answers, held, item_changes, keychain, mail_changes
from .store import settings as kept
from .store.keychain import KeychainChanges
from .store.store import Store

PARTNERSHIP_FACTS: Final = (
    "policy_key", "policy", "provisioned", "acknowledged", "folder_sync_key", "options_at", "cookies", FULL_SYNC_FACT,
)  # fmt: skip
"""What is true of one device partnership only."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of the keys that share a consequence."""

    consequence: Consequence
    keys: tuple[str, ...]
    text: str
    """For people."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """What was removed, dropped or imported, by kind."""
    details: tuple[str, ...] = ()
    """One line for each thing that is gone or could not be used."""

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            "consequence": self.consequence.value,
            "keys": list(self.keys),
            "text": self.text,
            "counts": dict(self.counts),
            "details": list(self.details),
        }


@dataclass(frozen=True, slots=True)
class ConfigChange:
    """What a configuration changed against the one before. False when nothing did, and for the first one of a store."""

    diff: ConfigDiff
    outcomes: tuple[Outcome, ...]

    def __bool__(self) -> bool:
        return bool(self.diff)

    @property
    def notices(self) -> tuple[str, ...]:
        """What people should be told: every outcome that is more than a new value."""
        told = [outcome for outcome in self.outcomes if outcome.consequence not in _QUIET]
        return tuple(line for outcome in told for line in (outcome.text, *outcome.details))

    def outcome(self, consequence: Consequence) -> Outcome | None:
        """The outcome of one consequence, if a change led to it."""
        return next((outcome for outcome in self.outcomes if outcome.consequence is consequence), None)

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            "changes": [change.as_dict() for change in self.diff.changes],
            "migration": self.diff.migration,
            "full_resync": self.diff.full_resync,
            "outcomes": [outcome.as_dict() for outcome in self.outcomes],
        }


_WAITING: Final = (OutboxState.QUEUED, OutboxState.SENT, OutboxState.UNCERTAIN)

MAX_DETAILS: Final = 100
"""Changes that a notice names one by one."""

_QUIET: Final = frozenset({Consequence.AT_ONCE, Consequence.NOTHING})


@dataclass(slots=True)
class _Work:
    """One configuration on its way into force."""

    store: Store
    before: Snapshot | None
    config: AppConfig
    now: datetime
    changes: ConfigDiff
    settings: MailboxSettings
    keys: KeychainChanges
    """What the certificate keys did to the keychain."""


def put_in_force(store: Store, config: AppConfig, *, now: datetime, query_form: str = "plain") -> ConfigChange:
    """Make `config` the configuration of `store`. Raises `StoreError`; then the one before stays in force.

    A changed host, user or address is another mailbox: nothing of the old one may remain under its ids. A changed
    `email_device_id` (or form of query line, another device to servers) is a new partnership: provisioned again and
    compared anew, keeping what is there.
    """
    before = remembered(store)
    changes = ConfigDiff((), False) if before is None else diff(before, config)
    with store.database.transaction():
        keys = keychain.apply_config(store.database, config, now=now)
        work = _Work(store, before, config, now, changes, MailboxSettings(store, lambda: config), keys)
        outcomes = [_outcome(work, consequence, keys) for consequence, keys in _by_consequence(changes)]
        if not changes.leads_to(Consequence.CERTIFICATE_SELECTED):
            outcomes += _certificates(work)
        outcomes += _bind(store, config, query_form, told=changes.full_resync)
        if before is None or changes:
            kept.remember(store.database, Snapshot.of(config).to_json())
    return ConfigChange(changes, tuple(outcomes))


def remembered(store: Store) -> Snapshot | None:
    """The configuration in force; None in a new store."""
    text = kept.configuration(store.database)
    return None if text is None else Snapshot.from_json(text)


def _by_consequence(changes: ConfigDiff) -> list[tuple[Consequence, list[KeyChange]]]:
    """The changes, those with the same consequence together, in the order of `Consequence`.

    A full resync happens once, however many keys ask for it: a migration or a new partnership carries it already.
    """
    found: dict[Consequence, list[KeyChange]] = {}
    for change in changes.changes:
        found.setdefault(change.consequence, []).append(change)
    if changes.migration:
        found.setdefault(Consequence.MIGRATION, []).extend(found.pop(Consequence.FULL_RESYNC, []))
    return [(consequence, found[consequence]) for consequence in Consequence if consequence in found]


def _outcome(work: _Work, consequence: Consequence, changes: Sequence[KeyChange]) -> Outcome:
    keys = tuple(change.key for change in changes)
    action = ACTIONS.get(consequence)
    if action is None:
        return Outcome(consequence, keys, f"{', '.join(keys)}: {consequence.value}")
    made = action(work, keys)
    return Outcome(consequence, keys, made.text, made.counts, tuple(made.details))


@dataclass(frozen=True, slots=True)
class _Made:
    text: str
    counts: Mapping[str, int] = field(default_factory=dict)
    details: Sequence[str] = ()


# -- what a consequence leads to ---------------------------------------------------------------------------------------


def _full_resync(work: _Work, keys: tuple[str, ...]) -> _Made:
    """What was written under the old account is kept, and never leaves by the new one (`store.outbox`)."""
    text = f"the account changed ({', '.join(keys)}): its mail is synchronised anew"
    waiting = [entry.subject for entry in work.store.load(OutboxEntries(_WAITING))]
    details = [f"held back, written under the old account: {subject}" for subject in waiting]
    return _Made(text, _held(work.store), [*details, *_untold(work.store)])


def _untold(store: Store) -> list[str]:
    """Changes that the old account's server was not told: they are held (`store.held`), apart from its mail."""
    mail = [change for change in mail_changes.pending(store.database, waiting=True) if change.message_id is not None]
    lines = [f"held back, not told to the old server: the {change.kind} of {change.subject!r}" for change in mail]
    items = [change for change in item_changes.every(store.database) if change.state != "failed"]
    lines += [f"held back, not told to the old server: the {change.kind} of {change.title!r}" for change in items]
    given = answers.pending(store.database, waiting=True)
    lines += [f"held back, not told to the old server: the answer to {answer.subject!r}" for answer in given]
    if len(lines) > MAX_DETAILS:
        return [*lines[:MAX_DETAILS], f"and {len(lines) - MAX_DETAILS} more"]
    return lines


def _migration(work: _Work, keys: tuple[str, ...]) -> _Made:
    host = work.config.migrate_from_email_exchange_host
    text = f"the account moved away from {host}: it is synchronised anew, local Drafts and Outbox are removed"
    dropped = work.store.apply(DropOutgoing())
    details = [f"draft removed: {subject}" for subject in dropped.drafts]
    details += [f"unsent message removed: {subject}" for subject in dropped.outbox]
    details += _untold(work.store)
    counts = {**_held(work.store), "drafts": len(dropped.drafts), "outbox": len(dropped.outbox)}
    return _Made(text, counts, details)


def _new_partnership(work: _Work, keys: tuple[str, ...]) -> _Made:
    return _Made("the device id changed: a new partnership begins, everything is compared anew")


def _sync_window(work: _Work, keys: tuple[str, ...]) -> _Made:
    """A shorter period takes effect on what is stored at once; a longer one is filled by the next sync."""
    facts = work.store.account()
    policy = ServerPolicy.from_json(facts["policy"]) if "policy" in facts else ServerPolicy()
    period = effective_period(
        default=work.config.email_default_sync_period,
        maximum=work.config.email_max_sync_period,
        choice=work.settings.choices().sync_period,
        server_maximum=policy.MaxEmailAgeFilter,
    )
    border = cut_off(period, work.now)
    removed = work.store.apply(EndRun(border.timestamp())) if border is not None else 0
    if removed:
        work.store.apply(ResetCollections([]))  # the server counts it as ours: a wider period must ask for it anew
    gone = f", {removed} messages outside it were removed" if removed else ""
    return _Made(
        f"the sync period is now {period}{gone}; the next sync fetches what is inside it", {"removed": removed}
    )


def _cache_removed(work: _Work, keys: tuple[str, ...]) -> _Made:
    removed = work.store.apply(ForgetContents())
    work.store.apply(ResetCollections([]))  # switched off before the next sync, it must all come again
    return _Made(f"local_cache_all: nothing is cached any more, {removed} messages were removed", {"removed": removed})


def _pictures(work: _Work, keys: tuple[str, ...]) -> _Made:
    shown = "shown" if work.settings.show_pictures else "not shown"
    return _Made(f"show_pictures_default acts after the next full sync; until then pictures are {shown} as before")


def _signature(work: _Work, keys: tuple[str, ...]) -> _Made:
    if work.settings.choices().signature is not None:
        return _Made("email_default_signature is ignored: the user has a signature of their own")
    return _Made("new mail carries the new signature")


def _subscription(work: _Work, keys: tuple[str, ...]) -> _Made:
    assert work.before is not None
    entry = work.before.keys.get("subscription_valid_until")
    minutes = (
        entry.shown if entry is not None and isinstance(entry.shown, int) else work.config.subscription_valid_until
    )
    return _Made(NOTE.format(hours=f"{minutes / 60:g}"))


def _selected(work: _Work, keys: tuple[str, ...]) -> _Made:
    done = {entry.key: entry.certificate.subject for entry in work.keys.selected}
    lines = [f"{key}: {done[key]}" for key in keys if key in done] + work.keys.problems
    text = f"{', '.join(keys)}: imported and selected; the previous certificate is kept"
    if not any(key in done for key in keys):
        text = f"{', '.join(keys)}: not selected"
    return _Made(text, {"certificates": len(work.keys.imported)}, lines)


def _cleared(work: _Work, keys: tuple[str, ...]) -> _Made:
    return _Made(f"{', '.join(keys)} was removed: no certificate is selected, and none leaves the keychain")


def _certificates(work: _Work) -> list[Outcome]:
    """Behind no changed certificate: a corrected password selects it after all, and one that cannot be used is told
    each time. It stops nothing."""
    kind, keys = Consequence.CERTIFICATE_SELECTED, tuple(entry.key for entry in work.keys.selected)
    if keys and work.before is not None:
        made = _selected(work, keys)
        return [Outcome(kind, keys, made.text, made.counts, tuple(made.details))]
    if work.keys.problems:
        text = "certificates of the configuration cannot be used"
        return [Outcome(kind, (), text, {}, tuple(work.keys.problems))]
    return []


ACTIONS: Final[dict[Consequence, Callable[[_Work, tuple[str, ...]], _Made]]] = {
    Consequence.FULL_RESYNC: _full_resync,
    Consequence.NEW_PARTNERSHIP: _new_partnership,
    Consequence.MIGRATION: _migration,
    Consequence.SYNC_WINDOW: _sync_window,
    Consequence.CACHE_REMOVED: _cache_removed,
    Consequence.CERTIFICATE_SELECTED: _selected,
    Consequence.SELECTION_CLEARED: _cleared,
    Consequence.NEXT_FULL_SYNC: _pictures,
    Consequence.UNLESS_USER_DEFINED: _signature,
    Consequence.SUBSCRIPTION_END: _subscription,
}
"""A consequence that is missing here asks nothing of the store: the new value acts by being there."""


def _held(store: Store) -> dict[str, int]:
    """What the store holds of the server's, by class."""
    counts: dict[str, int] = store.stats()["items"]
    return {kind: count for kind, count in counts.items() if count}


# -- whose mailbox this is ---------------------------------------------------------------------------------------------


def _bind(store: Store, config: AppConfig, query_form: str, *, told: bool) -> list[Outcome]:
    """Tie the store to the account of the config, starting anew where it belonged to another one.

    The facts decide, not the difference of two configurations: what lies in the store is judged by whose it is.
    """
    facts = store.account()
    partnership = config.partnership
    identity = [partnership.host, partnership.username, partnership.address]
    now = {
        "account": hashlib.sha256(json.dumps(identity).encode()).hexdigest(),
        "device": hashlib.sha256(f"{partnership.device_id}/{query_form}".encode()).hexdigest(),
    }
    outcomes: list[Outcome] = []
    fresh: dict[str, Any] = {}
    if facts.get("account", now["account"]) != now["account"]:
        fresh = dict.fromkeys((name for name in facts if name != PICTURES_FACT), None)
        held.hold(store.database, facts["account"], account.utc_now().timestamp())
        store.apply(FolderChanges("0", full=True))
    elif facts.get("device", now["device"]) != now["device"]:
        fresh = dict.fromkeys(PARTNERSHIP_FACTS, None)
        store.apply(ResetCollections([]))
        if not told:
            text = "the form of query lines changed: a new partnership begins, everything is compared anew"
            outcomes.append(Outcome(Consequence.NEW_PARTNERSHIP, (), text))
    now["configured"] = account.endpoint(config)
    if facts.get("configured", now["configured"]) != now["configured"]:
        fresh |= {"options_at": None, "endpoint": None}  # https demanded, say: nothing may go to the old address
    if fresh or any(facts.get(name) != value for name, value in now.items()):
        store.apply(SaveAccount({**fresh, **now}))
    return outcomes
