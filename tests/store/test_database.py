"""The encrypted file: wrong keys, damage, tampering, rekeying, older and newer stores, locks."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emailplus.errors import StoreBusy, StoreDamaged, StoreError, StoreTooNew, WrongStoreKey
from emailplus.model.changes import FolderChanges
from emailplus.store import database as database_module
from emailplus.store import schema
from emailplus.store.database import PAGE_SIZE, Database
from emailplus.store.keys import KeyProvider, KeyRecord, Passphrase, RawKey
from emailplus.store.search import search
from emailplus.store.store import Store
from tests.store.mail import FOLDERS, KEY, index_all, message, new_store, window
from tests.store.test_keys import cheap  # noqa: F401

OTHER = bytes(reversed(KEY))


def filled(path: Path, count: int = 40, size: int = 3000) -> None:
    with new_store(path) as store:
        window(store, added=[message(f"s{n}", f"Mail {n}", f"{n} words " * (size // 8)) for n in range(count)])
        index_all(store)


def readable(path: Path, key: KeyProvider | bytes) -> int:
    """Opens the store, reads all of it; the number of messages."""
    with Store.open(path, key, create=False) as store:
        assert store.database.verify() == []
        return sum(store.message(number).text.startswith(f"{number - 1} words") for number in store.ids())


def read_everything(store: Store) -> None:
    tables = store.database.all("SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'search'")
    for (name,) in tables:
        store.database.all(f"SELECT * FROM {name}")


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_memory_is_locked_and_wiped(tmp_path: Path) -> None:
    """In a process of its own: the one of the tests does without (conftest.py), and it cannot be turned back."""
    program = (
        "import sys; from emailplus.store.store import Store\n"
        f"with Store.open(sys.argv[1], {KEY!r}) as store: print(store.database.scalar('PRAGMA cipher_memory_security'))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "mailbox.db")], capture_output=True, text=True, check=True
    )
    assert ran.stdout == "1\n"


def test_a_wrong_key_changes_nothing(tmp_path: Path) -> None:
    filled(tmp_path / "mailbox.db")
    before = files(tmp_path)
    with pytest.raises(WrongStoreKey):
        Store.open(tmp_path / "mailbox.db", OTHER)
    assert files(tmp_path) == before


_REGIONS = {
    "salt": 3, "first page": 500, "first page, header": 20, "first page, nonce": PAGE_SIZE - 75,
    "first page, MAC": PAGE_SIZE - 20, "inner page": PAGE_SIZE * 9 + 4000, "inner nonce": PAGE_SIZE * 10 - 75,
    "inner MAC": PAGE_SIZE * 10 - 20, "last page": -PAGE_SIZE + 100,
}  # fmt: skip


@pytest.mark.parametrize("region", _REGIONS)
def test_a_flipped_bit_is_damage_and_found(tmp_path: Path, region: str) -> None:
    path = tmp_path / "mailbox.db"
    filled(path)
    data = bytearray(path.read_bytes())
    data[_REGIONS[region]] ^= 0x10
    path.write_bytes(data)
    if region.startswith(("salt", "first")):
        with pytest.raises(StoreDamaged, match="is damaged"):
            Store.open(path, KEY, create=False)
    else:
        with Store.open(path, KEY, create=False) as store:
            assert store.database.verify()
            with pytest.raises(StoreDamaged, match="is damaged"):
                read_everything(store)
    assert path.read_bytes() == bytes(data)


def test_every_page_is_looked_at(tmp_path: Path) -> None:
    """One flipped bit a page, whichever page: `verify` or the opening itself notices."""
    filled(tmp_path / "mailbox.db", 25)
    whole = (tmp_path / "mailbox.db").read_bytes()
    path = tmp_path / "copy.db"
    shutil.copy(tmp_path / "mailbox.db.key", tmp_path / "copy.db.key")
    for page in range(len(whole) // PAGE_SIZE):
        data = bytearray(whole)
        data[page * PAGE_SIZE + (page * 97 + 16) % PAGE_SIZE] ^= 1
        path.write_bytes(data)
        try:
            with Store.open(path, KEY, create=False) as store:
                assert store.database.verify(), page
        except StoreDamaged:
            continue


def test_pages_that_changed_places_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "mailbox.db"
    filled(path)
    data = path.read_bytes()
    pages = [data[at : at + PAGE_SIZE] for at in range(0, len(data), PAGE_SIZE)]
    pages[8], pages[9] = pages[9], pages[8]
    path.write_bytes(b"".join(pages))
    with Store.open(path, KEY, create=False) as store:
        assert store.database.verify()


def test_a_file_cut_short_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "mailbox.db"
    filled(path)
    os.truncate(path, path.stat().st_size // 2 // PAGE_SIZE * PAGE_SIZE)
    try:
        with Store.open(path, KEY, create=False) as store:
            assert store.database.verify()
    except StoreDamaged:
        pass


def test_another_file_in_its_place_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "mailbox.db"
    filled(path)
    path.write_bytes(b"SQLite format 3\0" + bytes(9000))
    with pytest.raises(StoreDamaged):
        Store.open(path, KEY)


def test_a_store_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="`sync` makes one"):
        Store.open(tmp_path / "mailbox.db", KEY, create=False)
    assert list(tmp_path.iterdir()) == []


# -- rekey -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (RawKey(KEY), RawKey(OTHER)), (RawKey(KEY), Passphrase("new")), (Passphrase("old"), RawKey(OTHER)),
        (Passphrase("old"), Passphrase("new")),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("cheap")
def test_rekey_cut_after_every_step(tmp_path: Path, old: KeyProvider, new: KeyProvider) -> None:
    """A copy of the files between any two steps opens, complete, with the old key or the new one; settled for good."""
    home, copies = tmp_path / "home", tmp_path / "copies"
    home.mkdir()
    with Store.open(home / "mailbox.db", old) as store:
        store.apply(FolderChanges("1", added=FOLDERS))
        window(store, added=[message(f"s{n}", f"Mail {n}", f"{n} words " * 500) for n in range(10)])
        taken: list[Path] = []

        def snapshot() -> None:
            taken.append(copies / str(len(taken)))
            shutil.copytree(home, taken[-1])

        with pytest.MonkeyPatch.context() as patch:
            around(patch, Database, "_execute", snapshot)
            around(patch, KeyRecord, "write", snapshot)
            store.database.rekey(new)
        assert len(store.messages(list(store.ids()))) == 10
    assert len(taken) >= 12
    by_new = 0
    for copy in taken:
        path = copy / "mailbox.db"
        opened = []
        for key in (old, new):
            trial = Path(f"{copy}-{len(opened)}")
            shutil.copytree(copy, trial)
            try:
                assert readable(trial / "mailbox.db", key) == 10
                opened.append(key)
                assert not (KeyRecord.read(trial / "mailbox.db") or pytest.fail("no record")).next_verifier
                assert readable(trial / "mailbox.db", key) == 10
            except StoreError:
                shutil.rmtree(trial)
        assert len(opened) == 1, copy.name
        by_new += opened[0] is new
        assert path.exists()
    assert 0 < by_new < len(taken)
    with pytest.raises(StoreError):
        Store.open(home / "mailbox.db", old)
    assert readable(home / "mailbox.db", new) == 10


def around(patch: pytest.MonkeyPatch, owner: type, name: str, hook: Callable[[], None]) -> None:
    original = getattr(owner, name)

    def wrapped(*arguments: Any) -> Any:
        hook()
        result = original(*arguments)
        hook()
        return result

    patch.setattr(owner, name, wrapped)


_REKEY = """
import sys
from emailplus.store.keys import RawKey
from emailplus.store.store import Store
store = Store.open(sys.argv[1], sys.argv[2], lock=True)
print("ready", flush=True)
store.database.rekey(RawKey(sys.argv[3]))
print("done", flush=True)
"""


def test_rekey_killed_at_any_moment(tmp_path: Path) -> None:
    path = tmp_path / "mailbox.db"
    filled(path, 60, 60_000)
    keys = [KEY, OTHER]
    moments = (0.0, 0.004, 0.01, 0.015, 0.02, 0.03, 0.04, 0.06, 0.1)
    seen = set()
    for moment in moments:
        process = subprocess.Popen(
            [sys.executable, "-c", _REKEY, str(path), keys[0].hex(), keys[1].hex()], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        time.sleep(moment)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        try:
            assert readable(path, keys[0]) == 60
        except StoreError:
            assert readable(path, keys[1]) == 60
            keys.reverse()
            seen.add("new")
        else:
            seen.add("old")
    assert "old" in seen


# -- versions ----------------------------------------------------------------------------------------------------------

FIXTURE = Path(__file__).with_name("store_v1.sql")


def v1(path: Path) -> None:
    """A store as version 1 wrote it: its own script, not today's migrations."""
    key = RawKey(KEY)
    database = Database.open(path, key)
    with database.transaction():
        for kind in ("trigger", "index", "table"):
            for (name,) in database.all(
                "SELECT name FROM sqlite_master WHERE type = ? AND sql IS NOT NULL "
                "AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'search_%'",
                (kind,),
            ):
                database.execute(f"DROP {kind} {name}")
        for statement in database_module._statements(FIXTURE.read_text("utf-8")):
            database.execute(statement)
    database.close()


