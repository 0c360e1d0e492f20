"""The app policy that a device manager gave beside the app config."""

from __future__ import annotations

TABLES = """
CREATE TABLE app_policy (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    document TEXT NOT NULL                     -- emailplus.config.app_policy
);
"""
