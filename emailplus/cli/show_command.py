"""`emailplus show`: one message, for a terminal, as an HTML page, as JSON, its structure, or one of its attachments."""

from __future__ import annotations

import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ..errors import NotFound, UsageError
from ..mime import terminal
from ..policy.dlp import FILES, Action
from ..reading import Reading
from ..rms.gate import Door, Operation
from ..store import rights
from ..store.app_policy import guard
from ..store.store import Store
from . import common
from .common import JsonOption, KeyFileOption, PassphraseFileOption, StoreOption
from .read_commands import whole

MAX_WIDTH = 120


def show(
    message_id: Annotated[int, typer.Argument(metavar="ID", help="The message's id, as search prints it.")],
    store: StoreOption,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-c",
            metavar="FILE",
            help="The app config; else the one in force in the store.",
            show_default=False,
        ),
    ] = None,
    key_file: KeyFileOption = None,
    passphrase_file: PassphraseFileOption = None,
    attachment: Annotated[
        int | None, typer.Option("--attachment", metavar="ID", help="Write this attachment to standard output.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write it as an HTML page (-: standard output).")
    ] = None,
    pictures: Annotated[
        bool | None,
        typer.Option("--pictures/--no-pictures", help="With --html: remote pictures, this once.", show_default=False),
    ] = None,
    always: Annotated[
        str | None,
        typer.Option("--always-pictures", metavar="message|sender", help="With --html: show pictures from now on."),
    ] = None,
    within: Annotated[
        str,
        typer.Option(
            "--message", metavar="NUMBER", help="Show the message attached under this number instead; 2.1: one in it."
        ),
    ] = "",
    parts: Annotated[bool, typer.Option("--parts", help="Print its structure: parts, types, sizes.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Print one message, its structure, a message attached to it; write it as an HTML page, or one of its attachments.

    The page holds no script and fetches nothing. Remote pictures are left out unless the configuration or the user
    wants them.
    """
    with common.errors_as_exit_codes(as_json), common.open_store(store, key_file, passphrase_file) as opened:
        reading = Reading(opened, common.load_config(config) if config is not None else None)
        if as_json and (attachment is not None or html is not None):
            raise UsageError("an attachment or a page is written as it is: leave --json out")
        if (attachment is not None and (parts or within)) or (html is not None and parts):
            raise UsageError("one thing at a time: an attachment, a page, the structure")
        if parts:
            _print_parts(reading, message_id, within, as_json)
        elif attachment is not None:
            _write_attachment(opened, message_id, attachment)
        elif html is not None:
            if always is not None:
                if always not in ("message", "sender"):
                    raise UsageError("--always-pictures takes message or sender")
                common.say(f"pictures are shown for {reading.show_pictures(message_id, of_sender=always == 'sender')}")
            common.write_page(reading.page(message_id, pictures=pictures, within=within).html, html)
        elif pictures is not None or always is not None:
            raise UsageError("pictures are shown in a page: give --html FILE too")
        elif as_json:
            if within:
                raise UsageError("an attached message is shown to people: leave --json out")
            rights.require(opened.database, message_id, Operation.READ, Door.PROGRAM)
            common.print_json(whole(reading.protection.attach(opened.message(message_id), contents=True)))
        else:
            width = min(MAX_WIDTH, shutil.get_terminal_size().columns) if sys.stdout.isatty() else 0
            print(reading.terminal(message_id, width=width, within=within))


def _print_parts(reading: Reading, message_id: int, within: str, as_json: bool) -> None:
    if as_json:  # for programs: their door
        reading.door = Door.PROGRAM
        common.print_json([asdict(part) for part in reading.view(message_id, within=within).parts])
    else:
        print("\n".join(terminal.structure(reading.view(message_id, within=within))))


def _write_attachment(opened: Store, message_id: int, attachment: int) -> None:
    if attachment not in {item.id for item in opened.message(message_id).attachments}:
        raise NotFound(f"message {message_id} has no attachment {attachment}")
    guard(opened.database).may(Action.OPEN_IN, FILES).require()
    rights.require(opened.database, message_id, Operation.COPY, Door.PROGRAM)
    for piece in opened.attachment_content(attachment):
        sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()
