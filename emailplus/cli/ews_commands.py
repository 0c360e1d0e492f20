"""`emailplus event-files` and `emailplus ews`: files of events; new mail as Exchange Web Services announce it."""

from __future__ import annotations

import sys
import threading
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from .. import account
from ..errors import NotFound, UsageError
from ..mailbox import Mailbox
from ..model.ews import EwsMail
from . import common
from .common import ConfigOption, JsonOption, KeyFileOption, PassphraseFileOption, PasswordFileOption, StoreOption
from .server_commands import _mailbox

files_app = typer.Typer(
    no_args_is_help=True, help="Files attached to events: list, save, add and remove them (calendar_attachments)."
)
ews_app = typer.Typer(no_args_is_help=True, help="New mail as Exchange Web Services announce it, and subscriptions.")

EventArgument = Annotated[
    str, typer.Argument(metavar="EVENT", help="The event's id, or words of one event within a year around today.")
]
SendUpdates = Annotated[bool, typer.Option("--send-updates", help="The server may tell the attendees.")]


def _event(mailbox: Mailbox, text: str) -> int:
    if text.isdecimal() and len(text) < 19:
        return int(text)
    now, year = account.utc_now(), timedelta(days=366)
    found = {each.event.id: each.event.subject for each in mailbox.events(now - year, now + year, query=text)}
    if len(found) == 1:
        return next(iter(found))
    if not found:
        raise NotFound(f"no event has the words {text!r}")
    listed = "; ".join(f"{number} {subject}" for number, subject in list(found.items())[:10])
    raise UsageError(f"{len(found)} events have the words {text!r}, name one by its id: {listed}")


