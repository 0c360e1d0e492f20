"""`emailplus watch`: stay, and say what is new."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from typing import Annotated, Any

import typer

from ..errors import AuthenticationFailed, UsageError
from ..facade.announcing import EWS_KINDS
from ..mailbox import Mailbox
from ..model.watch import Announced, Badge, NewMail, Notification, Reminder, State, WatchEvent, Withdrawn
from ..notify.rules import App
from ..watching import METHODS, Method
from . import common
from .common import (
    AppPolicyOption,
    ConfigOption,
    JsonOption,
    KeyFileOption,
    PassphraseFileOption,
    PasswordFileOption,
    StoreOption,
)

FolderOption = Annotated[
    list[str] | None,
    typer.Option("--folder", "-f", metavar="NAME", help="Tell new mail of this folder; may be repeated. The inbox."),
]
HeartbeatOption = Annotated[
    int | None,
    typer.Option("--heartbeat", min=1, help="Seconds that one request waits at most.", show_default=False),
]
MethodOption = Annotated[
    str, typer.Option("--method", help=f"Best way of waiting that may be used: {', '.join(METHODS)}.")
]
EwsOption = Annotated[
    str, typer.Option("--ews", help=f"Have EWS tell of new mail besides: {' or '.join(EWS_KINDS)}.", show_default=False)
]
StartedOption = Annotated[
    App, typer.Option("--started", help="How this process was started: it decides what the user may be shown.")
]
EventsOption = Annotated[
    bool, typer.Option("--events", help="Say every event, also what the rules keep from being shown to the user.")
]


def watch(
    config: ConfigOption,
    store: StoreOption,
    key_file: KeyFileOption = None,
    passphrase_file: PassphraseFileOption = None,
    password_file: PasswordFileOption = None,
    folder: FolderOption = None,
    heartbeat: HeartbeatOption = None,
    method: MethodOption = "ping",
    ews: EwsOption = "",
    started: StartedOption = App.OPEN,
    events: EventsOption = False,
    app_policy: AppPolicyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Stay connected, and say what is new as soon as the server has it.

    Says what the rules of notification let the user see (docs/watching.md); with --events, every event. With --json
    each event is one line. Ends with Ctrl-C or SIGTERM, exit 0. The password file is read again when the server refuses
    the password.
    """
    with common.errors_as_exit_codes(as_json):
        settings = common.load_config(config)
        allowed = common.load_app_policy(app_policy)
        key = common.store_key(key_file, passphrase_file, settings, new=not store.exists())
        password = common.server_password(password_file, settings)

        def another(_: AuthenticationFailed) -> str | None:
            return common.read_secret(password_file, "the password file") if password_file is not None else None

        with Mailbox.open(settings, store=store, key=key, password=password, app_policy=allowed) as mailbox:
            follow(mailbox, as_json, folder, heartbeat, method, another, started, ews, every=events)


def follow(
    mailbox: Mailbox,
    as_json: bool,
    folders: list[str] | None = None,
    heartbeat: int | None = None,
    method: str = "ping",
    password: Any = None,
    app: App = App.OPEN,
    ews: str = "",
    *,
    every: bool = False,
) -> None:
    """Say the events of a mailbox until a signal comes."""
    if method not in METHODS:
        raise UsageError(f"--method is {', '.join(METHODS)}, not {method!r}")
    way: Method = next(name for name in METHODS if name == method)
    if ews and ews not in EWS_KINDS:
        raise UsageError(f"--ews is {' or '.join(EWS_KINDS)}, not {ews!r}")
    kind = next((name for name in EWS_KINDS if name == ews), None)
    with mailbox.watch(folders, heartbeat=heartbeat, method=way, password=password, app=app, ews=kind) as found:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, lambda *_: found.stop())
        for event in found:
            if as_json:
                if every or _shown(event) is not None or isinstance(event, (Badge, State)):
                    print_line(document(event, every=every))
            else:
                _say(event, every)


def print_line(entry: dict[str, Any]) -> None:
    """One JSON document in one line, on its way at once."""
    sys.stdout.write(json.dumps(entry, ensure_ascii=False) + os.linesep)
    sys.stdout.flush()


def document(event: WatchEvent, *, every: bool) -> dict[str, Any]:
    """An event for `--json`. Without `every` there is nothing in it that the rules keep from the user."""
    if isinstance(event, State):
        return {
            "event": "state",
            "name": event.name,
            "text": event.text,
            "method": event.method,
            "seconds": event.seconds,
        }
    if isinstance(event, Badge):
        return {"event": "badge", "unread": event.unread}
    if isinstance(event, Withdrawn):
        return {"event": "withdrawn", "tag": event.tag}
    notification = _notification(event)
    shown = None
    if notification is not None:
        shown = {
            "tag": notification.tag, "title": notification.title, "body": notification.body,
            "replaces": notification.replaces,
        }  # fmt: skip
    if isinstance(event, Announced):
        return {"event": "announced", "notification": shown}
    if isinstance(event, Reminder):
        entry = {"event": "reminder", "id": event.id, "notification": shown}
        more = {"subject": event.event.subject, "starts": event.starts.isoformat(), "minutes": event.minutes}
        return {**entry, **more} if every else entry
    entry = {"event": "mail", "id": event.id, "folder": event.folder, "notification": shown}
    if not every:
        return entry
    received = event.message.received
    return {
        **entry, "subject": event.message.subject, "from": event.message.sender, "snippet": event.snippet,
        "received": received.isoformat() if received is not None else None, "vip": event.vip, "reason": event.reason,
    }  # fmt: skip


def _notification(event: WatchEvent) -> Notification | None:
    return event.notification if isinstance(event, (Announced, NewMail, Reminder)) else None


def _shown(event: WatchEvent) -> object:
    """What the user sees of it; None: nothing."""
    return event if isinstance(event, Withdrawn) else _notification(event)


def _say(event: WatchEvent, every: bool) -> None:
    """An event for people: news on standard output, what the watch is doing on standard error."""
    if isinstance(event, State):
        common.say(f"{event.name}: {event.text}")
    elif isinstance(event, Badge):
        common.say(f"unread: {event.unread}")
    elif every and isinstance(event, NewMail):
        told = "" if event.notification is not None else f"  ({event.reason})"
        print(f"{event.folder}: {event.message.sender}: {event.message.subject}{told}", flush=True)
    elif (notification := _notification(event)) is not None:
        body = " / ".join(notification.body.splitlines())
        print(": ".join(filter(None, (notification.title, body))), flush=True)
