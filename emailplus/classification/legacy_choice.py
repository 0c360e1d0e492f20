"""Choosing from the older list: the face of `selection.Selection` over the permutations of SEC and DLM.

What may be chosen now follows from the list: a SEC that stands in it, then a DLM that stands in it beside that SEC. A
reply never goes below the SEC of its original; under `email_classification_lock_dlm` its DLM stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import ClassificationDowngrade, ClassificationRefused, ClassificationRequired
from .legacy import Choice, Legacy
from .selection import Reason, Refusal
from .stamp import Marks

FIELDS = ("SEC", "DLM")


@dataclass(frozen=True)
class LegacyChoice:
    """A choice of SEC and DLM. Made by `Legacy.start`, `reply`, `restore` and `choose`."""

    legacy: Legacy
    choice: Choice | None = None
    first: Choice | None = None
    """The marking of the message that is answered or forwarded."""

    @classmethod
    def reply(cls, legacy: Legacy, original: Mapping[str, Iterable[str]]) -> LegacyChoice:
        """A reply takes the original's marking over as far as the list has it; an unmarked one leaves the default."""
        values = {name: next(iter(original.get(name, ())), None) for name in FIELDS}
        first = Choice(values["SEC"], values["DLM"])
        if first == Choice():
            return cls(legacy, legacy.start())
        listed = [one for one in (first, Choice(first.sec)) if one in legacy.permutations]
        return cls(legacy, listed[0] if listed else None, first)

    @classmethod
    def of(
        cls, legacy: Legacy, wanted: Mapping[str, Iterable[str]], original: Mapping[str, Iterable[str]]
    ) -> LegacyChoice:
        """All of `wanted` at once. Raises `ClassificationRefused` with every refusal."""
        made = cls(legacy, None, cls.reply(legacy, original).first)
        found = [_unknown_field(name) for name in wanted if name not in FIELDS]
        for name in FIELDS:
            values = tuple(wanted.get(name, ()))
            refused = made.refusals(name, values)
            found += refused
            if not refused:
                made = made._with(name, values)
        if found:
            raise _refused(found)
        return made

    @classmethod
    def restore(cls, legacy: Legacy, saved: Mapping[str, Any]) -> LegacyChoice:
        """A saved choice under the list of today; what it no longer allows is put back to the original's."""
        start = cls.reply(legacy, _plain(saved.get("original")))
        restored = cls(legacy, None, start.first)
        wanted = _plain(saved.get("chosen"))
        for name in FIELDS:
            if name in wanted and not restored.refusals(name, wanted[name]):
                restored = restored._with(name, wanted[name])
        if restored.choice is None and wanted:
            return start
        return restored

    @property
    def chosen(self) -> Mapping[str, tuple[str, ...]]:
        """Field to values, as `Selection` has it."""
        return _fields(self.choice)

    @property
    def original(self) -> Mapping[str, tuple[str, ...]]:
        """The fields of the original message."""
        return _fields(self.first)

    @property
    def _now(self) -> Choice:
        return self.choice or Choice()

    def shown(self) -> tuple[str, ...]:
        """The fields that have a choice now."""
        return tuple(name for name in FIELDS if self.offered(name))

    def offered(self, name: str) -> tuple[str, ...]:
        """The values that may be chosen now, rising. Raises `ClassificationRefused` for an unknown field."""
        if name not in FIELDS:
            raise ClassificationRefused(f"{name[:80]}: no such field", [_unknown_field(name)])
        if name == "SEC":
            values = dict.fromkeys(one.sec for one in self.legacy.permutations if one.sec)
            order = sorted(values, key=self.legacy.rank)
        else:
            order = [one for one in self.legacy.offered(self._now.sec) if one is not None]
        return tuple(value for value in order if not self.refusals(name, [value]))

    def may_type(self, name: str) -> bool:
        """Never: the list is closed."""
        return False

    def required(self, name: str) -> bool:
        """Whether the list has no marking without the field, beside what is chosen in the other."""
        now = self._now
        return (Choice(None, now.dlm) if name == "SEC" else Choice(now.sec)) not in self.legacy.permutations

    def refusals(self, name: str, values: Iterable[str]) -> list[Refusal]:
        """Why `values` (one or none) may not be chosen for a field."""
        if name not in FIELDS:
            return [_unknown_field(name)]
        wanted = [self._spelled(name, value) for value in values]
        if len(wanted) > 1:
            return [Refusal(Reason.TOO_MANY, name, f"at most 1 of {len(wanted)} values")]
        value = wanted[0] if wanted else None
        known = {one[FIELDS.index(name)] for one in self.legacy.permutations}
        if value is not None and value not in known:
            return [Refusal(Reason.UNKNOWN_VALUE, name, f"{value[:80]!r} is not in the list")]
        if name == "SEC":
            return self._refused_sec(value)
        locked = self._locked
        if locked is not None and value != locked:
            return [Refusal(Reason.LOCKED, name, f"fixed by the original message: {locked}")]
        if value is not None and Choice(self._now.sec, value) not in self.legacy.permutations:
            beside = f"SEC {self._now.sec}" if self._now.sec else "no SEC"
            return [Refusal(Reason.NOT_OFFERED, name, f"{value!r} is not in the list beside {beside}")]
        return []

    def _refused_sec(self, value: str | None) -> list[Refusal]:
        first = self.first.sec if self.first is not None else None
        if self.legacy.rank(value) < self.legacy.rank(first):
            return [Refusal(Reason.DOWNGRADE, "SEC", f"the original message has {first}; it may not be lower")]
        locked = self._locked
        if locked is not None and value is not None and Choice(value, locked) not in self.legacy.permutations:
            return [Refusal(Reason.NOT_OFFERED, "SEC", f"the list has no {value} beside the fixed DLM {locked}")]
        return []

    @property
    def _locked(self) -> str | None:
        return self.first.dlm if self.first is not None and self.legacy.lock_dlm else None

    def choose(self, name: str, *values: str) -> LegacyChoice:
        """Another choice; a DLM that does not go with a new SEC is cleared. Raises `ClassificationRefused`."""
        found = self.refusals(name, values)
        if found:
            raise _refused(found)
        return self._with(name, values)

    def _with(self, name: str, values: Iterable[str]) -> LegacyChoice:
        value = next((self._spelled(name, one) for one in values), None)
        if name == "DLM":
            chosen = Choice(self._now.sec, value)
        else:
            kept = self._locked or self._now.dlm
            chosen = Choice(value, kept)
            if chosen not in self.legacy.permutations and kept != self._locked:
                chosen = Choice(value)
        return LegacyChoice(self.legacy, chosen if chosen != Choice() else None, self.first)

    def _spelled(self, name: str, value: str) -> str:
        """`value` as the list spells it."""
        at = FIELDS.index(name)
        folded = value.casefold()
        return next((str(one[at]) for one in self.legacy.permutations if (one[at] or "").casefold() == folded), value)

    def missing(self) -> tuple[Refusal, ...]:
        """What stands in the way of sending; empty where nothing does."""
        if self.choice is None:
            return (Refusal(Reason.REQUIRED, "", f"{self.legacy.required_title}: {self.legacy.required_text}"),)
        if self.choice not in self.legacy.permutations:
            lacking = "DLM" if self.choice.dlm is None else "SEC"
            return (Refusal(Reason.REQUIRED, lacking, f"a value is required beside {self.choice}"),)
        return ()

    def require(self) -> None:
        """Raises `ClassificationRequired` where the message may not be sent like this."""
        if found := self.missing():
            raise ClassificationRequired("; ".join(map(str, found)), found)

    def render(self, *, origin: str = "") -> Marks:
        """What is written. Raises as `require` and `Legacy.check`."""
        self.require()
        return self.legacy.render(self._now, origin=origin, original=self.first)

    def saved(self) -> dict[str, Any]:
        """The choice as a draft keeps it: JSON types only."""
        return {
            "chosen": {name: list(values) for name, values in self.chosen.items()},
            "original": {name: list(values) for name, values in self.original.items()},
        }


def _fields(choice: Choice | None) -> dict[str, tuple[str, ...]]:
    return {name: (value,) for name, value in zip(FIELDS, choice or (), strict=False) if value}


def _plain(saved: object) -> dict[str, list[str]]:
    if not isinstance(saved, Mapping):
        return {}
    return {
        name: [value for value in saved[name] if isinstance(value, str)]
        for name in FIELDS
        if isinstance(saved.get(name), list | tuple)
    }


def _refused(found: list[Refusal]) -> ClassificationRefused:
    downgrade = any(one.reason in (Reason.DOWNGRADE, Reason.LOCKED) for one in found)
    kind = ClassificationDowngrade if downgrade else ClassificationRefused
    return kind("; ".join(map(str, found)), found)


def _unknown_field(name: str) -> Refusal:
    return Refusal(Reason.UNKNOWN_FIELD, name[:80], "no such field")
