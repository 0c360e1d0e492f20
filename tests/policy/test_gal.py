"""`gal_search_minimum_characters`, `gal_search_display_name`, `contacts_display_order`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from emailplus.policy.gal import automatic_lookup, ordered, shown_name
from emailplus.policy.user_settings import Settings, UserSettings, effective_settings

from ..config.samples import load


@dataclass(frozen=True)
class Person:
    first_name: str = ""
    last_name: str = ""
    display_name: str = ""
    email: str = ""


def settings(user: UserSettings | None = None, **keys: Any) -> Settings:
    return effective_settings(load(**keys), user or UserSettings())


@pytest.mark.parametrize(
    ("least", "typed", "begins"),
    [
        (None, "ann", False), (None, "anna", True), ("2", "an", True), ("2", " a ", False), ("1", "", False),
        ("3", "日本語", True), ("3", "e\u0301e\u0301", False), ("3", "🙂🙂🙂", True), ("6", "anna m", True),
    ],
)  # fmt: skip
def test_when_a_look_up_begins(least: str | None, typed: str, begins: bool) -> None:
    keys = {} if least is None else {"gal_search_minimum_characters": least}
    decision = automatic_lookup(typed, load(**keys))
    assert bool(decision) is begins
    assert (decision.rule == "gal_search_minimum_characters") is not begins


JANE = Person("Jane", "Doe", "Doe, Jane (Sales)", "jane@example.com")


@pytest.mark.parametrize(
    ("keys", "shown"),
    [
        ({}, "Doe, Jane (Sales)"),
        ({"gal_search_display_name": "false"}, "Jane Doe"),
        ({"gal_search_display_name": "false", "contacts_display_order": "last_first"}, "Doe, Jane"),
        ({"contacts_display_order": "last_first"}, "Doe, Jane (Sales)"),
        # The case of the value matters (guide): another one falls back to the default.
        ({"gal_search_display_name": "false", "contacts_display_order": "LAST_FIRST"}, "Jane Doe"),
    ],
)
def test_the_name_of_a_person(keys: dict[str, str], shown: str) -> None:
    assert shown_name(JANE, settings(**keys)) == shown


def test_the_user_may_differ() -> None:
    chosen = UserSettings(gal_display_name=False, contacts_display_order="last_first")
    assert shown_name(JANE, settings(chosen)) == "Doe, Jane"


@pytest.mark.parametrize(
    ("person", "shown"),
    [
        (Person(first_name="Jane"), "Jane"), (Person(last_name="Doe"), "Doe"),
        (Person(display_name="Room 4"), "Room 4"), (Person(email="x@y.example"), "x@y.example"), 
        (Person(display_name="  ", email="x@y.example"), "x@y.example"),
        (Person(), ""),
    ],
)  # fmt: skip
def test_a_name_made_of_what_is_there(person: Person, shown: str) -> None:
    for keys in ({}, {"gal_search_display_name": "false", "contacts_display_order": "last_first"}):
        assert shown_name(person, settings(**keys)) == shown


def test_the_order_of_people_follows_the_name_shown() -> None:
    people = [Person("Zoe", "Adams"), Person("émile", "Zola"), Person("Frank", "Müller"), Person("Eva", "Muller")]
    first = settings(gal_search_display_name="false")
    assert [one.first_name for one in ordered(people, first)] == ["émile", "Eva", "Frank", "Zoe"]
    last = settings(gal_search_display_name="false", contacts_display_order="last_first")
    assert [one.last_name for one in ordered(people, last)] == ["Adams", "Muller", "Müller", "Zola"]
