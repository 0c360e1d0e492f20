"""Every right against every operation through both doors: each denied, each granted, and by nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from emailplus.errors import PolicyError, RightsDenied
from emailplus.model.message import Address
from emailplus.model.rights import Licence, Right
from emailplus.rms.compose import NO_RESTRICTION, Protection, protection
from emailplus.rms.gate import Door, Operation, check_recipients, judge, readable, require
from emailplus.rms.licence import parse

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
ALL = frozenset(Right)

NEEDED: dict[tuple[Operation, Door], set[Right]] = {
    (Operation.READ, Door.PERSON): set(),
    (Operation.READ, Door.PROGRAM): {Right.PROGRAMMATIC_ACCESS},
    (Operation.PRINT, Door.PERSON): {Right.PRINT},
    (Operation.PRINT, Door.PROGRAM): {Right.PRINT, Right.PROGRAMMATIC_ACCESS},
    (Operation.COPY, Door.PERSON): {Right.EXTRACT},
    (Operation.COPY, Door.PROGRAM): {Right.EXTRACT, Right.PROGRAMMATIC_ACCESS},
    (Operation.SCREENSHOT, Door.PERSON): {Right.EXTRACT},
    (Operation.SCREENSHOT, Door.PROGRAM): {Right.EXTRACT, Right.PROGRAMMATIC_ACCESS},
    (Operation.NOTIFY, Door.PERSON): set(),
    (Operation.NOTIFY, Door.PROGRAM): {Right.PROGRAMMATIC_ACCESS},
    (Operation.SEARCH, Door.PERSON): {Right.PROGRAMMATIC_ACCESS},
    (Operation.SEARCH, Door.PROGRAM): {Right.PROGRAMMATIC_ACCESS},
    (Operation.EXPORT, Door.PERSON): {Right.EXPORT},
    (Operation.EXPORT, Door.PROGRAM): {Right.EXPORT, Right.PROGRAMMATIC_ACCESS},
    (Operation.REMOVE_PROTECTION, Door.PERSON): {Right.EXPORT},
    (Operation.REMOVE_PROTECTION, Door.PROGRAM): {Right.EXPORT, Right.PROGRAMMATIC_ACCESS},
    (Operation.REPLY, Door.PERSON): {Right.REPLY},
    (Operation.REPLY, Door.PROGRAM): {Right.REPLY},
    (Operation.REPLY_ALL, Door.PERSON): {Right.REPLY_ALL},
    (Operation.REPLY_ALL, Door.PROGRAM): {Right.REPLY_ALL},
    (Operation.FORWARD, Door.PERSON): {Right.FORWARD},
    (Operation.FORWARD, Door.PROGRAM): {Right.FORWARD},
    (Operation.EDIT, Door.PERSON): {Right.EDIT},
    (Operation.EDIT, Door.PROGRAM): {Right.EDIT},
    (Operation.CHANGE_RECIPIENTS, Door.PERSON): {Right.MODIFY_RECIPIENTS},
    (Operation.CHANGE_RECIPIENTS, Door.PROGRAM): {Right.MODIFY_RECIPIENTS},
}
"""Written from MS-ASRM 2.2.2.3 to 2.2.2.13 and the issue, not from the table of the gate."""


def licence(granted: frozenset[Right], **fields: object) -> Licence:
    return Licence(granted=granted, template_name="Do Not Forward", owner=True, **fields)  # type: ignore[arg-type]


def test_the_matrix_has_every_operation_and_both_doors() -> None:
    assert set(NEEDED) == set(product(Operation, Door))


@pytest.mark.parametrize(("operation", "door"), list(NEEDED))
def test_every_right_against_every_operation(operation: Operation, door: Door) -> None:
    needed = NEEDED[operation, door]
    # Exactly what is needed opens it; owning the content, or every other right, does not.
    assert judge(licence(frozenset(needed)), operation, door, NOW)
    assert judge(licence(ALL), operation, door, NOW)
    for right in Right:
        verdict = judge(licence(ALL - {right}), operation, door, NOW)
        assert bool(verdict) is (right not in needed), (operation, door, right)
        if right in needed:
            assert verdict.right is right
            with pytest.raises(RightsDenied) as denied:
                require(licence(ALL - {right}), operation, door, NOW)
            assert (denied.value.right, denied.value.template) == (right.value, "Do Not Forward")
            assert isinstance(denied.value, PolicyError)
            assert denied.value.exit_code == 6
        else:
            require(licence(ALL - {right}), operation, door, NOW)
    assert bool(judge(licence(frozenset()), operation, door, NOW)) is (not needed)


@pytest.mark.parametrize(("operation", "door"), list(NEEDED))
def test_expiry_and_unreadable_dates_shut_everything(operation: Operation, door: Door) -> None:
    assert judge(None, operation, door, NOW)
    for shut in (
        licence(ALL, expires=NOW),
        licence(ALL, expires=NOW - timedelta(days=900)),
        licence(ALL, undated=True),
    ):
        verdict = judge(shut, operation, door, NOW)
        assert not verdict
        assert verdict.right is None
        with pytest.raises(RightsDenied, match="licence"):
            require(shut, operation, door, NOW)
    assert judge(licence(ALL, expires=NOW + timedelta(seconds=1)), operation, door, NOW)


# -- reading a licence

WHOLE = {
    "ContentExpiryDate": "9999-12-30T23:59:59.999Z", "ContentOwner": "carol@example.com", "Owner": "0",
    "TemplateID": "1", "TemplateName": "N", "TemplateDescription": "D", **{right.value: "1" for right in Right},
}  # fmt: skip


def test_a_whole_licence() -> None:
    read = parse(WHOLE)
    assert read.granted == ALL
    assert (read.expires, read.undated, read.owner) == (None, False, False)
    assert (read.content_owner, read.template_id, read.template_name) == ("carol@example.com", "1", "N")
    assert read.template_description == "D"
    assert read.faults == ()
    assert Licence.from_json(read.to_json()) == read


@pytest.mark.parametrize(
    ("written", "expires", "undated"),
    [
        ("9999-12-30T23:59:59.999Z", None, False),
        ("9999-12-31T23:59:59Z", None, False),
        ("2027-01-02T03:04:05.678Z", datetime(2027, 1, 2, 3, 4, 5, 678000, UTC), False),
        ("2027-01-02T03:04:05+01:00", datetime(2027, 1, 2, 2, 4, 5, tzinfo=UTC), False),
        ("2027-01-02T03:04:05", datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC), False),
        ("20270102T030405Z", datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC), False),
        ("0001-01-01T00:00:00+14:00", None, True),
        ("never", None, True),
        ("", None, True),
        ("99999-01-01", None, True),
        ("2027-13-01T00:00:00Z", None, True),
    ],
)
def test_expiry_dates(written: str, expires: datetime | None, undated: bool) -> None:
    read = parse({**WHOLE, "ContentExpiryDate": written})
    assert (read.expires, read.undated) == (expires, undated)
    assert bool(read.faults) is undated
    assert Licence.from_json(read.to_json()) == read
    if undated:
        assert not readable(read, NOW)


@pytest.mark.parametrize("right", list(Right))
@pytest.mark.parametrize("written", [None, "", "2", "yes", "TRUE ", "0", "-1"])
def test_a_right_that_cannot_be_read_is_not_granted(right: Right, written: str | None) -> None:
    values = {**WHOLE, right.value: written} if written is not None else {k: v for k, v in WHOLE.items() if k != right}
    read = parse(values)  # type: ignore[arg-type]
    assert read.grants(right) is (written == "TRUE ")
    assert read.granted | {right} == ALL
    assert bool(read.faults) is (written not in ("TRUE ", "0"))


def test_nothing_at_all_grants_nothing() -> None:
    for read in (parse({}), Licence.from_json("{"), Licence.from_json("[]"), Licence.from_json('{"granted": ["x"]}')):
        assert read.granted == frozenset()
        assert read.undated
        assert read.faults


# -- answers


def people(*addresses: str) -> list[Address]:
    return [Address("", address) for address in addresses]


@pytest.mark.parametrize(
    ("operation", "wanted", "allowed"),
    [
        (Operation.REPLY, ["bob@x"], True),
        (Operation.REPLY, ["BOB@x", "me@x"], True),
        (Operation.REPLY, ["bob@x", "eve@x"], False),
        (Operation.REPLY, ["eve@x"], False),
        (Operation.REPLY_ALL, ["bob@x", "carol@x"], True),
        (Operation.REPLY_ALL, ["bob@x", "carol@x", "me@x"], True),
        (Operation.REPLY_ALL, ["bob@x"], False),
        (Operation.REPLY_ALL, ["bob@x", "carol@x", "eve@x"], False),
        (Operation.FORWARD, ["eve@x"], True),
    ],
)
def test_recipients_of_answers(operation: Operation, wanted: list[str], allowed: bool) -> None:
    args = (operation, people("bob@x"), people("carol@x", "me@x"), people(*wanted), "me@x")
    assert bool(check_recipients(licence(ALL - {Right.MODIFY_RECIPIENTS}), *args)) is allowed
    assert check_recipients(licence(ALL), *args)
    assert check_recipients(None, *args)


E, X = Right.EDIT, Right.EXPORT


@pytest.mark.parametrize(
    ("template", "granted", "expected"),
    [
        ("", None, Protection("")),
        ("T2", None, Protection("T2")),
        (NO_RESTRICTION, None, Protection("")),
        ("", {E, X}, Protection("T1", inherited=True, inline=True)),
        ("T1", {E}, Protection("T1", inherited=True, inline=True)),
        ("T1", set(), Protection("T1", inherited=True, inline=False)),
        ("T2", {E, X}, Protection("T2", inline=True)),
        ("T2", {E}, Protection("T2", inline=False)),
        ("T2", {X}, Protection("T2", inline=False)),
        (NO_RESTRICTION, {E, X}, Protection(NO_RESTRICTION, inline=True)),
        ("{t1}", {E}, Protection("{t1}", inherited=True, inline=True)),  # the same GUID, written otherwise
    ],
)
def test_the_template_of_an_answer(template: str, granted: set[Right] | None, expected: Protection) -> None:
    """MS-ASRM_R261 to R269, R51, R367."""
    original = None if granted is None else licence(frozenset(granted), template_id="T1")
    assert protection(template, original) == expected


def test_what_names_no_template_is_not_quoted() -> None:
    """There is nothing that would protect the quotation."""
    assert protection("", licence(ALL)) == Protection("", inherited=True, inline=False)
    assert protection("T2", licence(ALL)) == Protection("T2", inline=True)
