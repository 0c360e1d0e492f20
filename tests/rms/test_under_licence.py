"""What was taken from protected mail stays under its licence: drafts, the outbox, the index, the bytes of the file."""

from __future__ import annotations

import email
import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from emailplus.errors import NotFound, PolicyDenied, RightsDenied, UsageError
from emailplus.mock import MockLicence
from emailplus.model.draft import DraftAttachment
from emailplus.model.outbox import OutboxState
from emailplus.model.rights import Licence, Right
from emailplus.rms.compose import NO_RESTRICTION
from emailplus.store.database import PAGE_SIZE
from emailplus.store.store import Store

from ..flows.world import KEY, NOW, World, mail
from .test_answers import BOB, CAROL, T1, USERS, answered, arrived, synced
from .test_protected_mail import BODY, RMS, _today, only, protected

__all__ = ["_today"]

SHUT = MockLicence.everything(programmatic_access=False)


@pytest.fixture
def world(make_world: Any) -> World:
    made: World = make_world(users=USERS)
    made.exchange.rights_templates = [(T1, "Do Not Forward", "No.")]
    return made


def written(world: World, number: int, kind: str = "reply", **changes: Any) -> int:
    """A person's answer, saved."""
    with world.open(RMS, acting_for_person=True) as mailbox:
        return mailbox.save(answered(mailbox, number, kind, **changes))


# -- drafts


@pytest.mark.parametrize("kind", ["reply", "reply_all", "forward"])
def test_a_persons_draft_is_not_for_programs(world: World, kind: str) -> None:
    number = synced(world, SHUT)
    draft = written(world, number, kind)
    with world.open(RMS) as mailbox:
        with pytest.raises(RightsDenied) as denied:
            mailbox.draft(draft)
        assert denied.value.right == "ProgrammaticAccessAllowed"
        (listed,) = mailbox.drafts()  # header fields
        assert listed.id == draft
        (told,) = mailbox.export_pending()["drafts"]
        assert "withheld" in told
        assert "zebra" not in repr(told)
        mailbox.discard(draft)
    draft = written(world, number, kind)
    with world.open(RMS, acting_for_person=True) as mailbox:
        quote = mailbox.draft(draft).quote
        assert quote is not None
        assert BODY in quote.text


def test_the_outbox_is_under_the_licence_too(world: World) -> None:
    number = synced(world, SHUT)
    with world.open(RMS, acting_for_person=True) as mailbox:
        (entry,) = mailbox._queue(answered(mailbox, number, "reply"), None)
    with world.open(RMS) as mailbox:
        (told,) = mailbox.export_pending()["outbox"]
        assert "withheld" in told
        assert "mime" not in told
        draft = mailbox.withdraw(entry)
        assert draft is not None
        with pytest.raises(RightsDenied):
            mailbox.draft(draft)


@pytest.mark.parametrize("version", ["16.0", "16.1"])
def test_the_servers_drafts_get_no_content(make_world: Callable[..., World], version: str) -> None:
    """A draft on the server has no template: what holds protected content stays here, what does not goes there."""
    world = make_world(users=USERS, versions=[version])
    number = synced(world, SHUT)
    written(world, number)
    with world.open(RMS) as mailbox:
        mailbox.save(answered(mailbox, number, "reply"))  # a program's words alone
        mailbox.save(mailbox.new(to="bob@example.test", subject="own", text="Mine."))
        mailbox.sync()
        assert sorted(bool(draft.server_id) for draft in mailbox.drafts()) == [False, True, True]
    copies = world.alice.items("Drafts")
    assert len(copies) == 2
    assert all(b"zebra" not in item.raw for item in copies)


