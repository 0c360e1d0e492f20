"""Markings in the engine: read while synchronising, stored, searched, told, read again as the configuration changes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from emailplus.classification import ready
from emailplus.errors import NotFound, UsageError
from emailplus.mock import Garbage, Http, Rewrite
from emailplus.model.events import MarkingsRead, MessageReceived
from emailplus.model.marking import WAITING, Marking
from emailplus.model.message import StoredMessage
from emailplus.store.store import Store

from .test_policy_at_work import values_of
from .world import KEY, World, deliver, mail, noise

AU = {"email_security_classification_json": ready.text("au_2025")}
COMPANY = {"email_security_classification_json": ready.text("company")}
LIST = {"email_classification_list": "SEC=UNCLASSIFIED;SEC=PROTECTED;SEC=PROTECTED,DLM=Sensitive"}


def subject_only() -> dict[str, str]:
    """The Australian markers, read from subjects alone."""
    document = json.loads(ready.text("au_2025"))
    del document["receiveMarking"]["xHeaderPatterns"]
    return {"email_security_classification_json": json.dumps(document)}


def marked(subject: str, header: str = "", name: str = "X-Protective-Marking", **more: Any) -> bytes:
    raw = mail(subject, **more)
    return f"{name}: {header}\r\n".encode() + raw if header else raw


def by_subject(world: World) -> dict[str, StoredMessage]:
    with Store.open(world.path, KEY) as store:
        return {message.subject: message for message in store.messages(list(store.ids()))}


def marking(world: World, subject: str) -> Marking:
    found = by_subject(world)[subject].marking
    assert found is not None
    return found


def found(world: World, query: str) -> list[str]:
    with world.open(AU) as mailbox:
        return sorted(message.subject for message in mailbox.search(query))


@pytest.fixture
def mixed(world: World) -> World:
    deliver(world.alice, marked("header", "VER=2025.1, NS=gov.au,\r\n SEC=SECRET, ACCESS=Legal-Privilege"))
    deliver(world.alice, marked("subject [SEC=PROTECTED]"))
    deliver(world.alice, marked("both [SEC=OFFICIAL]", "VER=2025.1, NS=gov.au, SEC=TOP-SECRET"))
    deliver(world.alice, marked("none"))
    deliver(world.alice, marked("odd", "VER=2025.1, NS=gov.au, SEC=COSMIC"))
    return world


# -- reading while synchronising


def test_markings_are_stored_told_and_found(mixed: World) -> None:
    report = mixed.sync(AU)
    assert report.markings == {
        "": 2, "SEC=PROTECTED": 1, "SEC=SECRET, ACCESS=Legal-Privilege": 1, "SEC=TOP-SECRET": 1,
    }  # fmt: skip
    assert (report.markings_flagged, report.markings_missing) == (1, [])
    assert report.as_dict()["markings"] == report.markings
    assert mixed.told(MarkingsRead)[-1].flagged == 1
    header = marking(mixed, "header")
    assert header.fields == {"SEC": ("SECRET",), "ACCESS": ("Legal-Privilege",)}
    assert (header.place, header.text) == (
        "x-protective-marking", "VER=2025.1, NS=gov.au, SEC=SECRET, ACCESS=Legal-Privilege",
    )  # fmt: skip
    assert marking(mixed, "subject [SEC=PROTECTED]").place == "Subject"
    assert marking(mixed, "none") == Marking()
    odd = marking(mixed, "odd")
    assert (odd.fields, odd.text, odd.unknown) == ({}, "VER=2025.1, NS=gov.au, SEC=COSMIC", (("SEC", "COSMIC"),))
    assert odd.flagged
    assert found(mixed, "class:secret") == ["header"]
    assert found(mixed, "class:SEC=TOP-SECRET OR class:ACCESS=Legal-Privilege") == ["both [SEC=OFFICIAL]", "header"]
    assert found(mixed, "class:OFFICIAL") == []
    assert found(mixed, "is:unmarked") == ["none", "odd"]
    assert found(mixed, "is:misread") == ["odd"]
    assert found(mixed, "is:marked -class:SECRET") == ["both [SEC=OFFICIAL]", "subject [SEC=PROTECTED]"]
    assert len(found(mixed, "class:IPM.Note")) == 5
    again = mixed.sync(AU)
    assert (again.markings, again.changed, again.fetched) == (report.markings, 0, 0)


def test_without_classification_nothing_is_read_and_text_is_asked_for(mixed: World) -> None:
    report = mixed.sync()
    assert (report.markings, report.markings_missing) == ({}, [])
    assert by_subject(mixed)["header"].marking is None
    assert mixed.scalar("SELECT count(*) FROM markings") == 0
    assert values_of(mixed, "AirSyncBase:Type") == {"1", "2", "4"}
    assert values_of(mixed, "AirSync:MIMESupport") == {"1"}


def test_header_patterns_make_the_sync_ask_for_mime(mixed: World) -> None:
    mixed.sync(AU)
    assert values_of(mixed, "AirSyncBase:Type") == {"4", "1"}  # mail as MIME; calendars and the like as text
    assert values_of(mixed, "AirSync:MIMESupport") == {"2"}
    assert mixed.exchange.requests.of("ItemOperations") == []


def test_subject_patterns_alone_leave_the_sync_as_it_is(mixed: World) -> None:
    report = mixed.sync(subject_only())
    assert report.markings == {"": 3, "SEC=OFFICIAL": 1, "SEC=PROTECTED": 1}
    assert report.markings_missing == []
    assert values_of(mixed, "AirSync:MIMESupport") == {"1"}


@pytest.mark.parametrize("version", ["2.5", "12.0", "14.1", "16.1"])
def test_every_protocol_version_brings_the_header(mixed: World, version: str) -> None:
    report = mixed.sync(AU, version=version)
    assert report.markings["SEC=SECRET, ACCESS=Legal-Privilege"] == 1
    assert report.markings_missing == []


def test_a_message_too_large_as_mime_keeps_text_attachments_and_marking(world: World) -> None:
    header = "VER=2025.1, NS=gov.au, SEC=SECRET"
    deliver(world.alice, marked("large", header, attachments=(("a.bin", noise(900_000)),)))
    deliver(world.alice, marked("small", header, attachments=(("b.bin", noise(90_000)),)))
    deliver(world.alice, marked("refused", header, attachments=(("c.bin", noise(3_000_000)),)))
    report = world.sync({**AU, "email_max_body_size": "1", "email_max_attachment": "2"})
    assert report.markings == {"SEC=SECRET": 3}
    assert [(trouble.kind, trouble.name) for trouble in report.refused] == [("attachment", "c.bin")]
    with Store.open(world.path, KEY) as store:
        whole = {m.subject: store.message(m.id) for m in store.messages(list(store.ids()))}
        assert {m.text.strip() for m in whole.values()} == {"Hello."}
        assert [m.body_type for m in (whole["large"], whole["small"], whole["refused"])] == [1, 4, 1]
        large = b"".join(store.attachment_content(whole["large"].attachments[0].id))
        assert large == noise(900_000)


def test_a_large_mime_is_fetched_apart_and_its_marking_read(world: World) -> None:
    deliver(world.alice, marked("large", "SEC=SECRET", attachments=(("a.bin", noise(400_000)),)))
    report = world.sync(AU)
    assert (report.markings, report.fetched) == ({"SEC=SECRET": 1}, 1)
    assert by_subject(world)["large"].body_type == 4


def test_passing_through_tells_the_marking(mixed: World) -> None:
    report = mixed.sync({**AU, "disabled_features": "local_cache_all"})
    told = {event.message.subject: event.message.marking for event in mixed.told(MessageReceived)}
    assert told["header"].label == "SEC=SECRET, ACCESS=Legal-Privilege"
    assert (report.markings, mixed.scalar("SELECT count(*) FROM markings")) == ({}, 0)


# -- header fields fetched apart


def as_text(node: Any) -> Any:
    """What a server sends that has no MIME for a Sync: every body as plain text."""
    tag, content = node
    if tag == "AirSyncBase:Body":
        return (tag, [("AirSyncBase:Type", "1"), ("AirSyncBase:Data", "Hello.")])
    return (tag, [as_text(child) for child in content]) if isinstance(content, list) else node


@pytest.fixture
def without_mime(mixed: World) -> World:
    mixed.exchange.faults.add(Rewrite(as_text), "Sync", times=None)
    return mixed


def test_header_fields_are_fetched_apart_where_a_sync_brings_none(without_mime: World) -> None:
    report = without_mime.sync(AU)
    assert report.markings["SEC=SECRET, ACCESS=Legal-Privilege"] == 1
    assert (report.markings_flagged, report.markings_missing) == (1, [])
    assert len(without_mime.exchange.requests.of("ItemOperations")) == 1
    assert "markings" in report.seconds_by_phase
    assert marking(without_mime, "both [SEC=OFFICIAL]").label == "SEC=TOP-SECRET"
    assert without_mime.sync(AU).markings == report.markings
    assert len(without_mime.exchange.requests.of("ItemOperations")) == 1


def test_header_fields_that_are_longer_than_expected_are_asked_for_again(world: World) -> None:
    world.exchange.faults.add(Rewrite(as_text), "Sync", times=None)
    long = b"".join(b"X-Filler-%d: %s\r\n" % (number, b"x" * 900) for number in range(60))
    deliver(world.alice, long + marked("long", "SEC=SECRET"))
    deliver(world.alice, b"".join([long] * 6) + marked("endless", "SEC=SECRET"))
    report = world.sync(AU)
    assert report.markings == {"": 1, "SEC=SECRET": 1}
    assert (report.markings_flagged, report.markings_missing) == (1, [])
    assert marking(world, "long").fields == {"SEC": ("SECRET",)}
    assert marking(world, "endless").notes == ("header fields beyond 262,144 bytes were not read",)


def test_what_the_server_does_not_give_is_told_once_as_news(without_mime: World) -> None:
    def no_such(node: Any) -> Any:
        tag, content = node
        if tag == "ItemOperations:Fetch":
            return (tag, [("ItemOperations:Status", "6"), *[c for c in content if c[0] == "AirSync:ServerId"]])
        return (tag, [no_such(child) for child in content]) if isinstance(content, list) else node

    without_mime.exchange.faults.add(Rewrite(no_such), "ItemOperations", times=None)
    report = without_mime.sync(AU)
    assert report.markings == {"": 3, "SEC=OFFICIAL": 1, "SEC=PROTECTED": 1}
    assert {trouble.subject for trouble in report.markings_missing} == set(by_subject(without_mime))
    first = report.markings_missing[0]
    assert (first.kind, first.state, first.folder, first.new) == ("marking", "missing", "Inbox", True)
    assert "status 6" in first.reason
    assert report.as_dict()["markings_missing"][0]["reason"] == first.reason
    again = without_mime.sync(AU)
    assert [trouble.new for trouble in again.markings_missing] == [False] * 5
    assert marking(without_mime, "header").missing == first.reason


def test_one_message_that_spoils_an_answer_spoils_no_other(without_mime: World) -> None:
    without_mime.exchange.faults.add(Garbage(), "ItemOperations", nth=1)
    without_mime.exchange.faults.add(Garbage(), "ItemOperations", nth=3)
    report = without_mime.sync(AU)
    assert len(report.markings_missing) == 1
    assert sum(report.markings.values()) == 5


def test_a_busy_server_is_asked_in_the_next_run(without_mime: World) -> None:
    busy = without_mime.exchange.faults.add(Http(503, {"Retry-After": "120"}), "ItemOperations", times=None)
    report = without_mime.sync(AU)
    assert any("left for the next run" in line for line in report.warnings)
    assert {trouble.reason for trouble in report.markings_missing} == {WAITING}
    busy.times = 0
    assert without_mime.sync(AU).markings_missing == []
    assert marking(without_mime, "header").fields["SEC"] == ("SECRET",)


# -- another configuration, another message


def test_other_markers_read_stored_mail_anew_without_fetching_it(mixed: World) -> None:
    deliver(mixed.alice, marked("company", "Level=Confidential", name="X-Classification"))
    mixed.sync(AU)
    fetched = len(mixed.exchange.requests.of("ItemOperations"))
    report = mixed.sync(COMPANY)
    assert report.markings == {"": 5, "Level=Confidential": 1}
    assert "the classification changed: the markings of 6 messages are read anew" in report.warnings
    assert (report.changed, len(mixed.exchange.requests.of("ItemOperations"))) == (0, fetched)
    off = mixed.sync()
    assert off.markings == {}
    assert mixed.scalar("SELECT count(*) FROM markings") + mixed.scalar("SELECT count(*) FROM marking_values") == 0
    assert by_subject(mixed)["company"].marking is None
    assert mixed.sync(AU).markings["SEC=TOP-SECRET"] == 1


def test_classification_switched_on_later_reads_everything(mixed: World) -> None:
    mixed.sync()
    report = mixed.sync(AU)
    assert report.markings["SEC=SECRET, ACCESS=Legal-Privilege"] == 1
    assert report.markings_missing == []


def test_a_run_cut_between_reading_and_telling_goes_on(mixed: World) -> None:
    mixed.sync(AU)
    with Store.open(mixed.path, KEY) as store:
        store.database.execute("UPDATE markings SET state = 'stale'")
        store.database.execute("DELETE FROM marking_values")
        assert store.messages(list(store.ids()))[0].marking is None
    assert mixed.sync(AU).markings["SEC=TOP-SECRET"] == 1
    assert found(mixed, "class:TOP-SECRET") == ["both [SEC=OFFICIAL]"]


def test_a_deleted_message_leaves_no_marking(mixed: World) -> None:
    mixed.sync(AU)
    for item in list(mixed.alice.folder("Inbox").items.values()):
        mixed.alice.delete(item.server_id)
    report = mixed.sync(AU)
    assert report.markings == {}
    for table in ("markings", "marking_values", "heads"):
        assert mixed.scalar(f"SELECT count(*) FROM {table}") == 0


def test_expired_markings_count_as_what_they_were_lowered_to(world: World) -> None:
    gone = "VER=2025.1, NS=gov.au, SEC=SECRET, EXPIRES=2020-10-01, DOWNTO=OFFICIAL"
    deliver(world.alice, marked("gone", gone))
    deliver(world.alice, marked("lasting", gone.replace("2020", "2999")))
    deliver(world.alice, marked("event [SEC=SECRET, EXPIRES=After the vote, DOWNTO=OFFICIAL]"))
    deliver(world.alice, marked("short [SEC=SECRET, EXPIRES=2020-10-01, DOWNTO=OFFICIAL]"))
    world.sync(AU)
    now = datetime.now(UTC)
    assert marking(world, "gone").fields == {"SEC": ("SECRET",)}
    assert marking(world, "gone").at(now) == {"SEC": ("OFFICIAL",)}
    assert marking(world, "lasting").at(now) == {"SEC": ("SECRET",)}
    assert found(world, "class:OFFICIAL") == ["gone", "short [SEC=SECRET, EXPIRES=2020-10-01, DOWNTO=OFFICIAL]"]
    assert found(world, "class:SECRET") == [
        "event [SEC=SECRET, EXPIRES=After the vote, DOWNTO=OFFICIAL]", "lasting",
    ]  # fmt: skip
    with world.open(AU) as mailbox:
        ids = {message.subject: message.id for message in mailbox.search()}
        assert mailbox.classification.reply(ids["gone"]).chosen == {"SEC": ("OFFICIAL",)}
        assert mailbox.classification.reply(ids["lasting"]).chosen == {"SEC": ("SECRET",)}


# -- the older list, and which of the two counts


def test_the_older_list_reads_headers_and_subjects(world: World) -> None:
    deliver(world.alice, marked("header", "VER=2012.3,NS=gov.au,SEC=PROTECTED,DLM=Sensitive"))
    deliver(world.alice, marked("subject [SEC=UNCLASSIFIED]"))
    report = world.sync(LIST)
    assert report.markings == {"SEC=PROTECTED, DLM=Sensitive": 1, "SEC=UNCLASSIFIED": 1}
    assert values_of(world, "AirSync:MIMESupport") == {"2"}


def test_the_markers_switch_the_older_list_off(world: World) -> None:
    deliver(world.alice, marked("header", "VER=2012.3,NS=gov.au,SEC=PROTECTED,DLM=Sensitive"))
    assert world.sync({**LIST, **COMPANY}).markings == {"": 1}


def test_markers_that_cannot_be_used_switch_classification_off_and_mail_still_works(mixed: World) -> None:
    report = mixed.sync({**LIST, "email_security_classification_json": '{"version": "2.0.0", "fields": [}'})
    assert report.added == 5
    assert report.markings == {}
    assert any("classification is off: line 1, column 33" in line for line in report.warnings)
    with mixed.open({"email_security_classification_json": '{"version": "1"}'}) as mailbox:
        assert not mailbox.classification.enabled
        with pytest.raises(UsageError, match="only version 2 is known"):
            mailbox.classification.compose()


# -- choosing, and an older store


def test_the_mailbox_offers_what_may_be_chosen(mixed: World) -> None:
    mixed.sync(AU)
    with mixed.open(AU) as mailbox:
        ids = {message.subject: message.id for message in mailbox.search()}
        fresh = mailbox.classification.compose()
        (sec,) = mailbox.classification.choices(fresh)
        assert (sec.name, sec.title, sec.chosen, sec.required) == ("SEC", "Security Classification", (), True)
        assert sec.values[-1] == "TOP-SECRET"
        reply = mailbox.classification.reply(ids["header"])
        assert reply.chosen == {"SEC": ("SECRET",), "ACCESS": ("Legal-Privilege",)}
        names = [field.name for field in mailbox.classification.choices(reply)]
        assert names == ["SEC", "CAVEAT", "ACCESS"]
        assert mailbox.classification.choices(reply)[0].values == ("SECRET", "TOP-SECRET")
        assert mailbox.classification.restore(reply.saved()) == reply
        assert mailbox.classification.reply(ids["odd"]).chosen == {}
        with pytest.raises(NotFound):
            mailbox.classification.reply(999)
    with mixed.open(LIST) as mailbox:
        fields = mailbox.classification.choices(mailbox.classification.compose())
        assert [(field.name, field.values) for field in fields] == [("SEC", ("UNCLASSIFIED", "PROTECTED"))]
