"""The mock's EWS against requests as they are on the wire: the published samples, and hostile ones."""

from __future__ import annotations

import base64
import http.client
import re
import threading
import time
from urllib.parse import urlsplit

import pytest

from emailplus.mock import Http, MockExchange
from emailplus.mock.ews import soap

from ..shared import shared
from .conftest import letter

BASIC = "Basic " + base64.b64encode(b"alice:alice-secret").decode()


def post(exchange: MockExchange, body: bytes, *, path: str = "/ews/exchange.asmx", **headers: str) -> tuple[int, bytes]:
    """Status and body of the answer."""
    connection = http.client.HTTPConnection(urlsplit(exchange.ews_url).netloc, timeout=10)
    sent = {"Content-Type": "text/xml; charset=utf-8", "Authorization": BASIC}
    sent.update({name.replace("_", "-"): value for name, value in headers.items()})
    try:
        connection.request("POST", path, body, {name: value for name, value in sent.items() if value})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def envelope(inside: str, header: str = "") -> bytes:
    return (
        f'<s:Envelope xmlns:s="{soap.SOAP}" xmlns:m="{soap.MESSAGES}" xmlns:t="{soap.TYPES}">'
        f"<s:Header>{header}</s:Header><s:Body>{inside}</s:Body></s:Envelope>"
    ).encode()


INBOX = envelope(
    "<m:GetFolder><m:FolderShape><t:BaseShape>Default</t:BaseShape></m:FolderShape>"
    '<m:FolderIds><t:DistinguishedFolderId Id="inbox"/></m:FolderIds></m:GetFolder>'
)


def code(answer: bytes) -> str:
    found = re.search(rb"ResponseCode[^>]*>(\w+)<", answer)
    return found.group(1).decode() if found else ""


def test_credentials_are_asked_for_before_anything_else(exchange: MockExchange) -> None:
    connection = http.client.HTTPConnection(urlsplit(exchange.ews_url).netloc, timeout=10)
    connection.request("POST", "/EWS/Exchange.asmx", b"<not soap", {"Content-Type": "text/xml"})
    answer = connection.getresponse()
    assert answer.status == 401
    assert answer.getheader("WWW-Authenticate", "").startswith("Basic")
    connection.close()
    for path in ("/EWS/Exchange.asmx", "/ews/exchange.asmx", "/Ews/EXCHANGE.ASMX"):
        assert post(exchange, INBOX, path=path)[0] == 200
    assert exchange.requests.of("GetFolder")[-1].user == "alice"


LAUGHS = (
    b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(12))
    + b']><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>&m;</s:Body></s:Envelope>'
)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"<s:Envelope", 400),
        (b"\x00\x01\x02", 400),
        (LAUGHS, 400),
        (b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>', 400),
        (b"<a>" * 100_000, 400),
        (INBOX.replace(b"schemas.xmlsoap.org/soap/envelope/", b"www.w3.org/2003/05/soap-envelope"), 400),
        (envelope(""), 500),
        (envelope("<m:DestroyEverything/>"), 500),
        (envelope("<x/>"), 500),
        (envelope("<m:GetFolder/>", '<t:RequestServerVersion Version="Exchange1999"/>'), 500),
    ],
    ids=["empty", "cut", "binary", "bomb", "external", "deep", "soap12", "nobody", "unknown", "foreign", "version"],
)
def test_what_is_no_request_costs_nothing(exchange: MockExchange, body: bytes, status: int) -> None:
    began = time.monotonic()
    assert post(exchange, body)[0] == status
    assert time.monotonic() - began < 5
    assert post(exchange, INBOX)[0] == 200


def test_other_content_types_and_sizes(exchange: MockExchange) -> None:
    assert post(exchange, INBOX, Content_Type="application/json")[0] == 415
    huge = INBOX.replace(b"<s:Body>", b"<s:Body>" + b" " * (37 << 20))
    assert post(exchange, huge)[0] == 413


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("getattachment-request", "ErrorInvalidAttachmentId"),
        ("getevents-request", "ErrorSubscriptionNotFound"),
        ("impersonated-getitem-request", "ErrorImpersonateUserDenied"),
        ("subscribe-pull-request", "NoError"),
        ("subscribe-streaming-request", "NoError"),
        ("unsubscribe-request", "ErrorSubscriptionNotFound"),
        ("getstreamingevents-request", "ErrorSubscriptionNotFound"),
    ],
)
def test_published_samples_are_understood(exchange: MockExchange, name: str, expected: str) -> None:
    body = shared("spec", "ews", "samples", f"{name}.xml").read_bytes()
    assert code(post(exchange, body)[1]) == expected