@files_app.command("list")
def list_files(
    event: EventArgument,
    *,
    config: ConfigOption,
    store: StoreOption,
    key_file: KeyFileOption = None,
    passphrase_file: PassphraseFileOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the files of an event."""
    with common.errors_as_exit_codes(as_json):
        with _mailbox(config, store, key_file, passphrase_file, password_file) as mailbox:
            found = mailbox.event_files(_event(mailbox, event))
        if as_json:
            common.print_json([asdict(each) for each in found])
            return
        for each in found:
            print(f"{each.name}\t{each.size}\t{each.content_type}")
        common.say(f"{len(found)} file{'s' if len(found) != 1 else ''}")


@files_app.command("save")
def save(
    event: EventArgument,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The file's name, as `list` shows it.")],
    *,
    config: ConfigOption,
    store: StoreOption,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Where to; must not exist.", show_default=False)
    ],
    key_file: KeyFileOption = None,
    passphrase_file: PassphraseFileOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Save a file of an event."""
    with common.errors_as_exit_codes(as_json):
        with _mailbox(config, store, key_file, passphrase_file, password_file) as mailbox:
            number = _event(mailbox, event)
            data = mailbox.event_file(number, _key(mailbox, number, name))
        try:
            with output.open("xb") as file:
                file.write(data)
        except OSError as problem:
            raise UsageError(f"{output} cannot be written: {problem.strerror}") from problem
        _done({"saved": str(output), "size": len(data)}, as_json)


@files_app.command("add")
def add(
    event: EventArgument,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to attach.")],
    *,
    config: ConfigOption,
    store: StoreOption,
    content_type: Annotated[str, typer.Option("--type", help="Its media type.")] = "",
    send_updates: SendUpdates = False,
    key_file: KeyFileOption = None,
    passphrase_file: PassphraseFileOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Attach a file to an event. Over ActiveSync the next sync tells the server."""
    with common.errors_as_exit_codes(as_json):
        try:
            data = file.read_bytes()
        except OSError as problem:
            raise UsageError(f"{file} cannot be read: {problem.strerror}") from problem
        with _mailbox(config, store, key_file, passphrase_file, password_file) as mailbox:
            number = _event(mailbox, event)
            mailbox.attach_to_event(number, file.name, data, content_type, send_updates=send_updates)
        _done({"added": file.name, "event": number}, as_json)


@files_app.command("remove")
def remove(
    event: EventArgument,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The file's name, as `list` shows it.")],
    *,
    config: ConfigOption,
    store: StoreOption,
    send_updates: SendUpdates = False,
    key_file: KeyFileOption = None,
    passphrase_file: PassphraseFileOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a file off an event. Over ActiveSync the next sync tells the server."""
    with common.errors_as_exit_codes(as_json):
        with _mailbox(config, store, key_file, passphrase_file, password_file) as mailbox:
            number = _event(mailbox, event)
            mailbox.detach_from_event(number, _key(mailbox, number, name), send_updates=send_updates)
        _done({"removed": name, "event": number}, as_json)


def _key(mailbox: Mailbox, number: int, name: str) -> str:
    found = [each.key for each in mailbox.event_files(number) if each.name == name]
    if len(found) != 1:
        raise NotFound(f"event {number} has {len(found) or 'no'} file{'s' if found else ''} of the name {name!r}")
    return found[0]


def _done(document: dict[str, Any], as_json: bool) -> None:
    if as_json:
        common.print_json(document)
    else:
        common.say(", ".join(f"{name}: {value}" for name, value in document.items()))


@ews_app.command("listen")
def listen(
    *,
    config: ConfigOption,
    store: StoreOption,
    folder: Annotated[list[str], typer.Option("--folder", help="A folder to listen to; several times.")] = ["Inbox"],  # noqa: B006
    pull: Annotated[bool, typer.Option("--pull", help="Ask again and again instead of keeping a connection.")] = False,
    every: Annotated[float, typer.Option("--every", help="Seconds between two questions of --pull.", min=1)] = 60.0,
    count: Annotated[int | None, typer.Option("--count", help="End after so many mails.", min=1)] = None,
    seconds: Annotated[
        float | None, typer.Option("--seconds", help="End after so many seconds of listening.", min=0)
    ] = None,
    acting_for: Annotated[
        str, typer.Option("--acting-for", metavar="ADDRESS", help="The credentials are a service account's.")
    ] = "",
    key_file: KeyFileOption = None,
    passphrase_file: PassphraseFileOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell of each new mail once, until the subscription's lifetime is over (subscription_valid_until)."""
    with common.errors_as_exit_codes(as_json):
        common.end_on_sigterm()
        heard: list[EwsMail] = []
        stop = threading.Event()

        def take(mail: EwsMail) -> None:
            heard.append(mail)
            if not as_json:
                when = mail.received.isoformat() if mail.received is not None else ""
                print(f"{when}\t{mail.sender}\t{mail.subject}", flush=True)
            if count is not None and len(heard) >= count:
                stop.set()

        timed: list[bool] = []

        def told(what: str) -> None:
            if what == "listening" and seconds is not None and not timed:
                timed.append(True)
                timer = threading.Timer(seconds, stop.set)
                timer.daemon = True
                timer.start()
            if sys.stderr.isatty():
                common.say(what)

        kind: Literal["pull", "streaming"] = "pull" if pull else "streaming"
        with _mailbox(config, store, key_file, passphrase_file, password_file) as mailbox:
            mailbox.listen_by_ews(
                take, kind=kind, folders=folder, every=every, stop=stop, told=told, acting_for=acting_for
            )
        if as_json:
            common.print_json([{**asdict(mail), "received": _iso(mail)} for mail in heard])


def _iso(mail: EwsMail) -> str | None:
    return mail.received.isoformat() if mail.received is not None else None


@ews_app.command("subscriptions")
def subscriptions(
    *,
    config: ConfigOption,
    store: StoreOption,
    end: Annotated[bool, typer.Option("--end", help="End all of them.")] = False,
    key_file: KeyFileOption = None,
    passphrase_file: PassphraseFileOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """The subscriptions that are remembered, or their end."""
    with common.errors_as_exit_codes(as_json):
        with _mailbox(config, store, key_file, passphrase_file, password_file) as mailbox:
            found = mailbox.ews_subscriptions()
            if end:
                mailbox.unsubscribe_by_ews()
        if as_json:
            # Whoever knows the callback's address can post to it.
            common.print_json([{**asdict(each), "url": bool(each.url)} for each in found])
            return
        for each in found:
            print(f"{each.kind}\t{', '.join(each.folders)}\t{'ended' if end else 'in force'}")
        common.say(f"{len(found)} subscription{'s' if len(found) != 1 else ''}{' ended' if end and found else ''}")
