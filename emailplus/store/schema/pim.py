"""Mail that belongs to a change of an event: it leaves when the server has taken the change, and goes with it."""

from __future__ import annotations

TABLES = """
ALTER TABLE outbox ADD COLUMN change_id INTEGER;  -- item_changes.id that has to be confirmed before this may leave
CREATE INDEX outbox_change ON outbox (change_id) WHERE change_id IS NOT NULL;
ALTER TABLE items ADD COLUMN sequence INTEGER NOT NULL DEFAULT 0;  -- SEQUENCE of the last update that was mailed

CREATE TRIGGER item_changes_removed AFTER DELETE ON item_changes BEGIN
    DELETE FROM outbox WHERE change_id = OLD.id;
END;
"""

DRAFTS = """
ALTER TABLE drafts ADD COLUMN client_id TEXT NOT NULL DEFAULT '';     -- of its Add, the same in every attempt
ALTER TABLE drafts ADD COLUMN revision  INTEGER NOT NULL DEFAULT 1;   -- goes up with everything that is saved
ALTER TABLE drafts ADD COLUMN known     INTEGER NOT NULL DEFAULT 0;   -- the revision that the server has; 0: none
ALTER TABLE drafts ADD COLUMN sent      INTEGER NOT NULL DEFAULT 0;   -- of a request without an answer; 0: none
ALTER TABLE drafts ADD COLUMN refused   INTEGER NOT NULL DEFAULT 0;   -- the revision that the server does not take
ALTER TABLE drafts ADD COLUMN reason    TEXT NOT NULL DEFAULT '';     -- and why
ALTER TABLE drafts ADD COLUMN theirs    TEXT NOT NULL DEFAULT '';     -- '', 'changed': to be taken over, 'deleted'
ALTER TABLE drafts ADD COLUMN refs      TEXT NOT NULL DEFAULT '';     -- FileReferences on the server, one a line
ALTER TABLE drafts ADD COLUMN files     TEXT NOT NULL DEFAULT '';     -- digest of the attachments that the server has
CREATE INDEX drafts_server ON drafts (server_id) WHERE server_id <> '';
"""

MOVES = """
ALTER TABLE items ADD COLUMN moving_to INTEGER;  -- folders.id that it is to go to; the server has it where it was

CREATE TRIGGER folders_removed_targets BEFORE DELETE ON folders BEGIN
    DELETE FROM item_changes WHERE kind = 'move' AND item_id IN (SELECT id FROM items WHERE moving_to = OLD.id);
    UPDATE items SET moving_to = NULL WHERE moving_to = OLD.id;
END;
"""

HELD = """
CREATE TABLE held_changes (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL,  -- account.value of 'account' that they were made under
    held    REAL NOT NULL,
    content TEXT NOT NULL   -- JSON
);
"""
