"""Choosing: offers, cascades, replies by table, refusals."""

from __future__ import annotations

from itertools import combinations

import pytest

from emailplus.classification.document import load
from emailplus.classification.scheme import OnReply, Scheme
from emailplus.classification.selection import Reason, Refusal, Selection
from emailplus.errors import ClassificationDowngrade, ClassificationRefused, ClassificationRequired

from . import samples


def legal(scheme: Scheme) -> list[dict[str, tuple[str, ...]]]:
    """Every legal selection of declared values, and one with a typed value for each place where typing is offered."""
    found: list[Selection] = [Selection(scheme)]
    for name in scheme.decision_order:
        grown = []
        for selection in found:
            most = scheme.by_name[name].max_selections
            values = selection.offered(name)
            for size in range(min(most, len(values)) + 1):
                grown.extend(selection.choose(name, *chosen) for chosen in combinations(values, size))
            if selection.may_type(name):
                grown.append(selection.choose(name, "Typed here"))
        found = grown
    return [dict(selection.chosen) for selection in found]


def reasons(refused: ClassificationRefused) -> list[Reason]:
    return [refusal.reason for refusal in refused.refusals if isinstance(refusal, Refusal)]


def test_the_samples_have_the_selections_they_should() -> None:
    counts = {name: len(legal(samples.scheme(name))) for name in samples.CONFIGURATIONS}
    # guide: no SEC 1; UNOFFICIAL 1; two with 4 ACCESS; three with 4 ACCESS and 3 CAVEAT (none, CABINET, typed).
    assert counts["guide_assembled.json"] == 1 + 1 + 2 * 4 + 3 * 4 * 3
    # no SEC, two without more; O:S: 1+2+1 caveats; above: 1+5+10+10 and a typed one; each with 1+3+3 ACCESS.
    assert counts["epms_2018.json"] == 1 + 2 + 4 * 7 + 3 * 27 * 7
    assert counts["parent_range.json"] == 1 + 2 + 4 + 2 * 7
    assert counts["minimal.json"] == 4


def test_a_new_message_has_the_defaults() -> None:
    guide = Selection.compose(samples.scheme("guide_assembled.json"))
    assert guide.chosen == {"SEC": ("OFFICIAL",), "ACCESS": ("Personal-Privacy",)}
    assert guide.shown() == ("SEC", "ACCESS")


def test_a_target_clears_its_dependents_in_cascade() -> None:
    choice = Selection.of(
        samples.scheme("epms_2018.json"),
        {"SEC": ["PROTECTED"], "CAVEAT": ["RI:AGAO", "Mine"], "ACCESS": ["Legal-Privilege"]},
    )
    assert choice.chosen["CAVEAT"] == ("RI:AGAO", "Mine")
    lower = choice.choose("SEC", "OFFICIAL:Sensitive")
    assert lower.chosen == {"SEC": ("OFFICIAL:Sensitive",), "ACCESS": ("Legal-Privilege",)}
    assert choice.choose("SEC", "OFFICIAL").chosen == {"SEC": ("OFFICIAL",)}
    assert choice.choose("SEC").chosen == {}


def test_parent_ranges_offer_their_lists() -> None:
    choice = Selection(samples.scheme("parent_range.json"))
    assert choice.offered("Audience") == ()
    assert choice.choose("Class", "Internal").offered("Audience") == ("All staff", "Contractors")
    both = choice.choose("Class", "Restricted").choose("Audience", "Legal", "Finance")
    assert both.chosen["Audience"] == ("Finance", "Legal")
    assert both.choose("Class", "Public").chosen == {"Class": ("Public",)}


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ({"NOPE": ["x"]}, Reason.UNKNOWN_FIELD),
        ({"SEC": ["COSMIC"]}, Reason.UNKNOWN_VALUE),
        ({"SEC": ["OFFICIAL", "SECRET"]}, Reason.TOO_MANY),
        ({"SEC": ["OFFICIAL"], "ACCESS": ["Legal-Privilege"]}, Reason.NOT_OFFERED),
        ({"SEC": ["OFFICIAL:Sensitive"], "CAVEAT": ["Mine"]}, Reason.NOT_OFFERED),
        ({"SEC": ["SECRET"], "CAVEAT": ["a;b"]}, Reason.BAD_TEXT),
        ({"SEC": ["SECRET"], "CAVEAT": ["$custom$"]}, Reason.BAD_TEXT),
        ({"SEC": ["SECRET"], "CAVEAT": ["x\r\nBcc: a@b"]}, Reason.BAD_TEXT),
        ({"SEC": ["SECRET"], "CAVEAT": ["x, SEC=UNOFFICIAL"]}, Reason.BAD_TEXT),
        ({"SEC": ["SECRET"], "CAVEAT": ["x SEC=UNOFFICIAL"]}, Reason.BAD_TEXT),
        ({"SEC": ["SECRET"], "CAVEAT": ["x] y"]}, Reason.BAD_TEXT),
        ({"SEC": ["SECRET"], "CAVEAT": ["x" * 300]}, Reason.BAD_TEXT),
    ],
)
def test_refused_choices_say_why(wanted: dict[str, list[str]], reason: Reason) -> None:
    with pytest.raises(ClassificationRefused) as caught:
        Selection.of(samples.scheme("epms_2018.json"), wanted)
    assert reason in reasons(caught.value)
    assert str(caught.value)


