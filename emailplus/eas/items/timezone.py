"""Time zones: the TIME_ZONE_INFORMATION blob of Exchange, both ways against IANA zones (MS-ASDTYPE 2.7.6).

The blob says a bias and two rules, with names that are Windows ids, display names of some language, IANA names, or
nothing. Names come first where the rules agree with them, rules alone otherwise. Nothing here raises on reading.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from tzlocal.windows_tz import tz_win, win_tz

SIZE = 172
_BLOB = struct.Struct("<i64s8Hi64s8Hi")
_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)

_RENAMED = {
    "Africa/Asmera": "Africa/Asmara",
    "America/Buenos_Aires": "America/Argentina/Buenos_Aires",
    "America/Godthab": "America/Nuuk",
    "America/Indianapolis": "America/Indiana/Indianapolis",
    "Asia/Calcutta": "Asia/Kolkata",
    "Asia/Katmandu": "Asia/Kathmandu",
    "Asia/Rangoon": "Asia/Yangon",
    "Asia/Saigon": "Asia/Ho_Chi_Minh",
    "Atlantic/Faeroe": "Atlantic/Faroe",
    "Europe/Kiev": "Europe/Kyiv",
    "Pacific/Enderbury": "Pacific/Kanton",
}
"""CLDR keeps the first name that a zone had; this is what the IANA database calls it today."""

Rule = tuple[int, int, int, int, int, int, int, int]
"""SYSTEMTIME: year (0: every year), month, day of week (0 Sunday), day, hour, minute, second, milliseconds. The day is
that of the month where there is a year, else a week of the month, 5 the last."""
NO_RULE: Rule = (0, 0, 0, 0, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class ZoneInformation:
    """What a blob says. Biases in minutes, to be subtracted from UTC."""

    bias: int = 0
    standard_name: str = ""
    standard_date: Rule = NO_RULE
    standard_bias: int = 0
    daylight_name: str = ""
    daylight_date: Rule = NO_RULE
    daylight_bias: int = 0

    @property
    def says_nothing(self) -> bool:
        """All zeros: some servers write that for "I do not know", not for UTC."""
        return self == ZoneInformation()

    @property
    def has_daylight(self) -> bool:
        """Whether two usable rules are there and make a difference."""
        return (
            1 <= self.standard_date[1] <= 12
            and 1 <= self.daylight_date[1] <= 12
            and self.standard_bias != self.daylight_bias
        )


def unpack(blob: bytes) -> ZoneInformation | None:
    """The blob taken apart; None for what is none, or claims an offset that no place on earth has."""
    if len(blob) != SIZE:
        return None
    values = _BLOB.unpack(blob)
    standard: Rule = values[2:10]
    daylight: Rule = values[12:20]
    found = ZoneInformation(
        values[0], _name(values[1]), standard, values[10], _name(values[11]), daylight, values[20]
    )  # fmt: skip
    offsets = (found.bias + found.standard_bias, found.bias + found.daylight_bias)
    if any(abs(offset) > 18 * 60 for offset in offsets) or not (_plausible(standard) and _plausible(daylight)):
        return None
    return found


def _plausible(rule: Rule) -> bool:
    _, month, weekday, day, hour, minute, second, _ = rule
    return month <= 12 and weekday <= 6 and day <= 31 and hour <= 24 and minute <= 59 and second <= 59


def pack(zone: ZoneInformation) -> bytes:
    """The blob."""
    return _BLOB.pack(
        zone.bias, _wide(zone.standard_name), *zone.standard_date, zone.standard_bias,
        _wide(zone.daylight_name), *zone.daylight_date, zone.daylight_bias,
    )  # fmt: skip


def _name(raw: bytes) -> str:
    return raw.decode("utf-16-le", "replace").partition("\0")[0].strip()


def _wide(name: str) -> bytes:
    return name.encode("utf-16-le")[:62].ljust(64, b"\0")  # the last WCHAR stays 0


# -- rules in time


def transition(rule: Rule, year: int) -> datetime | None:
    """The local time of a rule in a year; None where it has none."""
    written, month, weekday, number, hour, minute, second, _ = rule
    if not 1 <= month <= 12 or hour > 24 or minute > 59 or second > 59:
        return None
    try:
        if written:
            return datetime(year, month, number, hour % 24, minute, second) if written == year else None
        first = date(year, month, 1)
        day = first + timedelta(days=(weekday - first.isoweekday()) % 7)
        day += timedelta(weeks=max(0, min(number, 5) - 1))
        while day.month != month:
            day -= timedelta(weeks=1)
        if (hour, minute, second) == (23, 59, 59):  # how Windows writes the midnight that ends a day
            hour, minute, second = 24, 0, 0
        return datetime(day.year, day.month, day.day) + timedelta(hours=hour, minutes=minute, seconds=second)
    except (ValueError, OverflowError):
        return None


class RuleZone(tzinfo):
    """A zone made of a blob's own rules, for blobs that match no zone of the IANA database."""

    def __init__(self, information: ZoneInformation) -> None:
        self._standard = timedelta(minutes=-(information.bias + information.standard_bias))
        self._daylight = timedelta(minutes=-(information.bias + information.daylight_bias))
        self._information = information

    @property
    def standard(self) -> timedelta:
        return self._standard

    def spans(self, year: int) -> tuple[datetime, datetime] | None:
        """The naive UTC moments at which daylight time begins and ends in a year; None where there is none."""
        if not self._information.has_daylight:
            return None
        begin = transition(self._information.daylight_date, year)
        end = transition(self._information.standard_date, year)
        if begin is None or end is None or begin == end:
            return None
        return begin - self._standard, end - self._daylight

    def _at(self, moment: datetime) -> timedelta:
        """The offset at a naive UTC moment."""
        try:
            span = self.spans((moment + self._standard).year)
        except OverflowError:
            span = None
        if span is None:
            return self._standard
        begin, end = span
        within = begin <= moment < end if begin < end else not end <= moment < begin
        return self._daylight if within else self._standard

    def utcoffset(self, moment: datetime | None) -> timedelta:
        if moment is None or self._standard == self._daylight:
            return self._standard
        wall = moment.replace(tzinfo=None)
        try:
            fits = [offset for offset in (self._standard, self._daylight) if self._at(wall - offset) == offset]
            if len(fits) == 1:
                return fits[0]
            # An hour that comes twice, or not at all (PEP 495): the fold tells which side of the change is meant.
            return self._at(wall - (min if moment.fold else max)(self._standard, self._daylight))
        except OverflowError:
            return self._standard

    def dst(self, moment: datetime | None) -> timedelta:
        return self.utcoffset(moment) - self._standard

    def tzname(self, moment: datetime | None) -> str:
        daylight = self.utcoffset(moment) != self._standard
        return (self._information.daylight_name if daylight else self._information.standard_name) or "local"

    def fromutc(self, moment: datetime) -> datetime:
        """UTC to local, the fold of the repeated hour set."""
        utc = moment.replace(tzinfo=None)
        offset = self._at(utc)
        local = (moment + offset).replace(fold=0)
        return local if local.utcoffset() == offset else local.replace(fold=1)


