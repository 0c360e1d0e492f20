"""One mail, one event, whichever way tells of it first."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emailplus.ews.lifetime import due, renewed, stream_minutes
from emailplus.ews.matching import Arrival, Joined, best, same
from emailplus.model.ews import EwsSubscription

AT = datetime(2026, 11, 24, 9, 30, 0, 417_000, UTC)
EWS = Arrival("ews", "AAMk1", "a@example.test", "Hello", "bob@example.test", AT.replace(microsecond=0), 4711)
EAS = Arrival("eas", "17", "", "Hello", "bob@example.test", AT, 1200)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, True),
        ({"message_id": "<a@example.test>"}, True),
        ({"message_id": "<a@example.test>", "subject": "changed on the way", "sender": ""}, True),
        ({"message_id": "b@example.test"}, False),
        ({"message_id": "a@example.test", "received": AT + timedelta(days=2)}, False),
        ({"message_id": "a@example.test", "received": None}, True),
        ({"received": AT + timedelta(seconds=1)}, True),
        ({"received": AT + timedelta(seconds=3)}, False),
        ({"received": None}, False),
        ({"subject": "Hello  "}, True),
        ({"subject": "Other"}, False),
        ({"sender": "Bob@Example.Test"}, True),
        ({"sender": "carol@example.test"}, False),
    ],
)
def test_the_same_mail_or_another(change: dict[str, object], expected: bool) -> None:
    other = replace(EAS, **change)  # type: ignore[arg-type]
    assert same(EWS, other) is expected
    assert same(other, EWS) is expected


def test_of_several_the_nearest_in_size() -> None:
    candidates = [replace(EAS, key=str(size), size=size) for size in (10, 5000, 90_000)]
    for order in permutations(candidates):
        found = best(EWS, order)
        assert found is not None
        assert found.key == "5000"
    known = replace(EAS, key="id", message_id="a@example.test", size=1)
    found = best(EWS, [*candidates, known])
    assert found == known
    assert best(EWS, []) is None


def test_a_mail_is_new_once_by_either_way() -> None:
    for first, second in ((EWS, EAS), (EAS, EWS)):
        joined = Joined()
        assert joined.is_new(first)
        assert not joined.is_new(second)
        assert not joined.is_new(first)
        assert not joined.is_new(second)


def test_two_deliveries_of_one_message_are_two_mails() -> None:
    joined = Joined()
    twice = [replace(EWS, key="one"), replace(EWS, key="two")]
    assert [joined.is_new(each) for each in twice] == [True, True]
    assert [joined.is_new(replace(EAS, key=key)) for key in ("1", "2", "3")] == [False, False, True]


@given(st.permutations([(way, number) for way in ("eas", "ews") for number in range(6)]))
def test_any_order_gives_each_mail_once(order: list[tuple[str, int]]) -> None:
    joined = Joined()
    told = 0
    for way, number in order:
        base = EWS if way == "ews" else EAS
        when = AT + timedelta(seconds=10 * number)
        arrival = replace(base, key=f"{way}{number}", message_id=base.message_id and f"{number}@x", received=when)
        told += joined.is_new(arrival)
    assert told == 6


def test_memory_is_bounded() -> None:
    joined = Joined(keep=100)
    for number in range(1000):
        joined.is_new(replace(EWS, key=str(number), message_id=f"{number}@x"))
    assert len(joined._alone["ews"]) == len(joined._told["ews"]) == 100


SUBSCRIPTION = EwsSubscription("push", "id", "w", created=1000.0, renewed=1000.0, interval=3600, valid_until=86_400)


@pytest.mark.parametrize(
    ("age", "since_renewal", "expected"),
    [
        (0, 0, "keep"), (3599, 3599, "keep"), (3600, 3600, "renew"), (80_000, 100, "keep"), (86_399, 3600, "renew"),
        (86_400, 0, "end"), (200_000, 200_000, "end"), (-50, -50, "renew"),
    ],
)  # fmt: skip
def test_lifetime(age: float, since_renewal: float, expected: str) -> None:
    now = 1000.0 + age
    assert due(replace(SUBSCRIPTION, renewed=now - since_renewal), now) == expected


def test_a_renewal_keeps_the_beginning_and_remembers_the_old_id() -> None:
    one = renewed(SUBSCRIPTION, "id2", "w2", 5000)
    assert (one.created, one.renewed, one.id, one.retired) == (1000.0, 5000, "id2", ("id",))
    assert renewed(replace(SUBSCRIPTION, kind="pull"), "id2", "w2", 5000).retired == ()
    many = SUBSCRIPTION
    for number in range(20):
        many = renewed(many, f"n{number}", "", 5000)
    assert len(many.retired) == 8


def test_a_stream_ends_when_something_is_due() -> None:
    assert stream_minutes(SUBSCRIPTION, 1000) == 29
    assert stream_minutes(SUBSCRIPTION, 1000 + 3000) == 10
    assert stream_minutes(SUBSCRIPTION, 1000 + 3599) == 1
    assert stream_minutes(replace(SUBSCRIPTION, valid_until=300), 1000) == 5
