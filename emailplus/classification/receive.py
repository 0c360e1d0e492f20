"""Reading a marking from a received message: headers and subject, by the rules of the scheme.

    receiver = Receiver(scheme)             # compiles once
    received = receiver.receive(headers, subject)
    received.selection                      # {"SEC": ("SECRET",)}
    received.source, received.unknown       # where it was found, what was not understood

Reading never fails a message and takes time proportional to its text (`MAX_TEXT` characters of it at most).
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from typing import Final

from .scheme import HEADER_SOURCE, SUBJECT_SOURCE, Field, Rule, Scheme, Source

MAX_TEXT: Final = 4_096
"""Characters of a header or subject that are read; a full marking of the standard has fewer than 2,000."""
MAX_HITS: Final = 200
"""Hits of one text; beyond them the rest is not read, and said so."""
MAX_CUSTOM: Final = 256
"""Characters of a typed value."""

Headers = Mapping[str, str] | Iterable[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Received:
    """What was read. `selection` is in declared order; `source` is None where no marking was found.

    `text` is the header or subject part that was read, `place` the header's name or "Subject". `unknown` lists
    (field, text) of hits whose value is not declared. `notes` says what else is odd: `flagged` is True where a marking
    is there that could not be understood whole.
    """

    selection: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    source: str | None = None
    place: str = ""
    text: str = ""
    unknown: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def flagged(self) -> bool:
        """True where something looked like a marking and was not understood whole."""
        return bool(self.unknown or self.notes)


NOTHING: Final = Received()
"""What a message without any marking gives."""


@dataclass(slots=True)
class _Hits:
    accepted: dict[str, list[str]] = field(default_factory=dict)
    unknown: dict[tuple[str, str], None] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


class Receiver:
    """The receiving half of a scheme, compiled."""

    def __init__(self, scheme: Scheme) -> None:
        self.scheme = scheme
        self._sources = {source.name: _Compiled(source, scheme) for source in scheme.sources}
        self._order = tuple((name == HEADER_SOURCE, compiled) for name, compiled in self._sources.items())

    def receive(self, headers: Headers, subject: str) -> Received:
        """Read a marking. `headers` are raw or decoded, folded or not, repeated or not; `subject` is decoded.

        The first source with an accepted value decides alone (reading A9).
        """
        pairs = headers.items() if isinstance(headers, (dict, Mapping)) else headers
        listed: list[tuple[str, str]] | None = None
        missed: Received | None = None
        for of_headers, compiled in self._order:
            if of_headers:
                listed = list(pairs) if listed is None else listed
                found = compiled.from_headers(listed) if listed else None
            else:
                found = compiled.from_subject(subject)
            if found is not None and found.selection:
                return found
            missed = missed or found
        return missed or NOTHING

    def stripped(self, subject: str, *, every: bool = False) -> str:
        """`subject` without the last bounded marking, or without `every` one, and the blanks before it."""
        compiled = self._sources.get(SUBJECT_SOURCE)
        return subject if compiled is None else compiled.stripped(subject, every=every)

    def carries(self, name: str, value: str) -> bool:
        """True where a typed value of field `name` can be written and read back without changing anything else."""
        return all(compiled.carries(name, value) for compiled in self._sources.values())


class _Compiled:
    """One source: a single expression finds every place where a rule may begin; the rest is table lookup."""

    def __init__(self, source: Source, scheme: Scheme) -> None:
        self.source = source
        self.fields = scheme.by_name
        prefixes = sorted({rule.prefix for rule in source.rules}, key=lambda prefix: (-len(prefix), prefix))
        self.rules: dict[str, list[Rule]] = {
            prefix: [rule for rule in source.rules if prefix.startswith(rule.prefix) and _same_edge(prefix, rule)]
            for prefix in prefixes
        }
        self.find = re.compile("|".join(map(re.escape, prefixes))) if prefixes else None
        # Checked apart: an alternation of plain texts lets the matcher skip to their first characters.
        self.edges = {prefix for prefix in prefixes if prefix[:1].isalnum() or prefix[:1] == "_"}
        self.overlapping = (
            any(
                prefix[at:].startswith(other[: len(prefix) - at])
                for prefix in prefixes
                for other in prefixes
                for at in range(1, len(prefix))
            )
            or "" in self.rules
        )
        if prefixes and self.overlapping:
            self.find = re.compile("(?=(" + "|".join(_beginning(prefix) for prefix in prefixes) + "))")
        self.values = {rule.field: _values(self.fields[rule.field]) for rule in source.rules}
        self.single = source.separator.single if source.separator is not None else None
        self.fast = {rule: self._fast(rule) for rule in source.rules}
        self.quick = self._quick(prefixes)
        """Beginnings with what stands behind them, where that is a value if it is one; None: rule by rule."""
        self.by_prefix = {
            prefix: (rules[0].field, _spellings(self.fields[rules[0].field])) for prefix, rules in self.rules.items()
        }

    def _quick(self, prefixes: list[str]) -> re.Pattern[str] | None:
        rules = self.source.rules
        if not prefixes or self.overlapping or any(rule.suffix or self.fast[rule] is None for rule in rules):
            return None
        if any(len(of) != 1 for of in self.rules.values()):
            return None
        values = {value for rule in rules for value in self.fields[rule.field].values}
        begin = "|".join(map(re.escape, prefixes))
        inside = _between(self.single)
        if inside is not None and not (self.single is not None and any(self.single.search(value) for value in values)):
            return re.compile(rf"({begin})(?=({inside}*))")  # what stands before the next separator is the value
        if any(_hides(value.casefold(), prefix.casefold()) for value in values for prefix in prefixes):
            return None
        longest_first = sorted(values, key=lambda value: (-len(value), value))
        ends = r"\Z" if self.single is None else rf"\Z|{self.single.pattern}"
        known = "|".join(map(re.escape, longest_first))
        return re.compile(rf"({begin})(?:\s*((?i:{known}))(?=\s*(?:{ends})))?")

    def _fast(self, rule: Rule) -> re.Pattern[str] | None:
        """Value and its end in one expression, where the separator is one character or none."""
        ends = [r"\Z", *([re.escape(rule.suffix)] if rule.suffix else [])]
        if self.source.separator is not None:
            if self.single is None or "(?" in self.single.pattern:
                return None
            ends.append(self.single.pattern)
        values = sorted(self.fields[rule.field].values, key=lambda value: (-len(value), value))
        if not values:
            return None
        return re.compile(rf"\s*((?i:{'|'.join(map(re.escape, values))}))(?=\s*(?:{'|'.join(ends)}))")

    def from_headers(self, headers: list[tuple[str, str]]) -> Received | None:
        missed: Received | None = None
        wanted = self.source.header_names
        texts: dict[str, list[str]] = {}
        for name, value in headers:
            lowered = name.lower()
            if lowered in texts:
                texts[lowered].append(value)
            elif lowered in wanted:
                texts[lowered] = [value]
        if not texts:
            return None
        for name in wanted:
            if name not in texts:
                continue
            hits = _Hits()
            for text in texts[name][:MAX_HITS]:
                self.read(decoded(text), hits)
            if len(texts[name]) > 1:
                hits.notes.append(f"{len(texts[name])} headers of one name; the most secure values count")
            if not hits.accepted and not hits.unknown:
                hits.notes.append("no rule matches the header")
            found = self.result(hits, name, ", ".join(texts[name]))
            if found.selection:
                return found
            missed = missed or found
        return missed

    def from_subject(self, subject: str) -> Received | None:
        text = subject
        end = 0
        if self.source.boundaries is not None:
            start, stop = self.source.boundaries
            first, last = text.find(start), text.rfind(stop)
            if first < 0 or last < first + len(start):
                return None
            text = text[first : last + len(stop)]
            end = len(stop)
        if self.find is None or self.find.search(text) is None:
            return None
        hits = _Hits()
        self.read(text, hits, end=end)
        if not hits.accepted and not hits.unknown:
            return None
        return self.result(hits, "Subject", text)

    def result(self, hits: _Hits, place: str, text: str) -> Received:
        selection = {}
        for name, entry in self.fields.items():
            if name in hits.accepted:
                accepted = hits.accepted[name]
                values = (accepted[0],) if len(accepted) == 1 else entry.ordered(tuple(accepted))
                if len(values) > entry.max_selections:
                    hits.notes.append(f"more values of {name} than it may have; the most secure stay")
                    values = _most_secure(entry, values)
                selection[name] = values
        return Received(
            selection, self.source.name if selection else None, place, text[:MAX_TEXT],
            tuple(hits.unknown) if hits.unknown else (), tuple(hits.notes) if hits.notes else (),
        )  # fmt: skip

    def read(self, text: str, hits: _Hits, *, end: int = 0) -> None:
        """Every rule at every position. `end` characters at the end are the closing mark."""
        if self.find is None:
            return
        if len(text) > MAX_TEXT:
            hits.notes.append(f"longer than {MAX_TEXT:,} characters; the rest was not read")
            text, end = text[:MAX_TEXT], 0
        if self.quick is not None:
            self.read_quickly(self.quick, text, len(text) - end, hits)
            return
        found_any = False
        stops: list[int] = []
        for count, found in enumerate(self.find.finditer(text)):
            if count >= MAX_HITS and "" not in self.rules:
                hits.notes.append(f"more than {MAX_HITS} hits; the rest was not read")
                return
            beginning, at = found[self.find.groups], found.start()
            if at and beginning in self.edges and (text[at - 1].isalnum() or text[at - 1] == "_"):
                continue
            if not found_any:
                found_any = True
                separator = self.source.separator
                stops = separator.starts(text) if separator is not None and self.single is None else []
            for rule in self.rules[beginning]:
                self.hit(rule, text, at + len(rule.prefix), stops, end, hits)

    def read_quickly(self, quick: re.Pattern[str], text: str, last: int, hits: _Hits) -> None:
        """Beginnings and their declared values in one pass; what is no declared value goes the long way."""
        accepted, edges, by_prefix = hits.accepted, self.edges, self.by_prefix
        count = 0
        for found in quick.finditer(text, 0, last):
            if count >= MAX_HITS:
                hits.notes.append(f"more than {MAX_HITS} hits; the rest was not read")
                return
            count += 1
            prefix, value = found.groups()
            at = found.start()
            if at and prefix in edges and ((before := text[at - 1]).isalnum() or before == "_"):
                continue
            name, spellings = by_prefix[prefix]
            declared = spellings.get(value) or (spellings.get(value.strip().casefold()) if value else None)
            if declared is None:
                self.hit(self.rules[prefix][0], text, at + len(prefix), [], len(text) - last, hits)
            elif name in accepted:
                accepted[name].append(declared)
            else:
                accepted[name] = [declared]

    def hit(self, rule: Rule, text: str, at: int, stops: list[int], end: int, hits: _Hits) -> None:
        """One rule at one position: a declared value first, else a typed one (reading A10)."""
        entry = self.fields[rule.field]
        last = len(text) - end
        fast = self.fast[rule]
        if fast is not None:
            matched = fast.match(text, at, last)
            declared = entry.by_folded.get(matched[1].casefold()) if matched else None
            if declared is not None:
                hits.accepted.setdefault(rule.field, []).append(declared)
                return
        start = at
        while start < last and text[start].isspace():
            start += 1
        for found in _alternatives(self.values[rule.field], text, start) if fast is None else ():
            stop = found
            while stop < last and text[stop].isspace() and not _is_stop(stops, stop):
                stop += 1
            if stop >= last or _is_stop(stops, stop) or (rule.suffix and text.startswith(rule.suffix, stop)):
                declared = entry.by_folded.get(text[start:found].casefold())
                if declared is not None:
                    hits.accepted.setdefault(rule.field, []).append(declared)
                    return
        if not rule.prefix and (start != at or at):
            return  # a rule without a beginning takes typed text only from the beginning
        stop = last
        if self.single is not None:
            found_stop = self.single.search(text, start)
            stop = min(stop, found_stop.start()) if found_stop else stop
        elif (nearest := bisect_left(stops, start)) < len(stops):
            stop = min(stop, stops[nearest])
        if rule.suffix and (suffix := text.find(rule.suffix, start, len(text))) >= 0:
            stop = min(stop, suffix)
        value = text[start:stop].strip()
        if not value:
            return
        if entry.allow_custom and ";" not in value and len(value) <= MAX_CUSTOM and value.isprintable():
            hits.accepted.setdefault(rule.field, []).append(entry.by_folded.get(value.casefold(), value))
        elif any(char.isalnum() for char in rule.prefix):  # a bare bracket may open anything
            hits.unknown.setdefault((rule.field, value[:MAX_CUSTOM]), None)

    def stripped(self, subject: str, *, every: bool) -> str:
        if self.source.boundaries is None or len(subject) > MAX_TEXT:
            return subject
        start, stop = self.source.boundaries
        limit = len(subject)
        budget = MAX_HITS
        while budget and (last := subject.rfind(stop, 0, limit)) >= 0:
            budget -= 1
            first = subject.rfind(start, 0, last)
            if first < 0:
                return subject
            if self.from_subject(subject[first : last + len(stop)]) is not None:
                kept = subject[:first].rstrip()
                subject = kept + subject[last + len(stop) :]
                if not every:
                    return subject
                limit = len(kept)
            else:
                limit = last
        return subject

    def carries(self, name: str, value: str) -> bool:
        for rule in self.source.rules:
            if rule.field == name and rule.suffix and rule.suffix in value:
                return False
        if self.source.separator is not None and self.source.separator.starts(value):
            return False
        if self.source.boundaries is not None and any(mark in value for mark in self.source.boundaries):
            return False
        return self.find is None or "" in self.rules or self.find.search(value) is None


def decoded(text: str) -> str:
    """A header unfolded (RFC 5322 2.2.3), its encoded words decoded (RFC 2047)."""
    text = text[: 4 * MAX_TEXT]
    if "\n" in text or "\r" in text:
        text = re.sub(r"\r?\n[ \t]*|\r", " ", text)
    if "=?" not in text:
        return text
    try:
        return str(make_header(decode_header(text)))
    except (LookupError, UnicodeError, ValueError, HeaderParseError):
        return text


def _beginning(prefix: str) -> str:
    """The expression of a rule's beginning; a word must not begin in the middle of another."""
    if not prefix:
        return r"(?<!\w)(?=\S)"
    return (r"(?<!\w)" if prefix[0].isalnum() or prefix[0] == "_" else "") + re.escape(prefix)


