"""Signing in: the tokens of the account, digests of refused passwords, and what is remembered about passwords."""

from __future__ import annotations

TABLES = """
CREATE TABLE tokens (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    tokens TEXT NOT NULL                       -- JSON of model.sign_in.Tokens
);

CREATE TABLE refused_passwords (
    digest  TEXT PRIMARY KEY,                  -- scrypt under a key of this store, in hex
    refused REAL NOT NULL                      -- Unix time
) WITHOUT ROWID;

CREATE TABLE sign_in (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;
"""
NAMES = ("tokens", "refused_passwords", "sign_in")
