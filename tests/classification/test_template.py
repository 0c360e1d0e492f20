"""The template language."""

from __future__ import annotations

import time

from hypothesis import given, settings
from hypothesis import strategies as st

from emailplus.classification.template import MAX_LENGTH, one_line, parse

from . import samples

TITLES = {"SEC": "Security", "CAVEAT": "Caveat"}


def render(source: str, line_breaks: bool = False, **selection: str | list[str]) -> str:
    chosen = {name: [value] if isinstance(value, str) else value for name, value in selection.items()}
    return parse(source, TITLES, line_breaks=line_breaks).render(chosen, TITLES, origin="a@example.test")


def test_the_template_cases() -> None:
    document = samples.cases("template_cases.json")
    for case in document["cases"]:
        template = parse(case["template"], document["fields"])
        assert template.render(case["selection"], document["fields"]) == case["expected"], case["note"]


def test_beyond_the_cases() -> None:
    assert render("(CAVEAT.title$: $CAVEAT.value$)", CAVEAT="X") == "Caveat: X"
    assert render("(OTHER.title$: $CAVEAT.value$)", CAVEAT="X") == "OTHER.title$: X"
    assert render(r"($SEC.value$)\n($CAVEAT.value$)", True, SEC="S", CAVEAT="X") == "S\nX"
    assert render(r"($SEC.value$)\n($CAVEAT.value$)", SEC="S", CAVEAT="X") == r"S\nX"
    assert render("SEC=$SEC.value$, ORIGIN=$ORIGIN$", SEC="S") == "SEC=S, ORIGIN=a@example.test"
    assert render("$SEC.value$ {unclosed", SEC="S") == "S {unclosed"
    assert render("a)b $SEC.value$", SEC="S") == "a)b S"
    assert render("no variable") == "no variable"
    assert render("$SEC.other$") == ""
    assert render("$SEC.value_7$|$SEC.value$", SEC="S") == "|S"


def test_values_are_not_scanned_again() -> None:
    assert render("[$SEC.value$]", SEC="($CAVEAT.value$){x}", CAVEAT="no") == "[($CAVEAT.value$){x}]"


def test_one_line_takes_every_line_break() -> None:
    assert one_line("a\r\nBcc: b\u2028c\x00\x85d") == "a Bcc: b c d"


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="(){}$\\n [],.SECvalue_1tx", max_size=60))
def test_any_template_renders(source: str) -> None:
    template = parse(source, TITLES, line_breaks=True)
    assert isinstance(template.render({"SEC": ["A", "B"]}, TITLES), str)
    if next(template.variables(), None) is not None:
        assert template.render({}, TITLES) == ""


def test_long_templates_take_their_length() -> None:
    began = time.process_time()
    for piece in ("{", "$SEC.value$ ", "($SEC.value$){, }", "\\", "$", ") ", "[ "):
        parse((piece * MAX_LENGTH)[:MAX_LENGTH], TITLES).render({"SEC": ["A"]}, TITLES)
    assert time.process_time() - began < 5