def test_a_program_puts_no_protected_file_into_a_draft(world: World) -> None:
    number = synced(world, SHUT)
    with world.open(RMS) as mailbox:
        file = mailbox.store.attachments(number)[0].id
        forward = mailbox.save(answered(mailbox, number, "forward"))
        assert [item.content for item in mailbox.draft(forward).attachments] == [None]
        taken = DraftAttachment(name="plan.txt", source=file)
        own = replace(mailbox.new(to="carol@example.test", subject="S", text="T"), attachments=(taken,))
        kept = mailbox.save(own)
        assert [item.content for item in mailbox.draft(kept).attachments] == [None]
        for try_it in (mailbox.send, mailbox.preview):
            with pytest.raises(RightsDenied) as denied:
                try_it(own)
            assert denied.value.right == "ProgrammaticAccessAllowed"
    assert world.exchange.user("carol").items() == []


@pytest.mark.parametrize("export", [True, False])
def test_a_protected_file_in_other_mail_is_an_export(world: World, export: bool) -> None:
    number = synced(world, MockLicence.everything(export=export))
    with world.open(RMS, acting_for_person=True) as mailbox:
        taken = DraftAttachment(name="plan.txt", source=mailbox.store.attachments(number)[0].id)
        own = replace(mailbox.new(to="carol@example.test", subject="S", text="T"), attachments=(taken,))
        if not export:
            with pytest.raises(RightsDenied) as denied:
                mailbox.send(own)
            assert denied.value.right == "ExportAllowed"
            return
        mailbox.send(own)
    assert arrived(world, "carol").licence is None


def test_a_quote_goes_out_protected_when_its_original_is_gone(world: World) -> None:
    number = synced(world, SHUT)
    draft = written(world, number)
    with world.open(RMS, acting_for_person=True) as mailbox:
        mailbox.store.database.execute("DELETE FROM messages WHERE id = ?", (number,))
        with pytest.raises(RightsDenied):
            mailbox.send(
                replace(mailbox.draft(draft), template=NO_RESTRICTION, original_rights=Licence(template_id=T1))
            )
        mailbox.send(mailbox.draft(draft))
    item = arrived(world)
    assert item.licence is not None
    assert item.licence.template_id == T1
    assert b"zebra" in item.raw


def test_without_its_original_the_recipients_cannot_be_checked(world: World) -> None:
    number = synced(world, MockLicence.everything(modify_recipients=False))
    draft = written(world, number)
    with world.open(RMS, acting_for_person=True) as mailbox:
        mailbox.store.database.execute("DELETE FROM messages WHERE id = ?", (number,))
        with pytest.raises(RightsDenied) as denied:
            mailbox.send(mailbox.draft(draft))
    assert denied.value.right == "ModifyRecipientsAllowed"


def test_a_program_does_not_take_the_protection_off(world: World) -> None:
    """With ExportAllowed alone it could read what is left (MS-ASRM 2.2.2.6, 2.2.2.10)."""
    number = synced(world, SHUT)
    with world.open(RMS) as mailbox:
        with pytest.raises(RightsDenied) as denied:
            mailbox.remove_protection(number)
        assert denied.value.right == "ProgrammaticAccessAllowed"
        for template in (NO_RESTRICTION, "another"):
            with pytest.raises(RightsDenied):
                mailbox.send(answered(mailbox, number, "forward", template=template))
    assert world.exchange.user("carol").items() == []


# -- a licence that changes


def test_editing_forbidden_between_begin_and_send(world: World) -> None:
    number = synced(world, MockLicence.everything())
    with world.open(RMS, acting_for_person=True) as mailbox:
        draft, forward = answered(mailbox, number, "reply"), answered(mailbox, number, "forward")
        world.alice.protect(world.alice.items()[0].server_id, MockLicence.everything(edit=False))
        mailbox.sync()
        mailbox.send(draft)
        mailbox.send(forward)
    assert BODY.encode() not in arrived(world).raw
    assert BODY.encode() not in arrived(world, "carol").raw
    assert b"rpmsg" in arrived(world, "carol").raw


