"""`emailplus mark`, `move`, `delete` and `pending`: changes of mail, told to the server by the next sync."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import UsageError
from ..mailbox import Mailbox
from ..store.held import answer_as_dict, change_as_dict
from .common import (
    ConfigOption,
    JsonOption,
    KeyFileOption,
    PassphraseFileOption,
    StoreOption,
    errors_as_exit_codes,
    load_config,
    print_json,
    say,
    store_key,
)
from .send_commands import answer, table

Ids = Annotated[
    list[int], typer.Argument(metavar="ID...", help="Messages, as `search` names them.", show_default=False)
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Answer every question with yes.")]


def _open(config: Path, store: Path, key_file: Path | None, passphrase_file: Path | None) -> Mailbox:
    given = load_config(config)
    if not store.exists():
        raise UsageError(f"there is no store at {store}")
    return Mailbox.open(given, store=store, key=store_key(key_file, passphrase_file, given))


def _tell(count: int, what: str, as_json: bool) -> None:
    if as_json:
        print_json({"changed": count})
    else:
        say(f"{count} {what}; the next sync tells the server")


def mark(
    ids: Ids,
    config: ConfigOption,
    store: StoreOption,
    read: Annotated[bool | None, typer.Option("--read/--unread", help="The read state.", show_default=False)] = None,
    flag: Annotated[
        str | None, typer.Option("--flag", metavar="STATUS", help="active, complete or none.", show_default=False)
    ] = None,
    category: Annotated[
        list[str] | None, typer.Option("--category", metavar="NAME", help="These categories; may be repeated.")
    ] = None,
    no_categories: Annotated[bool, typer.Option("--no-categories", help="No categories.")] = False,
    conflict: Annotated[
        str, typer.Option("--conflict", help="server_wins, client_wins or keep_both, where both sides changed it.")
    ] = "server_wins",
    key_file: KeyFileOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change read state, flag or categories of messages."""
    with errors_as_exit_codes(as_json), _open(config, store, key_file, passphrase_file) as mailbox:
        if read is None and flag is None and not category and not no_categories:
            raise UsageError("nothing to change: give --read, --unread, --flag, --category or --no-categories")
        count = 0
        if read is not None:
            count += mailbox.mark_read(ids, read, conflict=conflict)
        if flag is not None:
            count += mailbox.flag(ids, flag, conflict=conflict)
        if category or no_categories:
            count += mailbox.categorise(ids, *(category or ()), conflict=conflict)
        _tell(count, "changed", as_json)


def move(
    ids: Ids,
    config: ConfigOption,
    store: StoreOption,
    to: Annotated[str, typer.Option("--to", metavar="FOLDER", help="Name, path or server id.", show_default=False)],
    yes: Yes = False,
    key_file: KeyFileOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Move messages to another folder."""
    with errors_as_exit_codes(as_json), _open(config, store, key_file, passphrase_file) as mailbox:
        _tell(mailbox.move(ids, to, confirm=lambda question: answer(question, yes)), "moved", as_json)


def delete(
    config: ConfigOption,
    store: StoreOption,
    ids: Annotated[list[int] | None, typer.Argument(metavar="[ID...]", help="Messages.", show_default=False)] = None,
    permanent: Annotated[bool, typer.Option("--permanent", help="For good, not to Deleted Items.")] = False,
    folder: Annotated[
        str | None,
        typer.Option("--empty", metavar="FOLDER", help="Everything in a folder, for good.", show_default=False),
    ] = None,
    yes: Yes = False,
    key_file: KeyFileOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete messages, or empty a folder."""
    with errors_as_exit_codes(as_json), _open(config, store, key_file, passphrase_file) as mailbox:
        if bool(ids) == (folder is not None):
            raise UsageError("give messages or --empty, one of them")
        if folder is not None:
            count = mailbox.empty_folder(folder, confirm=lambda question: answer(question, yes))
        else:
            count = mailbox.delete(ids or (), permanent=permanent, confirm=lambda question: answer(question, yes))
        _tell(count, "deleted", as_json)


def pending(
    config: ConfigOption,
    store: StoreOption,
    export: Annotated[
        bool, typer.Option("--export", help="Print everything that is only here, drafts and unsent mail too, as JSON.")
    ] = False,
    key_file: KeyFileOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Changes of mail and answers to meeting requests that wait for the server, and those it refused last."""
    with errors_as_exit_codes(as_json), _open(config, store, key_file, passphrase_file) as mailbox:
        if export:
            print_json(mailbox.export_pending())
            return
        changes, answers = mailbox.pending_changes(), mailbox.waiting_answers()
        if as_json:
            print_json([*map(change_as_dict, changes), *map(answer_as_dict, answers)])
            return
        rows = [(str(c.id), c.kind.value, c.subject, c.value or c.target_id, c.state, c.reason) for c in changes]
        rows += [(str(a.id), "answer", a.subject, a.response, a.state.value, a.reason) for a in answers]
        table(("id", "change", "subject", "to", "state", "why"), rows)
