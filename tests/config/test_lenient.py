"""JSON as administrators paste it: what is repaired, what is refused and where."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emailplus.config import lenient

from ..shared import shared


def test_the_lenient_sample_is_the_nested_one_repaired() -> None:
    folder = ("spec", "classification", "samples")
    value, repairs = lenient.read(shared(*folder, "guide_lenient.json").read_text(encoding="utf-8"))
    assert value == json.loads(shared(*folder, "guide_assembled_nested.json").read_text(encoding="utf-8"))
    assert len(repairs) == 7
    assert all(repair.place.startswith("line ") for repair in repairs)


@pytest.mark.parametrize(
    ("source", "value", "repair"),
    [
        ('\ufeff{"a": 1}', {"a": 1}, "line 1, column 1: byte order mark"),
        ('{"a": [1, 2,],}', {"a": [1, 2]}, "line 1, column 12: trailing comma"),
        ("{a: 1}", {"a": 1}, "line 1, column 2: quotes added"),
        ("{“a”: “b”}", {"a": "b"}, "curly quotes"),
        ('{// why\n"a": 1}', {"a": 1}, "line 1, column 2: comment"),
        ('{"a": /* , */ 1}', {"a": 1}, "comment"),
        ('{"a": 1, "a": 2}', {"a": 2}, "given twice"),
    ],
)
def test_repairs(source: str, value: object, repair: str) -> None:
    read, repairs = lenient.read(source)
    assert read == value
    assert repair in str(repairs[0])


def test_texts_are_not_touched() -> None:
    assert lenient.read('{"a": "x,] // “y” /* */ \\u00e9"}') == ({"a": "x,] // “y” /* */ é"}, [])


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ("", "line 1, column 1"),
        ('{"a": 1', "line 1, column 8"),
        ('{"a"\n 1}', "line 2, column 2"),
        ('{"a": "x\ny"}', "line 1, column 7"),
        ('{"a": 01}', "line 1, column 7"),
        ('{"a": 1e999}', "line 1, column 7"),
        ('{"a": NaN}', "line 1, column 7"),
        ("{} {}", "line 1, column 4"),
        ('{"a": /* 1}', "line 1, column 7"),
        ("[" * 100_000, "line 1, column 66"),
    ],
)
def test_what_cannot_be_repaired_names_its_place(source: str, place: str) -> None:
    with pytest.raises(lenient.Irreparable) as caught:
        lenient.read(source)
    assert caught.value.place == place


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet='{}[]":,ab1 \n\\“”/*-.etrunl', max_size=60))
def test_any_text_is_read_or_refused(source: str) -> None:
    try:
        value, _ = lenient.read(source)
    except lenient.Irreparable as problem:
        refused: ValueError | None = problem
    else:
        refused = None
    try:
        strict = json.loads(source)
    except ValueError:
        return
    assert refused is not None or value == strict
    # Only what the limits name is refused of JSON that is whole: numbers of too many digits or out of range.
    assert refused is None or "value" in str(refused) or "number" in str(refused)


def test_long_documents_take_their_length() -> None:
    began = time.process_time()
    lenient.read("[" + '"a\\n",' * 100_000 + "]")
    for source in ("/*" * 400_000, '{"a":' * 200_000, '"' + "\\" * 900_000, "“" * 900_000):
        with pytest.raises(lenient.Irreparable):
            lenient.read(source)
    assert time.process_time() - began < 10
