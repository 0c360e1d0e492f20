"""Classification as the engine uses it: one face for the markers of today and for the older list.

classifier, problems = from_config(config)    # None: classification is off
classifier.read(head, subject)                # Marking, for every message that comes
choice = classifier.compose()                 # or .reply(fields), .restore(saved): a `Choosing`
marks = classifier.render(choice, origin="a@b.example")
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Protocol, TypeAlias

from ..config import AppConfig
from ..errors import ConfigurationError
from ..model.marking import MAX_HEAD, WAITING, Lowered, Marking
from . import document, epms
from .findings import Finding, Severity
from .legacy import HEADER, Legacy
from .legacy_choice import LegacyChoice
from .receive import NOTHING, Received, Receiver, decoded
from .scheme import HEADER_SOURCE, Scheme
from .selection import Refusal, Selection
from .stamp import Marks, render

_LEGACY_NAMES = frozenset((HEADER.lower(),))

READER = 1
"""Counted up when reading changes: stored messages are then read anew."""

Fields: TypeAlias = Mapping[str, tuple[str, ...]]


class Choosing(Protocol):
    """A legal choice for one message; immutable. `Selection` and `LegacyChoice` are two."""

    @property
    def chosen(self) -> Fields: ...

    @property
    def original(self) -> Fields: ...

    def shown(self) -> tuple[str, ...]:
        """The fields that have a choice now."""

    def offered(self, name: str) -> tuple[str, ...]:
        """The values that may be chosen for a field now, rising."""

    def may_type(self, name: str) -> bool:
        """Whether a value may be typed for the field now."""

    def required(self, name: str) -> bool:
        """Whether a marked message needs a value in the field."""

    def refusals(self, name: str, values: Iterable[str]) -> list[Refusal]:
        """Why `values` may not be chosen for a field."""

    def choose(self, name: str, *values: str) -> Choosing:
        """Another choice. Raises `ClassificationRefused`, `ClassificationDowngrade`."""

    def missing(self) -> tuple[Refusal, ...]:
        """What stands in the way of sending."""

    def require(self) -> None:
        """Raises `ClassificationRequired` where the message may not be sent like this."""

    def saved(self) -> dict[str, Any]:
        """As a draft keeps it, JSON types only."""


class Classifier(Protocol):
    """Classification as configured."""

    @property
    def needs_headers(self) -> bool:
        """Whether reading looks at header fields, which an ordinary Sync does not bring."""

    @property
    def fingerprint(self) -> str:
        """Changes when stored messages have to be read anew."""

    @property
    def titles(self) -> Mapping[str, str]:
        """Field to the title that people see, in the order of the picker."""

    def read(self, head: bytes | None, subject: str) -> Marking:
        """A `model.marking.MarkingReader`."""

    def compose(self) -> Choosing:
        """What a new message begins with."""

    def reply(self, original: Mapping[str, Iterable[str]]) -> Choosing:
        """What a reply or forward begins with; `original` are the fields of the message it answers."""

    def restore(self, saved: Mapping[str, Any]) -> Choosing:
        """A saved choice under the configuration of today; what it no longer allows is dropped."""

    def choice(self, wanted: Mapping[str, Iterable[str]], original: Fields) -> Choosing:
        """All of `wanted` at once, under the rules for a reply to `original`.

        Raises `ClassificationRefused` with every refusal, `ClassificationDowngrade` where the original forbids it.
        """

    def render(self, choice: Choosing, *, origin: str = "") -> Marks:
        """What is written. Raises `ClassificationRequired` where it may not be sent like this."""


def from_config(config: AppConfig) -> tuple[Classifier | None, list[str]]:
    """The classifier of an app config, None where classification is off, and what is wrong, readable.

    `email_security_classification_json` switches every `email_classification_*` off, readable or not. Mistakes switch
    classification off and nothing else.
    """
    text = config.email_security_classification_json
    if text is not None:
        scheme, findings = document.check(text)
        if scheme is None:
            return None, _told("email_security_classification_json", findings)
        return MarkersClassifier(scheme, text), []
    try:
        legacy = Legacy.from_config(config)
    except ConfigurationError as problem:
        found = [finding for finding in problem.problems if isinstance(finding, Finding)]
        return None, _told("email_classification_list", found)
    return (LegacyClassifier(legacy) if legacy is not None else None), []


def _told(key: str, findings: Iterable[Finding]) -> list[str]:
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    first = str(errors[0]).removeprefix("error: ") if errors else "nothing to read"
    return [f"{key} cannot be used, so classification is off: {first}{more}"]


class MarkersClassifier:
    """`email_security_classification_json`."""

    def __init__(self, scheme: Scheme, text: str) -> None:
        self.scheme = scheme
        self.fingerprint = _digest("markers", text)
        self.needs_headers = scheme.needs_headers
        self.titles: Mapping[str, str] = scheme.titles
        self._receiver = Receiver(scheme)
        self._names = frozenset(name for source in scheme.sources for name in source.header_names)
        self._header_first = bool(scheme.sources) and scheme.sources[0].name == HEADER_SOURCE

    def read(self, head: bytes | None, subject: str) -> Marking:
        headers = fields_of_head(head, self._names) if head is not None else []
        received = self._receiver.receive(headers, subject)
        missing = ""
        if head is None and self.needs_headers and (self._header_first or not received.selection):
            missing = WAITING
        cut = _cut_notes(head)
        if received is NOTHING:
            return Marking(notes=cut, missing=missing)
        return Marking(
            fields=received.selection,
            place=received.place,
            text=re.sub(r"\r?\n[ \t]*", " ", received.text),
            unknown=received.unknown,
            notes=(*received.notes, *cut),
            lowered=self._lowered(received),
            missing=missing,
        )

    def _lowered(self, received: Received) -> Lowered | None:
        """EXPIRES and DOWNTO of the standard, where the lower level is a value of the field that is marked."""
        if "DOWNTO" not in received.text.upper():
            return None
        parsed = _standard(received.text, received.place)
        expiry = parsed.marking.expiry if parsed is not None else None
        if parsed is None or expiry is None or parsed.marking.downto is None:
            return None
        for name, values in received.selection.items():
            field = self.scheme.by_name[name]
            lower = field.by_folded.get(parsed.marking.downto.casefold())
            if lower is not None and len(values) == 1 and field.ranks.get(values[0], -1) > field.ranks[lower]:
                return Lowered(name, lower, expiry.timestamp())
        return None

    def compose(self) -> Selection:
        return Selection.compose(self.scheme)

    def reply(self, original: Mapping[str, Iterable[str]]) -> Selection:
        return Selection.reply(self.scheme, original)

    def restore(self, saved: Mapping[str, Any]) -> Selection:
        return Selection.restore(self.scheme, saved)

    def choice(self, wanted: Mapping[str, Iterable[str]], original: Fields) -> Selection:
        return Selection.of(self.scheme, wanted, original)

    def render(self, choice: Choosing, *, origin: str = "") -> Marks:
        if not isinstance(choice, Selection):
            raise TypeError("a choice of another configuration")
        return render(choice, origin=origin)


class LegacyClassifier:
    """`email_classification_list` and its companions."""

    needs_headers = True

    def __init__(self, legacy: Legacy) -> None:
        self.legacy = legacy
        facts = [legacy.version, *map(str, legacy.permutations)]
        self.fingerprint = _digest("list", json.dumps(facts))
        self.titles: Mapping[str, str] = {"SEC": legacy.sec_label, "DLM": legacy.dlm_label}

    def read(self, head: bytes | None, subject: str) -> Marking:
        found_fields = fields_of_head(head, _LEGACY_NAMES) if head is not None else []
        headers = [(name, decoded(value)) for name, value in found_fields]
        missing = WAITING if head is None else ""
        choice = self.legacy.receive(headers, subject)
        found = epms.receive(headers, subject)
        cut = _cut_notes(head)
        if found is None:
            return Marking(notes=cut, missing=missing)
        place = HEADER.lower() if headers and found.text in [value for _, value in headers] else "Subject"
        expiry = found.marking.expiry
        fields = {name: (value,) for name, value in zip(("SEC", "DLM"), choice or (), strict=False) if value}
        lowered = None
        if expiry is not None and found.marking.downto is not None and "SEC" in fields:
            lowered = Lowered("SEC", found.marking.downto, expiry.timestamp())
        odd = () if choice is not None and not found.accepted else found.faults
        notes = (*odd, *_notable(found), *cut)
        return Marking(fields, place, found.text[: epms.MAX_MARKING], (), notes, lowered, missing)

    def compose(self) -> LegacyChoice:
        return LegacyChoice(self.legacy, self.legacy.start())

    def reply(self, original: Mapping[str, Iterable[str]]) -> LegacyChoice:
        return LegacyChoice.reply(self.legacy, original)

    def restore(self, saved: Mapping[str, Any]) -> LegacyChoice:
        return LegacyChoice.restore(self.legacy, saved)

    def choice(self, wanted: Mapping[str, Iterable[str]], original: Fields) -> LegacyChoice:
        return LegacyChoice.of(self.legacy, wanted, original)

    def render(self, choice: Choosing, *, origin: str = "") -> Marks:
        if not isinstance(choice, LegacyChoice):
            raise TypeError("a choice of another configuration")
        return choice.render(origin=origin)


def _cut_notes(head: bytes | None) -> tuple[str, ...]:
    if head is None or len(head) < MAX_HEAD or head.endswith((b"\n\n", b"\r\n\r\n")):
        return ()
    return (f"header fields beyond {MAX_HEAD:,} bytes were not read",)


def _notable(found: epms.Parsed) -> tuple[str, ...]:
    """Deviations that a person should know; spelling and spacing are none of them."""
    return tuple(note for note in found.notes if "markings where one is allowed" in note or "somebody else's" in note)


def _standard(text: str, place: str) -> epms.Parsed | None:
    if place == "Subject":
        found = epms.find_in_subject(text)
        return found[-1] if found and found[-1].accepted else None
    parsed = epms.read(text)
    return parsed if parsed.accepted else None


def _digest(*facts: str) -> str:
    return hashlib.sha256(json.dumps([READER, *facts]).encode()).hexdigest()[:32]


_FIELD_LINE = re.compile(rb"^([!-9;-~]{1,80})[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)", re.MULTILINE)


def fields_of_head(head: bytes, names: frozenset[str]) -> list[tuple[str, str]]:
    """The fields of a header block whose lower-case name is among `names`, as they stand, folds included."""
    lowered = head.lower()
    if not any(name.encode() in lowered for name in names):
        return []
    found = []
    for match in _FIELD_LINE.finditer(head):
        name = match[1].decode("ascii").lower()
        if name in names:
            try:
                text = match[2].decode("utf-8")
            except UnicodeDecodeError:
                text = match[2].decode("cp1252", "replace")
            found.append((name, text.strip()))
    return found
