"""The configuration document: samples, faults, repairs, hostile text."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emailplus.classification.document import check, load
from emailplus.classification.findings import Severity
from emailplus.errors import ConfigurationError

from . import samples

MINIMAL: dict[str, Any] = {
    "version": "2.0.0",
    "fields": [{"name": "Level"}, {"name": "Group", "allowCustomValue": True}],
    "values": [{"Level": [{"value": "Public"}, {"value": "Secret"}]}, {"Group": [{"value": "Staff"}]}],
}


def errors_of(**changes: Any) -> str:
    scheme, findings = check({**MINIMAL, **changes})
    assert scheme is None
    return " | ".join(str(finding) for finding in findings)


@pytest.mark.parametrize("name", samples.CONFIGURATIONS)
def test_sample_configurations_are_read_without_a_finding(name: str) -> None:
    assert samples.scheme(name).warnings == ()


def test_the_wrapped_layout_means_the_same() -> None:
    flat, nested = samples.scheme("guide_assembled.json"), samples.scheme("guide_assembled_nested.json")
    assert (flat.fields, flat.default, flat.conditionality) == (nested.fields, nested.default, nested.conditionality)
    assert flat.send == nested.send
    assert flat.sources == nested.sources


def test_lenient_text_gives_the_nested_document_and_says_each_repair() -> None:
    scheme, findings = check(samples.text("guide_lenient.json"))
    nested = samples.scheme("guide_assembled_nested.json")
    assert scheme is not None
    assert (scheme.fields, scheme.send, scheme.sources) == (nested.fields, nested.send, nested.sources)
    said = [str(finding) for finding in findings]
    assert sum("trailing comma" in line for line in said) == 5
    assert sum("quotes added" in line for line in said) == 2
    assert all(line.startswith("warning: line ") for line in said)


def test_the_printed_sample_ends_with_a_position() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(samples.text("guide_as_printed.json"))
    assert str(caught.value.problems[0]).startswith("error: line 4, column 1038: ")


def test_the_android_schema_is_recognised() -> None:
    scheme, findings = check(samples.text("android_au_2018.json"))
    assert scheme is None
    assert [str(finding) for finding in findings] == [
        "error: scheme: this is the Android schema; the markers of version 2 are wanted"
    ]


def test_every_invalid_case_is_found_with_its_severity() -> None:
    document = samples.cases("invalid_cases.json")
    base = samples.cases(document["base"])
    for case in document["cases"]:
        scheme, findings = check(samples.patched(base, case["patch"]))
        assert findings, case["name"]
        severities = {finding.severity.value for finding in findings}
        if case["severity"] == "error":
            assert scheme is None, case["name"]
            assert "error" in severities, case["name"]
        else:
            assert scheme is not None, case["name"]
            assert severities == {"warning"}, case["name"]


def test_all_faults_are_reported_at_once() -> None:
    document = samples.cases("invalid_cases.json")
    names = ("version_1", "value_semicolon", "bad_regex", "max_zero", "two_targets", "header_name_bad")
    broken = samples.cases(document["base"])
    for case in document["cases"]:
        if case["name"] in names:
            broken = samples.patched(broken, case["patch"])
    with pytest.raises(ConfigurationError) as caught:
        load(broken)
    said = "\n".join(str(problem) for problem in caught.value.problems)
    for place in ("version", "values[1].ACCESS[0]", "separatorRegex", "selectionsMaxNumber", "two targets", "xHeader"):
        assert place in said


def test_faults_beyond_the_samples() -> None:
    assert "fields[0].title" in errors_of(fields=[{"name": "Level", "title": 5}])
    assert "no parent" in errors_of(values=[{"Level": [{"value": "Public"}], "parentRange": ["x"]}])
    assert "is not declared" in errors_of(fields=[{"name": "Level", "parent": "Nope"}])
    assert "same range" in errors_of(values=[{"Level": [{"value": "A"}]}, {"Level": [{"value": "B"}]}])
    assert "more than 1 values" in errors_of(defaultValue={"Level": ["Public", "Secret"]})
    assert "header name" in errors_of(sendOptions={"xHeader": {"key": "Subject", "value": "$Level.value$"}})
    assert "angle brackets" in errors_of(sendOptions={"bodyHeader": {"text": "x", "style": 'a"><script>'}})
    assert "nested deeper" in errors_of(sendOptions={"subjectSuffix": "(" * 100})
    assert "assert is not supported" in errors_of(receiveMarking=_subject("(?=x)"))
    assert "too large" in errors_of(receiveMarking=_subject("((a{50}){50}){50}"))
    parents = [{"name": "Level", "parent": "Group"}, {"name": "Group", "parent": "Level"}]
    assert "depend on each other: Level, Group" in errors_of(fields=parents)


def _subject(separator: str) -> dict[str, object]:
    return {"subjectSuffixPatterns": {"rules": ["[$Level$]"], "separatorRegex": separator}}


def test_the_short_form_of_a_dependency() -> None:
    scheme = load({**MINIMAL, "conditionality": [{"target": {"Level": ["Secret"]}, "dependent": {"Group": ["Staff"]}}]})
    row = scheme.condition_of["Group"].rows[0]
    assert (row.target_values, row.dependent_values) == ({"Secret"}, {"Staff"})


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["SEC", "$custom$", "2.0.0"]),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(
            ["fields", "values", "name", "value", "SEC", "parentRange", "targetField", "dependentField", "text",
             "rules",
             "dependencies", "targetValues", "conditions", "when", "result", "xHeader", "key", "boundaries", "start"]
        ),
        inner,
        max_size=5,
    ),
    max_leaves=25,
)  # fmt: skip
_PLACES = ("fields", "values", "defaultValue", "conditionality", "sendOptions", "receiveMarking", "classification")


@settings(max_examples=150, deadline=None)
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(_PLACES, _json)))
def test_any_document_gives_a_report(changes: dict[str, object]) -> None:
    scheme, findings = check({**MINIMAL, **changes})
    assert (scheme is None) == any(finding.severity is Severity.ERROR for finding in findings)
