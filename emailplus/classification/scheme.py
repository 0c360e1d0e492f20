"""A classification scheme: fields, values and their order, dependencies, what sending writes, how receiving reads.

Plain data, made by `emailplus.classification.document`. Names are those of the document.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property

from .findings import Finding
from .separators import Separator
from .template import Template

CUSTOM = "$custom$"
"""Stands for "a value typed by the user" in `dependentValues`; never a value itself."""
HEADER_SOURCE = "xHeaderPatterns"
SUBJECT_SOURCE = "subjectSuffixPatterns"


class OnReply(Enum):
    """What a reply or forward may change."""

    ANY = "ANY"
    UPGRADE_ONLY = "UPGRADE_ONLY"
    LOCK = "LOCK"


@dataclass(frozen=True, slots=True)
class Value:
    """One declared value; lists run from the least to the most secure."""

    value: str
    title: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class ValueList:
    """The values of a field. `parent_range`: applies while the parent has one of these; None: always."""

    values: tuple[Value, ...]
    parent_range: frozenset[str] | None = None


@dataclass(frozen=True)
class Field:
    """One classification field. `max_selections` is at least 1."""

    name: str
    title: str
    description: str = ""
    required: bool = False
    on_reply: OnReply = OnReply.ANY
    allow_custom: bool = False
    max_selections: int = 1
    parent: str | None = None
    lists: tuple[ValueList, ...] = ()

    @cached_property
    def values(self) -> tuple[str, ...]:
        """All declared values in declared order, each once."""
        return tuple(dict.fromkeys(value.value for entry in self.lists for value in entry.values))

    @cached_property
    def ranks(self) -> Mapping[str, int]:
        """Declared value to its place in the order; higher is more secure."""
        return {value: rank for rank, value in enumerate(self.values)}

    @cached_property
    def by_folded(self) -> Mapping[str, str]:
        """Value in folded case to the value as declared."""
        result: dict[str, str] = {}
        for value in self.values:
            result.setdefault(value.casefold(), value)
        return result

    def ordered(self, values: tuple[str, ...]) -> tuple[str, ...]:
        """Each value once, declared ones in declared order, typed ones last as typed (reading A15)."""
        last = len(self.ranks)
        return tuple(sorted(dict.fromkeys(values), key=lambda value: self.ranks.get(value, last)))


@dataclass(frozen=True, slots=True)
class Dependency:
    """While the target has one of `target_values`, the dependent may have `dependent_values`."""

    target_values: frozenset[str]
    dependent_values: frozenset[str]


@dataclass(frozen=True, slots=True)
class Conditionality:
    """The dependencies of one dependent field on its one target."""

    target: str
    dependent: str
    rows: tuple[Dependency, ...]


@dataclass(frozen=True, slots=True)
class Look:
    """Text and style of a body block; None means "not given here"."""

    text: Template | None = None
    color: str | None = None
    alignment: str | None = None
    style: str | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """`result` overrides where every field of `when` has one of its listed values."""

    when: Mapping[str, frozenset[str]]
    result: Look


@dataclass(frozen=True, slots=True)
class TextBlock:
    """`bodyHeader` or `bodyFooter`."""

    look: Look
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class SendOptions:
    """What sending writes. `headers` pairs a header name with its template."""

    headers: tuple[tuple[str, Template], ...] = ()
    subject_suffix: Template | None = None
    body_header: TextBlock | None = None
    body_footer: TextBlock | None = None
    allow_not_classified: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """`prefix`, one variable, `suffix`: SEC=$SEC$ has prefix "SEC=" and suffix ""."""

    prefix: str
    field: str
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """One place to read a marking from. `header_names` is empty for the subject."""

    name: str
    rules: tuple[Rule, ...]
    separator: Separator | None = None
    header_names: tuple[str, ...] = ()
    boundaries: tuple[str, str] | None = None


@dataclass(frozen=True)
class Scheme:
    """A whole classification configuration. `warnings` is what was repaired, ignored or defaulted while reading."""

    version: str
    fields: tuple[Field, ...]
    default: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    conditionality: tuple[Conditionality, ...] = ()
    send: SendOptions = SendOptions()
    sources: tuple[Source, ...] = ()
    warnings: tuple[Finding, ...] = ()

    @cached_property
    def by_name(self) -> Mapping[str, Field]:
        """Fields by name, in the order of the picker."""
        return {entry.name: entry for entry in self.fields}

    @cached_property
    def titles(self) -> Mapping[str, str]:
        """Field titles by name."""
        return {entry.name: entry.title for entry in self.fields}

    @cached_property
    def condition_of(self) -> Mapping[str, Conditionality]:
        """The conditionality of each dependent field."""
        return {entry.dependent: entry for entry in self.conditionality}

    @cached_property
    def decision_order(self) -> tuple[str, ...]:
        """Field names, each after its target and its parent."""
        done: dict[str, None] = {}
        waiting = [entry.name for entry in self.fields]
        while waiting:
            ready = [
                name for name in waiting if all(one in done or one not in self.by_name for one in self.above(name))
            ]
            if not ready:  # a cycle, which the document refuses; kept finite for schemes built by hand
                ready = waiting[:1]
            done.update(dict.fromkeys(ready))
            waiting = [name for name in waiting if name not in done]
        return tuple(done)

    def above(self, name: str) -> tuple[str, ...]:
        """The fields that decide what `name` may have: its target and its parent."""
        condition = self.condition_of.get(name)
        parent = self.by_name[name].parent if name in self.by_name else None
        return tuple(one for one in (condition.target if condition else None, parent) if one)

    @property
    def needs_headers(self) -> bool:
        """True where receiving reads a header: the MIME form of a message has to be fetched for it."""
        return any(source.header_names for source in self.sources)
