"""Nobody gets protected content out through the program's door: every public name of a mailbox, found by reflection.

A name that is added to `Mailbox`, to what hangs on it, or to the command line, and that stands in none of these tables,
fails a test: whoever adds it has to say what the audit asks of it, or why it cannot let mail out.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import Any

import pytest

from emailplus.errors import EmailplusError
from emailplus.mailbox import AsyncMailbox, Mailbox
from emailplus.mock import MockUser
from emailplus.mock.mailbox import long_id
from emailplus.model.draft import Draft, DraftAttachment, DraftKind
from emailplus.model.events import MessageReceived
from emailplus.model.message import Address, Message
from emailplus.model.search import FoundMail
from emailplus.rms.compose import NO_RESTRICTION
from emailplus.store.guarded import GuardedStore
from emailplus.store.store import Store
from emailplus.store.values import dumps

from ..flows.world import KEY, NOW, World
from ..watch.watcher import Watcher
from .canaries import EXPIRY, OTHER, PLANTED, TEMPLATE, ids, leaks, plant, spill
from .test_protected_mail import _today  # noqa: F401 - the store's clock is the test's

USERS = [MockUser("alice@example.test", "alice", "alice-secret"), MockUser("eve@example.test", "eve", "eve-secret")]
KEYS = {
    "enabled_features": "rms_support", "allow_logging": "true", "allow_show_configuration": "true",
    "feedback_email_address": "help@example.test", "report_phishing_address": "eve@example.test",
}  # fmt: skip
EVE = Address("", "eve@example.test")


@dataclass
class Walk:
    """What the calls are made with."""

    world: World
    numbers: dict[str, int]
    files: list[int]
    drafts: list[int]
    """Written by a person: answers to whatever may be answered."""
    entries: list[int]
    """Waiting in the outbox, likewise."""
    found: list[FoundMail]

    @property
    def messages(self) -> list[int]:
        return list(self.numbers.values())

    @property
    def few(self) -> list[int]:
        """For what asks the server each time: one of each kind."""
        alike = ("only", "all but")
        return [number for name, number in self.numbers.items() if "programmatic" in name or not name.startswith(alike)]

    def forged(self) -> list[Draft]:
        """Drafts that a program could hand in to have content put into them."""
        base = Draft(message_id="m1@example.test", sender=Address("", "alice@example.test"), to=(EVE,), subject="S")
        made = []
        answers = [(DraftKind.FORWARD, template) for template in ("", OTHER[0], NO_RESTRICTION)]
        for number, file in zip(self.messages, self.files, strict=True):
            if number not in self.few:
                continue
            taken = (DraftAttachment(name="f.txt", source=file),)
            draft = replace(base, original=number, attachments=taken)
            made += [
                replace(draft, message_id=f"{number}{kind}{template[:2]}@example.test", kind=kind, template=template)
                for kind, template in [*answers, (DraftKind.REPLY, NO_RESTRICTION), (DraftKind.NEW, "")]
            ]
            made.append(replace(base, message_id=f"{number}x@example.test", attachments=taken))
            # an answer to unprotected mail, with a file of protected mail
            other = replace(draft, kind=DraftKind.FORWARD, original=self.messages[0])
            made.append(replace(other, message_id=f"{number}y@example.test"))
        return made


Arguments = Iterable[tuple[tuple[Any, ...], dict[str, Any]]]


def each(values: Iterable[Any], *more: Any, **named: Any) -> Arguments:
    return [((value, *more), named) for value in values]


def once(*values: Any, **named: Any) -> Arguments:
    return [(values, named)]


ASKED: dict[str, Callable[[Walk], Arguments]] = {
    "message": lambda w: each(w.messages),
    "view": lambda w: each(w.messages),
    "page": lambda w: each(w.messages),
    "show_pictures": lambda w: each(w.messages),
    "opened": lambda w: each(w.messages),
    "opened_in_pieces": lambda w: each(w.messages),
    "attachment": lambda w: each(w.files),
    "import_certificate": lambda w: each(w.files, lambda name: None),
    "original_mime": lambda w: each(w.few),
    "permits": lambda w: each(w.messages, "read"),
    "event_of": lambda w: each(w.messages),
    "mails_of": lambda w: each([1, 2]),
    "search": lambda w: [*once(""), *each(["kanari*", *(p.body for p in PLANTED), *(p.file for p in PLANTED)])],
    "search_tokens": lambda w: each(["", "kanari", "kan"]),
    "search_everywhere": lambda w: each(["word", "subject:mail", "kanari*"]),
    "fetch_found": lambda w: each(w.found),
    "draft": lambda w: each(w.drafts),
    "drafts": lambda w: once(),
    "outbox": lambda w: once(),
    "export_pending": lambda w: once(),
    "pending_changes": lambda w: once(),
    "waiting_changes": lambda w: once(),
    "waiting_answers": lambda w: once(),
    "respond": lambda w: each(w.few, "accept", reply="Yes"),
    "reply": lambda w: each(w.messages, text="T"),
    "reply_all": lambda w: each(w.messages, text="T"),
    "forward": lambda w: [*each(w.messages, to="eve@example.test"),
                          *each(w.messages, to="eve@example.test", as_attachment=True)],
    "redirect": lambda w: each(w.messages, to="eve@example.test"),
    "preview": lambda w: each(w.forged()),
    "save": lambda w: each(w.forged()),
    "send": lambda w: each(w.forged()),
    "flush": lambda w: once(),
    "report_phishing": lambda w: each(w.few),
    "withdraw": lambda w: each(w.entries),
    "folders": lambda w: once(),
    "mail_folders": lambda w: once(),
    "events": lambda w: once(NOW, EXPIRY),
    "contacts": lambda w: once(),
    "tasks": lambda w: once(),
    "notes": lambda w: once(),
    "item": lambda w: each([1, 2]),
    "mark_read": lambda w: each([w.messages]),
    "flag": lambda w: each([w.messages]),
    "categorise": lambda w: each([w.messages], "red"),
    "sync": lambda w: once(tell_messages=True),
    "renew": lambda w: each(w.few),
    "remove_protection": lambda w: each(
        [w.numbers[p.name] for p in PLANTED if not p.open_to_programs() and w.numbers[p.name] in w.few]
    ),
    "show_configuration": lambda w: once(),
    "feedback": lambda w: once("words"),
    "crash_reports": lambda w: once(),
    "policy_report": lambda w: once(),
    "move": lambda w: each([w.messages], "Deleted Items", confirm=lambda question: question.choices[1]),
}  # fmt: skip
"""Method -> what it is called with, in this order; what changes things comes late."""

SPECIAL = {
    "watch": "test_a_watch_tells_no_content",
    "traffic_log": "test_nothing_is_logged",
    "open": "acting_for_person is the explicit way: tests/rms/test_protected_mail.py",
}
"""Looked at by a test of its own."""

_REASONS: dict[str, tuple[str, ...]] = {
    "configuration and sign-in: names no message": (
        "apply", "apply_app_policy", "change_password", "close", "may", "set_device_password", "sign_in",
        "sign_in_state", "sign_out",
    ),
    "people, calendar, keys: a licence protects mail alone": (
        "attach_to_event", "change_item", "create_item", "delete_item", "delete_items", "detach_from_event",
        "drop_change", "event_file", "event_files", "export_contacts", "fetch_revocation_lists", "find_certificates",
        "forward_event", "free_busy", "import_recipient", "is_vip", "keychain", "mark_vip", "move_item", "note_title",
        "resolve", "search_gal", "validate_certificates",
    ),
    "takes away, moves or names a folder, and gives nothing": (
        "create_folder", "delete", "delete_folder", "discard", "drop_answer", "empty_folder", "move_conversation",
        "rename_folder", "wait_for_changes",
    ),
    "of mail it knows header fields alone (EwsMail)": (
        "end_push", "ews_subscriptions", "listen_by_ews", "missed_notifications", "push_registration", "push_state",
        "register_push", "renew_push", "subscribe_by_ews", "take_notification", "unsubscribe_by_ews",
    ),
    "something else on the server than mail": (
        "discover", "document", "documents", "out_of_office", "rights_templates", "set_out_of_office", "templates",
        "user_information",
    ),
    "made of what the caller gives": ("draft_from", "new", "protect"),
    "`feedback`, sent": ("send_feedback",),
}  # fmt: skip
QUIET = {name: reason for reason, names in _REASONS.items() for name in names}
"""Method -> why it lets no content of mail out."""

HANGING = {
    "store": "test_what_hangs_on_a_mailbox", "protection": "test_what_hangs_on_a_mailbox",
    "reading": "test_what_hangs_on_a_mailbox", "settings": "the user's choices", "classification": "markings",
    "credentials": "what it signs in with", "change": "what a configuration changed", "notices": "sentences",
    "config": "the app config", "door": "which door it is", "conflicts": "a word", "read_only": "a switch",
}  # fmt: skip
"""What hangs on a mailbox beside methods."""


def public(thing: Any) -> set[str]:
    return {name for name in dir(thing) if not name.startswith("_")}


def test_every_public_name_is_classified(world: World) -> None:
    kinds = {name: getattr(Mailbox, name) for name in public(Mailbox)}
    methods = {name for name, kind in kinds.items() if callable(kind) or isinstance(kind, property)}
    assert methods == {*ASKED, *SPECIAL, *QUIET}
    assert not ASKED.keys() & QUIET.keys()
    with world.open(KEYS) as mailbox:
        assert public(mailbox) - methods == set(HANGING)
    others = {name for name in public(AsyncMailbox) if not inspect.iscoroutinefunction(getattr(AsyncMailbox, name))}
    assert others - methods <= set(HANGING)


# -- the mailbox


@pytest.fixture(params=["14.1", "16.1"])
def prepared(request: pytest.FixtureRequest, make_world: Any) -> Walk:
    """A synchronised mailbox in which a person has written drafts and left mail waiting."""
    world: World = make_world(users=USERS, versions=[request.param])
    plant(world)
    world.sync(KEYS)
    drafts, entries = [], []
    with world.open(KEYS, acting_for_person=True) as mailbox:
        numbers = ids(mailbox)
        for planted in PLANTED:  # what other servers send beside the body
            content = (f"The word is {planted.body}.", dumps({"voice_notes": planted.body}), numbers[planted.name])
            mailbox.store.database.execute("UPDATE messages SET preview = ?, details = ? WHERE id = ?", content)
        files = [mailbox.store.attachments(number)[0].id for number in numbers.values()]
        for number in numbers.values():
            for write in (mailbox.reply, mailbox.reply_all, mailbox.forward):
                try:
                    draft = write(number, text="Mine.")
                except EmailplusError:
                    continue
                if draft.kind is DraftKind.FORWARD:
                    draft = replace(draft, to=(EVE,))
                drafts.append(mailbox.save(draft))
                merged = f"{draft.text} {draft.quote.text if draft.quote is not None else ''}"
                drafts.append(mailbox.save(replace(draft, id=None, text=merged, quote=None)))
                waiting = replace(draft, message_id=f"waiting{number}{draft.kind}@example.test")
                try:
                    entries += mailbox._queue(waiting, None)
                except EmailplusError:
                    continue
        assert drafts
        assert entries
    items = {item.server_id for item in world.alice.items()}
    found = [FoundMail(Message(), "", long_id=long_id(server_id)) for server_id in sorted(items)]
    return Walk(world, numbers, files, drafts, entries, found)


def calls(walk: Walk, over: Iterable[str] = ASKED) -> Iterable[tuple[str, tuple[Any, ...], dict[str, Any]]]:
    for name in over:
        for arguments, named in ASKED[name](walk):
            yield name, arguments, named


def result_of(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except EmailplusError as problem:
        return problem


def judged(outcomes: dict[str, str], *, after_expiry: bool) -> None:
    """No word of what is shut came out, and words of what is open did: the audit has eyes."""
    shut = [planted for planted in PLANTED if not planted.open_to_programs(after_expiry)]
    asked_for = {"search", "search_everywhere"}  # the query comes back in an error; their hits are looked at apart
    found = {name: leaks(text, shut) for name, text in outcomes.items() if name not in asked_for}
    assert {name: words for name, words in found.items() if words} == {}
    seen = {name for name, text in outcomes.items() if leaks(text, [PLANTED[0]])}
    assert {"message", "view", "page", "attachment", "fetch_found", "draft", "reply", "export_pending"} <= seen


def test_the_program_door(prepared: Walk) -> None:
    outcomes: dict[str, str] = {}
    events: list[Any] = []
    with prepared.world.open(KEYS) as mailbox:
        for name, arguments, named in calls(prepared):
            more = {"listener": events.append} if name == "sync" else {}
            result = result_of(lambda name=name, a=arguments, n={**named, **more}: getattr(mailbox, name)(*a, **n))
            outcomes[name] = outcomes.get(name, "") + spill(result)
        for number in prepared.drafts:  # those that `withdraw` gave back, too
            outcomes["draft"] += spill(result_of(lambda number=number: mailbox.draft(number)))
        lines = mailbox.store.database.all("SELECT * FROM log_lines")
    outcomes |= {"the listener": spill(events), "the log": spill(lines)}
    judged(outcomes, after_expiry=False)
    nothing_arrived_in_the_clear(prepared.world)


def subject_of(raw: bytes) -> str:
    return str(BytesHeaderParser().parsebytes(raw)["Subject"])


def nothing_arrived_in_the_clear(world: World) -> None:
    """What a program had sent to somebody, or put into Drafts, has no word of what is shut to it unless protected."""
    shut = [planted for planted in PLANTED if not planted.open_to_programs()]
    sent = world.exchange.user("eve").items()
    assert sent
    subjects = {f"Mail {planted.name}" for planted in PLANTED}
    own = [item for item in world.alice.items() if subject_of(item.raw) not in subjects]
    for item in (*sent, *own):
        if item.licence is None:
            assert leaks(item.raw.decode("utf-8", "replace"), shut) == [], subject_of(item.raw)
        else:
            assert item.licence.template_id == TEMPLATE or not leaks(item.raw.decode("utf-8", "replace"), shut)


@pytest.mark.parametrize("prepared", ["16.1"], indirect=True)
def test_the_program_door_of_the_async_mailbox(prepared: Walk) -> None:
    outcomes: dict[str, str] = {}

    async def walk_through() -> None:
        config = prepared.world.config(**KEYS)
        async with await AsyncMailbox.open(config, store=prepared.world.path, key=KEY) as mailbox:
            for name, arguments, named in calls(prepared):
                try:
                    result = await getattr(mailbox, name)(*arguments, **named)
                except EmailplusError as problem:
                    result = problem
                outcomes[name] = outcomes.get(name, "") + spill(result)

    asyncio.run(walk_through())
    judged(outcomes, after_expiry=False)


@pytest.mark.parametrize("prepared", ["16.1"], indirect=True)
def test_after_expiry(prepared: Walk) -> None:
    """Not even what a person wrote about it lets it out, through either door."""
    prepared.world.clock.now = EXPIRY
    gone = [planted for planted in PLANTED if planted.licence is not None and planted.licence.expires is not None]
    reading = [name for name in ASKED if name not in ("send", "save", "preview", "remove_protection", "renew", "move")]
    for acting in (False, True):
        outcomes: dict[str, str] = {}
        with prepared.world.open(KEYS, acting_for_person=acting) as mailbox:
            for name, arguments, named in calls(prepared, reading):
                result = result_of(lambda name=name, a=arguments, n=named: getattr(mailbox, name)(*a, **n))
                outcomes[name] = outcomes.get(name, "") + spill(result)
        found = {n: leaks(t, gone) for n, t in outcomes.items() if n not in ("search", "search_everywhere")}
        assert {name: words for name, words in found.items() if words} == {}, acting
        if not acting:
            judged(outcomes, after_expiry=True)


# -- what hangs on it

STORE_LETS_OUT = {"message", "body", "body_source", "body_pieces", "attachment_content", "messages"}


@pytest.mark.parametrize("prepared", ["16.1"], indirect=True)
def test_what_hangs_on_a_mailbox(prepared: Walk) -> None:
    shut = [planted for planted in PLANTED if not planted.open_to_programs()]
    outcomes: dict[str, str] = {}
    with prepared.world.open(KEYS) as mailbox:
        assert isinstance(mailbox.store, GuardedStore)
        assert vars(GuardedStore).keys() >= STORE_LETS_OUT
        for number, file in zip(prepared.messages, prepared.files, strict=True):
            store, reading, protection = mailbox.store, mailbox.reading, mailbox.protection
            made: dict[str, Callable[[], Any]] = {
                "store.message": lambda n=number, s=store: s.message(n),
                "store.messages": lambda n=number, s=store: s.messages([n]),
                "store.body": lambda n=number, s=store: s.body(n),
                "store.body_source": lambda n=number, s=store: s.body_source(n)[:],
                "store.body_pieces": lambda n=number, s=store: list(s.body_pieces(n)),
                "store.attachments": lambda n=number, s=store: s.attachments(n),
                "store.attachment_content": lambda f=file, s=store: list(s.attachment_content(f)),
                "reading.view": lambda n=number, r=reading: r.view(n),
                "reading.page": lambda n=number, r=reading: r.page(n),
                "reading.terminal": lambda n=number, r=reading: r.terminal(n),
                "protection.open": lambda n=number, p=protection: p.open(n),
                "protection.inside": lambda n=number, p=protection, s=store: p.inside(*s.messages([n])),
                "protection.open_large": lambda n=number, p=protection: list(p.open_large(n).content()),
                "protection.attach": lambda n=number, p=protection, s=store: p.attach(*s.messages([n]), contents=True),
                "protection.import_attachment": lambda f=file, p=protection: p.import_attachment(f, lambda name: None),
            }  # fmt: skip
            for name, call in made.items():
                outcomes[name] = outcomes.get(name, "") + spill(result_of(call))
    found = {name: leaks(text, shut) for name, text in outcomes.items()}
    assert {name: words for name, words in found.items() if words} == {}
    for name in ("store.message", "store.body", "store.attachment_content", "reading.view", "reading.terminal"):
        assert leaks(outcomes[name], [PLANTED[0]]), name


def test_what_a_store_lets_out_is_known() -> None:
    """Content comes out of a `Store` by these names and no others; a new one has to be thought about."""
    assert public(Store) == STORE_LETS_OUT | {
        "account", "apply", "attachments", "blob_writer", "close", "folders", "ids", "load", "open", "path", "stats",
    }  # fmt: skip


# -- logs, crashes, notifications


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("version", ["14.1", "16.1"])
def test_nothing_is_logged(make_world: Any, tmp_path: Path, full: bool, version: str) -> None:
    """Log, crash reports, feedback bundle, and traffic logs in both forms, the one with mail in the clear included."""
    world: World = make_world(users=USERS, versions=[version])
    plant(world)
    failed = []

    def fail(event: Any) -> None:
        if isinstance(event, MessageReceived) and not failed:
            failed.append(event)
            raise RuntimeError(f"a listener failed over {event!r}")

    with world.open(KEYS) as mailbox:
        mailbox.traffic_log(tmp_path / "traffic.txt", full=full)
        with pytest.raises(RuntimeError):
            mailbox.sync(listener=fail, tell_messages=True)
        mailbox.sync()
        numbers = ids(mailbox)
        mailbox.renew(numbers["nothing"])
    with world.open(KEYS, acting_for_person=True) as mailbox:  # what leaves, protected
        mailbox.traffic_log(tmp_path / "sent.txt", full=full)
        mailbox.send(mailbox.reply(numbers["everything"], text="Mine."))
        told = spill([mailbox.crash_reports(), mailbox.feedback("words")])
        told += spill(mailbox.store.database.all("SELECT * FROM log_lines"))
    assert world.exchange.requests.of("SmartReply")
    written = spill(sorted(tmp_path.glob("*.txt*")))
    assert leaks(told + written, [planted for planted in PLANTED if planted.licence is not None]) == []
    assert (
        bool(leaks(written, [PLANTED[0]])) is full
    )  # unprotected mail is in the clear in the full form, and only there


@pytest.mark.parametrize("disabled", ["", "local_cache_all"])
def test_a_watch_tells_no_content(make_world: Any, disabled: str) -> None:
    world: World = make_world(users=USERS)
    keys = {**KEYS, "disabled_features": disabled} if disabled else KEYS
    world.sync(keys)
    with world.open(keys) as mailbox:
        watcher = Watcher(mailbox)
        try:
            watcher.watching()
            plant(world)
            watcher.mail(len(PLANTED))
        finally:
            watcher.watch.stop()
            watcher.thread.join(60)
            watcher.watch.close()
    told = spill([event for _, event in watcher.events])
    assert leaks(told, [planted for planted in PLANTED if not planted.open_to_programs()]) == []
    assert leaks(told, [PLANTED[0]])