# -- what a zone does in a year


@dataclass(frozen=True, slots=True)
class _Signature:
    """The offset in minutes when a year begins, and every change of it: (UTC moment, offset after it)."""

    first: int
    changes: tuple[tuple[datetime, int], ...]


def _offset(zone: tzinfo, moment: datetime) -> int:
    found = moment.astimezone(zone).utcoffset()
    return int(found.total_seconds()) // 60 if found is not None else 0


def _signature(zone: tzinfo, year: int) -> _Signature:
    start, end = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
    first = before = _offset(zone, start)
    changes: list[tuple[datetime, int]] = []
    moment = start
    while moment < end:
        later = min(moment + timedelta(days=10), end)
        after = _offset(zone, later)
        if after != before:
            low, high = moment, later
            while high - low > _MINUTE:
                middle = low + (high - low) // 2
                middle -= timedelta(seconds=middle.second, microseconds=middle.microsecond)
                if middle <= low:
                    middle = low + _MINUTE
                if _offset(zone, middle) == before:
                    low = middle
                else:
                    high = middle
            changes.append((high, after))
        moment, before = later, after
    return _Signature(first, tuple(changes))


@lru_cache(maxsize=2048)
def _zone_signature(name: str, year: int) -> _Signature:
    return _signature(ZoneInfo(name), year)


