"""`allow_safari_browser`, `email_url_scheme_http`, `email_url_scheme_https`, `webatwork_install_link`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emailplus.policy.compose_urls import ComposeRequest, OpenApp
from emailplus.policy.links import decide

from ..config.samples import load

PAGE = "//intranet.example/a?b=c#d"
CHROME = {"email_url_scheme_http": "googlechrome", "email_url_scheme_https": "googlechromes"}
OPERA = {"email_url_scheme_http": "opera-http", "email_url_scheme_https": "opera-https"}
INSTALL = "https://apps.example/web"


@pytest.mark.parametrize(
    ("keys", "http", "https"),
    [
        ({}, "mibrowser", "mibrowsers"),
        (CHROME, "googlechrome", "googlechromes"),
        (OPERA, "opera-http", "opera-https"),
        ({"email_url_scheme_https": "corp"}, "mibrowser", "corp"),
        ({"allow_safari_browser": "true"}, "http", "https"),
        ({"allow_safari_browser": "true", **CHROME}, "http", "https"),  # the schemes are ignored
    ],
)
def test_which_browser_a_link_opens(keys: dict[str, str], http: str, https: str) -> None:
    config = load(**keys)
    assert (decide(f"http:{PAGE}", config).url, decide(f"http:{PAGE}", config).action) == (f"{http}:{PAGE}", "open")
    assert decide(f" HTTPS:{PAGE}\n", config).url == f"{https}:{PAGE}"


@pytest.mark.parametrize(
    ("keys", "installed", "action", "url"),
    [
        ({}, None, "open", f"mibrowsers:{PAGE}"),
        ({}, {"MIBROWSERS"}, "open", f"mibrowsers:{PAGE}"),
        ({}, set(), "refuse", ""),
        ({"webatwork_install_link": INSTALL}, set(), "install", INSTALL),
        ({"webatwork_install_link": INSTALL}, {"mibrowsers"}, "open", f"mibrowsers:{PAGE}"),
        ({"webatwork_install_link": INSTALL, **CHROME}, set(), "refuse", ""),  # it is Web@Work's link
        ({"webatwork_install_link": "javascript:x"}, set(), "refuse", ""),
        ({"webatwork_install_link": INSTALL, "allow_safari_browser": "true"}, set(), "open", f"https:{PAGE}"),
    ],
)
def test_a_browser_that_is_not_installed(
    keys: dict[str, str], installed: set[str] | None, action: str, url: str
) -> None:
    decision = decide(f"https:{PAGE}", load(**keys), installed=installed)
    assert (decision.action, decision.url) == (action, url)
    assert (decision.reason == "") is (action == "open")


def test_links_of_this_app() -> None:
    config = load()
    assert decide("mailto:a@x.com?subject=s", config).request == ComposeRequest(to=("a@x.com",), subject="s")
    assert decide("mailto:a@x.com", config).action == "compose"
    assert decide("email+app://calendar", config).request == OpenApp("calendar")
    assert decide("email+app://calendar", config).action == "app"
    assert decide("mailto:a@x.com?subject=a%0Ab", config).action == "refuse"
    assert decide("tel:+61255501234", config).action == "open"


@pytest.mark.parametrize(
    "link",
    [
        "javascript:alert(1)", "JaVaScRiPt:alert(1)", "\x01javascript:alert(1)", "java\nscript:alert(1)",
        "data:text/html,<script>", "file:///etc/passwd", "vbscript:x", "intent://x#Intent;end", "ms-word:ofe|u|http://x",
        "https://good.example@evil.example/", "https://user:pw@evil.example/",
        "https:evil.example", "https:/evil.example", "https://", "https:///path",
        "https://evil.example\\@good.example/", "https://good.example\u202egnp.exe",
        "https://go od.example/", "https://good.example/\r\nHost: x", "https://good.example%2eevil.example/",
        "https://[::1", "https://x:99999999/", "https://a..b/", "//good.example/", "good.example", "", " ", ":", "1:2",
        "https://good.example/" + "a" * 70_000,
    ],
)  # fmt: skip
@pytest.mark.parametrize("keys", [{}, {"allow_safari_browser": "true"}])
def test_hostile_links_are_refused(link: str, keys: dict[str, str]) -> None:
    decision = decide(link, load(**keys))
    assert (decision.action, decision.url) == ("refuse", "")
    assert decision.reason


def test_a_scheme_that_runs_code_is_no_browser() -> None:
    decision = decide(f"http:{PAGE}", load(email_url_scheme_http="javascript"))
    assert (decision.action, decision.rule) == ("refuse", "email_url_scheme_http")


@pytest.mark.parametrize(
    "host", ["192.0.2.1", "[2001:db8::1]:8443", "bücher.example", "localhost:8080", "foo_bar.example"]
)
def test_hosts_of_every_kind(host: str) -> None:
    assert decide(f"https://{host}/", load()).url == f"mibrowsers://{host}/"


@given(st.text(max_size=40) | st.text("htps:/@\\.a%[]?#1 ", max_size=40).map(lambda rest: f"http://{rest}"))
def test_any_text_gets_a_decision(link: str) -> None:
    decision = decide(link, load())
    assert (decision.action == "refuse") == bool(decision.reason)
    if decision.action == "open":
        assert decision.url.partition(":")[0].lower() in ("mibrowser", "mibrowsers", "tel", "sms", "facetime")
