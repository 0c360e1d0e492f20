"""Mail that leaves: in every version it arrives once, and the outbox knows what became of it."""

from __future__ import annotations

import asyncio
import email
import email.policy
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from emailplus.errors import (
    AuthenticationFailed,
    ConfirmationNeeded,
    Declined,
    MailboxFull,
    NotFound,
    PolicyDenied,
    RecipientsRefused,
    SendQuotaExceeded,
    SendRefused,
    UsageError,
)
from emailplus.mailbox import AsyncMailbox
from emailplus.mock import Drop, Fault, Http, LoseResponse, Status
from emailplus.model.draft import DraftAttachment, DraftKind
from emailplus.model.outbox import OutboxState
from emailplus.model.questions import LargeMessage, UnsafeRecipients

from ..flows.world import KEY, World, deliver, mail, noise

VERSIONS = ("2.5", "12.0", "12.1", "14.0", "14.1", "16.0", "16.1")
MB = 1 << 20


def box(world: World, name: str, folder: str = "Inbox") -> list[Any]:
    return list(world.exchange.user(name).items(folder))


def arrived(world: World, name: str = "bob", folder: str = "Inbox") -> list[Any]:
    return [email.message_from_bytes(item.raw, policy=email.policy.default) for item in box(world, name, folder)]


def words(message: Any) -> str:
    """The text of every text part."""
    return "\n".join(part.get_content() for part in message.walk() if part.get_content_maintype() == "text")


def note(mailbox: Any, **more: Any) -> Any:
    return mailbox.new(**{"to": "bob@example.test", "subject": "Note", "text": "Hello", **more})


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("form", ["plain", "base64"])
def test_a_message_arrives_whole_and_once(make_world: Callable[..., World], version: str, form: str) -> None:
    if form == "base64" and version in ("2.5", "12.0"):
        pytest.skip("no base64 query in this version")
    world = make_world(versions=(version,))
    content = noise(20_000)
    with world.open(query_form=form) as mailbox:
        draft = note(
            mailbox,
            subject="Grüße",
            cc="Carol <carol@example.test>",
            bcc="alice@example.test",
            attachments=[DraftAttachment(name="plan.bin", content=content)],
        )
        entry = mailbox.send(draft)
        assert entry.state is OutboxState.CONFIRMED
        assert mailbox.send(draft).id == entry.id  # the same draft is the same message
        assert mailbox.drafts() == []
        assert mailbox.store.database.scalar("SELECT count(*) FROM blobs") == 0
    (got,) = arrived(world)
    assert got["Subject"] == "Grüße"
    assert got["Bcc"] is None
    assert [part.get_content() for part in got.iter_attachments()] == [content]
    assert got["Message-ID"] == f"<{draft.message_id}>"
    assert len(box(world, "carol")) == len(box(world, "alice")) == 1
    (kept,) = arrived(world, "alice", "Sent Items")
    assert kept["Bcc"] == "alice@example.test"


