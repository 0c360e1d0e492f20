"""What goes out, against the pages of those who take it."""

from __future__ import annotations

import asyncio
import base64
import json
import uuid
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emailplus.auth.anonymous import Anonymous
from emailplus.config.secret import Secret
from emailplus.errors import ConfigurationError, ConnectionFailed, NetworkTimeout, TlsFailed
from emailplus.flow import HttpResponse
from emailplus.mock.apns import Answer, Cut, Lose, MockApns, Stall
from emailplus.notify.proxy.apns import ApnsGateway, outcome_of
from emailplus.notify.proxy.gateway import Outcome, Verdict
from emailplus.notify.proxy.notice import PAYLOAD_BYTES, Notice, apns_payload, notice_id, webhook_document
from emailplus.notify.proxy.options import Apns
from emailplus.notify.proxy.outgoing import Outgoing
from emailplus.notify.proxy.webhook import sign

from .proxy_desk import DEVICE, run, signing_key

PRIVATE, PUBLIC = signing_key()
OTHER, _ = signing_key()


def notice(number: int = 1, kind: str = "details", **changed: str) -> Notice:
    values = {"sender": "Bob", "subject": "Lunch?", "snippet": "At noon.", **changed} if kind == "details" else {}
    return Notice(
        id=notice_id(b"t", f"item-{number}"), kind=kind, registration="ab" * 16, device=DEVICE, item=f"item-{number}",
        **values,
    )  # fmt: skip


# -- forms


def test_the_id_is_a_uuid_of_device_and_mail() -> None:
    assert notice_id(b"one", "item") == notice_id(b"one", "item")
    assert len({notice_id(b"one", "a"), notice_id(b"one", "b"), notice_id(b"two", "a")}) == 3
    uuid.UUID(notice_id(b"one", "item"))


def test_three_kinds_of_payload() -> None:
    details = json.loads(apns_payload(notice()))
    assert details["aps"]["alert"] == {"title": "Bob", "subtitle": "Lunch?", "body": "At noon."}
    assert details["emailplus"]["item"] == "item-1"
    announce = json.loads(apns_payload(notice(kind="announce")))
    assert announce["aps"]["alert"] == {"body": "You have new messages"}
    wake = json.loads(apns_payload(notice(kind="wake")))
    assert wake["aps"] == {"content-available": 1}


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=3000), st.text(max_size=3000), st.text(max_size=3000), st.text(max_size=2048))
def test_a_payload_always_fits_and_is_json(sender: str, subject: str, snippet: str, item: str) -> None:
    made = Notice(
        id="x", kind="details", registration="r", device="d", item=item, sender=sender, subject=subject, snippet=snippet
    )
    payload = apns_payload(made)
    assert len(payload) <= PAYLOAD_BYTES
    assert json.loads(payload)["aps"]["alert"]
    json.loads(webhook_document([made]))


def test_the_signature_of_standard_webhooks() -> None:
    """The example of the specification's reference libraries."""
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    signature = sign(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    ("status", "reason", "verdict"),
    [
        (200, "", Verdict.DONE),
        (400, "BadDeviceToken", Verdict.GONE),
        (400, "DeviceTokenNotForTopic", Verdict.GONE),
        (410, "Unregistered", Verdict.GONE),
        (410, "ExpiredToken", Verdict.GONE),
        (400, "BadCollapseId", Verdict.REFUSED),
        (413, "PayloadTooLarge", Verdict.REFUSED),
        (400, "MissingTopic", Verdict.DOWN),
        (403, "InvalidProviderToken", Verdict.DOWN),
        (403, "ExpiredProviderToken", Verdict.DOWN),
        (429, "TooManyProviderTokenUpdates", Verdict.DOWN),
        (429, "TooManyRequests", Verdict.AGAIN),
        (500, "InternalServerError", Verdict.DOWN),
        (503, "ServiceUnavailable", Verdict.DOWN),
        (503, "Shutdown", Verdict.DOWN),
    ],
)
def test_what_apns_says(status: int, reason: str, verdict: Verdict) -> None:
    body = json.dumps({"reason": reason}).encode() if reason else b""
    assert outcome_of(HttpResponse(status, {}, body)).verdict is verdict


def test_an_answer_that_is_no_json_stays_out_of_the_log() -> None:
    assert outcome_of(HttpResponse(503, {}, b"<html>device " + DEVICE.encode())).reason == "answers 503"
    assert outcome_of(HttpResponse(400, {}, b'{"reason": "a secret: \\"x\\""}')).reason == "answers 400"


# -- over HTTP/2, against the stand-in


