"""Mail out of the store in its four forms: nothing altered, nothing overwritten, nothing outside the target."""

from __future__ import annotations

import base64
import email
import json
import mailbox
import os
import re
import stat
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from emailplus.errors import StoreDamaged, UsageError
from emailplus.model.changes import ClaimBlob, FinishBlob, StoreContents
from emailplus.model.message import Body, addresses
from emailplus.store.export import export, mboxrd, safe_name
from emailplus.store.store import Store
from tests.store.mail import attachment, message, new_store, window

MIME = (
    b"From: ann@example.com\r\nSubject: whole\r\nContent-Type: text/plain\r\n\r\n"
    b"From here on\r\n>From quoted\r\nbare\nline \xff\r\nno end"
)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 5
BIG = os.urandom(1_300_000)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with new_store(tmp_path / "mailbox.db") as opened:
        yield opened


def put(store: Store, **fields: Any) -> int:
    """One message into the store; its id."""
    text = fields.pop("text", None)
    server_id = f"s{store.stats()['items']['Email']}"
    window(store, added=[message(server_id, fields.pop("subject", "Hello"), text, **fields)])
    return max(store.ids())


def fill(store: Store, message_id: int, *contents: bytes) -> None:
    announced = store.attachments(message_id)
    store.apply(
        StoreContents([(item.id, data, item.content_type) for item, data in zip(announced, contents, strict=False)])
    )


def whole(store: Store) -> int:
    return put(store, subject="whole", body=Body(4, MIME, len(MIME)), body_state="stored", read=True, flag_status=2)


def rich(store: Store) -> int:
    """HTML with a picture, two files, one refused and one not fetched."""
    html = '<p>Grüße</p><img src="cid:pic@1">'.encode()
    number = put(
        store,
        subject="Bericht für März 東京",
        sender="Jörg Größe <joerg@example.com>",
        to='"Lee, Ann" <ann@example.com>, bob@example.com',
        cc="Zoë <zoe@example.org>",
        categories=("Red",),
        importance=2,
        thread_topic="Bericht",
        conversation_index=b"\x01\xd0" + bytes(20),
        body=Body(2, html, len(html)),
        body_state="stored",
        attachments=[
            attachment("pic.png", len(PNG), content_id="pic@1", inline=True, content_type="image/png"),
            attachment("Übersicht.bin", len(BIG)),
            attachment("mail.eml", 9, content_type="message/rfc822", method=5),
            attachment("huge.iso", 9_000_000, state="refused", reason="over 50 MB"),
            attachment("late.txt", 5),
        ],
    )
    fill(store, number, PNG, BIG, MIME)
    return number


def only(folder: Path) -> Path:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) == 1, files
    return files[0]


def read_back(data: bytes) -> EmailMessage:
    parsed = email.message_from_bytes(data, policy=policy.default)
    assert isinstance(parsed, EmailMessage)
    assert not any(part.defects for part in parsed.walk())
    return parsed


def test_stored_mime_goes_out_byte_for_byte(store: Store, tmp_path: Path) -> None:
    report = export(store, [whole(store)], tmp_path / "out", "eml")
    path = only(tmp_path / "out")
    assert path.read_bytes() == MIME
    assert path.name == "20260115-120000_1_whole.eml"
    assert (report.exported, report.bytes, report.reconstructed, report.missing) == (1, len(MIME), 0, [])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_mime_from_the_spool_goes_out_byte_for_byte(store: Store, tmp_path: Path) -> None:
    data = MIME + os.urandom(2_000_000)
    number = put(store, body=Body(4, b"", len(data), truncated=True), body_state="pending")
    blob, _ = store.apply(ClaimBlob("body", number))
    writer = store.blob_writer(blob)
    writer.write(data)
    writer.flush()
    store.apply(FinishBlob("body", number, blob, body_type=4))
    export(store, [number], tmp_path / "out", "eml")
    assert only(tmp_path / "out").read_bytes() == data


