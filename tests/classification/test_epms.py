"""The protective marking standard: the examples, round trips, dates, hostile text."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emailplus.classification.epms import (
    ACCESS,
    LEVELS_2018,
    RANK,
    Caveat,
    Form,
    Marking,
    find_in_subject,
    read,
    receive,
    write,
)
from emailplus.errors import InvalidMarking

from . import samples

FULL = (
    "VER=2025.1, NS=gov.au, SEC=TOP-SECRET, CAVEAT=C:LOBSTER, CAVEAT=RI:AGAO, CAVEAT=SH:CABINET, "
    "CAVEAT=RI:REL AFG/DZA, EXPIRES=2020-10-01, DOWNTO=OFFICIAL, ACCESS=Legal-Privilege, NOTE=a\\, b, ORIGIN=a@b.com"
)


def test_every_example_is_read_as_it_is_graded() -> None:
    rows = samples.examples()
    assert len(rows) == 131
    for row in rows:
        if row["form"] == "fragment":
            parsed = read("SEC=TOP-SECRET, " + row["text"])
            pairs = {"EXPIRES and DOWNTO need each other"} if row["text"][0] in "ED" else set()
            assert set(parsed.faults) == pairs, row
            continue
        parsed = read(row["text"], Form(row["form"]))
        if row["valid"] == "yes":
            assert parsed.conforms, (row, parsed)
        elif row["valid"] == "lenient" and "VER and NS" not in row["note"]:
            assert parsed.accepted, (row, parsed)
            assert parsed.notes, row
        elif row["valid"] == "no":
            tolerated = "hyphen" in row["note"] or "accept on reading" in row["note"]
            assert parsed.accepted is tolerated, (row, parsed)
            assert not parsed.conforms, row


def test_every_conforming_example_is_written_as_it_stands() -> None:
    written = 0
    for row in samples.examples():
        if row["valid"] != "yes" or row["form"] == "fragment":
            continue
        parsed = read(row["text"], Form(row["form"]))
        if parsed.marking.version is None and row["form"] == "header":
            with pytest.raises(InvalidMarking, match="needs VER"):
                write(parsed.marking)
        else:
            assert write(parsed.marking, Form(row["form"])) == row["text"]
            written += 1
    assert written > 90


def test_all_parts_are_read() -> None:
    marking = read(FULL).marking
    assert (marking.version, marking.namespace, marking.sec, marking.downto) == (
        "2025.1", "gov.au", "TOP-SECRET", "OFFICIAL",
    )  # fmt: skip
    assert marking.caveats[0] == Caveat("C", "LOBSTER")
    assert (marking.note, marking.origin, marking.access) == ("a, b", "a@b.com", ("Legal-Privilege",))
    assert write(marking) == FULL
    assert "NOTE" not in write(marking, Form.SUBJECT)


def test_a_passed_date_gives_the_lower_level_and_an_event_never_does() -> None:
    marking = read(FULL).marking
    assert marking.effective(datetime(2020, 9, 30, 23, 59, tzinfo=UTC)) == "TOP-SECRET"
    assert marking.effective(datetime(2020, 10, 1, tzinfo=UTC)) == "OFFICIAL"
    offset = Marking(sec="SECRET", expires="2020-10-01T12:00:00.5+10", downto="OFFICIAL")
    assert offset.expiry == datetime(2020, 10, 1, 2, 0, 0, 500_000, tzinfo=UTC)
    event = Marking(sec="SECRET", expires="Release of the 2026 budget", downto="OFFICIAL")
    assert event.effective(datetime(2100, 1, 1, tzinfo=UTC)) == "SECRET"
    assert Marking(sec="SECRET", expires="2020-13-01", downto="OFFICIAL").expiry is None


@pytest.mark.parametrize(
    ("marking", "fault"),
    [
        (Marking(sec="SECRET"), "needs VER"),
        (Marking(version="2018.4"), "SEC is missing"),
        (Marking(version="2018.4", sec="COSMIC"), "unknown SEC"),
        (Marking(version="2018.4", sec="CONFIDENTIAL"), "no level of this version"),
        (Marking(version="2018.4", sec="OFFICIAL", access=("Legal-Privilege",)), "needs OFFICIAL:Sensitive"),
        (Marking(version="2018.4", sec="OFFICIAL", caveats=(Caveat("SH", "CABINET"),)), "needs PROTECTED"),
        (Marking(version="2018.4", sec="SECRET", note="é"), "printable ASCII"),
        (Marking(version="2018.4", sec="SECRET", note="x" * 129), "printable ASCII"),
        (Marking(version="2018.4", sec="SECRET", origin="a\r\nBcc: b"), "ORIGIN"),
        (Marking(version="2018.4", sec="SECRET", downto="OFFICIAL"), "need each other"),
        (Marking(version="2012.3", dlm="Sensitive:Cabinet"), "needs PROTECTED"),
        (Marking(version="2018.4", sec="SECRET", dlm="Sensitive"), "DLM is not of this version"),
        (Marking(version="2018.4", sec="SECRET", namespace="qld.gov.au"), "NS is gov.au"),
        (Marking(version="2018.4, SEC=SECRET", sec="SECRET"), "SEC twice"),
    ],
)
def test_the_writer_refuses(marking: Marking, fault: str) -> None:
    with pytest.raises(InvalidMarking, match=fault):
        write(marking)


def test_2012_is_written_and_read() -> None:
    marking = Marking(version="2012.3", sec="PROTECTED", dlm="Sensitive:Legal", origin="a@b.example")
    text = "VER=2012.3, NS=gov.au, SEC=PROTECTED, DLM=Sensitive:Legal, ORIGIN=a@b.example"
    assert write(marking) == text
    assert read(text).marking == Marking(**{**_fields(marking), "namespace": "gov.au"})
    assert read(text.replace(", ", ",")).accepted


def _fields(marking: Marking) -> dict[str, object]:
    return {name: getattr(marking, name) for name in Marking.__dataclass_fields__}


def test_the_header_wins_and_of_several_the_highest() -> None:
    headers = [("x-protective-marking", "VER=2018.4, NS=gov.au,\r\n SEC=OFFICIAL")]
    found = receive(headers, "Plan [SEC=SECRET]")
    assert found is not None
    assert (found.marking.sec, found.conforms) == ("OFFICIAL", True)
    found = receive([("X-Protective-Marking", "gibberish")], "A [SEC=OFFICIAL] b [SEC=SECRET]")
    assert found is not None
    assert found.marking.sec == "SECRET"
    assert found.notes == ("2 markings where one is allowed; the highest counts",)
    assert receive([], "Plan [EXT]") is None
    broken = receive([("X-Protective-Marking", "gibberish")], "Plan")
    assert broken is not None
    assert (broken.accepted, broken.text) == (False, "gibberish")
    assert len(find_in_subject("[SEC=SECRET] [x] [DLM=Sensitive]")) == 2


_free = st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=60)
_markings = st.builds(
    Marking,
    sec=st.sampled_from(LEVELS_2018[3:]),
    caveats=st.builds(
        lambda word, more: (*((Caveat("C", word),) if word else ()), *more),
        st.none() | _free,
        st.sampled_from([(), (Caveat("RI", "AGAO"), Caveat("SH", "CABINET")), (Caveat("RI", "REL AUS/USA"),)]),
    ),
    access=st.sets(st.sampled_from(ACCESS)).map(lambda chosen: tuple(one for one in ACCESS if one in chosen)),
    note=st.none() | _free,
    origin=st.none() | _free,
    version=st.sampled_from(["2018.1", "2018.6", "2024.1", "2025.1"]),
    namespace=st.just("gov.au"),
)


@settings(max_examples=200, deadline=None)
@given(_markings)
def test_what_is_written_is_read_back(marking: Marking) -> None:
    parsed = read(write(marking))
    assert parsed.conforms
    assert parsed.marking == marking


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=80) | st.text(alphabet="SECDLMVRNTO=:,\\ -[].012", max_size=80))
def test_any_text_is_graded(text: str) -> None:
    for form in Form:
        parsed = read(text, form)
        assert parsed.text == text
        assert parsed.marking.sec is None or parsed.marking.sec in RANK
        assert not parsed.conforms or form is Form.SUBJECT or parsed.marking.sec or parsed.marking.dlm
    receive([("X-Protective-Marking", text)], text)


def test_long_text_takes_its_length() -> None:
    began = time.process_time()
    for piece in (",", "SEC=", "\\", "[SEC=", "CAVEAT=C:x,", "\r\n ", "[SEC=\\"):
        read(piece * 500_000)
        receive([("X-Protective-Marking", piece * 100_000)], piece * 100_000)
    assert time.process_time() - began < 10
