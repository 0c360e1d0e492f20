"""The `emailplus` command: its sub-commands, one module each."""

from __future__ import annotations

import sys
from typing import Annotated

try:
    import typer
except ImportError:  # pragma: no cover - the core is installed without the extra
    sys.exit("the command line needs an extra: pip install 'emailplus[cli]'")

from .. import __version__
from . import (
    change_commands,
    demo,
    export_command,
    mock_commands,
    read_commands,
    rights_commands,
    send_commands,
    server_commands,
    show_command,
    sign_in_commands,
    sync_command,
    watch_command,
)
from .classify_commands import classify_app
from .config_commands import config_app
from .ews_commands import ews_app, files_app
from .notify_commands import notify_app
from .policy_commands import policy_app
from .report_command import report
from .settings_command import settings
from .smime_commands import smime_app
from .store_commands import store_app
from .wbxml_commands import app as wbxml_app

app = typer.Typer(
    name="emailplus",
    help="A headless Exchange mail engine: sync a mailbox into an encrypted store, search it, read it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
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


app.command("demo")(demo.demo)
app.command("sync")(sync_command.sync)
app.command("sign-in")(sign_in_commands.sign_in)
app.command("sign-out")(sign_in_commands.sign_out)
app.command("watch")(watch_command.watch)
app.command("search")(read_commands.search)
app.command("gal")(server_commands.gal)
app.command("oof")(server_commands.oof)
app.command("discover")(server_commands.discover)
app.command("show")(show_command.show)
app.command("templates")(rights_commands.templates)
app.command("send")(send_commands.send)
app.command("drafts")(send_commands.drafts)
app.command("outbox")(send_commands.outbox)
app.command("mark")(change_commands.mark)
app.command("move")(change_commands.move)
app.command("delete")(change_commands.delete)
app.command("pending")(change_commands.pending)
app.command("export")(export_command.export)
app.command("report")(report)
app.command("settings")(settings)
app.add_typer(server_commands.folders_app, name="folders")
app.add_typer(files_app, name="event-files")
app.add_typer(ews_app, name="ews")
app.add_typer(config_app, name="config")
app.add_typer(policy_app, name="policy")
app.add_typer(classify_app, name="classify")
app.add_typer(smime_app, name="smime")
app.add_typer(wbxml_app, name="wbxml")
app.add_typer(store_app, name="store")
app.add_typer(notify_app, name="notify")
app.add_typer(mock_commands.mock_app, name="mock")


def main() -> None:
    """Entry point of the command."""
    app()
