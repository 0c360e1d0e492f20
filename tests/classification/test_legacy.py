"""The older SEC and DLM list, and the ready-made configurations."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emailplus.classification import epms, ready
from emailplus.classification.document import load
from emailplus.classification.legacy import Choice, Legacy
from emailplus.classification.receive import Receiver
from emailplus.classification.selection import Selection
from emailplus.classification.stamp import render, stamp_subject, stamp_text
from emailplus.config import AppConfig
from emailplus.errors import (
    ClassificationDowngrade,
    ClassificationRefused,
    ClassificationRequired,
    ConfigurationError,
    UsageError,
)

from .test_selection import legal

LIST = (
    "SEC=UNOFFICIAL;SEC=UNCLASSIFIED;DLM=For-Official-Use-Only;DLM=Sensitive;DLM=Sensitive:Legal;SEC=PROTECTED;"
    "SEC=PROTECTED,DLM=Sensitive;SEC=PROTECTED,DLM=Sensitive:Legal;"
)
KEYS = {
    "email_address": "alice@example.test",
    "email_device_id": "0123456789abcdef0123456789ABCDEF",
    "email_exchange_host": "mail.example.test",
    "email_exchange_username": "alice",
    "email_classification_list": LIST,
}


def legacy(**more: str) -> Legacy:
    found = Legacy.from_config(AppConfig.load({**KEYS, **more}))
    assert found is not None
    return found


def test_the_keys_of_an_app_config() -> None:
    found = legacy(email_classification_default="SEC=UNOFFICIAL", email_classification_body="False")
    assert len(found.permutations) == 8
    assert (found.default, found.body, found.lock_dlm) == (Choice("UNOFFICIAL"), False, False)
    assert found.offered("PROTECTED") == (None, "Sensitive", "Sensitive:Legal")
    assert found.offered() == ("For-Official-Use-Only", "Sensitive", "Sensitive:Legal")
    assert found.start() == Choice("UNOFFICIAL")
    assert found.start(Choice("PROTECTED")) == Choice("PROTECTED")


def test_the_markers_switch_the_list_off() -> None:
    both = AppConfig.load({**KEYS, "email_security_classification_json": ready.text("company")})
    assert Legacy.from_config(both) is None
    assert load(both.email_security_classification_json or "").version == "2.0.0"


@pytest.mark.parametrize(
    "more",
    [
        {"email_classification_default": "SEC=COSMIC"},
        {"email_classification_version": "2012"},
        {"email_classification_list": "nothing; useful"},
    ],
)
def test_mistakes_are_reported(more: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError):
        legacy(**more)


def test_every_permutation_is_received_as_stamped() -> None:
    found = legacy()
    for choice in found.permutations:
        marks = found.render(choice, origin="alice@example.test")
        ((name, value),) = marks.headers
        assert epms.read(value).conforms, value
        assert value.startswith("VER=2012.3, NS=gov.au, ")
        assert value.endswith(", ORIGIN=alice@example.test")
        assert found.receive([(name, value)], "") == choice
        subject = stamp_subject("RE: Plan [SEC=UNCLASSIFIED]", marks)
        assert subject == f"RE: Plan {marks.suffix}"
        assert found.receive([], subject) == choice
        assert stamp_text("Hello\n", marks) == f"{marks.suffix[1:-1]}\n\nHello\n\n{marks.suffix[1:-1]}\n"


def test_every_reply() -> None:
    found = legacy(email_classification_lock_dlm="True")
    for original in found.permutations:
        for choice in found.permutations:
            lower = found.rank(choice.sec) < found.rank(original.sec)
            locked = original.dlm is not None and choice.dlm != original.dlm
            if lower or locked:
                with pytest.raises(ClassificationDowngrade):
                    found.check(choice, original)
            else:
                assert found.check(choice, original) == choice
    free = legacy()
    assert free.check(Choice("PROTECTED"), Choice("PROTECTED", "Sensitive")) == Choice("PROTECTED")
    with pytest.raises(ClassificationRequired, match="Classification is required"):
        free.check(None)
    with pytest.raises(ClassificationRefused, match="not in the list"):
        free.check(Choice("UNOFFICIAL", "Sensitive"))


def test_an_origin_cannot_add_a_header() -> None:
    ((_, value),) = legacy().render(Choice("PROTECTED"), origin="a@b\r\nBcc: c@d").headers
    assert value == "VER=2012.3, NS=gov.au, SEC=PROTECTED"


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60) | st.text(alphabet="[]SECDLM=:, -PROT", max_size=60))
def test_any_text_is_received(text: str) -> None:
    choice = Legacy.load(LIST.split(";")).receive([("x-protective-marking", text)], text)
    assert choice is None or choice.sec or choice.dlm or choice == Choice()


@pytest.mark.parametrize("name", ready.NAMES)
def test_ready_made_configurations_hold(name: str) -> None:
    scheme = load(ready.text(name))
    assert scheme.warnings == ()
    receiver = Receiver(scheme)
    for chosen in legal(scheme):
        selection = Selection(scheme, chosen)
        if selection.missing():
            continue
        marks = render(selection, origin="alice@example.test")
        subject = stamp_subject("Plan", marks)
        assert receiver.receive(marks.headers, "Plan").selection == chosen
        assert receiver.receive({}, subject).selection == chosen
        if name == "au_2025":
            assert epms.read(marks.headers[0][1]).conforms, marks.headers
            assert epms.read(subject.removeprefix("Plan "), epms.Form.SUBJECT).conforms


def test_other_names_are_refused() -> None:
    with pytest.raises(UsageError, match="au_2025, company"):
        ready.text("../../errors")


def test_long_subjects_take_their_length() -> None:
    found = Legacy.load(LIST.split(";"))
    marks = found.render(Choice("PROTECTED"))
    began = time.process_time()
    for piece in (" ", "[SEC=", "[SEC=PROTECTED] ", "\t["):
        stamp_subject(piece * 100_000, marks)
        found.receive([("X-Protective-Marking", piece * 100_000)], piece * 100_000)
    assert time.process_time() - began < 5