def _same_edge(prefix: str, rule: Rule) -> bool:
    """True where a rule found by `prefix` begins under the same condition (a word's edge) as its own beginning."""
    return bool(rule.prefix) or prefix == ""


def _values(entry: Field) -> tuple[re.Pattern[str] | None, dict[str, list[str]]]:
    """The declared values as one expression, longest first, and the shorter values each one begins with."""
    values = sorted(entry.values, key=lambda value: (-len(value), value))
    if not values:
        return None, {}
    shorter = {
        value.casefold(): [other for other in values if value.casefold().startswith(other.casefold())]
        for value in values
    }
    return re.compile("|".join(map(re.escape, values)), re.IGNORECASE), shorter


def _spellings(entry: Field) -> dict[str | None, str]:
    """Values as declared and in folded case, to the value as declared."""
    exactly = ((value, entry.by_folded[value.casefold()]) for value in entry.values)
    return dict((*entry.by_folded.items(), *exactly))


def _between(separator: re.Pattern[str] | None) -> str | None:
    """The class of characters that do not end a value; None where it cannot be written down."""
    if separator is None:
        return r"[\s\S]"
    written = separator.pattern
    if written.startswith("[^"):
        return "[" + written[2:]
    if written.startswith("["):
        return "[^" + written[1:]
    return f"[^{written}]" if re.fullmatch(r"[^\\.^$*+?{}\[\]|()]|\\[^\w]|\\[sSdDwW]", written) else None


