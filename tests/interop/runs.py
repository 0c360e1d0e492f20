"""Running the main job and holding its store against the other witness."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from emailplus.mailbox import Mailbox
from emailplus.model.folder import MAIL_TYPES
from emailplus.model.message import StoredMessage
from emailplus.report import SyncReport

from .compare import Tally, compare_attachments, compare_body, compare_mime
from .imap import Imap
from .parts import parse
from .server import KEY, Server, User


@dataclass
class Held:
    """One message in the store, with the path of its folder."""

    path: str
    folder_type: int
    message: StoredMessage


def held(mailbox: Mailbox) -> list[Held]:
    """Everything in the store."""
    store = mailbox.store
    folders = {folder.server_id: folder for folder, _, _ in store.folders()}
    paths: dict[str, str] = {}
    for folder in folders.values():
        names, at = [folder.name], folder
        while at.parent_id in folders:
            at = folders[at.parent_id]
            names.append(at.name)
        paths[folder.server_id] = "/".join(reversed(names))
    where = dict(
        store.database.all(
            "SELECT m.id, f.server_id FROM messages m JOIN folders f ON f.id = m.folder_id WHERE m.gone = 0"
        )
    )
    return [
        Held(paths[where[message.id]], folders[where[message.id]].type, message)
        for message in store.messages(sorted(where))
    ]


def mail_paths(mailbox: Mailbox, *, drafts: bool) -> set[str]:
    """Paths of the mail folders that are synchronised; Drafts from 16.0 on (MS-ASCMD_R5916)."""
    folders = {folder.server_id: folder for folder, _, _ in mailbox.store.folders()}
    found = set()
    for folder in folders.values():
        if folder.type in MAIL_TYPES and (drafts or folder.type != 3):
            names, at = [folder.name], folder
            while at.parent_id in folders:
                at = folders[at.parent_id]
                names.append(at.name)
            found.add("/".join(reversed(names)))
    return found


def attachments(mailbox: Mailbox, message: StoredMessage) -> Iterator[tuple[str, str, bytes]]:
    """Name, state and content of each."""
    for row in mailbox.store.attachments(message.id):
        yield row.name, row.state, b"".join(mailbox.attachment(row.id)) if row.state == "stored" else b""


def quiet(report: SyncReport) -> dict[str, int]:
    """What a run that has nothing to do must not have done."""
    return {
        "added": report.added,
        "changed": report.changed,
        "deleted": report.deleted,
        "expired": report.expired,
        "fetched": report.fetched,
        "indexed": report.indexed,
    }


NOTHING = dict.fromkeys(("added", "changed", "deleted", "expired", "fetched", "indexed"), 0)


def open_mailbox(server: Server, user: User, store: Path, query_form: str = "plain", **keys: object) -> Mailbox:
    return Mailbox.open(server.config(user, **keys), store=store, key=KEY, query_form=query_form)  # type: ignore[arg-type]


def compare_with_imap(mailbox: Mailbox, imap: Imap, version: str, *, mime: bool = False) -> Tally:
    """Every message that IMAP holds against the store, and none in the store that IMAP does not hold."""
    tally = Tally()
    here = {(row.path.lower(), row.message.server_id): row for row in held(mailbox)}
    drafts = float(version) >= 16.0
    paths = {path.lower() for path in mail_paths(mailbox, drafts=drafts)}
    for path, (name, attributes) in imap.folders().items():
        if "\\drafts" in attributes and not drafts:
            continue
        messages = imap.messages(path, name)
        if messages and path.lower() not in paths:
            tally.note(None, path, "the folder is not in the store")
            continue
        for theirs in messages:
            tally.messages += 1
            place = f"{path}/{theirs.uid}"
            row = here.pop((path.lower(), theirs.uid), None)
            if row is None:
                tally.note(None, place, "the message is not in the store")
                continue
            _compare_one(tally, place, mailbox, row.message, theirs.raw, version, mime=mime)
            _compare_flags(tally, place, row.message, theirs.flags)
    for path, server_id in here:
        tally.note(None, f"{path}/{server_id}", "in the store, but not on the server")
    return tally


def _compare_one(
    tally: Tally, place: str, mailbox: Mailbox, message: StoredMessage, raw: bytes, version: str, *, mime: bool
) -> None:
    stored = mailbox.store.body(message.id)
    if mime:
        if message.body_type != 4 or message.body_state != "stored":
            tally.note(None, place, f"MIME was asked for; type {message.body_type} is {message.body_state}")
            return
        compare_mime(tally, place, raw, stored)
        return
    compare_body(tally, place, raw, message.body_type, message.body_state, stored, html=version != "2.5")
    compare_attachments(tally, place, raw, list(attachments(mailbox, message)))


def _compare_flags(tally: Tally, place: str, message: StoredMessage, flags: frozenset[str]) -> None:
    if message.read != ("\\seen" in flags):
        tally.note(None, place, f"read is {message.read}, flags are {sorted(flags)}")
    if (message.flag_status == 2) != ("\\flagged" in flags):
        tally.note(None, place, f"flag status is {message.flag_status}, flags are {sorted(flags)}")


def compare_with_mime_run(mailbox: Mailbox, reference: Mailbox) -> Tally:
    """For a server without IMAP: the text run against the MIME that the same server gives."""
    tally = Tally()
    wanted = {(row.path, row.message.server_id): row.message for row in held(reference)}
    for row in held(mailbox):
        tally.messages += 1
        place = f"{row.path}/{row.message.server_id}"
        other = wanted.pop((row.path, row.message.server_id), None)
        if other is None or other.body_type != 4:
            tally.note(None, place, "no MIME of it arrived")
            continue
        raw = reference.store.body(other.id)
        assert parse(raw).leaves, place
        body = mailbox.store.body(row.message.id)
        compare_body(tally, place, raw, row.message.body_type, row.message.body_state, body)
        compare_attachments(tally, place, raw, list(attachments(mailbox, row.message)))
    for path, server_id in wanted:
        tally.note(None, f"{path}/{server_id}", "in the MIME run only")
    return tally
