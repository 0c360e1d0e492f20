"""`email_safe_domains` and `email_alert_unsafe_domains`."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emailplus.config import AppConfig
from emailplus.model.message import Address
from emailplus.policy.recipients import SafeDomains, classify, question

from ..config.samples import load


def config(safe: str | None, **more: Any) -> AppConfig:
    return load(email_address="alice@own.example", **({} if safe is None else {"email_safe_domains": safe}), **more)


@pytest.mark.parametrize(
    ("safe", "domain", "covered"),
    [
        (None, "own.example", True),
        (None, "OWN.example", True),
        (None, "sub.own.example", False),
        (None, "other.example", False),
        ("other.example", "own.example", False),  # what is configured is all that counts
        ("a.com,b.com", "b.com", True),
        (" a.com , B.com ", "b.com", True),
        ("a.com", "mail.a.com", False),
        ("a.com", "bada.com", False),
        ("a.com", "a.com.evil.example", False),
        ("*.a.com", "a.com", False),  # the base domain is not included
        ("*.a.com", "x.a.com", True),
        ("*.a.com", "x.y.a.com", True),
        ("*.a.com", "xa.com", False),
        ("*.a.com,a.com", "a.com", True),
        ("*", "anything.example", True),
        ("*", "[192.0.2.1]", True),
        ("*", "no domain", False),
        ("a.com", "[192.0.2.1]", False),
        ("bücher.example", "xn--bcher-kva.example", True),
        ("xn--bcher-kva.example", "BÜCHER.example", True),
        ("*.bücher.example", "mail.xn--bcher-kva.example", True),
        ("example.com", "ex\u0430mple.com", False),
        ("strasse.de", "straße.de", False),
        ("a.com", "a.com.", True),
    ],
)
def test_which_domains_are_safe(safe: str | None, domain: str, covered: bool) -> None:
    assert SafeDomains.of(config(safe)).covers(domain) is covered


def test_every_recipient_gets_its_verdict() -> None:
    found = classify(
        ['Team: "Doe, J" <j@a.com>, k@b.com;', "broken@", Address("Boss", "boss@evil.example")], config("a.com")
    )
    assert [(one.address, one.name, one.safe, one.group) for one in found] == [
        ("j@a.com", "Doe, J", True, "Team"),
        ("k@b.com", "", False, "Team"),
        ("broken@", "", False, ""),
        ("boss@evil.example", "Boss", False, ""),
    ]
    assert found[1].reason == "b.com is not a safe domain"
    assert "lacks a part" in found[2].reason


@pytest.mark.parametrize(
    "written",
    ['"ceo@a.com" <x@evil.example>', "ceo@a.com <x@evil.example>", Address("ceo@a.com", "x@evil.example")],
)
def test_the_display_name_decides_nothing(written: str | Address) -> None:
    [one] = classify([written], config("a.com"))
    assert not one.safe
    assert one.reason == "evil.example is not a safe domain, though the name shown speaks of a.com"


def test_addresses_that_hide_in_an_address_are_seen() -> None:
    """One `Address` whose text is a list: each of them counts; one without any is not safe either."""
    found = classify([Address("", "a@a.com, x@evil.example"), Address("Nobody", "")], config("a.com"))
    assert [(one.address, one.safe) for one in found] == [("a@a.com", True), ("x@evil.example", False), ("", False)]


@pytest.mark.parametrize(
    ("safe", "alert", "asked"),
    [
        (None, "true", False),
        (None, "false", False),
        ("a.com", "false", False),
        ("a.com", "true", True),
        ("*", "true", False),
    ],
)
def test_when_a_person_is_asked(safe: str | None, alert: str, asked: bool) -> None:
    told = question(["ok@a.com", "x@evil.example"], config(safe, email_alert_unsafe_domains=alert))
    assert (told is not None) is asked
    if told is not None:
        assert told.addresses == ("x@evil.example",)
        assert "x@evil.example" in told.text
        assert "ok@a.com" not in told.text


def test_nobody_is_asked_about_safe_recipients_and_each_is_named_once() -> None:
    settings = config("a.com", email_alert_unsafe_domains="true")
    assert question(["ok@a.com"], settings) is None
    assert question([], settings) is None
    told = question(["x@b.com", "X <x@b.com>", "y@b.com"], settings)
    assert told is not None
    assert told.addresses == ("x@b.com", "y@b.com")
    many = question([f"u{number}@b.com" for number in range(50)], settings)
    assert many is not None
    assert len(many.addresses) == 50
    assert "and 30 more" in many.text


@given(st.lists(st.text(max_size=30), max_size=4))
def test_no_recipient_raises(texts: list[str]) -> None:
    settings = config("*.a.com, a.com", email_alert_unsafe_domains="true")
    unsafe = [one.address for one in classify(texts, settings) if not one.safe]
    told = question(texts, settings)
    assert (told is None) == (not unsafe)