def _hides(value: str, prefix: str) -> bool:
    """Whether a rule could begin inside `value`, so that reading on behind it would miss the rule."""
    if prefix in value:
        return True
    word = prefix[0].isalnum() or prefix[0] == "_"
    for size in range(1, min(len(prefix), len(value) + 1)):
        if value.endswith(prefix[:size]):
            before = value[-size - 1 : -size] or " "
            if not word or not (before.isalnum() or before == "_"):
                return True
    return False


def _alternatives(pattern: tuple[re.Pattern[str] | None, dict[str, list[str]]], text: str, at: int) -> list[int]:
    """Where the declared values that stand at `at` end, the longest first."""
    expression, shorter = pattern
    found = expression.match(text, at) if expression is not None else None
    if found is None:
        return []
    return [at + len(other) for other in shorter.get(found[0].casefold(), ())]


def _is_stop(stops: list[int], at: int) -> bool:
    nearest = bisect_left(stops, at)
    return nearest < len(stops) and stops[nearest] == at


def _most_secure(entry: Field, values: tuple[str, ...]) -> tuple[str, ...]:
    """The most secure values that fit: declared ones from the end of the order, typed ones after them."""
    declared = [value for value in values if value in entry.ranks]
    typed = [value for value in values if value not in entry.ranks]
    kept = declared[-entry.max_selections :]
    return tuple(kept + typed[: entry.max_selections - len(kept)])
