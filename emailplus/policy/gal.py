"""The global address list: when it is asked by itself, and how the people it answers with are named and ordered.

    key or setting                  what it decides
    gal_search_minimum_characters   characters typed before a look-up begins by itself; default 4
    gal_display_name (setting)      on: the list's own display name; off: first and last name
      default gal_search_display_name
    contacts_display_order (setting)  "first_last": Jane Doe, ordered by first name; "last_first": Doe, Jane, by last
      default contacts_display_order

Source: guide, table 2, "GAL search". A search that a person starts is not a look-up by itself: it has no threshold.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import Protocol, TypeVar

from ..config import AppConfig
from .decision import ALLOWED, Decision, denied
from .user_settings import Settings


class Named(Protocol):
    """What naming a person needs; an entry of the list and a contact both have it. Any text may be ""."""

    @property
    def first_name(self) -> str: ...
    @property
    def last_name(self) -> str: ...
    @property
    def display_name(self) -> str: ...
    @property
    def email(self) -> str: ...


Person = TypeVar("Person", bound=Named)


def automatic_lookup(typed: str, config: AppConfig) -> Decision:
    """Does what was typed so far start a look-up? Characters as a person counts them, blanks around not counted."""
    least = config.gal_search_minimum_characters
    length = sum(not unicodedata.combining(char) for char in unicodedata.normalize("NFC", typed.strip()))
    if length >= least:
        return ALLOWED
    rule = "gal_search_minimum_characters"
    return denied(f"a look-up starts at {least} characters, not at {length}", rule, "Type more, or search")


def shown_name(person: Named, settings: Settings) -> str:
    """What a list of people shows for one of them; never "" while any of its texts is there."""
    display = person.display_name.strip()
    if settings.gal_display_name and display:
        return display
    first, last = person.first_name.strip(), person.last_name.strip()
    if not first or not last:
        return first or last or display or person.email.strip()
    return f"{last}, {first}" if settings.contacts_display_order == "last_first" else f"{first} {last}"


def ordered(people: Iterable[Person], settings: Settings) -> list[Person]:
    """In the order in which they are read: by the name shown, case and accents aside; equal ones by address."""
    return sorted(people, key=lambda person: (_key(shown_name(person, settings)), _key(person.email)))


def _key(text: str) -> tuple[str, str]:
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in plain if not unicodedata.combining(char)), text