class Times:
    """A time that is set."""

    def __init__(self) -> None:
        self.now = 1_795_435_200.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def times() -> Times:
    return Times()


@pytest.fixture
def apns(times: Times) -> Iterator[MockApns]:
    service = MockApns(PUBLIC, team_id="TEAM000001", key_id="KEY0000001", topic="com.example.mail", clock=times)
    with service:
        yield service


class Notes(dict[str, str]):
    """What outlives the process."""

    def fact(self, name: str) -> str | None:
        return self.get(name)

    def remember(self, name: str, value: str) -> None:
        self[name] = value


def gateway_to(apns: MockApns, memory: Notes | None = None, **changed: str) -> ApnsGateway:
    values = {"team_id": "TEAM000001", "key_id": "KEY0000001", "topic": "com.example.mail", "key": PRIVATE, **changed}
    key = Secret(values.pop("key"))
    ca = apns.ca_pem.decode()
    made = Apns(apns.host, values["team_id"], values["key_id"], key, values["topic"], ca)
    return ApnsGateway(made, Notes() if memory is None else memory)


def deliver(apns: MockApns, gateway: ApnsGateway, times: Times, *notices: Notice) -> list[Outcome]:
    async def work() -> list[Outcome]:
        way = Outgoing(Anonymous(), ca=apns.ca_pem.decode(), http2=True, timeout=5)
        try:
            found = []
            for entry in notices:
                found += await way.perform(gateway.deliver([entry], times()))
            return found
        finally:
            await way.close()

    return run(work)


def test_a_notification_arrives_as_apple_wants_it(apns: MockApns, times: Times) -> None:
    gateway = gateway_to(apns)
    outcomes = deliver(
        apns, gateway, times, notice(1), notice(2), notice(3, "announce"), notice(4, "announce"), notice(5, "wake")
    )
    assert [outcome.verdict for outcome in outcomes] == [Verdict.DONE] * 5
    shown = apns.shown(DEVICE)
    assert [entry.payload["aps"]["alert"].get("title") for entry in shown] == ["Bob", "Bob", None]
    assert apns.requests[0].headers["apns-id"] == notice(1).id
    wake = apns.requests[4].headers
    assert (wake["apns-push-type"], wake["apns-priority"]) == ("background", "5")
    assert len({request.headers["authorization"] for request in apns.requests}) == 1


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"team_id": "OTHER00001"}, "InvalidProviderToken"),
        ({"key_id": "OTHER00001"}, "InvalidProviderToken"),
        ({"key": OTHER}, "InvalidProviderToken"),
    ],
)
def test_a_token_of_another_is_refused(apns: MockApns, times: Times, changed: dict[str, str], reason: str) -> None:
    (outcome,) = deliver(apns, gateway_to(apns, **changed), times, notice())
    assert (outcome.verdict, outcome.reason) == (Verdict.DOWN, reason)
    assert apns.shown(DEVICE) == []


def test_the_token_is_made_anew_in_time_and_not_too_often(apns: MockApns, times: Times) -> None:
    gateway = gateway_to(apns)
    for _ in range(30):
        assert deliver(apns, gateway, times, notice())[0].verdict is Verdict.DONE
        times.now += 240
    tokens = [request.headers["authorization"] for request in apns.requests]
    assert len(set(tokens)) == 3  # two hours


def test_a_proxy_that_starts_again_goes_on_with_its_token(apns: MockApns, times: Times) -> None:
    memory = Notes()
    for _ in range(3):
        assert deliver(apns, gateway_to(apns, memory), times, notice())[0].verdict is Verdict.DONE
        times.now += 60
    assert len({request.headers["authorization"] for request in apns.requests}) == 1
    assert deliver(apns, gateway_to(apns, Notes()), times, notice())[0].reason == "TooManyProviderTokenUpdates"


def test_a_token_that_expired_is_renewed_within_the_delivery(apns: MockApns, times: Times) -> None:
    gateway = gateway_to(apns)
    deliver(apns, gateway, times, notice(1))
    apns.faults.append(Answer(403, "ExpiredProviderToken"))
    times.now += 30 * 60
    assert deliver(apns, gateway, times, notice(2))[0].verdict is Verdict.DONE
    assert len({request.headers["authorization"] for request in apns.requests}) == 2


def test_a_key_that_is_none_is_said_at_the_start(apns: MockApns) -> None:
    with pytest.raises(ConfigurationError, match=r"apns\.key_file"):
        gateway_to(apns, key="not a key")


def test_an_app_that_was_removed(apns: MockApns, times: Times) -> None:
    apns.unregister(DEVICE)
    assert deliver(apns, gateway_to(apns), times, notice())[0] == Outcome(Verdict.GONE, "Unregistered", None)