def _rule_signature(information: ZoneInformation, year: int) -> _Signature:
    """What the rules of a blob make of a year."""
    zone = RuleZone(information)
    start = datetime(year, 1, 1)
    changes: list[tuple[datetime, int]] = []
    for span_year in (year - 1, year, year + 1):  # a change near midnight may be in another year as UTC has it
        for moment in zone.spans(span_year) or ():
            if start < moment < datetime(year + 1, 1, 1):
                changes.append((moment.replace(tzinfo=UTC), _offset(zone, moment.replace(tzinfo=UTC))))
    return _Signature(_offset(zone, start.replace(tzinfo=UTC)), tuple(sorted(changes)))


@lru_cache(maxsize=1)
def _names() -> frozenset[str]:
    return frozenset(available_timezones())


@lru_cache(maxsize=1)
def _candidates() -> tuple[str, ...]:
    """The zones that stand for a Windows id (CLDR territory 001), then the others that CLDR knows."""
    known = _names()
    main = list(dict.fromkeys(_today(name) for name in win_tz.values() if name in known))
    return (*main, *(name for name in sorted(tz_win) if name in known and name not in main and "/" in name))


def known_zone(name: str) -> str:
    """The IANA name for an IANA name or a Windows id, in any case; "" for what is neither."""
    name = name.strip()
    if name in win_tz and win_tz[name] in _names():
        return _today(win_tz[name])
    if name in _names():
        return name
    return _by_folded_name().get(name.casefold(), "")


@lru_cache(maxsize=1)
def _by_folded_name() -> dict[str, str]:
    table = {name.casefold(): name for name in _names()}
    table.update({windows.casefold(): _today(name) for windows, name in win_tz.items() if name in _names()})
    return table


def _today(name: str) -> str:
    renamed = _RENAMED.get(name, name)
    return renamed if renamed in _names() else name


# -- both ways


def zone_of(blob: bytes, *, year: int | None = None, prefer: str = "") -> str:
    """The IANA zone that a blob means; "" where it says nothing or fits none.

    `prefer` (the user's own zone) wins among zones with the same rules, which Windows ids tell apart and blobs do not.
    `year` is that of the event: rules change, and a blob tells those of one year.
    """
    information = unpack(blob)
    if information is None or information.says_nothing:
        return ""
    return _zone_of(information, year if year is not None and 1970 <= year <= 2100 else 2026, prefer)


@lru_cache(maxsize=512)
def _zone_of(information: ZoneInformation, year: int, prefer: str) -> str:
    rules = _rule_signature(information, year)
    for name in (information.standard_name, information.daylight_name):
        zone = prefer if prefer and tz_win.get(prefer) == name else known_zone(name)
        if zone and _agrees(zone, year, rules, information):
            return zone
    if prefer and known_zone(prefer) and _zone_signature(known_zone(prefer), year) == rules:
        return known_zone(prefer)
    if not rules.changes and rules.first == 0:
        return "Etc/UTC"
    for zone in _candidates():
        if _zone_signature(zone, year) == rules:
            return zone
    return _fixed(rules) or _by_last_years(information, year)


def _agrees(zone: str, year: int, rules: _Signature, information: ZoneInformation) -> bool:
    """Whether the rules are those of the named zone, in this year or in one near it: blobs are kept for years."""
    if _zone_signature(zone, year) == rules:
        return True
    for other in (2026, 2015, 2006, 2000):
        if _zone_signature(zone, other) == _rule_signature(information, other):
            return True
    return False


def _by_last_years(information: ZoneInformation, year: int) -> str:
    """Rules of other years: an old client describes its zone as it was."""
    for other in (2026, 2006):
        if other == year:
            continue
        rules = _rule_signature(information, other)
        for zone in _candidates():
            if _zone_signature(zone, other) == rules:
                return zone
    return ""


def _fixed(rules: _Signature) -> str:
    """Etc/GMT zones have whole hours and the sign of the bias."""
    if rules.changes or rules.first % 60:
        return ""
    name = f"Etc/GMT{-rules.first // 60:+d}"
    return name if name in _names() else ""


def tzinfo_of(name: str, blob: bytes = b"") -> tzinfo:
    """The zone of an event: by name, else by the blob's own rules, else UTC."""
    known = known_zone(name) if name else ""
    if known:
        return ZoneInfo(known)
    information = unpack(blob)
    if information is not None and not information.says_nothing:
        return RuleZone(information)
    return UTC


