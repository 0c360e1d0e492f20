"""Reading as the engine does it: header blocks as they come, held against Python's reader; nothing fails or hangs."""

from __future__ import annotations

import email
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from emailplus.classification import ready
from emailplus.classification.classifier import Classifier, fields_of_head, from_config
from emailplus.config import AppConfig
from emailplus.model.marking import MAX_HEAD, WAITING, Marking, head_of

from .test_outgoing import KEYS, LIST, markers, older

NAMES = frozenset({"x-protective-marking", "x-classification"})
CLASSIFIERS = [markers("au_2025"), markers("company"), older()]

_lines = st.sampled_from(
    ["X-Protective-Marking: VER=2025.1, NS=gov.au, SEC=SECRET", "x-protective-marking:SEC=OFFICIAL", "Subject: a: b",
     "X-PROTECTIVE-MARKING: SEC=PROTECTED,\r\n ACCESS=Legal-Privilege", "X-Classification:\r\n\tLevel=Internal",
     "X-Protective-Marking-Old: SEC=SECRET", "Received: from x\r\n by y; SEC=SECRET", "X-Classification: ",
     "X-Classification: =?utf-8?q?Level=3DConfidential?=", "X-Protective-Marking: gr\xfcn", "NoColon"]
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.lists(_lines, max_size=8))
def test_header_fields_are_those_of_pythons_reader(lines: list[str]) -> None:
    lines = [line for line in lines if ":" in line]  # Python's reader ends the header at a line that is no field
    head = "".join(f"{line}\r\n" for line in lines).encode("latin-1", "replace") + b"\r\n"
    theirs = [
        (name.lower(), " ".join(str(value).split()))
        for name, value in email.message_from_bytes(head).raw_items()
        if name.lower() in NAMES
    ]
    ours = [(name, " ".join(value.split())) for name, value in fields_of_head(head, NAMES)]
    plain = [(name, value) for name, value in ours if value.isascii()]
    assert plain == [(name, value) for name, value in theirs if value.isascii()]
    assert len(ours) == len(theirs)


@pytest.mark.parametrize("classifier", CLASSIFIERS, ids=["au_2025", "company", "list"])
@settings(max_examples=150, deadline=None)
@given(head=st.none() | st.binary(max_size=200) | st.lists(_lines).map("\r\n".join).map(str.encode), subject=st.text())
@example(head=b"X-Protective-Marking: \xff\xfe=?utf-8?b?!?=\r\n\r\n", subject="[SEC=")
@example(head=b"X-Protective-Marking: EXPIRES=2020-01-01, DOWNTO=OFFICIAL, SEC=SECRET\r\n", subject="")
@example(head=b"X-Protective-Marking: SEC=SECRET, EXPIRES=9999-99-99, DOWNTO=OFFICIAL\r\n", subject="\ud800")
def test_any_message_is_read(classifier: Classifier, head: bytes | None, subject: str) -> None:
    marking = classifier.read(head, subject)
    assert isinstance(marking, Marking)
    assert marking.marked == bool(marking.label)
    if head is None and not marking.marked:
        assert marking.missing == WAITING
    if head is not None:
        assert marking.missing == ""
    assert set(marking.fields) <= set(classifier.titles)


def test_what_was_read_stands_on_one_line() -> None:
    marking = CLASSIFIERS[0].read(b"X-Protective-Marking: SEC=SECRET,\r\n\tNOTE=x\r\n\r\n", "Plan")
    assert marking.text == "SEC=SECRET, NOTE=x"


def test_the_head_ends_where_the_body_begins() -> None:
    assert head_of(b"A: b\r\n\r\nX-Classification: Level=Public\r\n\r\n") == b"A: b\r\n\r\n"
    assert head_of(b"A: b\n\nC: d\r\n\r\n") == b"A: b\n\n"
    assert head_of(b"A: b\r\n", cut=True) == b""
    assert head_of(b"A: b\r\n") == b"A: b\r\n"
    assert len(head_of(b"A: b\r\n" * 100_000, cut=True)) == MAX_HEAD


def test_the_fingerprint_follows_what_is_read_by() -> None:
    assert markers("company").fingerprint == markers("company").fingerprint
    assert markers("company").fingerprint != markers("au_2025").fingerprint
    assert older().fingerprint == older(email_classification_body="False").fingerprint
    assert older().fingerprint != older(email_classification_version="VER=2012.9,NS=gov.au").fingerprint


def test_off_broken_and_both() -> None:
    assert from_config(AppConfig.load(KEYS)) == (None, [])
    both = {**KEYS, "email_classification_list": LIST, "email_security_classification_json": ready.text("company")}
    made, problems = from_config(AppConfig.load(both))
    assert (list(made.titles) if made else None, problems) == (["Level"], [])
    broken = {**both, "email_security_classification_json": '{"version": "2.0.0", "fields": 5, "values": 6}'}
    made, (problem,) = from_config(AppConfig.load(broken))
    assert made is None
    assert problem.startswith("email_security_classification_json cannot be used, so classification is off: fields")
    assert problem.endswith("(and 1 more)")
    wrong = {**KEYS, "email_classification_list": LIST, "email_classification_default": "SEC=Z"}
    made, (problem,) = from_config(AppConfig.load(wrong))
    assert made is None
    assert problem.startswith("email_classification_list cannot be used, so classification is off")
    assert "email_classification_default" in problem


def test_long_heads_take_their_length() -> None:
    began = time.process_time()
    name = b"X-Protective-Marking:"
    for piece in (name + b" SEC=SECRET\r\n", name, b"\r\n ", b"a", b": ", b"\n", b"\r"):
        head = head_of((name + piece * 300_000)[:400_000])
        for classifier in CLASSIFIERS:
            classifier.read(head, "Plan")
    assert time.process_time() - began < 20
