"""`allow_export_contacts` and `limit_contact_export_to`: nothing leaks."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emailplus.errors import PolicyDenied
from emailplus.mime import vcard
from emailplus.model.contact import Contact
from emailplus.model.message import Body
from emailplus.policy.contact_export import NAMES, NUMBERS, exportable

from ..config.samples import load

SECRETS = {
    row.name: f"secret-{row.name}" for row in fields(Contact)
    if row.type == "str" and row.name not in (*NAMES, *NUMBERS)
}  # fmt: skip


def full(**more: Any) -> Contact:
    """A contact in which every property is set, each with a text of its own."""
    names = {name: f"Name{name}".replace("_", "") for name in NAMES}
    numbers = {name: f"+61 2 5550 {number:04}" for number, name in enumerate(NUMBERS)}
    others: dict[str, Any] = {
        "children": ("secret-child",), "picture": b"\xff\xd8\xffsecret-picture", "weighted_rank": 7, "vip": True,
        "birthday": datetime(1980, 5, 2, tzinfo=UTC), "anniversary": datetime(2005, 1, 2, tzinfo=UTC),
        "categories": ("secret-category",), "body": Body(1, b"secret-note", 11), "extra": b"secret-extra",
        "id": 4711, "native_body_type": 1,
    }  # fmt: skip
    return Contact(**{**SECRETS, **names, **numbers, **others, **more})


def test_the_sample_leaves_no_property_out() -> None:
    contact = full()
    assert [row.name for row in fields(Contact) if getattr(contact, row.name) == row.default] == []


@pytest.mark.parametrize("keys", [{}, {"allow_export_contacts": "false"}, {"limit_contact_export_to": "name_number"}])
def test_nothing_is_exported_unless_it_is_allowed(keys: dict[str, str]) -> None:
    with pytest.raises(PolicyDenied, match="may not be exported") as caught:
        exportable([full()], load(**keys))
    assert caught.value.rule == "allow_export_contacts"


@pytest.mark.parametrize("limit", [None, "all", "everything", "NAME", ""])
def test_all_is_all(limit: str | None) -> None:
    keys = {"allow_export_contacts": "true"} | ({} if limit is None else {"limit_contact_export_to": limit})
    assert list(exportable([full()], load(**keys))) == [full()]


@pytest.mark.parametrize("version", vcard.VERSIONS)
def test_name_and_number_and_nothing_else(version: vcard.Version) -> None:
    config = load(allow_export_contacts="true", limit_contact_export_to="name_number")
    [contact] = exportable([full()], config)
    [card] = vcard.write([contact], version)
    text = card.replace(b"\r\n ", b"").decode()
    assert "secret" not in text
    properties = {line.partition(":")[0].partition(";")[0] for line in text.splitlines()}
    assert properties == {"BEGIN", "VERSION", "PRODID", "N", "FN", "TEL", "END"}
    assert all(f"Name{name}".replace("_", "") in text for name in NAMES)
    assert text.count("TEL;") == len(NUMBERS)
    [everything] = vcard.write([full()], version)
    assert everything.count(b"secret") > 20  # all of it is there otherwise


@pytest.mark.parametrize(
    ("number", "leaves"),
    [
        ("+61 2 5550 1234", True), ("(02) 5550-1234 x12", True), ("*100#", False), ("5550.1234;ext=5", False),
        ("jane@example.com", False), ("call 5550 1234", False), ("5550 1234 (ask for Bob)", False), ("", False),
    ],
)  # fmt: skip
def test_a_number_field_that_holds_no_number(number: str, leaves: bool) -> None:
    config = load(allow_export_contacts="true", limit_contact_export_to="name_number")
    [contact] = exportable([Contact(first_name="Jane", mobile_phone=number)], config)
    assert contact.mobile_phone == (number if leaves else "")


def test_a_company_keeps_its_name_and_a_person_does_not_tell_the_company() -> None:
    config = load(allow_export_contacts="true", limit_contact_export_to="name_number")
    contacts = [Contact(company_name="Acme", business_phone="1"), Contact(first_name="Jane", company_name="Acme"),
                Contact(file_as="jane@example.com", email1="jane@example.com")]  # fmt: skip
    found = list(exportable(contacts, config))
    assert [one.company_name for one in found] == ["Acme", "", ""]
    assert [vcard.full_name(one) for one in found] == ["Acme", "Jane", "(no name)"]


@given(st.builds(Contact, **{name: st.text(max_size=8) for name in (*SECRETS, *NAMES, *NUMBERS)}))
def test_any_contact_keeps_its_other_properties(contact: Contact) -> None:
    config = load(allow_export_contacts="true", limit_contact_export_to="name_number")
    [found] = exportable([contact], config)
    kept = {row.name for row in fields(Contact) if getattr(found, row.name) != row.default}
    assert kept <= {*NAMES, *NUMBERS, "company_name"}
    assert "company_name" not in kept or not any(getattr(contact, name).strip() for name in NAMES)
