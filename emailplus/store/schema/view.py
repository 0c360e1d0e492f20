"""For whom pictures are shown, as the user decided."""

from __future__ import annotations

TABLES = """
CREATE TABLE pictures_shown (
    kind TEXT NOT NULL,                        -- 'message' or 'sender'
    name TEXT NOT NULL,                        -- the message's id, or the sender's address in lower case
    PRIMARY KEY (kind, name)
) WITHOUT ROWID;

CREATE TRIGGER pictures_shown_removed AFTER DELETE ON messages BEGIN
    DELETE FROM pictures_shown WHERE kind = 'message' AND name = CAST(OLD.id AS TEXT);
END;
"""