def test_words_leave_the_index_when_programs_are_shut_out(world: World) -> None:
    synced(world, MockLicence.everything())
    with world.open(RMS) as mailbox:
        assert mailbox.search("zebra")
        assert [token.query for token in mailbox.search_tokens("zeb")] != []
        draft = mailbox.save(answered(mailbox, only_id(mailbox), "reply"))
        world.alice.protect(world.alice.items()[0].server_id, SHUT)
        mailbox.sync()
        assert mailbox.search("zebra") == []
        with pytest.raises(RightsDenied):  # what was written before is under the licence as it is now
            mailbox.draft(draft)
        assert mailbox.search("subject:plan")[0].preview == ""


def only_id(mailbox: Any) -> int:
    (number,) = mailbox.store.ids()
    return int(number)


def test_the_licence_survives_moves_changes_and_passes(world: World) -> None:
    number = synced(world, SHUT)
    with world.open(RMS) as mailbox:
        mailbox.mark_read([number])
        mailbox.flag([number])
        mailbox.sync()
        world.alice.mark_read(world.alice.items()[0].server_id, False)  # a Change that names no licence
        mailbox.sync()
        mailbox.move([number], "Deleted Items", confirm=lambda question: question.choices[1])
        refused(mailbox, number)
        mailbox.sync()
        refused(mailbox, number)
        mailbox.store.database.execute("UPDATE folders SET sync_key = '0'")
        mailbox.sync()
        refused(mailbox, number)
    world.clock.now = NOW + timedelta(days=3)
    with world.open({**RMS, "email_exchange_username": "alice"}) as mailbox:
        refused(mailbox, number)


def refused(mailbox: Any, number: int) -> None:
    with pytest.raises(RightsDenied) as denied:
        mailbox.message(number)
    assert denied.value.right == "ProgrammaticAccessAllowed"
    (message,) = mailbox.store.messages([number])
    assert message.preview == ""
    assert Right.EDIT in message.rights.granted


def test_rms_support_switched_off(world: World) -> None:
    """`enabled_features` = `rms_support` off: what is here stays shut until the wrapper takes its place."""
    number = synced(world, SHUT)
    draft = written(world, number)
    with world.open() as mailbox:
        refused(mailbox, number)
        before = len(world.exchange.requests)
        for ask in (mailbox.renew, mailbox.remove_protection):
            with pytest.raises(PolicyDenied, match="rms_support"):
                ask(number)
        assert len(world.exchange.requests) == before
        mailbox.sync()
        (left,) = mailbox.store.ids()
        message = mailbox.message(left)
        assert message.rights is None
        assert [item.name for item in message.attachments] == ["message.rpmsg"]
        assert "zebra" not in repr(message)
        with pytest.raises(RightsDenied):
            mailbox.draft(draft)
    asked = [
        request for request in list(world.exchange.requests)[before:] if "RightsManagementSupport" in repr(request.tree)
    ]
    assert asked == []


# -- the end


def test_expiry_takes_the_original_out_of_drafts_and_the_outbox(world: World) -> None:
    ends = NOW + timedelta(days=1)
    number = synced(world, MockLicence.everything(expires=ends))
    quoting, forwarding = written(world, number), written(world, number, "forward")
    merged = written(world, number, quote=None, text=f"Words. {BODY}")
    with world.open(RMS, acting_for_person=True) as mailbox:
        (entry,) = mailbox._queue(answered(mailbox, number, "reply"), None)
        own = mailbox.save(mailbox.new(to="bob@example.test", subject="own", text="Mine."))
    world.clock.now = ends
    with world.open(RMS, acting_for_person=True) as mailbox:
        for draft in (quoting, forwarding):  # their own words stay
            left = mailbox.draft(draft)
            assert (left.quote, left.attachments, left.text) == (None, (), "Words.")
        with pytest.raises(RightsDenied, match="expired"):  # one text: it stays, and shut
            mailbox.draft(merged)
        assert mailbox.draft(own).text == "Mine."
        waiting = next(each for each in mailbox.outbox() if each.id == entry)
        assert waiting.state is OutboxState.FAILED
        assert "expired" in waiting.reason
        assert "zebra" not in repr(mailbox.export_pending())
        mailbox.flush()
        assert world.exchange.user("bob").items() == []
        # A licence that was made longer opens again what is left.
        world.alice.items()[0].licence = MockLicence.everything(expires=ends + timedelta(days=9))
        mailbox.renew(number)
        assert BODY in mailbox.draft(merged).text


