"""Exchange Web Services: subscriptions with their watermarks, sync states for gaps, what was told already.

`mailbox` is whose it is: the address of EWS and that of the mailbox, which for a service account is somebody else's.
"""

from __future__ import annotations

TABLES = """
CREATE TABLE ews_subscriptions (
    mailbox     TEXT NOT NULL,
    kind        TEXT NOT NULL,                -- push, pull, streaming: one of each
    id          TEXT NOT NULL,
    watermark   TEXT NOT NULL DEFAULT '',
    created     REAL NOT NULL,                -- Unix time: when its lifetime began
    renewed     REAL NOT NULL,
    url         TEXT NOT NULL DEFAULT '',
    folders     TEXT NOT NULL,                -- one a line
    retired     TEXT NOT NULL DEFAULT '',     -- earlier ids of a push subscription, one a line
    interval    REAL NOT NULL,                -- seconds, as configured when its lifetime began
    valid_until REAL NOT NULL,
    PRIMARY KEY (mailbox, kind)
) WITHOUT ROWID;

CREATE TABLE ews_sync_states (
    mailbox TEXT NOT NULL,
    folder  TEXT NOT NULL,
    state   TEXT NOT NULL,
    at      REAL NOT NULL,                    -- Unix time: what came before is known
    PRIMARY KEY (mailbox, folder)
) WITHOUT ROWID;

CREATE TABLE ews_told (
    mailbox TEXT NOT NULL,
    item_id TEXT NOT NULL,                    -- ItemId of a mail that was told about
    told    REAL NOT NULL,
    PRIMARY KEY (mailbox, item_id)
) WITHOUT ROWID;
CREATE INDEX ews_told_when ON ews_told (told);
"""
