"""How far back mail is synced and kept.

    value  0    1      2       3       4        5
    span   all  1 day  3 days  1 week  2 weeks  1 month

The same numbers stand in `email_max_sync_period`, `email_default_sync_period`, in FilterType (MS-ASCMD 2.2.3.68.2) and
in the server's MaxEmailAgeFilter (MS-ASPROV 2.2.2.33). 0 is the longest, so periods are compared by span, never by
number.
Mail only: tasks sync whole (FilterType 0), and so does the calendar unless the server's MaxCalendarAgeFilter (MS-ASPROV
2.2.2.31) asks for less.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

ALL: Final = 0

SPANS: Final[dict[int, timedelta | None]] = {
    0: None,
    1: timedelta(days=1),
    2: timedelta(days=3),
    3: timedelta(weeks=1),
    4: timedelta(weeks=2),
    5: timedelta(days=31),
}
"""Period -> span; None is without end. A month counts as 31 days, the longest that any server means by it: what the
server still lists is never taken for old."""


def span(period: int) -> timedelta | None:
    """How long `period` is; None for all mail. Raises ValueError unless `period` is 0 to 5."""
    if isinstance(period, bool) or period not in SPANS:
        raise ValueError(f"a sync period is a number from 0 to 5, not {period!r}")
    return SPANS[period]


def rank(period: int) -> int:
    """Place of `period` from the shortest (0) to the longest (5). Raises ValueError unless `period` is 0 to 5."""
    span(period)
    return len(SPANS) - 1 if period == ALL else period - 1


def shortest(*periods: int) -> int:
    """The shortest of `periods`; with none given, 0 (all)."""
    return min(periods, key=rank, default=ALL)


def effective_period(
    *, default: int, maximum: int, choice: int | None = None, server_maximum: int | None = None
) -> int:
    """The period that holds.

    `default` and `maximum` are `email_default_sync_period` and `email_max_sync_period`; `choice` is the user's, None
    while there is none; `server_maximum` is MaxEmailAgeFilter of the server's policy, None where it sets none.
    The user may choose shorter than the maximum, never longer: a longer choice becomes the maximum. A server maximum
    outside the table (MS-ASPROV_R257 allows 0 to 5) counts as 5, the longest that has an end. Raises ValueError where
    another value is outside.
    """
    wanted = default if choice is None else choice
    ceilings = [maximum]
    if server_maximum is not None:
        ceilings.append(server_maximum if server_maximum in SPANS else 5)
    return shortest(wanted, *ceilings)


def mail_filter_type(period: int) -> int:
    """FilterType for the Email class: the value of the period itself (MS-ASCMD 2.2.3.68.2)."""
    span(period)
    return period


CALENDAR_FILTERS: Final = (0, 4, 5, 6, 7)
"""All, 2 weeks, 1 month, 3 months, 6 months (MS-ASCMD 2.2.3.68.2, MS-ASPROV_R245)."""


def calendar_filter_type(server_maximum: int | None) -> int:
    """FilterType for the Calendar class: 0 (whole), unless MaxCalendarAgeFilter of the server's policy asks for less.

    No key limits events. A maximum outside the table counts as 7, the longest that has an end.
    """
    if server_maximum is None or server_maximum in CALENDAR_FILTERS:
        return server_maximum or 0
    return CALENDAR_FILTERS[-1]


def cut_off(period: int, now: datetime) -> datetime | None:
    """The moment before which mail has left the period, in the zone of `now`; None where nothing ever does.

    For local retention. `now` must know its zone: mail dates are UTC, and a naive local time would be hours off.
    Raises ValueError for a naive `now` and for a period that is not 0 to 5.
    """
    if now.tzinfo is None:
        raise ValueError("cut_off needs a time that knows its zone")
    length = span(period)
    return None if length is None else now - length
