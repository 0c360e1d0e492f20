"""`emailplus sync`: the main job."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import LimitExceeded, UsageError
from ..mailbox import Mailbox
from ..model import events
from ..report import SyncReport
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
from .watch_command import follow, print_line

PeriodOption = Annotated[
    int | None,
    typer.Option(
        "--period",
        min=0,
        max=5,
        help="Your own sync period: 0 all, 1 one day, 2 three days, 3 a week, 4 two weeks, 5 a month.",
        show_default=False,
    ),
]
ProtocolOption = Annotated[
    str | None,
    typer.Option("--protocol", metavar="VERSION", help="Speak only this ActiveSync version.", show_default=False),
]
TrafficOption = Annotated[
    Path | None,
    typer.Option(
        "--traffic",
        metavar="FILE",
        help="Write every request and answer there, readable, values replaced by their sizes.",
        show_default=False,
    ),
]
TrafficFullOption = Annotated[
    bool, typer.Option("--traffic-full", help="Keep the values in --traffic: then FILE holds mail in the clear.")
]
HostOption = Annotated[
    str | None,
    typer.Option(
        "--host-enforces",
        metavar="NAMES",
        help="Elements of the server's policy that this machine enforces, separated by commas; * for all of it.",
        show_default=False,
    ),
]
WatchOption = Annotated[bool, typer.Option("--watch", help="Go on watching afterwards, as `emailplus watch` does.")]
QueryOption = Annotated[str, typer.Option("--query-form", help="plain or base64 query lines.")]


def sync(
    config: ConfigOption,
    store: StoreOption,
    key_file: KeyFileOption = None,
    passphrase_file: PassphraseFileOption = None,
    password_file: PasswordFileOption = None,
    period: PeriodOption = None,
    protocol: ProtocolOption = None,
    query_form: QueryOption = "plain",
    traffic: TrafficOption = None,
    traffic_full: TrafficFullOption = False,
    app_policy: AppPolicyOption = None,
    host_enforces: HostOption = None,
    watch: WatchOption = False,
    as_json: JsonOption = False,
) -> None:
    """Bring the store up to date with the server.

    Exit 1 when something was newly refused, failed or quarantined; the rest is in the store. With --watch, --json
    prints the report in one line, and each event that follows in another.
    """
    with common.errors_as_exit_codes(as_json):
        if traffic_full and traffic is None:
            raise UsageError("--traffic-full needs --traffic FILE")
        common.end_on_sigterm()
        settings = common.load_config(config)
        allowed = common.load_app_policy(app_policy)
        key = common.store_key(key_file, passphrase_file, settings, new=not store.exists())
        password = common.server_password(password_file, settings)
        passed: list[dict[str, Any]] = []
        with Mailbox.open(
            settings,
            store=store,
            key=key,
            password=password,
            query_form=query_form,
            app_policy=allowed,
            host_enforces=None
            if host_enforces is None
            else [name.strip() for name in host_enforces.split(",") if name],
        ) as mailbox:
            if traffic is not None:
                mailbox.traffic_log(traffic, full=traffic_full)
            pass_through = "local_cache_all" in settings.disabled_features
            report = _run(mailbox, as_json, period, protocol, passed if pass_through else None)
            if as_json:
                document = report.as_dict()
                if pass_through:
                    document["messages"] = passed
                (print_line if watch else common.print_json)(document)
            if watch:
                follow(mailbox, as_json)
        if report.news_of_trouble:
            raise typer.Exit(LimitExceeded.exit_code)


def _run(
    mailbox: Mailbox, as_json: bool, period: int | None, protocol: str | None, passed: list[dict[str, Any]] | None
) -> SyncReport:
    def collect(event: Any) -> None:
        if passed is not None and isinstance(event, events.MessageReceived):
            passed.append(_as_dict(event))

    if as_json:
        return mailbox.sync(period=period, version=protocol, listener=collect)
    from .progress import SyncProgress, print_report

    console = common.console()
    with SyncProgress(console) as progress:

        def both(event: Any) -> None:
            progress(event)
            collect(event)

        report = mailbox.sync(period=period, version=protocol, listener=both)
    for message in passed or ():
        print(f"{message['received'] or '-':<32} {message['from']}: {message['subject']}")
    print_report(console, report)
    return report


def _as_dict(event: events.MessageReceived) -> dict[str, Any]:
    message = event.message
    return {
        "folder": event.folder,
        "server_id": message.server_id,
        "subject": message.subject,
        "from": message.sender,
        "to": message.to,
        "cc": message.cc,
        "received": message.received.isoformat() if message.received else None,
        "read": message.read,
        "body_type": message.body.type if message.body else 0,
        "body_state": message.body_state,
        "body": message.body.data.decode(errors="replace") if message.body else "",
        "attachments": [{"name": a.name, "size": a.size} for a in message.attachments],
        "marking": message.marking.label if message.marking is not None else None,
    }
