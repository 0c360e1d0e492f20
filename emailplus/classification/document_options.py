"""`sendOptions` and `receiveMarking` of a classification document (classification reference, sections 7 and 10)."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Final

from . import template
from .findings import Finding, error, shown, warning
from .scheme import (
    HEADER_SOURCE,
    SUBJECT_SOURCE,
    Condition,
    Field,
    Look,
    Rule,
    SendOptions,
    Source,
    TextBlock,
)
from .separators import Separator
from .template import Template

MAX_RULES: Final = 1_000

HEADER_NAME = re.compile(r"[!-9;-~]{1,76}")
"""RFC 5322 field-name: printable ASCII without the colon; short enough for one line."""
RESERVED_HEADERS: Final = frozenset(
    ("bcc", "cc", "content-disposition", "content-id", "content-transfer-encoding", "content-type", "date", "from",
     "message-id", "mime-version", "received", "reply-to", "resent-bcc", "resent-cc", "resent-from", "resent-to",
     "return-path", "sender", "subject", "to")
)  # fmt: skip
"""Headers that carry the message itself; a marking must not replace them."""
STYLE = re.compile(r"[^\"'<>&\x00-\x1f\x7f\\]{0,2000}")
"""Style declarations that cannot close the attribute they stand in."""
COLOR = re.compile(r"#[0-9A-Fa-f]{6}")
ALIGNMENTS: Final = ("LEFT", "CENTER", "RIGHT")
_RULE_VARIABLE = re.compile(r"\$([A-Za-z][A-Za-z0-9]*)\$")


def send_options(raw: object, fields: Mapping[str, Field], findings: list[Finding]) -> SendOptions:
    """`sendOptions`; None gives the defaults."""
    if raw is None:
        return SendOptions()
    if not isinstance(raw, Mapping):
        findings.append(error("sendOptions", "an object is wanted"))
        return SendOptions()
    reader = _Options(fields, findings)
    reader.unknown(raw, ("xHeader", "subjectSuffix", "bodyHeader", "bodyFooter", "allowNotClassified"), "sendOptions")
    allow = raw.get("allowNotClassified", False)
    if not isinstance(allow, bool):
        findings.append(error("sendOptions.allowNotClassified", "true or false is wanted"))
    return SendOptions(
        headers=reader.headers(raw.get("xHeader")),
        subject_suffix=reader.template(raw.get("subjectSuffix"), "sendOptions.subjectSuffix"),
        body_header=reader.block(raw.get("bodyHeader"), "sendOptions.bodyHeader"),
        body_footer=reader.block(raw.get("bodyFooter"), "sendOptions.bodyFooter"),
        allow_not_classified=allow is True,
    )


def receive_sources(raw: object, fields: Mapping[str, Field], findings: list[Finding]) -> tuple[Source, ...]:
    """`receiveMarking`: its sources in the order of `priorities`."""
    if raw is None:
        return ()
    if not isinstance(raw, Mapping):
        findings.append(error("receiveMarking", "an object is wanted"))
        return ()
    reader = _Options(fields, findings)
    reader.unknown(raw, ("priorities", HEADER_SOURCE, SUBJECT_SOURCE), "receiveMarking")
    priorities = raw.get("priorities", [HEADER_SOURCE, SUBJECT_SOURCE])
    if not isinstance(priorities, list):
        findings.append(error("receiveMarking.priorities", "an array is wanted"))
        return ()
    result = []
    for name in dict.fromkeys(one for one in priorities if isinstance(one, str)):
        if name not in (HEADER_SOURCE, SUBJECT_SOURCE):
            findings.append(warning("receiveMarking.priorities", f"{shown(name)} is not known"))
        elif raw.get(name) is not None and (source := reader.source(name, raw[name])) is not None:
            result.append(source)
    return tuple(result)


class _Options:
    def __init__(self, fields: Mapping[str, Field], findings: list[Finding]) -> None:
        self.fields = fields
        self.findings = findings

    def unknown(self, entry: Mapping[str, object], known: Collection[str], path: str) -> None:
        for name in entry:
            if name not in known:
                self.findings.append(warning(f"{path}.{str(name)[:60]}", "unknown property ignored"))

    def template(self, raw: object, path: str, *, line_breaks: bool = False) -> Template | None:
        if raw is None:
            return None
        if not isinstance(raw, str):
            self.findings.append(error(path, "a text is wanted"))
            return None
        try:
            parsed = template.parse(raw, self.fields, line_breaks=line_breaks)
        except ValueError as problem:
            self.findings.append(error(path, str(problem)))
            return None
        for variable in dict.fromkeys(parsed.variables()):
            if variable.kind not in ("value", "title"):
                self.findings.append(warning(path, f"{shown(variable.kind)} is no property of a variable"))
            elif variable.name not in self.fields and variable.name != template.ORIGIN:
                self.findings.append(warning(path, f"{shown(variable.name)} is not a declared field"))
        return parsed

    def headers(self, raw: object) -> tuple[tuple[str, Template], ...]:
        """`xHeader`: key and value, name and value, or {"X-Name": template}; one or an array (reading A12)."""
        if raw is None:
            return ()
        result: dict[str, tuple[str, Template]] = {}
        for number, entry in enumerate(raw if isinstance(raw, list) else [raw]):
            path = f"sendOptions.xHeader[{number}]" if isinstance(raw, list) else "sendOptions.xHeader"
            if not isinstance(entry, Mapping):
                self.findings.append(error(path, "an object with key and value is wanted"))
                continue
            if "value" in entry and ("key" in entry or "name" in entry):
                name, text = entry.get("key", entry.get("name")), entry["value"]
                self.unknown(entry, ("key", "name", "value"), path)
            elif len(entry) == 1 and "key" not in entry and "name" not in entry:
                ((name, text),) = entry.items()
            else:
                self.findings.append(error(path, "an object with key and value is wanted"))
                continue
            if not isinstance(name, str) or not HEADER_NAME.fullmatch(name) or name.lower() in RESERVED_HEADERS:
                self.findings.append(error(f"{path}.key", f"{shown(name)} is no header name for a marking"))
                continue
            if isinstance(text, str) and re.search(r"[\x00-\x08\x0a-\x1f\x7f]", text):
                self.findings.append(error(f"{path}.value", "a line break or control character in a header"))
                continue
            if name.lower() in result:
                self.findings.append(error(f"{path}.key", f"{shown(name)} is given twice"))
            elif text is None:
                self.findings.append(error(f"{path}.value", "a text is wanted"))
            elif (parsed := self.template(text, f"{path}.value")) is not None:
                result[name.lower()] = (name, parsed)
        return tuple(result.values())

    def block(self, raw: object, path: str) -> TextBlock | None:
        if raw is None:
            return None
        if not isinstance(raw, Mapping):
            self.findings.append(error(path, "an object is wanted"))
            return None
        self.unknown(raw, ("text", "color", "alignment", "style", "conditions"), path)
        if raw.get("text") is None:
            self.findings.append(error(f"{path}.text", "missing"))
            return None
        conditions = raw.get("conditions", [])
        if not isinstance(conditions, list):
            self.findings.append(error(f"{path}.conditions", "an array is wanted"))
            conditions = []
        return TextBlock(
            self.look(raw, path),
            tuple(
                condition
                for number, entry in enumerate(conditions)
                if (condition := self.condition(entry, f"{path}.conditions[{number}]")) is not None
            ),
        )

    def condition(self, raw: object, path: str) -> Condition | None:
        when = raw.get("when") if isinstance(raw, Mapping) else None
        result = raw.get("result") if isinstance(raw, Mapping) else None
        if not isinstance(raw, Mapping) or not isinstance(when, Mapping) or not isinstance(result, Mapping):
            self.findings.append(error(path, "an object with when and result is wanted"))
            return None
        self.unknown(raw, ("when", "result"), path)
        self.unknown(result, ("text", "color", "alignment", "style"), f"{path}.result")
        wanted: dict[str, frozenset[str]] = {}
        for name, listed in when.items():
            values = [listed] if isinstance(listed, str) else listed
            if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
                self.findings.append(error(f"{path}.when", "each field has an array of values"))
                return None
            if name not in self.fields:
                self.findings.append(warning(f"{path}.when", f"{shown(name)} is not a declared field"))
            wanted[name] = frozenset(values)
        return Condition(wanted, self.look(result, f"{path}.result"))

    def look(self, raw: Mapping[str, object], path: str) -> Look:
        color, alignment, style = raw.get("color"), raw.get("alignment"), raw.get("style")
        if color is not None and not (isinstance(color, str) and COLOR.fullmatch(color)):
            self.findings.append(warning(f"{path}.color", f"{shown(color)}: #RRGGBB is wanted; the default is used"))
            color = None
        if alignment is not None and not (isinstance(alignment, str) and alignment.upper() in ALIGNMENTS):
            self.findings.append(
                warning(f"{path}.alignment", f"{shown(alignment)}: LEFT, CENTER or RIGHT; the default is used")
            )
            alignment = None
        if style is not None and not (isinstance(style, str) and STYLE.fullmatch(style)):
            self.findings.append(error(f"{path}.style", "quotes, angle brackets, & and control characters are refused"))
            style = None
        return Look(
            text=self.template(raw.get("text"), f"{path}.text", line_breaks=True),
            color=str(color).upper() if color is not None else None,
            alignment=str(alignment).upper() if alignment is not None else None,
            style=str(style) if style is not None else None,
        )

    def source(self, name: str, raw: object) -> Source | None:
        path = f"receiveMarking.{name}"
        if not isinstance(raw, Mapping):
            self.findings.append(error(path, "an object is wanted"))
            return None
        self.unknown(raw, ("headerName", "rules", "separatorRegex", "boundaries"), path)
        names: tuple[str, ...] = ()
        if name == HEADER_SOURCE:
            given = raw.get("headerName")
            listed = [given] if isinstance(given, str) else given
            if not isinstance(listed, list) or not listed:
                self.findings.append(error(f"{path}.headerName", "a header name, or an array of them, is wanted"))
                return None
            for one in listed:
                if not isinstance(one, str) or not HEADER_NAME.fullmatch(one):
                    self.findings.append(error(f"{path}.headerName", f"{shown(one)} is no header name"))
            names = tuple(dict.fromkeys(one.lower() for one in listed if isinstance(one, str)))
        return Source(
            name=name,
            rules=self.rules(raw.get("rules"), path),
            separator=self.separator(raw.get("separatorRegex"), f"{path}.separatorRegex"),
            header_names=names,
            boundaries=self.boundaries(raw.get("boundaries"), f"{path}.boundaries"),
        )

    def rules(self, raw: object, path: str) -> tuple[Rule, ...]:
        if not isinstance(raw, list) or len(raw) > MAX_RULES:
            self.findings.append(error(f"{path}.rules", f"an array of at most {MAX_RULES:,} texts is wanted"))
            return ()
        result: dict[Rule, None] = {}
        for number, text in enumerate(raw):
            place = f"{path}.rules[{number}]"
            if not isinstance(text, str) or len(text) > 500:
                self.findings.append(error(place, "a text of at most 500 characters is wanted"))
                continue
            found = list(_RULE_VARIABLE.finditer(text))
            if len(found) != 1:
                self.findings.append(warning(place, f"{shown(text)}: one variable is wanted; ignored"))
            elif found[0][1] not in self.fields:
                self.findings.append(warning(place, f"{shown(found[0][1])} is not a declared field; ignored"))
            else:
                rule = Rule(text[: found[0].start()], found[0][1], text[found[0].end() :])
                if rule in result:
                    self.findings.append(warning(place, f"{shown(text)} is given twice"))
                result[rule] = None
        return tuple(result)

    def separator(self, raw: object, path: str) -> Separator | None:
        if raw is None or raw == "":
            return None
        try:
            if isinstance(raw, str):
                return Separator(raw)
            problem = "a text is wanted"
        except ValueError as found:
            problem = str(found)
        self.findings.append(error(path, problem))
        return None

    def boundaries(self, raw: object, path: str) -> tuple[str, str] | None:
        if raw is None:
            return None
        start = raw.get("start") if isinstance(raw, Mapping) else None
        end = raw.get("end") if isinstance(raw, Mapping) else None
        if not isinstance(start, str) or not isinstance(end, str) or not start or not end:
            self.findings.append(error(path, "start and end are wanted, one character or more each"))
            return None
        return start, end
