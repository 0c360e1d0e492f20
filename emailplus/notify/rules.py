"""What is told of one new message, or of one reminder: a pure decision, one table of questions asked in order.

    question                                        where the answer is no
    may anything be told at this time?              NOTHING
    can the mailbox be read where this happens?     ANNOUNCED with real-time push, else NOTHING
    may details be told, and does the user want     COUNT
    them?                                           (all answers yes: DETAILS)

The time, for mail (`WINDOWS`, the first line that fits):

    alert times                                     told
    work_hours_only off                             always
    within the work hours of that weekday           yes
    a day without work hours, weekend_alerts on     yes
    vip_after_hours on, the sender a VIP            yes, with a service behind a Sentry and not on Office 365
    else                                            no

With real-time push, "You have new messages" is shown at once, and what is decided here replaces it.

Sources: guide, "Real-time push notifications" ("Why do I see two notifications", "How do I turn on/off notification
details"), "Enable Email+ settings on your device to receive notifications" and the notes beside it, "Background email
checks and user notifications", keys `allow_detailed_notifications`, `allow_device_keychain`,
`should_cache_tunneling_config`, `sentry_server_host`, `allow_realtime_notifications`.

Readings, where the guide is silent: a weekend is a day for which no work hours are set; a reminder is no mail alert, so
alert times and Show Mail Details do not concern it, `allow_detailed_notifications` ("event titles and times") does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Any, Final
from zoneinfo import ZoneInfo

from ..config import AppConfig
from ..errors import UsageError
from ..policy import alert_times
from ..policy.alert_times import WORK_HOURS, WorkHours
from ..policy.user_settings import Settings

FIRST: Final = "You have new messages"
"""What real-time push shows at once, before anything is known of the mail."""
SUBSCRIBED: Final = "You are subscribed to real-time push notifications."
NOT_SUBSCRIBED: Final = "You are not subscribed to real-time push notifications."
INTERVAL: Final = "New mail is looked for every {minutes} minutes."
REMINDER: Final = "You have a reminder"
"""A reminder without details: neither title nor time."""
MAX_VIPS: Final = 10_000
"""Addresses that one user's rules may carry."""


class Telling(IntEnum):
    """How much is told; each includes nothing of the next."""

    NOTHING = 0
    ANNOUNCED = 1
    """That there is something, and no more: nothing that is in the mailbox could be read."""
    COUNT = 2
    """One notification with the number of unread messages; of a reminder, that there is one."""
    DETAILS = 3
    """A notification for each message: sender, subject, snippet; of a reminder, title and time."""


class Kind(StrEnum):
    """What happened."""

    MAIL = "mail"
    REMINDER = "reminder"


class App(StrEnum):
    """Who is there to read the mailbox."""

    OPEN = "open"
    """The engine runs, opened by someone who gave it the store's key; or a service that asks the server itself."""
    BACKGROUND = "background"
    """Started by itself: the key has to be in the keychain (`allow_device_keychain`)."""
    CLOSED = "closed"
    """Ended by force: the configuration has to be at hand too (`should_cache_tunneling_config`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """One user's rules: what the administrator allows, what the user chose, who the VIPs are.

    Choices that have no place under the other values are carried and have no effect.
    """

    detailed: bool = False
    """`allow_detailed_notifications`."""
    mail_details: bool = True
    """The setting Show Mail Details."""
    work_hours_only: bool = False
    work_hours: WorkHours = WORK_HOURS
    time_zone: str = "UTC"
    weekend_alerts: bool = False
    vip_after_hours: bool = False
    realtime: bool = False
    """`allow_realtime_notifications`."""
    sentry: bool = False
    """`sentry_server_host` is set: a service looks up who sent a message."""
    office_365: bool = False
    """The mailbox lives in Office 365, where that service does not work."""
    keychain: bool = False
    """`allow_device_keychain`."""
    cached_config: bool = False
    """`should_cache_tunneling_config`; counts only with `keychain`."""
    vips: frozenset[str] = frozenset()
    """Addresses of contacts marked VIP, in lower case."""

    @classmethod
    def of(cls, config: AppConfig, settings: Settings, vips: Iterable[str] = ()) -> Rules:
        """From a configuration and the settings in force under it."""
        return cls(
            detailed=config.allow_detailed_notifications,
            mail_details=settings.show_mail_details,
            work_hours_only=settings.work_hours_only,
            work_hours=settings.work_hours,
            time_zone=settings.time_zone,
            weekend_alerts=settings.weekend_alerts,
            vip_after_hours=settings.vip_after_hours,
            realtime=config.allow_realtime_notifications,
            sentry=config.sentry_server_host is not None,
            office_365=alert_times.office_365(config),
            keychain=config.allow_device_keychain,
            cached_config=config.should_cache_tunneling_config,
            vips=frozenset(address.strip().casefold() for address in vips),
        )

    def as_dict(self) -> dict[str, Any]:
        """As JSON carries it to a service."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {**values, "work_hours": self.work_hours.as_dict(), "vips": sorted(self.vips)}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Rules:
        """From what `as_dict` made, by whoever sent it. Raises `UsageError` naming what is wrong; a name that is
        missing has its default."""
        known = {field.name: field.type for field in fields(cls)}
        unknown = sorted(str(name) for name in document if name not in known)
        if unknown:
            raise UsageError(f"rules have no {unknown[0][:40]!r}; there are {', '.join(known)}")
        values = dict(document)
        for name, value in values.items():
            if known[name] == "bool" and not isinstance(value, bool):
                raise UsageError(f"{name} takes true or false")
        if "work_hours" in values:
            if not WorkHours.takes(values["work_hours"]):
                raise UsageError(f"work_hours takes {WorkHours.WANTED}")
            values["work_hours"] = WorkHours.of(values["work_hours"])
        if "time_zone" in values and not alert_times.is_zone(values["time_zone"]):
            raise UsageError("time_zone takes the name of an IANA time zone, for example Europe/Zurich")
        if "vips" in values:
            people = values["vips"]
            if (
                not isinstance(people, list | tuple | set | frozenset)
                or len(people) > MAX_VIPS
                or not all(isinstance(person, str) and len(person) <= 320 for person in people)
            ):
                raise UsageError(f"vips takes a list of at most {MAX_VIPS:,} addresses")
            values["vips"] = frozenset(person.strip().casefold() for person in people)
        return cls(**values)

    def readable(self, app: App) -> bool:
        """Whether the mailbox can be read where that happens."""
        if app is App.OPEN:
            return True
        return self.keychain and (app is App.BACKGROUND or self.cached_config)


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """What there is to tell. `at`: an aware datetime; `sender`: an address, of mail."""

    at: datetime
    kind: Kind = Kind.MAIL
    sender: str = ""
    app: App = App.OPEN


