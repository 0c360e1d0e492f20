"""Every key with every kind of wrong value: named, never a crash, and never in force."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from emailplus.config import KEYS, AppConfig, Key, Problem
from emailplus.errors import ConfigurationError
from tests.config.samples import PLAIN

LONG = "x" * 3_000_000
NO_CERTIFICATE = base64.b64encode(b"no certificate at all").decode()

NUMBERS: tuple[Any, ...] = (
    "many",
    "-99",
    "1e400",
    "0x10",
    "1,5",
    [1],
    {"a": 1},
    True,
    float("nan"),
    float("inf"),
    LONG,
)
WRONG: dict[str, tuple[Any, ...]] = {
    # Values that no key of the type takes: wrong type, out of range, wrong case, absurdly long, not what it claims.
    "bool": ("yes", "2", 2, "tru", [], [True], {"a": 1}, 1.5, LONG),
    "bool01": ("yes", "2", -1, [0], {"a": 1}, LONG),
    "int": NUMBERS,
    "int>0": (*NUMBERS, "0"),
    "number": (*NUMBERS, "0", "-1"),
    "enum": ("nothing of this", 1, [], ["basic"], {"a": 1}, LONG),
    "enum-int": ("99", "three", -7, 1.5, [1], {"a": 1}, True, LONG),
    "flags": (5, {"a": 1}, [1], [["move_button"]], True, LONG),
    "string": (5, ["text"], {"a": 1}, True, "two\x00parts", LONG),
    "secret": (5, ["text"], {"a": 1}, True, "two\x00parts", LONG),
    "email": ("nobody", "a@b@c.test", "@example.test", 5, ["a@example.test"], "a b@example.test", LONG),
    "host": ("https://mail.example.test", "mail.example.test/path", "a b", "host:99999", 5, ["h"], "bücher.test", LONG),
    "host[/path]": ("https://mail.example.test", "a b", "host:99999", 5, ["h"], "user@host", "host/../x", LONG),
    "host/path": ("https://mail.example.test", "a b", "host:99999", 5, ["h"], "user@host", LONG),
    "url": ("no url", "javascript", 5, ["https://example.test"], "https://user:pass@example.test", LONG),
    "url-scheme": ("http://", "1http", "a b", 5, ["http"], LONG),
    "domain-list": ("a@example.test", "*.*", 5, {"a": 1}, [1], "bad domain", LONG),
    "p12": (NO_CERTIFICATE, "-----BEGIN CERTIFICATE-----", "%%%", 5, ["MII="], "MIIB", LONG),
    "der-cert": (NO_CERTIFICATE, "-----BEGIN CERTIFICATE-----", "%%%", 5, ["MII="], "MIIB", LONG),
    "list[dict]": ("text", 5, [1], [{"email_escrow_certificates": NO_CERTIFICATE}], {"a": 1}, "[{", LONG),
    "list": (5, [1], {"a": 1}, "SEC", "=", LONG),
    "json": (5, [1], "[]", LONG),
    "params": ("textSize=big", "textColor=red", "wrong=1", 5, [1], "textSize=1;textSize=2", LONG),
}  # fmt: skip


def named(key: Key) -> str:
    return "email_certificate_1" if key.name == "email_certificate_X" else key.name


CASES = [
    pytest.param(key, number, id=f"{key.name}-{number}")
    for key in KEYS
    if not key.inside and not key.owner
    for number, value in enumerate(WRONG[key.type])
    if (key.name, value)
    != ("migrate_from_email_exchange_host", "mail.example.test/path")  # what it was may have a path
]


def test_every_type_has_wrong_values() -> None:
    assert {key.type for key in KEYS} <= set(WRONG)


@pytest.mark.parametrize(("key", "number"), CASES)
def test_a_wrong_value_is_named_and_not_in_force(key: Key, number: int) -> None:
    outcome, problems, shown, in_force = load(key, WRONG[key.type][number])
    assert problems == {named(key)}
    assert outcome == ("refused" if key.critical else "falls back")
    assert shown < 2_000
    # An unreadable document of markings stands as text: classification is off, and the older keys stay ignored.
    assert in_force is (key.type == "json")


def load(key: Key, value: Any) -> tuple[str, set[str], int, bool]:
    """How the configuration was taken, the keys that were named for it, the length of what was said, and whether the
    value is in force. Plain results: a value of megabytes must not end up in the report of a failed test."""
    try:
        config = AppConfig.load({**PLAIN, named(key): value})
    except ConfigurationError as error:
        problems = {problem.key for problem in error.problems if isinstance(problem, Problem) and problem.critical}
        return "refused", problems, len(str(error)), False
    shown = max((len(str(problem)) for problem in config.warnings), default=0)
    in_force = getattr(config, key.name) != getattr(AppConfig.load(PLAIN), key.name)
    return "falls back", {problem.key for problem in config.warnings}, shown, in_force


@pytest.mark.parametrize("key", [key for key in KEYS if key.choices and key.case_sensitive], ids=lambda key: key.name)
def test_the_case_matters_where_the_guide_says_so(key: Key) -> None:
    config = AppConfig.load({**PLAIN, key.name: key.choices[0].upper()})
    assert key.name in {problem.key for problem in config.warnings}
