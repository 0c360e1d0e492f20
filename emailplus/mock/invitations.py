"""Meeting mail that the server sends by itself from 16.0 on (MS-ASCAL 3.2.4): a request to every attendee."""

from __future__ import annotations

import secrets
from email.utils import format_datetime, formataddr

from .context import Context
from .mailbox import Item
from .tree import child, children, every, text


def invite(context: Context, item: Item, method: str = "REQUEST") -> None:
    """Mail the attendees of an event, if it has any and the user organises it."""
    nodes = ("", item.nodes or [])
    attendees = every(child(nodes, "Calendar:Attendees"), "Calendar:Attendee")
    if not attendees or text(nodes, "Calendar:OrganizerEmail").lower() != context.user.email.lower():
        return
    mail_to(context, item, [(text(one, "Calendar:Name"), text(one, "Calendar:Email")) for one in attendees], method)


def mail_to(
    context: Context, item: Item, people: list[tuple[str, str]], method: str = "REQUEST", note: str = ""
) -> None:
    """Mail an event to (name, address) each; its organiser stays the same whoever sends it (MS-ASCMD_R7487)."""
    nodes = ("", item.nodes or [])
    organizer = text(nodes, "Calendar:OrganizerEmail")
    now = context.exchange.clock()
    subject = " ".join(text(nodes, "Calendar:Subject").split())
    place = text(child(nodes, "AirSyncBase:Location"), "AirSyncBase:DisplayName")
    described = [f"DESCRIPTION:{' '.join(note.split())}"] if note else []
    lines = [
        "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//mock//EN", f"METHOD:{method}", "BEGIN:VEVENT",
        f"UID:{text(nodes, 'Calendar:UID')}", f"DTSTAMP:{now:%Y%m%dT%H%M%SZ}",
        f"DTSTART:{text(nodes, 'Calendar:StartTime')}", f"DTEND:{text(nodes, 'Calendar:EndTime')}",
        f"SUMMARY:{subject}", *described, f"LOCATION:{place}", f"ORGANIZER:mailto:{organizer}",
        *(f"ATTENDEE;RSVP=TRUE:mailto:{email}" for _, email in people), "END:VEVENT", "END:VCALENDAR",
    ]  # fmt: skip
    head = [
        f"From: {formataddr((context.user.name, context.user.email))}",
        "To: " + ", ".join(formataddr(person) for person in people),
        f"Subject: {subject}",
        f"Date: {format_datetime(now)}",
        f"Message-ID: <{secrets.token_hex(16)}@mock>",
        "MIME-Version: 1.0",
        f'Content-Type: text/calendar; charset="utf-8"; method={method}',
        "Content-Transfer-Encoding: 8bit",
    ]
    raw = "\r\n".join([*head, "", *lines, ""]).encode()
    context.exchange.submit(raw, [email for _, email in people])


def cancel(context: Context, item: Item) -> None:
    """The organiser deleted the event."""
    if children(child(("", item.nodes or []), "Calendar:Attendees")):
        invite(context, item, "CANCEL")
