"""`emailplus config check | show | diff | keys`: read a configuration, say what is wrong, what it means and changes.

With `--json` one document goes to stdout; people get tables on stderr. Exit 0 when all is well, 2 when there are
problems. Secrets are masked in both.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from ..classification.document import problems
from ..config import KEYS, AppConfig, CertificateCheck, Identity, Problem
from ..config.loaders import read
from ..config.rows import ROOMS, rows
from ..errors import ConfigurationError, NotFound, PolicyDenied
from ..reconfigure import remembered
from . import common

if TYPE_CHECKING:
    from rich.console import Console

config_app = typer.Typer(
    name="config", help="Check, show and explain a configuration.", no_args_is_help=True, add_completion=False
)

PIPE_WIDTH = 160
"""Columns of a table that no terminal bounds: key names stay whole."""

ConfigArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="FILE", help="Configuration: JSON, managed-app plist or key=value lines.", show_default=False
    ),
]
ConfigOption = Annotated[
    Path | None, typer.Option("--config", "-c", metavar="FILE", help="The same, as an option.", show_default=False)
]
IdentityOption = Annotated[
    Path | None,
    typer.Option(
        "--identity",
        metavar="FILE",
        help="What $EMAIL$, $USERID$, $DEVICE_UUID_NO_DASHES$ and the like stand for: JSON or key=value lines.",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]


@config_app.command("check")
def check(
    file: ConfigArgument = None,
    config: ConfigOption = None,
    identity: IdentityOption = None,
    as_json: JsonOption = False,
) -> None:
    """List every problem of a configuration; exit 2 if there is one."""
    from ..smime.keychain import problem_with  # loads a cryptography library: only where certificates are looked into

    findings = _findings(_path(file, config), identity, problem_with)
    mistakes = [finding for finding in findings if not finding.advice]
    warnings = [finding for finding in findings if finding.advice]
    if as_json:
        _print_json({"ok": not mistakes, "problems": _dicts(mistakes), "warnings": _dicts(warnings)})
    else:
        _print_findings(mistakes, warnings)
    if mistakes:
        raise typer.Exit(2)


@config_app.command("show")
def show(
    file: ConfigArgument = None,
    config: ConfigOption = None,
    identity: IdentityOption = None,
    store: Annotated[
        Path | None,
        typer.Option(
            "--store", "-s", metavar="FILE", help="Show what this mailbox has in force instead.", show_default=False
        ),
    ] = None,
    key_file: common.KeyFileOption = None,
    passphrase_file: common.PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the value that each key has in effect, secrets masked.

    A FILE is the administrator's own. What a mailbox has in force (--store) is shown under its
    allow_show_configuration only; else the exit code is 6.
    """
    if store is not None:
        if file is not None or config is not None:
            raise typer.BadParameter("a configuration file or a store, not both")
        _show_store(store, key_file, passphrase_file, as_json)
        return
    try:
        loaded = _load(_path(file, config), identity)
    except ConfigurationError as error:
        _refused(error, as_json)
    values = loaded.redacted()
    if as_json:
        unknown = [key.name for key in loaded.unknown]
        _print_json(
            {
                "ok": True,
                "config": values,
                "given": sorted(loaded.given),
                "unknown": unknown,
                "warnings": _dicts(loaded.warnings),
            }
        )
        return
    _print_values(values, {name for name in values if _was_given(loaded, name)})
    _print_findings([], loaded.warnings)


