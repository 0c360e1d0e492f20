"""`emailplus report`: the feedback bundle for the administrator."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from ..diagnosis.feedback import Feedback, collect
from ..errors import ConfigurationError, UsageError
from ..facade.governed import report_of
from . import common
from .common import ConfigOption, JsonOption, KeyFileOption, PassphraseFileOption

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
    Path,
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
    output: OutputOption,
    store: StoreOption = None,
    key_file: KeyFileOption = None,
    passphrase_file: PassphraseFileOption = None,
    comment: CommentOption = "",
    calendar_certificate: CertificateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the feedback bundle: log, configuration without secrets, versions, counts, crash reports.

    It is meant for feedback_email_address, and not available without that key. Where the app config cannot be used and
    exit_on_configuration_error is false, the bundle holds its problems, and the exit code is 2.
    """
    with common.errors_as_exit_codes(as_json):
        if output.exists():
            raise UsageError(f"{output} is there already; a report replaces nothing")
        try:
            settings = common.load_config(config)
        except ConfigurationError as problem:
            if problem.bundle is not None:
                _write(output, problem.bundle)
                common.say(f"{output} holds what is wrong with the configuration")
                problem.bundle = None  # it is written: nothing to point at
            raise
        if store is None:
            raise UsageError("which mailbox? Give --store FILE")
        certificate = _certificate(calendar_certificate)
        with common.open_store(store, key_file, passphrase_file) as opened:
            policy = report_of(opened).as_dict()
            feedback = collect(opened, settings, comment=comment, certificate=certificate, policy_report=policy)
        _write(output, feedback.archive)
    _tell(feedback, output, as_json)


def _tell(feedback: Feedback, output: Path, as_json: bool) -> None:
    if as_json:
        document = {"to": feedback.to, "subject": feedback.subject, "output": str(output)}
        common.print_json({**document, "contents": list(feedback.contents), "passphrase": feedback.passphrase})
        return
    common.say(f"{output} holds {', '.join(feedback.contents)}; it is meant for {feedback.to}")
    if feedback.passphrase is not None:
        common.say(f"passphrase of the calendar in it, shown this once: {feedback.passphrase}")


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