def test_what_is_sent_again_takes_the_place_of_the_first(apns: MockApns, times: Times) -> None:
    gateway = gateway_to(apns)
    apns.faults.append(Lose())
    with pytest.raises(ConnectionFailed):
        deliver(apns, gateway, times, notice())
    assert deliver(apns, gateway, times, notice())[0].verdict is Verdict.DONE
    assert len(apns.taken()) == 2
    assert len(apns.shown(DEVICE)) == 1


def test_a_cut_connection_is_opened_again(apns: MockApns, times: Times) -> None:
    gateway = gateway_to(apns)

    async def work() -> None:
        way = Outgoing(Anonymous(), ca=apns.ca_pem.decode(), http2=True, timeout=5)
        try:
            await way.perform(gateway.deliver([notice(1)], times()))
            apns.faults.append(Cut())
            with pytest.raises(ConnectionFailed):
                await way.perform(gateway.deliver([notice(2)], times()))
            apns.faults.append(Stall(0.05))
            assert (await way.perform(gateway.deliver([notice(2)], times())))[0].verdict is Verdict.DONE
        finally:
            await way.close()

    run(work)
    assert len(apns.shown(DEVICE)) == 2


def test_a_connection_that_falls_silent_is_given_up(apns: MockApns, times: Times) -> None:
    """With the first request that is not answered; the next has a connection of its own."""
    gateway = gateway_to(apns)

    async def work() -> None:
        way = Outgoing(Anonymous(), ca=apns.ca_pem.decode(), http2=True, timeout=1)
        try:
            await way.perform(gateway.deliver([notice(1)], times()))
            apns.forget_all()
            lost = [way.perform(gateway.deliver([notice(number)], times())) for number in (2, 3)]
            for outcome in await asyncio.gather(*lost, return_exceptions=True):
                assert isinstance(outcome, NetworkTimeout)
            for number in (2, 3):
                assert (await way.perform(gateway.deliver([notice(number)], times())))[0].verdict is Verdict.DONE
        finally:
            await way.close()

    run(work)
    assert len(apns.taken()) == 3


def test_a_certificate_of_another_is_not_trusted(apns: MockApns, times: Times) -> None:
    async def work() -> None:
        way = Outgoing(Anonymous(), http2=True, timeout=5)
        try:
            await way.perform(gateway_to(apns).deliver([notice()], times()))
        finally:
            await way.close()

    with pytest.raises(TlsFailed):
        run(work)
    assert apns.requests == []


@pytest.mark.parametrize(
    ("changed", "status", "reason"),
    [
        ({"apns-push-type": "nonsense"}, 400, "InvalidPushType"),
        ({"apns-priority": "7"}, 400, "BadPriority"),
        ({"apns-id": "1"}, 400, "BadMessageId"),
        ({"apns-topic": ""}, 400, "MissingTopic"),
        ({"apns-topic": "com.example.other"}, 400, "DeviceTokenNotForTopic"),
        ({"apns-collapse-id": "x" * 65}, 400, "BadCollapseId"),
        ({"apns-expiration": "soon"}, 400, "BadExpirationDate"),
        ({"authorization": ""}, 403, "MissingProviderToken"),
        ({"authorization": "bearer a.b.c"}, 403, "InvalidProviderToken"),
    ],
)
def test_the_stand_in_refuses_what_the_service_refuses(
    apns: MockApns, times: Times, changed: dict[str, str], status: int, reason: str
) -> None:
    deliver(apns, gateway_to(apns), times, notice())
    headers = {**apns.requests[0].headers, **changed}
    judged = apns.judge("POST", f"/3/device/{DEVICE}", headers, apns.requests[0].body)
    assert (judged.status, judged.reason) == (status, reason)


def test_the_stand_in_refuses_other_requests(apns: MockApns, times: Times) -> None:
    deliver(apns, gateway_to(apns), times, notice())
    headers = apns.requests[0].headers
    for method, path, body, reason in (
        ("GET", f"/3/device/{DEVICE}", b"{}", "MethodNotAllowed"),
        ("POST", "/3/device/zz", b"{}", "BadPath"),
        ("POST", f"/3/device/{DEVICE}", b"", "PayloadEmpty"),
        ("POST", f"/3/device/{DEVICE}", b"[]", "BadPayload"),
        ("POST", f"/3/device/{DEVICE}", b"x" * 4097, "PayloadTooLarge"),
    ):
        assert apns.judge(method, path, headers, body).reason == reason
    times.now += 3601
    assert apns.judge("POST", f"/3/device/{DEVICE}", headers, b"{}").reason == "ExpiredProviderToken"
