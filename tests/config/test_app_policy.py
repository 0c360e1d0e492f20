"""The app policy that a device manager sends beside the pairs."""

from __future__ import annotations

import json
import plistlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emailplus.config import Problem
from emailplus.config.app_policy import DEFAULT, AppConnectPolicy
from emailplus.errors import ConfigurationError

ELEMENTS = tuple(DEFAULT.as_dict())


def problems_of(source: Any) -> list[Problem]:
    with pytest.raises(ConfigurationError) as caught:
        AppConnectPolicy.load(source)
    return [problem for problem in caught.value.problems if isinstance(problem, Problem)]


def test_the_defaults() -> None:
    """Authorised, copy/paste and open-in among managed apps only, print denied."""
    assert AppConnectPolicy.load({}) == DEFAULT
    assert DEFAULT.as_dict() == {
        "authorized": True, "copy_paste": "managed", "open_in": "managed", "open_in_apps": [], "open_from": "managed",
        "open_from_apps": [], "print": False, "screen_capture": False, "passcode_required": False,
    }  # fmt: skip


FULL = {
    "authorized": "true", "copy_paste": "all", "open_in": "allow-list", "open_in_apps": "com.a.docs, com.b",
    "open_from": "NONE", "print": "1", "screen_capture": "true", "passcode_required": "false",
}  # fmt: skip


@pytest.mark.parametrize(
    "source",
    [
        FULL,
        {"global": FULL},
        {"container": FULL},
        json.dumps(FULL).encode(),
        json.dumps({"container": FULL}).encode(),
        plistlib.dumps({"container": FULL}),
        plistlib.dumps(FULL, fmt=plistlib.FMT_BINARY),
        "".join(f"{name}={value}\n" for name, value in FULL.items()).encode(),
        {**FULL, "authorized": True, "print": 1, "open_in_apps": ["com.b", "com.a.docs"]},
    ],
    ids=["flat", "global", "container", "json", "json-container", "plist", "bplist", "lines", "typed"],
)
def test_every_form_yields_the_same_policy(source: Any) -> None:
    policy = AppConnectPolicy.load(source)
    assert policy == AppConnectPolicy(
        copy_paste="all", open_in="allow_list", open_in_apps=frozenset({"com.a.docs", "com.b"}), open_from="none",
        print=True, screen_capture=True,
    )  # fmt: skip
    assert policy.warnings == ()
    assert AppConnectPolicy.load(policy.to_json().encode()) == policy


@pytest.mark.parametrize(
    ("general", "container", "expected"),
    [
        ({"print": "true"}, {"print": "false"}, {"print": False}),
        ({"print": "true"}, {"copy_paste": "none"}, {"print": True, "copy_paste": "none"}),
        ({"print": "true", "copy_paste": "all"}, {"copy_paste": ""}, {"print": True, "copy_paste": "all"}),
        ({"authorized": "false"}, None, {"authorized": False}),
        ({"authorized": "false"}, {}, {"authorized": True}),  # the container policy authorises the app
        ({"authorized": "true"}, {"authorized": "false"}, {"authorized": False}),
        ({"open_in": "allow_list", "open_in_apps": "a.b"}, {"open_in_apps": "c.d"}, {"open_in_apps": ["c.d"]}),
    ],
)
def test_the_container_policy_goes_before_the_global_one(
    general: dict[str, str], container: dict[str, str] | None, expected: dict[str, Any]
) -> None:
    source = {"global": general} if container is None else {"container": container, "global": general}
    found = AppConnectPolicy.load(source).as_dict()
    assert {name: found[name] for name in expected} == expected


def test_every_problem_is_named() -> None:
    wrong = {
        "authorized": "yes", "copy_paste": "allow_list", "open_in": "some", "open_in_apps": "a b", "open_from": 7,
        "open_from_apps": [3], "print": "ja", "screen_capture": 2, "passcode_required": "x" * 100_000,
    }  # fmt: skip
    problems = problems_of({"container": wrong})
    assert [problem.key for problem in problems] == [f"container.{name}" for name in wrong]
    assert all(problem.critical and problem.expected for problem in problems)
    assert all(len(problem.value) < 200 for problem in problems)


@pytest.mark.parametrize(
    ("source", "key"),
    [
        ({"container": "none"}, "container"),
        ({"global": ["print"]}, "global"),
        (b'{"print": "true", "print": "false"}', "global.print"),
        (b'{"container": {"print": "true", "print": "false"}}', "container.print"),
        (b"", ""),
        (b"{", ""),
        (b"\xff\xfe\xfd", ""),
        ({"open_in_apps": ",".join(["a.b"] * 6000)}, "global.open_in_apps"),
    ],
)
def test_what_cannot_be_read(source: Any, key: str) -> None:
    assert problems_of(source)[0].key == key


def test_a_missing_file_is_a_problem() -> None:
    assert "readable file" in problems_of("/nowhere/policy.json")[0].expected


def test_unknown_elements_are_kept_out_and_told() -> None:
    policy = AppConnectPolicy.load({"printing": "true", "container": {"Copy_Paste": "all", 7: "x"}})
    assert policy == DEFAULT
    assert [warning.key for warning in policy.warnings] == [
        "global.printing",
        "container.Copy_Paste",
        "container.int",
    ] or [warning.key for warning in policy.warnings][:2] == ["global.printing", "container.Copy_Paste"]
    assert "did you mean print" in policy.warnings[0].expected
    assert not any(warning.critical for warning in policy.warnings)


def test_lists_without_effect_are_told() -> None:
    assert "lists nobody" in str(AppConnectPolicy.load({"open_in": "allow_list"}).warnings[0])
    assert "no effect" in str(AppConnectPolicy.load({"open_from": "all", "open_from_apps": "a.b"}).warnings[0])


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(max_size=20), st.binary(max_size=5), st.lists(st.text(max_size=5)),
    st.sampled_from(["none", "managed", "allow_list", "all", "true", "false", "a.b,c.d"]),
)  # fmt: skip


LAYERS = VALUES | st.dictionaries(st.sampled_from(ELEMENTS), VALUES, max_size=4)


@given(st.dictionaries(st.sampled_from([*ELEMENTS, "global", "container", "else"]), LAYERS, max_size=6))
def test_any_pairs_are_read_or_refused(source: dict[str, Any]) -> None:
    try:
        policy = AppConnectPolicy.load(source)
    except ConfigurationError as refusal:
        str(refusal.problems[0])
        str(refusal).encode("utf-8", "backslashreplace")
        return
    assert AppConnectPolicy.load(policy.to_json().encode()) == policy
