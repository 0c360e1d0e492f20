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

CACHED: dict[str, str] = {
    "messages": "",
    "quarantine": "",
    "folders": "id NOT IN (SELECT folder_id FROM messages)",
}
"""Tables whose rows the server has, in the order in which crash recovery empties them, each with the rows that go: a
condition, "" for all. What unsent work rests on stays."""

OWNED = frozenset({"bodies", "attachments", "blobs", "chunks"})
"""Tables whose rows go with their owner's, by triggers."""

KEPT = frozenset({
    "account", "settings", "configuration", "app_policy", "diagnosis", "log_lines", "starts", "crash_reports",
    "pictures_shown", "rights_templates",
})  # fmt: skip
"""Tables that crash recovery leaves alone (docs/diagnosis.md).

Every table of the store stands in one of the three; a test holds them to the schema.
"""
