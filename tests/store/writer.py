"""Run in a process of its own by `test_clear`: fills a store with marked mail in large steps, and exports nothing.

Arguments: path, key. Prints "filled" in the middle of a transaction that outgrew the page cache, "open" with the
write-ahead log full, and waits for a line of input after each.
"""

from __future__ import annotations

import sys
from pathlib import Path

from emailplus.model.changes import EndRun, StoreContents, SyncWindows, Window
from emailplus.model.message import Body
from emailplus.store.keys import RawKey
from emailplus.store.search import search
from emailplus.store.store import Store
from tests.store.mail import attachment, index_all, message, new_store

FOLDER_MARK = "qqfoldermark"


def pause(word: str) -> None:
    print(word, flush=True)
    sys.stdin.readline()


def marked(number: int) -> object:
    filler = f"qqbodymark {number} " * 1500
    mime = f"Subject: qqmimemark\r\nX-Header: qqheadermark\r\n\r\nqqmimebody {number}\r\n".encode() * 50
    return message(
        f"qqserverid{number}", f"qqsubjectmark {number}", None if number % 2 else filler,
        sender="qqsendermark@example.com", to="Qqrecipientmark <x@example.com>", categories=("qqcategorymark",),
        preview="qqpreviewmark", thread_topic="qqtopicmark",
        **({"body": Body(4, mime, len(mime)), "body_state": "stored"} if number % 2 else {}),
        attachments=[attachment("qqfilemark.txt", 9, f"qqreferencemark{number}")],
    )  # fmt: skip


def main(path: Path, key: bytes) -> None:
    store = new_store(path, key=key)
    database = store.database
    database.execute("PRAGMA cache_size = 20")
    with database.transaction():
        store.apply(SyncWindows([Window(1, "qqsynckeymark", "", added=[marked(n) for n in range(400)])]))
        # A sort and a temporary index far larger than the cache.
        database.all("SELECT m.subject, b.data FROM messages m JOIN bodies b ON b.message_id = m.id ORDER BY b.data")
        database.execute("CREATE TEMP TABLE spill AS SELECT data FROM bodies ORDER BY data DESC")
        pause("filled")
    store.apply(StoreContents([(n, b"qqcontentmark " * 90_000, "text/plain") for n in range(1, 9)]))
    index_all(store)
    assert len(search(database, "qqbodymark", None)) == 200
    pause("open")
    database.rekey(RawKey(key[::-1]))
    store.apply(EndRun())
    database.execute("INSERT INTO search (search) VALUES ('optimize')")
    database.execute("VACUUM")
    store.close()
    with Store.open(path, key[::-1]) as again:
        assert again.message(1).text.startswith("qqbodymark")


main(Path(sys.argv[1]), bytes.fromhex(sys.argv[2]))
