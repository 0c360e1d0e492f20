"""The commands of the protocol and where each of them is: built, read, offered to a caller, answered by the mock."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from emailplus.eas import status
from emailplus.mock.versions import COMMAND_VERSIONS

from . import observed


@dataclass(frozen=True, slots=True)
class Command:
    """One command: its module in `emailplus/eas/commands`, the methods of `Mailbox` that use it, its mock."""

    module: str
    methods: tuple[str, ...]
    mock: str


TABLE: dict[str, Command] = {
    "Sync": Command("sync", ("sync", "mark_read", "flag", "categorise", "delete", "create_item"), "sync"),
    "SendMail": Command("send_mail", ("send", "flush"), "send_mail"),
    "SmartReply": Command("smart_reply", ("reply", "reply_all", "send"), "send_mail"),
    "SmartForward": Command("smart_forward", ("forward", "forward_event", "send"), "send_mail"),
    "GetAttachment": Command("get_attachment", ("sync",), "get_attachment"),
    "GetHierarchy": Command("get_hierarchy", ("mail_folders",), "get_hierarchy"),
    "FolderSync": Command("folder_sync", ("sync", "folders"), "folder_sync"),
    "FolderCreate": Command("folder_create", ("create_folder",), "folders"),
    "FolderUpdate": Command("folder_update", ("rename_folder",), "folders"),
    "FolderDelete": Command("folder_delete", ("delete_folder",), "folders"),
    "MoveItems": Command("move_items", ("move",), "move_items"),
    "GetItemEstimate": Command("get_item_estimate", ("sync",), "get_item_estimate"),
    "MeetingResponse": Command("meeting_response", ("respond",), "meeting_response"),
    "Search": Command("search", ("search_everywhere", "search_gal", "documents"), "search"),
    "Find": Command("find", ("search_everywhere", "search_gal"), "find"),
    "Settings": Command(
        "settings",
        ("out_of_office", "set_out_of_office", "user_information", "rights_templates", "set_device_password"),
        "settings",
    ),
    "Ping": Command("ping", ("wait_for_changes",), "ping"),
    "ItemOperations": Command(
        "item_operations",
        ("fetch_found", "document", "move_conversation", "empty_folder", "original_mime", "remove_protection"),
        "item_operations",
    ),
    "Provision": Command("provision", ("sync",), "provision"),
    "ResolveRecipients": Command(
        "resolve_recipients", ("resolve", "free_busy", "find_certificates"), "resolve_recipients"
    ),
    "ValidateCert": Command("validate_cert", ("validate_certificates",), "validate_cert"),
    "Autodiscover": Command("autodiscover", ("discover",), "autodiscover"),
}


SCHEMA_DEVIATIONS: dict[tuple[str, str, str], str] = {
    ("GetItemEstimate", "request", "CollectionId"): "up to 12.1 in the order Class, CollectionId, FilterType, SyncKey "
    "(MS-ASCMD 2.2.3.29.1); the schema has the order of 14.0",
    ("Sync", "response", "ApplicationData"): "Responses of a Change tell the FileReference of what was attached "
    "(MS-ASAIRS 2.2.2.24); the schema has no ApplicationData there",
}
"""What the published schemas say against a message of ours, by command, direction and element, and why it is so."""


@dataclass(frozen=True, slots=True)
class StatusRow:
    """A status of the published tables: `element` is where it stands, "" the command itself."""

    command: str
    element: str
    code: int
    action: str


def statuses(folder: Path) -> Iterator[StatusRow]:
    """The status values of single commands (`spec/eas/status_codes.tsv`)."""
    with (folder / "status_codes.tsv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            code, _, element = row["code"].partition(" ")
            if code.isdigit():
                yield StatusRow(row["command"], element.strip("()"), int(code), row["action"])


def typed(row: StatusRow) -> tuple[str, str]:
    """Name and action that our table has for it."""
    if row.code == 1 and row.command != "MoveItems" and row.command != "Ping":
        return "Success", "ok"
    command = "" if row.command == "(any)" else row.command
    return status.describe(f"{command}/{row.element}" if row.element else command, row.code)


def page(folder: Path) -> Iterator[str]:
    """The table of commands, one line each."""
    said = {(version, seen.command) for seen in observed.read() for version in seen.versions}
    counts: dict[str, int] = {}
    for row in statuses(folder):
        counts[row.command] = counts.get(row.command, 0) + (typed(row)[0] != "Unknown")
    yield "| Command | Versions | Statuses | `emailplus.eas.commands` | `Mailbox` | `emailplus.mock` |"
    yield "|---|---|---:|---|---|---|"
    for name, command in TABLE.items():
        versions = [version for version in observed.VERSIONS if (version, name) in said]
        first_last = COMMAND_VERSIONS.get(name)
        shown = f"{versions[0]} to {versions[-1]}" if len(versions) > 1 else "".join(versions)
        shown = shown if first_last is not None else "of its own"
        methods = ", ".join(f"`{method}`" for method in command.methods)
        mock = f"commands.{command.mock}" if name != "Autodiscover" else command.mock
        yield f"| {name} | {shown} | {counts.get(name, 0)} | `{command.module}` | {methods} | `{mock}` |"
