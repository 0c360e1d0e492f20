"""Layers of settings: the administrator's value is the default or the ceiling, the user's choice lies on top."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emailplus.errors import UsageError
from emailplus.policy import alert_times
from emailplus.policy.user_settings import RULES, Settings, UserSettings, effective_settings, refusal
from tests.config.samples import load

NOTHING = UserSettings()

LAYERS: list[tuple[str, str | None, Any, Any, Any]] = [
    # setting, key, the administrator's value, as it acts, the user's choice
    ("sync_period", "email_default_sync_period", "3", 3, 1),
    ("signature", "email_default_signature", "Company", "Company", "Alice"),
    ("signature", "email_default_signature", "Company", "Company", ""),
    ("show_pictures", "show_pictures_default", "true", True, False),
    ("always_fetch_mime", "always_fetch_mime", "true", True, False),
    ("gal_display_name", "gal_search_display_name", "false", False, True),
    ("contacts_display_order", "contacts_display_order", "last_first", "last_first", "first_last"),
    ("default_reminder", "calendar_default_reminder", "15", 15, -1),
    ("calendar_mode_tablet", "calendar_default_mode_tablet", "list", "list", "month"),
    ("calendar_mode_phone", "calendar_default_mode_phone", "list", "list", "month"),
]


@pytest.mark.parametrize(("setting", "key", "raw", "configured", "choice"), LAYERS)
def test_the_choice_lies_over_the_configured_value(
    setting: str, key: str, raw: str, configured: Any, choice: Any
) -> None:
    config = load(**{key: raw})
    assert getattr(effective_settings(config, NOTHING), setting) == configured
    chosen = NOTHING.choose(setting, choice)
    settings = effective_settings(config, chosen)
    assert getattr(settings, setting) == choice
    assert settings.from_user == {setting}
    back = effective_settings(config, chosen.choose(setting, None))
    assert getattr(back, setting) == configured
    assert back.from_user == set()


def test_the_table_covers_every_setting() -> None:
    names = {field.name for field in fields(UserSettings)}
    assert set(RULES) == names
    assert {field.name for field in fields(Settings)} - {"from_user"} == names
    without_a_key = {
        "always_sign",
        "always_encrypt",
        "sign_as_clear_text",
        "index_encrypted_mail",
        "sync_text_messages",
        "protect_headers",
        *alert_times.SETTINGS,
    }
    assert {row[0] for row in LAYERS} == names - without_a_key - {"show_mail_details"}


@pytest.mark.parametrize(
    ("maximum", "choice", "server", "period", "users"),
    [
        ("3", 0, None, 3, False),
        ("3", 5, None, 3, False),
        ("3", 1, None, 1, True),
        ("0", 0, None, 0, True),
        ("0", 5, 4, 4, False),
        ("3", 3, 0, 3, True),
    ],
)
def test_a_choice_beyond_the_ceiling_is_the_ceiling(
    maximum: str, choice: int, server: int | None, period: int, users: bool
) -> None:
    user = NOTHING.choose("sync_period", choice)
    settings = effective_settings(load(email_max_sync_period=maximum), user, server_maximum=server)
    assert settings.sync_period == period
    assert ("sync_period" in settings.from_user) is users


def test_a_choice_that_was_clamped_counts_again_when_the_ceiling_rises() -> None:
    user = NOTHING.choose("sync_period", 5)
    assert effective_settings(load(email_max_sync_period="1"), user).sync_period == 1
    assert effective_settings(load(email_max_sync_period="0"), user).sync_period == 5


def test_a_new_signature_key_does_not_replace_the_users_own() -> None:
    user = NOTHING.choose("signature", "Alice")
    assert effective_settings(load(email_default_signature="New"), user).signature == "Alice"


def test_a_changed_pictures_key_waits_for_the_full_sync() -> None:
    config = load(show_pictures_default="true")
    assert effective_settings(config, NOTHING, show_pictures_in_force=False).show_pictures is False
    assert effective_settings(config, NOTHING, show_pictures_in_force=True).show_pictures is True
    assert effective_settings(config, NOTHING).show_pictures is True
    user = NOTHING.choose("show_pictures", True)
    assert effective_settings(config, user, show_pictures_in_force=False).show_pictures is True


def test_signing_and_encrypting_are_off_until_chosen() -> None:
    settings = effective_settings(load(), NOTHING)
    assert (settings.always_sign, settings.always_encrypt) == (False, False)
    assert effective_settings(load(), NOTHING.choose("always_sign", True)).always_sign is True


REALTIME = {"allow_realtime_notifications": "true", "notification_server_host": "cns.example.test/PROD"}
SENTRY = {**REALTIME, "sentry_server_host": "sentry.example.test"}
WORK = NOTHING.choose("work_hours_only", True)


@pytest.mark.parametrize(
    ("keys", "user", "name", "why"),
    [
        ({}, NOTHING, "show_mail_details", "allow_detailed_notifications"),
        ({"allow_detailed_notifications": "true"}, NOTHING, "show_mail_details", None),
        ({}, NOTHING, "weekend_alerts", "work_hours_only"),
        ({}, WORK, "weekend_alerts", None),
        (SENTRY, NOTHING, "vip_after_hours", "work_hours_only"),
        (REALTIME, WORK, "vip_after_hours", "sentry_server_host"),
        (SENTRY, WORK, "vip_after_hours", None),
        ({**SENTRY, "email_exchange_host": "outlook.office365.com"}, WORK, "vip_after_hours", "Office 365"),
        ({**SENTRY, "email_exchange_host": "outlook.office365.com.example.test"}, WORK, "vip_after_hours", None),
    ],
)
def test_what_a_notification_choice_needs(keys: dict[str, str], user: UserSettings, name: str, why: str | None) -> None:
    """The refusal says it before, and the value in force keeps to it when the need goes away after the choice."""
    config = load(**keys)
    found = refusal(config, user, name, True)
    assert (found is None) is (why is None)
    assert why is None or (found is not None and why in found)
    assert getattr(effective_settings(config, user.choose(name, True)), name) is (why is None)
    assert refusal(config, user, name, False) is None


def test_work_hours_are_kept_as_a_person_writes_them() -> None:
    written = {"mon": ["08:30", "12:00"], "sat": ["00:00", "24:00"]}
    user = NOTHING.choose("work_hours", written).choose("time_zone", "Europe/Zurich")
    assert user.work_hours is not None
    assert user.work_hours.days == ((0, 510, 720), (5, 0, 1440))
    assert UserSettings.of(json.loads(json.dumps(user.as_dict()))) == user
    assert user.as_dict()["work_hours"] == written
    assert effective_settings(load(), user).time_zone == "Europe/Zurich"


WRONG: list[tuple[str, Any]] = [
    ("sync_period", 6), ("sync_period", -1), ("sync_period", True), ("sync_period", "3"), ("sync_period", 1.0),
    ("signature", 5), ("signature", "x" * 70_000), ("show_pictures", "yes"), ("show_pictures", 1),
    ("contacts_display_order", "First_Last"), ("default_reminder", 7), ("calendar_mode_phone", "week"),
    ("calendar_mode_tablet", ["day"]), ("work_hours", {"mon": ["17:00", "09:00"]}), ("work_hours", {"Monday": []}),
    ("work_hours", {"mon": ["9:00", "17:00"]}), ("work_hours", [["09:00", "17:00"]]), ("time_zone", "Mars/Olympus"),
    ("time_zone", "../etc/passwd"), ("time_zone", 2), ("email_max_sync_period", 3), ("", 1),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), WRONG, ids=[str(number) for number in range(len(WRONG))])
def test_a_wrong_choice_is_refused_and_changes_nothing(name: str, value: Any) -> None:
    before = NOTHING.choose("sync_period", 3)
    with pytest.raises(UsageError) as caught:
        before.choose(name, value)
    assert len(str(caught.value)) < 500
    assert before == NOTHING.choose("sync_period", 3)


CHOICES = st.fixed_dictionaries(
    {},
    optional={
        "sync_period": st.integers(0, 5),
        "signature": st.text(max_size=20),
        "show_pictures": st.booleans(),
        "always_fetch_mime": st.booleans(),
        "sync_text_messages": st.booleans(),
        "gal_display_name": st.booleans(),
        "contacts_display_order": st.sampled_from(["first_last", "last_first"]),
        "default_reminder": st.sampled_from([-1, 0, 5, 2880]),
        "calendar_mode_tablet": st.sampled_from(["day", "week", "month", "list"]),
        "calendar_mode_phone": st.sampled_from(["day", "month", "list"]),
        "always_sign": st.booleans(),
        "always_encrypt": st.booleans(),
    },
)


@given(CHOICES)
def test_choices_survive_being_stored(choices: dict[str, Any]) -> None:
    user = UserSettings.of(choices)
    assert user.as_dict() == choices
    assert UserSettings.of(json.loads(json.dumps(user.as_dict()))) == user
    settings = effective_settings(load(), user)
    assert settings.from_user == set(choices)
    for name, value in choices.items():
        assert getattr(settings, name) == value