@pytest.mark.parametrize("name", samples.CONFIGURATIONS)
def test_every_original_choice_and_rule(name: str) -> None:
    """Every triple (original value, chosen value, rule) of single declared values, fields without dependencies."""
    sample = samples.cases(name)
    for rule in OnReply:
        for field in sample["fields"]:
            one = {"name": field["name"], "onReply": rule.value}
            values = [{field["name"]: [v for e in sample["values"] for v in e.get(field["name"], [])]}]
            scheme = load({"version": "2.0.0", "fields": [one], "values": values})
            order = ("", *scheme.fields[0].values)
            for original in order[1:]:
                reply = Selection.reply(scheme, {field["name"]: [original]})
                assert reply.chosen == {field["name"]: (original,)}
                permitted = {
                    OnReply.ANY: set(order),
                    OnReply.UPGRADE_ONLY: set(order[order.index(original) :]),
                    OnReply.LOCK: {original},
                }[rule]
                for choice in order:
                    found = reply.refusals(field["name"], [choice] if choice else [])
                    assert (not found) == (choice in permitted), (rule, original, choice)
                assert set(reply.offered(field["name"])) == permitted - {""}


@pytest.mark.parametrize("rule", OnReply)
@pytest.mark.parametrize("name", ["epms_2018.json", "parent_range.json"])
def test_every_original_choice_and_rule_of_fields_with_several_values(name: str, rule: OnReply) -> None:
    """The same for every field that takes several values: each set of them against each, the highest of it counts."""
    sample = samples.cases(name)
    fields = [field for field in sample["fields"] if field.get("selectionsMaxNumber", 1) > 1]
    assert fields
    for field in fields:
        entries = {v["value"]: v for entry in sample["values"] for v in entry.get(field["name"], [])}
        declared = list(entries)
        one = {"name": field["name"], "onReply": rule.value, "selectionsMaxNumber": field["selectionsMaxNumber"]}
        scheme = load({"version": "2.0.0", "fields": [one], "values": [{field["name"]: list(entries.values())}]})
        sizes = range(field["selectionsMaxNumber"] + 1)
        sets = [chosen for size in sizes for chosen in combinations(declared, size)]
        for original in sets[1:]:
            reply = Selection.reply(scheme, {field["name"]: list(original)})
            highest = declared.index(original[-1])
            for choice in sets:
                permitted = {
                    OnReply.ANY: True,
                    OnReply.UPGRADE_ONLY: bool(choice) and declared.index(choice[-1]) >= highest,
                    OnReply.LOCK: choice == original,
                }[rule]
                assert (not reply.refusals(field["name"], choice)) == permitted, (rule, original, choice)


