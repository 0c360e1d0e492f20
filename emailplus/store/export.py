"""Mail out of the store, in the clear: the one deliberate way out of the encrypted file.

What is written here is protected by nothing but the permissions of its files (owner only). Every file is written under
a temporary name and gets its own when it is whole; a file that is there already is never replaced.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import time
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import IO, Literal, get_args

from ..errors import NotFound, UsageError
from ..model.message import BodyType, StoredMessage, addresses
from ..policy.dlp import FILES, Action
from ..rms.gate import Door, Operation, judge
from . import spool
from .app_policy import guard
from .keys import sync_directory
from .reconstruct import Missing, base64_run, reconstruct
from .store import Store

Form = Literal["eml", "mbox", "maildir", "jsonl"]
FORMS: tuple[Form, ...] = get_args(Form)

_PAGE = 200
_NAME_BYTES = 120
"""Of a subject in a file name; file systems allow 255 for the whole name."""
_UNSAFE = re.compile(r"[^\w .,()+@=-]+")
_FROM = re.compile(rb"^(?=>*From )", re.MULTILINE)
_LONG_LINE = 1 << 20


@dataclass(frozen=True, slots=True)
class MissingPart:
    """A body (name "") or attachment that the export lacks, and why the store does not have it."""

    message_id: int
    name: str
    state: str
    reason: str


@dataclass(slots=True)
class ExportReport:
    """What an export wrote."""

    form: Form
    target: Path
    exported: int = 0
    """Messages."""
    bytes: int = 0
    reconstructed: int = 0
    """Messages whose MIME is not in the store, put together from their fields (not counted for jsonl)."""
    missing: list[MissingPart] = field(default_factory=list)
    not_found: list[int] = field(default_factory=list)
    """Ids that are not in the store."""
    denied: list[tuple[int, str]] = field(default_factory=list)
    """Protected messages that may not be exported, with the reason; nothing of them was written."""
    door: Door = Door.PROGRAM


def export(
    store: Store,
    ids: Iterable[int],
    target: Path,
    form: Form,
    *,
    contents: bool = False,
    progress: Callable[[int], object] | None = None,
    door: Door = Door.PROGRAM,
) -> ExportReport:
    """Write messages to `target`: a folder for "eml" and "maildir", a file that is not there yet for "mbox", "jsonl".

    Stored MIME goes out byte for byte (mbox: mboxrd quoting and LF line ends); other mail is reconstructed.
    Protected mail needs ExportAllowed, and for a program ProgrammaticAccessAllowed; what may not go is in `denied`.
    `contents`: attachments in "jsonl" carry their bytes in base64. `progress` is called with the messages done.
    Raises `UsageError` where the target cannot be written, `StoreDamaged`; then no half-written file stays. Raises
    `PolicyDenied` where the app policy lets nothing out (`open_in`).
    """
    guard(store.database).may(Action.OPEN_IN, FILES).require()
    if form not in FORMS:
        raise UsageError(f"{form!r} is not a form of export; possible are {', '.join(FORMS)}")
    report = ExportReport(form, target, door=door)
    try:
        if form == "eml":
            _to_folder(store, ids, target, report, progress, target, _eml_name)
        elif form == "maildir":
            for name in ("cur", "new", "tmp"):
                (target / name).mkdir(mode=0o700, parents=True, exist_ok=True)
            _to_folder(store, ids, target / "tmp", report, progress, target / "cur", _maildir_name)
        else:
            pieces = _mbox if form == "mbox" else _jsonl
            with new_file(target) as file:
                for message in _messages(store, ids, report):
                    for piece in pieces(store, message, report, contents):
                        report.bytes += file.write(piece)
                    _done(report, progress)
                file.flush()
                os.fsync(file.fileno())
            sync_directory(target.parent)
    except OSError as problem:
        where = problem.filename2 or problem.filename or target
        raise UsageError(f"the export cannot be written to {where}: {problem.strerror}") from problem
    return report


def _done(report: ExportReport, progress: Callable[[int], object] | None) -> None:
    report.exported += 1
    if progress is not None:
        progress(report.exported)


def _messages(store: Store, ids: Iterable[int], report: ExportReport) -> Iterator[StoredMessage]:
    """The messages with their flags, without their bodies."""
    waiting = iter(ids)
    while page := list(islice(waiting, _PAGE)):
        found = {message.id: message for message in store.messages(page)}
        now = datetime.now(UTC)
        for number in page:
            if number not in found:
                report.not_found.append(number)
                continue
            verdict = judge(found[number].rights, Operation.EXPORT, report.door, now)
            if verdict:
                yield found[number]
            else:
                report.denied.append((number, verdict.reason))


def _mime(store: Store, message: StoredMessage, report: ExportReport) -> Iterator[bytes]:
    """The pieces of the message as MIME: the stored bytes, or what can be made of the rest."""
    if message.body_type == BodyType.MIME and message.body_state == "stored":
        blob = store.database.scalar("SELECT body_blob FROM messages WHERE id = ?", (message.id,))
        return spool.read(store.database, blob) if blob is not None else iter([store.body(message.id)])
    pieces, missing = reconstruct(store, store.message(message.id))
    report.reconstructed += 1
    _note_missing(report, message.id, missing)
    return pieces


def _note_missing(report: ExportReport, message_id: int, missing: Missing) -> None:
    report.missing += [MissingPart(message_id, *part) for part in missing]


# -- one file a message ------------------------------------------------------------------------------------------------


def _to_folder(
    store: Store,
    ids: Iterable[int],
    workshop: Path,
    report: ExportReport,
    progress: Callable[[int], object] | None,
    folder: Path,
    name: Callable[[Store, StoredMessage, int], str],
) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for message in _messages(store, ids, report):
        temporary, file = _temporary(workshop)
        try:
            with file:
                for piece in _mime(store, message, report):
                    report.bytes += file.write(piece)
            attempt = 1
            while not _publish(temporary, folder / name(store, message, attempt)):
                attempt += 1
        finally:
            temporary.unlink(missing_ok=True)
        _done(report, progress)
    sync_directory(folder)


def _eml_name(_: Store, message: StoredMessage, attempt: int) -> str:
    received = message.received.strftime("%Y%m%d-%H%M%S") if message.received else "undated"
    again = f" ({attempt})" if attempt > 1 else ""
    return f"{received}_{message.id}_{safe_name(message.subject)}{again}.eml"


def _maildir_name(store: Store, message: StoredMessage, _: int) -> str:
    draft, verb = store.database.one("SELECT draft, last_verb FROM messages WHERE id = ?", (message.id,)) or (0, 0)
    flags = "".join(
        letter
        for letter, holds in (
            ("D", draft),
            ("F", message.flag_status == 2),
            ("P", verb == 3),
            ("R", verb in (1, 2)),
            ("S", message.read),
        )
        if holds
    )
    stamp = int(message.received.timestamp()) if message.received else int(time.time())
    return f"{max(0, stamp)}.{message.id}_{secrets.token_hex(8)}.emailplus:2,{flags}"


def safe_name(text: str) -> str:
    """`text` as part of a file name: letters, digits and a little punctuation, at most 120 bytes, never empty."""
    readable = unicodedata.normalize("NFC", text.encode("utf-8", "replace").decode())
    name = " ".join(_UNSAFE.sub("_", readable).split())
    name = name.encode()[:_NAME_BYTES].decode(errors="ignore").strip(" .")
    return name or "message"


# -- one file for all --------------------------------------------------------------------------------------------------


def _mbox(store: Store, message: StoredMessage, report: ExportReport, _: bool) -> Iterator[bytes]:
    people = addresses(message.sender)
    sender = people[0].address if people else ""
    if not re.fullmatch(r"[!-~]{1,320}", sender):
        sender = "MAILER-DAEMON"
    moment = message.received or datetime.fromtimestamp(0, UTC)
    yield f"From {sender} {time.asctime(moment.utctimetuple())}\n".encode()
    yield from mboxrd(_mime(store, message, report))
    yield b"\n"


def mboxrd(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Lines end in LF, and one that would begin a message gets a ">" more; the last line is ended."""
    rest = b""
    fresh = True  # `rest` begins a line
    ended = True
    for piece in pieces:
        rest += piece
        cut = rest.rfind(b"\n") + 1
        if not cut:
            if len(rest) < _LONG_LINE:
                continue
            cut = len(rest) - rest.endswith(b"\r")
        lines, rest = rest[:cut], rest[cut:]
        yield _quoted(lines, fresh)
        fresh = ended = lines.endswith(b"\n")
    if rest:
        yield _quoted(rest, fresh)
        ended = False
    if not ended:
        yield b"\n"