def test_a_message_is_put_together_from_its_fields(store: Store, tmp_path: Path) -> None:
    number = rich(store)
    report = export(store, [number], tmp_path / "out", "eml")
    parsed = read_back(only(tmp_path / "out").read_bytes())
    assert parsed["Subject"] == "Bericht für März 東京"
    assert [(a.display_name, a.addr_spec) for a in parsed["From"].addresses] == [("Jörg Größe", "joerg@example.com")]
    assert [(a.display_name, a.addr_spec) for a in parsed["To"].addresses] == [
        ("Lee, Ann", "ann@example.com"),
        ("", "bob@example.com"),
    ]
    assert parsed["Date"].datetime == datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
    assert (parsed["Importance"], parsed["Keywords"], parsed["Thread-Topic"]) == ("high", "Red", "Bericht")
    assert base64.b64decode(parsed["Thread-Index"]) == b"\x01\xd0" + bytes(20)
    assert parsed["X-Emailplus-Reconstructed"] == "yes"

    related, *rest = list(parsed.iter_parts())
    assert parsed.get_content_type() == "multipart/mixed"
    assert related.get_content_type() == "multipart/related"
    html, picture = related.iter_parts()
    assert html.get_content().strip() == '<p>Grüße</p><img src="cid:pic@1">'
    assert (picture["Content-ID"], picture.get_content(), picture.get_content_disposition()) == (
        "<pic@1>", PNG, "inline"
    )  # fmt: skip
    big, attached, note = rest
    assert (big.get_filename(), big.get_content_type(), big.get_content()) == (
        "Übersicht.bin", "application/octet-stream", BIG
    )  # fmt: skip
    assert attached.get_content_type() == "message/rfc822"
    assert attached.get_content()["Subject"] == "whole"
    assert "'huge.iso': refused (over 50 MB)" in note.get_content()
    assert "'late.txt': pending" in note.get_content()
    assert [(part.name, part.state) for part in report.missing] == [("huge.iso", "refused"), ("late.txt", "pending")]
    assert report.reconstructed == 1


def test_a_missing_body_is_named(store: Store, tmp_path: Path) -> None:
    number = put(store, body=Body(1, b"", 99), body_state="refused", body_reason="too large", preview="Dear all")
    report = export(store, [number], tmp_path / "out", "eml")
    text, note = read_back(only(tmp_path / "out").read_bytes()).iter_parts()
    assert text.get_content().strip() == ""
    assert "The body: refused (too large)" in note.get_content()
    assert "Dear all" in note.get_content()
    assert [(part.name, part.state, part.reason) for part in report.missing] == [("", "refused", "too large")]


_VALUE = st.text(st.characters(codec="utf-8"), max_size=40)


@settings(max_examples=40, deadline=None)
@given(subject=_VALUE, sender=_VALUE, name=_VALUE, kind=_VALUE, cid=_VALUE, text=_VALUE)
@example("a\r\nBcc: evil@example.com", "x\nX: y", "a\r\n\r\nb", "text/html\r\nX: y", "1>\r\nX: y", "\r\n.\r\n")
@example("x" * 3000, "é" * 500 + "@" + "é" * 500, "ü" * 300, "a/" + "b" * 300, "c" * 2000, "")
@example("=?utf-8?q?=41?=", "=?utf-8?q?Ann?= <a@b>", "=?x?=", "multipart/mixed", " ", "--=_\r\n")
@example("\ud800", '"<>@', "..", "message/partial", "<>", "\u2028")
def test_odd_fields_become_a_message_without_other_headers(
    tmp_path_factory: pytest.TempPathFactory, subject: str, sender: str, name: str, kind: str, cid: str, text: str
) -> None:
    folder = tmp_path_factory.mktemp("odd")
    subject, sender, name = (value.encode("utf-8", "replace").decode() for value in (subject, sender, name))
    with new_store(folder / "mailbox.db") as store:
        number = put(
            store, subject=subject, sender=sender, text=text,
            attachments=[attachment(name, 3, content_type=kind, content_id=cid)],
        )  # fmt: skip
        fill(store, number, b"abc")
        export(store, [number], folder / "out", "eml")
    parsed = email.message_from_bytes(only(folder / "out").read_bytes(), policy=policy.compat32)
    assert set(parsed.keys()) <= {
        "Date", "From", "Subject", "X-Emailplus-Reconstructed", "MIME-Version", "Content-Type"
    }  # fmt: skip
    body, attached = parsed.get_payload()
    assert set(attached.keys()) <= {
        "Content-Type", "Content-Disposition", "Content-ID", "Content-Transfer-Encoding", "MIME-Version"
    }  # fmt: skip
    if attached.get_content_type() != "message/rfc822":
        assert attached.get_payload(decode=True) == b"abc"
    lines = re.sub(r"\r\n?", "\n", text)
    assert body.get_payload(decode=True).decode().replace("\r\n", "\n").rstrip("\n") == lines.rstrip("\n")
    again = email.message_from_bytes(parsed.as_bytes(), policy=policy.default)
    if subject.isprintable():
        assert again["Subject"] == subject.strip()


