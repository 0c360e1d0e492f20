"""Contacts out of the store as vCards, as far as `allow_export_contacts` and `limit_contact_export_to` let them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ..errors import UsageError
from ..mime import vcard
from ..model.contact import Contact
from ..model.folder import FolderType
from ..policy.contact_export import exportable, may_export
from ..policy.decision import denied
from ..policy.dlp import Keys
from . import items
from .app_policy import remembered_keys
from .export import new_file
from .keys import sync_directory
from .store import Store


@dataclass(frozen=True, slots=True)
class ContactExport:
    """What was written. `limited`: names and numbers only."""

    target: Path
    version: str
    exported: int
    bytes: int
    limited: bool


def export_contacts(
    store: Store, target: Path, version: str = "4.0", *, query: str = "", keys: Keys | None = None
) -> ContactExport:
    """Write the contacts that hold every word of `query` to `target`, a file that is not there yet, owner only.

    `version` is "3.0" or "4.0". `keys` go before those of the configuration that the store had last. People who were
    only written to (the recipient cache) are no contacts. Raises `PolicyDenied`, and `UsageError` where the target or
    the version cannot be.
    """
    if version not in vcard.VERSIONS:
        raise UsageError(f"a vCard is written as {' or '.join(vcard.VERSIONS)}, not {version!r}")
    keys = keys if keys is not None else remembered_keys(store.database)
    if keys is None:
        denied("contacts may not be exported", "allow_export_contacts").require()
        raise AssertionError("unreachable")
    may_export(keys).require()
    cached = {
        row[0]
        for row in store.database.all(
            "SELECT i.id FROM items i JOIN folders f ON f.id = i.folder_id WHERE f.type = ?",
            (int(FolderType.RECIPIENT_CACHE),),
        )
    }
    found = [
        item
        for item in items.items(store.database, "Contacts", query=query)
        if isinstance(item, Contact) and item.id not in cached
    ]
    written = 0
    try:
        with new_file(target) as file:
            for card in vcard.write(exportable(found, keys), version):
                written += file.write(card)
            file.flush()
            os.fsync(file.fileno())
        sync_directory(target.parent)
    except OSError as problem:
        where = problem.filename2 or problem.filename or target
        raise UsageError(f"the contacts cannot be written to {where}: {problem.strerror}") from problem
    return ContactExport(target, version, len(found), written, keys.limit_contact_export_to == "name_number")
