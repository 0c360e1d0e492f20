"""`emailplus templates`: what a message can be protected with."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from ..mailbox import Mailbox
from ..mime.terminal import plain
from . import common
from .common import ConfigOption, JsonOption, KeyFileOption, PassphraseFileOption, PasswordFileOption, StoreOption


def templates(
    config: ConfigOption,
    store: StoreOption,
    key_file: KeyFileOption = None,
    passphrase_file: PassphraseFileOption = None,
    password_file: PasswordFileOption = None,
    refresh: Annotated[bool, typer.Option("--refresh", help="Ask the server, however fresh the list is.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List the rights policy templates that mail can be protected with; asked for once a day."""
    with common.errors_as_exit_codes(as_json):
        settings = common.load_config(config)
        key = common.store_key(key_file, passphrase_file, settings, new=not store.exists())
        password = common.server_password(password_file, settings)
        with Mailbox.open(settings, store=store, key=key, password=password) as mailbox:
            found = mailbox.templates(refresh=refresh)
        if as_json:
            common.print_json([asdict(template) for template in found])
            return
        from rich.table import Table
        from rich.text import Text

        table = Table("Template", "Description", "Id", box=None, padding=(0, 2, 0, 0))
        for template in found:
            shown = (template.name, template.description, template.id)
            table.add_row(*(Text(" ".join(plain(text).split())) for text in shown))
        console = common.console()
        console.print(table)
        console.print(f"{len(found)} templates", style="dim")