def test_a_store_of_version_1_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "mailbox.db"
    v1(path)
    with Store.open(path, KEY) as store, new_store(tmp_path / "fresh.db") as fresh:
        listing = "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY 1, 2"
        written = [(*row[:3], " ".join((row[3] or "").split())) for row in store.database.all(listing)]
        assert written == [(*row[:3], " ".join((row[3] or "").split())) for row in fresh.database.all(listing)]
        assert store.database.scalar("PRAGMA user_version") == schema.CURRENT
        assert store.database.verify() == []
        mail = store.message(1)
        assert (mail.subject, mail.text, mail.folder, mail.read) == ("Old friend", "kept words", "Inbox", True)
        assert b"".join(store.attachment_content(mail.attachments[0].id)) == b"attached"
        assert [(item.sync_key, item.pass_open) for item in store._mail_collections()] == [("41", False)]
        assert store.account() == {"folder_sync_key": "7"}
        assert search(store.database, "kept friend") == [1]
        assert window(store, added=[message("5:2", "New", "friend")]).added == 1
        index_all(store)
        assert search(store.database, "friend") == [2, 1]


def test_a_step_that_fails_leaves_the_older_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mailbox.db"
    filled(path)
    version = schema.CURRENT
    broken = "CREATE TABLE extra (a);\nINSERT INTO nowhere VALUES (1);\n"
    monkeypatch.setattr(database_module, "MIGRATIONS", (*schema.MIGRATIONS, broken))
    with pytest.raises(StoreError, match="nowhere"):
        Store.open(path, KEY)
    monkeypatch.undo()
    with Store.open(path, KEY) as store:
        assert store.database.scalar("PRAGMA user_version") == version
        assert store.database.scalar("SELECT count(*) FROM sqlite_master WHERE name = 'extra'") == 0
    assert readable(path, KEY) == 40


