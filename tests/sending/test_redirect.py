"""A message, or a draft, for other people: the same content, nothing added, nothing lost, and nothing that may not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from email.message import EmailMessage
from email.utils import format_datetime

import pytest

from emailplus.errors import NotFound, RightsDenied, UsageError
from emailplus.mailbox import AsyncMailbox
from emailplus.mock import MockLicence
from emailplus.model.draft import DraftAttachment, DraftKind
from emailplus.model.outbox import OutboxState

from ..flows.world import KEY, NOW, World, deliver, mail, noise
from ..rms.test_protected_mail import BODY, RMS, only, protected
from .test_send import VERSIONS, arrived, words

PICTURE = b"\x89PNG\r\n\x1a\n" + noise(500)


def rich() -> bytes:
    """Text, HTML with a picture inside, and two files."""
    message = EmailMessage()
    message["From"], message["To"] = "Bob <bob@example.test>", "alice@example.test"
    message["Subject"], message["Date"], message["Message-ID"] = "Plan", format_datetime(NOW), "<plan@example.test>"
    message.set_content("The plan.\n")
    html = "<p onclick='x()'>The <b>plan</b>.<img src='cid:pic@x'><script>x()</script></p>"
    message.add_alternative(html, subtype="html")
    shown = message.get_payload()[1]  # type: ignore[index]
    shown.add_related(PICTURE, "image", "png", cid="<pic@x>", filename="p.png", disposition="inline")  # type: ignore[union-attr]
    for name, content in (("a.bin", noise(90_000)), ("b.txt", b"short")):
        message.add_attachment(content, "application", "octet-stream", filename=name)
    return message.as_bytes().replace(b"\n", b"\r\n")


@pytest.mark.parametrize("always_mime", ["false", "true"])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_message_goes_on_as_it_was(make_world: Callable[..., World], version: str, always_mime: str) -> None:
    world = make_world(versions=(version,))
    original = deliver(world.alice, rich())
    keys = {"always_fetch_mime": always_mime}
    world.sync(keys)
    with world.open(keys) as mailbox:
        draft = mailbox.redirect(mailbox.search("plan")[0].id, to="carol@example.test", bcc="dave@example.test")
        assert draft.kind is DraftKind.REDIRECT
        assert mailbox.send(draft).state is OutboxState.CONFIRMED
    (got,) = arrived(world, "carol")
    assert got["Subject"] == "Plan"
    assert got["From"].addresses[0].addr_spec == "alice@example.test"
    assert got["Reply-To"].addresses[0].addr_spec == "bob@example.test"
    assert words(got).count("The plan.") == 1
    assert "Original Message" not in words(got)
    assert "Sent by" not in words(got)  # no signature of ours
    assert "script" not in words(got)
    assert "onclick" not in words(got)
    files = {part.get_filename(): part.get_content() for part in got.walk() if part.get_filename()}
    assert files["a.bin"] == noise(90_000)
    assert files["p.png"] == PICTURE
    if version != "2.5" or always_mime == "true":
        assert "cid:pic@x" in words(got)
    if version >= "14" and version[0] == "1":
        assert world.alice.find(original)[1].verb == 3  # the server notes that it was passed on


def test_our_own_message_is_sent_again(world: World) -> None:
    """From Sent Items: nobody to answer but us."""
    with world.open() as mailbox:
        mailbox.send(mailbox.new(to="bob@example.test", subject="Report", text="Numbers."))
    world.sync()
    with world.open() as mailbox:
        (sent,) = mailbox.search("report")
        again = mailbox.redirect(sent.id, to="carol@example.test")
        assert again.reply_to == ()
        mailbox.send(again)
    assert [m["Subject"] for m in arrived(world, "carol")] == ["Report"]
    assert len(arrived(world)) == 1


def test_a_draft_for_others_is_another_message(world: World) -> None:
    with world.open() as mailbox:
        first = mailbox.new(
            to="bob@example.test", subject="Plan", text="Hi.", attachments=[DraftAttachment(name="x", content=b"1")]
        )
        number = mailbox.save(first)
        other = mailbox.redirect(mailbox.draft(number), to="carol@example.test", cc="dave@example.test")
        assert other.id is None
        mailbox.send(mailbox.draft(number))
        mailbox.send(other)
        mailbox.send(other)  # handed in again, it is the same message
        assert mailbox.drafts() == []
    for name in ("bob", "carol"):
        (got,) = arrived(world, name)
        assert [part.get_content() for part in got.iter_attachments()] == [b"1"]
        assert words(got).startswith("Hi.")
    assert arrived(world)[0]["Message-ID"] != arrived(world, "carol")[0]["Message-ID"]


def test_what_is_not_all_here_does_not_go_on(world: World) -> None:
    deliver(world.alice, mail("Long", "word " * 600_000))
    deliver(world.alice, mail("Files", attachments=(("big.bin", noise(1_200_000)),)))
    keys = {"email_max_attachment": "1", "email_max_body_size": "1"}
    world.sync(keys)
    with world.open(keys) as mailbox:
        with pytest.raises(NotFound):
            mailbox.redirect(12345, to="carol@example.test")
        draft = mailbox.redirect(mailbox.search("subject:files")[0].id, to="carol@example.test")
        with pytest.raises(NotFound, match=r"big\.bin"):
            mailbox.send(draft)
        with pytest.raises(UsageError, match="no email address"):
            mailbox.redirect(mailbox.search("subject:files")[0].id, to="nobody")
        assert mailbox.outbox() == []
        with pytest.raises(NotFound, match="not all in the store"):
            mailbox.redirect(mailbox.search("subject:long")[0].id, to="carol@example.test")
    assert arrived(world, "carol") == []


@pytest.mark.parametrize("lacking", ["forward", "edit", "export", "programmatic_access", ""])
def test_protected_content_needs_its_rights(world: World, lacking: str) -> None:
    world.exchange.rights_templates = [(MockLicence().template_id, "Do Not Forward", "No.")]
    protected(world, MockLicence.everything(**({lacking: False} if lacking else {})))
    world.sync(RMS)
    number = only(world)
    with world.open(RMS) as mailbox:
        if lacking:
            with pytest.raises(RightsDenied):
                mailbox.redirect(number, to="bob@example.test")
            return
        mailbox.send(mailbox.redirect(number, to="bob@example.test"))
    (item,) = world.exchange.user("bob").items()
    assert item.licence is not None  # it goes on protected
    assert BODY.encode() in item.raw


def test_a_licence_that_became_narrower_stops_what_was_begun(world: World) -> None:
    item = protected(world, MockLicence.everything())
    world.sync(RMS)
    number = only(world)
    with world.open(RMS) as mailbox:
        draft = mailbox.redirect(number, to="bob@example.test")
    world.alice.protect(item, MockLicence.everything(export=False))
    world.sync(RMS)
    with world.open(RMS) as mailbox:
        assert not mailbox.permits(number, "export")
        with pytest.raises(RightsDenied):
            mailbox.send(draft)
    assert world.exchange.user("bob").items() == []


def test_the_async_twin_redirects(world: World) -> None:
    deliver(world.alice, mail("Plan", "The plan.\n"))
    world.sync()

    async def go() -> None:
        async with await AsyncMailbox.open(world.config(), store=world.path, key=KEY) as mailbox:
            (found,) = await mailbox.search("plan")
            draft = await mailbox.redirect(found.id, to="carol@example.test")
            await mailbox.send(replace(draft, cc=draft.reply_to))

    asyncio.run(go())
    assert {words(arrived(world, name)[0]).strip() for name in ("bob", "carol")} == {"The plan."}
