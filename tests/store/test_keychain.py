"""Keys in the encrypted file, and what the certificate keys of an app config do to them."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emailplus.config import AppConfig
from emailplus.errors import CertificateUnusable
from emailplus.smime.keychain import KeyEntry, Role
from emailplus.store.database import Database
from emailplus.store.keychain import KeychainChanges, apply_config, keychain
from emailplus.store.keys import as_provider
from emailplus.store.schema import MIGRATIONS
from emailplus.store.store import Store
from tests.smime.conftest import NOW, Authority, authority

__all__ = ["authority"]
KEY = bytes(range(32))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "mail.db", KEY) as opened:
        yield opened


def _config(**keys: Any) -> AppConfig:
    return AppConfig.load(
        {
            "email_address": "alice@example.com",
            "email_device_id": "0123456789ABCDEF",
            "email_exchange_host": "mail.example.com",
            "email_exchange_username": "alice",
            "email_ssl_required": "true",
            **keys,
        }
    )


def _p12(entry: KeyEntry, password: str = "secret") -> str:
    return base64.b64encode(entry.to_pkcs12(password.encode())).decode()


def _configured(key: str, entry: KeyEntry, password: str = "secret") -> dict[str, Any]:
    return {key: _p12(entry, password), f"{key}_MI_CERT_PW": password}


def _apply(store: Store, **keys: Any) -> KeychainChanges:
    return apply_config(store.database, _config(**keys), now=NOW)


def _chosen(store: Store, role: Role) -> str | None:
    entry = keychain(store.database).chosen(role)
    return entry.fingerprint if entry is not None else None


def test_keys_outlive_the_process(tmp_path: Path, authority: Authority) -> None:
    entries = [authority.issue(kind) for kind in ("rsa", "p256", "p384", "p521", "ed25519", "x25519")]
    path = tmp_path / "mail.db"
    with Store.open(path, KEY) as store:
        kept = keychain(store.database)
        for entry in entries[:5]:
            kept.add(entry)
        kept.select(Role.SIGNING, entries[1])
        kept.mark_revoked(entries[0].fingerprint)
        kept.add_escrow([entries[5]])
    with Store.open(path, KEY) as store:
        again = keychain(store.database).entries()
        assert [entry.certificate for entry in again] == [entry.certificate for entry in entries]
        assert [entry.key_bytes() for entry in again] == [entry.key_bytes() for entry in entries]
        assert [entry.revoked for entry in again] == [True, *[False] * 5]
        assert [entry.escrow for entry in again] == [*[False] * 5, True]
        assert again[1].selected == {Role.SIGNING}
    for file in tmp_path.iterdir():
        assert entries[1].key_bytes()[-40:] not in file.read_bytes()


def test_the_chain_comes_back(store: Store, authority: Authority) -> None:
    entry = KeyEntry(*_pair(authority.issue("p256")), chain=(authority.certificate,))
    keychain(store.database).add(entry)
    assert keychain(store.database).entries()[0].chain == (authority.certificate,)


def _pair(entry: KeyEntry) -> tuple[Any, Any]:
    return entry.certificate, entry.private_key


def test_change_and_removal(store: Store, authority: Authority) -> None:
    """Guide, table 2: a new certificate is selected and the previous stays; a removed key clears the selection only."""
    first, second = authority.issue("rsa"), authority.issue("p256")
    changes = _apply(store, **_configured("email_signing_certificate", first))
    assert [(c.key, c.certificate.fingerprint) for c in changes.imported] == [
        ("email_signing_certificate", first.fingerprint)
    ]
    assert [c.role for c in changes.selected] == [Role.SIGNING]
    assert _chosen(store, Role.SIGNING) == first.fingerprint
    assert _chosen(store, Role.ENCRYPTION) is None
    _apply(store, **_configured("email_signing_certificate", second))
    assert _chosen(store, Role.SIGNING) == second.fingerprint
    cleared = _apply(store)
    assert cleared.cleared == [Role.SIGNING]
    assert _chosen(store, Role.SIGNING) is None
    assert {entry.fingerprint for entry in keychain(store.database).entries()} == {
        first.fingerprint,
        second.fingerprint,
    }
    assert not _apply(store)


def test_encryption_certificate_is_selected_for_encryption_only(store: Store, authority: Authority) -> None:
    entry = authority.issue("rsa")
    _apply(store, **_configured("email_encryption_certificate", entry))
    assert _chosen(store, Role.ENCRYPTION) == entry.fingerprint
    assert _chosen(store, Role.SIGNING) is None
    assert _apply(store).cleared == [Role.ENCRYPTION]


def test_what_the_user_selected_stands_until_the_key_changes(store: Store, authority: Authority) -> None:
    configured, own = authority.issue("rsa"), authority.issue("p256")
    keys = _configured("email_signing_certificate", configured)
    _apply(store, **keys)
    kept = keychain(store.database)
    kept.select(Role.SIGNING, own)
    assert not _apply(store, **keys)
    assert _chosen(store, Role.SIGNING) == own.fingerprint
    _apply(store, **_configured("email_signing_certificate", authority.issue("p384")))
    assert _chosen(store, Role.SIGNING) != own.fingerprint


def test_wrong_password_is_a_problem_and_repaired_by_the_right_one(store: Store, authority: Authority) -> None:
    entry, before = authority.issue("p256"), authority.issue("rsa")
    _apply(store, **_configured("email_signing_certificate", before))
    keys = _configured("email_signing_certificate", entry)
    wrong = _apply(store, **keys | {"email_signing_certificate_MI_CERT_PW": "other"})
    assert wrong.problems == ["email_signing_certificate is not imported: the password does not open the archive"]
    assert "secret" not in repr(wrong)
    assert _chosen(store, Role.SIGNING) == before.fingerprint
    assert _apply(store, **keys).problems == []
    assert _chosen(store, Role.SIGNING) == entry.fingerprint


def test_an_unreadable_value_is_not_a_removal(store: Store, authority: Authority) -> None:
    entry = authority.issue("p256")
    _apply(store, **_configured("email_signing_certificate", entry))
    damaged = _config(email_signing_certificate="no certificate", email_signing_certificate_MI_CERT_PW="secret")
    assert any(problem.key == "email_signing_certificate" for problem in damaged.warnings)
    assert apply_config(store.database, damaged, now=NOW).cleared == []
    assert _chosen(store, Role.SIGNING) == entry.fingerprint


def test_expired_is_imported_told_and_not_offered(store: Store, authority: Authority) -> None:
    entry = authority.issue("rsa", start=-60, end=-2)
    changes = _apply(store, **_configured("email_encryption_certificate", entry))
    assert len(changes.problems) == 1
    assert "expired" in changes.problems[0]
    kept = keychain(store.database)
    assert kept.offered(Role.ENCRYPTION, NOW) == []
    with pytest.raises(CertificateUnusable, match="expired"):
        kept.required(Role.ENCRYPTION, NOW)
    assert [found.fingerprint for found in kept.decrypting()] == [entry.fingerprint]


def test_login_and_self_service_are_imported_and_not_selected(store: Store, authority: Authority) -> None:
    login, own = authority.issue("rsa"), authority.issue("p256")
    changes = _apply(
        store,
        **_configured("email_login_certificate", login),
        **_configured("email_user_certificate_self_service", own),
    )
    assert {c.key: c.certificate.fingerprint for c in changes.imported} == {
        "email_login_certificate": login.fingerprint,
        "email_user_certificate_self_service": own.fingerprint,
    }
    assert changes.selected == []
    assert [entry.source for entry in keychain(store.database).entries()] == [c.key for c in changes.imported]
    assert len(keychain(store.database).offered(Role.SIGNING, NOW)) == 2


def test_self_service_that_is_no_archive_is_a_problem(store: Store) -> None:
    changes = _apply(store, email_user_certificate_self_service="My certificate")
    assert len(changes.problems) == 1
    assert "PKCS#12" in changes.problems[0]


def test_escrow_only_decrypts(store: Store, authority: Authority) -> None:
    retired = [authority.issue(kind, start=-400, end=-35) for kind in ("rsa", "p256", "p384")]
    value = [
        {"email_escrow_certificates": _p12(entry, f"pw{n}"), "email_escrow_certificates_MI_CERT_PW": f"pw{n}"}
        for n, entry in enumerate(retired)
    ]
    value[1]["email_escrow_certificates_MI_CERT_PW"] = "wrong"
    changes = _apply(store, email_escrow_certificates=value)
    assert len(changes.imported) == 2
    assert len(changes.problems) == 1
    value[1]["email_escrow_certificates_MI_CERT_PW"] = "pw1"
    assert _apply(store, email_escrow_certificates=value).problems == []
    kept = keychain(store.database)
    assert len(kept.decrypting()) == 3
    assert kept.offered(Role.SIGNING, NOW) == kept.offered(Role.ENCRYPTION, NOW) == []
    _apply(store)
    assert len(kept.decrypting()) == 3


def test_an_older_store_gets_its_keychain(
    tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    from emailplus.store import database, schema

    before = schema.MIGRATIONS[:1]
    monkeypatch.setattr(database, "MIGRATIONS", before)
    Database.open(tmp_path / "mail.db", as_provider(KEY)).close()
    monkeypatch.setattr(database, "MIGRATIONS", MIGRATIONS)
    with Store.open(tmp_path / "mail.db", KEY) as store:
        keychain(store.database).add(authority.issue("p256"))
        assert len(keychain(store.database).entries()) == 1
