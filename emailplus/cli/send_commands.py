"""`emailplus send`, `outbox` and `drafts`: mail that leaves."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from ..drafting import people as addresses_of
from ..errors import ConfirmationNeeded, UsageError
from ..mailbox import Mailbox
from ..model.draft import Draft, DraftAttachment
from ..model.outbox import OutboxEntry, OutboxState
from ..model.questions import Question
from ..store import outbox as stored
from .classify_commands import wanted_values
from .common import (
    ConfigOption,
    JsonOption,
    KeyFileOption,
    PassphraseFileOption,
    PasswordFileOption,
    StoreOption,
    console,
    errors_as_exit_codes,
    load_config,
    open_store,
    print_json,
    say,
    server_password,
    store_key,
    write_page,
)

_MAX_FILE = 256 << 20
_NAME = re.compile(r"[A-Za-z0-9._+@-]+")


def send(
    config: ConfigOption,
    store: StoreOption,
    mime: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="A MIME message to send; - reads standard input.")
    ] = None,
    to: Annotated[list[str] | None, typer.Option("--to", metavar="ADDRESS", help="To; may be repeated.")] = None,
    cc: Annotated[list[str] | None, typer.Option("--cc", metavar="ADDRESS", help="Cc.")] = None,
    bcc: Annotated[list[str] | None, typer.Option("--bcc", metavar="ADDRESS", help="Bcc.")] = None,
    reply_to: Annotated[
        list[str] | None, typer.Option("--reply-to", metavar="ADDRESS", help="Answers go there.")
    ] = None,
    subject: Annotated[str | None, typer.Option("--subject", help="The subject.", show_default=False)] = None,
    text: Annotated[str | None, typer.Option("--text", help="The text.", show_default=False)] = None,
    text_file: Annotated[
        Path | None, typer.Option("--text-file", metavar="FILE", help="The text, from a file.", show_default=False)
    ] = None,
    html_file: Annotated[
        Path | None, typer.Option("--html-file", metavar="FILE", help="The text in HTML.", show_default=False)
    ] = None,
    attach: Annotated[
        list[Path] | None, typer.Option("--attach", metavar="FILE", help="Attach a file; may be repeated.")
    ] = None,
    inline: Annotated[
        list[Path] | None,
        typer.Option("--inline", metavar="FILE", help="An image of the HTML, which names it as cid:FILE'S-NAME."),
    ] = None,
    reply: Annotated[int | None, typer.Option("--reply", metavar="ID", help="Answer that message.")] = None,
    reply_all: Annotated[int | None, typer.Option("--reply-all", metavar="ID", help="Answer everyone in it.")] = None,
    forward: Annotated[int | None, typer.Option("--forward", metavar="ID", help="Forward that message.")] = None,
    as_attachment: Annotated[
        bool, typer.Option("--as-attachment", help="With --forward: the message whole, byte for byte.")
    ] = False,
    redirect: Annotated[
        int | None, typer.Option("--redirect", metavar="ID", help="That message itself to others, nothing added.")
    ] = None,
    draft: Annotated[int | None, typer.Option("--draft", metavar="ID", help="Send that draft.")] = None,
    phishing: Annotated[
        int | None, typer.Option("--report-phishing", metavar="ID", help="Report that message.", show_default=False)
    ] = None,
    high: Annotated[bool, typer.Option("--high", help="Of high importance.")] = False,
    receipt: Annotated[bool, typer.Option("--receipt", help="Ask for a read receipt.")] = False,
    mark: Annotated[
        list[str] | None,
        typer.Option("--mark", metavar="FIELD=VALUE", help="A classification value; again for several."),
    ] = None,
    template: Annotated[
        str | None,
        typer.Option(
            "--template", metavar="NAME", help="Protect it: a template's name or id; none: an answer without."
        ),
    ] = None,
    sign: Annotated[bool | None, typer.Option("--sign/--no-sign", help="S/MIME, whatever the settings say.")] = None,
    encrypt: Annotated[bool | None, typer.Option("--encrypt/--no-encrypt", help="S/MIME, likewise.")] = None,
    save: Annotated[bool, typer.Option("--save", help="Keep it as a draft instead of sending it.")] = False,
    preview: Annotated[
        Path | None,
        typer.Option("--preview", metavar="FILE", help="Send nothing: write the page it will be (-: standard output)."),
    ] = None,
    flush: Annotated[bool, typer.Option("--flush", help="Write nothing new: send what waits in the outbox.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Answer every question with yes.")] = False,
    password_file: PasswordFileOption = None,
    key_file: KeyFileOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send a message: written here, a MIME file, an answer to a message of the store, or a draft.

    The message is in the outbox before the server hears of it. Without the server it waits there for the next `send` or
    `sync`. Exit code 0: the server has it; 1: it waits.
    """
    with errors_as_exit_codes(as_json):
        given = load_config(config)
        password = None if save or preview is not None else server_password(password_file, given)
        key = store_key(key_file, passphrase_file, given, new=not store.exists())
        with Mailbox.open(given, store=store, key=key, password=password) as mailbox:
            if flush:
                _tell_waiting(mailbox.flush(), as_json)
                return
            if phishing is not None:
                confirm = partial(answer, yes=yes)
                _tell(mailbox.report_phishing(phishing, text=text or "", confirm=confirm), as_json)
                return
            made = _draft(mailbox, mime, reply, reply_all, forward, redirect, draft, as_attachment=as_attachment)
            people = mailbox.new(to=to or (), cc=cc or (), bcc=bcc or ())
            made = _filled(made, people, subject, _text(text, text_file), _read_text(html_file))
            files = (*map(_attachment, attach or ()), *(_attachment(path, inline=True) for path in inline or ()))
            _shown_in(made.html, inline or ())
            made = replace(
                made,
                attachments=(*made.attachments, *files),
                reply_to=addresses_of(reply_to) if reply_to else made.reply_to,
                importance=2 if high else made.importance,
                read_receipt=receipt or made.read_receipt,
                sign=made.sign if sign is None else sign,
                encrypt=made.encrypt if encrypt is None else encrypt,
            )
            if template is not None:
                made = mailbox.protect(made, None if template.strip().lower() == "none" else template)
            if mark:
                made = mailbox.classification.mark(made, wanted_values(mark, "--mark"))
            if preview is not None:
                write_page(mailbox.preview(made).html, preview)
                return
            if save:
                _tell_draft(mailbox.save(made), as_json)
                return
            entry = mailbox.send(made, confirm=lambda question: answer(question, yes))
        _tell(entry, as_json)