def describe(name: str, year: int) -> ZoneInformation:
    """What a blob says of an IANA zone in that year. Raises `ValueError` for an unknown zone."""
    zone = known_zone(name)
    if not zone:
        raise ValueError(f"{name!r} is no time zone of the IANA database")
    year = min(max(year, 1970), 2100)
    label = tz_win.get(zone, zone)
    signature = _zone_signature(zone, year)
    offsets = {signature.first, *(offset for _, offset in signature.changes)}
    if len(signature.changes) != 2 or len(offsets) != 2:
        # No daylight time this year, or something that two rules cannot say: the offset that holds longest.
        return ZoneInformation(bias=-_longest(signature, year), standard_name=label, daylight_name=label)
    standard, daylight = sorted(offsets)
    rules = {}
    for (moment, offset), (_, before) in zip(signature.changes, _before(signature), strict=True):
        wall = (moment + timedelta(minutes=before)).replace(tzinfo=None)
        rules[offset] = _rule(zone, wall, offset, year)
    return ZoneInformation(
        bias=-standard, standard_name=label, standard_date=rules[standard], standard_bias=0,
        daylight_name=label, daylight_date=rules[daylight], daylight_bias=standard - daylight,
    )  # fmt: skip


def _before(signature: _Signature) -> Iterator[tuple[datetime, int]]:
    """Each change with the offset before it."""
    offset = signature.first
    for moment, after in signature.changes:
        yield moment, offset
        offset = after


def _longest(signature: _Signature, year: int) -> int:
    spans: dict[int, timedelta] = {}
    moment, offset = datetime(year, 1, 1, tzinfo=UTC), signature.first
    for change, after in (*signature.changes, (datetime(year + 1, 1, 1, tzinfo=UTC), 0)):
        spans[offset] = spans.get(offset, timedelta()) + (change - moment)
        moment, offset = change, after
    return max(spans, key=lambda candidate: spans[candidate])


def _rule(zone: str, wall: datetime, offset: int, year: int) -> Rule:
    """The rule behind one change: the nth weekday of the month if that holds in the years around, else its date."""
    weekday = wall.isoweekday() % 7
    for number in ((wall.day - 1) // 7 + 1, 5):
        rule: Rule = (0, wall.month, weekday, number, wall.hour, wall.minute, wall.second, 0)
        if transition(rule, year) == wall and _holds(zone, rule, offset, year):
            return rule
    if wall.time() == datetime.min.time():  # the midnight that ends an nth weekday
        eve = wall - _DAY
        for number in ((eve.day - 1) // 7 + 1, 5):
            rule = (0, eve.month, eve.isoweekday() % 7, number, 23, 59, 59, 999)
            if transition(rule, year) == wall and _holds(zone, rule, offset, year):
                return rule
    return (year, wall.month, weekday, wall.day, wall.hour, wall.minute, wall.second, 0)


def _holds(zone: str, rule: Rule, offset: int, year: int) -> bool:
    tested = 0
    for other in (year + 1, year + 2, year + 3, year - 1, year - 2, year + 4, year + 5):
        signature = _zone_signature(zone, min(max(other, 1970), 2100))
        for (moment, after), (_, before) in zip(signature.changes, _before(signature), strict=True):
            if after != offset or len(signature.changes) != 2:
                continue
            wall = (moment + timedelta(minutes=before)).replace(tzinfo=None)
            if wall != transition(rule, (wall - _MINUTE).year):
                return tested >= 4  # the law changed in that year: what held until then is the rule
            tested += 1
    return tested > 0


def blob_of(name: str, year: int) -> bytes:
    """The blob of an IANA zone for an event in that year. Raises `ValueError` for an unknown zone."""
    return pack(describe(name, year))


def local_midnight(day: date, zone: tzinfo) -> datetime:
    """The UTC moment at which a day begins in a zone."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


UTC_BLOB = pack(ZoneInformation(standard_name="UTC", daylight_name="UTC"))

__all__ = [
    "NO_RULE",
    "SIZE",
    "UTC_BLOB",
    "Rule",
    "RuleZone",
    "ZoneInformation",
    "blob_of",
    "describe",
    "known_zone",
    "local_midnight",
    "pack",
    "transition",
    "tzinfo_of",
    "unpack",
    "zone_of",
]
