"""What a device is told, and the two forms in which it travels. Pure.

    kind       holds                              APNs                             shown as
    details    sender, subject, snippet           alert, one for each mail         the mail
    announce   nothing of the mail                alert, the next replaces it      "You have new messages"
               (`alone`: details were wanted)     alert, one for each mail
    wake       nothing                            background                       nothing; the app synchronises

Sources: guide, "About Email+ Notification Services"; Apple, "Generating a remote notification" and "Sending
notification requests to APNs" (a payload has at most 4,096 bytes).
"""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import dataclass
from typing import Any, Final

from ..rules import FIRST

PAYLOAD_BYTES: Final = 4096
_LONGEST: Final = {"title": 120, "subtitle": 250, "body": 500}
"""Characters of each part; what a lock screen shows is less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One notification for one device. `id` is the same whenever the same is sent: receivers drop the second."""

    id: str
    kind: str
    registration: str
    device: str
    item: str = ""
    arrived: float = 0.0
    alone: bool = False
    """An announcement of one mail whose details were wanted and not to be had; else the next takes its place."""
    sender: str = ""
    subject: str = ""
    snippet: str = ""


def notice_id(target: bytes, what: str) -> str:
    """A UUID that depends on nothing but device, mailbox and mail (or tick): it survives every crash."""
    return str(uuid.UUID(bytes=hashlib.blake2b(what.encode(), key=target, digest_size=16).digest(), version=5))


def place(notice: Notice) -> str:
    """What stands for this notice on the device: another with the same takes its place."""
    alone = notice.kind == "details" or (notice.kind == "announce" and notice.alone)
    return notice.id if alone else f"{notice.kind}-{notice.registration}"


def apns_payload(notice: Notice) -> bytes:
    """The JSON of a request to APNs, within `PAYLOAD_BYTES`."""
    about = {"registration": notice.registration, "item": notice.item}
    if notice.kind == "wake":
        return _json({"aps": {"content-available": 1}, "emailplus": {"registration": notice.registration}})
    if notice.kind == "announce":
        return _json({"aps": {"alert": {"body": FIRST}, "sound": "default", "mutable-content": 1}, "emailplus": about})
    alert = {
        "title": _cut(notice.sender, _LONGEST["title"]),
        "subtitle": _cut(notice.subject, _LONGEST["subtitle"]),
        "body": _cut(notice.snippet, _LONGEST["body"]),
    }
    while True:
        shown = {name: text for name, text in alert.items() if text} or {"body": FIRST}
        aps = {"alert": shown, "sound": "default", "mutable-content": 1, "thread-id": notice.registration}
        payload = _json({"aps": aps, "emailplus": about})
        if len(payload) <= PAYLOAD_BYTES:
            return payload
        if not any(alert.values()):  # an item id that fills the payload: the app finds the mail without it
            about = {"registration": notice.registration, "item": ""}
            continue
        longest = max(alert, key=lambda name: len(alert[name]))
        alert[longest] = _cut(alert[longest], len(alert[longest]) // 2)


def webhook_document(notices: list[Notice]) -> bytes:
    """The JSON of a request to a webhook: several notifications, each with its own id."""
    return _json({"type": "notifications", "notifications": [_entry(notice) for notice in notices]})


def _entry(notice: Notice) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "id": notice.id, "kind": notice.kind, "registration": notice.registration, "device": notice.device,
    }  # fmt: skip
    if notice.kind != "wake":
        entry |= {"item": notice.item, "arrived": round(notice.arrived, 3)}
    if notice.kind == "announce":
        entry["text"] = FIRST
    elif notice.kind == "details":
        entry |= {
            "sender": _cut(notice.sender, _LONGEST["title"]),
            "subject": _cut(notice.subject, _LONGEST["subtitle"]),
            "snippet": _cut(notice.snippet, _LONGEST["body"]),
        }
    return entry


def _cut(text: str, length: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= length else text[: max(length - 1, 0)].rstrip() + ("…" if length else "")


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
