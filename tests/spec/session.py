"""One whole session in one protocol version: every command that the version has, by our client against the mock.

`speak` returns what went over the wire; the tests look at it. Each act names the versions that have it; in the others
it is not tried, so that what is absent there is absent because our client does not say it.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen
from xml.etree import ElementTree

from emailplus import account
from emailplus.eas.commands import autodiscover, get_attachment, item_operations, search
from emailplus.eas.commands.meeting_response import MeetingAnswer, UserResponse
from emailplus.eas.commands.resolve_recipients import Retrieval, Wish
from emailplus.eas.commands.search import Credentials
from emailplus.eas.flows import meetings, people
from emailplus.eas.flows.provision import apply_policy
from emailplus.eas.flows.search import search_mail
from emailplus.eas.flows.session import Session, perform_to_spool
from emailplus.eas.stream import RawPayload
from emailplus.eas.versions import VERSIONS
from emailplus.eas.wbxml import Node
from emailplus.flow import Flow, commit
from emailplus.mailbox import Mailbox
from emailplus.mock import Flag, MockExchange, MockLicence, MockPolicy
from emailplus.mock.directory import Busy
from emailplus.mock.policy import DOCUMENT_ORDER
from emailplus.model.account import OofState, OutOfOffice
from emailplus.model.account import Reply as OofReply
from emailplus.model.changes import ClaimBlob, RestartBlob
from emailplus.model.contact import Contact
from emailplus.model.draft import DraftAttachment
from emailplus.model.event import Attendee, Event, EventException, Location, NewAttachment
from emailplus.model.recurrence import Recurrence
from emailplus.model.search import MailQuery
from emailplus.model.task import Task
from emailplus.policy.body_preference import BodyPreference, BodyRequest

from ..commands.certificates import Authority
from ..commands.test_meetings import request as invitation
from ..flows.world import KEY, NOW, Clock, World, deliver, mail, noise
from ..items.two import ALL_DAY, SAMPLES, Device, devices
from ..mock.client import Client
from ..mock.client import options as _options
from ..mock.mail import MIXED, SIGNED

LINK = "\\\\files\\team\\report.bin"
GUID = "01234567-89ab-cdef-0123-456789abcdef"
START = NOW + timedelta(days=3)
TEMPLATE = "11111111-1111-1111-1111-111111111111"


@dataclass(frozen=True, slots=True)
class Spoken:
    """One request and its answer. `request` is None where the command has no document (or has its own form)."""

    version: str
    command: str
    request: Node | None
    answer: Node | None
    parameters: tuple[str, ...]
    headers: tuple[tuple[str, str], ...]
    content_type: str
    ours: bool = True
    """Said by our client; else by another one, to the mock."""


def exchange(version: str) -> MockExchange:
    """A server whose one mailbox and directory have something of everything."""
    made = MockExchange(clock=Clock(), versions=(version,), hold_factor=0.0)
    made.set_policy(MockPolicy(dict.fromkeys(DOCUMENT_ORDER, "0") | LISTS))
    made.rights_templates = [(TEMPLATE, "Do Not Forward", "Nobody forwards this.")]
    _people(made)
    alice = made.user("alice")
    deliver(alice, mail("beets", "A line of turnips.\n" * 40, attachments=(("a.bin", noise(3000)),)))
    deliver(alice, mail("long", "A line of parsnips.\n" * 60_000))
    deliver(alice, mail("turnips again", html="<p>turnips</p>"), read=True)
    deliver(alice, MIXED)
    deliver(alice, SIGNED)
    marked = deliver(alice, mail("marked"))
    alice.flag(marked, Flag(subject="call", start=NOW, due=NOW, reminder=NOW))
    alice.categorise(marked, "red", "blue")
    alice.set_verb(marked, 1)
    secret = deliver(alice, mail("secret", "Nobody forwards this.\n"))
    alice.protect(secret, MockLicence.everything())
    deliver(alice, invitation())
    made.library.add(LINK, noise(2000), "application/pdf")
    return made


LISTS = {
    "PasswordRecoveryEnabled": "1",
    "AttachmentsEnabled": "1",
    "AllowHTMLEmail": "1",
    "UnapprovedInROMApplicationList": "solitaire.exe",
    "ApprovedApplicationList": "0a1b2c",
}


def _people(made: MockExchange) -> None:
    authority = Authority()
    made.trust.roots.append(authority.der)
    bob = made.directory.entry("bob")
    bob.certificates = [authority.person("bob@example.test")]
    bob.photo = b"\xff\xd8photo"
    bob.title, bob.company, bob.office, bob.phone = "Head", "Works", "12", "+44 1"
    bob.mobile_phone, bob.home_phone = "+44 2", "+44 3"
    made.directory.add_list("Team", "team@example.test", ["bob@example.test", "carol@example.test"])
    made.directory.busy("bob", START, START + timedelta(hours=1), Busy.BUSY)


# -- acts


def _first(mailbox: Mailbox, query: str) -> int:
    return mailbox.search(query)[0].id


def reading(mailbox: Mailbox) -> None:
    mailbox.sync()
    mailbox.original_mime(_first(mailbox, "subject:secret"))


def folder_changes(mailbox: Mailbox) -> None:
    made = mailbox.create_folder("Projects", "Inbox")
    mailbox.rename_folder(made.server_id, "Plans")
    mailbox.create_folder("Short")
    mailbox.delete_folder("Short")


def mail_changes(mailbox: Mailbox) -> None:
    number = _first(mailbox, "subject:marked")
    mailbox.mark_read([number])
    if mailbox_version(mailbox) >= 120:
        mailbox.flag([number])
        mailbox.sync()
        mailbox.flag([number], "complete")
    if mailbox_version(mailbox) >= 140:
        mailbox.categorise([number], "green")
    mailbox.sync()
    mailbox.move([number], "Inbox/Plans", confirm=lambda _: "proceed")
    mailbox.sync()
    mailbox.delete([number], permanent=True, confirm=lambda _: "proceed")
    mailbox.sync()


def mailbox_version(mailbox: Mailbox) -> int:
    return int(str(mailbox.store.database.scalar("SELECT value FROM account WHERE name = 'version'")).replace(".", ""))


def sending(mailbox: Mailbox) -> None:
    content = DraftAttachment(name="plan.bin", content=noise(2000))
    mailbox.send(mailbox.new(to="bob@example.test", subject="Note", text="Hello", attachments=[content]))
    mailbox.send(mailbox.reply(_first(mailbox, "subject:long"), text="Yes"))
    mailbox.send(mailbox.forward(_first(mailbox, "subject:long"), to="bob@example.test", text="See"))


def protected_sending(mailbox: Mailbox) -> None:
    draft = mailbox.new(to="bob@example.test", subject="Sealed", text="Hello")
    mailbox.send(replace(draft, template=TEMPLATE))


def answers_to_meetings(mailbox: Mailbox) -> None:
    number = _first(mailbox, "subject:planning")
    mailbox.respond(number, "tentative")


def answer_with_mail(mailbox: Mailbox) -> None:
    mailbox.sync()
    mailbox.respond(_first(mailbox, "subject:planning"), "accept", reply="Gladly")


def answer_with_proposal(mailbox: Mailbox) -> None:
    mailbox.sync()
    proposed = (START + timedelta(days=1), START + timedelta(days=1, hours=1))
    mailbox.respond(_first(mailbox, "subject:planning"), "tentative", reply="Later?", proposed=proposed)


def directory(mailbox: Mailbox) -> None:
    mailbox.search_gal("bo")
    wish = Wish(Retrieval.FULL, max_certificates=5, max_ambiguous=5)
    mailbox._converse(partial(people.resolve, names=["bob@example.test", "team@example.test", "nobody"], wish=wish))
    mini = Wish(Retrieval.MINI)
    mailbox._converse(partial(people.resolve, names=["bob@example.test"], wish=mini))
    authority = Authority()
    mailbox.validate_certificates([authority.person("x@example.test")], [authority.der], check_revocation=True)


def photos(mailbox: Mailbox) -> None:
    mailbox.search_gal("bo", photo_size=5000)
    wish = Wish(photo_size=5000, max_photos=3)
    mailbox._converse(partial(people.resolve, names=["bob@example.test", "carol@example.test"], wish=wish))


def free_and_busy(mailbox: Mailbox) -> None:
    mailbox.free_busy(["bob@example.test", "carol@example.test"], START, START + timedelta(hours=4))


TEXT = BodyRequest((BodyPreference(1, 100), BodyPreference(2, None)), 0)


def searching(mailbox: Mailbox) -> None:
    inbox = next(folder.server_id for folder, _, _ in mailbox.folders() if folder.name == "Inbox")
    query = MailQuery("turnips", inbox, after=NOW - timedelta(days=9), before=NOW + timedelta(days=1))
    page = mailbox._converse(lambda session: search_mail(session, query, 5, GUID, TEXT))
    mailbox.fetch_found(page.results[0])


def conversations_found(mailbox: Mailbox) -> None:
    identity = bytes.fromhex(mailbox.message(_first(mailbox, "subject:beets")).conversation_id)
    query = MailQuery(conversation=identity)
    mailbox._converse(lambda session: search_mail(session, query, 5, GUID, TEXT))


def documents(mailbox: Mailbox) -> None:
    mailbox.documents(LINK.rpartition("\\")[0])
    mailbox.document(LINK)


def conversations_moved(mailbox: Mailbox) -> None:
    mailbox.move_conversation(_first(mailbox, "subject:beets"), "Inbox/Plans")
    mailbox.sync()


def unprotecting(mailbox: Mailbox) -> None:
    mailbox.sync()
    mailbox.remove_protection(_first(mailbox, "subject:secret"))


def settings(mailbox: Mailbox) -> None:
    reply = OofReply("Back on Monday")
    mailbox.set_out_of_office(
        OutOfOffice(
            OofState.SCHEDULED, START, START + timedelta(days=1), reply, reply, OofReply("<p>Away</p>", html=True)
        )
    )
    mailbox.out_of_office(html=True)
    mailbox.out_of_office()
    mailbox.user_information()
    mailbox.set_device_password("0451")


def templates(mailbox: Mailbox) -> None:
    mailbox.rights_templates()


def hierarchy(mailbox: Mailbox) -> None:
    mailbox.mail_folders()


def attachment_of_old(mailbox: Mailbox) -> None:
    """GetAttachment is there until 12.1, although ItemOperations has taken its place in our flows."""
    (attachment,) = mailbox.message(_first(mailbox, "subject:beets")).attachments

    def fetch(session: Session) -> Flow[None]:
        blob, _ = yield from commit(ClaimBlob("attachment", attachment.id))
        yield from commit(RestartBlob(blob))
        query = "SELECT file_reference FROM attachments WHERE id = ?"
        parameters = get_attachment.parameters(str(mailbox.store.database.scalar(query, (attachment.id,))))
        raw = RawPayload(None)
        yield from perform_to_spool(session, get_attachment.NAME, None, apply_policy, raw, blob, parameters=parameters)

    mailbox._converse(fetch)


def waiting(mailbox: Mailbox) -> None:
    mailbox.wait_for_changes(heartbeat=60)


def long_poll(mailbox: Mailbox) -> None:
    mailbox.sync(linger=60)


def emptying(mailbox: Mailbox) -> None:
    mailbox.empty_folder("Deleted Items", confirm=lambda _: "proceed")


def instance_answered(mailbox: Mailbox) -> None:
    inbox = next(folder.server_id for folder, _, _ in mailbox.folders() if folder.name == "Inbox")
    answer = MeetingAnswer(UserResponse.ACCEPT, inbox, "1:99", instance=START)
    mailbox._converse(partial(meetings.respond, answers=[answer]))


ACTS: tuple[tuple[Callable[[Mailbox], None], int, int], ...] = (
    (reading, 25, 161),
    (folder_changes, 25, 161),
    (searching, 120, 161),
    (conversations_found, 140, 161),
    (sending, 25, 161),
    (protected_sending, 141, 161),
    (mail_changes, 25, 161),
    (answers_to_meetings, 25, 161),
    (answer_with_mail, 160, 161),
    (answer_with_proposal, 161, 161),
    (instance_answered, 141, 161),
    (directory, 25, 161),
    (photos, 141, 161),
    (free_and_busy, 140, 161),
    (documents, 120, 161),
    (conversations_moved, 140, 161),
    (unprotecting, 141, 161),
    (settings, 120, 161),
    (templates, 141, 161),
    (hierarchy, 25, 121),
    (attachment_of_old, 120, 121),
    (waiting, 25, 161),
    (long_poll, 121, 161),
    (emptying, 120, 161),
)
"""What is done on the first device, with the first and last version that has it."""


# -- items of every class, made on one device and read on the other


def _texts(kind: type, code: int) -> dict[str, Any]:
    """Every text of a class that a client writes in a version, each with its own name as its value."""
    from emailplus.eas.items.classes import ITEM_TYPES

    table = next(item.table for item in ITEM_TYPES.values() if item.model is kind)
    defaults = kind(subject="x") if kind is not Contact else kind()
    return {
        row.attribute: row.attribute
        for row in table.rows
        if row.valid(code, request=True) and getattr(defaults, row.attribute) == "" and row.attribute != "timezone_blob"
    }


def _contact(code: int) -> Contact:
    more: dict[str, Any] = {"weighted_rank": 3} if code >= 140 else {}
    return replace(
        SAMPLES["Contacts"]("Full"),  # type: ignore[type-var, return-value]
        **{**_texts(Contact, code), "anniversary": datetime(2001, 5, 5, tzinfo=UTC), **more},
    )


def _event(code: int) -> Event:
    series = Recurrence(type=1, interval=2, day_of_week=2, occurrences=9)
    if code >= 140:
        series = replace(series, calendar_type=1)
    if code >= 141:
        series = replace(series, first_day_of_week=1)
    who = [Attendee(email="bob@example.test", name="Bob", **({"type": 1} if code >= 120 else {}))]
    place = Location("Room 1", street="1 High St", city="Bath", latitude=51.5, longitude=-2.25) if code >= 160 else None
    moved = EventException(START + timedelta(days=14), False, {"subject": "moved", "location": Location("Room 9")})
    return replace(
        SAMPLES["Calendar"]("Series"),  # type: ignore[type-var, return-value]
        start=START,
        end=START + timedelta(hours=1),
        recurrence=series,
        attendees=tuple(who),
        location=place or Location("Room 1"),
        sensitivity=2,
        busy_status=2,
        exceptions=(EventException(START + timedelta(days=28), True), moved) if code < 160 else (),
        **({"disallow_new_time_proposal": True, "response_requested": True} if code >= 140 else {}),
    )


def _task(code: int) -> Task:
    weekly = Recurrence(type=1, interval=1, day_of_week=4, start=datetime(2026, 12, 1), occurrences=3, regenerate=False)
    return replace(
        SAMPLES["Tasks"]("Full"),  # type: ignore[type-var, return-value]
        start_date=datetime(2026, 12, 1),
        sensitivity=1,
        reminder_set=True,
        reminder_time=datetime(2026, 12, 1, 8, tzinfo=UTC),
        recurrence=weekly,
    )


def items(one: Device, two: Device, code: int) -> None:
    """Made on one, changed on the other, deleted on the first."""
    one.sync()
    kinds = [_contact(code), _task(code), replace(SAMPLES["Tasks"]("Done"), complete=True)]  # type: ignore[type-var]
    if code >= 140:
        kinds.append(SAMPLES["Notes"]("List"))
    made = [one.create(item) for item in kinds]
    updates = {"send_updates": True} if code >= 160 else {}
    event = one.create(_event(code), **updates)
    one.create(ALL_DAY)
    one.sync()
    two.sync()
    if code >= 160:
        one.do(lambda box: box.change_item(event, instance=START + timedelta(days=14), subject="moved", **updates))
        one.do(lambda box: box.delete_item(event, instance=START + timedelta(days=28), **updates))
        file = NewAttachment("agenda.txt", b"1. turnips", "text/plain")
        one.change(event, attachments=(file,), **updates)
    one.change(event, subject="Series of two", **updates)
    for number in made:
        one.change(number, categories=("changed",))
    one.sync()
    two.sync()
    if code >= 160:
        one.change(event, attachments=(), **updates)
        one.do(lambda box: box.forward_event(event, "Carol <carol@example.test>", text="Will you go?"))
    one.delete(made[0])
    one.delete(event, **updates)
    one.sync()
    two.sync()


# -- what stands beside: Autodiscover, and requests that other clients make


def _tree(element: ElementTree.Element) -> Node:
    """An Autodiscover document as a tree; both of its answers' namespaces count as one."""
    name = f"Autodiscover:{element.tag.rpartition('}')[2]}"
    return (name, [_tree(child) for child in element]) if len(element) else (name, element.text)


