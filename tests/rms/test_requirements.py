"""Every requirement that MS-ASRM puts on a client: the test that shows it kept, or why there is nothing to keep."""

from __future__ import annotations

import csv
from pathlib import Path

from ..shared import shared

TESTS = Path(__file__).parent.parent

KEPT: dict[str, tuple[str, ...]] = {
    # Expiry: purged, and fetched again on demand
    "rms/test_protected_mail.py::test_expired_content_leaves_and_the_header_stays": ("MS-ASRM_R24",),
    "rms/test_protected_mail.py::test_a_renewed_licence_brings_the_content_again": ("MS-ASRM_R25",),
    # EditAllowed: quoting, and nothing of the original in a request without it
    "rms/test_walk.py::test_every_right_against_everything": (
        "MS-ASRM_R36", "MS-ASRM_R38", "MS-ASRM_R1008", "MS-ASRM_R40",
        # ExtractAllowed, PrintAllowed, ProgrammaticAccessAllowed: both values each
        "MS-ASRM_R55", "MS-ASRM_R57", "MS-ASRM_R327", "MS-ASRM_R78", "MS-ASRM_R81", "MS-ASRM_R331", "MS-ASRM_R84",
        "MS-ASRM_R86", "MS-ASRM_R332", "MS-ASRM_R186",
    ),
    "rms/test_answers.py::test_without_edit_nothing_of_the_original_is_in_an_answer": ("MS-ASRM_R39", "MS-ASRM_R269"),
    "rms/test_gate.py::test_recipients_of_answers": ("MS-ASRM_R388", "MS-ASRM_R391"),
    # RemoveRightsManagementProtection, an empty tag in Fetch; RightsManagementSupport, a boolean in Options. What the
    # mock's schema, and the published one, say of every request of these tests.
    "rms/test_protected_mail.py::test_protection_is_taken_off_where_it_may_be": (
        "MS-ASRM_R92", "MS-ASRM_R281", "MS-ASRM_R282",
    ),
    "rms/test_wire.py::test_it_stands_in_every_request_that_may_open_mail": (
        "MS-ASRM_R125", "MS-ASRM_R126", "MS-ASRM_R299", "MS-ASRM_R300", "MS-ASRM_R183", "MS-ASRM_R185", "MS-ASRM_R351",
        "MS-ASRM_R352", "MS-ASRM_R353", "MS-ASRM_R354",
    ),
    "rms/test_answers.py::test_an_answer_goes_on_protected": (
        "MS-ASRM_R154", "MS-ASRM_R155", "MS-ASRM_R166", "MS-ASRM_R193", "MS-ASRM_R308", "MS-ASRM_R311",
    ),
    "rms/test_answers.py::test_new_mail_with_a_template": ("MS-ASRM_R306",),
    "rms/test_answers.py::test_unprotected_mail_is_answered_as_ever": ("MS-ASRM_R194",),
    "rms/test_protected_mail.py::test_templates_are_kept_for_a_day": ("MS-ASRM_R191", "MS-ASRM_R313", "MS-ASRM_R314"),
    "rms/test_wire.py::test_statuses_of_sending": ("MS-ASRM_R198",),
}  # fmt: skip
"""Test -> the requirements that it shows kept."""

NOTHING_TO_KEEP: dict[str, str] = {
    "MS-ASRM_R79": "says what PrintAllowed does not mean",
    "MS-ASRM_R187": "of clients that cannot enforce restrictions: this one does, and asks only with `rms_support`",
    "MS-ASRM_R1009": "a value in a licence, which servers write; EditAllowed is not taken from ExportAllowed",
}
"""Requirement -> why no test of the client can show it."""


def test_every_requirement_on_a_client_is_accounted_for() -> None:
    with (shared("spec", "eas", "requirements") / "MS-ASRM.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    asked = {row["req_id"] for row in rows if row["scope"] == "Client"}
    named = [requirement for kept in KEPT.values() for requirement in kept]
    assert len(asked) > 40
    assert sorted([*named, *NOTHING_TO_KEEP]) == sorted(asked)


def test_the_tests_are_there() -> None:
    for name in KEPT:
        path, _, function = name.partition("::")
        assert f"\ndef {function}(" in (TESTS / path).read_text(encoding="utf-8"), name
