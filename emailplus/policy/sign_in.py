"""How to sign in: which mode a protocol uses, why, and when a password may be asked for.

    *_min_allowed_auth_mode   what goes to the server                              what it needs
    basic                     user name and password                               a password
    ntlm                      proofs of the password, never the password itself    a password
    cert_base                 nothing but the certificate of the TLS handshake     email_login_certificate
    modern_auth               a token of modern_auth_authority_url                 a sign-in, then nobody

What falls back to basic, always with a warning, are mistakes that are seen here, in the configuration: cert_base
without a usable certificate, modern_auth without authority or resource (guide, table 9), and a stronger mode for EWS
behind a Sentry (guide, table 8). What a server says never does: after a 401, a refused token or a failed handshake no
password is sent in its stead.

    password at hand   allow_prompt_password   prompt_email_password   the password is asked for
    yes                any                     any                     never
    no                 0                       any                     never; nothing is sent
    no                 1                       true                    before the first connection
    no                 1                       false                   after a first connection without one
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from typing import Final, Literal
from urllib.parse import urlsplit

from ..config import AppConfig
from ..config.hosts import parse_host
from ..config.sign_in import lacking

Protocol = Literal["eas", "ews"]
KEYS: Final[dict[Protocol, str]] = {"eas": "eas_min_allowed_auth_mode", "ews": "ews_min_allowed_auth_mode"}


class Mode(StrEnum):
    BASIC = "basic"
    NTLM = "ntlm"
    CERTIFICATE = "cert_base"
    MODERN = "modern_auth"


class Prompt(StrEnum):
    """When a password that is not at hand is asked for."""

    NEVER = "never"
    BEFORE = "before"
    """Before anything is sent: the server counts no attempt that had no password."""
    AFTER = "after"
    """When the server has answered a first request without one; servers may count that as an attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """What holds for one protocol."""

    protocol: Protocol
    mode: Mode
    configured: Mode
    """What the key says."""
    why: str
    """In words, for people: which key or rule led here."""
    warnings: tuple[str, ...] = ()
    """What fell back, for people and the log. Empty where nothing did."""
    certificate: bool = False
    """`email_login_certificate` is shown in TLS handshakes, whatever the mode: a Sentry may demand it besides."""
    prompt: Prompt = Prompt.NEVER
    refused: str = ""
    """Not "": nothing may be sent under this configuration, and why."""

    @property
    def uses_password(self) -> bool:
        return self.mode in (Mode.BASIC, Mode.NTLM)


def decide(config: AppConfig, protocol: Protocol = "eas", *, certificate_problem: str = "") -> SignIn:
    """How `protocol` signs in under `config`.

    `certificate_problem`: what is wrong with the archive in `email_login_certificate`, where it was looked into (a
    wrong password, no private key); "": nothing is known to be.
    """
    key = KEYS[protocol]
    configured = Mode(getattr(config, key))
    mode, why, warnings = configured, f"{key} is {configured}", []
    missing = lacking(configured, lambda name: getattr(config, name))
    if not missing and configured is Mode.CERTIFICATE and certificate_problem:
        missing = f"a usable email_login_certificate ({certificate_problem})"
    if missing:
        why = f"{configured} needs {missing}; basic is used instead"
    elif protocol == "ews" and configured is not Mode.BASIC and behind_sentry(config):
        why = f"behind a Sentry EWS signs in with basic; {configured} needs MobileIron Tunnel, or no Sentry"
        missing = "a way around the Sentry"
    if missing:
        mode = Mode.BASIC
        warnings.append(f"{key}: {why}")
    elif key not in config.given and configured is Mode.BASIC:
        why = f"{key} is not given: basic"
    prompt = _prompt(config, mode)
    if protocol == "ews" and mode is Mode.BASIC and key not in config.given:
        eas = decide(config, "eas", certificate_problem=certificate_problem)
        if not eas.uses_password:
            # The user never had a password to give: EWS does not begin to ask for one by itself.
            prompt = Prompt.NEVER
            warnings.append(f"{key} is not given, and EWS does not follow the EAS key: it uses basic, never {eas.mode}")
    usable = config.email_login_certificate is not None and not certificate_problem
    return SignIn(
        protocol=protocol,
        mode=mode,
        configured=configured,
        why=why,
        warnings=tuple(warnings),
        certificate=usable,
        prompt=prompt,
        refused=_refused(config, mode),
    )


def behind_sentry(config: AppConfig) -> bool:
    """Whether `email_exchange_host` is the Sentry: then only AppTunnel leads to EWS (guide, table 8)."""
    sentry = config.sentry_server_host
    if not sentry:
        return False
    return parse_host(config.email_exchange_host, path=True).host == parse_host(sentry, path=True).host


def _prompt(config: AppConfig, mode: Mode) -> Prompt:
    if mode not in (Mode.BASIC, Mode.NTLM) or not config.allow_prompt_password:
        return Prompt.NEVER
    return Prompt.BEFORE if config.prompt_email_password else Prompt.AFTER


def _refused(config: AppConfig, mode: Mode) -> str:
    """A token in clear text is anybody's who sees it (RFC 6750 5.3); cert_base has nothing to show without TLS."""
    if mode is Mode.MODERN:
        authority = str(config.modern_auth_authority_url)
        if not protected(authority):
            return "modern_auth_authority_url must begin with https: tokens never travel in clear text"
    if mode in (Mode.MODERN, Mode.CERTIFICATE) and not config.email_ssl_required:
        host = parse_host(config.email_exchange_host, path=True).host
        if mode is Mode.CERTIFICATE:
            return "cert_base needs email_ssl_required: a certificate is shown in a TLS handshake only"
        if not loopback(host):
            return "modern_auth needs email_ssl_required: tokens never travel in clear text"
    return ""


def protected(url: str) -> bool:
    """Whether a secret may go to `url`: https, or this very machine."""
    parts = urlsplit(url)
    return bool(parts.hostname) and (
        parts.scheme == "https" or (parts.scheme == "http" and loopback(parts.hostname or ""))
    )


def loopback(host: str) -> bool:
    """Whether `host` is this machine by its literal address, or ``localhost``."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
