"""Diagnosis: the installation's random id, the kept log, starts that have not ended well, crash reports."""

from __future__ import annotations

TABLES = """
CREATE TABLE diagnosis (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE log_lines (
    id   INTEGER PRIMARY KEY AUTOINCREMENT,
    line TEXT NOT NULL                       -- one JSON object, redacted before it came here
);

CREATE TABLE starts (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    started  REAL NOT NULL,                  -- Unix time
    reported INTEGER NOT NULL DEFAULT 0      -- 1: its crash has a report
);

CREATE TABLE crash_reports (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    report    TEXT NOT NULL,                 -- JSON
    delivered INTEGER NOT NULL DEFAULT 0
);
"""

KEPT = frozenset({"account", "settings", "configuration", "diagnosis", "log_lines", "starts", "crash_reports"})
"""Tables that crash recovery leaves alone (docs/diagnosis.md); other rooms add theirs."""

CACHED = ("chunks", "blobs", "bodies", "attachments", "messages", "quarantine", "folders")
"""Tables whose rows the server has, in the order in which crash recovery empties them: what is owned before its owner.

Every table of the store stands in one of the two; a test holds both to the schema.
"""
