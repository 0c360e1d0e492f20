"""Checks that span keys (cross_checks of the reference data)."""

from __future__ import annotations

from typing import Any

import pytest

from emailplus.config import AppConfig
from emailplus.config.keys import KEYS
from emailplus.policy.sign_in import decide
from tests.config.samples import REQUIRED, b64, load, p12

URLS = {"modern_auth_authority_url": "https://a.test/c", "modern_auth_resource_url": "https://r.test"}
PUSH = {
    "allow_realtime_notifications": "true",
    "allow_device_keychain": "true",
    "notification_server_host": "cns.example.test/PROD",
    "email_ews_host": "ews.example.test",
}


def said(config: AppConfig) -> dict[str, str]:
    return {warning.key: warning.expected for warning in config.warnings}


def test_absent_ssl_required_means_false_and_is_said_loudly() -> None:
    config = AppConfig.load(REQUIRED)
    assert config.email_ssl_required is False
    assert "CLEAR TEXT" in said(config)["email_ssl_required"]


@pytest.mark.parametrize("value", ["true", "false"])
def test_a_given_ssl_required_is_the_administrators_word(value: str) -> None:
    assert "email_ssl_required" not in said(load(email_ssl_required=value))


SAID: list[tuple[dict[str, Any], str, str]] = [
    ({"email_trust_all_certificates": "true"}, "email_trust_all_certificates", "test environments"),
    ({**PUSH, "notification_server_host": ""}, "notification_server_host", "allow_realtime_notifications"),
    ({**PUSH, "allow_device_keychain": "false"}, "allow_device_keychain", "should be true"),
    ({**PUSH, "notification_interval": "600"}, "notification_interval", "ignored"),
    ({"notification_interval": "1200"}, "notification_interval", "recommended"),
    ({**PUSH, "email_ews_host": ""}, "email_ews_host", "if email_exchange_host is a Sentry"),
    ({"calendar_attachments": "true"}, "email_ews_host", "if email_exchange_host is a Sentry"),
    ({"should_cache_tunneling_config": "true"}, "should_cache_tunneling_config", "allow_device_keychain"),
    ({"email_alert_unsafe_domains": "true"}, "email_alert_unsafe_domains", "no alert"),
    ({"limit_contact_export_to": "name_number"}, "limit_contact_export_to", "ignored"),
    ({"allow_safari_browser": "true", "email_url_scheme_http": "x"}, "email_url_scheme_http", "ignored"),
    ({"email_max_sync_period": "3", "email_default_sync_period": "0"}, "email_default_sync_period", "longer"),
    ({"email_max_sync_period": "1", "email_default_sync_period": "2"}, "email_default_sync_period", "longer"),
    ({"allow_prompt_password": "0"}, "allow_prompt_password", "never asked"),
    ({"email_signing_certificate_MI_CERT_PW": "x"}, "email_signing_certificate_MI_CERT_PW", "not given"),
    ({"email_escrow_certificates_MI_CERT_PW": "x"}, "email_escrow_certificates_MI_CERT_PW", "inside"),
    ({"email_certificate_1_MI_CERT_PW": "x"}, "email_certificate_1_MI_CERT_PW", "no password"),
    ({"mailto_prefix": "email+app://email"}, "mailto_prefix", "browser app"),
    ({"mi_enable_doc_sharing": "true"}, "mi_enable_doc_sharing", "document app"),
    ({"email_safe_domains": "*,a.test"}, "email_safe_domains", "every domain"),
    (
        {"sentry_server_host": "mail.example.test", "ews_min_allowed_auth_mode": "ntlm"},
        "ews_min_allowed_auth_mode",
        "MobileIron Tunnel",
    ),
]


@pytest.mark.parametrize(("pairs", "key", "says"), SAID)
def test_what_follows_from_several_keys_is_said(pairs: dict[str, Any], key: str, says: str) -> None:
    found = said(load(**pairs))
    assert says in found[key]
    assert list(found) == [key]


SILENT: list[dict[str, Any]] = [
    PUSH,
    {"calendar_attachments": "true", "email_ews_host": "ews.example.test"},
    {"email_alert_unsafe_domains": "true", "email_safe_domains": "a.test"},
    {"limit_contact_export_to": "name_number", "allow_export_contacts": "true"},
    {"email_max_sync_period": "0", "email_default_sync_period": "5"},
    {"email_max_sync_period": "1"},
    {"allow_prompt_password": "0", "email_password": "x"},
    {"notification_interval": "900"},
    {"email_trust_all_certificates": "true", "email_ssl_required": "false"},
]


@pytest.mark.parametrize("pairs", SILENT)
def test_what_fits_together_is_not_worth_a_word(pairs: dict[str, Any]) -> None:
    assert load(**pairs).warnings == ()


def test_an_exchange_host_that_is_the_sentry_needs_an_ews_host() -> None:
    config = load(calendar_attachments="true", sentry_server_host="MAIL.example.test:443")
    [warning] = config.warnings
    assert (warning.key, warning.critical, warning.advice) == ("email_ews_host", False, False)


@pytest.mark.parametrize("key", ["eas_min_allowed_auth_mode", "ews_min_allowed_auth_mode"])
@pytest.mark.parametrize(
    ("pairs", "mode", "effective"),
    [
        ({}, "cert_base", "basic"),
        ({"email_login_certificate": "broken"}, "cert_base", "basic"),
        ({"email_login_certificate": b64(p12())}, "cert_base", "cert_base"),
        ({}, "modern_auth", "basic"),
        ({"modern_auth_authority_url": URLS["modern_auth_authority_url"]}, "modern_auth", "basic"),
        (URLS, "modern_auth", "modern_auth"),
        ({}, "ntlm", "ntlm"),
    ],
)
def test_an_incomplete_sign_in_falls_back_to_basic_with_a_warning(
    key: str, pairs: dict[str, Any], mode: str, effective: str
) -> None:
    config = load(**pairs, **{key: mode})
    assert decide(config, "eas" if key.startswith("eas") else "ews").mode == effective
    assert ("basic is used instead" in said(config).get(key, "")) == (mode != effective)


def test_ews_does_not_inherit_modern_auth() -> None:
    config = load(**URLS, eas_min_allowed_auth_mode="modern_auth")
    assert config.ews_min_allowed_auth_mode == "basic"
    assert list(said(config)) == ["ews_min_allowed_auth_mode"]


def test_the_newer_classification_silences_the_older_one() -> None:
    legacy = {
        "email_classification_list": "SEC=A",
        "email_classification_body": "False",
        "email_classification_version": "VER=1",
    }
    config = load(email_security_classification_json="{}", **legacy)
    assert set(said(config)) == set(legacy)
    assert load(**legacy).warnings == ()
    groups = {key.name for key in KEYS if key.name.startswith("email_classification_")}
    assert groups == {key.name for key in KEYS if key.group == "classification-legacy"}
