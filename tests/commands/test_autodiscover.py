"""Autodiscover against the mock, which answers for several hosts: order, redirects, the password, the trace."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from emailplus import discovery
from emailplus.eas.commands import autodiscover
from emailplus.errors import DiscoveryFailed, MalformedResponse, UsageError
from emailplus.mailbox import Mailbox
from emailplus.mock import Http, MockExchange
from emailplus.mock.autodiscover import INNER
from emailplus.model.discovery import Discovered
from emailplus.model.questions import Question

from ..shared import shared

EMAIL = "alice@example.test"
URL = "https://mail.example.test/Microsoft-Server-ActiveSync"


class Internet(httpx2.BaseTransport):
    """Leads the host names of a test to the mock, whatever they are; a host that is not named is not there."""

    def __init__(self, exchange: MockExchange, *hosts: str) -> None:
        self.exchange, self.hosts = exchange, hosts
        self.seen: list[tuple[str, str, bool]] = []
        self.inner = httpx2.HTTPTransport()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        url = request.url
        self.seen.append((request.method, str(url), "authorization" in request.headers))
        if url.host not in self.hosts:
            raise httpx2.ConnectError("no such host")
        here = httpx2.URL(self.exchange.url).copy_with(raw_path=url.raw_path)
        moved = httpx2.Request(request.method, here, headers=request.headers, content=request.read())
        moved.headers["Host"] = url.host
        return self.inner.handle_request(moved)

    def close(self) -> None:
        self.inner.close()


@pytest.fixture
def exchange() -> Iterator[MockExchange]:
    with MockExchange() as exchange:
        exchange.autodiscover.url = URL
        yield exchange
    assert exchange.defects == []


@pytest.fixture
def on(exchange: MockExchange, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Internet]:
    def connect(*hosts: str) -> Internet:
        internet = Internet(exchange, *hosts)
        real = discovery.make_network

        def network(*arguments: Any) -> Any:
            made = real(*arguments)
            made.transport = internet
            return made

        monkeypatch.setattr(discovery, "make_network", network)
        return internet

    return connect


def find(**more: Any) -> Discovered:
    return Mailbox.discover(EMAIL, "alice-secret", **more)


def methods(found: Discovered | DiscoveryFailed) -> list[tuple[str, str]]:
    return [(step.method, step.url.partition("://")[2].partition("/")[0]) for step in found.trace]  # type: ignore


# -- the order of tries


def test_json_comes_first_and_sends_no_password(on: Callable[..., Internet]) -> None:
    internet = on("autodiscover.example.test", "example.test")
    found = find()
    assert (found.url, found.email) == (URL, EMAIL)
    assert internet.seen == [
        (
            "GET",
            "https://autodiscover.example.test/autodiscover/autodiscover.json/v1.0/alice@example.test?Protocol=ActiveSync",
            False,
        )
    ]


def test_every_step_in_its_order(exchange: MockExchange, on: Callable[..., Internet]) -> None:
    internet = on()
    with pytest.raises(DiscoveryFailed) as caught:
        find(services=["outlook.office365.com"])
    xml, path = "/autodiscover/autodiscover.xml", "/autodiscover/autodiscover.json/v1.0/alice@example.test"
    assert [(m, u.partition("?")[0], c) for m, u, c in internet.seen] == [
        ("GET", f"https://autodiscover.example.test{path}", False),
        ("GET", f"https://example.test{path}", False),
        ("POST", f"https://example.test{xml}", True),
        ("POST", f"https://autodiscover.example.test{xml}", True),
        ("GET", f"http://autodiscover.example.test{xml}", False),
        ("GET", f"https://outlook.office365.com{path}", False),
    ]
    trace = caught.value.trace
    assert len(trace) == 6
    assert [step.credentials for step in trace] == [False, False, True, True, False, False]  # type: ignore[attr-defined]
    for step in trace:
        assert str(step) in str(caught.value)
    assert "alice-secret" not in str(caught.value)
    assert "email_exchange_host" in str(caught.value)


def test_xml_at_the_second_host(exchange: MockExchange, on: Callable[..., Internet]) -> None:
    on("autodiscover.example.test")
    exchange.autodiscover.json = False
    exchange.autodiscover.enrolment = "https://ca.example.test/enrol"
    found = find()
    assert (found.url, found.display_name) == (URL, "Alice Anderson")
    assert found.certificate_enrolment == "https://ca.example.test/enrol"
    assert found.trace[-1].outcome == f"found {URL}"
    (asked,) = [r for r in exchange.requests.of("Autodiscover") if r.method == "POST"]
    assert asked.problems == []
    schema = etree.XMLSchema(etree.parse(str(shared("spec", "eas", "xsd", "AutodiscoverRequest.xsd"))))
    assert schema.validate(etree.fromstring(asked.body)), schema.error_log
    answer = etree.XMLSchema(etree.parse(str(shared("spec", "eas", "xsd", "AutodiscoverResponse.xsd"))))
    assert answer.validate(etree.fromstring(asked.response_body)), answer.error_log


def test_a_plain_redirect_leads_on(exchange: MockExchange, on: Callable[..., Internet]) -> None:
    internet = on("autodiscover.example.test", "hosted.example.test")
    exchange.autodiscover.hosts = ("hosted.example.test",)
    exchange.autodiscover.json = False

    def answer(request: Any) -> bool:
        return bool(request.method == "GET" and request.target == autodiscover.PATH)

    location = "https://hosted.example.test/autodiscover/autodiscover.xml"
    exchange.faults.add(Http(302, {"Location": location}), when=answer)
    assert find().url == URL
    assert internet.seen[-2:] == [
        ("GET", "http://autodiscover.example.test/autodiscover/autodiscover.xml", False),
        ("POST", location, True),
    ]


# -- redirects and who gets the password


def test_the_password_goes_to_another_domain_only_with_consent(
    exchange: MockExchange, on: Callable[..., Internet]
) -> None:
    internet = on("autodiscover.example.test", "mail.hoster.test")
    exchange.autodiscover.json = False
    location = "https://mail.hoster.test/autodiscover/autodiscover.xml"
    exchange.faults.add(
        Http(302, {"Location": location}), times=9, when=lambda r: r.header("Host").startswith("autodiscover.")
    )
    with pytest.raises(DiscoveryFailed, match=r"mail\.hoster\.test is another domain"):
        find()
    assert not [seen for seen in internet.seen if "hoster" in seen[1] and seen[2]]
    questions: list[Any] = []

    def answer(word: str) -> Callable[[Question], str]:
        def confirm(question: Question) -> str:
            questions.append(question)
            return word

        return confirm

    with pytest.raises(DiscoveryFailed):
        find(confirm=answer("cancel"))
    assert not [seen for seen in internet.seen if "hoster" in seen[1] and seen[2]]
    assert find(confirm=answer("proceed")).url == URL
    assert {question.host for question in questions} == {"mail.hoster.test"}
    assert "mail.hoster.test" in questions[0].text


def test_microsoft_s_hosts_need_no_consent(exchange: MockExchange, on: Callable[..., Internet]) -> None:
    on("autodiscover.example.test", "autodiscover-s.outlook.com")
    exchange.autodiscover.hosts = ("autodiscover-s.outlook.com",)
    exchange.autodiscover.json = False
    location = "https://autodiscover-s.outlook.com/autodiscover/autodiscover.xml"
    exchange.faults.add(
        Http(302, {"Location": location}), times=9, when=lambda r: r.header("Host").startswith("autodiscover.ex")
    )
    assert find().url == URL


def test_another_email_address(exchange: MockExchange, on: Callable[..., Internet]) -> None:
    on("example.test", "autodiscover.new.test")
    exchange.autodiscover.json = False
    exchange.autodiscover.moved[EMAIL] = "alice@new.test"
    with pytest.raises(DiscoveryFailed) as caught:
        find()
    assert "redirected to alice@new.test" in str(caught.value)
    exchange.autodiscover.moved = {EMAIL: "bob@example.test", "bob@example.test": EMAIL}
    with pytest.raises(DiscoveryFailed, match="circles"):
        find()


@pytest.mark.parametrize(
    ("status", "location"),
    [
        (302, "http://example.test/x"),
        (302, ""),
        (301, "ftp://x"),
        (302, "https://"),
        (307, "https://example.test/autodiscover/autodiscover.xml"),
    ],
)
def test_redirects_that_are_not_followed(
    exchange: MockExchange, on: Callable[..., Internet], status: int, location: str
) -> None:
    internet = on("example.test")
    exchange.faults.add(Http(status, {"Location": location}), times=99)
    with pytest.raises(DiscoveryFailed):
        find()
    assert len(internet.seen) < 12
    assert not [seen for seen in internet.seen if seen[1].startswith("http://example.test/x")]


def test_redirects_without_end(exchange: MockExchange, on: Callable[..., Internet]) -> None:
    internet = on("example.test")
    numbers = iter(range(1000))
    exchange.autodiscover.json = False

    def onward(request: Any) -> bool:
        exchange.autodiscover.location = f"https://example.test/autodiscover/autodiscover.xml?{next(numbers)}"
        return False

    exchange.faults.add(Http(500), when=onward)
    with pytest.raises(DiscoveryFailed, match="too many redirects"):
        find()
    assert len(internet.seen) < 25


# -- what may go wrong


def test_refused_credentials_are_not_sent_to_that_host_again(
    exchange: MockExchange, on: Callable[..., Internet]
) -> None:
    internet = on("example.test", "autodiscover.example.test")
    exchange.autodiscover.json = False
    with pytest.raises(DiscoveryFailed, match="refused"):
        Mailbox.discover(EMAIL, "wrong")
    sent = [url for _, url, credentials in internet.seen if credentials]
    assert len(sent) == len(set(sent)) == 2


def test_a_user_name_of_its_own(exchange: MockExchange, on: Callable[..., Internet]) -> None:
    on("example.test")
    exchange.autodiscover.json = False
    assert find(username="EXAMPLE\\alice").url == URL
    post = next(r for r in exchange.requests.of("Autodiscover") if r.method == "POST")
    assert base64.b64decode(post.header("Authorization")[6:]).decode() == "EXAMPLE\\alice:alice-secret"


def test_the_same_for_asyncio(on: Callable[..., Internet]) -> None:
    from emailplus.mailbox import AsyncMailbox

    on("autodiscover.example.test")
    assert asyncio.run(AsyncMailbox.discover(EMAIL, "alice-secret")).url == URL


@pytest.mark.parametrize(
    "email", ["", "alice", "@example.test", "a@", "a@b..c", "a@ex ample.test", "a@ex/ample", "a@b@"]
)
def test_what_is_no_address(email: str, on: Callable[..., Internet]) -> None:
    internet = on()
    with pytest.raises(UsageError):
        Mailbox.discover(email, "x")
    assert internet.seen == []


def _pox(inside: str) -> bytes:
    return f'<Autodiscover xmlns="{INNER}"><Response>{inside}</Response></Autodiscover>'.encode()


def test_errors_in_answers_are_problems() -> None:
    code = "<Error><ErrorCode>601</ErrorCode><Message>no\n provider</Message></Error>"
    assert autodiscover.parse_pox(_pox(code)).problem == "NoProvider (601): no provider"
    status = "<Action><Error><Status>2</Status></Error></Action>"
    assert autodiscover.parse_pox(_pox(status)).problem == "ProtocolError (2)"
    assert "MobileSync" in autodiscover.parse_pox(_pox("<Action><Settings/></Action>")).problem
    assert autodiscover.parse_json(b'{"ErrorCode":"UserNotFound","ErrorMessage":"x"}').problem == "UserNotFound: x"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>login</html>",
        b"<Autodiscover",
        b'<!DOCTYPE x [<!ENTITY a "aaaa">]><Autodiscover/>',
        b"x" * (2 << 20),
        _pox("<Action><Settings><Server><Type>MobileSync</Type><Url>http://plain</Url></Server></Settings></Action>"),
        _pox("<Action><Settings><Server><Type>MobileSync</Type><Url>https://u:p@x</Url></Server></Settings></Action>"),
        _pox(
            "<Action><Settings><Server><Type>MobileSync</Type><Url>https://x:99999999/</Url></Server></Settings></Action>"
        ),
    ],
)
def test_hostile_xml(body: bytes) -> None:
    with pytest.raises(MalformedResponse):
        autodiscover.parse_pox(body)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"Url": 5}', b'{"Url": "http://x"}', b"[" * 100_000, b"\xff\xfe", b"x" * (2 << 20)]
)
def test_hostile_json(body: bytes) -> None:
    with pytest.raises(MalformedResponse):
        autodiscover.parse_json(body)


@given(st.binary(max_size=300))
def test_any_bytes_are_an_answer_or_a_typed_error(body: bytes) -> None:
    for parse in (autodiscover.parse_pox, autodiscover.parse_json):
        try:
            parse(body)
        except MalformedResponse:
            pass


def test_an_address_with_markup_in_it_stays_an_address() -> None:
    body = autodiscover.build_pox("a<b>&'\"@example.test")
    assert etree.fromstring(body)[0][0].text == "a<b>&'\"@example.test"
