"""Bodies and attachments on their way in: resumed, refused, failed, and held against limits that change."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from emailplus.errors import NotFound
from emailplus.model.changes import (
    ClaimBlob,
    FinishBlob,
    RestartBlob,
    ReviewLimits,
    SettleFetch,
    StoreContents,
    TakeTroubles,
)  # fmt: skip
from emailplus.model.message import Body
from emailplus.model.queries import PendingFetches
from emailplus.store.search import search
from emailplus.store.spool import CHUNK
from emailplus.store.store import Store
from tests.store.mail import KEY, attachment, index_all, message, new_store, window

MIME = (
    b"Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/plain\r\n\r\nenveloped\r\n"
    b"--b\r\nContent-Type: image/png\r\nContent-Disposition: attachment; filename=big.png\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\nYmlncGljdHVyZQ==\r\n"
    b"--b\r\nContent-Type: text/x-a\r\nContent-Disposition: attachment; filename=a.txt\r\n\r\nsmall\r\n--b--\r\n"
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with new_store(tmp_path / "mailbox.db") as opened:
        yield opened


def pending(size: int = 9) -> Body:
    return Body(1, b"", size, truncated=True)


def test_a_download_goes_on_where_it_was_cut(tmp_path: Path) -> None:
    data = os.urandom(3 * CHUNK + 1000)
    with new_store(tmp_path / "mailbox.db") as store:
        window(store, added=[message("a", attachments=[attachment("f", len(data))])])
        blob, there = store.apply(ClaimBlob("attachment", 1))
        assert there == 0
        writer = store.blob_writer(blob)
        for at in range(0, 2 * CHUNK + 5000, 7000):
            writer.write(data[at : at + 7000])
    with Store.open(tmp_path / "mailbox.db", KEY) as store:
        again, there = store.apply(ClaimBlob("attachment", 1))
        assert (again, there) == (blob, 2 * CHUNK)
        with pytest.raises(NotFound, match="pending"):
            store.attachment_content(1)
        writer = store.blob_writer(blob)
        writer.write(data[there:])
        writer.flush()
        assert store.apply(FinishBlob("attachment", 1, blob, content_type="image/png")) == len(data)
        assert b"".join(store.attachment_content(1)) == data
        assert store.attachments(1)[0].content_type == "image/png"
        assert store.load(PendingFetches()) == []


def test_a_download_begun_again_forgets_what_was_there(store: Store) -> None:
    window(store, added=[message("a", body=pending(), body_state="pending")])
    blob, _ = store.apply(ClaimBlob("body", 1))
    writer = store.blob_writer(blob)
    writer.write(b"wrong")
    writer.flush()
    store.apply(RestartBlob(blob))
    assert store.apply(ClaimBlob("body", 1)) == (blob, 0)
    writer = store.blob_writer(blob)
    writer.write(b"right words")
    writer.flush()
    store.apply(FinishBlob("body", 1, blob))
    assert store.message(1).text == "right words"
    index_all(store)
    assert search(store.database, "right") == [1]


def test_an_empty_content_is_a_content(store: Store) -> None:
    window(store, added=[message("a", attachments=[attachment("f", 0)])])
    store.apply(StoreContents([(1, b"", "")]))
    assert b"".join(store.attachment_content(1)) == b""
    assert store.attachments(1)[0].state == "stored"


def test_what_is_pending_comes_bodies_first_and_in_pages(store: Store) -> None:
    window(store, added=[message(f"m{n}", body=pending(), body_state="pending",
                                 attachments=[attachment(f"f{n}")]) for n in range(4)])  # fmt: skip
    window(store, deleted=["m0"])
    seen = []
    after = (0, 0)
    while page := store.load(PendingFetches(2, after)):
        assert len(page) <= 2
        seen += [(item.kind, item.server_id) for item in page]
        after = page[-1].position
    assert seen == [("body", f"m{n}") for n in (1, 2, 3)] + [("attachment", f"m{n}") for n in (1, 2, 3)]


def test_what_will_not_come_is_told_once_as_new(store: Store) -> None:
    window(store, added=[message("a", "Big", body=pending(), body_state="pending", attachments=[attachment("f")])])
    assert store.apply(SettleFetch("body", 1, "refused", "too large")) is True
    assert store.apply(SettleFetch("body", 1, "refused", "too large")) is False
    blob, _ = store.apply(ClaimBlob("attachment", 1))
    store.blob_writer(blob).write(bytes(2 * CHUNK))
    assert store.apply(SettleFetch("attachment", 1, "failed", "the server has lost it")) is True
    assert store.database.scalar("SELECT count(*) FROM chunks") == 0
    told = [(item.kind, item.state, item.name, item.reason, item.new) for item in store.apply(TakeTroubles())]
    assert told == [
        ("body", "refused", "", "too large", True),
        ("attachment", "failed", "f", "the server has lost it", True),
    ]
    assert [item.new for item in store.apply(TakeTroubles())] == [False, False]


def review(store: Store, body: int | None, file: int | None) -> None:
    store.apply(ReviewLimits(body, file, "body too large", "file too large"))


def test_limits_both_ways(store: Store) -> None:
    window(store, added=[
        message("small", "One", "tiny words", attachments=[attachment("s", 10)]),
        message("large", "Two", "large words " * 50, attachments=[attachment("l", 5000)]),
    ])  # fmt: skip
    store.apply(StoreContents([(1, b"s" * 10, ""), (2, b"l" * 5000, "")]))
    index_all(store)
    review(store, None, None)
    assert store.load(PendingFetches()) == []
    review(store, 100, 1000)
    assert [message.body_state for message in store.messages([1, 2])] == ["stored", "refused"]
    assert [store.attachments(n)[0].state for n in (1, 2)] == ["stored", "refused"]
    assert (store.message(2).text, store.message(2).reason) == ("", "body too large")
    assert store.database.scalar("SELECT count(*) FROM blobs") == 1
    index_all(store)
    assert search(store.database, "words") == [1]
    assert search(store.database, "two") == [2]
    assert {item.reason for item in store.apply(TakeTroubles()) if item.new} == {"body too large", "file too large"}
    review(store, 100, 5000)
    assert [item.kind for item in store.load(PendingFetches())] == ["attachment"]
    review(store, None, None)
    assert [item.kind for item in store.load(PendingFetches())] == ["body", "attachment"]
    assert store.message(2).reason == ""
    review(store, 100, 1000)
    # Pending is decided when it is fetched: the limit meets it there.
    assert [item.kind for item in store.load(PendingFetches())] == ["body", "attachment"]


def mime(store: Store) -> None:
    files = [attachment("big.png", 5000, state="stored"), attachment("a.txt", 5, state="stored")]
    window(store, added=[message("m", body=Body(4, MIME, len(MIME)), body_state="stored", attachments=files)])
    index_all(store)
    assert b"".join(store.attachment_content(1)) == b"bigpicture"
    assert b"".join(store.attachment_content(2)).strip() == b"small"


def test_a_file_inside_mime_leaves_with_the_mime(store: Store) -> None:
    mime(store)
    review(store, None, 1000)
    assert [item.state for item in store.attachments(1)] == ["refused", "pending"]
    assert (store.messages([1])[0].body_state, store.messages([1])[0].body_type) == ("pending", 2)
    assert store.database.scalar("SELECT count(*) FROM bodies") == 0
    with pytest.raises(NotFound):
        store.attachment_content(1)


def test_files_of_mime_that_became_too_large_come_apart(store: Store) -> None:
    mime(store)
    review(store, 10, 10_000)
    assert [item.state for item in store.attachments(1)] == ["pending", "pending"]
    assert store.messages([1])[0].body_state == "refused"


def test_a_part_is_found_by_its_content_id_or_place(store: Store) -> None:
    files = [
        attachment("", 5, content_id="<one@x>", state="stored", reference="r1"),
        attachment("renamed.txt", 5, state="stored"),
    ]
    raw = MIME.replace(b"Content-Type: text/x-a", b"Content-Type: text/x-a\r\nContent-ID: <one@x>")
    window(store, added=[message("m", body=Body(4, raw, len(raw)), body_state="stored", attachments=files)])
    assert b"".join(store.attachment_content(1)).strip() == b"small"
    with pytest.raises(NotFound):
        store.attachment_content(99)
