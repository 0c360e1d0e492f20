"""The commands beside Sync and sending, each looked at from the other side: IMAP, CalDAV, the list of users."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from emailplus.eas.commands import get_item_estimate, move_items
from emailplus.eas.flows.ask import EmptyAnswer, ask
from emailplus.eas.flows.search import search_mail
from emailplus.errors import NotOffered
from emailplus.mailbox import Mailbox
from emailplus.model.account import OofState, OutOfOffice, Reply
from emailplus.model.event import Event
from emailplus.model.folder import FolderType
from emailplus.model.search import MailQuery
from emailplus.policy.body_preference import BodyPreference, BodyRequest

from ..commands.certificates import Authority
from .dav import Dav
from .runs import open_mailbox
from .server import Server, User
from .test_changes import Workplace, mine, work
from .test_sending import connected, yes

__all__ = ["work"]

START = datetime(2026, 12, 15, 9, 0, tzinfo=UTC)
GUID = "01234567-89ab-cdef-0123-456789abcdef"
TEXT = BodyRequest((BodyPreference(1, None),), 0)


@pytest.fixture(params=["12.1", "14.1"])
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def mailbox(
    server: Server, work: Workplace, tmp_path: Path, version: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Mailbox]:
    """The last user's mailbox, spoken to in `version` whatever is done."""
    with open_mailbox(server, work.user, tmp_path / "mail.db") as opened:
        begin = opened._dialogue
        monkeypatch.setattr(opened, "_dialogue", lambda dialogue, wanted=None: begin(dialogue, wanted or version))
        connected(opened, version)
        yield opened


@pytest.fixture
def dav(server: Server, work: Workplace) -> Iterator[Dav]:
    if "dav_url" not in server.document:
        pytest.skip("the server.json names no dav_url: nothing to compare with")
    made = Dav(server, work.user)
    before = set(made.all("Calendar"))
    yield made
    for name in set(made.all("Calendar")) - before:
        made.remove("Calendar", "personal", name)


def folder_id(mailbox: Mailbox, name: str) -> str:
    return next(folder.server_id for folder, _, _ in mailbox.folders() if folder.name == name)


# -- folders


def test_folders_are_made_renamed_moved_and_deleted(mailbox: Mailbox, work: Workplace, version: str) -> None:
    name = f"Made {secrets.token_hex(4)}"
    try:
        made = mailbox.create_folder(name)
        assert name in work.imap.folders()
        inner = mailbox.create_folder("Innen & außen", name)
        assert f"{name}/Innen & außen" in work.imap.folders()
        assert inner.parent_id == made.server_id
        mailbox.rename_folder(inner.server_id, "Drinnen")
        assert f"{name}/Drinnen" in work.imap.folders()
        mailbox.rename_folder(f"{name}/Drinnen", parent="0")
        assert "Drinnen" in work.imap.folders()
        mailbox.delete_folder("Drinnen")
        mailbox.delete_folder(name)
        left = work.imap.folders()
        assert not {"Drinnen", name, f"{name}/Drinnen"} & set(left)
    finally:
        for folder in (f"{name}/Drinnen", f"{name}/Innen", "Drinnen", name):
            work.imap.delete_folder(f'"{folder}"')
    with pytest.raises(Exception, match="already"):
        mailbox.create_folder(work.folder)


def test_the_estimate_is_what_imap_counts(mailbox: Mailbox, work: Workplace, server: Server, version: str) -> None:
    for number in range(3):
        work.add(f"Count {number}")
    mailbox.sync(version=version)
    key = mailbox.store.database.scalar("SELECT sync_key FROM folders WHERE name = ?", (work.folder,))
    for number in range(3, 7):
        work.add(f"Count {number}")
    folder = folder_id(mailbox, work.folder)

    def dialogue(session: Any) -> Any:
        request = get_item_estimate.build([(folder, str(key), "Email", 0)], session.version)
        return (yield from ask(session, get_item_estimate.NAME, request, get_item_estimate.parse))

    (estimate,) = mailbox._converse(dialogue).values()
    assert estimate in ((4, 5) if server.is_sogo else (4,))  # SOGo counts the last one that is known, too
    mailbox.sync(version=version)
    assert len(mine(mailbox, work)) == 7


