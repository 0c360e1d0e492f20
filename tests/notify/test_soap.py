"""SendNotification as others wrote it down, and as nobody should."""

from __future__ import annotations

import time
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from emailplus.errors import ProtocolError
from emailplus.ews import soap
from emailplus.notify.proxy.lookup import get_item

from ..shared import shared
from .proxy_desk import SUBSCRIPTION, send_notification


@cache
def schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(str(shared("spec", "ews", "xsd", "messages.xsd"))))


def body_of(document: bytes) -> etree._Element:
    found = etree.fromstring(document).find(f"{{{soap.SOAP}}}Body/*")
    assert found is not None
    return found


def test_recorded_new_mail() -> None:
    body = shared("spec", "ews", "samples", "sendnotification-newmail.xml").read_bytes()
    (notification,) = soap.parse_send_notification(body)
    assert notification.subscription_id == SUBSCRIPTION
    assert notification.more_events is False
    (event,) = notification.events
    assert (event.kind, event.watermark, event.item_id) == ("NewMailEvent", "AQAAAOx1bWFyay0y", "AAMkAGsample-item")
    assert event.at == 1795426200.0  # 2026-11-23T09:30:00Z


def test_recorded_status() -> None:
    body = shared("spec", "ews", "samples", "sendnotification-status.xml").read_bytes()
    (notification,) = soap.parse_send_notification(body)
    assert [(event.kind, event.item_id) for event in notification.events] == [("StatusEvent", "")]


@pytest.mark.parametrize("name", ["ok", "unsubscribe"])
def test_our_answers_are_those_recorded_and_fit_the_schema(name: str) -> None:
    recorded = shared("spec", "ews", "samples", f"sendnotificationresult-{name}.xml").read_bytes()
    ours = {"ok": soap.OK, "unsubscribe": soap.UNSUBSCRIBE}[name]
    assert schema().validate(body_of(ours)), schema().error_log

    def words(node: etree._Element) -> list[tuple[str, str]]:
        return [(str(entry.tag), (entry.text or "").strip()) for entry in node.iter()]

    assert words(body_of(ours)) == words(body_of(recorded))


def test_the_posts_of_these_tests_and_our_lookups_fit_the_schema() -> None:
    for document in (
        send_notification(),
        send_notification(("a", "m1"), ("b", "m2")),
        get_item("a@example.com", ["x"]),
    ):
        assert schema().validate(body_of(document)), schema().error_log


def test_an_error_names_its_code() -> None:
    (notification,) = soap.parse_send_notification(send_notification(code="ErrorReadEventsFailed"))
    assert notification.code == "ErrorReadEventsFailed"


GOOD = send_notification(("item", "mark"))
BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "lol">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9))
    + b"]><l>&j;</l>"
)
EXTERNAL = b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + GOOD.partition(b"?>")[2].replace(b"mark", b"&e;")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        b"<a/>",
        GOOD[:-20],
        GOOD.replace(b"SendNotification", b"GetItem"),
        GOOD.replace(b"schemas.xmlsoap.org", b"schemas.example.org"),
        GOOD.replace(b"<t:SubscriptionId>", b"<t:Other>").replace(b"</t:SubscriptionId>", b"</t:Other>"),
        GOOD.replace(b"item", b"i" * 3000),
        GOOD.replace(b"2026-11-23", b"2026-99-23"),
        GOOD.replace(b'Id="item"', b""),
        BOMB,
        EXTERNAL,
        BOMB.decode().encode("utf-16"),
        b'<?xml version="1.0" encoding="UTF-7"?>+ADwAIQ-DOCTYPE x+AD4-<x/>',
        send_notification(*((f"i{n}", f"m{n}") for n in range(soap.MAX_EVENTS + 1))),
        b"<a>" * 100_000,
        b"\xff\xfe" + GOOD,
    ],
    ids=range(17),
)
def test_anything_else_is_refused_at_once(body: bytes) -> None:
    started = time.process_time()
    with pytest.raises(ProtocolError) as caught:
        soap.parse_send_notification(body)
    assert time.process_time() - started < 2
    assert len(str(caught.value)) < 200


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255))
def test_a_changed_byte_is_read_or_refused(position: int, value: int) -> None:
    body = bytearray(GOOD)
    body[position] = value
    try:
        found = soap.parse_send_notification(bytes(body))
    except ProtocolError:
        return
    assert all(len(entry.events) <= 1 for entry in found)
