"""Choosing a marking: what may be chosen now, why a choice is refused, and whether the message may be sent.

    choice = Selection.compose(scheme)                   # the defaults
    choice = choice.choose("SEC", "PROTECTED")           # another Selection; dependents are cleared in cascade
    choice.require()                                     # ClassificationRequired, or nothing
    reply = Selection.reply(scheme, received.selection)  # starts from the original; onReply is kept
    Selection.restore(scheme, choice.saved())            # as a draft keeps it

A `Selection` is immutable and always legal: a choice that is not raises and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from ..errors import ClassificationDowngrade, ClassificationRefused, ClassificationRequired
from .receive import MAX_CUSTOM, Receiver
from .scheme import CUSTOM, Field, OnReply, Scheme

Chosen = Mapping[str, tuple[str, ...]]


class Reason(Enum):
    """Why a choice is refused."""

    UNKNOWN_FIELD = "no such field"
    UNKNOWN_VALUE = "not a declared value, and the field takes no typed ones"
    NOT_OFFERED = "another field excludes it"
    TOO_MANY = "more values than the field may have"
    BAD_TEXT = "a typed value that cannot be written"
    DOWNGRADE = "below the marking of the original message"
    LOCKED = "the original message fixes it"
    REQUIRED = "a value is required"


@dataclass(frozen=True, slots=True)
class Refusal:
    """One refused choice, readable by people: `field: message`."""

    reason: Reason
    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


def offered(scheme: Scheme, name: str, chosen: Chosen) -> tuple[tuple[str, ...], bool]:
    """The declared values of field `name` given the other fields, and whether one may be typed.

    Union of the applying value lists, restricted by the conditionality (reading A4: without a matching row, nothing).
    """
    entry = scheme.by_name[name]
    parent = set(chosen.get(entry.parent, ())) if entry.parent else set()
    values = tuple(
        dict.fromkeys(
            value.value
            for listed in entry.lists
            if listed.parent_range is None or listed.parent_range & parent
            for value in listed.values
        )
    )
    condition = scheme.condition_of.get(name)
    if condition is None:
        return values, entry.allow_custom
    target = set(chosen.get(condition.target, ()))
    custom_target = any(value not in scheme.by_name[condition.target].ranks for value in target)
    allowed: set[str] = set()
    for row in condition.rows:
        if row.target_values & target or (custom_target and CUSTOM in row.target_values):
            allowed |= row.dependent_values
    return tuple(value for value in values if value in allowed), entry.allow_custom and CUSTOM in allowed


def allowed_default(scheme: Scheme, wanted: Chosen) -> dict[str, tuple[str, ...]]:
    """`wanted` without what the dependencies exclude."""
    return _cascade(scheme, wanted, {})


def _cascade(scheme: Scheme, chosen: Chosen, original: Chosen) -> dict[str, tuple[str, ...]]:
    """`chosen` with the dependents cleared that are no longer allowed; locked and upgrade-only originals stay."""
    kept: dict[str, tuple[str, ...]] = {}
    for name in scheme.decision_order:
        values = chosen.get(name, ())
        if not values:
            continue
        entry = scheme.by_name[name]
        allowed, typed = offered(scheme, name, kept)
        held = original.get(name, ()) if entry.on_reply is not OnReply.ANY else ()
        stay = tuple(
            value for value in values if value in allowed or value in held or (value not in entry.ranks and typed)
        )
        if held and entry.on_reply is OnReply.UPGRADE_ONLY and _top(entry, stay) < _top(entry, held):
            stay = held
        if stay:
            kept[name] = stay
    return {name: kept[name] for name in scheme.by_name if name in kept}


def _top(entry: Field, values: Iterable[str]) -> int:
    return max((entry.ranks.get(value, -1) for value in values), default=-1)


@dataclass(frozen=True)
class Selection:
    """A legal choice of values. Made by `compose`, `reply`, `restore` and `choose`, never by hand."""

    scheme: Scheme
    chosen: Chosen = field(default_factory=dict)
    original: Chosen = field(default_factory=dict)

    # -- making one

    @classmethod
    def compose(cls, scheme: Scheme) -> Selection:
        """A new message: the defaults."""
        return cls(scheme, dict(scheme.default))

    @classmethod
    def reply(cls, scheme: Scheme, received: Mapping[str, Iterable[str]]) -> Selection:
        """A reply or forward: the original's marking, or the defaults where it has none (reading A3).

        Received values that are neither declared nor typeable are dropped.
        """
        taken: dict[str, tuple[str, ...]] = {}
        for name, entry in scheme.by_name.items():
            values = tuple(
                entry.by_folded.get(value.casefold(), value)
                for value in received.get(name, ())
                if value.casefold() in entry.by_folded or (entry.allow_custom and _text_problem(value) is None)
            )
            if values := entry.ordered(values)[-entry.max_selections :]:
                taken[name] = values
        if not taken:
            return cls.compose(scheme)
        return cls(scheme, _cascade(scheme, taken, taken), taken)

    @classmethod
    def of(cls, scheme: Scheme, wanted: Mapping[str, Iterable[str]], original: Chosen | None = None) -> Selection:
        """All of `wanted` at once, targets before dependents. Raises `ClassificationRefused` with every refusal."""
        selection = cls(scheme) if not original else cls.reply(scheme, original)
        refusals = [_unknown_field(name) for name in wanted if name not in scheme.by_name]
        for name in scheme.decision_order:
            values = tuple(wanted.get(name, ()))
            found = selection.refusals(name, values)
            refusals.extend(found)
            if not found:
                selection = selection._with(name, values)
        if refusals:
            raise _refused(refusals)
        return selection

    # -- choosing

    def offered(self, name: str) -> tuple[str, ...]:
        """The declared values that may be chosen for a field now, in declared order.

        Raises `ClassificationRefused` for an unknown field.
        """
        entry = self._field(name)
        values, _ = offered(self.scheme, name, self.chosen)
        held = self.original.get(name, ())
        if held and entry.on_reply is OnReply.LOCK:
            return held
        if held and entry.on_reply is OnReply.UPGRADE_ONLY:
            least = _top(entry, held) if entry.max_selections == 1 else -1
            permitted = {*values, *held}
            return tuple(value for value in entry.values if value in permitted and entry.ranks[value] >= least)
        return values

    def may_type(self, name: str) -> bool:
        """True where a value may be typed for the field now."""
        return offered(self.scheme, self._field(name).name, self.chosen)[1]

    def shown(self) -> tuple[str, ...]:
        """The fields that have a choice now, in the order of the picker."""
        return tuple(name for name in self.scheme.by_name if self.offered(name) or self.may_type(name))

    def required(self, name: str) -> bool:
        """Whether a marked message needs a value in the field. Raises `ClassificationRefused` for an unknown one."""
        return self._field(name).required

    def refusals(self, name: str, values: Iterable[str]) -> list[Refusal]:
        """Why `values` may not be chosen for a field; empty where they may."""
        entry = self.scheme.by_name.get(name)
        if entry is None:
            return [_unknown_field(name)]
        wanted = entry.ordered(tuple(entry.by_folded.get(value.casefold(), value) for value in values))
        held = self.original.get(name, ())
        if held and entry.on_reply is OnReply.LOCK and wanted != held:
            return [Refusal(Reason.LOCKED, name, f"fixed by the original message: {', '.join(held)}")]
        if held and entry.on_reply is OnReply.UPGRADE_ONLY and _top(entry, wanted) < _top(entry, held):
            return [Refusal(Reason.DOWNGRADE, name, f"the original message has {', '.join(held)}; it may not be lower")]
        found = []
        if len(wanted) > entry.max_selections:
            found.append(Refusal(Reason.TOO_MANY, name, f"at most {entry.max_selections} of {len(wanted)} values"))
        allowed, typed = offered(self.scheme, name, self.chosen)
        for value in wanted:
            if value in allowed or (value in held and entry.on_reply is not OnReply.ANY):
                continue
            if value in entry.ranks:
                found.append(Refusal(Reason.NOT_OFFERED, name, f"{value!r} is excluded by another field"))
            elif not entry.allow_custom:
                found.append(Refusal(Reason.UNKNOWN_VALUE, name, f"{value[:80]!r} is not a declared value"))
            elif not typed:
                found.append(Refusal(Reason.NOT_OFFERED, name, "no value may be typed here"))
            elif problem := _text_problem(value) or self._unwritable(name, value):
                found.append(Refusal(Reason.BAD_TEXT, name, f"{value[:80]!r}: {problem}"))
        return found

    def choose(self, name: str, *values: str) -> Selection:
        """This selection with `values` in a field (none clears it); dependents are cleared in cascade.

        Raises `ClassificationRefused`; `ClassificationDowngrade` where the original message forbids it.
        """
        if found := self.refusals(name, values):
            raise _refused(found)
        return self._with(name, values)

    def _with(self, name: str, values: Iterable[str]) -> Selection:
        entry = self.scheme.by_name[name]
        wanted = entry.ordered(tuple(entry.by_folded.get(value.casefold(), value) for value in values))
        chosen = _cascade(self.scheme, {**self.chosen, name: wanted}, self.original)
        return Selection(self.scheme, chosen, self.original)

    def _field(self, name: str) -> Field:
        if name not in self.scheme.by_name:
            raise _refused([_unknown_field(name)])
        return self.scheme.by_name[name]

    def _unwritable(self, name: str, value: str) -> str | None:
        if not Receiver(self.scheme).carries(name, value):
            return "it contains a mark that ends or begins a value"
        return None

    # -- sending

    def missing(self) -> tuple[Refusal, ...]:
        """What stands in the way of sending (classification reference, section 7); empty where nothing does."""
        shown = self.shown()
        if not self.chosen:
            if self.scheme.send.allow_not_classified or not shown:
                return ()
            return (Refusal(Reason.REQUIRED, "", "Classification is required"),)
        return tuple(
            Refusal(Reason.REQUIRED, name, "a value is required")
            for name in shown
            if self.scheme.by_name[name].required and not self.chosen.get(name)
        )

    def require(self) -> None:
        """Raises `ClassificationRequired` where the message may not be sent like this."""
        if found := self.missing():
            raise ClassificationRequired("; ".join(map(str, found)), found)

    # -- drafts

    def saved(self) -> dict[str, Any]:
        """The selection as a draft or the outbox keeps it: JSON types only."""
        return {
            "chosen": {name: list(values) for name, values in self.chosen.items()},
            "original": {name: list(values) for name, values in self.original.items()},
        }

    @classmethod
    def restore(cls, scheme: Scheme, saved: Mapping[str, Any]) -> Selection:
        """A saved selection under the scheme of today; what it no longer allows is dropped, the original is kept."""
        original = _plain(saved.get("original"))
        base = cls.reply(scheme, original) if original else cls(scheme)
        selection = cls(scheme, {}, base.original)
        wanted = _plain(saved.get("chosen"))
        for name in scheme.decision_order:
            values = wanted.get(name, ())
            if values and not selection.refusals(name, values):
                selection = selection._with(name, values)
            elif name in base.original and scheme.by_name[name].on_reply is not OnReply.ANY:
                selection = selection._with(name, base.original[name])
        return selection


def _plain(saved: object) -> dict[str, tuple[str, ...]]:
    if not isinstance(saved, Mapping):
        return {}
    return {
        name: tuple(value for value in values if isinstance(value, str))
        for name, values in saved.items()
        if isinstance(name, str) and isinstance(values, list | tuple)
    }


def _text_problem(value: str) -> str | None:
    if not value.strip() or value != value.strip():
        return "blank, or with blanks around it"
    if ";" in value or value == CUSTOM:
        return f"a semicolon, or {CUSTOM}"
    if not value.isprintable() or len(value) > MAX_CUSTOM:
        return f"a control character, or more than {MAX_CUSTOM} characters"
    return None


def _unknown_field(name: str) -> Refusal:
    return Refusal(Reason.UNKNOWN_FIELD, name[:80], "no such field")


def _refused(refusals: list[Refusal]) -> ClassificationRefused:
    downgrade = any(refusal.reason in (Reason.DOWNGRADE, Reason.LOCKED) for refusal in refusals)
    kind = ClassificationDowngrade if downgrade else ClassificationRefused
    return kind("; ".join(map(str, refusals)), refusals)
