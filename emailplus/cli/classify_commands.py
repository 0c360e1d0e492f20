"""`emailplus classify check|parse|stamp|explain`: try a classification configuration on text and messages.

The configuration is a markers document (the value of `email_security_classification_json`), a whole app config that
holds one, or the name of a ready-made one: `au_2025`, `company`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from ..classification import document, epms, ready
from ..classification.findings import Finding, refuse
from ..classification.message import fields_of, receive_message, stamp_message
from ..classification.receive import Received, Receiver
from ..classification.scheme import CUSTOM, Field, Scheme
from ..classification.selection import Selection
from ..classification.stamp import render
from ..config import loaders
from ..config.build import MARKERS_KEY
from ..errors import ConfigurationError, InvalidMarking, UsageError
from .common import JsonOption, errors_as_exit_codes, print_json, say

MAX_MESSAGE = 256 * 1024 * 1024
"""Bytes of a message file."""

classify_app = typer.Typer(name="classify", help="Check, read and write classification markings.", no_args_is_help=True)

_Configuration = Annotated[
    str, typer.Argument(metavar="CONFIG", help="A markers file, an app config, au_2025 or company.", show_default=False)
]
_ConfigurationOption = Annotated[
    str | None, typer.Option("--config", "-c", metavar="CONFIG", help="A markers file, an app config or a ready name.")
]


@classify_app.command("check")
def check(configuration: _Configuration, as_json: JsonOption = False) -> None:
    """Say everything that is wrong with a configuration. Exit code 2 where classification would be off."""
    with errors_as_exit_codes(as_json):
        scheme, findings = _checked(configuration)
        if scheme is None:
            raise refuse(findings)
        for finding in findings:
            say(f"  {finding}")
        if as_json:
            print_json({"version": scheme.version, "fields": list(scheme.by_name), "findings": _findings(findings)})
        else:
            say(f"version {scheme.version}, {len(scheme.fields)} fields, {len(findings)} warnings")


@classify_app.command("parse")
def parse(
    source: Annotated[str, typer.Argument(metavar="FILE|TEXT", help="A message file, - for standard input, or text.")],
    configuration: _ConfigurationOption = None,
    subject: Annotated[bool, typer.Option("--subject", help="The text is a subject, not a header value.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Read the marking of a message or of one line of text; without --config by the Australian standard."""
    with errors_as_exit_codes(as_json):
        message = _message(source)
        if configuration is None:
            _parse_standard(source, message, subject, as_json)
            return
        scheme = _scheme(configuration)
        receiver = Receiver(scheme)
        if message is not None:
            received = receive_message(receiver, message)
        elif subject:
            received = receiver.receive({}, source)
        else:
            names = [name for one in scheme.sources for name in one.header_names]
            received = receiver.receive([(name, source) for name in names[:1]], "")
        _print_received(received, as_json)


@classify_app.command("stamp")
def stamp(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The message; - for standard input.")],
    configuration: Annotated[str, typer.Option("--config", "-c", metavar="CONFIG", help="As for check.")],
    chosen: Annotated[
        list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="A value; again for several.")
    ] = None,
    original: Annotated[
        Path | None, typer.Option("--reply-to", metavar="FILE", help="The message that is answered or forwarded.")
    ] = None,
    origin: Annotated[str, typer.Option("--origin", help="The sender's address, for $ORIGIN$.")] = "",
) -> None:
    """Write the message with its marking to standard output; without --set with the defaults or the original's."""
    with errors_as_exit_codes(False):
        scheme = _scheme(configuration)
        message = _message(file)
        if message is None:
            raise UsageError(f"no such message file: {file}")
        received = receive_message(Receiver(scheme), _read(original)).selection if original is not None else {}
        start = Selection.reply(scheme, received) if received else Selection.compose(scheme)
        wanted = wanted_values(chosen or [])
        for name in sorted(wanted, key=[*scheme.decision_order, *wanted].index):
            start = start.choose(name, *wanted[name])
        sys.stdout.buffer.write(stamp_message(message, render(start, origin=origin)))
        sys.stdout.flush()


@classify_app.command("explain")
def explain(configuration: _Configuration, as_json: JsonOption = False) -> None:
    """Say in words what a configuration asks of a user, writes and reads."""
    with errors_as_exit_codes(as_json):
        scheme = _scheme(configuration)
        lines = [line for entry in scheme.fields for line in _explained(scheme, entry)]
        lines += _explained_options(scheme)
        if as_json:
            print_json({"version": scheme.version, "lines": lines})
        else:
            print("\n".join(lines))


def _checked(configuration: str) -> tuple[Scheme | None, list[Finding]]:
    if configuration in ready.NAMES:
        return document.check(ready.text(configuration))
    data = _read(Path(configuration))
    return document.check(_inside_app_config(data) or data)


def _inside_app_config(data: bytes) -> str | Mapping[str, object] | None:
    """The markers of an app config as they stand in it; None where `data` is none, or holds none."""
    try:
        pairs = dict(loaders.parse(data)) if MARKERS_KEY.encode() in data else {}
    except ConfigurationError:
        return None
    given = pairs.get(MARKERS_KEY)
    return given if isinstance(given, str | Mapping) else None


def _scheme(configuration: str) -> Scheme:
    scheme, findings = _checked(configuration)
    if scheme is None:
        raise refuse(findings)
    return scheme


