"""The calendar view of a device under the keys and the user's choice."""

from __future__ import annotations

from typing import Any

import pytest

from emailplus.errors import UsageError
from emailplus.policy.calendar_view import view
from emailplus.policy.user_settings import UserSettings, effective_settings
from tests.config.samples import load


def shown(
    device: Any, keys: dict[str, str] | None = None, choices: dict[str, object] | None = None, **more: Any
) -> str:
    config = load(**(keys or {}))
    return view(config, effective_settings(config, UserSettings.of(choices or {})), device, **more)


def test_the_first_view_of_a_tablet() -> None:
    assert shown("tablet") == "week"
    assert shown("tablet", {"calendar_default_mode_tablet": "list"}) == "list"
    assert shown("tablet", {"calendar_default_mode_tablet": "list"}, {"calendar_mode_tablet": "day"}) == "day"
    assert shown("tablet", {"calendar_default_mode_phone": "list"}) == "week"


def test_the_first_view_of_a_phone() -> None:
    assert shown("phone") == "day"
    assert shown("phone", {"calendar_default_mode_phone": "month"}) == "month"
    assert shown("phone", {"calendar_default_mode_phone": "month"}, {"calendar_mode_phone": "list"}) == "list"


@pytest.mark.parametrize(
    ("threshold", "idle", "expected"),
    [("120", 119, "month"), ("120", 120, "month"), ("120", 120.5, "day"), ("0", 0, "month"), ("0", 1, "day"),
     ("3600", 1800, "month")],
)  # fmt: skip
def test_the_first_view_returns_after_the_threshold(threshold: str, idle: float, expected: str) -> None:
    keys = {"calendar_reset_view_threshold": threshold}
    assert shown("phone", keys, current="month", idle=idle) == expected


def test_what_a_device_does_not_have_is_refused() -> None:
    with pytest.raises(UsageError, match="phone shows"):
        shown("phone", current="week")
    with pytest.raises(UsageError, match="tablet or a phone"):
        shown("watch")
