"""Out-of-office of a mock user: what was set, audience by audience, and the replies that it sends (RFC 3834)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import parseaddr

from ..eas.wbxml import Node
from .mime import html_to_text, text_to_html
from .tree import child, children, every, text

AUDIENCES = ("AppliesToInternal", "AppliesToExternalKnown", "AppliesToExternalUnknown")


class OofError(Exception):
    """A Set that makes no sense."""


@dataclass(slots=True)
class Reply:
    """What one audience is answered."""

    enabled: bool = False
    text: str = ""
    html: bool = False


@dataclass(slots=True)
class OutOfOffice:
    """State "0" off, "1" on, "2" between `start` and `end` (as they were written)."""

    state: str = "0"
    start: str = ""
    end: str = ""
    replies: dict[str, Reply] = field(default_factory=dict)
    answered: set[str] = field(default_factory=set)
    """Who has had a reply: everybody gets one, until something is set anew."""

    def set(self, wanted: Node) -> None:
        """Take a Set: what it names changes (MS-ASCMD 2.2.3.166). Raises `OofError`."""
        start, end = text(wanted, "Settings:StartTime"), text(wanted, "Settings:EndTime")
        if bool(start) != bool(end):
            raise OofError("StartTime and EndTime come together (MS-ASCMD_R2272)")
        state = text(wanted, "Settings:OofState")
        if state not in ("", "0", "1", "2"):
            raise OofError("no such state")
        taken: dict[str, Reply] = {}
        for message in every(wanted, "Settings:OofMessage"):
            audiences = [tag.partition(":")[2] for tag, _ in children(message) if tag.partition(":")[2] in AUDIENCES]
            if not audiences:
                raise OofError("a message for nobody")
            for audience in audiences:
                if audience in taken:
                    raise OofError("two messages for one audience")
                body = child(message, "Settings:ReplyMessage")
                old = self.replies.get(audience, Reply())
                taken[audience] = Reply(
                    text(message, "Settings:Enabled") == "1",
                    old.text if body is None else text(message, "Settings:ReplyMessage"),
                    old.html if body is None else text(message, "Settings:BodyType").upper() == "HTML",
                )
        self.state = state or self.state
        self.start, self.end = start, end
        self.replies |= taken
        self.answered.clear()

    def active(self, now: datetime) -> bool:
        """Whether it holds at a moment."""
        if self.state != "2":
            return self.state == "1"
        return datetime.fromisoformat(self.start) <= now < datetime.fromisoformat(self.end)

    def get(self, body_type: str) -> list[Node]:
        """The answer to a Get that wants its messages as Text or HTML."""
        nodes: list[Node] = [("Settings:OofState", self.state)]
        if self.start:
            nodes += [("Settings:StartTime", self.start), ("Settings:EndTime", self.end)]
        html = body_type.upper() == "HTML"
        for audience in AUDIENCES:
            reply = self.replies.get(audience)
            if reply is None:
                continue
            body = reply.text
            if body and html != reply.html:
                body = text_to_html(body) if html else html_to_text(body)
            message: list[Node] = [
                (f"Settings:{audience}", None),
                ("Settings:Enabled", "1" if reply.enabled else "0"),
            ]
            if body:
                message += [("Settings:ReplyMessage", body), ("Settings:BodyType", "HTML" if html else "Text")]
            nodes.append(("Settings:OofMessage", message))
        return nodes


def automatic_reply(
    oof: OutOfOffice, owner: str, raw: bytes, now: datetime, audience_of: Callable[[str], str]
) -> tuple[str, bytes] | None:
    """Who gets a reply to a message that came for `owner`, and the reply; None where nobody does.

    Nobody is answered twice, no machine ever, and nobody whose audience has no reply. `audience_of` tells the audience
    of an address.
    """
    if not oof.active(now):
        return None
    message = message_from_bytes(raw, policy=policy.default)
    sender = parseaddr(str(message.get("Return-Path") or message.get("From", "")))[1].lower()
    machine = str(message.get("Auto-Submitted", "no")).strip().lower() != "no" or "List-Id" in message
    machine = machine or str(message.get("Precedence", "")).strip().lower() in ("bulk", "junk", "list")
    if machine or not sender or sender == owner.lower() or sender in oof.answered:
        return None
    reply = oof.replies.get(audience_of(sender))
    if reply is None or not reply.enabled or not reply.text:
        return None
    oof.answered.add(sender)
    answer = EmailMessage()
    answer["From"], answer["To"] = owner, sender
    answer["Subject"] = f"Automatic reply: {' '.join(str(message.get('Subject', '')).split())}"
    answer["Auto-Submitted"] = "auto-replied"
    if message.get("Message-ID"):
        answer["In-Reply-To"] = str(message["Message-ID"]).strip()
    answer.set_content(reply.text, subtype="html" if reply.html else "plain")
    return sender, answer.as_bytes(policy=policy.SMTP)