def test_nothing_of_expired_content_is_left_in_the_file(world: World) -> None:
    """Looked for in the pages themselves, deciphered without SQLCipher: freed pages, the index's, the log's."""
    long = "zebra " * 40_000
    raw = mail("Plan", long, attachments=(("plan.txt", b"zebra file"),))
    ends = NOW + timedelta(days=1)
    world.alice.deliver(raw, received=NOW - timedelta(hours=1), licence=MockLicence.everything(expires=ends))
    world.alice.deliver(
        mail("Short", BODY), received=NOW - timedelta(hours=1), licence=MockLicence.everything(expires=ends)
    )
    world.alice.deliver(mail("Other", "okapi " * 100), received=NOW - timedelta(hours=1))
    world.sync(RMS)
    with world.open(RMS, acting_for_person=True) as mailbox:
        assert len(mailbox.search("zebra")) == 2
        for number in list(mailbox.store.ids()):
            mailbox.save(answered(mailbox, number, "forward"))
    assert b"zebra" in deciphered(world.path)
    world.clock.now = ends
    world.open(RMS).close()
    left = deciphered(world.path)
    assert b"okapi" in left
    assert b"zebra" not in left
    with Store.open(world.path, KEY) as store:
        assert store.database.verify() == []
        assert store.database.scalar("SELECT count(*) FROM search WHERE search MATCH 'okapi'") == 1


def deciphered(path: Path) -> bytes:
    """Every page of the file and of its write-ahead log: AES-256-CBC, the IV at the start of each page's reserve."""
    reserve = 16 + hashlib.sha512().digest_size
    data = path.read_bytes()
    pages = [data[start : start + PAGE_SIZE] for start in range(0, len(data), PAGE_SIZE)]
    pages[0] = pages[0][16:]  # the salt
    log = path.with_name(path.name + "-wal")
    if log.exists():
        frames = log.read_bytes()[32:]
        pages += [frames[start + 24 : start + 24 + PAGE_SIZE] for start in range(0, len(frames), 24 + PAGE_SIZE)]
    clear = b""
    for page in pages:
        body, tail = page[:-reserve], page[-reserve:]
        decryptor = Cipher(algorithms.AES(KEY), modes.CBC(tail[:16])).decryptor()
        clear += decryptor.update(body) + decryptor.finalize()
    return clear


def test_recipients_of_unprotected_mail_are_free(world: World) -> None:
    world.alice.deliver(mail("Plain", BODY + "\n"), received=NOW - timedelta(hours=1))
    world.sync(RMS)
    with world.open(RMS) as mailbox:
        mailbox.send(replace(answered(mailbox, only(world), "reply"), to=(BOB,), cc=(CAROL,)))
        with pytest.raises(NotFound):
            mailbox.draft(999)
        with pytest.raises(UsageError):
            mailbox.send(replace(mailbox.new(text="T"), to=()))
    assert arrived(world, "carol").licence is None


def test_a_sealed_message_is_reported_as_it_arrived(world: World) -> None:
    keys = {**RMS, "report_phishing_address": "carol@example.test"}
    server_id = protected(world, SHUT)
    world.sync(keys)
    with world.open(keys, acting_for_person=True) as mailbox:
        mailbox.report_phishing(only(world))
        assert b"rpmsg" in mailbox.original_mime(only(world))
    assert server_id
    (attached,) = email.message_from_bytes(arrived(world, "carol").raw, policy=default).iter_attachments()
    assert b"message.rpmsg" in attached.get_content()
    assert b"zebra" not in attached.get_content()