def test_mbox_is_read_back_by_others(store: Store, tmp_path: Path) -> None:
    ids = [whole(store), rich(store), put(store, subject="plain", text="From me\n>From you\n\nFrom", sender="?")]
    report = export(store, ids, tmp_path / "all.mbox", "mbox")
    assert report.exported == 3
    box = mailbox.mbox(tmp_path / "all.mbox")
    assert [entry["Subject"] is not None for entry in box] == [True] * 3
    raw = (tmp_path / "all.mbox").read_bytes()
    assert raw.startswith(b"From ann@example.com Thu Jan 15 12:00:00 2026\nFrom: ann@example.com\n")
    assert b"\r\n" not in raw
    entries = [entry.split(b"\n", 1)[1] for entry in raw[5:].split(b"\n\nFrom ")]
    unquoted = [b"\n".join(line[1:] if line.lstrip(b">").startswith(b"From ") else line for line in entry.split(b"\n"))
                for entry in entries]  # fmt: skip
    assert unquoted[0] == MIME.replace(b"\r\n", b"\n")
    assert b"\nFrom me\n>From you\n\nFrom\n" in b"\n" + unquoted[2] + b"\n"
    box.close()


@settings(deadline=None)
@given(st.lists(st.sampled_from([b"From ", b">", b"\n", b"\r", b"\r\n", b"x", b"F", b"rom x"]), max_size=30), st.data())
def test_mboxrd_does_not_depend_on_the_pieces(tokens: list[bytes], data: st.DataObject) -> None:
    text = b"".join(tokens)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    lines = b"".join(mboxrd(pieces)).split(b"\n")
    assert lines.pop() == b""
    assert not any(line.startswith(b"From ") for line in lines)
    plain = b"\n".join(line[1:] if line.lstrip(b">").startswith(b"From ") else line for line in lines)
    wanted = text.replace(b"\r\n", b"\n")
    assert plain == (wanted[:-1] if wanted.endswith(b"\n") else wanted)


def test_mboxrd_holds_no_endless_line_in_memory() -> None:
    sizes: list[int] = []

    def endless() -> Iterable[bytes]:
        yield b"From "
        for _ in range(64):
            yield b"From " * 20_000

    for piece in mboxrd(endless()):
        sizes.append(len(piece))
    assert sum(sizes) == 5 + 64 * 100_000 + 2
    assert max(sizes) < 1_300_000


def test_maildir_carries_flags(store: Store, tmp_path: Path) -> None:
    ids = [whole(store), put(store, text="one", last_verb=1, draft=True), put(store, text="two")]
    export(store, ids, tmp_path / "Maildir", "maildir")
    box = mailbox.Maildir(tmp_path / "Maildir", create=False)
    assert sorted(entry.get_flags() for entry in box) == ["", "DR", "FS"]
    assert list((tmp_path / "Maildir" / "tmp").iterdir()) == []
    export(store, ids, tmp_path / "Maildir", "maildir")
    assert len(list((tmp_path / "Maildir" / "cur").iterdir())) == 6


