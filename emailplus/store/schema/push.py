"""The registration at the notification service."""

from __future__ import annotations

TABLES = """
CREATE TABLE push_registration (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    document TEXT NOT NULL                       -- JSON of model.push.PushRegistration
);
"""
