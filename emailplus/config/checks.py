"""Checks that span keys. Each looks at the values that could be read and says what follows from them together.

Nothing is decided here: which sign-in mode holds in the end, say, is for `policy.sign_in`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from .hosts import parse_host
from .keys import BY_NAME, KEYS
from .problems import Problem, shown
from .sign_in import lacking


@dataclass(frozen=True, slots=True)
class Given:
    """The typed values of all keys, the names of those that were given, and of those given but not readable."""

    values: dict[str, Any]
    names: frozenset[str]
    unreadable: frozenset[str] = frozenset()

    def __contains__(self, name: str) -> bool:
        return name in self.names

    def advice(self, name: str, text: str) -> Problem:
        key = BY_NAME[name]
        value = shown(self.values.get(name), secret=key.secret) if name in self.names else ""
        return Problem(name, value, text, critical=False, advice=True)

    def mistake(self, name: str, text: str) -> Problem:
        key = BY_NAME[name]
        value = shown(self.values.get(name), secret=key.secret) if name in self.names else ""
        return Problem(name, value, text, critical=False)


Check = Callable[[Given], Iterator[Problem]]


def _transport(given: Given) -> Iterator[Problem]:
    if "email_ssl_required" not in given.names | given.unreadable:
        yield given.advice(
            "email_ssl_required",
            "not given, which means false: the password and all mail travel in CLEAR TEXT over http; set it to true",
        )
    if given.values["email_trust_all_certificates"] and given.values["email_ssl_required"]:
        yield given.advice(
            "email_trust_all_certificates", "any server can pose as the mail server; for test environments only"
        )


def _sign_in(given: Given) -> Iterator[Problem]:
    modes = {}
    for name in ("eas_min_allowed_auth_mode", "ews_min_allowed_auth_mode"):
        mode = given.values[name]
        missing = lacking(mode, given.values.get)
        if missing:
            yield given.advice(name, f"{mode} needs {missing}; basic is used instead")
        modes[name[:3]] = "basic" if missing else mode
    if modes["eas"] == "modern_auth" and modes["ews"] == "basic":
        text = "EWS does not follow eas_min_allowed_auth_mode: it uses basic until this key says modern_auth"
        yield given.advice("ews_min_allowed_auth_mode", text)


def _push(given: Given) -> Iterator[Problem]:
    realtime = given.values["allow_realtime_notifications"]
    if realtime and given.values["notification_server_host"] is None:
        yield given.mistake("notification_server_host", "required when allow_realtime_notifications is true")
    if realtime and not given.values["allow_device_keychain"]:
        yield given.advice("allow_device_keychain", "should be true when allow_realtime_notifications is true")
    if realtime and "notification_interval" in given:
        yield given.advice("notification_interval", "ignored while allow_realtime_notifications is true")
    elif "notification_interval" in given and given.values["notification_interval"] > 900:
        yield given.advice("notification_interval", "300 to 900 seconds are recommended")
    if given.values["should_cache_tunneling_config"] and not given.values["allow_device_keychain"]:
        yield given.advice("should_cache_tunneling_config", "has its effect only together with allow_device_keychain")


def _ews(given: Given) -> Iterator[Problem]:
    exchange, sentry = _bare(given.values["email_exchange_host"]), _bare(given.values["sentry_server_host"])
    mode = given.values["ews_min_allowed_auth_mode"]
    if exchange and exchange == sentry and mode != "basic":
        # Guide, table 8: ActiveSync with AppTunnel, or AppTunnel alone, leaves EWS nothing but Basic.
        text = f"behind a Sentry EWS signs in with basic; {mode} needs MobileIron Tunnel, or no Sentry"
        yield given.advice("ews_min_allowed_auth_mode", text)
    uses = [name for name in ("allow_realtime_notifications", "calendar_attachments") if given.values[name]]
    if not uses or "email_ews_host" in given:
        return
    users = " and ".join(uses)
    if exchange and exchange == sentry:
        text = f"the EWS server, which {users} need because email_exchange_host is a Sentry"
        yield given.mistake("email_ews_host", text)
    else:
        yield given.advice("email_ews_host", f"required for {users} if email_exchange_host is a Sentry")


def _bare(text: str | None) -> str:
    return parse_host(text, path=True).host if text else ""


def _contacts(given: Given) -> Iterator[Problem]:
    if given.values["email_alert_unsafe_domains"] and "email_safe_domains" not in given:
        yield given.advice("email_alert_unsafe_domains", "no alert is shown until email_safe_domains is set")
    if "limit_contact_export_to" in given and not given.values["allow_export_contacts"]:
        yield given.advice("limit_contact_export_to", "ignored while allow_export_contacts is false")


def _links(given: Given) -> Iterator[Problem]:
    if not given.values["allow_safari_browser"]:
        return
    for name in ("email_url_scheme_http", "email_url_scheme_https"):
        if name in given:
            yield given.advice(name, "ignored while allow_safari_browser is true")


def _classification(given: Given) -> Iterator[Problem]:
    if given.values["email_security_classification_json"] is None:
        return
    for key in KEYS:
        if key.group == "classification-legacy" and key.name in given:
            yield given.advice(key.name, "ignored: email_security_classification_json is set")


def _periods(given: Given) -> Iterator[Problem]:
    maximum, default = given.values["email_max_sync_period"], given.values["email_default_sync_period"]
    if maximum != 0 and "email_default_sync_period" in given and (default == 0 or default > maximum):
        yield given.advice("email_default_sync_period", f"longer than email_max_sync_period ({maximum}), which is used")


def _password(given: Given) -> Iterator[Problem]:
    if not given.values["allow_prompt_password"] and given.values["email_password"] is None:
        yield given.advice("allow_prompt_password", "the password is never asked for, and email_password is not given")


def _companions(given: Given) -> Iterator[Problem]:
    for key in KEYS:
        certificate = key.name.removesuffix("_MI_CERT_PW")
        if certificate == key.name or key.name not in given:
            continue
        if key.inside:
            yield given.advice(key.name, f"has no effect here; it belongs inside the dictionaries of {key.inside}")
        elif certificate not in given.names | given.unreadable:
            yield given.advice(key.name, f"has no effect: {certificate} is not given")


def _other_apps(given: Given) -> Iterator[Problem]:
    for key in KEYS:
        if key.owner and key.name in given:
            yield given.advice(key.name, f"a key of the {key.owner}; it has no effect here")


CHECKS: Final[tuple[Check, ...]] = (
    _transport,
    _sign_in,
    _push,
    _ews,
    _contacts,
    _links,
    _classification,
    _periods,
    _password,
    _companions,
    _other_apps,
)


def check_all(given: Given) -> list[Problem]:
    """Run every check."""
    return [problem for check in CHECKS for problem in check(given)]