def test_a_folder_is_emptied(mailbox: Mailbox, work: Workplace, version: str) -> None:
    for number in range(3):
        work.add(f"Rubbish {number}")
    mailbox.sync(version=version)
    bin_name = next(p for p, (_, attributes) in work.imap.folders().items() if "\\trash" in attributes or p == "Trash")
    mailbox.delete([row.message.id for row in mine(mailbox, work).values()], confirm=yes)
    mailbox.sync(version=version)
    assert len(work.imap.messages(bin_name, f'"{bin_name}"')) >= 3
    mailbox.empty_folder(bin_name, confirm=yes)
    mailbox.sync(version=version)
    assert work.imap.messages(bin_name, f'"{bin_name}"') == []


# -- searching


def test_mail_is_found_and_fetched(mailbox: Mailbox, work: Workplace, version: str) -> None:
    word = f"zq{secrets.token_hex(5)}"
    work.add(f"Found {word}", text=f"A line with {word} in it.\r\n")
    work.add("Not it", text="Nothing.\r\n")
    uid = work.imap.uid_of(work.folder, f"Found {word}")
    query = MailQuery(word, folder_id(mailbox, work.folder))
    page = mailbox._converse(lambda session: search_mail(session, query, 5, GUID, TEXT))
    assert [found.message.subject for found in page.results] == [f"Found {word}"]
    message = mailbox.fetch_found(page.results[0])
    assert message.body is not None
    assert word in message.body.data.decode()
    assert uid


def test_people_of_the_directory(mailbox: Mailbox, server: Server, version: str) -> None:
    for user in server.users[:2]:
        (found,) = [p for p in mailbox.search_gal(user.username) if p.email.lower() == user.email.lower()]
        assert found.display_name
        if server.is_sogo and version < "14":  # it answers only who asks for free/busy data
            with pytest.raises(EmptyAnswer):
                mailbox.resolve([user.email])
            continue
        (answer,) = mailbox.resolve([user.email])
        assert [person.email.lower() for person in answer.recipients] == [user.email.lower()]
    unknown = f"nobody-{secrets.token_hex(4)}@example.test"
    assert mailbox.search_gal(unknown) == []
    if server.is_sogo and version < "14":
        return
    (answer,) = mailbox.resolve([unknown])
    assert (answer.status, answer.recipients) == (4, ())


def test_certificates_are_judged(mailbox: Mailbox, version: str) -> None:
    authority = Authority()
    (verdict,) = mailbox.validate_certificates([authority.person("x@example.test")])
    assert verdict.status != 1


# -- the account


def test_out_of_office_and_addresses(mailbox: Mailbox, work: Workplace, version: str) -> None:
    words = f"Away until {secrets.token_hex(4)}"
    try:
        mailbox.set_out_of_office(OutOfOffice(OofState.ON, internal=Reply(words), external_known=Reply(words)))
        there = mailbox.out_of_office()
        assert there.state is OofState.ON
        assert there.internal is not None
        assert words in there.internal.text
    finally:
        mailbox.set_out_of_office(OutOfOffice(OofState.OFF))
    assert mailbox.out_of_office().state is OofState.OFF
    assert work.user.email.lower() in [address.lower() for address in mailbox.user_information().addresses]


# -- meetings


