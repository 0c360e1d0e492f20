"""vCard 3.0 as vobject reads it, 4.0 as pythonvCard4 and vobject read it, and both line by line."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime
from typing import Any

import pytest
import vobject
from hypothesis import given
from hypothesis import strategies as st

from emailplus.mime.vcard import VERSIONS, Version, day, write
from emailplus.model.contact import Contact
from emailplus.model.message import Body

JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 3
JANE = Contact(
    title="Dr.", first_name="Jané", middle_name="Q; R", last_name="Doe, Smith", suffix="Jr.", nick_name="Jay",
    company_name="Acme; Sons", department="R&D, Lab", job_title="Head\\Chief", file_as="Doe, Jané",
    email1='"Jané Doe" <jane@example.com>', email2="second@example.com", im_address="sip:jane@example.com",
    im_address2="jane doe", web_page="https://example.com/a?b=c;d,e", business_phone="+61 2 5550 1234",
    mobile_phone="+61 400 123 456", business_fax="+61 2 5550 9999", home_phone="5550 1111", pager="77", car_phone="88",
    business_street="1 Main St\nLevel 2", business_city="Perth", business_state="WA", business_postal_code="6000",
    business_country="Australia", home_city="Fremantle", other_country="Japan",
    birthday=datetime(1980, 5, 1, 14, 0, tzinfo=UTC), anniversary=datetime(2005, 1, 2, 11, 59, tzinfo=UTC),
    spouse="Joe Doe", children=("Ann", "Bob, Jr."), categories=("Friends, near", "Work"), manager_name="The Boss",
    yomi_first_name="ジェーン", picture=JPEG, body=Body(1, "Two\r\nlines; and, marks — ünï".encode(), 30),
)  # fmt: skip


def lines(card: bytes) -> list[str]:
    """The content lines, unfolded; folding and line ends are checked."""
    assert card.endswith(b"\r\n")
    for line in card.split(b"\r\n"):
        assert len(line) <= 75
        assert b"\n" not in line
        assert b"\r" not in line
        line.decode()
    return card.decode().replace("\r\n ", "").splitlines()


def values(card: bytes) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in lines(card):
        name, _, value = line.partition(":")
        found.setdefault(name, []).append(value)
    return found


def card_of(contact: Contact, version: Version) -> bytes:
    [card] = write([contact], version)
    return card


def unescape(text: str) -> str:
    return re.sub(r"\\(.)", lambda match: "\n" if match[1] in "nN" else match[1], text)


@pytest.mark.parametrize("version", VERSIONS)
def test_as_vobject_reads_it(version: Version) -> None:
    card = vobject.readOne(card_of(JANE, version).decode())
    assert card.version.value == version
    assert (card.n.value.family, card.n.value.given, card.n.value.additional) == ("Doe, Smith", "Jané", "Q; R")
    assert (card.n.value.prefix, card.n.value.suffix) == ("Dr.", "Jr.")
    assert card.fn.value == "Dr. Jané Q; R Doe, Smith Jr."
    assert card.org.value == ["Acme; Sons", "R&D, Lab"]
    assert card.title.value == "Head\\Chief"
    assert [email.value for email in card.contents["email"]] == ["jane@example.com", "second@example.com"]
    assert card.adr.value.street == "1 Main St\nLevel 2"
    assert [address.value.country for address in card.contents["adr"]] == ["Australia", "", "Japan"]
    assert card.note.value == "Two\nlines; and, marks — ünï"
    telephones = {tel.value: {kind.lower() for kind in tel.params["TYPE"]} for tel in card.contents["tel"]}
    assert telephones["+61 400 123 456"] == {"cell", "voice"}
    assert telephones["+61 2 5550 9999"] == {"work", "fax"}
    assert telephones["5550 1111"] == {"home", "voice"}
    assert len(telephones) == 6
    if version == "3.0":
        assert card.photo.value == JPEG
        assert card.photo.params["TYPE"] == ["JPEG"]


# RFC 6350 3.3, 6: contentline, and the value forms of the properties written here.
CONTENT_LINE = re.compile(
    r'([A-Za-z0-9-]+)((?:;[A-Za-z0-9-]+=(?:"[^"\x00-\x1f]*"|[^";:,\x00-\x1f]*)(?:,[^";:,\x00-\x1f]*)*)*):([^\x00-\x08\x0a-\x1f]*)'
)
COMPONENT = r"(?:[^\\;,]|\\[\\;,nN])*"
FORMS = {
    "VERSION": r"4\.0", "N": rf"{COMPONENT}(;{COMPONENT}){{4}}", "ADR": rf"{COMPONENT}(;{COMPONENT}){{6}}",
    "FN": COMPONENT, "NOTE": COMPONENT, "TITLE": COMPONENT, "ORG": rf"{COMPONENT}(;{COMPONENT})*",
    "BDAY": r"\d{8}", "ANNIVERSARY": r"\d{8}", "KIND": "individual|group|org|location",
    "CATEGORIES": rf"{COMPONENT}(,{COMPONENT})*", "TEL": COMPONENT, "EMAIL": COMPONENT, "RELATED": COMPONENT,
    "PHOTO": r"data:[a-z/-]+;base64,[A-Za-z0-9+/]+=*", "IMPP": r"[a-z]+:\S+", "URL": r"[a-z]+:\S+",
}  # fmt: skip
TYPES = {"work", "home", "voice", "fax", "cell", "pager", "spouse", "child"}


@pytest.mark.parametrize("contact", [JANE, Contact(company_name="Acme"), Contact()])
def test_4_0_follows_the_grammar_of_rfc_6350(contact: Contact) -> None:
    found = lines(card_of(contact, "4.0"))
    assert found[:2] == ["BEGIN:VCARD", "VERSION:4.0"]  # VERSION comes first (6.7.9)
    for line in found:
        match = CONTENT_LINE.fullmatch(line)
        assert match is not None, line
        name, parameters, value = match.groups()
        assert re.fullmatch(FORMS.get(name, ".*"), value), line
        for kinds in re.findall(r";TYPE=([^;]*)", parameters):
            assert all(kind in TYPES or kind.startswith("x-") for kind in kinds.split(",")), line
    assert sum(line.startswith(("N:", "FN:", "BDAY:", "KIND:")) for line in found) <= 4  # each at most once


def test_what_differs_between_the_versions() -> None:
    three, four = values(card_of(JANE, "3.0")), values(card_of(JANE, "4.0"))
    assert three["BDAY"] == ["1980-05-02"]
    assert four["BDAY"] == ["19800502"]  # 4.0 knows no dashes in a whole date (RFC 6350 4.3.1)
    assert three["X-ANNIVERSARY"] == ["2005-01-02"]
    assert four["ANNIVERSARY"] == ["20050102"]
    assert three["PHOTO;ENCODING=b;TYPE=JPEG"] == [base64.b64encode(JPEG).decode()]
    assert four["PHOTO"] == [f"data:image/jpeg;base64,{base64.b64encode(JPEG).decode()}"]
    assert [unescape(child) for child in four["RELATED;TYPE=child;VALUE=text"]] == ["Ann", "Bob, Jr."]
    assert three["X-SPOUSE"] == ["Joe Doe"]
    assert three["IMPP"] == four["IMPP"] == ["sip:jane@example.com", "im:jane%20doe"]
    assert four["URL"] == ["https://example.com/a?b=c;d,e"]
    assert four["CATEGORIES"] == ["Friends\\, near,Work"]
    assert "TEL;TYPE=x-car,voice" in four
    assert "TEL;TYPE=CAR,VOICE" in three


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("contact", "name"),
    [
        (Contact(company_name="Acme"), "Acme"),
        (Contact(email1="x@y.example"), "x@y.example"),
        (Contact(mobile_phone="123"), "123"),
        (Contact(last_name="Doe"), "Doe"),
        (Contact(), "(no name)"),
    ],
)
def test_a_card_is_never_without_a_name(contact: Contact, name: str, version: Version) -> None:
    card = card_of(contact, version)
    assert vobject.readOne(card.decode()).fn.value == name
    assert ("KIND:org" in lines(card)) is (version == "4.0" and bool(contact.company_name))


def test_several_cards_in_one_file() -> None:
    text = b"".join(write([JANE, Contact(first_name="Bob"), Contact(first_name="Cy")], "3.0")).decode()
    assert [card.fn.value for card in vobject.readComponents(text)] == ["Dr. Jané Q; R Doe, Smith Jr.", "Bob", "Cy"]


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (datetime(1980, 5, 2, tzinfo=UTC), "1980-05-02"),
        (datetime(1980, 5, 2, 11, 59, tzinfo=UTC), "1980-05-02"),  # as Exchange keeps it
        (datetime(1980, 5, 1, 14, tzinfo=UTC), "1980-05-02"),  # midnight in Sydney
        (datetime(1980, 5, 2, 8, tzinfo=UTC), "1980-05-02"),  # midnight in Los Angeles
        (datetime(9999, 12, 31, 23, tzinfo=UTC), "9999-12-31"),
    ],
)
def test_the_day_of_a_birthday(moment: datetime, expected: str) -> None:
    assert day(moment).isoformat() == expected


def test_an_old_year_keeps_four_digits() -> None:
    assert values(card_of(Contact(birthday=datetime(804, 5, 2, tzinfo=UTC)), "4.0"))["BDAY"] == ["08040502"]


def test_a_version_that_is_not_written() -> None:
    with pytest.raises(ValueError, match=r"2\.1"):
        list(write([], "2.1"))  # type: ignore[arg-type]


TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=90)


@given(TEXT, TEXT, st.sampled_from(VERSIONS))
def test_any_text_comes_back(name: str, note: str, version: Version) -> None:
    """But for control characters and blanks at the ends; lines stay whole whatever the text holds."""
    contact = Contact(last_name=name, job_title=note)
    found = values(card_of(contact, version))

    def plain(text: str) -> str:
        return re.sub(
            r"[\x00-\x08\x0e-\x1f\x7f-\x9f]", "", re.sub(r"\r\n|[\r\x0b\x0c\x85\u2028\u2029]", "\n", text.strip())
        )

    def told(part: str) -> Any:
        return unescape(part)

    assert told(re.split(r"(?<!\\)(?:\\\\)*;", found["N"][0])[0]) in (plain(name), plain(name).rstrip("\\"))
    if note:
        assert told(found["TITLE"][0]) == plain(note)
    assert found["BEGIN"] == found["END"] == ["VCARD"]
