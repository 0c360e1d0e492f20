"""Licences of protected mail, and the templates that the server offers."""

from __future__ import annotations

TABLES = """
ALTER TABLE messages ADD COLUMN licence TEXT NOT NULL DEFAULT '';  -- JSON of model.rights.Licence; '' unprotected
ALTER TABLE messages ADD COLUMN licence_expires REAL;              -- Unix time; NULL never, or not protected
CREATE INDEX messages_licence_expires ON messages (licence_expires) WHERE licence_expires IS NOT NULL;

CREATE TABLE rights_templates (
    position    INTEGER PRIMARY KEY,
    id          TEXT NOT NULL,
    name        TEXT NOT NULL,
    description TEXT NOT NULL,
    fetched     REAL NOT NULL                                      -- Unix time
);
"""

DRAFTS = """
ALTER TABLE drafts ADD COLUMN licence  TEXT NOT NULL DEFAULT '';   -- that of the protected original it holds content of
ALTER TABLE drafts ADD COLUMN original INTEGER;                    -- messages.id of that original
"""