def test_jsonl_is_one_object_a_message(store: Store, tmp_path: Path) -> None:
    ids = [rich(store), whole(store)]
    export(store, ids, tmp_path / "a.jsonl", "jsonl")
    export(store, ids, tmp_path / "b.jsonl", "jsonl", contents=True)
    plain, with_bytes = (
        [json.loads(line) for line in (tmp_path / name).read_text("utf-8").splitlines()]
        for name in ("a.jsonl", "b.jsonl")
    )
    assert [entry["id"] for entry in plain] == ids
    assert plain[0]["subject"] == "Bericht für März 東京"
    assert plain[0]["received"] == "2026-01-15T12:00:00+00:00"
    assert plain[0]["html"].startswith("<p>Grüße</p>")
    assert plain[1]["text"].startswith("From here on")
    assert [entry["state"] for entry in plain[0]["attachments"]] == ["stored"] * 3 + ["refused", "pending"]
    assert not any("content" in entry for entry in plain[0]["attachments"])
    contents = [base64.b64decode(entry["content"]) for entry in with_bytes[0]["attachments"][:3]]
    assert contents == [PNG, BIG, MIME]
    assert not any("content" in entry for entry in with_bytes[0]["attachments"][3:])


@pytest.mark.parametrize("form", ["mbox", "jsonl"])
def test_a_file_that_is_there_stays(store: Store, tmp_path: Path, form: Any) -> None:
    (tmp_path / "mine").write_text("precious")
    with pytest.raises(UsageError, match="replaces nothing"):
        export(store, [whole(store)], tmp_path / "mine", form)
    (tmp_path / "dangling").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="replaces nothing"):
        export(store, [1], tmp_path / "dangling", form)
    assert (tmp_path / "mine").read_text() == "precious"
    assert not (tmp_path / "elsewhere").exists()
    assert not list(tmp_path.glob(".emailplus-*"))


def test_eml_files_that_are_there_stay(store: Store, tmp_path: Path) -> None:
    number = whole(store)
    export(store, [number, number], tmp_path / "out", "eml")
    export(store, [number], tmp_path / "out", "eml")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "20260115-120000_1_whole (2).eml",
        "20260115-120000_1_whole (3).eml",
        "20260115-120000_1_whole.eml",
    ]


def test_where_links_are_not_possible(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    number = whole(store)
    export(store, [number, number], tmp_path / "out", "eml")
    assert [path.read_bytes() for path in (tmp_path / "out").iterdir()] == [MIME, MIME]


def test_ids_that_are_not_there_are_told(store: Store, tmp_path: Path) -> None:
    seen: list[int] = []
    report = export(store, [whole(store), 77], tmp_path / "out", "eml", progress=seen.append)
    assert (report.exported, report.not_found, seen) == (1, [77], [1])


def test_a_target_that_cannot_be_written(store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for form in ("eml", "maildir"):
        with pytest.raises(UsageError, match="cannot be written"):
            export(store, [whole(store)], tmp_path / "file", form)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="eml, mbox, maildir, jsonl"):
        export(store, [1], tmp_path / "x", "pst")  # type: ignore[arg-type]


@pytest.mark.parametrize("form", ["eml", "mbox", "maildir", "jsonl"])
def test_damage_on_the_way_leaves_no_half_file(store: Store, tmp_path: Path, form: Any) -> None:
    number = rich(store)
    store.database.execute("DELETE FROM chunks WHERE offset > 0")
    with pytest.raises(StoreDamaged):
        export(store, [number], tmp_path / "out", form, contents=True)
    left = [path for path in tmp_path.rglob("*") if path.is_file() and not path.name.startswith("mailbox.db")]
    assert left == []


@given(st.text())
@example("../../etc/passwd")
@example("\0")
@example("." * 300)
@example("東" * 300)
@example("CON")
@example("\ud800")
def test_a_name_is_one_harmless_component(subject: str) -> None:
    name = safe_name(subject)
    assert name == Path(name).name
    assert name not in ("", ".", "..")
    assert not name.startswith(".")
    assert len(name.encode()) <= 120
    assert name.isprintable()
    assert not set(name) & set('/\\:*?"<>|\0')


def test_addresses_survive(store: Store, tmp_path: Path) -> None:
    written = '"Doe, J. (x)" <j@example.com>, Übel <ü@exämple.com>, Nobody, a@b'
    number = put(store, to=written, text="x")
    export(store, [number], tmp_path / "out", "eml")
    raw = email.message_from_bytes(only(tmp_path / "out").read_bytes(), policy=policy.compat32)
    from emailplus.mime.view import header_text

    assert [a.address for a in addresses(header_text(raw["To"]))] == [a.address for a in addresses(written)]
