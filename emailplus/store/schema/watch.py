"""Watching: which new mail waits to be told, how far the mail was looked through, and which reminders were told."""

from __future__ import annotations

TABLES = """
CREATE TABLE watch (
    name  TEXT PRIMARY KEY,              -- mark: the last message id that was looked at; newest: store.watch
    value REAL NOT NULL
) WITHOUT ROWID;

CREATE TABLE arrivals (
    message_id INTEGER PRIMARY KEY       -- new mail that nobody was told of yet
);

CREATE TABLE reminders_told (
    item_id INTEGER NOT NULL,
    starts  REAL NOT NULL,               -- Unix time of the instance
    PRIMARY KEY (item_id, starts)
) WITHOUT ROWID;

CREATE TRIGGER messages_arrived AFTER INSERT ON messages
WHEN (SELECT pass_open = 0 AND sync_key <> '0' FROM folders WHERE id = NEW.folder_id)
    AND EXISTS (SELECT 1 FROM watch)
BEGIN
    INSERT INTO arrivals (message_id) VALUES (NEW.id);
END;
CREATE TRIGGER messages_arrived_removed AFTER DELETE ON messages BEGIN
    DELETE FROM arrivals WHERE message_id = OLD.id;
END;
CREATE TRIGGER reminders_told_removed AFTER DELETE ON items BEGIN
    DELETE FROM reminders_told WHERE item_id = OLD.id;
END;
"""
