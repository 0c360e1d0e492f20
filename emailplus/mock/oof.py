"""Out-of-office of a mock user: what was set, audience by audience, given back in the form that is asked for."""

from __future__ import annotations

from dataclasses import dataclass, field

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