def _draft(
    mailbox: Mailbox,
    mime: Path | None,
    reply: int | None,
    reply_all: int | None,
    forward: int | None,
    redirect: int | None,
    draft: int | None,
    *,
    as_attachment: bool,
) -> Draft:
    chosen = [value for value in (mime, reply, reply_all, forward, redirect, draft) if value is not None]
    if len(chosen) > 1:
        raise UsageError("a MIME file, --reply, --reply-all, --forward, --redirect and --draft: one of them at most")
    if as_attachment and forward is None:
        raise UsageError("--as-attachment goes with --forward")
    if mime is not None:
        return mailbox.draft_from(_read(mime))
    if reply is not None:
        return mailbox.reply(reply)
    if reply_all is not None:
        return mailbox.reply_all(reply_all)
    if forward is not None:
        return mailbox.forward(forward, as_attachment=as_attachment)
    if redirect is not None:
        return mailbox.redirect(redirect, to=())
    return mailbox.draft(draft) if draft is not None else mailbox.new()


def _filled(draft: Draft, people: Draft, subject: str | None, text: str | None, html: str | None) -> Draft:
    """The draft with what the options say; people are added, everything else is replaced."""
    return replace(
        draft,
        to=draft.to + people.to,
        cc=draft.cc + people.cc,
        bcc=draft.bcc + people.bcc,
        subject=draft.subject if subject is None else subject,
        text=draft.text if text is None else text,
        html=draft.html if html is None else html,
    )


def _text(text: str | None, file: Path | None) -> str | None:
    if text is not None and file is not None:
        raise UsageError("--text or --text-file, not both")
    return text if file is None else _read_text(file)


def _read_text(file: Path | None) -> str | None:
    if file is None:
        return None
    try:
        return _read(file).decode()
    except UnicodeDecodeError as problem:
        raise UsageError(f"{file} is not UTF-8") from problem


def _read(file: Path) -> bytes:
    """A file, or standard input for ``-``; at most 256 MB."""
    try:
        if str(file) == "-":
            data = sys.stdin.buffer.read(_MAX_FILE + 1)
        else:
            with file.open("rb") as opened:
                data = opened.read(_MAX_FILE + 1)
    except OSError as problem:
        raise UsageError(f"{file}: {problem.strerror}") from problem
    if len(data) > _MAX_FILE:
        raise UsageError(f"{file} is larger than {_MAX_FILE >> 20} MB")
    return data