def discovery(server: MockExchange, version: str) -> list[Spoken]:
    """Autodiscover as our client asks it: an address, a redirect, an address of somebody else, a wrong request."""
    server.autodiscover.url = "https://mail.example.test/Microsoft-Server-ActiveSync"
    server.autodiscover.enrolment = "https://ca.example.test/enrol"
    server.autodiscover.moved = {"old@example.test": "alice@example.test"}
    token = base64.b64encode(b"alice:alice-secret").decode()
    said = []
    for email in ("alice@example.test", "old@example.test", "bob@example.test", ""):
        body = autodiscover.build_pox(email) if email else b"<Autodiscover/>"
        headers = {"Authorization": f"Basic {token}", "Content-Type": "text/xml"}
        request = Request(server.url.rpartition("/")[0] + autodiscover.PATH, body, headers)
        with urlopen(request, timeout=30) as answer:
            root = ElementTree.fromstring(answer.read())
        asked = _tree(ElementTree.fromstring(body)) if email else None
        said.append(Spoken(version, "Autodiscover", asked, _tree(root), (), (), "text/xml"))
    return said


def others(server: MockExchange, version: str) -> None:
    """What versions offer and our client does without, asked by another client; the mock has to take all of it."""
    code = int(version.replace(".", ""))
    client = Client(server, version=version, device="other01")
    client.policy_key = ""
    server.set_policy(None)
    client.folder_sync()
    client.sync_all(
        "1", _options(("AirSync:FilterType", "5"), ("AirSync:MIMESupport", "2"), ("AirSync:MIMETruncation", "4"))
    )
    if code >= 121:
        client.sync_reply("1", more=[("AirSync:Wait", "1"), ("AirSync:WindowSize", "50")])
        client.sync_reply("1", more=[("AirSync:Wait", "60")])
    if code >= 140:
        client.sync_reply("1", ("AirSync:ConversationMode", "1"), more=[("AirSync:HeartbeatInterval", "5")])
    if code >= 141:
        part: Node = (
            "AirSyncBase:BodyPartPreference",
            [("AirSyncBase:Type", "2"), ("AirSyncBase:TruncationSize", "99")],
        )
        client.keys.clear()
        client.sync_all("1", _options(("AirSync:FilterType", "0"), part))
    many: list[Node] = [("Ping:Folder", [("Ping:Id", str(n)), ("Ping:Class", "Email")]) for n in range(1, 220)]
    client.command("Ping", ("Ping:Ping", [("Ping:HeartbeatInterval", "60"), ("Ping:Folders", many)]))
    few: list[Node] = [("Ping:Folder", [("Ping:Id", "1"), ("Ping:Class", "Email")])]
    client.command("Ping", ("Ping:Ping", [("Ping:HeartbeatInterval", "5"), ("Ping:Folders", few)]))
    if code >= 120:
        server.library.account = ("ann", "library-secret")
        secret = Credentials("ann", "library-secret")
        known = VERSIONS[version]
        client.command("Search", search.build_documents(LINK, 0, 9, known, secret))
        client.command("ItemOperations", item_operations.build_document(LINK, 0, 9, secret))
        device: list[Node] = [("Settings:Model", "m"), ("Settings:IMEI", "1"), ("Settings:PhoneNumber", "+1")]
        if code >= 140:
            device.append(("Settings:EnableOutboundSMS", "0"))
            device.append(("Settings:MobileOperator", "o"))
        told: Node = ("Settings:DeviceInformation", [("Settings:Set", device)])
        client.command("Settings", ("Settings:Settings", [told]))
    if code >= 140:
        _answers(server, client, code)
    client.close()


