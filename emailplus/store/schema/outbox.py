"""What goes out: drafts with their attachments, and the outbox.

Attachments and MIME messages lie in `blobs` and `chunks` like everything else that is large: of kind 'draft' (item:
draft_attachments.id), 'outbox' and 'outbox_complete' (item: outbox.id).
"""

from __future__ import annotations

TABLES = """
CREATE TABLE drafts (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    account    TEXT NOT NULL DEFAULT '',
    message_id TEXT NOT NULL,
    saved      REAL NOT NULL,
    kind       TEXT NOT NULL,
    subject    TEXT NOT NULL,
    recipients TEXT NOT NULL,
    content    TEXT NOT NULL,             -- JSON of the draft, without the bytes of attachments
    server_id  TEXT NOT NULL DEFAULT ''   -- its copy in the server's Drafts (16.0 on)
);

CREATE TABLE draft_attachments (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    draft_id INTEGER NOT NULL,
    position INTEGER NOT NULL,
    size     INTEGER NOT NULL
);
CREATE INDEX draft_attachments_draft ON draft_attachments (draft_id);

CREATE TABLE outbox (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    account       TEXT NOT NULL,          -- account.value of 'account': a message never leaves by another mailbox
    state         TEXT NOT NULL,          -- queued, sent, uncertain, confirmed, failed
    command       TEXT NOT NULL,
    client_id     TEXT NOT NULL UNIQUE,
    message_id    TEXT NOT NULL,
    subject       TEXT NOT NULL,
    recipients    TEXT NOT NULL,
    created       REAL NOT NULL,
    size          INTEGER NOT NULL,
    attempts      INTEGER NOT NULL DEFAULT 0,
    sent_at       REAL,
    status        INTEGER,
    reason        TEXT NOT NULL DEFAULT '',
    save          INTEGER NOT NULL,
    template      TEXT NOT NULL DEFAULT '',
    source        INTEGER,                -- messages.id of the original
    source_folder TEXT NOT NULL DEFAULT '',
    source_item   TEXT NOT NULL DEFAULT '',
    replace       INTEGER NOT NULL DEFAULT 0, -- 1: the message is whole, the server adds nothing (ReplaceMime)
    fallback      INTEGER NOT NULL DEFAULT 0, -- 1: a whole message lies beside the one to which the server adds
    draft_id      INTEGER
);
CREATE INDEX outbox_message ON outbox (message_id);
CREATE INDEX outbox_state ON outbox (state);

CREATE TRIGGER drafts_removed AFTER DELETE ON drafts BEGIN
    DELETE FROM draft_attachments WHERE draft_id = OLD.id;
END;
CREATE TRIGGER draft_attachments_removed AFTER DELETE ON draft_attachments BEGIN
    DELETE FROM blobs WHERE kind = 'draft' AND item_id = OLD.id;
END;
CREATE TRIGGER outbox_removed AFTER DELETE ON outbox BEGIN
    DELETE FROM blobs WHERE kind IN ('outbox', 'outbox_complete') AND item_id = OLD.id;
END;
"""
