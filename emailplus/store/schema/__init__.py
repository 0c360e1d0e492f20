"""How an older store becomes a current one: a module a room, a script a step.

`MIGRATIONS` is append-only: row n takes a store from version n to n + 1, each in a transaction of its own. The
number is kept in ``PRAGMA user_version``. A script that was released is never changed.
"""

from __future__ import annotations

from . import (
    answers,
    classification,
    diagnosis,
    ews,
    items,
    keychain,
    mail,
    mail_changes,
    outbox,
    pim,
    policy,
    push,
    rights,
    settings,
    sign_in,
    view,
    watch,
)

MIGRATIONS: tuple[str, ...] = (
    mail.TABLES,
    settings.TABLES,
    outbox.TABLES,
    policy.TABLES,
    diagnosis.TABLES,
    classification.MARKINGS,
    mail_changes.TABLES,
    keychain.TABLES,
    view.TABLES,
    rights.TABLES,
    items.TABLES,
    sign_in.TABLES,
    watch.TABLES,
    pim.TABLES,
    keychain.CAPABILITIES,
    push.TABLES,
    ews.TABLES,
    pim.DRAFTS,
    pim.MOVES,
    pim.HELD,
    answers.TABLES,
    rights.DRAFTS,
)

CURRENT = len(MIGRATIONS)
"""The version this code reads and writes."""
