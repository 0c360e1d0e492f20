"""The rules of notification against tables written from the guide's sentences: every combination, one row each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest

from emailplus.config import AppConfig
from emailplus.errors import UsageError
from emailplus.notify import rules as subject
from emailplus.notify.rules import App, Kind, Occasion, Registration, Rules, Telling, decide, in_force, pending
from emailplus.policy.alert_times import WorkHours
from emailplus.policy.user_settings import UserSettings, effective_settings

HOURS = WorkHours.of({day: ["09:00", "17:00"] for day in ("mon", "tue", "wed", "thu", "fri")})
TIMES = {
    "work": datetime(2026, 3, 4, 10, 0, tzinfo=UTC),  # a Wednesday
    "evening": datetime(2026, 3, 4, 20, 0, tzinfo=UTC),
    "weekend": datetime(2026, 3, 7, 10, 0, tzinfo=UTC),  # a Saturday
}
BOSS, OTHER = "boss@example.test", "other@example.test"

# When mail is told. Columns: Work Hours Only, Weekend Alerts, VIP Allowed After Work Hours, sentry_server_host,
# Office 365, when, from a VIP; "-" is either. Each combination has exactly one row, which a test below proves.
ALERT_TIMES = """
off - - - - -       -   | yes | without Work Hours Only no time is a wrong one, and nothing under it is on
on  - - - - work    -   | yes | "Cloud based service which only supports work hour notification"
on  - off - - evening - | no  | "cannot process notifications outside work hours"
on  - on off - evening - | no | "VIP related options are not enabled if ENS is not configured"
on  - on on on evening - | no | "The ENS solution is not supported on Microsoft Exchange Office 365"
on  - on on off evening no | no | "VIP email only notifications"
on  - on on off evening yes | yes | "VIP Allowed After Work Hours"
on on - - - weekend -   | yes | "other than delivering notifications over weekend"
on off off - - weekend - | no | a weekend without Weekend Alerts is outside work hours
on off on off - weekend - | no | as in the evening
on off on on on weekend - | no | as in the evening
on off on on off weekend no | no | as in the evening
on off on on off weekend yes | yes | as in the evening
"""

# How much is told at a right time. Columns: app, allow_device_keychain, should_cache_tunneling_config,
# allow_realtime_notifications, allow_detailed_notifications, Show Mail Details | telling, first, badge.
AMOUNT = """
open - - off on on          | details no yes   | "an individual notification is displayed for each unread email"
open - - off on off         | count no yes     | "a single notification that shows the aggregate count"
open - - off off -          | count no yes     | "false: Notifications do not include any details"
open - - on on on           | details yes yes  | "You have new messages", then "replaces it with a new notification"
open - - on on off          | count yes yes    | "shows either the unread email count or summary"
open - - on off -           | count yes yes    | both of the above
background off - off - -    | nothing no no    | "cannot retrieve the encryption key and therefore cannot ... check"
background off - on - -     | announced yes no | "you may continue to receive the first notification"
background on - off on on   | details no yes   | "allows Email+ to check ... even ... in the background"
background on - off on off  | count no yes     | the same
background on - off off -   | count no yes     | the same
background on - on on on    | details yes yes  | the same
background on - on on off   | count yes yes    | the same
background on - on off -    | count yes yes    | the same
closed off - off - -        | nothing no no    | "Use the key ... along with the key allow_device_keychain"
closed off - on - -         | announced yes no | the same
closed on off off - -       | nothing no no    | "false: The configuration is not cached"
closed on off on - -        | announced yes no | "force killed ...: will stop receiving the second notification"
closed on on off on on      | details no yes   | "detailed ... and badge count ... after force closing the app"
closed on on off on off     | count no yes     | the same
closed on on off off -      | count no yes     | the same
closed on on on on on       | details yes yes  | the same
closed on on on on off      | count yes yes    | the same
closed on on on off -       | count yes yes    | the same
"""

# A reminder: app, keychain, cached configuration, allow_detailed_notifications | telling. Alert times, push, Show Mail
# Details and VIPs do not concern it.
REMINDERS = """
open - - on         | details | "true: ... event titles and times"
open - - off        | count   | "false: Notifications do not include any details"
background off - -  | nothing | the calendar cannot be read
background on - on  | details |
background on - off | count   |
closed off - -      | nothing |
closed on off -     | nothing |
closed on on on     | details |
closed on on off    | count   |
"""


def rows(table: str) -> list[tuple[list[str], list[str]]]:
    found = []
    for line in table.strip().splitlines():
        conditions, outcome, _ = (part.strip() for part in line.split("|"))
        found.append((conditions.split(), outcome.split()))
    return found


def the_row(table: list[tuple[list[str], list[str]]], *facts: str) -> list[str]:
    fitting = [
        outcome
        for wanted, outcome in table
        if all(want in ("-", fact) for want, fact in zip(wanted, facts, strict=True))
    ]
    assert len(fitting) == 1, (facts, fitting)
    return fitting[0]


def word(value: bool) -> str:
    return "on" if value else "off"


FLAGS = (
    "work_hours_only", "weekend_alerts", "vip_after_hours", "sentry", "office_365", "keychain", "cached_config",
    "realtime", "detailed", "mail_details",
)  # fmt: skip


def every_rules() -> Iterator[tuple[Rules, dict[str, str]]]:
    for values in product((False, True), repeat=len(FLAGS)):
        chosen: dict[str, Any] = dict(zip(FLAGS, values, strict=True))
        words = {name: word(value) for name, value in chosen.items()}
        yield Rules(work_hours=HOURS, vips=frozenset({BOSS}), **chosen), words


def test_every_combination_of_mail() -> None:
    alert_times, amount = rows(ALERT_TIMES), rows(AMOUNT)
    seen = 0
    for rules, on in every_rules():
        for (when, at), vip, app in product(TIMES.items(), (False, True), App):
            decision = decide(rules, Occasion(at=at, sender=BOSS if vip else OTHER, app=app))
            (told,) = the_row(
                alert_times, on["work_hours_only"], on["weekend_alerts"], on["vip_after_hours"], on["sentry"],
                on["office_365"], when, "yes" if vip else "no",
            )  # fmt: skip
            telling, first, badge = the_row(
                amount, app.value, on["keychain"], on["cached_config"], on["realtime"], on["detailed"],
                on["mail_details"],
            )  # fmt: skip
            if told == "no":
                telling, first = "nothing", "no"
            expected = (telling, first == "yes", badge == "yes")
            assert (decision.telling.name.lower(), decision.first, decision.badge) == expected, (rules, when, vip, app)
            assert decision.reason
            seen += 1
    assert seen == 2**10 * 3 * 2 * 3


def test_every_combination_of_reminders() -> None:
    table = rows(REMINDERS)
    for rules, on in every_rules():
        for at, app in product(TIMES.values(), App):
            decision = decide(rules, Occasion(at=at, kind=Kind.REMINDER, app=app))
            (telling,) = the_row(table, app.value, on["keychain"], on["cached_config"], on["detailed"])
            assert decision.telling.name.lower() == telling
            assert not decision.first


@pytest.mark.parametrize(
    ("zone", "at", "told"),
    [
        ("UTC", "2026-03-04T08:59:59", False),
        ("UTC", "2026-03-04T09:00:00", True),
        ("UTC", "2026-03-04T16:59:59", True),
        ("UTC", "2026-03-04T17:00:00", False),
        ("Europe/Zurich", "2026-03-04T08:00:00", True),  # 9:00 in winter
        ("Europe/Zurich", "2026-03-04T07:59:59", False),
        ("Europe/Zurich", "2026-07-01T07:00:00", True),  # 9:00 in summer
        ("Europe/Zurich", "2026-07-01T15:00:00", False),
        ("Asia/Tokyo", "2026-03-08T23:59:59", False),  # Sunday in UTC, 8:59 on Monday there
        ("Asia/Tokyo", "2026-03-09T00:00:00", True),
        ("America/New_York", "2026-03-07T02:00:00", False),  # Friday 21:00 there
    ],
)
def test_hours_are_those_of_the_user_s_place(zone: str, at: str, told: bool) -> None:
    rules = Rules(work_hours_only=True, work_hours=HOURS, time_zone=zone)
    assert bool(decide(rules, Occasion(at=datetime.fromisoformat(at).replace(tzinfo=UTC)))) is told


def test_each_weekday_has_hours_of_its_own_and_free_days_are_the_weekend() -> None:
    hours = WorkHours.of({"sun": ["08:00", "24:00"], "thu": ["13:00", "14:00"]})
    rules = Rules(work_hours_only=True, work_hours=hours, weekend_alerts=True)
    sunday, thursday = datetime(2026, 3, 8, tzinfo=UTC), datetime(2026, 3, 5, tzinfo=UTC)

    def told(at: datetime) -> bool:
        return bool(decide(rules, Occasion(at=at)))

    assert told(sunday + timedelta(hours=23, minutes=59))
    assert not told(sunday + timedelta(hours=7))
    assert told(thursday + timedelta(hours=13))
    assert not told(thursday + timedelta(hours=9))
    assert told(thursday + timedelta(days=1, hours=3))  # a Friday without hours


def test_a_vip_is_one_whatever_the_case() -> None:
    rules = Rules(work_hours_only=True, work_hours=HOURS, vip_after_hours=True, sentry=True, vips=frozenset({BOSS}))
    decision = decide(rules, Occasion(at=TIMES["evening"], sender=" Boss@Example.TEST "))
    assert decision.vip
    assert decision.telling is Telling.COUNT


def test_changed_alert_times_wait_for_the_end_of_the_subscription() -> None:
    old = Rules(realtime=True, work_hours=HOURS, detailed=True)
    new = Rules(realtime=True, work_hours=HOURS, work_hours_only=True, weekend_alerts=True, time_zone="Asia/Tokyo")
    until = TIMES["work"] + timedelta(minutes=1440)
    registered = Registration(old, until)
    before, after = until - timedelta(seconds=1), until
    held = in_force(registered, new, before)
    assert (held.work_hours_only, held.weekend_alerts, held.time_zone) == (False, False, "UTC")
    assert held.detailed is False  # no alert time: it acts at once
    assert pending(registered, new, before)
    assert in_force(registered, new, after) == new
    assert not pending(registered, new, after)
    assert in_force(None, new, before) == new
    interval = Rules(work_hours=HOURS, work_hours_only=True)
    assert in_force(registered, interval, before) == interval  # no real-time push: no subscription


def test_what_the_settings_say_about_push() -> None:
    now = TIMES["work"]
    assert subject.state_text(Rules(realtime=True), 900, now + timedelta(hours=1), now) == (
        "You are subscribed to real-time push notifications."
    )
    assert "not subscribed" in subject.state_text(Rules(realtime=True), 900, now, now)
    assert "not subscribed" in subject.state_text(Rules(realtime=True), 900, None, now)
    assert "15 minutes" in subject.state_text(Rules(), 900, None, now)


def config(**keys: object) -> AppConfig:
    document = {
        "email_address": "a@example.test", "email_exchange_username": "a", "email_device_id": "d1" * 8,
        "email_exchange_host": "mail.example.test", **keys,
    }  # fmt: skip
    return AppConfig.load(document)


def rules_of(user: UserSettings, **keys: object) -> Rules:
    made = config(**keys)
    return Rules.of(made, effective_settings(made, user), [" Boss@example.test"])


def test_rules_from_configuration_and_settings() -> None:
    user = UserSettings.of({"work_hours_only": True, "vip_after_hours": True, "time_zone": "Asia/Tokyo"})
    plain = rules_of(user)
    assert (plain.detailed, plain.mail_details, plain.sentry, plain.realtime) == (False, False, False, False)
    assert plain.work_hours_only
    assert plain.vips == {BOSS}
    full = rules_of(
        user, allow_detailed_notifications="true", sentry_server_host="sentry.example.test",
        allow_device_keychain="true", should_cache_tunneling_config="true", allow_realtime_notifications="true",
        notification_server_host="push.example.test/PROD",
    )  # fmt: skip
    assert (full.detailed, full.mail_details, full.sentry, full.realtime) == (True, True, True, True)
    assert (full.keychain, full.cached_config, full.vip_after_hours) == (True, True, True)


def test_office_365_is_known_behind_a_sentry() -> None:
    user = UserSettings.of({"work_hours_only": True, "vip_after_hours": True})
    behind = rules_of(user, sentry_server_host="sentry.example.test", email_ews_host="outlook.office365.com")
    assert behind.office_365
    assert not behind.vip_after_hours
    assert not rules_of(user, email_ews_host="outlook.example.test").office_365


def test_the_cached_configuration_decides_about_an_app_that_was_closed() -> None:
    keys = {"allow_device_keychain": "true", "allow_detailed_notifications": "true"}
    closed = Occasion(at=TIMES["work"], app=App.CLOSED)
    assert decide(rules_of(UserSettings(), **keys), closed).telling is Telling.NOTHING
    cached = rules_of(UserSettings(), should_cache_tunneling_config="true", **keys)
    decision = decide(cached, closed)
    assert (decision.telling, decision.badge) == (Telling.DETAILS, True)


def test_rules_travel_as_json() -> None:
    for rules, _ in every_rules():
        document = rules.as_dict()
        if rules.detailed:  # one in two is enough for the slow part
            document = json.loads(json.dumps(document))
        assert Rules.from_dict(document) == rules


@pytest.mark.parametrize(
    "document",
    [
        {"detailed": "yes"},
        {"detailed": 1},
        {"work_hours": {"mon": ["17:00", "09:00"]}},
        {"work_hours": []},
        {"time_zone": "../../etc/passwd"},
        {"time_zone": 5},
        {"vips": "boss@example.test"},
        {"vips": [5]},
        {"vips": ["x" * 400]},
        {"vips": ["a@example.test"] * 10_001},
        {"colour": "blue"},
        {5: True},
    ],
)
def test_rules_from_strangers_are_looked_at(document: dict[Any, Any]) -> None:
    with pytest.raises(UsageError):
        Rules.from_dict(document)


def test_a_count_in_words() -> None:
    assert subject.count_text(1) == "1 unread message"
    assert subject.count_text(3) == "3 unread messages"
