"""What becomes of a link in a mail: which browser gets it, in which form, or why nobody does.

    allow_safari_browser   link       email_url_scheme_http(s)      opens
    true                   http(s)    ignored                       the link as it is, in the system's browser
    false                  http       mibrowser (default)           mibrowser://...
    false                  https      mibrowsers (default)          mibrowsers://...
    false                  http(s)    another scheme                that scheme in place of http or https

    browser of the scheme   webatwork_install_link   then
    installed               any                      open
    missing, Web@Work       set                      install: the person is sent there
    missing, Web@Work       not set                  refused
    missing, another        any                      refused

    link                                    then
    mailto:, email+app:, email+launcher:    compose or open the app (`policy.compose_urls`)
    tel:, sms:, facetime:                   open as it is; calls need allow_callkit (`policy.dlp`)
    javascript:, data:, file:, any other    refused
    http(s) that hides where it leads       refused: user names, control and direction characters, backslashes, no host

Source: guide, table 2, "Open links in a browser". A mail is an untrusted place: RFC 9110 4.2.4 has recipients treat a
user name in such a link as an error, for it is there to obscure the host.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import urlsplit

from ..config import AppConfig
from ..errors import UsageError
from . import addresses, compose_urls
from .compose_urls import ComposeRequest, OpenApp

LENGTH: Final = 65_536
WEB_AT_WORK: Final = frozenset({"mibrowser", "mibrowsers"})
PLAIN: Final = frozenset({"tel", "sms", "facetime", "facetime-audio"})
OWN: Final = frozenset({"mailto", "email+app", "email+launcher"})
NEVER: Final = frozenset(
    {"javascript", "vbscript", "data", "file", "blob", "about", "view-source", "jar", "intent", "content", "filesystem"}
)
"""Schemes that run or read something, no browser to hand a link to."""

_HIDING = re.compile(r"[\x00-\x20\x7f-\xa0\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff\\]")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.S)


@dataclass(frozen=True, slots=True)
class LinkDecision:
    """What to do with one link.

    "open": hand `url` to the system. "install": the browser is missing, send the person to `url`. "compose", "app":
    `request` says what to begin or show. "refuse": `reason` says why, and `rule` which key decided, if one did.
    """

    action: Literal["open", "install", "compose", "app", "refuse"]
    url: str = ""
    request: ComposeRequest | OpenApp | None = None
    reason: str = ""
    rule: str = ""


def decide(link: str, config: AppConfig, *, installed: Collection[str] | None = None) -> LinkDecision:
    """Decide about a link that a person follows. Never raises.

    `installed`: the URL schemes that some app on the device answers to; None when that is not known, which counts as
    installed.
    """
    text = link.strip(" \t\r\n")
    match = _SCHEME.fullmatch(text) if len(text) <= LENGTH else None
    if match is None:
        return _refuse("the link has no scheme" if len(text) <= LENGTH else "the link is too long")
    scheme = match[1].lower()
    if scheme in OWN:
        return _own(text)
    if _HIDING.search(text):
        return _refuse("the link holds characters that hide where it leads")
    if scheme in PLAIN:
        return LinkDecision("open", text)
    if scheme not in ("http", "https"):
        return _refuse(f"links to {scheme[:40]} are not followed")
    trouble = _web_trouble(text)
    if trouble:
        return _refuse(trouble)
    return _browser(scheme, match[2], config, installed)


def _own(text: str) -> LinkDecision:
    try:
        request = compose_urls.parse(text)
    except UsageError as problem:
        return _refuse(str(problem))
    return LinkDecision("app" if isinstance(request, OpenApp) else "compose", request=request)


def _web_trouble(text: str) -> str:
    """What is hostile about an http(s) link; "" for nothing."""
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "the link names no readable host"
    if not host or not parts.netloc or text[len(parts.scheme) + 1 : len(parts.scheme) + 3] != "//":
        return "the link names no host"
    if "@" in parts.netloc:
        return "the link has a user name before its host, which hides where it leads"
    if "%" in host or (":" not in host and addresses.domain_key(host) is None):
        return "the link names no readable host"
    return ""


def _browser(scheme: str, rest: str, config: AppConfig, installed: Collection[str] | None) -> LinkDecision:
    if config.allow_safari_browser:
        return LinkDecision("open", f"{scheme}:{rest}", rule="allow_safari_browser")
    rule = f"email_url_scheme_{scheme}"
    browser = config.email_url_scheme_https if scheme == "https" else config.email_url_scheme_http
    if browser in NEVER:
        return _refuse(f"{browser} is no browser", rule)
    if installed is None or browser in {name.lower() for name in installed}:
        return LinkDecision("open", f"{browser}:{rest}", rule=rule)
    install = config.webatwork_install_link
    if browser not in WEB_AT_WORK:
        return _refuse(f"no app on this device opens {browser} links", rule)
    if not install or install.partition(":")[0].lower() in NEVER:
        return _refuse("the secure browser is not installed, and no webatwork_install_link says where to get it", rule)
    return LinkDecision("install", install, reason="the secure browser is not installed", rule="webatwork_install_link")


def _refuse(reason: str, rule: str = "") -> LinkDecision:
    return LinkDecision("refuse", reason=reason, rule=rule)
