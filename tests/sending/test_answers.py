"""Original mail that goes along: phishing reports, and drafts made of messages that nobody here wrote."""

from __future__ import annotations

import asyncio
import email
import email.policy
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from emailplus.config import AppConfig
from emailplus.drafting import from_mime
from emailplus.errors import ItemUnavailable, NotFound, PolicyDenied, UsageError
from emailplus.mailbox import AsyncMailbox
from emailplus.mime.compose import compose
from emailplus.mime.view import view
from emailplus.model.outbox import OutboxState
from emailplus.sending import Sending

from ..flows.world import KEY, NOW, World, deliver, mail, noise
from ..shared import root, shared

PHISHING = {"report_phishing_address": "carol@example.test"}
CORPUS = sorted((root / "corpus" / "eml").rglob("*.eml")) if root.is_dir() else []


def reported(world: World) -> Any:
    (item,) = world.exchange.user("carol").items()
    return email.message_from_bytes(item.raw, policy=email.policy.default)


@pytest.mark.parametrize("version", ["2.5", "12.1", "14.1", "16.1"])
@pytest.mark.parametrize("kept", ["mime", "text"])
def test_phishing_goes_where_its_key_says(make_world: Callable[..., World], version: str, kept: str) -> None:
    world = make_world(versions=(version,))
    raw = mail("Your account", "Click here\n", html="<a href='http://x'>y</a>", attachments=(("a.bin", noise(50_000)),))
    deliver(world.alice, raw)
    keys = PHISHING | ({"always_fetch_mime": "true"} if kept == "mime" else {})
    world.sync(keys)
    with world.open({"disabled_features": "attach_files", "email_safe_domains": "other.test", **keys,
                     "email_alert_unsafe_domains": "true"}) as mailbox:  # fmt: skip
        number = mailbox.search("account")[0].id
        assert mailbox.report_phishing(number, text="Suspicious.").state is OutboxState.CONFIRMED
    got = reported(world)
    assert got["Subject"] == "Phishing: Your account"
    assert got["To"] == "carol@example.test"
    assert raw.strip() in world.exchange.user("carol").items()[0].raw
    (attached,) = got.iter_attachments()
    assert attached.get_content_type() == "message/rfc822"
    with world.open() as mailbox, pytest.raises(PolicyDenied) as denied:
        mailbox.report_phishing(number)
    assert denied.value.rule == "report_phishing_address"


def test_phishing_that_is_gone(world: World) -> None:
    server_id = deliver(world.alice, mail("Your account"))
    world.sync()
    world.alice.delete(server_id)
    with world.open(PHISHING) as mailbox:
        number = mailbox.search("account")[0].id
        with pytest.raises(ItemUnavailable):
            mailbox.report_phishing(number)
        with pytest.raises(NotFound):
            mailbox.report_phishing(number + 1)
        assert mailbox.outbox() == []


def test_the_async_twin_reports(world: World) -> None:
    deliver(world.alice, mail("Your account"))
    world.sync()

    async def go() -> Any:
        async with await AsyncMailbox.open(world.config(**PHISHING), store=world.path, key=KEY) as mailbox:
            number = (await mailbox.search("account"))[0].id
            return (await mailbox.report_phishing(number)).state

    assert asyncio.run(go()) is OutboxState.CONFIRMED
    assert reported(world)["Subject"] == "Phishing: Your account"


def test_a_forward_as_attachment(world: World) -> None:
    raw = mail("Plan", attachments=(("a.bin", noise(2_000)),))
    deliver(world.alice, raw)
    world.sync()
    with world.open() as mailbox:
        number = mailbox.search("plan")[0].id
        with pytest.raises(UsageError, match="MIME"):
            mailbox.forward(number, to="carol@example.test", as_attachment=True)
    world.sync({"always_fetch_mime": "true"})
    with world.open({"always_fetch_mime": "true"}) as mailbox:
        mailbox.send(mailbox.forward(number, to="carol@example.test", as_attachment=True))
    assert raw.strip() in world.exchange.user("carol").items()[0].raw


def test_a_reply_knows_the_message_id_where_the_mime_is_here(world: World) -> None:
    raw = mail("Plan").replace(b"Message-ID:", b"References: <a@x> <b@x>\r\nMessage-ID:")
    deliver(world.alice, raw)
    world.sync({"always_fetch_mime": "true"})
    with world.open({"always_fetch_mime": "true"}) as mailbox:
        mailbox.send(mailbox.reply(mailbox.search("plan")[0].id, text="Yes."))
    got = email.message_from_bytes(world.exchange.user("bob").items()[0].raw, policy=email.policy.default)
    own = email.message_from_bytes(raw)["Message-ID"]
    assert got["In-Reply-To"] == own
    assert got["References"].split() == ["<a@x>", "<b@x>", own]


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_mail_that_nobody_here_wrote_survives_the_composer(path: Path) -> None:
    """Text, HTML and every byte of every attachment of a real message come out of the message that is made of it."""
    shared("corpus")
    raw = path.read_bytes()
    # Some are addressed to nobody who has an address; that is refused elsewhere.
    addressed = re.sub(rb"(?im)^(to|cc|bcc|reply-to):", rb"X-\1:", raw, count=8)
    before = view(addressed)
    draft = replace(_draft(addressed), message_id="x@example.test")
    raw = compose(draft, NOW).message
    after = view(raw)
    assert after.text.replace("\r\n", "\n").rstrip() == _writable(before.text)
    assert after.html.replace("\r\n", "\n").rstrip() == _writable(before.html)
    # An attached message is parsed and written anew by the reader: what counts is that it stands in the bytes.
    files = [[p.data for p in seen.attachments if p.content_type != "message/rfc822"] for seen in (before, after)]
    assert sorted(files[0]) == sorted(files[1])
    messages = [a for a in draft.attachments if a.content_type == "message/rfc822"]
    assert all(a.content in raw or b"\r\n" not in a.content for a in messages)
    assert len(after.attachments) == len(before.attachments)
    other = email.message_from_bytes(raw, policy=email.policy.compat32)
    assert other.defects == []


def _draft(raw: bytes) -> Any:
    config = AppConfig.load(
        {
            "email_address": "alice@example.test",
            "email_device_id": "0123456789ABCDEF0123456789ABCDEF",
            "email_exchange_host": "mail.example.test",
            "email_exchange_username": "alice",
        }
    )
    return from_mime(Sending(config, None, None, datetime.now().astimezone()), raw)  # type: ignore[arg-type]


def _writable(text: str) -> str:
    kept = re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]", "", text.replace("\r\n", "\n").replace("\r", "\n"))
    return kept.rstrip()
