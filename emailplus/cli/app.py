"""The `emailplus` command: its sub-commands, one module each."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import Annotated, Any, cast

try:
    import typer
    from typer.core import TyperGroup
except ImportError:  # pragma: no cover - the core is installed without the extra
    sys.exit("the command line needs an extra: pip install 'emailplus[cli]'")

from .. import __version__

_HOMES = {
    "demo": "demo.demo",
    "sync": "sync_command.sync",
    "sign-in": "sign_in_commands.sign_in",
    "sign-out": "sign_in_commands.sign_out",
    "watch": "watch_command.watch",
    "search": "read_commands.search",
    "gal": "server_commands.gal",
    "oof": "server_commands.oof",
    "discover": "server_commands.discover",
    "show": "show_command.show",
    "templates": "rights_commands.templates",
    "send": "send_commands.send",
    "drafts": "send_commands.drafts",
    "outbox": "send_commands.outbox",
    "mark": "change_commands.mark",
    "move": "change_commands.move",
    "delete": "change_commands.delete",
    "pending": "change_commands.pending",
    "export": "export_command.export",
    "report": "report_command.report",
    "settings": "settings_command.settings",
    "folders": "server_commands.folders_app",
    "event-files": "ews_commands.files_app",
    "ews": "ews_commands.ews_app",
    "config": "config_commands.config_app",
    "policy": "policy_commands.policy_app",
    "classify": "classify_commands.classify_app",
    "smime": "smime_commands.smime_app",
    "wbxml": "wbxml_commands.app",
    "store": "store_commands.store_app",
    "notify": "notify_commands.notify_app",
    "mock": "mock_commands.mock_app",
}
"""Sub-command -> the module of this package that has it, and its name there: a function, or a Typer of its own."""

_FORM: dict[str, Any] = {"add_completion": False, "pretty_exceptions_enable": False, "rich_markup_mode": None}


@cache
def _loaded(name: str) -> Any:
    """The sub-command as Typer makes it."""
    module, _, attribute = _HOMES[name].partition(".")
    found = getattr(import_module(f".{module}", __package__), attribute)
    alone = typer.Typer(**_FORM)
    alone.callback()(lambda: None)  # a group, with one command as with many
    if isinstance(found, typer.Typer):
        alone.add_typer(found, name=name)
    else:
        alone.command(name)(found)
    return cast(TyperGroup, typer.main.get_command(alone)).commands[name]


class _Members(Mapping[str, Any]):
    """The sub-commands; each is loaded when it is asked for, since one run of the command needs one of them."""

    def __getitem__(self, name: str) -> Any:
        return _loaded(name)

    def __iter__(self) -> Iterator[str]:
        return iter(_HOMES)

    def __len__(self) -> int:
        return len(_HOMES)


class _Root(TyperGroup):
    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = cast(Any, _Members())


app = typer.Typer(
    name="emailplus",
    cls=_Root,
    help="A headless Exchange mail engine: sync a mailbox into an encrypted store, search it, read it.",
    no_args_is_help=True,
    **_FORM,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"emailplus {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """A headless Exchange mail engine: sync a mailbox into an encrypted store, search it, read it."""


def main() -> None:
    """Entry point of the command."""
    app()
