"""Exchange Web Services: subscriptions with their watermarks, sync states for gaps, what was told already."""

from __future__ import annotations

TABLES = """
CREATE TABLE ews_subscriptions (
    kind      TEXT PRIMARY KEY,               -- push, pull, streaming: one of each
    id        TEXT NOT NULL,
    watermark TEXT NOT NULL DEFAULT '',
    created   REAL NOT NULL,                  -- Unix time: when its lifetime began
    renewed   REAL NOT NULL,
    url       TEXT NOT NULL DEFAULT '',
    folders   TEXT NOT NULL,                  -- one a line
    retired   TEXT NOT NULL DEFAULT '',       -- earlier ids of a push subscription, one a line
    interval  REAL NOT NULL,                  -- seconds, as configured when its lifetime began
    valid_until REAL NOT NULL
) WITHOUT ROWID;

CREATE TABLE ews_mailbox (
    name TEXT PRIMARY KEY                     -- whose all this is: address of EWS and of the mailbox
) WITHOUT ROWID;

CREATE TABLE ews_sync_states (
    folder TEXT PRIMARY KEY,
    state  TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE ews_told (
    item_id TEXT PRIMARY KEY,                 -- ItemId of a mail that was told about
    told    REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX ews_told_when ON ews_told (told);
"""
