"""A note (MS-ASNOTE 2.2.2); the class exists from 14.0 on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from .item import Item

STICKY_NOTE = "IPM.StickyNote"


@dataclass(kw_only=True)
class Note(Item):
    """A sticky note. Its text is the body."""

    item_class: ClassVar[str] = "Notes"

    subject: str = ""
    message_class: str = STICKY_NOTE
    """IPM.StickyNote, or a kind derived from it."""
    modified: datetime | None = None
    """When it was last changed; the server's to say."""

    def title(self, *, separate: bool) -> str:
        """What a list shows: the subject, or (`separate` False) the first line of the text. (`allow_notes_title`)."""
        if separate and self.subject:
            return self.subject
        lines = (line.strip() for line in self.body_text.splitlines())
        return next(filter(None, lines), self.subject)
