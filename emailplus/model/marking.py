"""The classification of a message as it was read: plain data, made by `emailplus.classification`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

MAX_HEAD: Final = 256 * 1024
"""Bytes of a message's header fields that are kept and looked at; the rest is not read."""


@dataclass(frozen=True, slots=True)
class Lowered:
    """From `moment` (Unix time) on the field has another value: EXPIRES and DOWNTO of a protective marking."""

    field: str
    value: str
    moment: float


@dataclass(frozen=True, slots=True)
class Marking:
    """What a message is marked with. `fields` is empty where no marking was found or none was understood."""

    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Field to values, in declared order."""
    place: str = ""
    """Name of the header field, in lower case, or "Subject"."""
    text: str = ""
    """What was read there, as it stands; kept even where it could not be understood."""
    unknown: tuple[tuple[str, str], ...] = ()
    """(field, text) of what is no declared value."""
    notes: tuple[str, ...] = ()
    """What else is odd about it."""
    lowered: Lowered | None = None
    missing: str = ""
    """Why a header field could not be looked for; "" where all was seen that the configuration reads."""

    @property
    def marked(self) -> bool:
        """Whether a value was found."""
        return bool(self.fields)

    @property
    def flagged(self) -> bool:
        """Something looked like a marking and was not understood whole: a person should look at `text`."""
        return bool(self.unknown or self.notes or (self.text and not self.fields))

    @property
    def label(self) -> str:
        """The marking in one line: `SEC=SECRET, ACCESS=Legal-Privilege`; "" without one."""
        return ", ".join(f"{name}={value}" for name, values in self.fields.items() for value in values)

    def at(self, moment: datetime) -> Mapping[str, tuple[str, ...]]:
        """The fields in effect at `moment` (aware): a lower level once the marking has expired."""
        lowered = self.lowered
        if lowered is None or moment.timestamp() < lowered.moment:
            return self.fields
        return {**self.fields, lowered.field: (lowered.value,)}

    def shown(self, moment: datetime) -> str:
        """For people: the marking in one line, what it is lowered to, and that it was not understood or not found."""
        line = self.label or (f"not understood: {' '.join(self.text.split())}" if self.flagged and self.text else "")
        if self.lowered is not None:
            lower = f"{self.lowered.field}={self.lowered.value}"
            when = datetime.fromtimestamp(self.lowered.moment, UTC)
            passed = moment.timestamp() >= self.lowered.moment
            line += f" (now {lower}, since {when:%Y-%m-%d})" if passed else f" (until {when:%Y-%m-%d}, then {lower})"
        elif self.flagged and self.fields:
            line += f" (not understood whole: {' '.join(self.text.split())})"
        return f"{line} ({self.missing})".strip() if self.missing else line

    def as_dict(self, moment: datetime) -> dict[str, Any]:
        """For JSON; `in_effect` are the fields as they hold at `moment`."""
        lowered = self.lowered
        return {
            "label": self.label,
            "fields": {name: list(values) for name, values in self.fields.items()},
            "in_effect": {name: list(values) for name, values in self.at(moment).items()},
            "place": self.place,
            "text": self.text,
            "unknown": [list(pair) for pair in self.unknown],
            "notes": list(self.notes),
            "expires": datetime.fromtimestamp(lowered.moment, UTC).isoformat() if lowered is not None else None,
            "downto": f"{lowered.field}={lowered.value}" if lowered is not None else None,
            "flagged": self.flagged,
            "missing": self.missing,
        }


WAITING: Final = "its header fields are not here yet"
"""`Marking.missing` of a message whose header fields have still to be fetched."""

MarkingReader: TypeAlias = Callable[[bytes | None, str], Marking]
"""Reads a marking from a message's header fields (None: not known) and its subject, decoded. Never fails."""


def head_of(mime: bytes, *, cut: bool = False) -> bytes:
    """The header fields of a MIME message with the empty line behind them, at most `MAX_HEAD` bytes.

    `cut`: `mime` is a beginning only; b"" where it ends before the header fields do.
    """
    ends = [at + len(end) for end in (b"\r\n\r\n", b"\n\n") if (at := mime.find(end, 0, MAX_HEAD)) >= 0]
    if ends:
        return mime[: min(ends)]
    return b"" if cut and len(mime) < MAX_HEAD else mime[:MAX_HEAD]
