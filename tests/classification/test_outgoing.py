"""The stage of sending: what is chosen, what is refused, what is written."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from emailplus.classification import ready
from emailplus.classification.classifier import Classifier, from_config
from emailplus.classification.outgoing import Outgoing, chosen_of, original_of, stamp, stamp_item
from emailplus.classification.stamp import MARK_CLASS
from emailplus.config import AppConfig
from emailplus.errors import ClassificationDowngrade, ClassificationRefused, ClassificationRequired
from emailplus.model.marking import Lowered, Marking

from . import samples

KEYS = {
    "email_address": "alice@example.test",
    "email_device_id": "0123456789abcdef0123456789ABCDEF",
    "email_exchange_host": "mail.example.test",
    "email_exchange_username": "alice",
    "email_ssl_required": "true",
}
LIST = "SEC=UNCLASSIFIED;DLM=Sensitive;SEC=PROTECTED;SEC=PROTECTED,DLM=Sensitive;SEC=PROTECTED,DLM=Sensitive:Legal"


def classifier(**keys: str) -> Classifier:
    made, problems = from_config(AppConfig.load({**KEYS, **keys}))
    assert problems == []
    assert made is not None
    return made


def markers(name: str) -> Classifier:
    text = ready.text(name) if name in ready.NAMES else samples.text(name)
    return classifier(email_security_classification_json=text)


def older(**keys: str) -> Classifier:
    return classifier(email_classification_list=LIST, **keys)


def message(subject: str = "Plan", chosen: Any = None, **more: Any) -> Outgoing:
    return Outgoing(subject, "alice@example.test", chosen, **more)


def test_a_new_message_gets_the_default_or_is_refused() -> None:
    stamped = stamp(markers("company"), message())
    assert (stamped.subject, stamped.headers) == (
        "Plan [Level: Internal]", (("X-Classification", "Level=Internal"),),
    )  # fmt: skip
    with pytest.raises(ClassificationRequired, match="Classification is required"):
        stamp(markers("au_2025"), message())
    with pytest.raises(ClassificationRequired, match="Required: Classification is required"):
        stamp(older(), message())
    free = stamp(markers("guide_assembled.json"), message(chosen={}))
    assert (free.subject, free.headers, free.body.text("Hello\n")) == ("Plan", (), "Hello\n")


def test_the_choice_is_written_into_subject_headers_and_bodies() -> None:
    stamped = stamp(
        markers("au_2025"),
        message(
            "Plan [SEC=OFFICIAL]",
            {"SEC": ["SECRET"], "CAVEAT": ["RI:AUSTEO"]},
            headers=(("X-Kept", "1"), ("x-protective-marking", "forged")),
        ),
    )
    marking = "SEC=SECRET, CAVEAT=RI:AUSTEO"
    assert stamped.subject == f"Plan [{marking}]"
    assert stamped.headers == (
        ("X-Kept", "1"),
        ("X-Protective-Marking", f"VER=2025.1, NS=gov.au, {marking}, ORIGIN=alice@example.test"),
    )
    assert stamped.body.text("Hello\n") == "SECRET//RI:AUSTEO\n\nHello\n\nSECRET\n"
    page = stamped.body.html("<p>Hello</p>")
    assert page.count(MARK_CLASS) == 2
    assert page.index("SECRET//RI:AUSTEO") < page.index("Hello")


def test_what_is_not_offered_is_refused_with_its_reasons() -> None:
    with pytest.raises(ClassificationRefused) as caught:
        stamp(markers("au_2025"), message(chosen={"SEC": ["OFFICIAL"], "ACCESS": ["Legal-Privilege"], "X": ["y"]}))
    assert len(caught.value.refusals) == 2
    with pytest.raises(ClassificationRefused, match="not in the list"):
        stamp(older(), message(chosen={"SEC": ["SECRET"]}))


def test_a_reply_takes_the_originals_marking_over_and_never_goes_below() -> None:
    au = markers("au_2025")
    original = {"SEC": ("PROTECTED",), "ACCESS": ("Legal-Privilege",)}
    taken = stamp(au, message("Re: Plan [SEC=PROTECTED, ACCESS=Legal-Privilege]"), original)
    assert taken.subject == "Re: Plan [SEC=PROTECTED, ACCESS=Legal-Privilege]"
    higher = stamp(au, message("Re: Plan [SEC=PROTECTED]", {"SEC": ["SECRET"]}), original)
    assert higher.subject == "Re: Plan [SEC=SECRET]"
    body = "On it.\n\n> PROTECTED\n>\n> Hello\n>\n> PROTECTED\n"
    assert higher.body.text(body) == "SECRET\n\nOn it.\n\n> Hello\n\nSECRET\n"
    with pytest.raises(ClassificationDowngrade, match="may not be lower"):
        stamp(au, message(chosen={"SEC": ["OFFICIAL"]}), original)
    with pytest.raises(ClassificationDowngrade):
        stamp(au, message(chosen={}), original)


def test_the_older_list_enforces_its_own_rules() -> None:
    original = {"SEC": ("PROTECTED",), "DLM": ("Sensitive",)}
    free, locked = older(), older(email_classification_lock_dlm="True")
    assert stamp(free, message("Re: Plan"), original).subject == "Re: Plan [SEC=PROTECTED, DLM=Sensitive]"
    legal = message(chosen={"SEC": ["PROTECTED"], "DLM": ["Sensitive:Legal"]})
    assert stamp(free, legal, original).subject == "Plan [SEC=PROTECTED, DLM=Sensitive:Legal]"
    with pytest.raises(ClassificationDowngrade, match="fixed by the original"):
        stamp(locked, legal, original)
    with pytest.raises(ClassificationDowngrade, match="may not be lower"):
        stamp(free, message(chosen={"SEC": ["UNCLASSIFIED"]}), original)
    unlisted = stamp(free, message("Re: Plan", {"SEC": ["PROTECTED"]}), {"SEC": ("UNOFFICIAL",)})
    assert unlisted.subject == "Re: Plan [SEC=PROTECTED]"
    with pytest.raises(ClassificationRequired):
        stamp(free, message(), {"SEC": ("UNOFFICIAL",)})


def test_the_companions_of_the_older_list() -> None:
    stamped = stamp(
        older(
            email_classification_default="SEC=UNCLASSIFIED", email_classification_body="False",
            email_classification_version="VER=2012.9,NS=gov.au",
        ),
        message(),
    )  # fmt: skip
    assert stamped.headers == (
        ("X-Protective-Marking", "VER=2012.9, NS=gov.au, SEC=UNCLASSIFIED, ORIGIN=alice@example.test"),
    )
    assert stamped.body.text("Hello\n") == "Hello\n"
    said = older(email_classification_required_string="Stop", email_classification_alert_string="Mark it first")
    with pytest.raises(ClassificationRequired, match="Stop: Mark it first"):
        stamp(said, message())
    labels = older(email_classification_security_label="Level", email_classification_dlm_label="Limit")
    assert labels.titles == {"SEC": "Level", "DLM": "Limit"}


def test_a_marking_in_the_subject_is_meant() -> None:
    stamped = stamp(markers("company"), message("Plan [Level: Confidential]"))
    assert stamped.headers == (("X-Classification", "Level=Confidential"),)
    assert stamp(older(), message("Plan [SEC=PROTECTED]")).subject == "Plan [SEC=PROTECTED]"


def test_calendar_events_carry_subject_and_body_only() -> None:
    au = markers("au_2025")
    item = stamp_item(au, subject="Meeting [SEC=OFFICIAL]", text="Room 5\n", chosen={"SEC": ["SECRET"]})
    assert (item.subject, item.text, item.html) == (
        "Meeting [SEC=SECRET]", "SECRET\n\nRoom 5\n\nSECRET\n", "",
    )  # fmt: skip
    page = stamp_item(au, subject="Meeting", html="<p>Room 5</p>", chosen={"SEC": ["SECRET"]})
    assert page.html.count("SECRET") == 2
    assert page.text == ""
    assert au.read(None, item.subject).fields == {"SEC": ("SECRET",)}
    assert stamp_item(au, subject="M", chosen={"SEC": ["SECRET"]}).text == "SECRET\n\n\nSECRET\n"
    with pytest.raises(ClassificationRequired):
        stamp_item(au, subject="Meeting")


def test_a_draft_keeps_choice_and_original() -> None:
    au = markers("au_2025")
    choice = au.reply({"SEC": ("PROTECTED",)}).choose("SEC", "SECRET")
    saved = json.loads(json.dumps(choice.saved()))
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert chosen_of(saved) == {"SEC": ("SECRET",)}
    assert original_of(None, saved, now) == {"SEC": ("PROTECTED",)}
    lower = {"chosen": {"SEC": ["OFFICIAL"]}, "original": {}}
    stored = Marking({"SEC": ("PROTECTED",)})
    with pytest.raises(ClassificationDowngrade):  # the stored message counts, whatever the draft says
        stamp(au, message(chosen=chosen_of(lower)), original_of(stored, lower, now))
    expired = Marking({"SEC": ("SECRET",)}, lowered=Lowered("SEC", "OFFICIAL", 0.0))
    assert original_of(expired, None, now) == {"SEC": ("OFFICIAL",)}
    for odd in (None, {}, {"chosen": 5, "original": "x"}, {"original": {"SEC": 5}}):
        assert chosen_of(odd) is None
        assert original_of(None, odd, now) == {}


# -- choosing from the older list


def test_every_choice_of_the_older_list_is_listed() -> None:
    legacy = older()
    empty = legacy.compose()
    reached = set()
    for sec in ("", *empty.offered("SEC")):
        step = empty.choose("SEC", *([sec] if sec else []))
        for dlm in ("", *step.offered("DLM")):
            choice = step.choose("DLM", *([dlm] if dlm else []))
            assert bool(choice.missing()) == (not sec and not dlm)
            reached.add(", ".join(f"{name}={value}" for name, (value,) in choice.chosen.items()))
    assert reached == {"", *(entry.replace(",", ", ") for entry in LIST.split(";"))}


def test_another_sec_clears_a_dlm_that_does_not_go_with_it() -> None:
    choice = older().compose().choose("SEC", "PROTECTED").choose("DLM", "sensitive:legal")
    assert choice.chosen == {"SEC": ("PROTECTED",), "DLM": ("Sensitive:Legal",)}
    assert choice.choose("SEC").chosen == {}
    assert choice.choose("SEC", "UNCLASSIFIED").chosen == {"SEC": ("UNCLASSIFIED",)}
    assert choice.shown() == ("SEC", "DLM")
    assert not choice.may_type("SEC")
    assert older().restore(choice.saved()) == choice
    with pytest.raises(ClassificationRefused, match="no such field"):
        choice.offered("X")
    with pytest.raises(ClassificationRefused, match="beside SEC UNCLASSIFIED"):
        choice.choose("SEC", "UNCLASSIFIED").choose("DLM", "Sensitive")
    with pytest.raises(ClassificationRefused, match="at most 1"):
        choice.choose("SEC", "PROTECTED", "UNCLASSIFIED")


def test_a_list_that_wants_a_dlm_says_so() -> None:
    strict = classifier(email_classification_list="SEC=PROTECTED,DLM=Sensitive;SEC=UNCLASSIFIED")
    choice = strict.compose().choose("SEC", "PROTECTED")
    assert choice.required("DLM")
    with pytest.raises(ClassificationRequired, match="DLM: a value is required beside SEC=PROTECTED"):
        choice.require()
    assert not strict.compose().choose("SEC", "UNCLASSIFIED").required("DLM")


def test_restoring_below_the_original_puts_the_original_back() -> None:
    legacy = older(email_classification_lock_dlm="True")
    saved = {"chosen": {"SEC": ["UNCLASSIFIED"]}, "original": {"SEC": ["PROTECTED"], "DLM": ["Sensitive"]}}
    assert legacy.restore(saved).chosen == {"SEC": ("PROTECTED",), "DLM": ("Sensitive",)}
    assert legacy.restore({"chosen": "x", "original": 5}).chosen == {}
