"""Too many wrong passphrases: a pause, counted before the store opens."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from emailplus.errors import PolicyDenied, StoreBusy, WrongStoreKey
from emailplus.model.changes import SaveAccount, Wipe
from emailplus.policy.server_policy import ServerPolicy
from emailplus.store import attempts
from emailplus.store.attempts import FIRST_PAUSE, LONGEST_PAUSE, counted
from emailplus.store.keys import Kdf, Passphrase, RawKey
from emailplus.store.store import Store

LIMITED = ServerPolicy(DevicePasswordEnabled=True, MaxDevicePasswordFailedAttempts=4)


class Quick(Passphrase):
    """scrypt, but fast."""

    def new_kdf(self) -> Kdf | None:
        return Kdf(b"0" * 16, n=1 << 14, r=1)


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


RIGHT, WRONG = Quick("right"), Quick("wrong")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(attempts, "counted", lambda path, key: counted(path, key, made))
    return made


@pytest.fixture
def path(tmp_path: Path, clock: Clock) -> Path:
    with Store.open(tmp_path / "m.db", RIGHT) as store:
        store.apply(SaveAccount({"policy": LIMITED.to_json()}))
    return tmp_path / "m.db"


def fail(path: Path, times: int) -> None:
    for _ in range(times):
        with pytest.raises(WrongStoreKey):
            Store.open(path, WRONG)


def sidecar(path: Path) -> Path:
    return path.with_name("m.db.attempts")


def test_a_pause_after_the_limit_that_grows(path: Path, clock: Clock) -> None:
    fail(path, 4)
    for pause in (FIRST_PAUSE, FIRST_PAUSE * 2, FIRST_PAUSE * 4):
        for key in (WRONG, RIGHT):  # even the right one waits
            with pytest.raises(PolicyDenied, match="wrong passphrases") as caught:
                Store.open(path, key)
            assert caught.value.rule == "MaxDevicePasswordFailedAttempts"
        clock.now += pause - 1
        with pytest.raises(PolicyDenied):
            Store.open(path, WRONG)
        clock.now += 2
        fail(path, 1)
    clock.now += LONGEST_PAUSE
    Store.open(path, RIGHT).close()
    fail(path, 3)  # success forgave all of it
    Store.open(path, RIGHT).close()


def test_the_pause_ends_at_a_day_also_for_a_clock_that_was_set_back(path: Path, clock: Clock) -> None:
    for _ in range(20):
        fail(path, 1)
        clock.now += LONGEST_PAUSE + 1
    fail(path, 1)
    clock.now -= 1e9
    with pytest.raises(PolicyDenied, match="86401 seconds"):
        Store.open(path, RIGHT)


def test_only_passphrases_are_counted_and_only_under_a_limit(tmp_path: Path, clock: Clock) -> None:
    raw = tmp_path / "raw.db"
    with Store.open(raw, RawKey(b"1" * 32)) as store:
        store.apply(SaveAccount({"policy": LIMITED.to_json()}))
    for _ in range(9):
        with pytest.raises(WrongStoreKey):
            Store.open(raw, RawKey(b"2" * 32))
    free = tmp_path / "m.db"
    Store.open(free, RIGHT).close()
    fail(free, 9)
    assert not sidecar(free).exists()


@pytest.mark.parametrize(
    "policy",
    [
        ServerPolicy(DevicePasswordEnabled=False, MaxDevicePasswordFailedAttempts=4),
        ServerPolicy(DevicePasswordEnabled=True),
    ],
)
def test_a_policy_that_asks_for_it_no_longer(path: Path, policy: ServerPolicy) -> None:
    with Store.open(path, RIGHT) as store:
        store.apply(SaveAccount({"policy": policy.to_json()}))
    fail(path, 9)
    with Store.open(path, RIGHT) as store:
        store.apply(SaveAccount({"policy": LIMITED.to_json()}))
        store.apply(SaveAccount({"policy": None}))
    assert not sidecar(path).exists()


def test_a_failure_of_another_kind_counts_for_nothing(path: Path) -> None:
    with Store.open(path, RIGHT, lock=True):
        for _ in range(6):
            with pytest.raises(StoreBusy):
                Store.open(path, RIGHT, lock=True)
    Store.open(path, RIGHT).close()
    assert json.loads(sidecar(path).read_bytes())["failed"] == 0


def test_an_attempt_that_is_killed_counts(path: Path, clock: Clock) -> None:
    attempt = counted(path, WRONG, clock)
    attempt.__enter__()  # and nothing after it
    assert json.loads(sidecar(path).read_bytes())["failed"] == 1


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'{"limit": "x"}', b'{"limit": 1e999}', b"\xff" * 5000])
def test_a_count_that_cannot_be_read_is_the_strictest_one(path: Path, content: bytes) -> None:
    sidecar(path).write_bytes(content)
    fail(path, 4)
    with pytest.raises(PolicyDenied):
        Store.open(path, RIGHT)


def test_a_changed_limit_keeps_the_count(path: Path) -> None:
    attempts.set_limit(path, 8)
    fail(path, 5)
    attempts.set_limit(path, 4)
    assert json.loads(sidecar(path).read_bytes())["failed"] == 5
    assert sidecar(path).stat().st_mode & 0o777 == 0o600


def test_a_wipe_takes_the_count_along(path: Path) -> None:
    store = Store.open(path, RIGHT)
    store.apply(Wipe(account_only=True))
    assert not sidecar(path).exists()
    store.apply(SaveAccount({"policy": LIMITED.to_json()}))
    store.apply(Wipe(account_only=False))
    assert [file.name for file in path.parent.iterdir()] == []
