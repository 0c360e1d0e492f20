"""`emailplus folders | search`: reading a store. No server and no app config are needed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from ..mime.terminal import plain
from ..model.message import StoredMessage
from ..store.search import search as find
from . import common
from .common import JsonOption, KeyFileOption, PassphraseFileOption, StoreOption

LimitOption = Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many messages.")]


def folders(
    store: StoreOption,
    key_file: KeyFileOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the folders with their messages and how many are unread."""
    with common.errors_as_exit_codes(as_json), common.open_store(store, key_file, passphrase_file) as opened:
        rows = opened.folders()
        if as_json:
            common.print_json(
                [
                    {
                        "server_id": folder.server_id,
                        "parent_id": folder.parent_id,
                        "name": folder.name,
                        "type": folder.type,
                        "class": folder.item_class,
                        "messages": count,
                        "unread": unread,
                    }
                    for folder, count, unread in rows
                ]
            )
            return
        from rich.table import Table

        table = Table("Folder", "Class", "Messages", "Unread", box=None, padding=(0, 2, 0, 0))
        for folder, count, unread in rows:
            table.add_row(folder.name, folder.item_class or "", str(count), str(unread))
        common.console().print(table)


def search(
    query: Annotated[list[str] | None, typer.Argument(help="Words and filters, see below; none: the newest.")] = None,
    *,
    store: StoreOption,
    key_file: KeyFileOption = None,
    passphrase_file: PassphraseFileOption = None,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """Find messages, newest first.

    Filters: from: to: cc: subject: body: in:FOLDER has:attachment unread is:read is:flagged before:2026-01-31 after:7d
    larger:1M filename: category: class:SECRET is:unmarked "a phrase" pre* -not a OR b
    """
    with common.errors_as_exit_codes(as_json), common.open_store(store, key_file, passphrase_file) as opened:
        messages = opened.messages(find(opened.database, " ".join(query or ()), limit))
        if as_json:
            common.print_json([summary(message) for message in messages])
            return
        from rich.table import Table

        marked = any(message.marking is not None for message in messages)
        names = ("Id", "Received", "From", "Subject", "Folder", *(("Marking",) if marked else ()))
        table = Table(*names, box=None, padding=(0, 2, 0, 0))
        for message in messages:
            received = message.received.strftime("%Y-%m-%d %H:%M") if message.received else ""
            style = "" if message.read else "bold"
            table.add_row(
                str(message.id), received, _short(message.sender, 28), _short(message.subject, 48), message.folder,
                *((_short(_marking(message), 48),) if marked else ()), style=style,
            )  # fmt: skip
        console = common.console()
        console.print(table)
        console.print(f"{len(messages)} messages", style="dim")


def summary(message: StoredMessage) -> dict[str, Any]:
    """A message without its body, for JSON."""
    return {
        "id": message.id,
        "folder": message.folder,
        "server_id": message.server_id,
        "subject": message.subject,
        "from": message.sender,
        "to": message.to,
        "cc": message.cc,
        "received": message.received.isoformat() if message.received else None,
        "read": message.read,
        "flag_status": message.flag_status,
        "importance": message.importance,
        "message_class": message.message_class,
        "conversation": message.conversation_id,
        "categories": list(message.categories),
        "size": message.size,
        "body_state": message.body_state,
        "reason": message.reason,
        "marking": message.marking.as_dict(datetime.now(UTC)) if message.marking is not None else None,
    }


def whole(message: StoredMessage) -> dict[str, Any]:
    """A message with body and attachments, for JSON."""
    return summary(message) | {
        "reply_to": message.reply_to,
        "text": message.text,
        "html": message.html,
        "security": message.security.as_dict() if message.security is not None else None,
        "parts": [
            {"name": part.name, "size": len(part.data), "content_type": part.content_type, "inline": part.inline}
            for part in message.parts
        ],
        "attachments": [
            {
                "id": item.id,
                "name": item.name,
                "size": item.size,
                "content_type": item.content_type,
                "inline": item.inline,
                "state": item.state,
                "reason": item.reason,
            }
            for item in message.attachments
        ],
    }


def _marking(message: StoredMessage) -> str:
    return message.marking.shown(datetime.now(UTC)) if message.marking is not None else ""


def _short(text: str, width: int) -> str:
    from rich.markup import escape

    text = " ".join(plain(text).split())
    return escape(text if len(text) <= width else text[: width - 1] + "…")
