"""What a client may register, and when its alert times hold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from emailplus.errors import UsageError
from emailplus.notify.proxy.options import Limits
from emailplus.notify.proxy.registration import Keys, Wishes, dumped, loaded, register, renew, wishes_of
from emailplus.notify.rules import Rules

from .proxy_desk import DEVICE, MONDAY_NOON, ORGANIZATION

GATEWAYS = ("apns", "webhook:desk")
WORK = Rules(work_hours_only=True, detailed=True, vips=frozenset({"boss@example.com"}), sentry=True)
DOCUMENT: dict[str, Any] = {
    "organization": ORGANIZATION,
    "mailbox": "Alice@Example.com",
    "gateway": "apns",
    "device": DEVICE,
    "rules": WORK.as_dict(),
}


def wishes(**changed: Any) -> Wishes:
    return wishes_of({**DOCUMENT, **changed}, Limits(), GATEWAYS)


def test_what_is_read_is_what_was_written() -> None:
    read = wishes(mode="interval", interval=300, valid=60)
    assert (read.mailbox, read.mode, read.interval, read.valid) == ("alice@example.com", "interval", 300, 60)
    assert read.rules == WORK


@pytest.mark.parametrize(
    "changed",
    [
        {"mailbox": "alice"},
        {"mailbox": "alice@example.com, bob@example.com"},
        {"mailbox": None},
        {"gateway": "webhook:other"},
        {"device": "not hexadecimal"},
        {"device": "../../v1"},
        {"mode": "sometimes"},
        {"interval": 299},
        {"interval": True},
        {"valid": 0},
        {"valid": 10**9},
        {"rules": []},
        {"rules": {"work_hours_only": "yes"}},
        {"rules": {"time_zone": "Mars/Olympus"}},
        {"rules": {"vips": ["x" * 400]}},
        {"rules": {"vips": [f"p{n}@example.com" for n in range(2001)]}},
        {"password": "swordfish"},
    ],
    ids=str,
)
def test_what_is_wrong_is_said_without_repeating_it(changed: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        wishes(**changed)
    assert "swordfish" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_alert_times_change_when_the_period_is_over_for_which_they_were_registered() -> None:
    """Guide: "Changes to alert times will come into effect after 'X' hours." The default is 1440 minutes."""
    first = register(wishes(), Keys.new(), MONDAY_NOON)
    free = replace(WORK, work_hours_only=False)
    later = renew(first, wishes(rules=free.as_dict()), MONDAY_NOON + 3600, None)
    assert later.expires == MONDAY_NOON + 3600 + 86400
    assert later.times_from(MONDAY_NOON + 3600) == MONDAY_NOON + 86400
    assert later.rules(MONDAY_NOON + 86399).work_hours_only
    assert not later.rules(MONDAY_NOON + 86400).work_hours_only
    again = renew(later, wishes(), MONDAY_NOON + 7200, None)
    assert again.rules(MONDAY_NOON + 100_000).work_hours_only
    assert again.times_from(MONDAY_NOON + 7200) == MONDAY_NOON + 7200


def test_vips_and_details_change_at_once() -> None:
    first = register(wishes(), Keys.new(), MONDAY_NOON)
    other = replace(WORK, vips=frozenset({"chief@example.com"}), mail_details=False)
    later = renew(first, wishes(rules=other.as_dict()), MONDAY_NOON + 60, None)
    assert later.rules(MONDAY_NOON + 61).vips == frozenset({"chief@example.com"})
    assert not later.rules(MONDAY_NOON + 61).mail_details


def test_registering_anew_is_no_way_round() -> None:
    first = register(wishes(), Keys.new(), MONDAY_NOON)
    free = wishes(rules=replace(WORK, work_hours_only=False).as_dict())
    again = register(free, Keys.new(), MONDAY_NOON + 60, first)
    assert again.id == first.id
    assert (again.secret, again.callback) != (first.secret, first.callback)
    assert again.rules(MONDAY_NOON + 61).work_hours_only


def test_the_ledger_gives_back_what_it_was_given() -> None:
    made = renew(register(wishes(), Keys.new(), MONDAY_NOON), wishes(rules={}), MONDAY_NOON + 5, "sub")
    assert loaded(made.id, made.secret, made.callback, made.expires, dumped(made)) == made


def test_two_registrations_share_no_key() -> None:
    keys = [Keys.new() for _ in range(50)]
    assert len({entry.callback for entry in keys} | {entry.secret for entry in keys}) == 100
    assert min(len(entry.callback) for entry in keys) >= 43  # 256 bits
