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