def test_a_later_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "mailbox.db"
    with new_store(path) as store:
        store.database.execute(f"PRAGMA user_version = {schema.CURRENT + 1}")
    before = files(tmp_path)
    with pytest.raises(StoreTooNew, match="update the program"):
        Store.open(path, KEY)
    assert {name: data for name, data in files(tmp_path).items() if data} == before


# -- several at once ---------------------------------------------------------------------------------------------------

_HOLD = """
import sys
from emailplus.store.store import Store
store = Store.open(sys.argv[1], sys.argv[2], lock=True)
if sys.argv[3] == "write":
    store.database.execute("BEGIN EXCLUSIVE")
print("ready", flush=True)
sys.stdin.read()
"""


def hold(path: Path, what: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(path), KEY.hex(), what], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


def test_one_process_works_others_read(tmp_path: Path) -> None:
    path = tmp_path / "mailbox.db"
    filled(path)
    process = hold(path, "lock")
    try:
        with pytest.raises(StoreBusy, match="another process is synchronising"):
            Store.open(path, KEY, lock=True)
        assert readable(path, KEY) == 40
    finally:
        process.communicate(b"")
    Store.open(path, KEY, lock=True).close()


def test_a_lock_of_a_dead_process_is_none(tmp_path: Path) -> None:
    path = tmp_path / "mailbox.db"
    filled(path)
    process = hold(path, "lock")
    process.kill()
    process.communicate()
    Store.open(path, KEY, lock=True).close()


def test_a_writer_elsewhere_is_busy_not_damage(tmp_path: Path) -> None:
    path = tmp_path / "mailbox.db"
    filled(path)
    process = hold(path, "write")
    try:
        with Store.open(path, KEY) as store:
            store.database.execute("PRAGMA busy_timeout = 50")
            with pytest.raises(StoreBusy):
                window(store, added=[message("x", "late")])
            assert len(list(store.ids())) == 40
    finally:
        process.communicate(b"")


def test_what_fails_inside_a_transaction_leaves_nothing(tmp_path: Path) -> None:
    with new_store(tmp_path / "mailbox.db") as store:

        def fails() -> None:
            with store.database.transaction():
                window(store, added=[message("a", "never")])
                store.database.execute("INSERT INTO messages (folder_id) VALUES (1)")

        with pytest.raises(StoreError, match="NOT NULL"):
            fails()
        assert list(store.ids()) == []
        assert store.database.scalar("SELECT sync_key FROM folders WHERE id = 1") == "0"


def test_destroying_leaves_no_file(tmp_path: Path) -> None:
    path = tmp_path / "mailbox.db"
    filled(path)
    store = Store.open(path, KEY, lock=True)
    store.database.destroy()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(StoreError):
        store.messages([1])


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    store = new_store(tmp_path / "mailbox.db")
    store.close()
    store.close()
    for use in (store.stats, lambda: list(store.ids()), lambda: store.message(1), lambda: window(store, added=[])):
        with pytest.raises(StoreError, match="closed"):
            use()