def _quoted(lines: bytes, fresh: bool) -> bytes:
    lines = lines.replace(b"\r\n", b"\n")
    if fresh:
        return _FROM.sub(b">", lines)
    first, end, others = lines.partition(b"\n")
    return first + end + _FROM.sub(b">", others)


def _jsonl(store: Store, message: StoredMessage, report: ExportReport, contents: bool) -> Iterator[bytes]:
    """One object on one line; attachments stand last, so that their contents can be streamed."""
    full = store.message(message.id)
    bcc = store.database.scalar("SELECT bcc FROM messages WHERE id = ?", (message.id,))
    document = {
        "id": full.id, "folder": full.folder, "server_id": full.server_id, "subject": full.subject,
        "from": full.sender, "to": full.to, "cc": full.cc, "bcc": bcc or "", "reply_to": full.reply_to,
        "received": full.received.isoformat() if full.received else None, "importance": full.importance,
        "read": full.read, "flag_status": full.flag_status, "message_class": full.message_class,
        "conversation_id": full.conversation_id, "thread_topic": full.thread_topic,
        "categories": list(full.categories), "body_state": full.body_state, "reason": full.reason,
        "marking": full.marking.as_dict(datetime.now(UTC)) if full.marking is not None else None,
        "text": full.text, "html": full.html,
    }  # fmt: skip
    yield _json(document)[:-1] + b', "attachments": ['
    missing: Missing = []
    if full.body_state not in ("stored", "none"):
        missing.append(("", full.body_state, full.reason))
    for number, attachment in enumerate(full.attachments):
        facts = {
            "name": attachment.name, "size": attachment.size, "content_type": attachment.content_type,
            "content_id": attachment.content_id, "inline": attachment.inline, "state": attachment.state,
            "reason": attachment.reason,
        }  # fmt: skip
        yield (b", " if number else b"") + _json(facts)[:-1]
        if attachment.state != "stored":
            missing.append((attachment.name, attachment.state, attachment.reason))
        elif contents:
            yield from _content(store, attachment.id)
        yield b"}"
    yield b"]}\n"
    _note_missing(report, full.id, missing)