def test_a_schema_is_enforced_where_there_is_one(exchange: MockExchange) -> None:
    shared("spec", "ews", "xsd")
    status, answer = post(exchange, envelope("<m:GetFolder><m:Nonsense/></m:GetFolder>"))
    assert (status, code(answer)) == (500, "ErrorSchemaValidation")


def test_a_stream_is_whole_envelopes_in_chunks(exchange: MockExchange) -> None:
    exchange.ews.minute = 0.6
    body = shared("spec", "ews", "samples", "subscribe-streaming-request.xml").read_bytes()
    (identity,) = re.findall(rb"SubscriptionId>([^<]+)<", post(exchange, body)[1])
    timer = threading.Timer(0.1, lambda: exchange.user("alice").deliver(letter(1)))
    timer.start()
    ask = envelope(
        f"<m:GetStreamingEvents><m:SubscriptionIds><t:SubscriptionId>{identity.decode()}</t:SubscriptionId>"
        "</m:SubscriptionIds><m:ConnectionTimeout>1</m:ConnectionTimeout></m:GetStreamingEvents>"
    )
    status, answer = post(exchange, ask)
    timer.join()
    assert status == 200
    documents = [soap.parse(part) for part in re.split(rb"(?<=</s:Envelope>)", answer) if part]
    assert len(documents) == 3
    assert [soap.local(node) for node in documents[1].iter("{*}NewMailEvent")] == ["NewMailEvent"]
    assert [node.text for node in documents[2].iter("{*}ConnectionStatus")] == ["Closed"]
    assert dict(exchange.requests.of("GetStreamingEvents")[0].response_headers).get("Content-Length") is None


def test_a_second_stream_takes_the_place_of_the_first(exchange: MockExchange) -> None:
    exchange.ews.minute = 20
    body = shared("spec", "ews", "samples", "subscribe-streaming-request.xml").read_bytes()
    (identity,) = re.findall(rb"SubscriptionId>([^<]+)<", post(exchange, body)[1])
    ask = envelope(
        f"<m:GetStreamingEvents><m:SubscriptionIds><t:SubscriptionId>{identity.decode()}</t:SubscriptionId>"
        "</m:SubscriptionIds><m:ConnectionTimeout>1</m:ConnectionTimeout></m:GetStreamingEvents>"
    )
    answers: list[bytes] = []
    first = threading.Thread(target=lambda: answers.append(post(exchange, ask)[1]))
    first.start()
    deadline = time.monotonic() + 5
    while not exchange.requests.of("GetStreamingEvents") and time.monotonic() < deadline:
        time.sleep(0.01)
    exchange.ews.minute = 0.5
    post(exchange, ask)
    first.join(10)
    assert b"Closed" in answers[0]


def test_a_subscription_belongs_to_who_made_it(exchange: MockExchange) -> None:
    body = shared("spec", "ews", "samples", "subscribe-pull-request.xml").read_bytes()
    answer = post(exchange, body)[1]
    (identity,) = re.findall(rb"SubscriptionId>([^<]+)<", answer)
    ask = envelope(f"<m:Unsubscribe><m:SubscriptionId>{identity.decode()}</m:SubscriptionId></m:Unsubscribe>")
    bob = "Basic " + base64.b64encode(b"bob:bob-secret").decode()
    assert code(post(exchange, ask, Authorization=bob)[1]) == "ErrorSubscriptionAccessDenied"
    assert code(post(exchange, ask)[1]) == "NoError"


def test_subscriptions_are_limited_and_expire(exchange: MockExchange) -> None:
    exchange.ews.max_subscriptions = 2
    body = shared("spec", "ews", "samples", "subscribe-pull-request.xml").read_bytes()
    assert [code(post(exchange, body)[1]) for _ in range(3)] == ["NoError", "NoError", "ErrorExceededSubscriptionCount"]
    for subscription in exchange.ews.of("alice"):
        subscription.minutes = -1
    assert code(post(exchange, body)[1]) == "NoError"
    assert [gone.reason for gone in exchange.ews.dropped] == ["expired", "expired"]


def test_http_faults_hit_an_operation_by_its_name(exchange: MockExchange) -> None:
    exchange.faults.add(Http(503, {"Retry-After": "7"}), "GetFolder")
    assert post(exchange, INBOX)[0] == 503
    assert post(exchange, INBOX)[0] == 200
