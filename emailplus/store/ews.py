"""What is remembered of Exchange Web Services between two runs."""

from __future__ import annotations

from collections.abc import Iterable

from ..model.ews import EwsSubscription, Kind
from .database import Database, Row

KEEP_TOLD = 3 * 86_400.0
"""Seconds for which a mail that was told about is remembered."""
_COLUMNS = "kind, id, watermark, created, renewed, url, folders, retired, interval, valid_until"


class EwsMemory:
    """Subscriptions, sync states, and which mails were told about, of one mailbox of one server.

    `mailbox`: any text that names it.
    """

    def __init__(self, database: Database, mailbox: str) -> None:
        self._database = database
        self._mailbox = mailbox

    def subscription(self, kind: Kind) -> EwsSubscription | None:
        """The subscription of that kind, if there is one."""
        return next((each for each in self.subscriptions() if each.kind == kind), None)

    def subscriptions(self) -> list[EwsSubscription]:
        """All of them: push, pull, streaming."""
        rows = self._database.all(
            f"SELECT {_COLUMNS} FROM ews_subscriptions WHERE mailbox = ? ORDER BY kind = 'streaming', kind DESC",
            (self._mailbox,),
        )
        return [_subscription(row) for row in rows]

    def save(self, subscription: EwsSubscription) -> None:
        """Remember a subscription in the place of the one of its kind."""
        one = subscription
        self._database.execute(
            f"INSERT OR REPLACE INTO ews_subscriptions (mailbox, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                self._mailbox, one.kind, one.id, one.watermark, one.created, one.renewed, one.url,
                "\n".join(one.folders), "\n".join(one.retired), one.interval, one.valid_until,
            ),
        )  # fmt: skip

    def forget(self, kind: Kind) -> None:
        """The subscription of that kind is over."""
        self._database.execute("DELETE FROM ews_subscriptions WHERE mailbox = ? AND kind = ?", (self._mailbox, kind))

    def sync_state(self, folder: str) -> tuple[str, float] | None:
        """The SyncState of a folder, and until when it knows what came; None: none is known."""
        row = self._database.one(
            "SELECT state, at FROM ews_sync_states WHERE mailbox = ? AND folder = ?", (self._mailbox, folder)
        )
        return None if row is None else (str(row[0]), float(row[1]))

    def keep_sync_state(self, folder: str, state: str, at: float) -> None:
        """Remember the SyncState of a folder, asked for at that time."""
        self._database.execute(
            "INSERT OR REPLACE INTO ews_sync_states (mailbox, folder, state, at) VALUES (?, ?, ?, ?)",
            (self._mailbox, folder, state, at),
        )

    def untold(self, item_ids: Iterable[str]) -> list[str]:
        """Those of the mails that nobody was told about yet, each once, in their order."""
        told = "SELECT 1 FROM ews_told WHERE mailbox = ? AND item_id = ?"
        return [
            item_id
            for item_id in dict.fromkeys(item_ids)
            if self._database.scalar(told, (self._mailbox, item_id)) is None
        ]

    def tell(self, item_id: str, now: float) -> None:
        """This mail has been told about. What is older than three days is let go."""
        with self._database.transaction():
            self._database.execute(
                "INSERT OR IGNORE INTO ews_told (mailbox, item_id, told) VALUES (?, ?, ?)",
                (self._mailbox, item_id, now),
            )
            self._database.execute("DELETE FROM ews_told WHERE told < ?", (now - KEEP_TOLD,))


def _subscription(row: Row) -> EwsSubscription:
    folders, retired = row[6].split("\n"), filter(None, row[7].split("\n"))
    return EwsSubscription(
        row[0], row[1], row[2], row[3], row[4], row[5], tuple(folders), tuple(retired), row[8], row[9]
    )


def wipe(database: Database) -> None:
    """The account is gone: nothing of this is true any more."""
    with database.transaction():
        for table in ("ews_subscriptions", "ews_sync_states", "ews_told"):
            database.execute(f"DELETE FROM {table}")