@pytest.mark.parametrize("rule", OnReply)
@pytest.mark.parametrize("name", samples.CONFIGURATIONS)
def test_every_pair_of_whole_selections_under_every_rule(name: str, rule: OnReply) -> None:
    """The sample with `rule` in all its fields: every legal original against every legal choice, dependencies kept.

    What is permitted is worked out from the document alone.
    """
    document = samples.cases(name)
    for field in document["fields"]:
        field["onReply"] = rule.value
        field["selectionsMaxNumber"] = 1
        field.pop("allowCustomValue", None)
    scheme = load(document)
    order: dict[str, list[str]] = {}
    for entry in document["values"]:
        for field_name, values in entry.items():
            if field_name != "parentRange":
                order.setdefault(field_name, []).extend(value["value"] for value in values)
    selections = legal(scheme)
    permitted = refused = 0
    for original in selections[1:]:
        for choice in selections:
            allowed = all(
                _may_become(rule, order[field], value[0], choice.get(field)) for field, value in original.items()
            )
            if allowed:
                assert Selection.of(scheme, choice, original).chosen == choice, (original, choice)
                permitted += 1
            else:
                with pytest.raises(ClassificationDowngrade):
                    Selection.of(scheme, choice, original)
                refused += 1
    assert permitted
    assert (refused > 0) == (rule is not OnReply.ANY)


def _may_become(rule: OnReply, order: list[str], original: str, chosen: tuple[str, ...] | None) -> bool:
    if rule is OnReply.ANY:
        return True
    if chosen is None:
        return False
    return chosen[0] == original if rule is OnReply.LOCK else order.index(chosen[0]) >= order.index(original)


def test_an_unmarked_original_leaves_the_choice_free() -> None:
    for name in samples.CONFIGURATIONS:
        scheme = samples.scheme(name)
        assert Selection.reply(scheme, {}) == Selection.compose(scheme)
        assert Selection.reply(scheme, {"NOPE": ["x"], scheme.fields[0].name: ["COSMIC"]}) == Selection.compose(scheme)


def test_a_reply_may_not_go_below_its_original() -> None:
    reply = Selection.reply(
        samples.scheme("epms_2018.json"), {"SEC": ["secret"], "ACCESS": ["Legal-Privilege"], "CAVEAT": ["SH:CABINET"]}
    )
    assert reply.offered("SEC") == ("SECRET", "TOP-SECRET")
    assert reply.choose("SEC", "TOP-SECRET").chosen["SEC"] == ("TOP-SECRET",)
    with pytest.raises(ClassificationDowngrade) as caught:
        reply.choose("SEC", "PROTECTED")
    assert reasons(caught.value) == [Reason.DOWNGRADE]
    with pytest.raises(ClassificationDowngrade):
        reply.choose("SEC")
    with pytest.raises(ClassificationDowngrade) as caught:
        reply.choose("ACCESS", "Legal-Privilege", "Personal-Privacy")
    assert reasons(caught.value) == [Reason.LOCKED]
    assert reply.choose("CAVEAT").chosen == {"SEC": ("SECRET",), "ACCESS": ("Legal-Privilege",)}


def test_a_locked_value_stays_where_the_dependencies_would_exclude_it() -> None:
    reply = Selection.reply(samples.scheme("epms_2018.json"), {"SEC": ["OFFICIAL"], "ACCESS": ["Legal-Privilege"]})
    assert reply.chosen == {"SEC": ("OFFICIAL",), "ACCESS": ("Legal-Privilege",)}
    assert reply.choose("SEC", "SECRET").chosen["ACCESS"] == ("Legal-Privilege",)


def test_what_stands_in_the_way_of_sending() -> None:
    strict = samples.scheme("epms_2018.json")
    with pytest.raises(ClassificationRequired, match="Classification is required"):
        Selection(strict).require()
    Selection.compose(strict).require()
    free = samples.scheme("guide_assembled.json")
    Selection(free).require()
    parent = samples.scheme("parent_range.json")
    assert [refusal.reason for refusal in Selection(parent).missing()] == [Reason.REQUIRED]


def test_drafts_keep_their_selection_and_its_original() -> None:
    scheme = samples.scheme("epms_2018.json")
    reply = Selection.reply(scheme, {"SEC": ["PROTECTED"]}).choose("SEC", "SECRET").choose("CAVEAT", "Mine")
    again = Selection.restore(scheme, reply.saved())
    assert again == reply
    assert again.refusals("SEC", ["OFFICIAL"])[0].reason is Reason.DOWNGRADE
    assert Selection.restore(scheme, {"chosen": {"SEC": ["COSMIC"], 5: 3}, "original": "no"}).chosen == {}
    tampered = {**reply.saved(), "chosen": {"SEC": ["UNOFFICIAL"]}}
    assert Selection.restore(scheme, tampered).chosen["SEC"] == ("PROTECTED",)
