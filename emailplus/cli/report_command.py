"""`emailplus report`: the feedback bundle for the administrator."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from ..diagnosis.feedback import Feedback, collect
from ..errors import ConfigurationError, StoreError, UsageError
from ..facade.governed import report_of
from ..mailbox import Mailbox
from ..model.outbox import OutboxEntry, OutboxState
from . import common
from .common import ConfigOption, JsonOption, KeyFileOption, PassphraseFileOption, PasswordFileOption
from .send_commands import answer

StoreOption = Annotated[
    Path | None,
    typer.Option(
        "--store",
        "-s",
        metavar="FILE",
        help="The encrypted mailbox; not needed where the app config cannot be used.",
        show_default=False,
    ),
]
OutputOption = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help="Write the bundle there, a zip archive.", show_default=False),
]
CommentOption = Annotated[
    str, typer.Option("--comment", metavar="TEXT", help="What went wrong, in your words.", show_default=False)
]
CertificateOption = Annotated[
    Path | None,
    typer.Option(
        "--calendar-certificate",
        metavar="FILE",
        help="The reader's certificate (DER): encrypt the calendar for it instead of under a passphrase.",
        show_default=False,
    ),
]


def report(
    config: ConfigOption,
    output: OutputOption = None,
    send: Annotated[bool, typer.Option("--send", help="Send the bundle to feedback_email_address.")] = False,
    store: StoreOption = None,
    key_file: KeyFileOption = None,
    passphrase_file: PassphraseFileOption = None,
    comment: CommentOption = "",
    calendar_certificate: CertificateOption = None,
    password_file: PasswordFileOption = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Answer every question with yes.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make the feedback bundle: log, configuration without secrets, versions, counts, crash reports.

    It is meant for feedback_email_address, and not available without that key: written to a file, or sent (exit code 1
    where it waits in the outbox). Where the app config cannot be used and exit_on_configuration_error is false, the
    bundle holds its problems, and the exit code is 2.
    """
    with common.errors_as_exit_codes(as_json):
        if output is None and not send:
            raise UsageError("where to? Give --output FILE or --send")
        if output is not None and output.exists():
            raise UsageError(f"{output} is there already; a report replaces nothing")
        try:
            settings = common.load_config(config)
        except ConfigurationError as problem:
            if problem.bundle is not None and output is not None:
                _write(output, problem.bundle)
                common.say(f"{output} holds what is wrong with the configuration")
                problem.bundle = None  # it is written: nothing to point at
            raise
        if store is None:
            raise UsageError("which mailbox? Give --store FILE")
        certificate = _certificate(calendar_certificate)
        entry: OutboxEntry | None = None
        if send:
            password = common.server_password(password_file, settings)
            key = common.store_key(key_file, passphrase_file, settings)
            with Mailbox.open(settings, store=_existing(store), key=key, password=password) as mailbox:
                feedback, entry = mailbox.send_feedback(
                    comment, certificate=certificate, confirm=lambda question: answer(question, yes)
                )
        else:
            with common.open_store(store, key_file, passphrase_file) as opened:
                policy = report_of(opened).as_dict()
                feedback = collect(opened, settings, comment=comment, certificate=certificate, policy_report=policy)
        if output is not None:
            _write(output, feedback.archive)
    _tell(feedback, output, entry, as_json)
    if entry is not None and entry.state is not OutboxState.CONFIRMED:
        raise typer.Exit(1)


def _tell(feedback: Feedback, output: Path | None, entry: OutboxEntry | None, as_json: bool) -> None:
    if as_json:
        document = {"to": feedback.to, "subject": feedback.subject, "output": str(output) if output else None}
        document |= {"state": entry.state if entry else None, "passphrase": feedback.passphrase}
        common.print_json({**document, "contents": list(feedback.contents)})
        return
    held = ", ".join(feedback.contents)
    if entry is not None:
        gone = "was sent" if entry.state is OutboxState.CONFIRMED else "waits in the outbox for the next sync"
        common.say(f"the bundle for {feedback.to} {gone}; it holds {held}")
    if output is not None:
        common.say(f"{output} holds {held}; it is meant for {feedback.to}")
    if feedback.passphrase is not None:
        common.say(f"passphrase of the calendar in it, shown this once: {feedback.passphrase}")


def _existing(store: Path) -> Path:
    if not store.exists():
        raise StoreError(f"there is no store at {store}; `sync` makes one")
    return store


def _certificate(path: Path | None) -> bytes | None:
    try:
        return None if path is None else path.read_bytes()
    except OSError as problem:
        raise UsageError(f"the certificate cannot be read: {path}: {problem.strerror}") from problem


def _write(output: Path, data: bytes) -> None:
    """A new file, readable by its owner only."""
    try:
        with open(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
    except OSError as problem:
        raise UsageError(f"the bundle cannot be written to {output}: {problem.strerror}") from problem