def _content(store: Store, attachment_id: int) -> Iterator[bytes]:
    try:
        content = store.attachment_content(attachment_id)
    except NotFound:  # it was part of a MIME body that has left the store since
        yield b', "content": null'
        return
    yield b', "content": "'
    yield from base64_run(content)
    yield b'"'


def _json(document: object) -> bytes:
    # Half a surrogate pair, which servers do send, is written as an escape of its own.
    return json.dumps(document, ensure_ascii=False).encode("utf-8", "backslashreplace")


# -- files -------------------------------------------------------------------------------------------------------------


def _temporary(folder: Path) -> tuple[Path, IO[bytes]]:
    path = folder / f".emailplus-{secrets.token_hex(12)}.part"
    return path, open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


@contextmanager
def new_file(target: Path) -> Iterator[IO[bytes]]:
    """A file that appears at `target` when the block ends well."""
    if os.path.lexists(target):
        raise UsageError(f"{target} is there already; an export replaces nothing")
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary, file = _temporary(target.parent)
    try:
        with file:
            yield file
        if not _publish(temporary, target):
            raise UsageError(f"{target} is there already; an export replaces nothing")
    finally:
        temporary.unlink(missing_ok=True)


def _publish(temporary: Path, path: Path) -> bool:
    """Give a finished file its name; False if that is taken."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    except OSError:  # no hard links here: hold the name, then fill it
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            return False
        os.replace(temporary, path)
    return True
