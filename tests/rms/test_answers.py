"""Answers to protected mail, and mail that goes out protected: held against the licence here, and by the server."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from emailplus.errors import RightsDenied, RightsRefused, UsageError
from emailplus.mailbox import Mailbox
from emailplus.mime.view import read
from emailplus.mock import MockLicence, MockUser
from emailplus.mock.mailbox import Item
from emailplus.model.message import Address
from emailplus.rms.compose import NO_RESTRICTION

from ..flows.world import NOW, World, mail
from .test_protected_mail import BODY, RMS, TEMPLATES, only, protected

USERS = [MockUser("alice@example.test", "alice", "alice-secret"), MockUser("bob@example.test", "bob", "bob-secret"),
         MockUser("carol@example.test", "carol", "carol-secret")]  # fmt: skip
T1 = MockLicence().template_id
BOB, CAROL = Address("Bob", "bob@example.test"), Address("", "carol@example.test")


@pytest.fixture
def world(make_world: Any) -> World:
    made: World = make_world(users=USERS)
    made.exchange.rights_templates = [(T1, "Do Not Forward", "No."), *TEMPLATES[:3]]
    return made


def synced(world: World, licence: MockLicence) -> int:
    protected(world, licence)
    world.sync(RMS)
    return only(world)


def arrived(world: World, user: str = "bob") -> Item:
    (item,) = world.exchange.user(user).items()
    return item


def answered(mailbox: Mailbox, number: int, kind: str, **changes: Any) -> Any:
    make = {"reply": mailbox.reply, "reply_all": mailbox.reply_all, "forward": mailbox.forward}[kind]
    draft = make(number, text="Words.", **({"to": "carol@example.test"} if kind == "forward" else {}))
    return replace(draft, **changes)


@pytest.mark.parametrize(
    ("kind", "right"), [("reply", "ReplyAllowed"), ("reply_all", "ReplyAllAllowed"), ("forward", "ForwardAllowed")]
)
def test_no_answer_without_its_right(world: World, kind: str, right: str) -> None:
    number = synced(world, MockLicence.everything(**{kind: False}))
    with world.open(RMS, acting_for_person=True) as mailbox, pytest.raises(RightsDenied) as denied:
        answered(mailbox, number, kind)
    assert denied.value.right == right
    assert world.exchange.requests.of("SmartReply") == world.exchange.requests.of("SmartForward") == []


@pytest.mark.parametrize("kind", ["reply", "reply_all", "forward"])
def test_an_answer_goes_on_protected(world: World, kind: str) -> None:
    number = synced(world, MockLicence.everything())
    with world.open(RMS, acting_for_person=True) as mailbox:
        mailbox.send(answered(mailbox, number, kind))
    item = arrived(world, "carol" if kind == "forward" else "bob")
    assert item.licence is not None
    assert item.licence.template_id == T1
    assert b"Words." in item.raw
    assert BODY.encode() in item.raw


def test_recipients_stay_without_their_right(world: World) -> None:
    number = synced(world, MockLicence.everything(modify_recipients=False))
    with world.open(RMS, acting_for_person=True) as mailbox:
        draft = answered(mailbox, number, "reply")
        with pytest.raises(RightsDenied) as denied:
            mailbox.send(replace(draft, cc=(CAROL,)))
        assert denied.value.right == "ModifyRecipientsAllowed"
        mailbox.send(draft)
    assert arrived(world).licence is not None


def test_without_edit_nothing_of_the_original_is_in_an_answer(world: World) -> None:
    number = synced(world, MockLicence.everything(edit=False))
    with world.open(RMS, acting_for_person=True) as mailbox:
        draft = answered(mailbox, number, "reply")
        assert draft.quote is None
        mailbox.send(draft)
        mailbox.send(answered(mailbox, number, "forward"))
    reply, forward = arrived(world), arrived(world, "carol")
    assert BODY.encode() not in reply.raw
    assert b"rpmsg" not in reply.raw
    assert BODY.encode() not in forward.raw
    assert b"message.rpmsg" in forward.raw  # the server attached it, still sealed


def test_a_program_may_forward_what_it_may_not_read(world: World) -> None:
    number = synced(world, MockLicence.everything(programmatic_access=False))
    with world.open(RMS) as mailbox:
        draft = answered(mailbox, number, "forward")
        assert draft.quote is None
        assert BODY not in repr(draft)
        mailbox.send(draft)
    forward = arrived(world, "carol")
    assert forward.licence is not None
    assert BODY in read(forward.raw).text


@pytest.mark.parametrize(
    ("licence", "allowed"), [(MockLicence.everything(), True), (MockLicence.everything(export=False), False)]
)
def test_protection_off_in_an_answer(world: World, licence: MockLicence, allowed: bool) -> None:
    number = synced(world, licence)
    with world.open(RMS, acting_for_person=True) as mailbox:
        draft = answered(mailbox, number, "reply", template=NO_RESTRICTION)
        if not allowed:
            with pytest.raises(RightsDenied):
                mailbox.send(draft)
            return
        mailbox.send(draft)
    assert arrived(world).licence is None
    assert world.alice.items()[0].licence is not None


def test_new_mail_with_a_template(world: World) -> None:
    world.sync(RMS)
    with world.open(RMS) as mailbox:
        draft = replace(mailbox.new(to="bob@example.test", subject="S", text="T"), template=TEMPLATES[1][0])
        mailbox.send(draft)
        other = replace(mailbox.new(to="bob@example.test", subject="S", text="T"), template="nonsense")
        with pytest.raises(RightsRefused) as refused:
            mailbox.send(other)
        assert refused.value.status == 171
        world.exchange.rights_templates = None
        with pytest.raises(RightsRefused) as refused:
            mailbox.send(replace(mailbox.new(to="bob@example.test", text="T"), template=TEMPLATES[1][0]))
        assert refused.value.status == 168
    licence = arrived(world).licence
    assert licence is not None
    assert (licence.template_name, licence.content_owner) == ("T1", "alice@example.test")
    with world.open() as mailbox, pytest.raises(UsageError, match="rms_support"):
        mailbox.send(replace(mailbox.new(to="bob@example.test", text="T"), template=TEMPLATES[1][0]))


def test_an_expired_original_is_not_answered(world: World) -> None:
    number = synced(world, MockLicence.everything(expires=NOW + timedelta(hours=1)))
    with world.open(RMS, acting_for_person=True) as mailbox:
        draft = answered(mailbox, number, "reply")
        world.clock.now = NOW + timedelta(hours=2)
        with pytest.raises(RightsDenied, match="expired"):
            mailbox.send(draft)


def test_unprotected_mail_is_answered_as_ever(world: World) -> None:
    world.alice.deliver(mail("Plain", BODY + "\n"), received=NOW - timedelta(hours=1))
    world.sync(RMS)
    with world.open(RMS) as mailbox:
        draft = answered(mailbox, only(world), "reply")
        assert draft.quote is not None
        mailbox.send(draft)
    assert arrived(world).licence is None


def test_nothing_leaves_unprotected_below_14_1(make_world: Any) -> None:
    old = make_world(users=USERS, versions=["14.0"])
    old.sync(RMS)
    with old.open(RMS) as mailbox, pytest.raises(RightsRefused, match=r"14\.1"):
        mailbox.send(replace(mailbox.new(to="bob@example.test", subject="S", text="T"), template=T1))
    assert old.exchange.user("bob").items() == []
