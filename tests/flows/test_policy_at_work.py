"""What the app config and the server's policy make of a synchronisation."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from emailplus.errors import AuthenticationFailed, ConnectionFailed, EndpointNotFound, NetworkTimeout, TlsFailed
from emailplus.mock import MockExchange, MockPolicy, Stall
from emailplus.mock.policy import DEFAULT_SETTINGS
from emailplus.model.events import MessageReceived
from emailplus.model.folder import FolderType
from emailplus.policy.limits import ATTACHMENT_MESSAGE, BODY_MESSAGE
from emailplus.store.store import Store

from ..config.samples import b64, p12
from .world import KEY, World, deliver, mail, noise

MEGABYTE = 1_048_576
AGES = {"now": 0.1, "two days": 2, "five days": 5, "ten days": 10, "three weeks": 21, "two months": 60}


def values_of(world: World, tag: str, command: str = "Sync") -> set[str]:
    """Every value of an element in the requests of a command."""
    found: set[str] = set()

    def walk(node: Any) -> None:
        name, content = node
        if name == tag:
            found.add(content)
        for child in content if isinstance(content, list) else ():
            walk(child)

    for request in world.exchange.requests.of(command):
        if request.tree is not None:
            walk(request.tree)
    return found


def mail_filters(world: World, command: str) -> set[str]:
    """The FilterType of every collection of mail in the requests of a command; drafts come whole, whatever it is."""
    with Store.open(world.path, KEY) as store:
        mail_folders = {
            folder.server_id
            for folder, *_ in store.folders()
            if folder.item_class == "Email" and folder.type != FolderType.DRAFTS
        }
    found: set[str] = set()

    def walk(node: Any) -> None:
        name, content = node
        inner = content if isinstance(content, list) else []
        if name in ("AirSync:Collection", "GetItemEstimate:Collection"):
            flat = [*inner, *(child for tag, more in inner if tag == "AirSync:Options" for child in more or [])]
            if mail_folders & {value for tag, value in flat if tag.endswith(":CollectionId")}:
                found.update(value for tag, value in flat if tag == "AirSync:FilterType")
        for child in inner:
            walk(child)

    for request in world.exchange.requests.of(command):
        if request.tree is not None:
            walk(request.tree)
    return found


def aged(world: World) -> None:
    for name, days in AGES.items():
        deliver(world.alice, mail(name), days=days)


def policy(**settings: str) -> MockPolicy:
    return MockPolicy({**DEFAULT_SETTINGS, **settings})


# -- sync period


@pytest.mark.parametrize(
    ("default", "maximum", "choice", "server", "used", "count"),
    [
        (2, 0, None, None, "2", 2),
        (3, 0, None, None, "3", 3),
        (0, 0, None, None, "0", 6),
        (3, 3, 5, None, "3", 3),  # longer than allowed
        (3, 5, 0, None, "5", 5),
        (5, 5, 1, None, "1", 1),
        (5, 0, None, "4", "4", 4),  # MaxEmailAgeFilter
        (3, 0, 0, "4", "4", 4),
        (0, 0, None, "0", "0", 6),
    ],
)
def test_sync_period(
    make_world: Callable[..., World],
    default: int,
    maximum: int,
    choice: int | None,
    server: str | None,
    used: str,
    count: int,
) -> None:
    world = make_world(policy=policy(MaxEmailAgeFilter=server) if server is not None else None)
    aged(world)
    keys = {"email_default_sync_period": str(default), "email_max_sync_period": str(maximum)}
    world.sync(keys, period=choice)
    assert mail_filters(world, "Sync") == {used}
    assert mail_filters(world, "GetItemEstimate") == {used}
    assert sorted(world.subjects()) == sorted(list(AGES)[:count])


def test_mail_leaves_the_store_with_the_period(world: World) -> None:
    aged(world)
    assert world.sync(period=3).added == 3
    world.clock.now += timedelta(days=3)
    report = world.sync(period=3)
    assert (report.added, report.deleted, report.expired) == (0, 0, 1)
    assert world.subjects() == ["now", "two days"]
    assert world.sync(period=3).expired == 0
    # A shorter choice takes mail out, a longer one brings it back.
    assert world.sync(period=2).expired == 2
    assert world.subjects() == []
    world.sync(period=0)
    assert sorted(world.subjects()) == sorted(AGES)
    assert world.snapshot()["ownerless blobs"] == 0


# -- size limits


def test_attachment_limit(world: World) -> None:
    """Exactly the limit is allowed; a byte more is refused, told once as new, and comes when the limit widens."""
    exact, more = noise(MEGABYTE, 1), noise(MEGABYTE + 1, 2)
    deliver(world.alice, mail("both", attachments=(("exact.bin", exact), ("more.bin", more))))
    deliver(world.alice, mail("none"))
    keys = {"email_max_attachment": "1"}
    report = world.sync(keys)
    assert [(t.name, t.reason, t.new, t.kind) for t in report.refused] == [
        ("more.bin", ATTACHMENT_MESSAGE, True, "attachment")
    ]
    assert report.news_of_trouble
    again = world.sync(keys)
    assert [(t.name, t.new) for t in again.refused] == [("more.bin", False)]
    assert not again.news_of_trouble
    asked = len(world.exchange.requests.of("ItemOperations"))
    assert asked == 1
    wider = world.sync({"email_max_attachment": "2"})
    assert wider.refused == []
    with Store.open(world.path, KEY) as store:
        (number,) = [m.id for m in store.messages(list(store.ids())) if m.subject == "both"]
        contents = [b"".join(store.attachment_content(a.id)) for a in store.attachments(number)]
    assert contents == [exact, more]
    narrower = world.sync(keys)
    assert [(t.name, t.reason) for t in narrower.refused] == [("more.bin", ATTACHMENT_MESSAGE)]
    assert world.snapshot()["ownerless chunks"] == 0


def body_of(size: int) -> bytes:
    """A plain body of so many bytes."""
    line = b"x" * 76 + b"\r\n"
    whole = line * (size // len(line) + 1)
    return whole[: size - 2] + b"\r\n"


def raw(subject: str, body: bytes) -> bytes:
    head = f"From: bob@example.test\r\nTo: alice@example.test\r\nSubject: {subject}\r\nContent-Type: text/plain\r\n\r\n"
    return head.encode() + body


def test_body_limit(world: World) -> None:
    exact, more = body_of(MEGABYTE), body_of(MEGABYTE + 1)
    deliver(world.alice, raw("exact", exact))
    deliver(world.alice, raw("more", more))
    keys = {"email_max_body_size": "1"}
    report = world.sync(keys)
    assert [(t.subject, t.reason, t.new, t.kind) for t in report.refused] == [("more", BODY_MESSAGE, True, "body")]
    assert [t.new for t in world.sync(keys).refused] == [False]
    assert world.sync({"email_max_body_size": "2"}).refused == []
    bodies = {row[0]: row[10] for row in world.snapshot()["messages"].values()}
    assert bodies == {"exact": exact, "more": more}
    assert [t.subject for t in world.sync(keys).refused] == ["more"]
    assert {row[0]: row[10] for row in world.snapshot()["messages"].values()} == {"exact": exact, "more": None}
    assert world.subjects() == ["exact", "more"]  # the message itself stays


def test_body_limit_below_what_comes_with_a_sync(world: World) -> None:
    exact, more = body_of(102_400), body_of(105_000)
    deliver(world.alice, raw("exact", exact))
    deliver(world.alice, raw("more", more))
    report = world.sync({"email_max_body_size": "0.1"})
    assert [t.subject for t in report.refused] == ["more"]
    assert {row[0]: row[10] for row in world.snapshot()["messages"].values()} == {"exact": exact, "more": None}


def test_server_forbids_attachments(make_world: Callable[..., World]) -> None:
    """AttachmentsEnabled 0: none is fetched, not in the next run either, and what is there goes."""
    world = make_world()
    deliver(world.alice, mail("one", attachments=(("a.bin", noise(2_000)), ("b.bin", noise(150_000)))))
    world.sync()
    with Store.open(world.path, KEY) as store:
        assert store.stats()["attachments"] == {"stored": 2}
    world.exchange.set_policy(policy(AttachmentsEnabled="0"))
    deliver(world.alice, mail("two", attachments=(("c.bin", noise(2_000)),)))
    for _ in range(3):
        before = len(world.exchange.requests.of("ItemOperations"))
        report = world.sync()
        with Store.open(world.path, KEY) as store:
            states = store.stats()["attachments"]
    assert states == {"refused": 3}
    assert len(world.exchange.requests.of("ItemOperations")) == before
    assert {t.reason for t in report.refused} == {"The server's policy does not allow attachments."}
    world.exchange.set_policy(policy())
    world.sync()
    world.sync()
    with Store.open(world.path, KEY) as store:
        assert store.stats()["attachments"] == {"stored": 3}


def test_server_limits_sizes(make_world: Callable[..., World]) -> None:
    world = make_world(policy=policy(MaxAttachmentSize="1000", MaxEmailBodyTruncationSize="5000"))
    deliver(world.alice, mail("one", attachments=(("a.bin", noise(1_000)), ("b.bin", noise(1_001, 2)))))
    deliver(world.alice, raw("long", body_of(6_000)))
    report = world.sync()
    assert sorted((t.kind, t.name) for t in report.refused) == [("attachment", "b.bin"), ("body", "")]


# -- MIME


@pytest.mark.parametrize("version", ["2.5", "12.1", "14.1", "16.1"])
def test_always_fetch_mime(make_world: Callable[..., World], version: str) -> None:
    """The stored MIME is the delivered message byte for byte, small and large; attachments come from inside it."""
    world = make_world()
    content = noise(300_000, 9)
    small = mail("small", "caf\u00e9\n", attachments=(("s.bin", noise(700)),))
    large = mail("large", attachments=(("l.bin", content),))
    for message in (small, large):
        deliver(world.alice, message)
    keys = {"always_fetch_mime": "true"}
    world.sync(keys, version=version)
    with Store.open(world.path, KEY) as store:
        stored = {m.subject: m.id for m in store.messages(list(store.ids()))}
        assert store.body(stored["small"]) == small
        assert store.body(stored["large"]) == large
        assert "caf\u00e9" in store.message(stored["small"]).text
        (attachment,) = store.attachments(stored["large"])
        assert b"".join(store.attachment_content(attachment.id)) == content
    again = world.sync(keys, version=version)
    assert (again.added, again.changed, again.fetched) == (0, 0, 0)


def test_mime_does_not_smuggle_a_refused_attachment(world: World) -> None:
    deliver(world.alice, mail("one", "readable\n", attachments=(("l.bin", noise(1_200_000)), ("s.bin", noise(900)))))
    keys = {"always_fetch_mime": "true", "email_max_attachment": "1", "email_max_body_size": "4"}
    report = world.sync(keys)
    assert [t.name for t in report.refused] == ["l.bin"]
    with Store.open(world.path, KEY) as store:
        message = store.message(next(store.ids()))
        assert message.body_type != 4
        assert "readable" in message.text
        assert [a.state for a in message.attachments] == ["refused", "stored"]
        assert b"".join(store.attachment_content(message.attachments[1].id)) == noise(900)


# -- caching


def test_local_cache_all(world: World) -> None:
    """Nothing but ids is kept, and every message is told once."""
    keys = {"disabled_features": "local_cache_all"}
    ids = [deliver(world.alice, mail(f"secret {number}", f"confidential {number}\n")) for number in range(3)]
    world.sync(keys)
    told = world.told(MessageReceived)
    assert sorted(event.message.subject for event in told) == ["secret 0", "secret 1", "secret 2"]
    assert all(b"confidential" in event.message.body.data for event in told)
    world.events.clear()
    world.sync(keys)
    assert world.told(MessageReceived) == []
    world.alice.delete(ids[0])
    deliver(world.alice, mail("secret 3"))
    world.sync(keys)
    assert [event.message.subject for event in world.told(MessageReceived)] == ["secret 3"]
    with Store.open(world.path, KEY) as store:
        assert store.stats()["ids_only"] == 3
        assert list(store.ids()) == []
        database = store.database
        assert database.scalar("SELECT count(*) FROM bodies") == 0
        assert database.scalar("SELECT count(*) FROM search") == 0
        assert database.scalar("SELECT max(subject || sender || recipients || preview) FROM messages") == ""
        assert database.scalar("SELECT count(*) FROM attachments") == 0


def test_local_cache_all_switched_on_and_off(world: World) -> None:
    """What was kept before goes; without the feature it all comes back."""
    for number in range(3):
        deliver(world.alice, mail(f"secret {number}", attachments=((f"{number}.bin", noise(900)),)))
    world.sync()
    world.sync({"disabled_features": "local_cache_all"})
    with Store.open(world.path, KEY) as store:
        database = store.database
        assert database.scalar("SELECT max(subject || sender || recipients || preview) FROM messages") == ""
        for table in ("bodies", "attachments", "blobs", "search"):
            assert database.scalar(f"SELECT count(*) FROM {table}") == 0, table
        assert database.scalar("SELECT count(*) FROM messages") == 3
    world.sync()
    assert len(world.subjects()) == 3
    found = world.snapshot()
    assert (found["ids only"], found["unindexed"]) == (0, 0)
    assert all(row[-1][0][5] == noise(900) for row in found["messages"].values())


# -- accounts and devices


def test_another_device_id_is_a_new_partnership(world: World) -> None:
    deliver(world.alice, mail("one", attachments=(("a.bin", noise(2_000)),)))
    world.sync()
    before = world.snapshot()
    world.exchange.requests.clear()
    report = world.sync({"email_device_id": "F" * 32})
    assert {request.device_id for request in world.exchange.requests if request.device_id} == {"F" * 32}
    assert values_of(world, "FolderHierarchy:SyncKey", "FolderSync") == {"0"}
    assert len(world.exchange.requests.of("Provision")) >= 1
    assert (report.added, report.changed, report.deleted, report.fetched) == (0, 0, 0, 0)
    assert any("device id changed" in text for text in report.warnings)
    assert world.snapshot() == before


@pytest.mark.parametrize(
    "keys",
    [
        {"email_exchange_username": "bob", "email_address": "bob@example.test", "email_password": "bob-secret"},
        {"email_exchange_username": "bob", "email_password": "bob-secret"},
    ],
)
def test_another_account_leaves_nothing_behind(make_world: Callable[..., World], keys: dict[str, str]) -> None:
    world = make_world(cookies=False)
    deliver(world.alice, mail("for alice", attachments=(("a.bin", noise(2_000)),)))
    deliver(world.exchange.user("bob"), mail("for bob"))
    world.sync()
    report = world.sync(keys)
    assert any("account changed" in text for text in report.warnings)
    assert world.subjects() == ["for bob"]
    found = world.snapshot()
    assert (found["ownerless blobs"], found["ownerless chunks"], found["index entries"]) == (0, 0, 1)


@pytest.mark.parametrize("login", ["alice", "alice@example.test", "EXAMPLE\\alice"])
def test_forms_of_a_login(world: World, login: str) -> None:
    deliver(world.alice, mail("one"))
    world.sync({"email_exchange_username": login})
    assert world.subjects() == ["one"]
    assert {request.user for request in world.exchange.requests} == {"alice"}
    assert not any("%5C" in request.target for request in world.exchange.requests)


@pytest.mark.parametrize("version", ["12.1", "14.0", "16.1"])
def test_base64_queries(make_world: Callable[..., World], version: str) -> None:
    world = make_world(policy=policy())
    deliver(world.alice, mail("one", attachments=(("a.bin", noise(150_000)), ("b.bin", noise(900)))))
    world.sync(query_form="base64", version=version)
    with Store.open(world.path, KEY) as store:
        assert store.stats()["attachments"] == {"stored": 2}
    posts = [request for request in world.exchange.requests if request.method == "POST"]
    assert {request.query_form for request in posts} == {"base64"}
    assert {request.version for request in posts} == {version}
    assert posts[-1].policy_key not in ("", "0")


def test_host_with_a_path(world: World) -> None:
    deliver(world.alice, mail("one"))
    world.sync({"email_exchange_host": f"{world.host}/Microsoft-Server-ActiveSync"})
    assert world.subjects() == ["one"]


def test_host_with_a_strange_path(world: World) -> None:
    with pytest.raises(EndpointNotFound):
        world.sync({"email_exchange_host": f"{world.host}/traveler"})
    assert world.exchange.requests[0].target.startswith("/traveler/Microsoft-Server-ActiveSync")


def test_lotus_traveler_has_a_path_of_its_own(world: World) -> None:
    """The mock has no Traveler: what matters is where the request goes, and that a given path stands."""
    deliver(world.alice, mail("one"))
    with pytest.raises(EndpointNotFound):
        world.sync({"email_enable_lotus": "true"})
    assert world.exchange.requests[0].target.startswith("/traveler/Microsoft-Server-ActiveSync")
    world.exchange.requests.clear()
    with pytest.raises(EndpointNotFound):
        world.sync({"email_enable_lotus": "true", "email_exchange_host": f"{world.host}/servlet/traveler"})
    assert world.exchange.requests[0].target.startswith("/servlet/traveler/Microsoft-Server-ActiveSync")
    world.sync({"email_enable_lotus": "false"})
    assert world.subjects() == ["one"]


def test_the_network_timeout(world: World) -> None:
    """A server slower than the key allows is given up; with more patience the same server is heard out."""
    deliver(world.alice, mail("one"))
    world.exchange.faults.add(Stall(1.4), "FolderSync", times=None)
    with pytest.raises(NetworkTimeout, match="within 1 s "):
        world.sync({"default_network_timeout": "1"})
    world.sync({"default_network_timeout": "20"})
    assert world.subjects() == ["one"]


@pytest.mark.parametrize("mode", ["ntlm", "cert_base"])
def test_a_stronger_mode_never_becomes_a_password_on_the_wire(world: World, mode: str) -> None:
    keys: dict[str, Any] = {"eas_min_allowed_auth_mode": mode}
    if mode == "cert_base":
        keys |= {"email_login_certificate": b64(p12()), "email_login_certificate_MI_CERT_PW": "archive-pw"}
    with pytest.raises(AuthenticationFailed, match=r"(no password|nothing) was sent"):
        world.sync(keys)
    schemes = {request.header("Authorization").partition(" ")[0] for request in world.exchange.requests}
    assert schemes <= {"NTLM"}, "an opening that proves nothing, at most"
    assert not world.exchange.requests.of("FolderSync")


def test_a_mode_that_is_not_configured_falls_back_to_basic_with_a_warning(world: World) -> None:
    deliver(world.alice, mail("one"))
    with world.open({"eas_min_allowed_auth_mode": "cert_base"}) as mailbox:
        assert any("basic is used instead" in str(warning) for warning in mailbox.config.warnings)
        mailbox.sync()
    assert world.subjects() == ["one"]


# -- TLS


@pytest.fixture
def tls_world(make_world: Callable[..., World]) -> World:
    world = make_world(tls=True)
    deliver(world.alice, mail("one"))
    return world


def tls_keys(world: World, **more: str) -> dict[str, str]:
    return {"email_exchange_host": world.exchange.url_tls.split("/")[2], "email_ssl_required": "true", **more}


def der(exchange: MockExchange) -> str:
    return base64.b64encode(ssl.PEM_cert_to_DER_cert(exchange.ca_pem.decode())).decode()


def test_unknown_certificate_is_refused(tls_world: World) -> None:
    with pytest.raises(TlsFailed, match="not trusted") as caught:
        tls_world.sync(tls_keys(tls_world))
    assert "email_certificate_1" in str(caught.value)
    assert len(tls_world.exchange.requests) == 0
    assert tls_world.sleeps == []


def test_certificate_of_the_config_is_trusted(tls_world: World) -> None:
    tls_world.sync(tls_keys(tls_world, email_certificate_1=der(tls_world.exchange)))
    assert tls_world.subjects() == ["one"]
    assert all(request.secure for request in tls_world.exchange.requests)


def test_another_servers_certificate_is_not(tls_world: World) -> None:
    from emailplus.mock.tls import ServerTls

    other = base64.b64encode(ssl.PEM_cert_to_DER_cert(ServerTls().ca_pem.decode())).decode()
    with pytest.raises(TlsFailed):
        tls_world.sync(tls_keys(tls_world, email_certificate_1=other))


def test_trust_all_certificates(tls_world: World) -> None:
    tls_world.sync(tls_keys(tls_world, email_trust_all_certificates="true"))
    assert tls_world.subjects() == ["one"]


def test_ssl_required_never_falls_back(tls_world: World) -> None:
    """A server that speaks http only where https is demanded gets nothing, least of all the password."""
    keys = {"email_ssl_required": "true"}
    with pytest.raises(ConnectionFailed):
        tls_world.sync(keys)
    assert not any(request.header("Authorization") for request in tls_world.exchange.requests)


# -- features


def test_smart_folders_of_gmail(world: World) -> None:
    """`gmail_smart_folders`: the folders that only collect mail of others are synchronised where it is on."""
    world.alice.create_folder("[Gmail]")
    for name in ("All Mail", "Starred", "Projects"):
        world.alice.create_folder(name, "[Gmail]")
    world.alice.create_folder("Spam")  # not Gmail's: it lies elsewhere
    for name in ("All Mail", "Starred", "Projects", "Spam"):
        deliver(world.alice, mail(f"in {name}"), folder=name)
    world.sync()
    assert world.subjects("Projects") == ["in Projects"]
    assert world.subjects("Spam") == ["in Spam"]
    assert world.subjects("All Mail") == world.subjects("Starred") == []
    world.sync({"enabled_features": "gmail_smart_folders"})
    assert world.subjects("All Mail") == ["in All Mail"]
    assert world.subjects("Starred") == ["in Starred"]
    for name in ("Inbox", "All Mail", "Starred"):  # one mail, collected
        deliver(world.alice, mail("everywhere"), folder=name, days=1)
    world.sync({"enabled_features": "gmail_smart_folders"})
    assert world.subjects("Inbox") == world.subjects("All Mail")[:1] == ["everywhere"]
    with world.open({"enabled_features": "gmail_smart_folders"}) as mailbox:
        assert [found.folder for found in mailbox.search("everywhere")] == ["Inbox"]
        assert [found.folder for found in mailbox.search('everywhere in:"all mail"')] == ["All Mail"]
        assert sorted(found.subject for found in mailbox.search("", limit=None)) == [
            "everywhere", "in All Mail", "in Projects", "in Spam", "in Starred",
        ]  # fmt: skip
    world.sync()  # switched off: what was collected leaves the store, where it lies it stays
    assert world.subjects("All Mail") == world.subjects("Starred") == []
    assert world.subjects("Inbox") == ["everywhere"]
    assert len(world.alice.items("All Mail")) == 2
