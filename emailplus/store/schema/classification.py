"""Markings of messages: what was read, what has to be read again, and header fields whose message has no MIME here."""

from __future__ import annotations

MARKINGS = """
CREATE TABLE markings (
    message_id INTEGER PRIMARY KEY,
    state      TEXT NOT NULL,              -- 'read', 'stale' (to be read), 'waiting' (header fields to be fetched)
    label      TEXT NOT NULL DEFAULT '',   -- the marking in one line, '' for none
    flagged    INTEGER NOT NULL DEFAULT 0, -- 1: not understood whole
    missing    TEXT NOT NULL DEFAULT '',   -- why a header field could not be looked for
    facts      TEXT NOT NULL DEFAULT '',   -- JSON: place, text, unknown, notes, lowered
    told       INTEGER NOT NULL DEFAULT 0  -- 1: that it could not be looked for was reported
);
CREATE INDEX markings_open ON markings (message_id) WHERE state <> 'read';

CREATE TABLE marking_values (
    message_id INTEGER NOT NULL,
    place      INTEGER NOT NULL,           -- its place in the marking
    field      TEXT NOT NULL,
    value      TEXT NOT NULL,
    since      REAL,                       -- Unix time from which on it holds (DOWNTO); NULL: always did
    until      REAL,                       -- Unix time up to which it holds (EXPIRES); NULL: for ever
    PRIMARY KEY (message_id, place)
) WITHOUT ROWID;

CREATE TABLE heads (
    message_id INTEGER PRIMARY KEY,
    data       BLOB NOT NULL
);

CREATE TRIGGER markings_removed AFTER DELETE ON messages BEGIN
    DELETE FROM markings WHERE message_id = OLD.id;
    DELETE FROM marking_values WHERE message_id = OLD.id;
    DELETE FROM heads WHERE message_id = OLD.id;
END;
CREATE TRIGGER markings_stale AFTER UPDATE OF subject, body_type, body_state, body_blob ON messages
WHEN OLD.subject IS NOT NEW.subject OR OLD.body_type IS NOT NEW.body_type
    OR OLD.body_state IS NOT NEW.body_state OR OLD.body_blob IS NOT NEW.body_blob
BEGIN
    UPDATE markings SET state = 'stale' WHERE message_id = NEW.id;
END;
CREATE TRIGGER markings_of_body AFTER DELETE ON bodies BEGIN
    UPDATE markings SET state = 'stale' WHERE message_id = OLD.message_id;
END;
"""
