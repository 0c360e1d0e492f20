"""`emailplus store verify | rekey | stats`: looking after the encrypted file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import StoreDamaged, UsageError
from ..store.keys import KeyFile, KeyProvider, Passphrase
from ..store.store import Store
from . import common
from .common import JsonOption, KeyFileOption, PassphraseFileOption, StoreOption

store_app = typer.Typer(
    name="store", help="Check, rekey and count an encrypted mailbox.", no_args_is_help=True, add_completion=False
)


@store_app.command("verify")
def verify(
    store: StoreOption,
    key_file: KeyFileOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check every page and every table; exit 5 if anything is damaged or was tampered with."""
    with common.errors_as_exit_codes(as_json), common.open_store(store, key_file, passphrase_file) as opened:
        problems = opened.database.verify()
    if as_json:
        common.print_json({"ok": not problems, "problems": problems})
    elif problems:
        common.say(f"{store.name} is damaged or was tampered with; restore a backup or start a new store")
        for problem in problems:
            common.say(f"  {problem}")
    else:
        common.say(f"{store.name} is whole: every page is authentic, every table in order")
    if problems:
        raise typer.Exit(StoreDamaged.exit_code)


@store_app.command("rekey")
def rekey(
    store: StoreOption,
    key_file: KeyFileOption = None,
    passphrase_file: PassphraseFileOption = None,
    new_key_file: Annotated[
        Path | None, typer.Option("--new-key-file", metavar="FILE", help="The key to change to.", show_default=False)
    ] = None,
    new_passphrase_file: Annotated[
        Path | None,
        typer.Option("--new-passphrase-file", metavar="FILE", help="The passphrase to change to.", show_default=False),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Encrypt the whole store with another key. Cut at any moment, it opens with the old key or the new one."""
    with common.errors_as_exit_codes(as_json):
        new = _new_key(new_key_file, new_passphrase_file)
        old = common.store_key(key_file, passphrase_file)
        with Store.open(store, old, create=False, lock=True) as opened:
            opened.database.rekey(new)
    if as_json:
        common.print_json({"ok": True})
    else:
        common.say(f"{store.name} opens with the new key from now on; copies made before keep the old one")


@store_app.command("stats")
def stats(
    store: StoreOption,
    key_file: KeyFileOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Count what the store holds."""
    with common.errors_as_exit_codes(as_json), common.open_store(store, key_file, passphrase_file) as opened:
        counts = opened.stats()
    if as_json:
        common.print_json(counts)
        return
    from rich.table import Table

    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, value in _rows(counts):
        table.add_row(name, value)
    common.console().print(table)


def _new_key(key_file: Path | None, passphrase_file: Path | None) -> KeyProvider:
    if (key_file is None) == (passphrase_file is None):
        raise UsageError("which key to change to? Give --new-key-file or --new-passphrase-file")
    if key_file is not None:
        return KeyFile(key_file)
    assert passphrase_file is not None
    return Passphrase(common.read_secret(passphrase_file, "the passphrase file"))


def _rows(counts: dict[str, Any]) -> list[tuple[str, str]]:
    rows = []
    for name, value in counts.items():
        label = name.replace("_", " ")
        if isinstance(value, dict):
            rows += [(f"{label}: {part}", f"{number:,}") for part, number in value.items()]
        else:
            rows.append((label, f"{value:,}"))
    return rows
