"""S/MIME at rest: our keys, the certificates of others, revocation lists, and what each mail was looked through for."""

from __future__ import annotations

NAMES = (
    "keychain", "keychain_issuers", "keychain_configured", "recipient_certificates", "certificates", "revocation_lists",
    "trust_anchors",
)  # fmt: skip

TABLES = """
CREATE TABLE keychain (
    fingerprint TEXT PRIMARY KEY,              -- SHA-256 of the certificate, in hex
    certificate BLOB NOT NULL,                 -- DER
    private_key BLOB NOT NULL,                 -- PKCS #8 DER; the page it lies in is encrypted
    selected    TEXT NOT NULL DEFAULT '',      -- roles, by commas
    escrow      INTEGER NOT NULL DEFAULT 0,
    revoked     INTEGER NOT NULL DEFAULT 0,
    source      TEXT NOT NULL DEFAULT '',
    position    INTEGER NOT NULL               -- order of import
) WITHOUT ROWID;

CREATE TABLE keychain_issuers (
    fingerprint TEXT NOT NULL,
    position    INTEGER NOT NULL,
    certificate BLOB NOT NULL,
    PRIMARY KEY (fingerprint, position)
) WITHOUT ROWID;

CREATE TABLE keychain_configured (
    key    TEXT PRIMARY KEY,                   -- of the app config
    digest TEXT NOT NULL                       -- of the value that was last carried out
) WITHOUT ROWID;

CREATE TABLE trust_anchors (
    position    INTEGER PRIMARY KEY,           -- email_certificate_X in the order of X
    certificate BLOB NOT NULL
);

CREATE TABLE recipient_certificates (
    address     TEXT NOT NULL,                 -- in lower case
    fingerprint TEXT NOT NULL,
    source      TEXT NOT NULL,                 -- directory, signed mail, contact, import
    seen        REAL NOT NULL,                 -- Unix time of the last time it came from there
    PRIMARY KEY (address, fingerprint, source)
) WITHOUT ROWID;

CREATE TABLE certificates (
    fingerprint TEXT PRIMARY KEY,
    certificate BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE revocation_lists (
    url         TEXT PRIMARY KEY,
    data        BLOB,                          -- DER; NULL: never had
    next_update REAL,                          -- Unix time, NULL: the list names none
    tried       REAL NOT NULL DEFAULT 0,       -- Unix time of the last attempt
    problem     TEXT NOT NULL DEFAULT ''       -- of the last attempt
) WITHOUT ROWID;

ALTER TABLE messages ADD COLUMN examined INTEGER NOT NULL DEFAULT 0; -- 1: looked through for certificates
CREATE INDEX messages_unexamined ON messages (id)
    WHERE examined = 0 AND message_class >= 'IPM.Note.SMIME' AND message_class < 'IPM.Note.SMIMF';
"""

CAPABILITIES = """
ALTER TABLE recipient_certificates ADD COLUMN capabilities TEXT;  -- object identifiers, best first; NULL: not told
"""
