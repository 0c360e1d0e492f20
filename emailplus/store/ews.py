"""What is remembered of Exchange Web Services between two runs."""

from __future__ import annotations

from collections.abc import Iterable

from ..model.ews import EwsSubscription, Kind
from .database import Database

KEEP_TOLD = 3 * 86_400.0
"""Seconds for which a mail that was told about is remembered."""


class EwsMemory:
    """Subscriptions, sync states, and which mails were told about, of one mailbox of one server.

    What was remembered of another (`mailbox`: any text that names it) is forgotten.
    """

    def __init__(self, database: Database, mailbox: str) -> None:
        self._database = database
        if database.scalar("SELECT name FROM ews_mailbox") != mailbox:
            wipe(database)
            database.execute("INSERT INTO ews_mailbox (name) VALUES (?)", (mailbox,))

    def subscription(self, kind: Kind) -> EwsSubscription | None:
        """The subscription of that kind, if there is one."""
        row = self._database.one(
            "SELECT id, watermark, created, renewed, url, folders, retired, interval, valid_until "
            "FROM ews_subscriptions WHERE kind = ?",
            (kind,),
        )
        if row is None:
            return None
        return EwsSubscription(
            kind, row[0], row[1], row[2], row[3], row[4], tuple(row[5].split("\n")),
            tuple(filter(None, row[6].split("\n"))), row[7], row[8],
        )  # fmt: skip

    def subscriptions(self) -> list[EwsSubscription]:
        """All of them."""
        kinds: tuple[Kind, ...] = ("push", "pull", "streaming")
        return [found for kind in kinds if (found := self.subscription(kind)) is not None]

    def save(self, subscription: EwsSubscription) -> None:
        """Remember a subscription in the place of the one of its kind."""
        self._database.execute(
            "INSERT OR REPLACE INTO ews_subscriptions (kind, id, watermark, created, renewed, url, folders, retired, "
            "interval, valid_until) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                subscription.kind, subscription.id, subscription.watermark, subscription.created, subscription.renewed,
                subscription.url, "\n".join(subscription.folders), "\n".join(subscription.retired),
                subscription.interval, subscription.valid_until,
            ),
        )  # fmt: skip

    def forget(self, kind: Kind) -> None:
        """The subscription of that kind is over."""
        self._database.execute("DELETE FROM ews_subscriptions WHERE kind = ?", (kind,))

    def sync_state(self, folder: str) -> str | None:
        """The SyncState of a folder; None: none is known."""
        found = self._database.scalar("SELECT state FROM ews_sync_states WHERE folder = ?", (folder,))
        return None if found is None else str(found)

    def keep_sync_state(self, folder: str, state: str) -> None:
        """Remember the SyncState of a folder."""
        self._database.execute("INSERT OR REPLACE INTO ews_sync_states (folder, state) VALUES (?, ?)", (folder, state))

    def untold(self, item_ids: Iterable[str]) -> list[str]:
        """Those of the mails that nobody was told about yet, each once, in their order."""
        return [
            item_id
            for item_id in dict.fromkeys(item_ids)
            if self._database.scalar("SELECT 1 FROM ews_told WHERE item_id = ?", (item_id,)) is None
        ]

    def tell(self, item_id: str, now: float) -> None:
        """This mail has been told about. What is older than three days is let go."""
        with self._database.transaction():
            self._database.execute("INSERT OR IGNORE INTO ews_told (item_id, told) VALUES (?, ?)", (item_id, now))
            self._database.execute("DELETE FROM ews_told WHERE told < ?", (now - KEEP_TOLD,))


def wipe(database: Database) -> None:
    """Another account, or none: nothing of this is true any more."""
    with database.transaction():
        for table in ("ews_subscriptions", "ews_sync_states", "ews_told", "ews_mailbox"):
            database.execute(f"DELETE FROM {table}")
