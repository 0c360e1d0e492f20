"""Messages of every shape as views: bodies, files, what is inside of files, and what could not be read."""

from __future__ import annotations

import base64
import tracemalloc
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from emailplus.mime.view import AnnouncedFile, from_body, read, view
from emailplus.model.message import BodyType

from ..browser.ordinary import png
from ..shared import root

CORPUS = sorted((root / "corpus" / "eml").rglob("*.eml"))
PNG = png(3, 2, lambda x, y: (x, y, 0))


def mail(text: str = "plain", html: str = "") -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "Bob <bob@example.com>", "a@example.com, b@example.com", "S"
    message["Date"] = "Wed, 25 Nov 2026 09:30:00 +0100"
    message.set_content(text)
    if html:
        message.add_alternative(html, subtype="html")
    return message


def test_an_ordinary_message() -> None:
    message = mail("text", "<p>html</p>")
    message.add_attachment(b"%PDF", "application", "pdf", filename="a/b.pdf")
    seen = read(message.as_bytes())
    assert (seen.subject, seen.sender, seen.to) == ("S", "Bob <bob@example.com>", "a@example.com, b@example.com")
    assert seen.date is not None
    assert seen.date.isoformat() == "2026-11-25T09:30:00+01:00"
    assert (seen.text, seen.html) == ("text\n", "<p>html</p>\n")
    (item,) = seen.attachments
    assert (item.name, item.written, item.kind, item.content()) == ("b.pdf", "a/b.pdf", "file", b"%PDF")
    assert seen.problems == []
    assert seen.safe_html().new == "<p>html</p>\n"


def test_text_between_pictures_and_files_stays_in_order() -> None:
    raw = (
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\none\r\n"
        b"--b\r\nContent-Type: image/png\r\n\r\nx\r\n--b\r\nContent-Type: text/html\r\n\r\n<b>two</b>\r\n"
        b"--b\r\nContent-Type: text/plain; name=three.txt\r\n\r\nthree\r\n--b\r\n\r\nfour\r\n--b--\r\n"
    )
    seen = read(raw)
    assert [part.strip() for part in seen.text.split("\n")] == ["one", "two", "four"]
    assert seen.html.index("one") < seen.html.index("two") < seen.html.index("four")
    assert [item.name for item in seen.attachments] == ["attachment.png", "three.txt"]
    assert not seen.text_is_written


def test_the_best_alternative_with_the_files_of_all() -> None:
    raw = (
        b"Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\r\nplain\r\n--b\r\n"
        b"Content-Type: text/x-amp-html\r\n\r\n<html amp>\r\n--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n"
        b"--c\r\nContent-Type: text/html\r\n\r\n<p>rich</p>\r\n--c\r\nContent-Disposition: attachment; filename=x.bin"
        b"\r\n\r\nx\r\n--c\r\nContent-Type: text/html\r\n\r\n<p>more</p>\r\n--c--\r\n--b--\r\n"
    )
    seen = read(raw)
    assert seen.text == "plain"
    assert "rich" in seen.html
    assert "more" in seen.html
    assert [item.name for item in seen.attachments] == ["x.bin"]


def test_pictures_within_the_text() -> None:
    message = mail("text", '<img src="cid:x@y"><img src="http://location.example/p.png">')
    rich = message.get_payload()[1]  # type: ignore[index]
    rich.add_related(PNG, "image", "png", cid="<x@y>")  # type: ignore[union-attr]
    seen = read(message.as_bytes())
    body = seen.safe_html()
    assert f"data:image/png;base64,{base64.b64encode(PNG).decode()}" in body.new
    assert body.used == {"x@y"}
    assert body.blocked == 1
    svg = read(message.as_bytes().replace(base64.b64encode(PNG)[:20], base64.b64encode(b"<svg>" * 3)[:20]))
    assert "data:" not in svg.safe_html().new  # the bytes decide, not the label


