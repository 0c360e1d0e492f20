"""What a synchronisation did: collected from the events of its flow."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .driver import Traffic
from .model import events
from .model.changes import Trouble


@dataclass(slots=True)
class SyncReport:
    """The result of `Mailbox.sync`. Counts are of messages unless they say otherwise."""

    protocol_version: str = ""
    folders: int = 0
    items: dict[str, int] = field(default_factory=dict)
    """Items in the store after the run, by class."""
    added: int = 0
    changed: int = 0
    deleted: int = 0
    expired: int = 0
    """Left the store because they fell out of the sync period."""
    fetched: int = 0
    """Bodies and attachments fetched apart from their message."""
    indexed: int = 0
    sent: int = 0
    """Messages of the outbox that are confirmed now."""
    told: int = 0
    """Changes made here that the server has now."""
    refused: list[Trouble] = field(default_factory=list)
    failed: list[Trouble] = field(default_factory=list)
    quarantined: list[Trouble] = field(default_factory=list)
    markings: dict[str, int] = field(default_factory=dict)
    """Messages in the store by their classification ("": none); empty where classification is off."""
    markings_flagged: int = 0
    """Messages with something like a marking that was not understood whole."""
    markings_missing: list[Trouble] = field(default_factory=list)
    """Messages whose marking could not be looked for everywhere."""
    warnings: list[str] = field(default_factory=list)
    requests: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    seconds: float = 0.0
    seconds_by_phase: dict[str, float] = field(default_factory=dict)

    @property
    def news_of_trouble(self) -> bool:
        """Whether something was refused, failed or was quarantined that no earlier run had reported."""
        return any(trouble.new for trouble in (*self.refused, *self.failed, *self.quarantined))

    def take(self, event: Any) -> None:
        """Count one event."""
        if isinstance(event, events.WindowStored):
            self.added += event.added
            self.changed += event.changed
            self.deleted += event.deleted
            self.expired += event.expired
        elif isinstance(event, events.Progress):
            if event.name == "contents":
                self.fetched = event.done
            elif event.name == "index":
                self.indexed = event.done
            elif event.name == "expired":
                self.expired += event.done
        elif isinstance(event, events.MailSent):
            self.sent += 1
        elif isinstance(event, events.ChangesTold):
            self.told += event.count
        elif isinstance(event, events.Warned):
            self.warnings.append(event.message)
        elif isinstance(event, events.MarkingsRead):
            self.markings, self.markings_flagged = dict(event.by_label), event.flagged
            self.markings_missing = list(event.missing)
        elif isinstance(event, events.Connected):
            self.protocol_version = event.version

    def conclude(self, troubles: list[Trouble], traffic: Traffic) -> None:
        """Sort what could not be had, and take the traffic."""
        self.refused = [trouble for trouble in troubles if trouble.state == "refused"]
        self.failed = [trouble for trouble in troubles if trouble.state == "failed"]
        self.quarantined = [trouble for trouble in troubles if trouble.state == "quarantined"]
        self.requests, self.bytes_in, self.bytes_out = traffic.requests, traffic.bytes_in, traffic.bytes_out

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "protocol_version": self.protocol_version,
            "folders": self.folders,
            "items": self.items,
            "added": self.added,
            "changed": self.changed,
            "deleted": self.deleted,
            "expired": self.expired,
            "fetched": self.fetched,
            "indexed": self.indexed,
            "sent": self.sent,
            "told": self.told,
            "refused": [_trouble(trouble) for trouble in self.refused],
            "failed": [_trouble(trouble) for trouble in self.failed],
            "quarantined": [_trouble(trouble) for trouble in self.quarantined],
            "markings": self.markings,
            "markings_flagged": self.markings_flagged,
            "markings_missing": [_trouble(trouble) for trouble in self.markings_missing],
            "warnings": self.warnings,
            "requests": self.requests,
            "bytes_in": self.bytes_in,
            "bytes_out": self.bytes_out,
            "seconds": round(self.seconds, 3),
            "seconds_by_phase": {name: round(seconds, 3) for name, seconds in self.seconds_by_phase.items()},
        }


def _trouble(trouble: Trouble) -> dict[str, Any]:
    return {
        "kind": trouble.kind,
        "message_id": trouble.message_id,
        "folder": trouble.folder,
        "subject": trouble.subject,
        "name": trouble.name,
        "size": trouble.size,
        "reason": trouble.reason,
        "new": trouble.new,
    }