def test_the_async_twin_sends_too(world: World) -> None:
    async def go() -> Any:
        async with await AsyncMailbox.open(world.config(), store=world.path, key=KEY) as mailbox:
            draft = await mailbox.new(to="bob@example.test", subject="Async", text="Hello")
            number = await mailbox.save(draft)
            assert [d.id for d in await mailbox.drafts()] == [number]
            entry = await mailbox.send(await mailbox.draft(number))
            return entry, await mailbox.outbox(), await mailbox.drafts()

    entry, outbox, drafts = asyncio.run(go())
    assert entry.state is OutboxState.CONFIRMED
    assert (outbox, drafts) == ([entry], [])
    assert [m["Subject"] for m in arrived(world)] == ["Async"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("fault", [Drop(), LoseResponse()], ids=["cut before", "cut after"])
def test_a_lost_answer_sends_nothing_twice(make_world: Callable[..., World], version: str, fault: Fault) -> None:
    """Whether the server had acted or not: one message arrives. Below 14.0 no ClientId helps, so it takes a pause."""
    world = make_world(versions=(version,))
    deliver(world.alice, mail("Note"), folder="Sent Items")  # another one with the same subject
    world.exchange.faults.add(fault, "SendMail")
    with world.open() as mailbox:
        entry = mailbox.send(note(mailbox))
        acted = len(box(world, "bob"))
        if entry.state is not OutboxState.CONFIRMED:
            assert entry.state is OutboxState.UNCERTAIN
            assert version in ("2.5", "12.0", "12.1")
            mailbox.flush()
            assert len(box(world, "bob")) == acted
            world.clock.now += timedelta(seconds=130)
            mailbox.sync()
        assert [e.state for e in mailbox.outbox()] == [OutboxState.CONFIRMED]
        mailbox.sync()
    assert len(box(world, "bob")) == 1
    assert acted == (1 if isinstance(fault, LoseResponse) or (version >= "14" and version[0] == "1") else 0)


@pytest.mark.parametrize("code", [500, 502, 504])
def test_an_answer_that_says_nothing_is_no_answer(make_world: Callable[..., World], code: int) -> None:
    """A proxy's 504 may stand for a message that was sent: it is not blindly repeated."""
    world = make_world(versions=("12.1",))
    world.exchange.faults.add(Http(code), "SendMail")
    with world.open() as mailbox:
        assert mailbox.send(note(mailbox)).state is OutboxState.UNCERTAIN
        assert len(world.exchange.requests.of("SendMail")) == 1
        world.clock.now += timedelta(minutes=5)
        assert mailbox.flush() == []
    assert len(box(world, "bob")) == 1


def test_a_server_that_refuses_by_500_is_asked_a_few_times_only(make_world: Callable[..., World]) -> None:
    world = make_world(versions=("12.1",))
    world.exchange.faults.add(Http(500), "SendMail", times=None)
    with world.open() as mailbox:
        mailbox.send(note(mailbox))
        for _ in range(8):
            world.clock.now += timedelta(minutes=5)
            mailbox.flush()
        (entry,) = mailbox.outbox()
    assert entry.state is OutboxState.FAILED
    assert len(world.exchange.requests.of("SendMail")) == 5


def test_a_busy_server_is_waited_for(world: World) -> None:
    world.exchange.faults.add(Http(503, headers={"Retry-After": "7"}), "SendMail", times=2)
    with world.open() as mailbox:
        assert mailbox.send(note(mailbox)).state is OutboxState.CONFIRMED
    assert world.sleeps == [7.0, 7.0]
    assert len(box(world, "bob")) == 1


def test_a_busy_server_leaves_it_queued(world: World) -> None:
    world.exchange.faults.add(Http(503, headers={"Retry-After": "3600"}), "SendMail", times=1)
    with world.open() as mailbox:
        entry = mailbox.send(note(mailbox))
        assert (entry.state, entry.attempts) == (OutboxState.QUEUED, 0)
        assert "503" in entry.reason
        mailbox.sync()
        assert mailbox.outbox()[0].state is OutboxState.CONFIRMED
    assert len(box(world, "bob")) == 1


def test_offline_it_waits_and_the_next_sync_sends_it(world: World) -> None:
    with world.open() as mailbox:
        mailbox.sync()
        world.exchange.stop()
        drafts = [note(mailbox, subject=f"Note {number}") for number in range(3)]
        assert [mailbox.send(draft).state for draft in drafts] == [OutboxState.QUEUED] * 3
        assert mailbox.drafts() == []
        assert mailbox.outbox()[0].attempts == 0  # nothing left
    world.exchange.start()
    with world.open({"email_exchange_host": world.host}) as mailbox:
        report = mailbox.sync()
        assert [e.state for e in mailbox.outbox()] == [OutboxState.CONFIRMED] * 3
        assert (report.warnings, report.sent) == ([], 3)
    assert [m["Subject"] for m in arrived(world)] == ["Note 0", "Note 1", "Note 2"]


@pytest.mark.parametrize(
    ("status", "error"),
    [(116, RecipientsRefused), (119, RecipientsRefused), (183, RecipientsRefused), (115, SendQuotaExceeded),
     (113, MailboxFull), (107, SendRefused), (122, SendRefused), (167, SendRefused), (110, SendRefused)],
)  # fmt: skip
def test_refusals_are_typed_and_the_draft_comes_back(world: World, status: int, error: type[Exception]) -> None:
    world.exchange.faults.add(Status(status), "SendMail")
    with world.open() as mailbox:
        draft = note(mailbox, attachments=[DraftAttachment(name="a", content=b"abc")])
        with pytest.raises(error) as caught:
            mailbox.send(draft)
        (entry,) = mailbox.outbox()
        assert (entry.state, entry.status) == (OutboxState.FAILED, status)
        assert getattr(caught.value, "entry", entry).id == entry.id
        number = mailbox.withdraw(entry.id)
        assert mailbox.outbox() == []
        again = mailbox.draft(number)
        assert replace(again, id=None) == draft
        assert mailbox.send(replace(again, subject="Better")).state is OutboxState.CONFIRMED
        assert mailbox.drafts() == []
    assert [m["Subject"] for m in arrived(world)] == ["Better"]


def test_a_message_without_recipients_by_the_server(make_world: Callable[..., World]) -> None:
    """Not only by a fault: the mock itself finds nobody (status 119)."""
    world = make_world(versions=("14.1",))
    with world.open() as mailbox:
        with pytest.raises(UsageError, match="recipient"):
            mailbox.send(mailbox.new(subject="x"))
        assert mailbox.outbox() == []
    assert world.exchange.requests.of("SendMail") == []


def test_a_refused_password_leaves_the_message_queued(world: World) -> None:
    with world.open({"email_password": "wrong"}) as mailbox:
        with pytest.raises(AuthenticationFailed):
            mailbox.send(note(mailbox))
        assert [e.state for e in mailbox.outbox()] == [OutboxState.QUEUED]
    with world.open() as mailbox:
        assert mailbox.flush() == []
    assert len(box(world, "bob")) == 1


def test_a_server_that_says_later_for_ever(world: World) -> None:
    """SOGo's answer for a recipient that does not exist is "try later" (status 120): it is tried five times."""
    world.exchange.faults.add(Status(120), "SendMail", times=None)
    with world.open() as mailbox:
        other = mailbox.new(to="carol@example.test", subject="Other")
        for _ in range(4):
            assert mailbox.send(note(mailbox, subject="Late") if not mailbox.outbox() else other).state == "queued"
        mailbox.sync()
        assert {e.subject: e.state.value for e in mailbox.outbox()}["Late"] == "failed"
    assert world.sleeps == []


# Answers.


@pytest.mark.parametrize("version", VERSIONS)
def test_answers_to_a_message(make_world: Callable[..., World], version: str) -> None:
    world = make_world(versions=(version,))
    raw = mail("Plan", "What do you think?\n", attachments=(("plan.bin", noise(90_000)),)).replace(
        b"To: alice@example.test", b"To: alice@example.test, Carol <carol@example.test>\r\nCc: alice@example.test"
    )
    original = deliver(world.alice, raw)
    world.sync()
    with world.open() as mailbox:
        number = mailbox.search("plan")[0].id
        reply = mailbox.reply(number, text="Good.")
        assert (reply.kind, reply.subject) == (DraftKind.REPLY, "Re: Plan")
        assert [p.address for p in reply.recipients] == ["bob@example.test"]
        everyone = mailbox.reply_all(number, text="Good, all.")
        assert [p.address for p in everyone.recipients] == ["bob@example.test", "carol@example.test"]
        forward = mailbox.forward(number, to="carol@example.test", text="Please look.")
        for draft in (reply, everyone, forward):
            assert mailbox.send(draft).state is OutboxState.CONFIRMED
    first, second = arrived(world)
    assert first["Subject"] == "Re: Plan"
    for answer, text in ((first, "Good."), (second, "Good, all.")):
        body = answer.get_body().get_content()
        assert body.startswith(text)
        assert body.count("What do you think?") == 1
    forwarded = arrived(world, "carol")[-1]
    assert forwarded["Subject"] == "Fwd: Plan"
    assert [part.get_content() for part in forwarded.iter_attachments() if part.get_filename()] == [noise(90_000)]
    assert words(forwarded).count("What do you think?") == 1
    if version >= "14" and version[0] == "1":
        item = world.alice.find(original)[1]
        assert item.verb == 3  # the last of the three was a forward (MS-ASEMAIL 2.2.2.46)


def test_an_edited_quote_or_a_dropped_attachment_is_not_left_to_the_server(world: World) -> None:
    deliver(world.alice, mail("Plan", "Secret.\n", attachments=(("a.bin", noise(80_000)), ("b.bin", noise(70_000, 2)))))
    world.sync()
    with world.open() as mailbox:
        forward = mailbox.forward(mailbox.search("plan")[0].id, to="carol@example.test")
        mailbox.send(replace(forward, attachments=forward.attachments[1:], quote=None))
    (got,) = arrived(world, "carol")
    assert [part.get_filename() for part in got.iter_attachments()] == ["b.bin"]
    assert "Secret" not in words(got)


@pytest.mark.parametrize("version", ["14.1", "16.1"])
def test_an_original_that_is_gone_on_the_server(make_world: Callable[..., World], version: str) -> None:
    """Status 150: the complete message goes by SendMail instead."""
    world = make_world(versions=(version,))
    server_id = deliver(world.alice, mail("Plan", "Old.\n", attachments=(("a.bin", noise(90_000)),)))
    world.sync()
    world.alice.delete(server_id)
    with world.open() as mailbox:
        number = mailbox.search("plan")[0].id
        assert mailbox.send(mailbox.forward(number, to="carol@example.test")).state is OutboxState.CONFIRMED
        assert mailbox.send(mailbox.reply(number, text="Hm.")).state is OutboxState.CONFIRMED
        assert [e.command for e in mailbox.outbox()] == ["SendMail", "SendMail"]
    (got,) = arrived(world, "carol")
    assert [part.get_content() for part in got.iter_attachments()] == [noise(90_000)]
    assert arrived(world)[0].get_content().count("Old.") == 1


def test_a_smart_command_that_is_answered_by_500_gives_way(make_world: Callable[..., World]) -> None:
    world = make_world(versions=("12.1",))
    deliver(world.alice, mail("Plan", "Old.\n", attachments=(("a.bin", noise(90_000)),)))
    world.sync()
    world.exchange.faults.add(Http(500), "SmartForward", times=None)
    with world.open() as mailbox:
        forward = mailbox.forward(mailbox.search("plan")[0].id, to="carol@example.test")
        assert mailbox.send(forward).state is OutboxState.UNCERTAIN
        world.clock.now += timedelta(minutes=5)
        assert mailbox.flush() == []
        assert [e.command for e in mailbox.outbox()] == ["SendMail"]
    (got,) = arrived(world, "carol")
    assert [part.get_content() for part in got.iter_attachments()] == [noise(90_000)]


def test_a_forward_of_what_was_never_fetched(world: World) -> None:
    """The attachment is too large to come down: the server adds it."""
    deliver(world.alice, mail("Plan", attachments=(("big.bin", noise(1_200_000)),)))
    keys = {"email_max_attachment": "1"}
    world.sync(keys)
    with world.open(keys) as mailbox:
        forward = mailbox.forward(mailbox.search("plan")[0].id, to="carol@example.test")
        assert mailbox.send(forward).state is OutboxState.CONFIRMED
        with pytest.raises(NotFound, match=r"big\.bin"):
            mailbox.send(replace(forward, message_id="other@example.test", quote=None))
    (got,) = arrived(world, "carol")
    assert [part.get_content() for part in got.iter_attachments()] == [noise(1_200_000)]


# Questions.


@pytest.mark.parametrize(
    ("sizes", "asked"),
    [((10 * MB,), None), ((10 * MB + 1,), "1.bin"), ((6 * MB, 5 * MB), None), ((5 * MB, 5 * MB), None)],
)
def test_more_than_ten_megabytes_ask_first(world: World, sizes: tuple[int, ...], asked: str | None) -> None:
    attachments = [DraftAttachment(name=f"{n}.bin", content=bytes(size)) for n, size in enumerate(sizes, 1)]
    too_large = sum(sizes) > 10 * MB
    questions: list[Any] = []
    with world.open() as mailbox:
        draft = note(mailbox, attachments=attachments)
        if too_large:
            with pytest.raises(ConfirmationNeeded) as needed:
                mailbox.send(draft)
            with pytest.raises(Declined):
                mailbox.send(draft, confirm=lambda question: "cancel")
            assert mailbox.outbox() == mailbox.drafts() == []
            assert isinstance(needed.value.question, LargeMessage)
            assert needed.value.question.text == (
                "Warning: The message size exceeds 10 MB. Please confirm you would like to continue."
            )
            assert needed.value.question.attachment == asked

        def confirm(question: Any) -> str:
            questions.append(question)
            return "proceed"

        assert mailbox.send(draft, confirm=confirm).state is OutboxState.CONFIRMED
        if too_large:
            with pytest.raises(UsageError, match="no answer"):
                mailbox.send(replace(draft, message_id="2@example.test"), confirm=lambda _: "yes")
    assert len(questions) == too_large
    assert len(box(world, "bob")) == 1


def test_unsafe_domains_ask_first(world: World) -> None:
    keys = {"email_safe_domains": "example.test", "email_alert_unsafe_domains": "true"}
    with world.open(keys) as mailbox:
        assert mailbox.send(note(mailbox)).state is OutboxState.CONFIRMED
        outside = note(mailbox, bcc="eve@evil.example")
        with pytest.raises(ConfirmationNeeded) as needed:
            mailbox.send(outside)
        assert isinstance(needed.value.question, UnsafeRecipients)
        assert needed.value.question.addresses == ("eve@evil.example",)
        assert mailbox.send(outside, confirm=lambda _: "proceed").state is OutboxState.CONFIRMED
    with world.open() as mailbox:
        assert mailbox.send(note(mailbox, to="eve@evil.example")).state is OutboxState.CONFIRMED


def test_attach_files_is_switched_off(world: World) -> None:
    deliver(world.alice, mail("Plan", attachments=(("a.bin", b"abc"),)))
    world.sync()
    attachments = [DraftAttachment(name="x", content=b"1")]
    with world.open({"disabled_features": "attach_files"}) as mailbox:
        with pytest.raises(PolicyDenied) as denied:
            mailbox.send(note(mailbox, attachments=attachments))
        assert "attach_files" in denied.value.rule
        assert mailbox.outbox() == []
        forward = mailbox.forward(mailbox.search("plan")[0].id, to="carol@example.test")
        assert mailbox.send(forward).state is OutboxState.CONFIRMED
    with world.open() as mailbox:
        assert mailbox.send(note(mailbox, attachments=attachments)).state is OutboxState.CONFIRMED


def test_rich_text_by_its_key(world: World) -> None:
    for keys, kind in (({}, "multipart/alternative"), ({"disabled_features": "richtext_email_support"}, "text/plain")):
        with world.open(keys) as mailbox:
            mailbox.send(note(mailbox, text="", html="<p>Hello <b>you</b></p>"))
        got = arrived(world)[-1]
        assert got.get_content_type() == kind
        assert "Hello you" in got.get_body(("plain",)).get_content()


def test_the_signature_that_holds(world: World) -> None:
    def signature(keys: dict[str, str], chosen: str | None) -> str:
        with world.open(keys) as mailbox:
            if chosen is not None:
                mailbox.settings.choose("signature", chosen)
            mailbox.send(note(mailbox))
        return str(arrived(world)[-1].get_content()).partition("\r\n-- \r\n")[2].strip()

    assert signature({}, None) == "Sent by Email+ for iOS managed by MobileIron"
    assert signature({"email_default_signature": "ACME Ltd"}, None) == "ACME Ltd"
    assert signature({"email_default_signature": "ACME Ltd"}, "Alice") == "Alice"
    assert signature({"email_default_signature": "Other"}, None) == "Alice"
    assert signature({}, "") == ""


def test_a_message_of_another_account_never_leaves_by_this_one(make_world: Callable[..., World]) -> None:
    world = make_world(cookies=False)  # one device, two users: more than a server expects
    with world.open() as mailbox:
        world.exchange.faults.add(Http(503, headers={"Retry-After": "3600"}), "SendMail")
        mailbox.send(note(mailbox))
        number = mailbox.save(note(mailbox, subject="Draft"))
    bob = {"email_exchange_username": "bob", "email_password": "bob-secret", "email_address": "bob@example.test"}
    with world.open(bob) as mailbox:
        mailbox.sync()
        assert [(e.held, e.state) for e in mailbox.outbox()] == [(True, OutboxState.QUEUED)]
        assert mailbox.drafts() == []
        assert world.exchange.requests.of("SendMail")[-1].status == 503
    with world.open() as mailbox:
        mailbox.sync()
        assert [(e.held, e.state) for e in mailbox.outbox()] == [(False, OutboxState.CONFIRMED)]
        assert mailbox.draft(number).subject == "Draft"


def test_migration_drops_drafts_and_outbox_and_says_so(world: World) -> None:
    with world.open() as mailbox:
        world.exchange.faults.add(Http(503, headers={"Retry-After": "3600"}), "SendMail")
        mailbox.send(note(mailbox, subject="Waiting"))
        mailbox.save(note(mailbox, subject="Draft"))
    host = f"localhost:{world.host.rpartition(':')[2]}"
    with world.open({"email_exchange_host": host, "migrate_from_email_exchange_host": world.host}) as mailbox:
        told = [line for outcome in mailbox.change.outcomes for line in outcome.details]
        assert told == ["draft removed: Draft", "unsent message removed: Waiting"]
        assert mailbox.outbox() == mailbox.drafts() == []
        assert mailbox.store.database.scalar("SELECT count(*) FROM blobs") == 0


def test_drafts_are_kept_with_everything(world: World) -> None:
    with world.open() as mailbox:
        draft = replace(
            note(mailbox, html="<p>x</p>", bcc="carol@example.test"),
            attachments=(DraftAttachment(name="a", content=noise(600_000)), DraftAttachment(name="b", content=b"")),
            importance=2, read_receipt=True, encrypt=True, template="t", classification={"SEC": ["OFFICIAL"]},
            headers=(("X-A", "b"),), references=("r@x",), thread_index=b"\1\2",
        )  # fmt: skip
        number = mailbox.save(draft)
    with world.open() as mailbox:
        assert replace(mailbox.draft(number), id=None) == draft
        (listed,) = mailbox.drafts()
        assert (listed.subject, listed.size, listed.attachments) == ("Note", 600_000, 2)
        assert mailbox.save(replace(mailbox.draft(number), subject="New")) == number
        assert mailbox.draft(number).subject == "New"
        mailbox.discard(number)
        assert mailbox.drafts() == []
        assert mailbox.store.database.scalar("SELECT count(*) FROM chunks") == 0
        for missing in (mailbox.draft, mailbox.discard):
            with pytest.raises(NotFound):
                missing(number)
        with pytest.raises(NotFound):
            mailbox.save(replace(draft, id=number))


def test_a_forward_draft_outlives_its_original(world: World) -> None:
    server_id = deliver(world.alice, mail("Plan", attachments=(("a.bin", b"abc"),)))
    world.sync()
    with world.open() as mailbox:
        number = mailbox.save(mailbox.forward(mailbox.search("plan")[0].id, to="carol@example.test"))
        world.alice.delete(server_id)
        mailbox.sync()
        assert mailbox.send(mailbox.draft(number)).state is OutboxState.CONFIRMED
    (got,) = arrived(world, "carol")
    assert [part.get_content() for part in got.iter_attachments()] == [b"abc"]


def test_a_mime_message_becomes_a_draft(world: World) -> None:
    raw = mail("Grüße", "Text ä\n", html="<p>Text ä</p>", attachments=(("a b.bin", noise(5_000)),))
    with world.open() as mailbox:
        draft = mailbox.draft_from(raw.replace(b"To: alice", b"To: Bob <bob@example.test>, alice"))
        assert mailbox.send(draft).state is OutboxState.CONFIRMED
        with pytest.raises(UsageError):
            mailbox.draft_from(b"\r\n\r\nno header")
    (got,) = arrived(world)
    assert got["From"].addresses[0].addr_spec == "alice@example.test"
    assert got["Subject"] == "Grüße"
    assert [part.get_content() for part in got.iter_attachments()] == [noise(5_000)]
    assert got.get_body(("html",)).get_content().strip() == "<p>Text ä</p>"