def _message(source: str) -> bytes | None:
    """The bytes of a message file or standard input; None where `source` is text."""
    if source == "-":
        return sys.stdin.buffer.read(MAX_MESSAGE)
    try:
        exists = Path(source).is_file()
    except (OSError, ValueError):
        exists = False
    return _read(Path(source)) if exists else None


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_MESSAGE + 1)
    except (OSError, ValueError) as problem:
        raise UsageError(f"{path}: {getattr(problem, 'strerror', None) or problem}") from problem
    if len(data) > MAX_MESSAGE:
        raise UsageError(f"{path}: larger than {MAX_MESSAGE:,} bytes")
    return data


def wanted_values(chosen: list[str], option: str = "--set") -> dict[str, tuple[str, ...]]:
    """FIELD=VALUE pairs; `FIELD=` clears the field."""
    result: dict[str, tuple[str, ...]] = {}
    for pair in chosen:
        name, equals, value = pair.partition("=")
        if not equals:
            raise UsageError(f"{option} takes FIELD=VALUE, not {pair!r}")
        result[name] = (*result.get(name, ()), *([value] if value else []))
    return result


def _parse_standard(source: str, message: bytes | None, subject: bool, as_json: bool) -> None:
    if message is not None:
        found = epms.receive(*fields_of(message))
    elif subject:
        found = epms.receive([], source)
    else:
        found = epms.read(source, epms.Form.SUBJECT if source.startswith("[") else epms.Form.HEADER)
    if found is None:
        raise InvalidMarking("no marking found")
    marking = found.marking
    parts: dict[str, Any] = {
        "sec": marking.sec,
        "dlm": marking.dlm,
        "caveats": [f"{one.kind}:{one.text}" for one in marking.caveats],
        "access": list(marking.access),
        "expires": marking.expires,
        "downto": marking.downto,
        "note": marking.note,
        "origin": marking.origin,
        "version": marking.version,
        "namespace": marking.namespace,
        "effective": marking.effective(datetime.now(UTC)),
        "notes": list(found.notes),
    }
    if not found.accepted:
        raise InvalidMarking(f"not a valid marking: {'; '.join(found.faults)}", found.faults)
    if as_json:
        print_json(parts)
        return
    for name, value in parts.items():
        if value:
            print(f"{name}: {', '.join(value) if isinstance(value, list) else value}")


def _print_received(received: Received, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "selection": {name: list(values) for name, values in received.selection.items()},
                "source": received.source,
                "place": received.place,
                "text": received.text,
                "unknown": [list(pair) for pair in received.unknown],
                "notes": list(received.notes),
            }
        )
        return
    for name, values in received.selection.items():
        print(f"{name}: {', '.join(values)}")
    say(f"found in {received.place} ({received.source})" if received.source else "no marking found")
    for name, text in received.unknown:
        say(f"unknown value of {name}: {text!r}")
    for note in received.notes:
        say(f"note: {note}")


def _findings(findings: list[Finding]) -> list[dict[str, str]]:
    return [{"severity": one.severity.value, "path": one.path, "message": one.message} for one in findings]


def _explained(scheme: Scheme, entry: Field) -> list[str]:
    rules = {"ANY": "may change in a reply", "UPGRADE_ONLY": "may only rise in a reply", "LOCK": "is fixed in a reply"}
    facts = [
        "required" if entry.required else "optional",
        f"up to {entry.max_selections} values" if entry.max_selections > 1 else "one value",
        rules[entry.on_reply.value],
        *(["a value may be typed"] if entry.allow_custom else []),
    ]
    lines = [f"{entry.name} ({entry.title}): {', '.join(facts)}"]
    for listed in entry.lists:
        when = (
            ""
            if listed.parent_range is None
            else f" while {entry.parent} is {' or '.join(sorted(listed.parent_range))}"
        )
        lines.append(f"  values, rising{when}: {', '.join(value.value for value in listed.values)}")
    condition = scheme.condition_of.get(entry.name)
    for row in condition.rows if condition is not None else ():
        order = {value: rank for rank, value in enumerate((*entry.values, CUSTOM))}
        allowed = sorted(row.dependent_values, key=lambda value: order.get(value, len(order)))
        target = scheme.by_name[condition.target].ranks if condition is not None else {}
        targets = sorted(row.target_values, key=lambda value: target.get(value, len(target)))
        said = ", ".join("a typed value" if value == CUSTOM else value for value in allowed)
        lines.append(f"  with {condition.target if condition else ''} {' or '.join(targets)}: {said}")
    if default := scheme.default.get(entry.name):
        lines.append(f"  new messages begin with {', '.join(default)}")
    return lines


def _explained_options(scheme: Scheme) -> list[str]:
    send = scheme.send
    lines = ["sending without a marking is " + ("allowed" if send.allow_not_classified else "refused")]
    lines += [f"writes the header {name}: {template.source}" for name, template in send.headers]
    if send.subject_suffix is not None:
        lines.append(f"writes at the end of the subject: {send.subject_suffix.source}")
    for block, place in ((send.body_header, "above"), (send.body_footer, "below")):
        if block is not None and block.look.text is not None:
            lines.append(f"writes {place} the body: {block.look.text.source!r}, {len(block.conditions)} conditions")
    for source in scheme.sources:
        where = ", ".join(source.header_names) or "the subject"
        lines.append(f"reads {where}: {', '.join(f'{r.prefix}${r.field}${r.suffix}' for r in source.rules)}")
    return lines
