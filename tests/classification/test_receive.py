"""Reading a marking from headers and subject, and the separator expressions."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from emailplus.classification import ready
from emailplus.classification.document import load
from emailplus.classification.receive import MAX_TEXT, Receiver
from emailplus.classification.separators import Separator

from . import samples


def subject_scheme(rules: list[str], separator: str | None = ",", **more: Any) -> Receiver:
    return Receiver(
        load(
            {
                "version": "2.0.0",
                "fields": [
                    {"name": "SEC"},
                    {"name": "CAVEAT", "allowCustomValue": True, "selectionsMaxNumber": 3},
                ],
                "values": [
                    {"SEC": [{"value": "OPEN"}, {"value": "OPEN-ISH"}, {"value": "SHUT"}]},
                    {"CAVEAT": [{"value": "EYES"}]},
                ],
                "receiveMarking": {"subjectSuffixPatterns": {"rules": rules, "separatorRegex": separator, **more}},
            }
        )
    )


def test_the_receive_cases() -> None:
    for case in samples.cases("receive_cases.json"):
        received = Receiver(samples.scheme(case["configuration"])).receive(case["headers"], case["subject"])
        selection = {name: list(values) for name, values in received.selection.items()}
        assert (received.source, selection) == (case["source"], case["expected"]), case["note"]


def test_what_is_not_understood_is_said() -> None:
    receiver = Receiver(samples.scheme("guide_assembled.json"))
    received = receiver.receive({}, "Plan [SEC=COSMIC, ACCESS=Legal-Privilege]")
    assert received.selection == {"ACCESS": ("Legal-Privilege",)}
    assert received.unknown == (("SEC", "COSMIC"),)
    assert received.flagged
    assert received.text == "[SEC=COSMIC, ACCESS=Legal-Privilege]"
    odd = receiver.receive({"X-Protective-Marking": "gibberish"}, "Plan")
    assert (odd.selection, odd.source, odd.text) == ({}, None, "gibberish")
    assert odd.notes == ("no rule matches the header",)
    assert not receiver.receive({"Subject": "x"}, "Plan").flagged


def test_several_headers_of_one_name_give_the_most_secure() -> None:
    receiver = Receiver(samples.scheme("guide_assembled.json"))
    headers = [("X-Protective-Marking", "SEC=SECRET"), ("X-Protective-Marking", "SEC=OFFICIAL")]
    received = receiver.receive(headers, "")
    assert received.selection == {"SEC": ("SECRET",)}
    assert any("2 headers" in note for note in received.notes)


def test_encoded_words_and_folds_are_undone() -> None:
    receiver = Receiver(samples.scheme("guide_assembled.json"))
    header = "=?utf-8?q?SEC=3DSECRET=2C?=\r\n =?utf-8?q?_ACCESS=3DLegal-Privilege?="
    assert receiver.receive({"X-Classification": header}, "").selection["SEC"] == ("SECRET",)
    broken = receiver.receive({"X-Classification": "=?utf-8?b?!!!?= SEC=SECRET"}, "")
    assert broken.selection == {"SEC": ("SECRET",)}


def test_rules_that_share_beginnings_are_all_tried() -> None:
    receiver = subject_scheme(["S=$SEC$", "S=C:$CAVEAT$", "$SEC$!"])
    assert receiver.receive({}, "S=C:EYES").selection == {"CAVEAT": ("EYES",)}
    assert receiver.receive({}, "so SHUT! it").selection == {"SEC": ("SHUT",)}
    assert receiver.receive({}, "OPEN-ISH!").selection == {"SEC": ("OPEN-ISH",)}
    assert receiver.receive({}, "REOPEN!").selection == {}


def test_letters_that_fold_oddly_are_no_values() -> None:
    receiver = Receiver(samples.scheme("guide_assembled.json"))
    assert receiver.receive({}, "[SEC=OFFİCIAL]").selection == {}
    assert receiver.receive({}, "[SEC=ſECRET]").selection == {"SEC": ("SECRET",)}
    slow = subject_scheme(["S=$SEC$"], ",+")
    assert slow.receive({}, "S=SHUT ,").selection == {"SEC": ("SHUT",)}
    assert slow.receive({}, "S=OPEN-İSH").selection == {}


def test_longest_value_first_then_a_shorter_that_ends_right() -> None:
    receiver = subject_scheme(["S=$SEC$"], "-")
    assert receiver.receive({}, "S=OPEN-ISHY").selection == {"SEC": ("OPEN",)}
    assert receiver.receive({}, "S=OPEN-ISH").selection == {"SEC": ("OPEN-ISH",)}


def test_strip_takes_the_marking_and_leaves_other_brackets() -> None:
    receiver = Receiver(samples.scheme("epms_2018.json"))
    assert receiver.stripped("[EXT] Plan [SEC=SECRET]") == "[EXT] Plan"
    assert receiver.stripped("Plan [SEC=SECRET] of [today]") == "Plan of [today]"
    assert receiver.stripped("[SEC=SECRET] a [SEC=OFFICIAL]") == "[SEC=SECRET] a"
    assert receiver.stripped("[SEC=SECRET] a [SEC=OFFICIAL]", every=True) == " a"
    assert Receiver(samples.scheme("minimal.json")).stripped("Plan [Internal]") == "Plan [Internal]"


EXPRESSIONS = (
    *(",", "[^a-z]", r"\s*[,;]\s*", "a|bc", "(ab)+", "x{2,3}", "a*b?", "^a", "b$", r"\bc", "(?i)Q"),
    *("a+?b", ".b", r"(?:a|b)*c", "(a*)*c", r"\d\D", "[a-c-]{2}"),
)


@pytest.mark.parametrize("pattern", EXPRESSIONS)
@settings(max_examples=60, deadline=None)
@given(text=st.text(alphabet="abcxqQ,; 1\n-", max_size=14))
@example(text="aabbcc")
def test_separator_positions_are_those_of_re(pattern: str, text: str) -> None:
    wanted = []
    for at in range(len(text)):
        # A match of at least one character that begins here, whatever the greediness prefers.
        ends = range(at + 1, len(text) + 1)
        if any(
            re.compile(f"(?:{_plain(pattern)})(?<=^(?s:.{{{end}}}))", _flags(pattern)).match(text, at) for end in ends
        ):
            wanted.append(at)
    assert Separator(pattern).starts(text) == wanted


def _plain(pattern: str) -> str:
    return pattern.removeprefix("(?i)")


def _flags(pattern: str) -> int:
    return re.IGNORECASE if pattern.startswith("(?i)") else 0


@pytest.mark.parametrize(
    "pattern", ["[^a", "(", "(?=a)", r"(a)\1", "(?<!a)b", "a{3000}", "x" * 2000, "(?P<n>a)(?(n)b|c)"]
)
def test_separators_that_are_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"expression|supported"):
        Separator(pattern)


def test_no_expression_and_no_text_takes_long() -> None:
    """Expressions that hang a backtracking matcher for centuries, on the longest text that is read."""
    began = time.process_time()
    for pattern in ("(a+)+$", "(a|a)*b", "(a*)*b", "(.*a){12}b", r"(\w+\s?)*!"):
        receiver = subject_scheme(["S=$SEC$", "C=$CAVEAT$"], pattern)
        receiver.receive({}, "C=" + "a" * MAX_TEXT)
        receiver.receive({}, "S=C=" * 10_000)
    plain = subject_scheme(["S=$SEC$", "$CAVEAT$", "C=$CAVEAT$"], None, boundaries={"start": "[", "end": "]"})
    for text in ("[" * 50_000 + "]" * 50_000, "[C=" + " " * 100_000 + "]", "[" + "C=" * 100_000 + "]"):
        plain.receive({}, text)
        plain.stripped(text, every=True)
    assert time.process_time() - began < 10


_PIECES = (
    "SEC=", "sec:", "ACCESS=", "CAVEAT=", "Level: ", "SECRET", "secret", "TOP-SECRET", "OFFICIAL",
    "OFFICIAL:Sensitive", "Legal-Privilege", "SH:CABINET", "Confidential", "X", ", ", ",", " ", "[", "]", ";", "=",
)  # fmt: skip


@pytest.mark.parametrize("name", [*samples.CONFIGURATIONS, *ready.NAMES])
@settings(max_examples=60, deadline=None)
@given(text=st.lists(st.sampled_from(_PIECES), max_size=14).map("".join))
@example(text="[SEC=SEC=SECRET]")
@example(text="SEC=TOP-SECRET, ACCESS=Legal-PrivilegeSEC=SECRET")
def test_reading_in_one_pass_is_reading_rule_by_rule(name: str, text: str) -> None:
    scheme = load(ready.text(name)) if name in ready.NAMES else samples.scheme(name)
    quick, slow = Receiver(scheme), Receiver(scheme)
    for compiled in slow._sources.values():
        compiled.quick = None
    headers = [(header, text) for source in scheme.sources for header in source.header_names]
    assert quick.receive(headers, f"Plan {text}") == slow.receive(headers, f"Plan {text}")
    assert quick.receive([], f"Plan [{text}]") == slow.receive([], f"Plan [{text}]")


def test_the_guides_rules_are_read_in_one_pass() -> None:
    for scheme in (samples.scheme("guide_assembled.json"), load(ready.text("au_2025"))):
        assert all(compiled.quick is not None for compiled in Receiver(scheme)._sources.values())
    hiding = subject_scheme(["S=$SEC$", "C=$CAVEAT$", "OPEN=$SEC$"], "[^A-Z]")
    assert hiding._sources["subjectSuffixPatterns"].quick is None
    assert hiding.receive({}, "S=OPEN=SHUT,").selection == {"SEC": ("SHUT",)}


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60) | st.text(alphabet="[]SEC=AVT:,; \r\n?q-OPN", max_size=60))
def test_any_text_is_received(text: str) -> None:
    for name in samples.CONFIGURATIONS:
        scheme = samples.scheme(name)
        receiver = Receiver(scheme)
        received = receiver.receive([("X-Protective-Marking", text), ("X-Classification", text)], text)
        for field, values in received.selection.items():
            entry = scheme.by_name[field]
            assert 0 < len(values) <= entry.max_selections
            assert entry.allow_custom or all(value in entry.ranks for value in values)
        assert receiver.stripped(receiver.stripped(text, every=True), every=True) == receiver.stripped(text, every=True)
