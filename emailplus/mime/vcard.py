"""Contacts as vCard 3.0 (RFC 2426) and 4.0 (RFC 6350).

    attribute of Contact             3.0                            4.0
    names                            N, FN                          N, FN
    nick_name                        NICKNAME                       NICKNAME
    company_name, department         ORG                            ORG
    job_title                        TITLE                          TITLE
    telephones                       TEL;TYPE=...                   TEL;TYPE=...
    email1..3                        EMAIL;TYPE=INTERNET            EMAIL
    im_address..3                    IMPP (RFC 4770)                IMPP
    addresses                        ADR;TYPE=...                   ADR;TYPE=...
    web_page                         URL                            URL
    birthday                         BDAY:1980-05-02                BDAY:19800502
    anniversary                      X-ANNIVERSARY                  ANNIVERSARY
    spouse, children                 X-SPOUSE, X-CHILD              RELATED;TYPE=spouse|child;VALUE=text
    manager_name, assistant_name     X-MANAGER, X-ASSISTANT         X-MANAGER, X-ASSISTANT
    picture                          PHOTO;ENCODING=b               PHOTO:data:
    categories, body                 CATEGORIES, NOTE               CATEGORIES, NOTE
    phonetic names                   X-PHONETIC-FIRST-NAME and the like, as other programs write them
    the rest                         X-EMAILPLUS-...

A contact without a name is written under its company, its first address or number, since FN is required. Lines are
folded at 75 octets between characters and end in CRLF.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from typing import Final, Literal
from urllib.parse import quote

from ..model.contact import Contact
from ..model.message import BodyType
from ..policy import addresses

Version = Literal["3.0", "4.0"]
VERSIONS: Final[tuple[Version, ...]] = ("3.0", "4.0")

TELEPHONES: Final = {
    "business_phone": ("work", "voice"),
    "business2_phone": ("work", "voice"),
    "company_main_phone": ("work", "voice", "x-company"),
    "business_fax": ("work", "fax"),
    "home_phone": ("home", "voice"),
    "home2_phone": ("home", "voice"),
    "home_fax": ("home", "fax"),
    "mobile_phone": ("cell", "voice"),
    "car_phone": ("x-car", "voice"),
    "radio_phone": ("x-radio", "voice"),
    "pager": ("pager",),
    "assistant_phone": ("x-assistant", "voice"),
}
"""Attribute -> types, the first of a kind preferred by the order in which they stand."""

_KIND_3: Final = {"x-car": "car"}
"""Types that 3.0 has and 4.0 has not."""

_OTHERS: Final = {
    "office_location": "X-EMAILPLUS-OFFICE",
    "account_name": "X-EMAILPLUS-ACCOUNT",
    "customer_id": "X-EMAILPLUS-CUSTOMER-ID",
    "government_id": "X-EMAILPLUS-GOVERNMENT-ID",
    "mms": "X-EMAILPLUS-MMS",
    "file_as": "X-EMAILPLUS-FILE-AS",
    "yomi_first_name": "X-PHONETIC-FIRST-NAME",
    "yomi_last_name": "X-PHONETIC-LAST-NAME",
    "yomi_company_name": "X-PHONETIC-ORG",
    "manager_name": "X-MANAGER",
    "assistant_name": "X-ASSISTANT",
}

_LINE = 75
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:[^\s]+")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff]")
_BREAK = re.compile(r"\r\n|[\r\n\x0b\x0c\x85\u2028\u2029]")
"""Line ends of every kind: some readers cut lines at all of them."""
_MAGIC: Final = ((b"\xff\xd8\xff", "jpeg"), (b"\x89PNG\r\n\x1a\n", "png"), (b"GIF8", "gif"), (b"BM", "bmp"))


def write(contacts: Iterable[Contact], version: Version = "4.0") -> Iterator[bytes]:
    """Each contact as one vCard, in order. Raises ValueError for a version that is not written."""
    if version not in VERSIONS:
        raise ValueError(f"a vCard is written as {' or '.join(VERSIONS)}, not {version!r}")
    for contact in contacts:
        yield b"".join(_fold(line) for line in _lines(contact, version))


def _lines(contact: Contact, version: Version) -> Iterator[str]:
    yield "BEGIN:VCARD"
    yield f"VERSION:{version}"
    yield "PRODID:-//emailplus//EN"
    if version == "4.0" and contact.company_name and not _person(contact):
        yield "KIND:org"
    yield _structured("N", (contact.last_name, contact.first_name, contact.middle_name, contact.title, contact.suffix))
    yield _text("FN", full_name(contact))
    if contact.nick_name:
        yield _text("NICKNAME", contact.nick_name)
    if contact.company_name or contact.department:
        yield _structured("ORG", (contact.company_name, *filter(None, (contact.department,))))
    if contact.job_title:
        yield _text("TITLE", contact.job_title)
    yield from _reached(contact, version)
    yield from _personal(contact, version)
    for name, property_ in _OTHERS.items():
        if value := getattr(contact, name):
            yield _text(property_, value)
    if contact.categories:
        yield f"CATEGORIES:{','.join(_escape(category) for category in contact.categories)}"
    if contact.body is not None and contact.body.type in (BodyType.PLAIN, BodyType.HTML) and contact.body_text:
        yield _text("NOTE", contact.body_text)
    if contact.picture:
        yield _photo(contact.picture, version)
    yield "END:VCARD"


def _reached(contact: Contact, version: Version) -> Iterator[str]:
    """Where the contact can be reached: telephones, addresses of the net and of the post."""
    for name, kinds in TELEPHONES.items():
        if number := getattr(contact, name):
            yield _text(f"TEL;TYPE={_types(kinds, version)}", number)
    for email in contact.emails:
        entries = [entry for entry in addresses.read(email) if not entry.fault]
        yield _text("EMAIL;TYPE=INTERNET" if version == "3.0" else "EMAIL", entries[0].address if entries else email)
    for address in filter(None, (contact.im_address, contact.im_address2, contact.im_address3)):
        uri = address if _SCHEME.fullmatch(address) else f"im:{quote(address, safe='@')}"
        yield f"IMPP:{_line(uri)}"
    for kind, types in (("business", "work"), ("home", "home"), ("other", "")):
        post = contact.address(kind)
        if post:
            name = f"ADR;TYPE={_types((types,), version)}" if types else "ADR"
            parts = ("", "", post.street, post.city, post.state, post.postal_code, post.country)
            yield _structured(name, parts)
    if contact.web_page:
        yield f"URL:{_line(''.join(contact.web_page.split()))}"


def _personal(contact: Contact, version: Version) -> Iterator[str]:
    if contact.birthday is not None:
        yield f"BDAY:{_date(contact.birthday, version)}"
    if contact.anniversary is not None:
        name = "X-ANNIVERSARY" if version == "3.0" else "ANNIVERSARY"
        yield f"{name}:{_date(contact.anniversary, version)}"
    related = [("spouse", contact.spouse)] if contact.spouse else []
    for kind, name in [*related, *(("child", child) for child in contact.children if child)]:
        yield _text(f"X-{kind.upper()}" if version == "3.0" else f"RELATED;TYPE={kind};VALUE=text", name)


def full_name(contact: Contact) -> str:
    """What FN says; never "" for a contact of which anything is known that could name it."""
    return (
        _person(contact)
        or contact.company_name
        or contact.nick_name
        or contact.file_as
        or next(iter(contact.emails), "")
        or next((number for name in TELEPHONES if (number := getattr(contact, name))), "")
        or "(no name)"
    )


def _person(contact: Contact) -> str:
    names = (contact.title, contact.first_name, contact.middle_name, contact.last_name, contact.suffix)
    return " ".join(filter(None, (name.strip() for name in names)))


def day(moment: datetime) -> date:
    """The date that a birthday means: servers give midnight of some zone in UTC, or noon."""
    return (moment + timedelta(hours=12)).date() if moment.year < 9999 else moment.date()


def _date(moment: datetime, version: Version) -> str:
    return day(moment).strftime("%Y-%m-%d" if version == "3.0" else "%Y%m%d").rjust(10 if version == "3.0" else 8, "0")


def _types(kinds: Iterable[str], version: Version) -> str:
    if version == "4.0":
        return ",".join(kinds)
    return ",".join(_KIND_3.get(kind, kind).upper() for kind in kinds)


def _photo(picture: bytes, version: Version) -> str:
    kind = next((kind for magic, kind in _MAGIC if picture.startswith(magic)), "")
    data = b64encode(picture).decode()
    if version == "4.0":
        return f"PHOTO:data:{f'image/{kind}' if kind else 'application/octet-stream'};base64,{data}"
    return f"PHOTO;ENCODING=b{f';TYPE={kind.upper()}' if kind else ''}:{data}"


def _text(name: str, value: str) -> str:
    return f"{name}:{_escape(value)}"


def _line(value: str) -> str:
    return _CONTROL.sub("", _BREAK.sub("", value))


def _structured(name: str, parts: Iterable[str]) -> str:
    return f"{name}:{';'.join(_escape(part) for part in parts)}"


def _escape(value: str) -> str:
    """RFC 6350 3.4, RFC 2426 2.4.2: the same four characters in both. Control characters are left out."""
    value = _CONTROL.sub("", value.strip())
    for mark in ("\\", ",", ";"):
        value = value.replace(mark, f"\\{mark}")
    return _BREAK.sub("\\\\n", value)


def _fold(line: str) -> bytes:
    """RFC 6350 3.2: at most 75 octets a line, a character never cut."""
    data = line.encode()
    pieces: list[bytes] = []
    start, room = 0, _LINE
    while len(data) - start > room:
        end = start + room
        while data[end] & 0xC0 == 0x80:
            end -= 1
        pieces.append(data[start:end])
        start, room = end, _LINE - 1
    pieces.append(data[start:])
    return b"\r\n ".join(pieces) + b"\r\n"