def _answers(server: MockExchange, client: Client, code: int) -> None:
    """SmartReply and SmartForward of an occurrence, and of a search result; an account that does not exist."""
    item = server.user("alice").items("Inbox")[0].server_id
    mime = mail("Re: x").replace(b"To: alice", b"To: bob")
    for name in ("SmartReply", "SmartForward"):
        for number, source in enumerate(
            (
                [("ComposeMail:FolderId", "1"), ("ComposeMail:ItemId", item)],
                [("ComposeMail:LongId", item), ("ComposeMail:InstanceId", "2026-12-01T09:00:00.000Z")],
            )
        ):
            parts: list[Node] = [("ComposeMail:ClientId", f"{name}{number}"), ("ComposeMail:Source", source)]  # type: ignore[list-item]
            parts += [("ComposeMail:ReplaceMime", None), ("ComposeMail:Mime", mime)]
            if code >= 141 and number:
                parts.insert(1, ("ComposeMail:AccountId", "2"))
                parts.append(("RightsManagement:TemplateID", TEMPLATE))
            client.command(name, (f"ComposeMail:{name}", parts))


def speak(version: str, folder: Path) -> tuple[list[Spoken], MockExchange]:
    """Everything that is said in a version, in order, and the server that answered (stopped)."""
    code = int(version.replace(".", ""))
    server = exchange(version)
    clock = server.clock
    patched, account.utc_now = account.utc_now, clock
    server.start()
    try:
        world = World(server, folder, clock)  # type: ignore[arg-type]
        one, two = devices(world, version, keys={"enabled_features": "rms_support", "email_max_body_size": 1})
        with Mailbox.open(one.config(), store=one.path, key=KEY) as mailbox:
            for act, first, last in ACTS:
                if first <= code <= last:
                    if act in (answer_with_mail, answer_with_proposal):
                        deliver(world.alice, invitation(uid=act.__name__))
                    act(mailbox)
        items(one, two, code)
        ours = len(server.requests)
        others(server, version)
        found = discovery(server, version)
    finally:
        server.stop()
        account.utc_now = patched
    return [
        Spoken(
            version,
            request.command,
            request.tree,
            request.response_tree,
            tuple(sorted(request.parameters)),
            tuple(request.headers),
            next((value for name, value in request.response_headers if name.lower() == "content-type"), ""),
            request.number <= ours,
        )
        for request in list(server.requests)
        if request.command != "Autodiscover"
    ] + found, server
