"""Messages attached to messages, and the structure of both: in Python, on the page, in the terminal."""

from __future__ import annotations

import json
from base64 import encodebytes
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from emailplus.cli.app import app
from emailplus.errors import NotFound, RightsDenied, UsageError
from emailplus.mime import view as views
from emailplus.mime.outline import Outline
from emailplus.mime.view import MAX_ATTACHED, AnnouncedFile, from_body, read
from emailplus.model.changes import StoreContents
from emailplus.model.message import Body, BodyType
from emailplus.model.rights import Licence
from emailplus.reading import Reading
from emailplus.rms.gate import Door
from emailplus.store import store as stores
from emailplus.store.store import Store

from ..store.mail import KEY, attachment, message, new_store, window


def plain(subject: str, text: str = "words") -> EmailMessage:
    mail = EmailMessage()
    mail["Subject"], mail["From"] = subject, "Eve <eve@other.example>"
    mail.set_content(text)
    return mail


def nested(levels: int) -> EmailMessage:
    mail = plain(f"level {levels}", f"text {levels}")
    for level in reversed(range(levels)):
        outer = plain(f"level {level}", f"text {level}")
        outer.add_attachment(mail)
        mail = outer
    return mail


def test_each_is_a_view_of_its_own() -> None:
    seen = read(nested(20).as_bytes())
    for level in range(MAX_ATTACHED + 1):
        assert (seen.subject, seen.text) == (f"level {level}", f"text {level}\n")
        (item,) = seen.attachments
        assert item.kind == "message"
        seen = item.message()
    assert seen.text == ""
    assert "the rest stays shut" in seen.problems[0]


