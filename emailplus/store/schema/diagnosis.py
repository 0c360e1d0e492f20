"""Diagnosis: the installation's random id, the kept log, starts that have not ended well, crash reports."""

from __future__ import annotations

TABLES = """
CREATE TABLE diagnosis (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE log_lines (
    id   INTEGER PRIMARY KEY AUTOINCREMENT,
    line TEXT NOT NULL                       -- one JSON object, redacted before it came here
);

CREATE TABLE starts (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    started  REAL NOT NULL,                  -- Unix time
    reported INTEGER NOT NULL DEFAULT 0      -- 1: its crash has a report
);

CREATE TABLE crash_reports (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    report    TEXT NOT NULL,                 -- JSON
    delivered INTEGER NOT NULL DEFAULT 0
);
"""

CACHED: dict[str, tuple[tuple[str, str], ...]] = {
    "messages": (("mail_changes", "message_id"), ("outbox", "source"), ("answers", "message_id")),
    "items": (("item_changes", "item_id"), ("vips", "item_id")),
    "quarantine": (),
    "folders": (
        ("messages", "folder_id"), ("items", "folder_id"), ("items", "moving_to"),
        ("mail_changes", "folder_id"), ("mail_changes", "target"),
        ("item_changes", "folder_id"),
    ),
}  # fmt: skip
"""Tables whose rows the server has, in the order in which crash recovery empties them. A row stays whose id stands in
one of the (table, column) beside it: something that the server does not know yet rests on it."""

OWNED = frozenset(
    {"bodies", "attachments", "blobs", "chunks", "markings", "marking_values", "heads", "arrivals", "reminders_told"}
)
"""Tables whose rows go with their owner's, by triggers."""

KEPT = frozenset({
    # the account, what was configured and what the user chose
    "account", "settings", "configuration", "app_policy", "pictures_shown", "rights_templates", "push_registration",
    # what the server does not know yet
    "drafts", "draft_attachments", "outbox", "mail_changes", "item_changes", "held_changes", "answers",
    # marks that the server has no place for
    "vips", "watch",
    # keys, without which old mail cannot be read, and certificates
    "keychain", "keychain_issuers", "keychain_configured", "trust_anchors", "recipient_certificates", "certificates",
    "revocation_lists",
    # signing in: tokens that only a person could renew, passwords that must not be sent again
    "tokens", "refused_passwords", "sign_in",
    "diagnosis", "log_lines", "starts", "crash_reports",
    # subscriptions of Exchange Web Services, and what was told of them
    "ews_subscriptions", "ews_sync_states", "ews_told",
})  # fmt: skip
"""Tables that crash recovery leaves alone (docs/diagnosis.md).

Every table of the store stands in one of the three; a test holds the schema to them.
"""
