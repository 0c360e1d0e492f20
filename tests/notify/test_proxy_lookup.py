"""Looking up through the service account, against the answers that Exchange gives."""

from __future__ import annotations

import pytest
from lxml import etree

from emailplus.errors import AuthenticationFailed, EndpointNotFound, HttpStatusError, ProtocolError, ServerBusy
from emailplus.ews.soap import MESSAGES, SOAP, TYPES
from emailplus.flow import Http, HttpResponse
from emailplus.notify.proxy.lookup import Found, get_item, look_up, parse_get_item

from ..shared import shared
from .proxy_desk import get_item_response

URL = "https://mail.example.com/EWS/Exchange.asmx"
FAULT = (
    f'<s:Envelope xmlns:s="{SOAP}"><s:Body><s:Fault><faultcode>a:X</faultcode><faultstring>no</faultstring><detail>'
    '<e:ResponseCode xmlns:e="http://schemas.microsoft.com/exchange/services/2006/errors">{code}</e:ResponseCode>'
    f'<t:MessageXml xmlns:t="{TYPES}"><t:Value Name="BackOffMilliseconds">1500</t:Value></t:MessageXml>'
    "</detail></s:Fault></s:Body></s:Envelope>"
)


def answered(response: HttpResponse, items: tuple[str, ...] = ("a",)) -> Found:
    flow = look_up(URL, "alice@example.com", items)
    effect = next(flow)
    assert isinstance(effect, Http)
    with pytest.raises(StopIteration) as end:
        flow.send(response)
    found: Found = end.value.value
    return found


def test_the_request_asks_for_no_more_than_is_shown() -> None:
    root = etree.fromstring(get_item("o'brien&co@example.com", ['a"<>&', "b"]))
    assert root.findtext(f".//{{{TYPES}}}SmtpAddress") == "o'brien&co@example.com"
    assert [node.get("Id") for node in root.iter(f"{{{TYPES}}}ItemId")] == ['a"<>&', "b"]
    wanted = {node.get("FieldURI") for node in root.iter(f"{{{TYPES}}}FieldURI")}
    assert wanted == {"item:Subject", "item:DateTimeReceived", "item:Preview", "message:From"}
    assert root.findtext(f".//{{{TYPES}}}BaseShape") == "IdOnly"
    assert root.find(f".//{{{TYPES}}}IncludeMimeContent") is None


def test_impersonation_stands_where_the_recorded_request_has_it() -> None:
    recorded = etree.parse(str(shared("spec", "ews", "samples", "impersonated-getitem-request.xml"))).getroot()

    def header(root: etree._Element) -> list[str]:
        found = root.find(f"{{{SOAP}}}Header")
        assert found is not None
        return [str(node.tag) for node in found.iter()][:-1]

    assert header(etree.fromstring(get_item("a@example.com", ["x"]))) == header(recorded)


def test_headlines_in_the_order_of_the_request() -> None:
    body = get_item_response(
        ("a", "Bob@Example.com", "Hi", "How are you"), "ErrorItemNotFound", "ErrorMailboxStoreUnavailable"
    )
    found = answered(HttpResponse(200, {}, body), ("a", "b", "c"))
    headline = found.headlines["a"]
    assert (headline.sender, headline.name, headline.subject, headline.snippet) == (
        "bob@example.com", "Bob", "Hi", "How are you",
    )  # fmt: skip
    assert headline.received == 1795435200.0
    assert found.gone == {"b"}
    assert "c" not in found.headlines
    assert not found.denied


@pytest.mark.parametrize("code", ["ErrorImpersonateUserDenied", "ErrorNonExistentMailbox", "ErrorAccessDenied"])
def test_a_service_account_without_the_role(code: str) -> None:
    assert answered(HttpResponse(200, {}, get_item_response(code))).denied == code
    assert answered(HttpResponse(500, {}, FAULT.replace("{code}", code).encode())).denied == code


def test_a_busy_server_says_for_how_long() -> None:
    for response, seconds in (
        (HttpResponse(500, {}, FAULT.replace("{code}", "ErrorServerBusy").encode()), 1.5),
        (HttpResponse(503, {"retry-after": "7"}), 7.0),
        (HttpResponse(503, {"retry-after": "Wed, 25 Nov 2026 07:28:00 GMT"}), None),
    ):
        flow = look_up(URL, "alice@example.com", ["a"])
        next(flow)
        with pytest.raises(ServerBusy) as caught:
            flow.send(response)
        assert caught.value.retry_after == seconds


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (HttpResponse(401, {}), AuthenticationFailed),
        (HttpResponse(403, {}), HttpStatusError),
        (HttpResponse(404, {}), EndpointNotFound),
        (HttpResponse(302, {"location": "https://elsewhere.example/"}), HttpStatusError),
        (HttpResponse(200, {}, b"<html/>"), ProtocolError),
        (HttpResponse(200, {}, b""), ProtocolError),
        (HttpResponse(500, {}, FAULT.replace("{code}", "ErrorSchemaValidation").encode()), ProtocolError),
        (HttpResponse(200, {}, get_item_response("NoError", "NoError")), ProtocolError),
    ],
)
def test_other_answers(response: HttpResponse, error: type[Exception]) -> None:
    flow = look_up(URL, "alice@example.com", ["a"])
    next(flow)
    with pytest.raises(error):
        flow.send(response)


def test_an_answer_without_its_parts_is_an_empty_headline() -> None:
    body = get_item_response(("a", "bob@example.com", "Hi", "")).replace(b"2026-11-23T12:00:00Z", b"never")
    root = etree.fromstring(body)
    message = root.find(f".//{{{MESSAGES}}}Items/*")
    assert message is not None
    message.remove(message.find(f"{{{TYPES}}}From"))  # type: ignore[arg-type]
    found = parse_get_item(etree.tostring(root), ["a"])
    assert (found.headlines["a"].sender, found.headlines["a"].received) == ("", None)
