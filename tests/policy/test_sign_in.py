"""Which mode a protocol uses, what falls back, and when a password is asked for: every combination."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from emailplus.config import AppConfig
from emailplus.policy.sign_in import KEYS, Mode, Prompt, Protocol, decide, loopback, protected

from ..config.samples import PLAIN, b64, load, p12

MODES = ("basic", "ntlm", "cert_base", "modern_auth")
AUTHORITY = {"modern_auth_authority_url": "https://login.example.test/common"}
RESOURCE = {"modern_auth_resource_url": "https://outlook.example.test"}
CERTIFICATE = {"email_login_certificate": b64(p12())}
SENTRY = {"sentry_server_host": "mail.example.test"}


@pytest.mark.parametrize("protocol", ["eas", "ews"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("certificate", "authority", "resource", "sentry"), list(itertools.product([False, True], repeat=4))
)
def test_only_mistakes_in_the_configuration_fall_back(
    protocol: Protocol, mode: str, certificate: bool, authority: bool, resource: bool, sentry: bool
) -> None:
    pairs: dict[str, Any] = {KEYS[protocol]: mode}
    for wanted, keys in ((certificate, CERTIFICATE), (authority, AUTHORITY), (resource, RESOURCE), (sentry, SENTRY)):
        pairs |= keys if wanted else {}
    found = decide(load(**pairs), protocol)
    usable = {"basic": True, "ntlm": True, "cert_base": certificate, "modern_auth": authority and resource}[mode]
    if protocol == "ews" and sentry and mode != "basic":  # guide, table 8
        usable = False
    assert found.configured == mode
    assert found.mode == (mode if usable else "basic")
    assert bool(found.warnings) == (not usable)
    assert all(KEYS[protocol] in text for text in found.warnings)
    assert found.certificate == certificate
    assert not found.refused


@pytest.mark.parametrize("protocol", ["eas", "ews"])
def test_an_archive_that_cannot_be_opened_is_no_certificate(protocol: Protocol) -> None:
    config = load(**CERTIFICATE, **{KEYS[protocol]: "cert_base"})
    found = decide(config, protocol, certificate_problem="the password does not open the archive")
    assert (found.mode, found.certificate) == (Mode.BASIC, False)
    assert "the password does not open the archive" in found.warnings[0]


def test_a_certificate_is_shown_in_every_mode() -> None:
    for mode in MODES:
        assert decide(load(**CERTIFICATE, **AUTHORITY, **RESOURCE, eas_min_allowed_auth_mode=mode)).certificate


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("allowed", ["0", "1"])
@pytest.mark.parametrize("before", ["true", "false", None])
def test_when_a_password_is_asked_for(mode: str, allowed: str, before: str | None) -> None:
    pairs = {"prompt_email_password": before} if before is not None else {}
    config = load(
        **CERTIFICATE, **AUTHORITY, **RESOURCE, **pairs, eas_min_allowed_auth_mode=mode, allow_prompt_password=allowed
    )
    expected = Prompt.BEFORE if before == "true" else Prompt.AFTER
    if allowed == "0" or mode in ("cert_base", "modern_auth"):
        expected = Prompt.NEVER
    assert decide(config).prompt is expected


def test_ews_never_asks_for_a_password_that_nobody_had_to_give() -> None:
    config = load(**AUTHORITY, **RESOURCE, eas_min_allowed_auth_mode="modern_auth", prompt_email_password="true")
    found = decide(config, "ews")
    assert (found.mode, found.prompt) == (Mode.BASIC, Prompt.NEVER)
    assert "never modern_auth" in found.warnings[0]
    given = load(**AUTHORITY, **RESOURCE, eas_min_allowed_auth_mode="modern_auth", ews_min_allowed_auth_mode="basic")
    assert decide(given, "ews").prompt is Prompt.AFTER


@pytest.mark.parametrize(
    ("pairs", "says"),
    [
        ({"modern_auth_authority_url": "http://login.example.test/common"}, "modern_auth_authority_url"),
        ({"email_ssl_required": "false"}, "email_ssl_required"),
        ({"email_ssl_required": "false", "eas_min_allowed_auth_mode": "cert_base"}, "email_ssl_required"),
    ],
)
def test_tokens_and_certificates_need_a_protected_way(pairs: dict[str, str], says: str) -> None:
    keys = {**PLAIN, **CERTIFICATE, **AUTHORITY, **RESOURCE, "eas_min_allowed_auth_mode": "modern_auth", **pairs}
    found = decide(AppConfig.load(keys))
    assert found.mode == keys["eas_min_allowed_auth_mode"], "it does not become a password either"
    assert says in found.refused


def test_a_token_may_stay_on_this_machine_in_clear_text() -> None:
    keys = {
        **PLAIN, "email_exchange_host": "127.0.0.1:8080", "email_ssl_required": "false", **RESOURCE,
        "modern_auth_authority_url": "http://127.0.0.1:8080/common", "eas_min_allowed_auth_mode": "modern_auth",
    }  # fmt: skip
    assert not decide(AppConfig.load(keys)).refused
    assert all(map(loopback, ("localhost", "127.0.0.9", "::1")))
    assert not any(map(loopback, ("10.0.0.1", "localhost.example.test", "")))
    assert not protected("ftp://localhost/x")