def _attachment(file: Path, *, inline: bool = False) -> DraftAttachment:
    return DraftAttachment(name=file.name, content=_read(file), content_id=file.name if inline else "")


def _shown_in(html: str, images: Sequence[Path]) -> None:
    """Raises `UsageError` for an image that the HTML does not name: nobody would see it."""
    for image in images:
        if f"cid:{image.name}" not in html or not _NAME.fullmatch(image.name):
            raise UsageError(f"--inline {image.name}: the HTML has no image cid:{image.name} (no blanks in the name)")


def answer(question: Question, yes: bool) -> str:
    """A person's answer, "proceed" under `yes`. Raises `ConfirmationNeeded` where nobody can be asked."""
    if yes:
        return question.choices[1]
    if not sys.stdin.isatty():
        raise ConfirmationNeeded(question)
    say(question.text)
    given = input(f"{' / '.join(question.choices)}: ").strip().lower()
    return given if given in question.choices else question.choices[0]


def entry_as_dict(entry: OutboxEntry) -> dict[str, Any]:
    """For JSON."""
    return {
        "id": entry.id,
        "state": entry.state.value,
        "subject": entry.subject,
        "recipients": entry.recipients,
        "message_id": entry.message_id,
        "command": entry.command,
        "size": entry.size,
        "created": _moment(entry.created),
        "sent_at": _moment(entry.sent_at),
        "attempts": entry.attempts,
        "status": entry.status,
        "reason": entry.reason,
        "held": entry.held,
    }


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _tell(entry: OutboxEntry, as_json: bool) -> None:
    if as_json:
        print_json(entry_as_dict(entry))
    elif entry.state is OutboxState.CONFIRMED:
        say(f"sent: {entry.subject}")
    else:
        say(f"{entry.state.value}: {entry.subject} ({entry.reason or 'it waits in the outbox'})")
    if entry.state is not OutboxState.CONFIRMED:
        raise typer.Exit(1)


def _tell_waiting(waiting: list[OutboxEntry], as_json: bool) -> None:
    if as_json:
        print_json([entry_as_dict(entry) for entry in waiting])
    else:
        say(f"{len(waiting)} left in the outbox" if waiting else "the outbox is empty")
    if waiting:
        raise typer.Exit(1)


def _tell_draft(number: int, as_json: bool) -> None:
    if as_json:
        print_json({"draft": number})
    else:
        say(f"kept as draft {number}")


def outbox(
    store: StoreOption,
    withdraw: Annotated[
        int | None,
        typer.Option("--withdraw", metavar="ID", help="Take back a message that did not leave.", show_default=False),
    ] = None,
    key_file: KeyFileOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """What waits to be sent, what failed, and what was sent lately."""
    with errors_as_exit_codes(as_json), open_store(store, key_file, passphrase_file) as opened:
        if withdraw is not None:
            number = stored.withdraw(opened.database, withdraw)
            if number is not None:
                _tell_draft(number, as_json)
            elif as_json:
                print_json({"draft": None})
            return
        entries = stored.entries(opened.database)
        if as_json:
            print_json([entry_as_dict(entry) for entry in entries])
            return
        table(
            ("id", "state", "to", "subject", "why"),
            [(str(e.id), e.state.value, e.recipients, e.subject, e.reason) for e in entries],
        )


def drafts(
    store: StoreOption,
    discard: Annotated[
        int | None, typer.Option("--discard", metavar="ID", help="Remove a draft.", show_default=False)
    ] = None,
    key_file: KeyFileOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """The drafts kept in the store."""
    with errors_as_exit_codes(as_json), open_store(store, key_file, passphrase_file) as opened:
        if discard is not None:
            if not stored.drop_draft(opened.database, discard):
                raise UsageError(f"there is no draft {discard}")
            return
        found = stored.drafts(opened.database)
        if as_json:
            rows = [
                {
                    "id": entry.id,
                    "kind": entry.kind.value,
                    "subject": entry.subject,
                    "recipients": entry.recipients,
                    "saved": _moment(entry.saved),
                    "attachments": entry.attachments,
                    "size": entry.size,
                }
                for entry in found
            ]
            print_json(rows)
            return
        table(
            ("id", "saved", "to", "subject"),
            [(str(e.id), _moment(e.saved) or "", e.recipients, e.subject) for e in found],
        )


def table(names: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Rows for people."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(*names, box=None)
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    console().print(table)