@dataclass(frozen=True, slots=True)
class Decision:
    """What is told. True where anything is."""

    telling: Telling
    reason: str
    """In few words, for logs and people; holds nothing of the mail."""
    first: bool = False
    """`FIRST` is shown at once and replaced by the rest; under ANNOUNCED it is all there is."""
    badge: bool = False
    """The number of unread messages can be shown on the app's icon."""
    vip: bool = False
    """It is told because the sender is a VIP."""

    def __bool__(self) -> bool:
        return self.telling > Telling.NOTHING


def decide(rules: Rules, occasion: Occasion) -> Decision:
    """What is told of one message or reminder; see the table of this module."""
    readable = rules.readable(occasion.app)
    if occasion.kind is Kind.REMINDER:
        if not readable:
            return Decision(Telling.NOTHING, "nobody can read the calendar now")
        telling = Telling.DETAILS if rules.detailed else Telling.COUNT
        return Decision(telling, "a reminder", badge=readable)
    told, reason, vip = _window(rules, occasion)
    if not told:
        return Decision(Telling.NOTHING, reason, badge=readable)
    if not readable:
        if rules.realtime:
            return Decision(Telling.ANNOUNCED, "nobody can read the mailbox now", first=True)
        return Decision(Telling.NOTHING, "nobody can read the mailbox now")
    telling = Telling.DETAILS if rules.detailed and rules.mail_details else Telling.COUNT
    return Decision(telling, reason, first=rules.realtime, badge=True, vip=vip)


def may_announce(rules: Rules, at: datetime) -> bool:
    """Whether `FIRST` may be shown before anything is known of the mail, its sender included."""
    return decide(rules, Occasion(at=at)).first


def _window(rules: Rules, occasion: Occasion) -> tuple[bool, str, bool]:
    """Whether this is a time at which mail is told, why, and whether only because a VIP sent it."""
    if not rules.work_hours_only:
        return True, "alerts at all times", False
    spans, minute = _day(rules, occasion.at)
    if any(start <= minute < end for start, end in spans):
        return True, "within work hours", False
    if not spans and rules.weekend_alerts:
        return True, "weekend alerts", False
    vip_service = rules.sentry and not rules.office_365
    if rules.vip_after_hours and vip_service and occasion.sender.strip().casefold() in rules.vips:
        return True, "a VIP, outside work hours", True
    return False, "outside work hours" if spans else "on a weekend", False


def _day(rules: Rules, at: datetime) -> tuple[list[tuple[int, int]], float]:
    """The work hours of that day where the user is, in minutes, and the minute it is there."""
    local = at.astimezone(ZoneInfo(rules.time_zone))
    spans = [(start, end) for day, start, end in rules.work_hours.days if day == local.weekday()]
    return spans, local.hour * 60 + local.minute + local.second / 60


@dataclass(frozen=True, slots=True)
class Registration:
    """The rules that a running subscription was registered with, and until when it runs."""

    rules: Rules
    until: datetime


def in_force(registered: Registration | None, wanted: Rules, now: datetime) -> Rules:
    """The rules that hold: changed alert times wait for the end of the subscription that runs, the rest acts at once.

    "Changes to alert times will come into effect after 'X' hours." Without real-time push nothing is registered.
    """
    if registered is None or not wanted.realtime or now >= registered.until:
        return wanted
    times = {name: getattr(registered.rules, name) for name in sorted(alert_times.SETTINGS)}
    return replace(wanted, **times)


def pending(registered: Registration | None, wanted: Rules, now: datetime) -> bool:
    """Whether changed alert times wait for the end of the subscription."""
    return in_force(registered, wanted, now) != wanted


def state_text(rules: Rules, interval: int, subscribed_until: datetime | None, now: datetime) -> str:
    """What the settings show about push. `interval`: seconds (`notification_interval`)."""
    if not rules.realtime:
        return INTERVAL.format(minutes=f"{interval / 60:g}")
    return SUBSCRIBED if subscribed_until is not None and now < subscribed_until else NOT_SUBSCRIBED


def count_text(unread: int) -> str:
    """The one notification that stands for all unread mail."""
    return "1 unread message" if unread == 1 else f"{unread} unread messages"
