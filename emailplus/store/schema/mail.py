"""Mail and the account: folders, messages, bodies, attachments, the spool of contents, quarantine, the index."""

from __future__ import annotations

TABLES = """
CREATE TABLE account (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE folders (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    server_id TEXT NOT NULL UNIQUE,
    parent_id TEXT NOT NULL,
    name      TEXT NOT NULL,
    type      INTEGER NOT NULL,
    sync_key  TEXT NOT NULL DEFAULT '0',
    options   TEXT NOT NULL DEFAULT '',
    pass      INTEGER NOT NULL DEFAULT 0,  -- number of the current or last full pass
    pass_open INTEGER NOT NULL DEFAULT 0   -- 1: that pass has not met everything yet
);

CREATE TABLE messages (
    id                 INTEGER PRIMARY KEY AUTOINCREMENT,
    folder_id          INTEGER NOT NULL REFERENCES folders(id),
    server_id          TEXT NOT NULL,
    pass               INTEGER NOT NULL,           -- the last full pass that met it
    gone               INTEGER NOT NULL DEFAULT 0, -- 1: off the server; kept to the end of the run to notice moves
    cached             INTEGER NOT NULL DEFAULT 1, -- 0: id only (local_cache_all)
    fingerprint        BLOB,
    subject            TEXT NOT NULL DEFAULT '',
    sender             TEXT NOT NULL DEFAULT '',
    recipients         TEXT NOT NULL DEFAULT '',
    cc                 TEXT NOT NULL DEFAULT '',
    bcc                TEXT NOT NULL DEFAULT '',
    reply_to           TEXT NOT NULL DEFAULT '',
    display_to         TEXT NOT NULL DEFAULT '',
    received           REAL,                       -- Unix time
    importance         INTEGER NOT NULL DEFAULT 1,
    read               INTEGER NOT NULL DEFAULT 0,
    flag_status        INTEGER NOT NULL DEFAULT 0,
    message_class      TEXT NOT NULL DEFAULT '',
    content_class      TEXT NOT NULL DEFAULT '',
    thread_topic       TEXT NOT NULL DEFAULT '',
    thread             TEXT NOT NULL DEFAULT '',   -- ConversationId in hex, or the topic where there is none
    conversation_index BLOB,
    internet_code_page INTEGER NOT NULL DEFAULT 0,
    native_body_type   INTEGER NOT NULL DEFAULT 0,
    last_verb          INTEGER NOT NULL DEFAULT 0,
    draft              INTEGER NOT NULL DEFAULT 0,
    categories         TEXT NOT NULL DEFAULT '',   -- one a line
    preview            TEXT NOT NULL DEFAULT '',
    extra              BLOB,                       -- WBXML of properties without a column
    body_type          INTEGER NOT NULL DEFAULT 0,
    body_size          INTEGER NOT NULL DEFAULT 0,
    body_state         TEXT NOT NULL DEFAULT 'none',
    body_reason        TEXT NOT NULL DEFAULT '',
    body_blob          INTEGER,
    told               INTEGER NOT NULL DEFAULT 0, -- 1: its refusal or failure was reported
    indexed            INTEGER NOT NULL DEFAULT 0,
    UNIQUE (folder_id, server_id)
);
CREATE INDEX messages_received ON messages (received);
CREATE INDEX messages_thread ON messages (thread);
CREATE INDEX messages_fingerprint ON messages (fingerprint) WHERE fingerprint IS NOT NULL;
CREATE INDEX messages_unindexed ON messages (id) WHERE indexed = 0 AND cached = 1;
CREATE INDEX messages_pending ON messages (id) WHERE body_state IN ('pending', 'refused', 'failed');
CREATE INDEX messages_gone ON messages (id) WHERE gone = 1;

CREATE TABLE bodies (
    message_id INTEGER PRIMARY KEY,
    data       BLOB NOT NULL
);

CREATE TABLE attachments (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id       INTEGER NOT NULL,
    file_reference   TEXT NOT NULL,
    name             TEXT NOT NULL,
    size             INTEGER NOT NULL,
    method           INTEGER NOT NULL,
    content_id       TEXT NOT NULL,
    content_location TEXT NOT NULL,
    content_type     TEXT NOT NULL,
    inline           INTEGER NOT NULL,
    state            TEXT NOT NULL,
    reason           TEXT NOT NULL DEFAULT '',
    told             INTEGER NOT NULL DEFAULT 0,
    blob             INTEGER
);
CREATE INDEX attachments_message ON attachments (message_id);
CREATE INDEX attachments_pending ON attachments (id) WHERE state IN ('pending', 'refused', 'failed');

CREATE TABLE blobs (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    kind     TEXT NOT NULL,
    item_id  INTEGER NOT NULL,
    size     INTEGER NOT NULL DEFAULT 0,
    complete INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX blobs_item ON blobs (kind, item_id);

CREATE TABLE chunks (
    blob   INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    data   BLOB NOT NULL,
    PRIMARY KEY (blob, offset)
) WITHOUT ROWID;

CREATE TABLE quarantine (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    folder_id INTEGER NOT NULL,
    server_id TEXT NOT NULL,
    raw       BLOB NOT NULL,
    error     TEXT NOT NULL,
    version   TEXT NOT NULL,
    told      INTEGER NOT NULL DEFAULT 0,
    UNIQUE (folder_id, server_id)
);

CREATE VIRTUAL TABLE search USING fts5 (
    subject, people, body,
    content = '', contentless_delete = 1, tokenize = 'unicode61 remove_diacritics 2'
);

CREATE TRIGGER messages_removed AFTER DELETE ON messages BEGIN
    DELETE FROM bodies WHERE message_id = OLD.id;
    DELETE FROM attachments WHERE message_id = OLD.id;
    DELETE FROM blobs WHERE kind = 'body' AND item_id = OLD.id;
    DELETE FROM search WHERE rowid = OLD.id AND OLD.indexed = 1;
END;
CREATE TRIGGER attachments_removed AFTER DELETE ON attachments BEGIN
    DELETE FROM blobs WHERE kind = 'attachment' AND item_id = OLD.id;
END;
CREATE TRIGGER blobs_removed AFTER DELETE ON blobs BEGIN
    DELETE FROM chunks WHERE blob = OLD.id;
END;
CREATE TRIGGER folders_removed BEFORE DELETE ON folders BEGIN
    DELETE FROM messages WHERE folder_id = OLD.id;
    DELETE FROM quarantine WHERE folder_id = OLD.id;
END;
"""
