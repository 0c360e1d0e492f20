"""When a user wants to be told of new mail, and what of it the administrator's set-up carries.

    setting           needs
    work_hours_only   nothing
    weekend_alerts    work_hours_only
    vip_after_hours   work_hours_only and sentry_server_host (the notification service behind a Sentry), and a server
                      that is not Exchange in Office 365

Source: guide, "Enable Email+ settings on your device to receive notifications" and the limitation beside it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ..config import AppConfig

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
SETTINGS: Final = frozenset({"work_hours_only", "work_hours", "time_zone", "weekend_alerts", "vip_after_hours"})
"""The settings that a running subscription was registered with."""

NOTE: Final = "Changes to alert times will come into effect after '{hours}' hours."

_TIME: Final = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]|24:00")
_OFFICE_365: Final = (".office365.com", ".outlook.com", ".office365.us", ".outlook.office.de", ".partner.outlook.cn")


@dataclass(frozen=True, slots=True)
class WorkHours:
    """Weekday (0 Monday to 6 Sunday) -> minutes since midnight of beginning and end. A day that is missing is free."""

    WANTED: ClassVar[str] = 'weekdays with two times each, for example {"mon": ["09:00", "17:00"]}'

    days: tuple[tuple[int, int, int], ...]

    @classmethod
    def takes(cls, value: object) -> bool:
        """Whether `of` can read `value`."""
        if isinstance(value, WorkHours):
            return True
        if not isinstance(value, Mapping):
            return False
        return all(
            day in WEEKDAYS
            and isinstance(span, list | tuple)
            and len(span) == 2
            and all(isinstance(time, str) and _TIME.fullmatch(time) for time in span)
            and span[0] < span[1]
            for day, span in value.items()
        )

    @classmethod
    def of(cls, value: WorkHours | Mapping[str, list[str]]) -> WorkHours:
        """From weekdays and times; `value` is one that `takes` accepts."""
        if isinstance(value, WorkHours):
            return value
        days = ((WEEKDAYS.index(day), _minutes(span[0]), _minutes(span[1])) for day, span in value.items())
        return cls(tuple(sorted(days)))

    def as_dict(self) -> dict[str, list[str]]:
        """The form that a person writes."""
        return {WEEKDAYS[day]: [_clock(start), _clock(end)] for day, start, end in self.days}


def _minutes(time: str) -> int:
    hours, _, minutes = time.partition(":")
    return int(hours) * 60 + int(minutes)


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


WORK_HOURS: Final = WorkHours(tuple((day, 9 * 60, 17 * 60) for day in range(5)))
"""Until the user says otherwise."""


def is_zone(value: object) -> bool:
    """Whether `value` names a time zone."""
    if not isinstance(value, str) or len(value) > 100:
        return False
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def office_365(config: AppConfig) -> bool:
    """Whether the mailbox lives in Office 365: behind a Sentry, `email_ews_host` tells."""
    hosts = (config.exchange_endpoint.host, config.email_ews_host.partition(":")[0])
    return any(f".{host.casefold()}".endswith(_OFFICE_365) for host in hosts)


def vip_refusal(config: AppConfig) -> str | None:
    """Why mail of VIPs cannot be told outside work hours; None: it can."""
    if config.sentry_server_host is None:
        return "sentry_server_host is not set: no service looks up whether a sender is a VIP"
    if office_365(config):
        return "the notification service does not work with Exchange in Office 365"
    return None


def note(config: AppConfig) -> str:
    """What the user reads after changing alert times: the subscription that runs keeps the old ones to its end."""
    hours = config.subscription_valid_until / 60
    return NOTE.format(hours=f"{hours:g}")
