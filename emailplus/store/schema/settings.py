"""What the user chose, and the configuration that is in force."""

from __future__ import annotations

TABLES = """
CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL                        -- JSON
) WITHOUT ROWID;

CREATE TABLE configuration (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    snapshot TEXT NOT NULL                     -- emailplus.config.snapshot
);
"""
