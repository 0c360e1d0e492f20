"""What an answer quotes, and how a draft will look before anybody gets it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from emailplus.cli.app import app
from emailplus.errors import NotFound
from emailplus.mailbox import AsyncMailbox
from emailplus.mime.quoted import quotable
from emailplus.model.draft import DraftAttachment

from ..flows.world import DEVICE, KEY, World, deliver
from .test_send import arrived, box

RICH = {"enabled_features": "richtext_email_support"}
HOSTILE = (
    "<html><head><style>p{color:red}</style></head><body onload=steal()><p>Hello <b>there</b></p>"
    "<script>steal()</script><form action=http://evil.test/><input name=x></form><iframe src=http://evil.test/></iframe>"
    '<img src="http://evil.test/p.gif" width=1 height=1><img src="http://shop.test/logo.png" width=90 height=40>'
    '<img src="cid:Logo@x"><a href="javascript:steal()">here</a></body></html>'
)


def _html_mail(html: str) -> bytes:
    return (
        "From: bob@example.test\r\nTo: alice@example.test\r\nSubject: Offer\r\nMessage-ID: <o@x>\r\n"
        "MIME-Version: 1.0\r\n"
        f"Content-Type: text/html; charset=utf-8\r\n\r\n{html}\r\n"
    ).encode()


def _answered(world: World, answer: Callable[[Any, int], Any]) -> str:
    deliver(world.alice, _html_mail(HOSTILE))
    with world.open(RICH) as mailbox:
        mailbox.sync()
        (message,) = mailbox.search("subject:offer")
        mailbox.send(answer(mailbox, message.id))
    (mail,) = arrived(world)
    return str(next(part.get_content() for part in mail.walk() if part.get_content_type() == "text/html"))


@pytest.mark.parametrize(
    "answer",
    [
        lambda mailbox, number: mailbox.reply(number, html="<p>Thanks</p>"),
        lambda mailbox, number: mailbox.forward(number, to="bob@example.test", html="<p>Look</p>"),
    ],
    ids=["reply", "forward"],
)
def test_what_is_quoted_is_safe(world: World, answer: Callable[[Any, int], Any]) -> None:
    """What we send on carries our name: no script, form or frame of a stranger, no picture that tells on readers."""
    html = _answered(world, answer)
    assert "<p>Hello <b>there</b></p>" in html
    assert "http://shop.test/logo.png" in html
    for gone in ("script", "steal", "form", "iframe", "p.gif", "evil.test"):
        assert gone not in html


def test_pictures_inside_keep_their_names() -> None:
    assert 'src="cid:Logo@x"' in quotable(HOSTILE)
    assert quotable("") == quotable("<script>x</script>") == ""


def test_a_preview_shows_what_will_arrive(world: World) -> None:
    """`email_watermark`: "in an email for mail view and mail compose screens"; nothing is sent by looking."""
    keys = {**RICH, "email_watermark": "COMPANYONLY", "email_default_signature": "Alice of Example"}
    with world.open(keys) as mailbox:
        draft = mailbox.new(
            to="bob@example.test", subject="Plan <b>", text="Hello", html="<p>Hello <i>Bob</i></p>",
            attachments=[DraftAttachment(name="a.txt", content=b"x")],
        )  # fmt: skip
        page = mailbox.preview(draft).html
        assert mailbox.outbox() == []
        for shown in ("COMPANYONLY", "<i>Bob</i>", "Alice of Example", "Plan &lt;b&gt;", "a.txt", "bob@example.test"):
            assert shown in page
        missing = mailbox.new(to="bob@example.test", text="x", attachments=[DraftAttachment(name="b", source=99)])
        with pytest.raises(NotFound):
            mailbox.preview(missing)
    with world.open() as mailbox:
        assert "COMPANYONLY" not in mailbox.preview(mailbox.new(text="Hello")).html
    assert box(world, "bob") == []


def test_a_preview_loads_no_picture_that_the_view_does_not(world: World) -> None:
    """Answering does not tell the sender that the mail was read either."""
    deliver(world.alice, _html_mail(HOSTILE))
    with world.open(RICH) as mailbox:
        mailbox.sync()
        (message,) = mailbox.search("subject:offer")
        draft = mailbox.reply(message.id, html="<p>Thanks</p>")
        page = mailbox.preview(draft)
        assert 'src="http' not in page.html
        assert page.body.blocked == 1
        assert "1 picture not loaded" in page.html
        mailbox.show_pictures(message.id)
        assert 'src="http://shop.test/logo.png"' in mailbox.preview(draft).html
        assert 'src="http' not in mailbox.preview(mailbox.new(html='<img src="http://shop.test/a.png" width=90>')).html


def test_the_same_for_asyncio(world: World) -> None:
    async def look() -> str:
        opening = AsyncMailbox.open(world.config(email_watermark="SEEN"), store=world.path, key=KEY)
        async with await opening as mailbox:
            return (await mailbox.preview(await mailbox.new(text="Hello"))).html

    assert "SEEN" in asyncio.run(look())


def test_a_message_with_a_calendar_stays_an_invitation(world: World) -> None:
    """A MIME file with an iCalendar form of its text (RFC 6047 2.4) leaves as one."""
    calendar = (
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:1@x\r\n"
        "DTSTAMP:20261101T080000Z\r\nDTSTART:20261201T100000Z\r\nDTEND:20261201T110000Z\r\nSUMMARY:Plan\r\n"
        "ORGANIZER:mailto:alice@example.test\r\nATTENDEE:mailto:bob@example.test\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
    mime = (
        "To: bob@example.test\r\nSubject: Plan\r\nMIME-Version: 1.0\r\n"
        "Content-Type: multipart/alternative; boundary=b\r\n"
        "\r\n--b\r\nContent-Type: text/plain\r\n\r\nCome\r\n--b\r\n"
        f"Content-Type: text/calendar; method=REQUEST; charset=utf-8\r\n\r\n{calendar}--b--\r\n"
    )
    with world.open() as mailbox:
        draft = mailbox.draft_from(mime.encode())
        assert draft.invitation is not None
        assert (draft.invitation.method, draft.attachments) == ("REQUEST", ())
        mailbox.send(draft)
    (mail,) = arrived(world)
    (part,) = [part for part in mail.walk() if part.get_content_type() == "text/calendar"]
    assert part.get_param("method") == "REQUEST"
    assert "UID:1@x" in part.get_content()


def test_the_command_line_writes_the_page(world: World, tmp_path: Path) -> None:
    with world.open() as mailbox:
        mailbox.sync()
    config = tmp_path / "config.json"
    pairs = {
        "email_address": "alice@example.test", "email_exchange_host": world.host, "email_exchange_username": "alice",
        "email_device_id": DEVICE, "email_ssl_required": "false", "email_watermark": "SEEN",
    }  # fmt: skip
    config.write_text(json.dumps(pairs))
    key = tmp_path / "key"
    key.write_text(KEY.hex())
    page = tmp_path / "page.html"
    done = CliRunner().invoke(
        app,
        ["send", "-c", str(config), "--store", str(world.path), "--key-file", str(key), "--to", "bob@example.test",
         "--subject", "Look", "--text", "Hello", "--preview", str(page)],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "SEEN" in page.read_text()
    assert "Hello" in page.read_text()
    assert box(world, "bob") == []
