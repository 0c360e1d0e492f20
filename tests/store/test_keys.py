"""Where the key of a store comes from, and what is said of one that does not fit."""

from __future__ import annotations

import json
import secrets
import sys
import types
from pathlib import Path

import pytest

from emailplus.errors import StoreDamaged, StoreKeyMissing, WrongStoreKey
from emailplus.store import keys
from emailplus.store.keys import EnvironmentKey, Kdf, KeyFile, KeyRecord, KeyringKey, Passphrase, RawKey
from emailplus.store.store import Store
from tests.store.mail import KEY

CHEAP = Kdf(bytes(16), n=16384)


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passphrases at the smallest cost that is accepted."""
    monkeypatch.setattr(Passphrase, "new_kdf", lambda _: Kdf(secrets.token_bytes(16), n=16384))


@pytest.mark.parametrize("key", [KEY, KEY.hex(), KEY.hex().upper(), f" {KEY.hex()}\n"])
def test_raw_keys(key: bytes | str) -> None:
    assert RawKey(key).key(None) == KEY


@pytest.mark.parametrize("key", ["", b"", KEY[:31], KEY + b"x", KEY.hex()[:-1], KEY.hex() + "0", "z" * 64, "é" * 64])
def test_what_is_no_key(key: bytes | str) -> None:
    with pytest.raises(StoreKeyMissing, match="64 hexadecimal digits"):
        RawKey(key)


def test_thirty_two_bytes_that_look_like_text_are_taken_as_they_are() -> None:
    assert RawKey(b"0123456789abcdef" * 2).key(None) == b"0123456789abcdef" * 2


def test_key_files(tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(KEY)
    (tmp_path / "digits").write_text(KEY.hex() + "\n")
    (tmp_path / "short").write_text("abc")
    assert KeyFile(tmp_path / "bytes").key(None) == KeyFile(tmp_path / "digits").key(None) == KEY
    with pytest.raises(StoreKeyMissing, match="the key file must be"):
        KeyFile(tmp_path / "short")
    with pytest.raises(StoreKeyMissing, match="No such file"):
        KeyFile(tmp_path / "absent")
    with pytest.raises(StoreKeyMissing, match="directory"):
        KeyFile(tmp_path)


def test_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EMAILPLUS_STORE_KEY", raising=False)
    with pytest.raises(StoreKeyMissing, match="EMAILPLUS_STORE_KEY is not set"):
        EnvironmentKey()
    monkeypatch.setenv("EMAILPLUS_STORE_KEY", "secret words")
    with pytest.raises(StoreKeyMissing) as refused:
        EnvironmentKey()
    assert "secret words" not in str(refused.value)
    monkeypatch.setenv("EMAILPLUS_STORE_KEY", KEY.hex())
    assert EnvironmentKey().key(None) == KEY


class FakeKeyring(types.ModuleType):
    """The two functions of `keyring` that are used."""

    def __init__(self, *, locked: bool = False) -> None:
        super().__init__("keyring")
        self.held: dict[tuple[str, str], str] = {}
        self.locked = locked

    def get_password(self, service: str, account: str) -> str | None:
        if self.locked:
            raise RuntimeError("the collection is locked: hunter2")
        return self.held.get((service, account))

    def set_password(self, service: str, account: str, written: str) -> None:
        self.held[service, account] = written


def test_the_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    ring = FakeKeyring()
    monkeypatch.setitem(sys.modules, "keyring", ring)
    with pytest.raises(StoreKeyMissing, match="holds no key for ann"):
        KeyringKey("ann")
    made = KeyringKey("ann", create=True).key(None)
    assert KeyringKey("ann").key(None) == KeyringKey("ann", create=True).key(None) == made
    assert KeyringKey("bob", create=True).key(None) != made
    assert set(ring.held) == {("emailplus", "ann"), ("emailplus", "bob")}
    ring.held["emailplus", "ann"] = "scribble"
    with pytest.raises(StoreKeyMissing, match="the keyring entry must be"):
        KeyringKey("ann")


def test_a_keyring_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", FakeKeyring(locked=True))
    with pytest.raises(StoreKeyMissing, match="RuntimeError") as refused:
        KeyringKey("ann")
    assert "hunter2" not in str(refused.value)
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(StoreKeyMissing, match=r"emailplus\[keyring\]"):
        KeyringKey("ann")


def test_scrypt_is_the_one_of_the_rfc() -> None:
    """RFC 7914 section 12, third vector, its first 32 bytes."""
    derived = Kdf(b"SodiumChloride", n=16384, r=8, p=1).derive("pleaseletmein")
    assert derived.hex() == "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"


def test_the_default_cost_of_a_passphrase() -> None:
    kdf = Passphrase("x").new_kdf()
    assert (len(kdf.salt), kdf.n, kdf.r, kdf.p) == (16, 1 << 17, 8, 1)
    assert kdf.salt != Passphrase("x").new_kdf().salt
    with pytest.raises(StoreKeyMissing, match="empty"):
        Passphrase("")


def test_a_passphrase_opens_what_it_closed(tmp_path: Path, cheap: None) -> None:
    path = tmp_path / "mailbox.db"
    Store.open(path, Passphrase("correct horse")).close()
    Store.open(path, Passphrase("correct horse"), create=False).close()
    with pytest.raises(WrongStoreKey):
        Store.open(path, Passphrase("correct house"))
    with pytest.raises(StoreKeyMissing, match="made with a passphrase"):
        Store.open(path, KEY)


def test_a_passphrase_for_a_raw_key(tmp_path: Path) -> None:
    path = tmp_path / "mailbox.db"
    Store.open(path, KEY).close()
    with pytest.raises(StoreKeyMissing, match="made with a raw key"):
        Store.open(path, Passphrase("x"))


def test_nothing_tells_a_key(cheap: None) -> None:
    assert "hunter2" not in repr(Passphrase("hunter2")) + str(Passphrase("hunter2"))
    assert KEY.hex() not in repr(RawKey(KEY)) + str(RawKey(KEY))


def test_the_record_holds_no_secret(tmp_path: Path) -> None:
    path = tmp_path / "mailbox.db"
    Store.open(path, KEY).close()
    written = KeyRecord.path(path).read_bytes()
    assert KEY not in written
    assert KEY.hex().encode() not in written
    assert KeyRecord.path(path).stat().st_mode & 0o777 == 0o600
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "content",
    [
        "", "{", "[]", "null", '"x"', "{}", '{"store_id": 1, "kdf": null}', "\udcff",
        '{"store_id": 5, "kdf": null, "verifier": 6}',
        '{"store_id": "a", "kdf": null, "verifier": "\\u00e9"}',
        json.dumps({"store_id": "aa", "verifier": "bb", "kdf": {"salt": "00", "n": 1 << 30, "r": 8, "p": 1}}),
        json.dumps({"store_id": "aa", "verifier": "bb", "kdf": {"salt": "00", "n": 16385, "r": 8, "p": 1}}),
        json.dumps({"store_id": "aa", "verifier": "bb", "kdf": {"salt": "zz", "n": 16384, "r": 8, "p": 1}}),
    ],
)  # fmt: skip
def test_a_damaged_record_is_damage_and_stays_as_it_is(tmp_path: Path, content: str) -> None:
    path = tmp_path / "mailbox.db"
    Store.open(path, KEY).close()
    before = path.read_bytes()
    KeyRecord.path(path).write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(StoreDamaged):
        Store.open(path, KEY)
    assert path.read_bytes() == before
    assert KeyRecord.path(path).read_bytes() == content.encode("utf-8", "surrogateescape")


def test_a_missing_record_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "mailbox.db"
    Store.open(path, KEY).close()
    KeyRecord.path(path).unlink()
    with pytest.raises(StoreDamaged, match="restore it from a backup"):
        Store.open(path, KEY)
    assert not KeyRecord.path(path).exists()


def test_the_verifier_depends_on_key_and_store() -> None:
    assert len({keys.verifier(KEY, "a"), keys.verifier(KEY, "b"), keys.verifier(KEY[::-1], "a")}) == 3
