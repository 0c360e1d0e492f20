"""`emailplus folders create | rename | delete`, `gal`, `oof`, `discover`: what is asked beside a synchronisation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import UsageError
from ..mailbox import Mailbox
from ..model.account import OofState, OutOfOffice, Reply
from ..model.folder import Folder
from ..model.questions import Question
from . import common, read_commands
from .common import (
    ConfigOption,
    JsonOption,
    KeyFileOption,
    PassphraseFileOption,
    PasswordFileOption,
    StoreOption,
)

folders_app = typer.Typer(
    invoke_without_command=True, help="List the folders, or make, rename, move and delete them on the server."
)

OptionalStore = Annotated[
    Path | None, typer.Option("--store", metavar="FILE", help="The store of the mailbox.", show_default=False)
]
ParentOption = Annotated[
    str | None, typer.Option("--in", metavar="FOLDER", help="The folder above: a path or name.", show_default=False)
]
FolderArgument = Annotated[str, typer.Argument(metavar="FOLDER", help="A path such as Inbox/Projects, or a name.")]


@contextmanager
def _mailbox(
    config: Path, store: Path, key_file: Path | None, passphrase_file: Path | None, password_file: Path | None
) -> Iterator[Mailbox]:
    settings = common.load_config(config)
    key = common.store_key(key_file, passphrase_file, settings, new=not store.exists())
    password = common.server_password(password_file, settings)
    with Mailbox.open(settings, store=store, key=key, password=password) as mailbox:
        yield mailbox


@folders_app.callback()
def folders(
    context: typer.Context,
    store: OptionalStore = None,
    key_file: KeyFileOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the folders with their messages and how many are unread; or make, rename, move and delete them."""
    if context.invoked_subcommand is not None:
        return
    with common.errors_as_exit_codes(as_json):
        if store is None:
            raise UsageError("which store? Name it with --store")
        read_commands.folders(store, key_file, passphrase_file, as_json)


def _tell(folder: Folder, what: str, as_json: bool) -> None:
    if as_json:
        common.print_json({"done": what, **asdict(folder)})
    else:
        common.say(f"{what}: {folder.name}")


@folders_app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="The name of the new folder.")],
    *,
    config: ConfigOption,
    store: StoreOption,
    parent: ParentOption = None,
    key_file: KeyFileOption = None,
    passphrase_file: PassphraseFileOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a mail folder on the server."""
    with common.errors_as_exit_codes(as_json):  # noqa: SIM117
        with _mailbox(config, store, key_file, passphrase_file, password_file) as mailbox:
            _tell(mailbox.create_folder(name, parent), "created", as_json)


@folders_app.command("rename")
def rename(
    folder: FolderArgument,
    name: Annotated[str | None, typer.Argument(help="Its new name; none: it only moves.", show_default=False)] = None,
    *,
    config: ConfigOption,
    store: StoreOption,
    parent: ParentOption = None,
    key_file: KeyFileOption = None,
    passphrase_file: PassphraseFileOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Rename a folder, or move it below another one (--in 0: to the top)."""
    with common.errors_as_exit_codes(as_json):
        if name is None and parent is None:
            raise UsageError("give a new name, a folder to move it to with --in, or both")
        with _mailbox(config, store, key_file, passphrase_file, password_file) as mailbox:
            _tell(mailbox.rename_folder(folder, name, parent=parent), "renamed", as_json)


