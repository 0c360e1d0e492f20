"""Events, contacts, tasks and notes, and what was changed here and not told to the server yet.

One table, since ids, passes and changes are the same for all classes. Columns are what is searched or sorted by; the
item itself is JSON (`emailplus.store.values`).
"""

from __future__ import annotations

TABLES = """
ALTER TABLE messages ADD COLUMN details TEXT NOT NULL DEFAULT '';      -- JSON: flag, meeting, voice and the like
ALTER TABLE messages ADD COLUMN meeting_uid TEXT NOT NULL DEFAULT '';  -- UID of the event that the mail is about
CREATE INDEX messages_meeting ON messages (meeting_uid) WHERE meeting_uid <> '';

CREATE TABLE items (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    folder_id   INTEGER NOT NULL REFERENCES folders(id),
    class       TEXT NOT NULL,
    server_id   TEXT NOT NULL,               -- 'new:' and the ClientId until the server has given one
    pass        INTEGER NOT NULL DEFAULT 0,  -- as in messages; of what the server has not got yet: the largest
    gone        INTEGER NOT NULL DEFAULT 0,  -- 1 as in messages; 2: we want it deleted, the server does not know yet
    cached      INTEGER NOT NULL DEFAULT 1,
    fingerprint BLOB,
    title       TEXT NOT NULL DEFAULT '',
    uid         TEXT NOT NULL DEFAULT '',
    starts      REAL,                        -- Unix time: of an event, or when a task is due
    ends        REAL,                        -- of an event; NULL: a series, which is looked at for every window
    done        INTEGER NOT NULL DEFAULT 0,
    people      TEXT NOT NULL DEFAULT '',    -- addresses of a contact, of attendees; folded
    words       TEXT NOT NULL DEFAULT '',    -- everything that is text; folded
    data        TEXT NOT NULL DEFAULT '{}',  -- the item as it is shown
    base        TEXT,                        -- as the server has it, while changes of ours wait; else NULL
    UNIQUE (folder_id, server_id)
);
CREATE INDEX items_class ON items (class, starts);
CREATE INDEX items_uid ON items (uid) WHERE uid <> '';
CREATE INDEX items_fingerprint ON items (fingerprint) WHERE fingerprint IS NOT NULL;
CREATE INDEX items_gone ON items (id) WHERE gone = 1;

CREATE TABLE item_changes (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    item_id      INTEGER NOT NULL,
    folder_id    INTEGER NOT NULL,
    kind         TEXT NOT NULL,               -- add, change, delete
    state        TEXT NOT NULL,               -- queued, sent, failed; a confirmed one is removed
    client_id    TEXT NOT NULL UNIQUE,        -- the same in every attempt
    instance     TEXT NOT NULL DEFAULT '',    -- one instance of a series: its original start
    changes      TEXT NOT NULL DEFAULT '{}',  -- JSON of the attributes that change
    removed      TEXT NOT NULL DEFAULT '',    -- FileReferences of attachments that go, one a line
    send_updates INTEGER NOT NULL DEFAULT 0,
    created      REAL NOT NULL,
    attempts     INTEGER NOT NULL DEFAULT 0,
    status       INTEGER,
    reason       TEXT NOT NULL DEFAULT '',
    told         INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX item_changes_item ON item_changes (item_id);
CREATE INDEX item_changes_folder ON item_changes (folder_id);

CREATE TABLE vips (
    item_id INTEGER PRIMARY KEY               -- a contact marked as very important; known here only
);

CREATE TRIGGER items_removed AFTER DELETE ON items BEGIN
    DELETE FROM vips WHERE item_id = OLD.id;
    DELETE FROM item_changes WHERE item_id = OLD.id;
END;
CREATE TRIGGER folders_removed_items BEFORE DELETE ON folders BEGIN
    DELETE FROM items WHERE folder_id = OLD.id;
    DELETE FROM item_changes WHERE folder_id = OLD.id;
END;
"""
