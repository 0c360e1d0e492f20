"""What was changed of mail here and not told to the server yet."""

from __future__ import annotations

TABLES = """
CREATE TABLE mail_changes (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id    INTEGER,                 -- messages.id; NULL: the whole folder is to be emptied
    folder_id     INTEGER NOT NULL,        -- where the server has the message
    server_id     TEXT NOT NULL DEFAULT '',-- and under which ServerId
    kind          TEXT NOT NULL,           -- read, flag, categories, move, delete, empty
    value         TEXT NOT NULL DEFAULT '',
    before        TEXT NOT NULL DEFAULT '',-- what it was, for a change that the server refuses
    target        INTEGER,                 -- move: folders.id
    permanent     INTEGER NOT NULL DEFAULT 0,
    conflict      TEXT NOT NULL DEFAULT 'server_wins',
    created       REAL NOT NULL,
    attempts      INTEGER NOT NULL DEFAULT 0,
    state         TEXT NOT NULL DEFAULT 'queued', -- queued, failed; a confirmed one is removed
    status        INTEGER,
    reason        TEXT NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX mail_changes_message ON mail_changes (message_id, kind) WHERE message_id IS NOT NULL;
CREATE INDEX mail_changes_folder ON mail_changes (folder_id);

CREATE TRIGGER messages_removed_changes AFTER DELETE ON messages BEGIN
    DELETE FROM mail_changes WHERE message_id = OLD.id;
END;
CREATE TRIGGER folders_removed_changes BEFORE DELETE ON folders BEGIN
    DELETE FROM mail_changes WHERE folder_id = OLD.id OR target = OLD.id;
END;
"""
