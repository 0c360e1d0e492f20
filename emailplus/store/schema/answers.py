"""Answers to meeting requests that the server has not taken yet, and the mail that waits for them.

A row has its request's place of its own: it outlives the message, whose going may be what the answer did.
"""

from __future__ import annotations

TABLES = """
CREATE TABLE answers (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id     INTEGER NOT NULL UNIQUE,          -- messages.id of the request
    collection_id  TEXT NOT NULL,                    -- where the server had it when it was answered, or sent last
    server_id      TEXT NOT NULL,
    subject        TEXT NOT NULL,
    uid            TEXT NOT NULL,                    -- of its event; '': the calendar does not tell (one instance)
    response       TEXT NOT NULL,                    -- accept, tentative, decline
    reply          TEXT,                             -- NULL: nobody is told
    proposed_start TEXT NOT NULL DEFAULT '',         -- another time, ISO 8601
    proposed_end   TEXT NOT NULL DEFAULT '',
    created        REAL NOT NULL,
    revision       INTEGER NOT NULL DEFAULT 1,       -- goes up with every change of mind
    attempts       INTEGER NOT NULL DEFAULT 0,
    state          TEXT NOT NULL DEFAULT 'queued',   -- queued, sent, uncertain, failed; a taken one is removed
    status         INTEGER,
    reason         TEXT NOT NULL DEFAULT '',
    tried          TEXT NOT NULL DEFAULT '',         -- what the request said whose outcome is not known
    told           INTEGER NOT NULL DEFAULT 0,       -- 1: it asked the server to mail the organiser
    shown          INTEGER,                          -- whether the calendar showed that before; NULL: it did not tell
    discarded      INTEGER NOT NULL DEFAULT 0        -- 1: the meeting request was in Deleted Items then
);

ALTER TABLE outbox ADD COLUMN answer_id INTEGER;     -- answers.id that has to be taken before this may leave
CREATE INDEX outbox_answer ON outbox (answer_id) WHERE answer_id IS NOT NULL;

CREATE TRIGGER answers_removed AFTER DELETE ON answers BEGIN
    DELETE FROM outbox WHERE answer_id = OLD.id;
END;
"""
