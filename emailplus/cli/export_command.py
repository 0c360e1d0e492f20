"""`emailplus export`: the one deliberate way out of the encrypted store."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import NotFound, UsageError
from ..store.search import search as find
from ..store.store import Store
from . import common
from .common import JsonOption, KeyFileOption, PassphraseFileOption, StoreOption

FORMS = ("eml", "mbox", "maildir", "jsonl", "vcf")


def export(
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="File (mbox, jsonl, vcf) or folder (eml, maildir).")],
    store: StoreOption,
    form: Annotated[str, typer.Option("--format", "-f", help=" | ".join(FORMS))] = "eml",
    query: Annotated[str, typer.Option("--query", "-q", help="Only what matches; see search.")] = "",
    contents: Annotated[
        bool, typer.Option("--contents", help="jsonl: with the bytes of attachments, in base64.")
    ] = False,
    vcard: Annotated[str, typer.Option("--vcard", help="vcf: the version of vCard, 3.0 or 4.0.")] = "4.0",
    key_file: KeyFileOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write messages, or contacts (vcf), out, decrypted. Exit 1 when parts of messages were not in the store."""
    with common.errors_as_exit_codes(as_json), common.open_store(store, key_file, passphrase_file) as opened:
        from ..store.export import export as write

        if form not in FORMS:
            raise UsageError(f"a format is {', '.join(FORMS)}, not {form!r}")
        if form == "vcf":
            _contacts(opened, target, vcard, query, as_json)
            return
        ids = find(opened.database, query, None) if query.strip() else list(opened.ids())
        report = write(opened, ids, target, form, contents=contents)  # type: ignore[arg-type]
        document: dict[str, Any] = {
            "format": form,
            "target": str(target),
            "exported": report.exported,
            "bytes": report.bytes,
            "reconstructed": report.reconstructed,
            "missing": [
                {"message_id": part.message_id, "name": part.name, "state": part.state, "reason": part.reason}
                for part in report.missing
            ],
            "denied": [{"message_id": number, "reason": reason} for number, reason in report.denied],
        }
        if as_json:
            common.print_json(document)
        else:
            common.say(
                f"{report.exported} messages, {report.bytes:,} bytes to {target}; "
                f"{report.reconstructed} composed from stored parts, {len(report.missing)} parts missing"
            )
            for part in report.missing:
                common.say(f"  message {part.message_id}: {part.name or 'body'} ({part.state}) {part.reason}")
            for number, reason in report.denied:
                common.say(f"  message {number} is protected and was left out: {reason}")
        if report.missing or report.denied:
            raise typer.Exit(NotFound.exit_code)


def _contacts(opened: Store, target: Path, version: str, query: str, as_json: bool) -> None:
    from ..store.contact_export import export_contacts

    report = export_contacts(opened, target, version, query=query)
    if as_json:
        common.print_json({"format": "vcf", **asdict(report), "target": str(target)})
        return
    what = "names and numbers" if report.limited else "everything"
    common.say(f"{report.exported} contacts ({what}), {report.bytes:,} bytes to {target}")
