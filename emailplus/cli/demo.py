"""`emailplus demo`: the whole job against a mock server in this process, over real HTTP."""

from __future__ import annotations

import secrets
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from ..config import AppConfig
from ..errors import EmailplusError
from ..mailbox import Mailbox
from . import common


def demo(
    store: Annotated[
        Path | None,
        typer.Option("--store", metavar="FILE", help="Keep the store there; its key is written beside it."),
    ] = None,
) -> None:
    """Sync a mailbox of a mock server, search it, read a message, and sync again."""
    with common.errors_as_exit_codes(as_json=False):
        if store is not None:
            _demo(store)
            return
        with tempfile.TemporaryDirectory(prefix="emailplus-demo-") as folder:
            _demo(Path(folder) / "mailbox.db")


def _demo(store: Path) -> None:
    from ..mock import MockExchange, MockPolicy, fixture_mailbox
    from .progress import SyncProgress, print_report

    console = common.console()
    key = secrets.token_hex(32)
    key_file = store.with_suffix(".hexkey")
    key_file.touch(0o600)
    key_file.write_text(key + "\n")
    with MockExchange(policy=MockPolicy({"AttachmentsEnabled": "1"})) as server:
        there = len(fixture_mailbox.fill(server.user("alice")))
        console.rule("1. A mock Exchange server")
        console.print(f"{there} messages, the oldest from two months ago; policy enforced; {server.url}")
        config = AppConfig.load(
            {
                "email_address": "alice@example.test",
                "email_device_id": "emailplusdemo0001",
                "email_exchange_host": server.url.split("//", 1)[1],
                "email_exchange_username": "alice",
                "email_password": "alice-secret",
                "email_ssl_required": "false",
            }
        )
        with Mailbox.open(config, store=store, key=key) as mailbox:
            console.rule("2. First sync: the default period of three days, 10 MB attachments, 4 MB mails")
            with SyncProgress(console) as progress:
                report = mailbox.sync(listener=progress)
            print_report(console, report)
            console.rule("3. Search: has:attachment")
            found = mailbox.search("has:attachment", limit=5)
            for message in found:
                console.print(f"{message.id:>4}  {message.sender}: {message.subject}", markup=False)
            console.rule("4. One message")
            if found:
                console.print(mailbox.reading.terminal(found[0].id), markup=False)
            console.rule("5. Second sync: nothing is fetched twice")
            again = mailbox.sync()
            print_report(console, again)
            console.rule("6. Your own sync period: everything, as far as the administrator allows")
            with SyncProgress(console) as progress:
                everything = mailbox.sync(period=0, listener=progress)
            print_report(console, everything)
    if again.added or again.changed or again.deleted or again.fetched:
        raise EmailplusError("the second sync was not empty; please report this")
    if sum(everything.items.values()) != there:
        raise EmailplusError(f"{sum(everything.items.values())} of {there} messages arrived; please report this")
    console.print("\n[green]Everything arrived, once.[/green] Your own server: emailplus sync --help")
