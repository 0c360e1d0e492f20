"""A task (MS-ASTASK 2.2.2)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from .item import Item
from .recurrence import Recurrence


@dataclass(kw_only=True)
class Task(Item):
    """Something to do. The protocol carries start and due twice: as local time and as the UTC moment of it."""

    item_class: ClassVar[str] = "Tasks"

    subject: str = ""
    importance: int = 1
    """0 low, 1 normal, 2 high; servers pass on other numbers."""
    start_date: datetime | None = None
    """Local time, without a zone."""
    utc_start_date: datetime | None = None
    due_date: datetime | None = None
    """Local time, without a zone."""
    utc_due_date: datetime | None = None
    complete: bool = False
    date_completed: datetime | None = None
    sensitivity: int | None = None
    """0 normal, 1 personal, 2 private, 3 confidential."""
    reminder_set: bool = False
    reminder_time: datetime | None = None
    recurrence: Recurrence | None = None
    ordinal_date: datetime | None = None
    """When it was put where it stands in a list (from 12.0)."""
    sub_ordinal_date: str = ""
    """Order among those with one `ordinal_date` (from 12.0)."""
