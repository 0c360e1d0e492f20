"""A passphrase against what a server's policy asks of a password."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emailplus.policy.passphrase import Passphrase
from emailplus.policy.policy_report import assess
from emailplus.policy.server_policy import ServerPolicy


@pytest.mark.parametrize(
    ("text", "length", "groups", "alphanumeric", "simple"),
    [
        ("1234", 4, 1, False, True), ("2222", 4, 1, False, True), ("abcd", 4, 1, False, True),
        ("dcba", 4, 1, False, True), ("7", 1, 1, False, True), ("1235", 4, 1, False, False),
        ("abcdx", 5, 1, False, False), ("aB", 2, 2, False, False), ("aB1!", 4, 4, True, False),
        ("horse battery", 13, 2, True, False), ("ünïcode9", 8, 2, True, False), ("1357", 4, 1, False, False),
    ],
)  # fmt: skip
def test_measures(text: str, length: int, groups: int, alphanumeric: bool, simple: bool) -> None:
    assert Passphrase.of(text) == Passphrase(length, groups, alphanumeric, simple)


@pytest.mark.parametrize(
    ("text", "demand", "met"),
    [
        ("123456", {"MinDevicePasswordLength": 6}, True),
        ("12345", {"MinDevicePasswordLength": 6}, False),
        ("horse9", {"AlphanumericDevicePasswordRequired": True}, True),
        ("864213", {"AlphanumericDevicePasswordRequired": True}, False),
        ("aB1", {"MinDevicePasswordComplexCharacters": 3}, True),
        ("ab1", {"MinDevicePasswordComplexCharacters": 3}, False),
        ("1234", {"AllowSimpleDevicePassword": False}, False),
        ("1243", {"AllowSimpleDevicePassword": False}, True),
        ("any", {"MaxDevicePasswordFailedAttempts": 8}, True),
        ("any", {"DevicePasswordExpiration": 90}, False),
        ("any", {"DevicePasswordHistory": 5}, False),
    ],
)
def test_demands(text: str, demand: dict[str, Any], met: bool) -> None:
    policy = ServerPolicy(DevicePasswordEnabled=True, **demand)
    report = assess(policy, (), Passphrase.of(text))
    assert report.having("unsupported") == (() if met else tuple(demand))
    assert report.acknowledgement == (1 if met else 2)  # the password itself is there
    assert assess(policy).acknowledgement == 3  # with a key that nobody enters it is not


@given(st.text(min_size=1, max_size=30))
def test_any_passphrase_is_measured_and_kept_without_itself(text: str) -> None:
    measured = Passphrase.of(text)
    assert Passphrase.from_json(measured.to_json()) == measured
    assert measured.length == len(text)
    assert 0 <= measured.groups <= 4