def invitation(user: User, mark: str) -> bytes:
    lines = [
        "From: Organiser <organiser@example.test>", f"To: {user.email}", f"Subject: Planning {mark}",
        "Date: Mon, 23 Nov 2026 09:00:00 +0000", f"Message-ID: <{mark}@example.test>", "MIME-Version: 1.0",
        'Content-Type: multipart/alternative; boundary="b"', "", "--b", "Content-Type: text/plain", "", "Please come.",
        "--b", 'Content-Type: text/calendar; charset="utf-8"; method=REQUEST', "",
        "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:x", "METHOD:REQUEST", "BEGIN:VEVENT", f"UID:{mark}",
        "DTSTAMP:20261123T090000Z", f"DTSTART:{START:%Y%m%dT%H%M%SZ}",
        f"DTEND:{START + timedelta(hours=1):%Y%m%dT%H%M%SZ}", f"SUMMARY:Planning {mark}",
        "ORGANIZER;CN=Organiser:mailto:organiser@example.test",
        f"ATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:{user.email}", "END:VEVENT", "END:VCALENDAR", "--b--", "",
    ]  # fmt: skip
    return "\r\n".join(lines).encode()


@pytest.mark.parametrize("answer", ["accept", "tentative", "decline"])
def test_a_meeting_is_answered(mailbox: Mailbox, work: Workplace, dav: Dav, version: str, answer: str) -> None:
    mark = secrets.token_hex(6)
    work.imap.append("INBOX", invitation(work.user, mark), datetime.now(UTC))
    mailbox.sync(version=version)
    (mail,) = mailbox.search(f"subject:{mark}")
    mailbox.respond(mail.id, answer)
    entries = [text for text in dav.all("Calendar").values() if mark in text]
    states = {"accept": "ACCEPTED", "tentative": "TENTATIVE"}
    if answer == "decline":
        assert all("PARTSTAT=DECLINED" in text for text in entries)
    else:
        (text,) = entries
        assert f"PARTSTAT={states[answer]}" in text
        assert f"DTSTART:{START:%Y%m%dT%H%M%SZ}" in text
    mailbox.sync(version=version)


def test_busy_times_are_those_of_the_calendar(mailbox: Mailbox, work: Workplace, dav: Dav, version: str) -> None:
    mark = secrets.token_hex(6)
    dav.put("Calendar", f"{mark}.ics", (
        f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\nBEGIN:VEVENT\nUID:{mark}\nDTSTAMP:20261101T000000Z\n"
        f"SUMMARY:{mark}\nDTSTART:{START:%Y%m%dT%H%M%SZ}\nDTEND:{START + timedelta(hours=1):%Y%m%dT%H%M%SZ}\n"
        "END:VEVENT\nEND:VCALENDAR\n"
    ))  # fmt: skip
    ask_for = partial(mailbox.free_busy, [work.user.email], START - timedelta(hours=1), START + timedelta(hours=2))
    if version < "14":
        with pytest.raises(NotOffered):
            ask_for()
        return
    (found,) = ask_for().values()
    assert "".join(str(int(slot)) for slot in found.slots) == "002200"


def test_an_event_moves_to_another_calendar(mailbox: Mailbox, work: Workplace, dav: Dav, version: str) -> None:
    mark = secrets.token_hex(6)
    made = mailbox.create_folder(f"Second {mark}", folder_type=FolderType.USER_CALENDAR)
    try:
        places = [place for place in dav.calendars() if place not in ("personal", "")]
        assert len(places) == 1, places
        mailbox.create_item(Event(subject=f"Moves {mark}", start=START, end=START + timedelta(hours=1)))
        mailbox.sync(version=version)
        assert any(mark in text for text in dav.all("Calendar").values())
        source, item = mailbox.store.database.one(
            "SELECT f.server_id, i.server_id FROM items i JOIN folders f ON f.id = i.folder_id WHERE i.data LIKE ?",
            (f"%{mark}%",),
        )

        def dialogue(session: Any) -> Any:
            request = move_items.build([move_items.Move(str(item), str(source), made.server_id)])
            return (yield from ask(session, move_items.NAME, request, move_items.parse))

        (moved,) = mailbox._converse(dialogue)
        assert moved.status == move_items.MOVED
        assert not any(mark in text for text in dav.all("Calendar").values())
        assert any(mark in text for text in dav.all("Calendar", places[0]).values())
    finally:
        mailbox.delete_folder(made.server_id)
    assert dav.calendars() == ["personal"]