@config_app.command("diff")
def diff(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="The configuration in force.", show_default=False)],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="The one that takes its place.", show_default=False)],
    identity: IdentityOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell what changes between two configurations, and what each change leads to; secrets masked."""
    try:
        found = _load(old, identity).diff(_load(new, identity))
    except ConfigurationError as error:
        _refused(error, as_json)
    if as_json:
        changes = [change.as_dict() for change in found.changes]
        _print_json({"changes": changes, "full_resync": found.full_resync, "migration": found.migration})
        return
    if not found:
        _console().print("Nothing changes.")
        return
    _print_table(
        ("key", "before", "after", "then"),
        [(c.key, _readable(c.before), _readable(c.after), c.consequence.value) for c in found.changes],
    )


@config_app.command("keys")
def keys(as_json: JsonOption = False) -> None:
    """Print every key that is known, with its values, default and effect."""
    if as_json:
        _print_json({"keys": [_key(key.name) for key in KEYS]})
        return
    _print_table(
        ("group", "key", "values", "default", "effect", "acts in"),
        [(key.group, key.name, key.allowed, key.default, key.effect, _acts(key.name)) for key in KEYS],
    )


def _show_store(path: Path, key_file: Path | None, passphrase_file: Path | None, as_json: bool) -> None:
    with (
        common.errors_as_exit_codes(as_json),
        common.open_store(path, key_file, passphrase_file) as store,
    ):
        snapshot = remembered(store)
        if snapshot is None:
            raise NotFound("this store has no configuration yet: synchronise it first")
        allowed = snapshot.keys.get("allow_show_configuration")
        if allowed is None or allowed.shown is not True:
            text = "the configuration is not shown: allow_show_configuration is false"
            raise PolicyDenied(text, rule="allow_show_configuration")
    values = {name: key.shown for name, key in snapshot.keys.items()}
    given = {name for name, key in snapshot.keys.items() if key.given}
    if as_json:
        _print_json({"ok": True, "config": values, "given": sorted(given)})
        return
    _print_values(values, given)


# -- reading -----------------------------------------------------------------------------------------------------------


def _path(argument: Path | None, option: Path | None) -> Path:
    if argument is not None and option is not None and argument != option:
        raise typer.BadParameter("one configuration file, not two")
    path = argument or option
    if path is None:
        raise typer.BadParameter("which configuration? Give FILE or --config FILE")
    return path


def _load(path: Path, identity: Path | None, check_certificate: CertificateCheck | None = None) -> AppConfig:
    given = None if identity is None else Identity.of({str(name): value for name, value in read(identity)})
    return AppConfig.load(path, given, check_certificate=check_certificate, check_markers=problems)


def _findings(path: Path, identity: Path | None, check_certificate: CertificateCheck) -> list[Problem]:
    try:
        return list(_load(path, identity, check_certificate).warnings)
    except ConfigurationError as error:
        return _problems(error)


def _problems(error: ConfigurationError) -> list[Problem]:
    return [problem for problem in error.problems if isinstance(problem, Problem)]


def _refused(error: ConfigurationError, as_json: bool) -> NoReturn:
    findings = _problems(error)
    mistakes = [finding for finding in findings if not finding.advice]
    warnings = [finding for finding in findings if finding.advice]
    if as_json:
        _print_json({"ok": False, "problems": _dicts(mistakes), "warnings": _dicts(warnings)})
    else:
        _print_findings(mistakes, warnings)
    raise typer.Exit(2)


def _was_given(config: AppConfig, name: str) -> bool:
    return name in config.given or (name == "email_certificate_X" and bool(config.email_certificate_X))


def _key(name: str) -> dict[str, Any]:
    key = next(key for key in KEYS if key.name == name)
    return {
        "key": key.name,
        "group": key.group,
        "type": key.type,
        "values": key.allowed,
        "default": key.default,
        "required": key.required,
        "secret": key.secret,
        "critical": key.critical,
        "scope": key.scope,
        "cloud_field": key.cloud,
        "effect": key.effect,
        "room": rows()[name].room,
        "acts": list(rows()[name].acts),
    }


def _acts(name: str) -> str:
    row = rows()[name]
    return " ".join(row.acts) or f"({ROOMS[row.room]})"


# -- printing ----------------------------------------------------------------------------------------------------------


def _print_json(document: object) -> None:
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def _dicts(problems: Iterable[Problem]) -> list[dict[str, object]]:
    return [problem.as_dict() for problem in problems]


def _readable(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _console() -> Console:
    from rich.console import Console

    return Console(stderr=True, width=None if sys.stderr.isatty() else PIPE_WIDTH, highlight=False, markup=False)


def _print_values(values: Mapping[str, object], given: Collection[str]) -> None:
    groups = {key.name: key.group for key in KEYS}
    rows = [
        (groups.get(name, ""), name, _readable(value), "given" if name in given else "default")
        for name, value in values.items()
    ]
    _print_table(("group", "key", "value", "from"), rows)


def _print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(show_edge=False, pad_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=column == "key", overflow="fold")
    for row in rows:
        # Text, not markup: a value may hold brackets.
        table.add_row(*(Text(cell) for cell in row))
    _console().print(table)


def _print_findings(problems: Sequence[Problem], warnings: Sequence[Problem]) -> None:
    rows = [("critical" if problem.critical else "problem", problem) for problem in problems]
    rows += [("warning" if warning.advice else "problem", warning) for warning in warnings]
    if rows:
        cells = [
            (kind, item.key, item.value or ("" if item.advice else "(missing)"), item.expected) for kind, item in rows
        ]
        _print_table(("", "key", "value", "what is expected"), cells)
    if not problems:
        _console().print("The configuration can be used." if not rows else "The configuration can be used; see above.")
