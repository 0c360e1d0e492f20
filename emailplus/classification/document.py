"""`email_security_classification_json` as a `Scheme`: read leniently, validated whole, all findings at once.

scheme = load(text)            # ConfigurationError with every finding
scheme, findings = check(text) # scheme is None where a finding is an error
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from ..config import lenient
from .document_options import receive_sources, send_options
from .findings import Finding, Severity, error, refuse, shown, warning
from .scheme import CUSTOM, Conditionality, Dependency, Field, OnReply, Scheme, Value, ValueList
from .selection import allowed_default

NO_LIMIT: Final = 1_000
"""`selectionsMaxNumber`: true."""
MAX_FIELDS: Final = 100
MAX_VALUES: Final = 20_000

_NAME = re.compile(r"[A-Z][A-Za-z0-9]*")
_TOP: Final = ("version", "classification", "fields", "values", "defaultValue", "conditionality", "sendOptions",
               "receiveMarking")  # fmt: skip
_FIELD: Final = ("name", "type", "title", "description", "required", "onReply", "allowCustomValue",
                 "selectionsMaxNumber", "parent")  # fmt: skip


def load(source: str | bytes | Mapping[str, object]) -> Scheme:
    """The scheme of a document: its text or its parsed object. Raises `ConfigurationError` with every finding."""
    scheme, findings = check(source)
    if scheme is None:
        raise refuse(findings)
    return scheme


def check(source: str | bytes | Mapping[str, object]) -> tuple[Scheme | None, list[Finding]]:
    """The scheme, None where there are errors, and all findings (classification reference, section 11)."""
    repairs: list[Finding] = []
    document: object = source
    if isinstance(source, bytes):
        try:
            source = source.decode("utf-8")
        except UnicodeDecodeError as problem:
            return None, [error(f"byte {problem.start}", "not UTF-8")]
    if isinstance(source, str):
        try:
            document, made = lenient.read(source)
        except lenient.Irreparable as stop:
            return None, [error(stop.place, stop.message), *_repairs(stop.repairs)]
        repairs = _repairs(made)
    if not isinstance(document, Mapping):
        return None, [*repairs, error("", "a JSON object is wanted")]
    if "scheme" in document and "fields" not in document and "classification" not in document:
        return None, [*repairs, error("scheme", "this is the Android schema; the markers of version 2 are wanted")]
    reader = _Document(document)
    scheme = reader.scheme()
    findings = [*repairs, *reader.findings]
    if scheme is None or any(finding.severity is Severity.ERROR for finding in findings):
        return None, findings
    return Scheme(**{**_shallow(scheme), "warnings": tuple(findings)}), findings


def problems(text: str) -> list[tuple[bool, str]]:
    """What `AppConfig.load(check_markers=...)` wants to know: (is it an error, the finding), all of them."""
    return [(finding.severity is Severity.ERROR, str(finding).partition(": ")[2]) for finding in check(text)[1]]


def _repairs(made: Iterable[lenient.Repair]) -> list[Finding]:
    return [warning(repair.place, repair.message) for repair in made]


def _shallow(scheme: Scheme) -> dict[str, Any]:
    return {name: getattr(scheme, name) for name in Scheme.__dataclass_fields__}


class _Document:
    """One pass over a document. Every method adds to `findings` and goes on with what is sound."""

    def __init__(self, document: Mapping[str, object]) -> None:
        self.document = document
        self.findings: list[Finding] = []
        wrapper = document.get("classification")
        self.wrapped: Mapping[str, object] = wrapper if isinstance(wrapper, Mapping) else {}
        if "classification" in document and not isinstance(wrapper, Mapping):
            self.findings.append(error("classification", "an object is wanted"))

    def scheme(self) -> Scheme | None:
        for part in (self.document, self.wrapped):
            self.unknown(part, _TOP, "")
        version = self.version()
        fields = self.fields()
        conditionality = self.conditionality(fields)
        self.cycles(fields, conditionality)
        self.reachable(fields)
        send = send_options(self.top("sendOptions"), fields, self.findings)
        sources = receive_sources(self.top("receiveMarking"), fields, self.findings)
        draft = Scheme(version, tuple(fields.values()), {}, conditionality, send, sources)
        default = self.default(draft)
        return Scheme(version, draft.fields, default, conditionality, send, sources)

    def top(self, name: str) -> object:
        """A property that may stand at the top or in the wrapper (reading A1)."""
        if name in self.document and name in self.wrapped:
            self.findings.append(warning(name, "given at the top and inside classification; the top counts"))
        return self.document[name] if name in self.document else self.wrapped.get(name)

    def unknown(self, entry: Mapping[str, object], known: tuple[str, ...], path: str) -> None:
        for name in entry:
            if name not in known:
                self.findings.append(warning(f"{path}.{name}" if path else str(name)[:60], "unknown property ignored"))

    def version(self) -> str:
        version = self.top("version")
        if not isinstance(version, str) or not version.strip():
            self.findings.append(error("version", "missing; a text such as 2.0.0 is wanted"))
            return ""
        if not re.fullmatch(r"2(\.\d{1,9}){0,3}", version.strip(), re.ASCII):
            self.findings.append(error("version", f"{shown(version)}: only version 2 is known"))
        return version.strip()

    # -- fields and values

    def fields(self) -> dict[str, Field]:
        entries = self.objects("fields", required=True, most=MAX_FIELDS)
        values = self.values()
        fields: dict[str, Field] = {}
        for path, entry in entries:
            self.unknown(entry, _FIELD, path)
            name = entry.get("name")
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                self.findings.append(
                    error(f"{path}.name", f"{shown(name)}: letters and digits, beginning with a capital letter")
                )
            elif name in fields:
                self.findings.append(error(f"{path}.name", f"{shown(name)} is declared twice"))
            else:
                fields[name] = self.field(path, name, entry, tuple(values.pop(name, ())))
        for name, lists in values.items():
            if lists is not None:
                self.findings.append(error("values", f"{shown(name)} is not a declared field"))
        self.parents(fields)
        return fields

    def field(self, path: str, name: str, entry: Mapping[str, object], lists: tuple[ValueList, ...]) -> Field:
        if entry.get("type", "text") != "text":
            self.findings.append(warning(f"{path}.type", f"{shown(entry['type'])} is not known; read as text"))
        on_reply = entry.get("onReply", "ANY")
        if on_reply not in [known.value for known in OnReply] or not isinstance(on_reply, str):
            self.findings.append(error(f"{path}.onReply", f"{shown(on_reply)}: ANY, UPGRADE_ONLY or LOCK"))
            on_reply = "LOCK"
        custom = self.flag(entry, "allowCustomValue", path)
        if custom and on_reply != "ANY":
            self.findings.append(warning(f"{path}.allowCustomValue", f"off: it needs onReply ANY, not {on_reply}"))
            custom = False
        parent = entry.get("parent")
        if parent is not None and not isinstance(parent, str):
            self.findings.append(error(f"{path}.parent", "a field name is wanted"))
            parent = None
        return Field(
            name=name,
            title=self.text(entry, "title", path) or name,
            description=self.text(entry, "description", path),
            required=self.flag(entry, "required", path),
            on_reply=OnReply(on_reply),
            allow_custom=custom,
            max_selections=self.maximum(entry.get("selectionsMaxNumber", 1), f"{path}.selectionsMaxNumber"),
            parent=parent,
            lists=lists,
        )

    def maximum(self, number: object, path: str) -> int:
        """`selectionsMaxNumber`: a number, or true for no limit and false for one (reading A14)."""
        if isinstance(number, bool):
            return NO_LIMIT if number else 1
        if not isinstance(number, int) or number < 1:
            self.findings.append(error(path, "a whole number of 1 or more is wanted"))
            return 1
        return min(number, NO_LIMIT)

    def values(self) -> dict[str, list[ValueList]]:
        """Field name to its lists, in document order."""
        result: dict[str, list[ValueList]] = {}
        ranges: set[tuple[str, frozenset[str] | None]] = set()
        total = 0
        for path, entry in self.objects("values", required=True, most=MAX_VALUES):
            parent_range = self.parent_range(entry, path)
            for name, raw in entry.items():
                if name == "parentRange":
                    continue
                if not isinstance(raw, list):
                    self.findings.append(error(f"{path}.{name}", "an array of values is wanted"))
                    continue
                if (name, parent_range) in ranges:
                    self.findings.append(error(f"{path}.{name}", "a second list of the field with the same range"))
                ranges.add((name, parent_range))
                total += len(raw)
                if total > MAX_VALUES:
                    self.findings.append(error(path, f"more than {MAX_VALUES:,} values"))
                    return result
                result.setdefault(name, []).append(ValueList(self.value_list(raw, f"{path}.{name}"), parent_range))
        return result

    def parent_range(self, entry: Mapping[str, object], path: str) -> frozenset[str] | None:
        if "parentRange" not in entry:
            return None
        raw = entry["parentRange"]
        listed = [raw] if isinstance(raw, str) else raw
        if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
            self.findings.append(error(f"{path}.parentRange", "an array of the parent's values is wanted"))
            return frozenset()
        return frozenset(listed)

    def value_list(self, raw: list[object], path: str) -> tuple[Value, ...]:
        result: dict[str, Value] = {}
        for number, entry in enumerate(raw):
            place = f"{path}[{number}]"
            value = entry.get("value") if isinstance(entry, Mapping) else None
            if not isinstance(entry, Mapping) or not isinstance(value, str) or not value.strip():
                self.findings.append(error(f"{place}.value", "missing or blank"))
            elif ";" in value or value == CUSTOM or not value.isprintable() or value != value.strip():
                self.findings.append(
                    error(f"{place}.value", f"{shown(value)}: no semicolon, control character, outer blank, {CUSTOM}")
                )
            elif value.casefold() in result:
                self.findings.append(error(f"{place}.value", f"{shown(value)} is declared twice"))
            else:
                self.unknown(entry, ("value", "title", "description"), place)
                title = self.text(entry, "title", place) or value
                result[value.casefold()] = Value(value, title, self.text(entry, "description", place))
        return tuple(result.values())

    def parents(self, fields: dict[str, Field]) -> None:
        for entry in fields.values():
            ranged = any(one.parent_range is not None for one in entry.lists)
            if entry.parent is not None and entry.parent not in fields:
                self.findings.append(error(f"fields.{entry.name}.parent", f"{shown(entry.parent)} is not declared"))
            elif entry.parent is None and ranged:
                self.findings.append(error(f"values.{entry.name}", "parentRange given, but the field has no parent"))
            elif entry.parent is not None:
                known = set(fields[entry.parent].values)
                for one in sorted({name for listed in entry.lists for name in listed.parent_range or ()} - known):
                    self.findings.append(
                        warning(f"values.{entry.name}.parentRange", f"{shown(one)} is no value of {entry.parent}")
                    )

    def reachable(self, fields: dict[str, Field]) -> None:
        for entry in fields.values():
            if not entry.values and not entry.allow_custom:
                self.findings.append(warning(f"fields.{entry.name}", "the field can never have a value"))

    # -- dependencies

    def conditionality(self, fields: dict[str, Field]) -> tuple[Conditionality, ...]:
        result: dict[str, Conditionality] = {}
        for path, entry in self.objects("conditionality"):
            if "target" in entry and "dependent" in entry:
                entry = self.short_form(entry, path)
            self.unknown(entry, ("targetField", "dependentField", "dependencies"), path)
            target, dependent = entry.get("targetField"), entry.get("dependentField")
            if not isinstance(target, str) or target not in fields:
                self.findings.append(error(f"{path}.targetField", f"{shown(target)} is not a declared field"))
                continue
            if not isinstance(dependent, str) or dependent not in fields:
                self.findings.append(error(f"{path}.dependentField", f"{shown(dependent)} is not a declared field"))
                continue
            if target == dependent:
                self.findings.append(error(path, f"{target} depends on itself"))
                continue
            rows = self.rows(entry.get("dependencies"), fields[target], fields[dependent], path)
            known = result.get(dependent)
            if known is not None and known.target != target:
                self.findings.append(error(path, f"{dependent} has two targets, {known.target} and {target}"))
            else:
                result[dependent] = Conditionality(target, dependent, (*(known.rows if known else ()), *rows))
        return tuple(result.values())

    def short_form(self, entry: Mapping[str, object], path: str) -> Mapping[str, object]:
        """{"target": {"SEC": [..]}, "dependent": {"ACCESS": [..]}} as one row."""
        target, dependent = entry["target"], entry["dependent"]
        if not (isinstance(target, Mapping) and isinstance(dependent, Mapping)) or len(target) != 1 != len(dependent):
            self.findings.append(error(path, "target and dependent name one field each, with its values"))
            return {}
        (target_field, target_values), (dependent_field, dependent_values) = *target.items(), *dependent.items()
        return {
            "targetField": target_field,
            "dependentField": dependent_field,
            "dependencies": [{"targetValues": target_values, "dependentValues": dependent_values}],
        }

    def rows(self, raw: object, target: Field, dependent: Field, path: str) -> tuple[Dependency, ...]:
        if not isinstance(raw, list):
            self.findings.append(error(f"{path}.dependencies", "an array is wanted"))
            return ()
        result = []
        for number, row in enumerate(raw):
            place = f"{path}.dependencies[{number}]"
            if not isinstance(row, Mapping):
                self.findings.append(error(place, "an object is wanted"))
                continue
            self.unknown(row, ("targetValues", "dependentValues"), place)
            sides = []
            for name, side in (("targetValues", target), ("dependentValues", dependent)):
                listed = row.get(name)
                if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
                    self.findings.append(error(f"{place}.{name}", "an array of values is wanted"))
                    listed = []
                for one in listed:
                    if one not in side.ranks and one != CUSTOM:
                        self.findings.append(warning(f"{place}.{name}", f"{shown(one)} is no value of {side.name}"))
                if CUSTOM in listed and not side.allow_custom:
                    self.findings.append(warning(f"{place}.{name}", f"{side.name} takes no typed values"))
                sides.append(frozenset(listed))
            result.append(Dependency(*sides))
        return tuple(result)

    def cycles(self, fields: dict[str, Field], conditionality: tuple[Conditionality, ...]) -> None:
        above = {name: {entry.parent} if entry.parent in fields else set() for name, entry in fields.items()}
        for condition in conditionality:
            above[condition.dependent].add(condition.target)
        while free := [name for name, names in above.items() if not names & above.keys()]:
            for name in free:
                del above[name]
        if above:
            self.findings.append(error("conditionality", f"fields depend on each other: {', '.join(above)}"))

    # -- defaults

    def default(self, scheme: Scheme) -> dict[str, tuple[str, ...]]:
        raw = self.top("defaultValue")
        if raw is None:
            return {}
        if not isinstance(raw, Mapping):
            self.findings.append(error("defaultValue", "an object is wanted"))
            return {}
        wanted: dict[str, tuple[str, ...]] = {}
        for name, given in raw.items():
            path = f"defaultValue.{name}"
            entry = scheme.by_name.get(name)
            values = [given] if isinstance(given, str) else given
            if entry is None:
                self.findings.append(error(path, "not a declared field"))
            elif not isinstance(values, list) or not all(isinstance(one, str) for one in values):
                self.findings.append(error(path, "a value, or an array of values, is wanted"))
            elif len(values) > entry.max_selections:
                self.findings.append(error(path, f"more than {entry.max_selections} values"))
            else:
                values = [one for one in values if one]
                for one in values:
                    if one not in entry.ranks and (not entry.allow_custom or ";" in one or not one.strip()):
                        self.findings.append(error(path, f"{shown(one)} is not a declared value"))
                wanted[name] = entry.ordered(tuple(values))
        if any(finding.severity is Severity.ERROR for finding in self.findings):
            return {}
        kept = allowed_default(scheme, wanted)
        for name, listed in wanted.items():
            if kept.get(name, ()) != listed:
                self.findings.append(warning(f"defaultValue.{name}", "dropped: the other defaults exclude it"))
        return kept

    # -- shapes

    def objects(self, name: str, *, required: bool = False, most: int = 10_000) -> list[tuple[str, Any]]:
        """The objects of an array, each with its path."""
        raw = self.top(name)
        if raw is None and not required:
            return []
        if not isinstance(raw, list) or len(raw) > most or (required and not raw and name == "fields"):
            self.findings.append(error(name, f"an array of at most {most:,} objects is wanted"))
            return []
        result = []
        for number, entry in enumerate(raw):
            if isinstance(entry, Mapping):
                result.append((f"{name}[{number}]", entry))
            else:
                self.findings.append(error(f"{name}[{number}]", "an object is wanted"))
        return result

    def flag(self, entry: Mapping[str, object], name: str, path: str) -> bool:
        value = entry.get(name, False)
        if isinstance(value, str) and value.strip().lower() in ("true", "false"):
            self.findings.append(warning(f"{path}.{name}", "a text; read as true or false"))
            return value.strip().lower() == "true"
        if not isinstance(value, bool):
            self.findings.append(error(f"{path}.{name}", "true or false is wanted"))
            return False
        return value

    def text(self, entry: Mapping[str, object], name: str, path: str) -> str:
        value = entry.get(name, "")
        if not isinstance(value, str):
            self.findings.append(error(f"{path}.{name}", "a text is wanted"))
            return ""
        return value
