"""The classes of items that tables describe, by the name Sync gives them."""

from __future__ import annotations

from collections.abc import Mapping

from .calendar import CALENDAR
from .contacts import CONTACTS
from .item_type import ItemType
from .notes import NOTES
from .tasks import TASKS

ITEM_TYPES: Mapping[str, ItemType] = {kind.name: kind for kind in (CALENDAR, CONTACTS, TASKS, NOTES)}