def test_encoded_where_none_should_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 2046 5.2.1 allows no encoding; some write one."""
    inner = nested(1).as_bytes()
    head = b"Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\nContent-Type: message/rfc822\r\n"
    raw = head + b"Content-Transfer-Encoding: base64\r\n\r\n" + encodebytes(inner) + b"\r\n--o--\r\n"
    (item,) = read(raw).attachments
    assert item.message().text == "text 0\n"
    assert item.message().attachments[0].message().text == "text 1\n"
    monkeypatch.setattr(views, "MAX_MESSAGE", 200)
    assert "only the first" in item.message().problems[0]


def test_one_that_came_apart_and_what_is_none() -> None:
    def pieces() -> Any:
        yield nested(1).as_bytes()

    files = [AnnouncedFile("m.eml", "message/rfc822", 9, "", False, pieces),
             AnnouncedFile("a/b.bin", "x/y", 5, "", False, pieces)]  # fmt: skip
    seen = from_body(BodyType.HTML, b"<p>x</p>", files)
    assert seen.attachments[0].message().attachments[0].message().subject == "level 1"
    with pytest.raises(UsageError, match="no message"):
        seen.attachments[1].message()
    assert seen.parts == [
        Outline(0, "text/html", "", 8, "inline", "utf-8"),
        Outline(0, "message/rfc822", "m.eml", 9, "attachment"),
        Outline(0, "x/y", "b.bin", 5, "attachment"),
    ]


def test_the_structure() -> None:
    raw = "\r\n".join([
        "Content-Type: multipart/mixed; boundary=b", "", "--b", "Content-Type: multipart/alternative; boundary=c", "",
        "--c", "Content-Type: text/plain; charset=utf-8", "", "abc", "--c", "Content-Type: text/html", "", "<p>",
        "--c--", "--b", 'Content-Disposition: attachment; filename="../x\x01.zip"', "Content-Type: application/zip",
        "Content-Transfer-Encoding: BASE64", "", "AAAA", "--b", "Content-Type: message/rfc822", "", "Subject: s", "",
        "x", "--b--", "",
    ]).encode()  # fmt: skip
    assert [(part.level, part.content_type, part.name, part.disposition, part.charset) for part in read(raw).parts] == [
        (0, "multipart/mixed", "", "", ""), (1, "multipart/alternative", "", "", ""),
        (2, "text/plain", "", "", "utf-8"), (2, "text/html", "", "", ""),
        (1, "application/zip", "x.zip", "attachment", ""), (1, "message/rfc822", "", "", ""),
    ]  # fmt: skip
    zipped = read(raw).parts[4]
    assert (zipped.size, zipped.encoding) == (4, "base64")
    many = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 5000
    assert len(read(many).parts) == views.MAX_PARTS


# -- from a store


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EMAILPLUS_STORE_KEY", KEY.hex())
    data = nested(2).as_bytes()
    body = {"body": Body(4, data, len(data)), "body_state": "stored"}
    licence = Licence(template_name="Secret", template_description="No.")
    with new_store(tmp_path / "mailbox.db") as store:
        window(store, added=[
            message("1", "Outer", importance=2, attachments=[attachment("level 1.eml", 9, state="stored")], **body),
            message("2", "Guarded", rights=licence, attachments=[attachment("level 1.eml", 9, state="stored")], **body),
            message("3", "Apart", text="hello", attachments=[
                attachment("in.eml", 9, content_type="message/rfc822"), attachment("x.bin", 3)]),
        ])  # fmt: skip
        numbers = dict(store.database.all("SELECT name, id FROM attachments WHERE message_id = 3"))
        store.apply(StoreContents([(numbers["in.eml"], data, ""), (numbers["x.bin"], b"abc", "")]))
    return tmp_path / "mailbox.db"


def show(path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["show", "--store", str(path), *arguments])


def test_from_the_command_line(path: Path) -> None:
    outer = show(path, "1").stdout
    number = outer.partition("[attachment ")[2].partition(":")[0]
    inner = show(path, "1", "--message", number)
    assert inner.exit_code == 0
    assert "Attached message: came with: Outer" in inner.stdout
    assert "Subject: level 1" in inner.stdout
    assert "High importance" not in inner.stdout
    assert f"[attachment {number}.1: " in inner.stdout
    deepest = show(path, "1", "--message", f"{number}.1", "--html", "-").stdout
    assert "text 2" in deepest
    assert "Attached message" in deepest
    assert "Subject: level 0" in show(path, "3", "--message", "3").stdout
    assert "Subject: level 2" in show(path, "3", "--message", "3.1.1").stdout
    assert show(path, "1", "--message", f"{number}.7").exit_code == 1
    assert show(path, "3", "--message", "4").exit_code == 2  # a file, no message


def test_the_structure_from_the_command_line(path: Path) -> None:
    lines = show(path, "1", "--parts").stdout.splitlines()
    assert lines[0].startswith("multipart/mixed (")
    assert lines[1].startswith("  text/plain (")
    assert "utf-8" in lines[1]
    found = json.loads(show(path, "1", "--parts", "--json").stdout)
    assert [(part["level"], part["content_type"]) for part in found] == [
        (0, "multipart/mixed"), (1, "text/plain"), (1, "message/rfc822"),
    ]  # fmt: skip
    assert json.loads(show(path, "3", "--parts", "--json").stdout)[0]["content_type"] == "text/plain"
    assert show(path, "1", "--parts", "--message", "1").stdout.startswith("multipart/mixed")


@pytest.mark.parametrize(
    "arguments",
    [("--parts", "--html", "-"), ("--parts", "--attachment", "1"), ("--message", "1", "--attachment", "1"),
     ("--message", "1", "--json")],
)  # fmt: skip
def test_what_does_not_go_together(path: Path, arguments: tuple[str, ...]) -> None:
    assert show(path, "1", *arguments).exit_code == 2


def test_the_gate_stands_before_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is attached to protected mail is protected."""
    monkeypatch.setattr(stores, "HELD", 0)
    with Store.open(path, KEY) as store:
        seen = Reading(store).view(2, within="2")
        assert seen.text == "text 1\n"
        look = Reading(store).page(2, within="2").html
        assert "Secret" in look
        assert "user-select:none" in look
        with pytest.raises(RightsDenied):
            Reading(store, door=Door.PROGRAM).view(2, within="2")
        with pytest.raises(NotFound):
            Reading(store).view(2, within="2.9")
    assert show(path, "2", "--parts").exit_code == 0
    assert show(path, "2", "--parts", "--json").exit_code != 0