def test_attached_messages_signatures_cards_and_invitations() -> None:
    message = mail()
    message.add_attachment(mail("inner"))
    message.add_attachment(b"BEGIN:VCARD\r\nFN:Eve\r\nEND:VCARD", "text", "vcard", filename="e.vcf")
    message.add_attachment(
        b"BEGIN:VCALENDAR\r\nMETHOD:CANCEL\r\nBEGIN:VEVENT\r\nSUMMARY:Off\r\nEND:VEVENT\r\nEND:VCALENDAR", "text",
        "calendar", params={"method": "CANCEL"},
    )  # fmt: skip
    message.add_attachment(b"0", "application", "pkcs7-signature", filename="smime.p7s")
    seen = read(message.as_bytes())
    assert [(item.name, item.kind) for item in seen.attachments] == [
        ("S.eml", "message"), ("e.vcf", "contact"), ("invitation.ics", "calendar"), ("smime.p7s", "signature"),
    ]  # fmt: skip
    assert read(seen.attachments[0].content()).text == "inner\n"
    assert seen.contacts[0].name == "Eve"
    assert (seen.events[0].method, seen.events[0].summary) == ("CANCEL", "Off")


@pytest.mark.parametrize(
    ("header", "protection"),
    [
        (b"multipart/signed; boundary=b", "signed"),
        (b"multipart/encrypted; boundary=b", "encrypted"),
        (b"application/pkcs7-mime; smime-type=signed-data", "signed"),
        (b"application/pkcs7-mime; smime-type=enveloped-data", "encrypted"),
        (b"text/plain", ""),
    ],
)
def test_protection_is_seen(header: bytes, protection: str) -> None:
    assert read(b"Content-Type: " + header + b"\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n").protection == protection


def test_a_body_that_came_apart_with_its_files() -> None:
    def one() -> object:
        yield PNG

    files = [
        AnnouncedFile("logo.png", "image/png", len(PNG), "logo@x", True, one, 7),  # type: ignore[arg-type]
        AnnouncedFile("logo.png", "image/png", len(PNG), "", False, one, 8),  # type: ignore[arg-type]
    ]
    seen = from_body(BodyType.HTML, b'<img src="cid:LOGO@x">', files)
    assert [(item.name, item.id) for item in seen.attachments] == [("logo.png", 7), ("logo (2).png", 8)]
    assert "data:image/png" in seen.safe_html().new
    plain = from_body(BodyType.PLAIN, b"a\r\nb")
    assert (plain.text, plain.html) == ("a\nb", "")
    assert from_body(BodyType.MIME, mail().as_bytes()).subject == "S"


def test_problems_are_told() -> None:
    head = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
    raw = head + b"Content-Type: text/plain; charset=utf-8\r\n\r\n\xfc\r\n"
    seen = read(raw)
    assert seen.text.strip() == "\u00fc"
    assert any("without an end" in problem for problem in seen.problems)
    assert any("charset was repaired" in problem for problem in seen.problems)
    broken = read(b"Content-Type: application/ms-tnef\r\n\r\nnot tnef")
    assert broken.attachments[0].name == "attachment.dat"
    assert "no TNEF" in broken.problems[0]


@pytest.mark.skipif(not CORPUS, reason="the corpus is not here")
def test_the_whole_corpus_can_be_seen() -> None:
    """Every message gives a view; nothing of it is lost between the splitter and the view."""
    for path in CORPUS:
        seen = read(path.read_bytes())
        seen.safe_html(pictures=True)
        small = view(path.read_bytes())
        assert bool(seen.text.strip() or seen.html.strip() or seen.attachments) == bool(
            small.text.strip() or small.html.strip() or small.attachments
        ), path
        for item in seen.attachments:
            item.content()


def test_a_large_attachment_costs_no_memory(tmp_path: Path) -> None:
    """40 MB, read from a file that is mapped: the view and the streamed content stay within a few megabytes."""
    import mmap

    path = tmp_path / "large.eml"
    with path.open("wb") as file:
        file.write(
            b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhello\r\n--b\r\n"
            b"Content-Type: application/zip; name=z.zip\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        )
        line = base64.b64encode(bytes(57)) + b"\r\n"
        for _ in range(500):
            file.write(line * 1000)
        file.write(b"--b--\r\n")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        tracemalloc.start()
        seen = read(mapped)
        size = sum(len(piece) for piece in seen.attachments[0].pieces())
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        del seen
    assert size == 57 * 1000 * 500
    assert peak < 8 << 20, peak


def test_the_page_of_the_documentation() -> None:
    """The example of docs/view.md runs, and what it says in its comments is what comes."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "view.md").read_text(encoding="utf-8")
    code = page.partition("```python\n")[2].partition("```")[0]
    names: dict[str, Any] = {}
    checked = 0
    for line in code.splitlines():
        exec(line, names)
        value, _, said = line.partition("  # ")
        if said.startswith(("'", "[")):
            literal = said.partition(" - ")[0]
            assert repr(eval(value, names)) == literal
            checked += 1
    assert checked == 3
