"""Whether contacts may be exported, and how much of each.

    allow_export_contacts   limit_contact_export_to   exported
    false (default)         any                       nothing: `PolicyDenied`
    true                    all (default)             everything
    true                    name_number               names and telephone numbers, nothing else
    true                    anything else             everything (guide: the value all is used)

Source: guide, table 2, "Manage contacts". Under name_number a contact is made anew from the properties listed here, so
that a property which a later version adds stays in as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final, Protocol

from ..model.contact import Contact
from .decision import ALLOWED, Decision, denied

NAMES: Final = ("title", "first_name", "middle_name", "last_name", "suffix")
NUMBERS: Final = (
    "business_phone", "business2_phone", "business_fax", "company_main_phone", "home_phone", "home2_phone", "home_fax",
    "mobile_phone", "car_phone", "radio_phone", "pager", "assistant_phone",
)  # fmt: skip

_NUMBER = re.compile(r"[+(]?[0-9][0-9 ()./+*#,;x-]*", re.I)
"""A field for a number may hold anything; only a number leaves."""


class Keys(Protocol):
    """The keys that decide."""

    @property
    def allow_export_contacts(self) -> bool: ...
    @property
    def limit_contact_export_to(self) -> str: ...


def may_export(keys: Keys) -> Decision:
    """Whether contacts may be exported at all."""
    if keys.allow_export_contacts:
        return ALLOWED
    return denied("contacts may not be exported", "allow_export_contacts")


def exportable(contacts: Iterable[Contact], keys: Keys) -> Iterator[Contact]:
    """The contacts as they may leave, in order. Raises `PolicyDenied` at once, before the first."""
    may_export(keys).require()
    return map(name_and_number, contacts) if keys.limit_contact_export_to == "name_number" else iter(contacts)


def name_and_number(contact: Contact) -> Contact:
    """A contact with the name and the numbers of this one. A company without a person's name is called by its own."""
    names = {name: getattr(contact, name) for name in NAMES}
    if not any(name.strip() for name in names.values()):
        names = {"company_name": contact.company_name}
    numbers = {name: number for name in NUMBERS if _NUMBER.fullmatch(number := getattr(contact, name).strip())}
    return Contact(**names, **numbers)