@folders_app.command("delete")
def delete(
    folder: FolderArgument,
    *,
    config: ConfigOption,
    store: StoreOption,
    yes: Annotated[bool, typer.Option("--yes", help="Delete it with all mail in it, without asking.")] = False,
    key_file: KeyFileOption = None,
    passphrase_file: PassphraseFileOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete a folder, its subfolders and all mail in them, here and on the server."""
    with common.errors_as_exit_codes(as_json):
        if not yes and not (
            common.at_terminal() and typer.confirm(f"Delete {folder!r} with all mail in it?", err=True)
        ):
            raise UsageError("nothing was deleted: --yes says that it is meant")
        with _mailbox(config, store, key_file, passphrase_file, password_file) as mailbox:
            _tell(mailbox.delete_folder(folder), "deleted", as_json)


def gal(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="How a name or an address begins.")],
    *,
    config: ConfigOption,
    store: StoreOption,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=100, help="At most so many people.")] = 25,
    key_file: KeyFileOption = None,
    passphrase_file: PassphraseFileOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Look somebody up in the company's address list."""
    with common.errors_as_exit_codes(as_json):
        with _mailbox(config, store, key_file, passphrase_file, password_file) as mailbox:
            people = mailbox.search_gal(text, limit=limit)
        if as_json:
            common.print_json([{k: v for k, v in asdict(person).items() if k != "photo"} for person in people])
            return
        from rich.markup import escape
        from rich.table import Table

        table = Table("Name", "Address", "Title", "Phone", box=None, padding=(0, 2, 0, 0))
        for person in people:
            phone = person.phone or person.mobile_phone or person.home_phone
            table.add_row(*(escape(each) for each in (person.shown_name, person.email, person.title, phone)))
        common.console().print(table)


StateOption = Annotated[
    str | None, typer.Option("--set", metavar="STATE", help="on, off, or scheduled.", show_default=False)
]
MomentOption = Annotated[
    datetime | None, typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M"], help="In local time.", show_default=False)
]


def oof(
    *,
    config: ConfigOption,
    store: StoreOption,
    state: StateOption = None,
    begin: MomentOption = None,
    end: MomentOption = None,
    text: Annotated[
        str | None, typer.Option("--text", help="What people of the company are answered.", show_default=False)
    ] = None,
    outside: Annotated[
        str | None,
        typer.Option("--outside", help="What everybody else is answered; '' for nothing.", show_default=False),
    ] = None,
    key_file: KeyFileOption = None,
    passphrase_file: PassphraseFileOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the out-of-office reply, or set it."""
    with common.errors_as_exit_codes(as_json):
        wanted = _wanted(state, begin, end, text, outside)
        with _mailbox(config, store, key_file, passphrase_file, password_file) as mailbox:
            if wanted is not None:
                mailbox.set_out_of_office(wanted)
            now = mailbox.out_of_office()
        if as_json:
            common.print_json(_oof(now))
            return
        common.say(f"out of office: {now.state.name.lower()}")
        for label, moment in (("from", now.start), ("until", now.end)):
            if moment is not None:
                common.say(f"{label}: {moment.astimezone().isoformat(' ', 'minutes')}")
        for label, reply in (("company", now.internal), ("outside", now.external_unknown)):
            if reply is not None and reply.enabled and reply.text:
                common.say(f"{label}: {' '.join(reply.text.split())}")


def _wanted(
    state: str | None, begin: datetime | None, end: datetime | None, text: str | None, outside: str | None
) -> OutOfOffice | None:
    if state is None:
        if any(each is not None for each in (begin, end, text, outside)):
            raise UsageError("say with --set whether the reply is on, off or scheduled")
        return None
    names = {each.name.lower(): each for each in OofState}
    if state.lower() not in names:
        raise UsageError(f"--set is one of {', '.join(names)}")
    wanted = OutOfOffice(
        names[state.lower()],
        begin.astimezone() if begin is not None else None,
        end.astimezone() if end is not None else None,
        internal=Reply(text) if text is not None else None,
    )
    if outside is None:
        return wanted
    reply = Reply(outside, enabled=bool(outside))
    return replace(wanted, external_known=reply, external_unknown=reply)


def _oof(now: OutOfOffice) -> dict[str, Any]:
    document = asdict(now)
    document["state"] = now.state.name.lower()
    for name in ("start", "end"):
        document[name] = document[name].isoformat() if document[name] is not None else None
    return document


def discover(
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="The address whose server is looked for.")],
    *,
    password_file: PasswordFileOption = None,
    username: Annotated[
        str | None, typer.Option("--username", help="The user name, if it is not the address.", show_default=False)
    ] = None,
    services: Annotated[
        list[str] | None,
        typer.Option("--ask", metavar="HOST", help="Ask this host too, such as outlook.office365.com; no password."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Find the ActiveSync server of an address (Autodiscover), telling every step."""
    with common.errors_as_exit_codes(as_json):
        if password_file is not None:
            password = common.read_secret(password_file, "password")
        elif common.at_terminal():
            password = typer.prompt("Password", hide_input=True, err=True)
        else:
            raise UsageError("no password: give --password-file")
        confirm = _ask if common.at_terminal() else None
        found = Mailbox.discover(email, password, username=username, services=services or (), confirm=confirm)
        if as_json:
            document = asdict(found)
            document["trace"] = [str(step) for step in found.trace]
            common.print_json(document)
            return
        for step in found.trace:
            common.say(str(step))
        print(found.url)


def _ask(question: Question) -> str:
    return "proceed" if typer.confirm(question.text, err=True) else "cancel"
