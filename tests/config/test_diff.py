"""What a new configuration changes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from emailplus.config import AppConfig, Consequence
from emailplus.config.keys import BY_NAME, KEYS
from tests.config.samples import PLAIN, b64, der, load, p12


def test_nothing_changes_between_equal_configurations() -> None:
    found = load().diff(AppConfig.load({**PLAIN, "email_max_sync_period": "0", "allow_logging": "false"}))
    assert not found
    assert (found.full_resync, found.new_partnership, found.migration) == (False, False, False)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("email_address", "bob@example.test"),
        ("email_exchange_host", "other.example.test"),
        ("email_exchange_username", "bob"),
    ],
)
def test_the_three_fundamental_keys_ask_for_a_full_resync(key: str, value: str) -> None:
    found = load().diff(load(**{key: value}))
    assert found.full_resync
    assert not found.new_partnership
    assert not found.migration
    assert {change.key: change.consequence for change in found.changes}[key] is Consequence.FULL_RESYNC


def test_the_case_of_a_host_is_no_change() -> None:
    assert not load().diff(load(email_exchange_host="MAIL.example.test/"))


def test_another_device_is_another_partnership() -> None:
    found = load().diff(load(email_device_id="ABC"))
    assert found.new_partnership
    assert found.full_resync


CASES: list[tuple[str, Any, Any, Consequence]] = [
    ("email_max_sync_period", "0", "1", Consequence.SYNC_WINDOW),
    ("email_default_sync_period", "2", "5", Consequence.SYNC_WINDOW),
    ("email_signing_certificate", None, b64(p12()), Consequence.CERTIFICATE_SELECTED),
    ("email_signing_certificate", b64(p12()), None, Consequence.SELECTION_CLEARED),
    ("email_encryption_certificate", b64(p12()), b64(p12("another")), Consequence.CERTIFICATE_SELECTED),
    ("show_pictures_default", "false", "true", Consequence.NEXT_FULL_SYNC),
    ("email_default_signature", "a", "b", Consequence.UNLESS_USER_DEFINED),
    ("subscription_valid_until", "1440", "720", Consequence.SUBSCRIPTION_END),
    ("mi_enable_doc_sharing", None, "true", Consequence.NOTHING),
    ("email_max_attachment", "10", "0.5", Consequence.AT_ONCE),
    ("email_password", "one", "two", Consequence.AT_ONCE),
    ("disabled_features", "", "local_cache_all", Consequence.CACHE_REMOVED),
    ("disabled_features", "local_cache_all", "local_cache_all,attach_files", Consequence.AT_ONCE),
    ("disabled_features", "local_cache_all", "attach_files", Consequence.AT_ONCE),
    ("email_certificate_1", None, b64(der()), Consequence.AT_ONCE),
    ("email_safe_domains", None, "example.test", Consequence.AT_ONCE),
]


@pytest.mark.parametrize(("key", "before", "after", "consequence"), CASES)
def test_a_change_names_its_consequence(key: str, before: Any, after: Any, consequence: Consequence) -> None:
    found = load(**{key: before}).diff(load(**{key: after}))
    [change] = found.changes
    assert change.key == ("email_certificate_X" if key == "email_certificate_1" else key)
    assert change.consequence is consequence
    assert found.leads_to(consequence)
    assert change.key in found
    assert not found.full_resync


def test_values_are_shown_masked() -> None:
    found = load(email_password="swordfish", email_signing_certificate=b64(p12())).diff(load(email_password="geheim"))
    text = f"{found!r}{json.dumps([change.as_dict() for change in found.changes])}"
    assert "swordfish" not in text
    assert "geheim" not in text
    assert {change.key for change in found.changes} == {"email_password", "email_signing_certificate"}


OLD, NEW = "core.example.test", "mail.example.test"
KEY = "migrate_from_email_exchange_host"


@pytest.mark.parametrize(
    ("before", "after", "migrates"),
    [
        ({"email_exchange_host": OLD}, {"email_exchange_host": NEW, KEY: OLD}, True),
        ({"email_exchange_host": OLD}, {"email_exchange_host": OLD, KEY: OLD}, True),
        ({"email_exchange_host": OLD, KEY: OLD}, {"email_exchange_host": NEW, KEY: OLD}, True),
        ({"email_exchange_host": OLD, KEY: OLD}, {"email_exchange_host": OLD, KEY: OLD}, False),
        ({"email_exchange_host": NEW, KEY: OLD}, {"email_exchange_host": NEW, KEY: OLD}, False),
        ({"email_exchange_host": OLD}, {"email_exchange_host": NEW, KEY: "elsewhere.test"}, False),
        ({"email_exchange_host": OLD}, {"email_exchange_host": NEW}, False),
        ({"email_exchange_host": f"{OLD}/traveler"}, {"email_exchange_host": NEW, KEY: f"{OLD}/traveler/"}, True),
    ],
)
def test_migration_is_a_move_away_from_the_host_in_use(
    before: dict[str, str], after: dict[str, str], migrates: bool
) -> None:
    found = load(**before).diff(load(**after))
    assert found.migration is migrates
    if migrates:
        assert found.full_resync
    change = next((change for change in found.changes if change.key == KEY), None)
    if change is not None:
        assert change.consequence is (Consequence.MIGRATION if migrates else Consequence.NOTHING)


def test_every_key_that_can_change_is_noticed() -> None:
    samples: dict[str, str] = {
        "bool": "x", "bool01": "0", "int": "301", "int>0": "77", "string": "abc", "secret": "abc", "email": "z@z.test",
        "host": "z.test", "host[/path]": "z.test/p", "host/path": "z.test/p", "url": "https://z.test", "number": "3",
        "url-scheme": "zz", "domain-list": "z.test", "p12": b64(p12()), "json": "{}", "list": "SEC=Z",
        "params": "textSize=9",
    }  # fmt: skip
    for key in KEYS:
        if key.inside or key.type in ("der-cert", "list[dict]") or key.name.endswith("_auth_mode"):
            continue
        value = samples.get(key.type) or next(choice for choice in key.choices if choice not in key.default)
        if key.name == "gal_search_minimum_characters":
            value = "3"
        if key.type == "bool":
            value = "false" if key.default.lower() == "true" else "true"
        before = {name: raw for name, raw in PLAIN.items() if name != key.name or BY_NAME[name].required}
        found = AppConfig.load(before).diff(AppConfig.load({**PLAIN, key.name: value}))
        assert key.name in found, key.name
