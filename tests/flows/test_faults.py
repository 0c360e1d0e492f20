"""What goes wrong between us and a server, and what the client does about it."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from emailplus import driver
from emailplus.eas.wbxml import decode, encode
from emailplus.errors import (
    AuthenticationFailed,
    CommandFailed,
    ConnectionFailed,
    DeviceBlocked,
    EmailplusError,
    InvalidSyncKey,
    MailboxFull,
    MalformedResponse,
    NetworkTimeout,
    RedirectLoop,
    RemoteWiped,
    ResponseTooLarge,
    ServerBusy,
    WbxmlError,
)
from emailplus.mock import (
    Chunked,
    ContentType,
    CutAfter,
    Drip,
    Drop,
    Empty,
    ExtraHeaders,
    Garbage,
    Gzip,
    Http,
    LoseResponse,
    MockPolicy,
    Rewrite,
    Stall,
    Status,
    Truncated,
)
from emailplus.model.events import Waiting, WindowStored
from emailplus.reconfigure import put_in_force
from emailplus.store.store import Store

from .world import KEY, NOW, World, deliver, mail, noise, poison


def commands(world: World) -> list[str]:
    return [request.command for request in world.exchange.requests]


def root_of(world: World) -> str:
    """The server's root as email_certificate_X takes it."""
    return base64.b64encode(ssl.PEM_cert_to_DER_cert(world.exchange.ca_pem.decode())).decode()


def fill(world: World, count: int = 5, first: int = 0) -> list[str]:
    return [deliver(world.alice, mail(f"mail {number}")) for number in range(first, first + count)]


# -- who may come in


def test_refused_credentials_are_sent_once(world: World) -> None:
    with pytest.raises(AuthenticationFailed) as caught:
        world.sync({"email_password": "something else"})
    assert len(world.exchange.requests) == 1
    assert "something else" not in str(caught.value)
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("command", ["FolderSync", "Sync", "ItemOperations"])
def test_credentials_refused_later(world: World, command: str) -> None:
    """A password that expires under the run is not tried again either."""
    deliver(world.alice, mail("one", attachments=(("a.bin", noise(10)),)))
    world.exchange.faults.add(Http(401), command, times=None)
    with pytest.raises(AuthenticationFailed):
        world.sync()
    assert commands(world).count(command) == 1
    assert world.sleeps == []


def test_403_is_a_block(world: World) -> None:
    world.exchange.faults.add(Http(403), "FolderSync")
    with pytest.raises(DeviceBlocked) as caught:
        world.sync()
    assert caught.value.exit_code == 6
    assert commands(world).count("FolderSync") == 1


@pytest.mark.parametrize("version", ["12.1", "14.1", "16.1"])
def test_blocked_device(world: World, version: str) -> None:
    fill(world, 2)
    world.sync(version=version)
    world.exchange.block("alice")
    with pytest.raises(DeviceBlocked):
        world.sync(version=version)
    world.exchange.unblock("alice")
    world.sync(version=version)
    assert world.subjects() == ["mail 0", "mail 1"]


# -- policies


@pytest.mark.parametrize("version", ["2.5", "12.0", "12.1"])
def test_449_applies_the_policy_and_repeats(make_world: Callable[..., World], version: str) -> None:
    world = make_world(policy=MockPolicy())
    fill(world)
    world.sync(version=version)
    world.exchange.expire_policy()
    world.exchange.requests.clear()
    world.sync(version=version)
    asked = [name for name in commands(world) if name != "Settings"]
    assert asked[:4] == ["FolderSync", "Provision", "Provision", "FolderSync"]
    assert [r.status for r in world.exchange.requests.of("FolderSync")] == [449, 200]
    assert len(world.subjects()) == 5


@pytest.mark.parametrize("code", [142, 143, 144])
@pytest.mark.parametrize("command", ["FolderSync", "Sync", "ItemOperations"])
def test_status_that_demands_the_policy(make_world: Callable[..., World], code: int, command: str) -> None:
    world = make_world(policy=MockPolicy())
    deliver(world.alice, mail("one", attachments=(("a.bin", noise(10)), ("b.bin", noise(150_000)))))
    world.exchange.faults.add(Status(code), command)
    world.sync()
    with Store.open(world.path, KEY) as store:
        assert store.stats()["attachments"] == {"stored": 2}
    assert len(world.exchange.requests.of("Provision")) == 4
    keys = {request.policy_key for request in world.exchange.requests.of(command)}
    assert len(keys) == 2  # the repeat carries the new key


def test_a_policy_demanded_for_ever_ends(make_world: Callable[..., World]) -> None:
    world = make_world(policy=MockPolicy())
    world.exchange.faults.add(Status(142), "FolderSync", times=None)
    with pytest.raises(EmailplusError) as caught:
        world.sync()
    assert caught.value.exit_code == 6
    assert commands(world).count("FolderSync") == 2


# -- redirects


def test_redirect_is_followed_and_remembered(make_world: Callable[..., World]) -> None:
    old, new = make_world(), make_world()
    deliver(new.alice, mail("on the new server"))
    old.exchange.faults.add(Http(451, {"X-MS-Location": new.exchange.url}), "FolderSync", times=None)
    old.sync()
    assert old.subjects() == ["on the new server"]
    assert any("moved" in event.message for event in old.events if hasattr(event, "message"))
    before = len(old.exchange.requests)
    deliver(new.alice, mail("another"))
    old.sync()
    assert len(old.exchange.requests) == before
    assert len(old.subjects()) == 2
    # What one server's cookies say is none of the other's business.
    sent = {name for request in new.exchange.requests for name, _ in request.headers if name.lower() == "cookie"}
    theirs = {value for request in new.exchange.requests for name, value in request.headers if name.lower() == "cookie"}
    (device,) = old.exchange.devices_of("alice")
    assert sent
    assert not any(device.cookies["X-BackEndCookie"] in value for value in theirs)


def test_redirect_of_options(make_world: Callable[..., World]) -> None:
    old, new = make_world(), make_world()
    deliver(new.alice, mail("on the new server"))
    old.exchange.faults.add(Http(451, {"X-MS-Location": new.exchange.url}), "OPTIONS", times=None)
    old.sync()
    assert old.subjects() == ["on the new server"]
    assert commands(old) == ["OPTIONS"]


@pytest.mark.parametrize("command", ["OPTIONS", "FolderSync"])
def test_redirect_to_itself(world: World, command: str) -> None:
    world.exchange.faults.add(Http(451, {"X-MS-Location": world.exchange.url}), command, times=None)
    with pytest.raises(RedirectLoop):
        world.sync()
    assert commands(world).count(command) == 1


@pytest.mark.parametrize("command", ["OPTIONS", "FolderSync"])
def test_redirects_without_an_end(world: World, command: str) -> None:
    targets = iter(range(1000))
    base = world.exchange.url

    class Elsewhere(dict):  # type: ignore[type-arg]
        def items(self) -> Any:
            # The mock answers on one path only; the port's host is spelt in ever new ways instead.
            number = next(targets)
            return {"X-MS-Location": base.replace("127.0.0.1", f"127.0.0.{number + 2}")}.items()

    world.exchange.faults.add(Http(451, Elsewhere()), command, times=None)
    with pytest.raises((RedirectLoop, ConnectionFailed)):
        world.sync()
    assert commands(world).count(command) <= 6


def test_redirect_to_http_is_refused(make_world: Callable[..., World], tmp_path: Any) -> None:
    world = make_world(tls=True)
    world.exchange.faults.add(Http(451, {"X-MS-Location": world.exchange.url}), "FolderSync", times=None)
    keys = {
        "email_exchange_host": world.exchange.url_tls.split("/")[2],
        "email_ssl_required": "true",
        "email_certificate_1": root_of(world),
    }
    with pytest.raises(RedirectLoop):
        world.sync(keys)
    assert all(request.secure for request in world.exchange.requests)


def test_redirect_to_https_checks_the_certificate(make_world: Callable[..., World]) -> None:
    """The config allows http; a redirect to https must not be taken on trust for that."""
    world = make_world(tls=True)
    world.exchange.faults.add(Http(451, {"X-MS-Location": world.exchange.url_tls}), "FolderSync")
    with pytest.raises(ConnectionFailed, match="not trusted"):
        world.sync()
    assert not any(request.secure for request in world.exchange.requests)


@pytest.mark.parametrize("location", ["", "ftp://127.0.0.1/", "nonsense"])
def test_redirect_to_nowhere(world: World, location: str) -> None:
    world.exchange.faults.add(Http(451, {"X-MS-Location": location} if location else {}), "FolderSync")
    with pytest.raises(RedirectLoop):
        world.sync()


# -- servers that are busy


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_busy_server_is_asked_again(world: World, status: int) -> None:
    fill(world)
    world.exchange.faults.add(Http(status), "Sync", nth=2, times=2)
    world.sync()
    assert world.sleeps == [1.0, 4.0]
    assert len(world.subjects()) == 5


def test_retry_after_seconds(world: World) -> None:
    fill(world)
    world.exchange.faults.add(Http(503, {"Retry-After": "37"}), "Sync", nth=2)
    world.sync()
    assert world.sleeps == [37.0]
    assert [event.seconds for event in world.told(Waiting)] == [37.0]
    assert len(world.subjects()) == 5


def test_retry_after_date(world: World) -> None:
    """The date counts from the server's own clock."""
    fill(world)
    when = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    world.exchange.faults.add(Http(503, {"Retry-After": when}), "Sync", nth=2)
    world.sync()
    (waited,) = world.sleeps
    assert 80 <= waited <= 90
    assert len(world.subjects()) == 5


def test_retry_after_beyond_patience(world: World) -> None:
    """An hour is not waited for, nor is the server asked once more before it is over."""
    fill(world)
    world.exchange.faults.add(Http(503, {"Retry-After": "3600"}), "Sync", nth=2, times=None)
    with pytest.raises(ServerBusy) as caught:
        world.sync()
    assert caught.value.retry_after == 3600
    assert world.sleeps == []
    assert commands(world).count("Sync") == 2
    world.exchange.faults.clear()
    world.sync()
    assert len(world.subjects()) == 5


def test_busy_for_ever_ends(world: World) -> None:
    fill(world)
    world.exchange.faults.add(Http(503), "FolderSync", times=None)
    with pytest.raises(ServerBusy):
        world.sync()
    assert world.sleeps == [1.0, 4.0, 15.0, 45.0]


@pytest.mark.parametrize("code", [111, 16, 5])
def test_status_that_says_later(world: World, code: int) -> None:
    fill(world)
    world.exchange.faults.add(Status(code), "Sync", nth=2)
    world.sync()
    assert world.sleeps == [1.0]
    assert len(world.subjects()) == 5


def test_one_collection_is_busy(world: World) -> None:
    """The others are not held up by it, and it gets another turn."""
    fill(world)
    deliver(world.alice, mail("sent"), folder="Sent Items")
    world.exchange.faults.add(Status(16, collection="1"), "Sync", nth=2)
    world.sync()
    assert len(world.subjects()) == 5
    assert world.subjects("Sent Items") == ["sent"]
    assert world.sleeps == [1.0]
    world.exchange.faults.add(Status(16, collection="1"), "Sync", times=None)
    deliver(world.alice, mail("sent too"), folder="Sent Items")
    with pytest.raises(ServerBusy):
        world.sync()
    assert len(world.subjects("Sent Items")) == 2


def test_busy_server_large_window(world: World) -> None:
    """A server that fails over large windows gets smaller ones."""
    fill(world, 30)

    world.exchange.faults.add(Http(500), "Sync", times=None, when=lambda r: any(w > 12 for w in windows(r)))
    world.sync()
    assert len(world.subjects()) == 30


def windows(request: Any) -> list[int]:
    """WindowSizes of a recorded request."""
    sizes: list[int] = []

    def walk(node: Any) -> None:
        tag, content = node
        if tag == "AirSync:WindowSize":
            sizes.append(int(content))
        for child in content if isinstance(content, list) else ():
            walk(child)

    walk(decode(request.body))
    return sizes


@pytest.mark.parametrize("action", [Http(507), Status(113)])
def test_full_mailbox(world: World, action: Any) -> None:
    world.exchange.faults.add(action, "Sync")
    with pytest.raises(MailboxFull):
        world.sync()


def test_busy_server_loses_no_attachment(world: World) -> None:
    """What a busy server does not give today is fetched by the next run."""
    for number in range(3):
        deliver(world.alice, mail(f"a{number}", attachments=((f"{number}.bin", noise(150_000, number)),)))
    world.exchange.faults.add(Http(500), "ItemOperations", times=5)
    world.sync()
    with Store.open(world.path, KEY) as store:
        assert store.stats()["attachments"] == {"stored": 2, "pending": 1}
        assert store.stats()["unindexed"] == 0
    world.sync()
    with Store.open(world.path, KEY) as store:
        assert store.stats()["attachments"] == {"stored": 3}


def test_busy_server_small_attachments(world: World) -> None:
    for number in range(3):
        deliver(world.alice, mail(f"a{number}", attachments=((f"{number}.bin", noise(1_500, number)),)))
    world.exchange.faults.add(Http(503, {"Retry-After": "7200"}), "ItemOperations", times=1)
    with pytest.raises(ServerBusy):
        world.sync()
    assert commands(world).count("ItemOperations") == 1
    world.sync()
    with Store.open(world.path, KEY) as store:
        assert store.stats()["attachments"] == {"stored": 3}


# -- connections that are cut


@pytest.mark.parametrize("action", [Drop(), LoseResponse(), CutAfter(0), CutAfter(40)])
@pytest.mark.parametrize("command", ["Provision", "FolderSync", "Sync", "GetItemEstimate", "ItemOperations"])
def test_cut_connection(make_world: Callable[..., World], command: str, action: Any) -> None:
    """Before and after the server acted: nothing twice, nothing missing."""
    world = make_world(cookies=False)  # a cut answer may have carried them
    fill(world)
    deliver(world.alice, mail("a", attachments=(("a.bin", noise(150_000)), ("b.bin", noise(1_500)))))
    world.exchange.faults.add(action, command, times=1)
    world.exchange.faults.add(action, command, nth=3, times=1)
    report = world.sync()
    assert world.subjects() == ["a", *[f"mail {number}" for number in range(5)]]
    assert report.added == 6
    assert world.snapshot()["incomplete blobs"] == 0
    again = world.sync()
    assert (again.added, again.changed, again.deleted, again.fetched) == (0, 0, 0, 0)


def test_lost_answer_with_changes(world: World) -> None:
    ids = fill(world)
    world.sync()
    world.alice.delete(ids[0])
    world.alice.mark_read(ids[1])
    fill(world, 2, first=10)
    world.exchange.faults.add(LoseResponse(), "Sync")
    report = world.sync()
    assert (report.added, report.changed, report.deleted) == (2, 1, 1)
    assert len(world.subjects()) == 6


def test_cut_for_ever(world: World) -> None:
    world.exchange.faults.add(Drop(), "FolderSync", times=None)
    with pytest.raises(ConnectionFailed):
        world.sync()
    assert commands(world).count("FolderSync") == 3


def test_no_server_at_all(world: World) -> None:
    world.exchange.stop()
    with pytest.raises(ConnectionFailed) as caught:
        world.sync()
    assert "alice" not in str(caught.value)


def test_slow_bytes(world: World) -> None:
    fill(world, 2)
    world.exchange.faults.add(Drip(0.001, 60), "Sync", times=None)
    world.sync({"default_network_timeout": "1"})
    assert len(world.subjects()) == 2


def test_the_network_timeout_is_the_configured_one(world: World) -> None:
    fill(world, 2)
    world.exchange.faults.add(Stall(1.3), "FolderSync", times=None)
    with pytest.raises(NetworkTimeout, match="1 s"):
        world.sync({"default_network_timeout": "1"})
    world.sync({"default_network_timeout": "2"})
    assert [network.timeout for network in world.networks] == [1.0, 2.0]
    assert len(world.subjects()) == 2


def test_bytes_without_an_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every byte comes in time, the answer never ends: the whole request has a deadline too."""
    fill(world, 5)
    monkeypatch.setattr(driver, "DEADLINE_FACTOR", 0.2)
    world.exchange.faults.add(Drip(0.05, 1), "FolderSync", times=None)
    with pytest.raises(NetworkTimeout, match="did not end"):
        world.sync({"default_network_timeout": "1"})


# -- answers that are none


@pytest.mark.parametrize(
    ("action", "error"),
    [
        (Garbage(), WbxmlError),
        (Garbage(b"\x00" * 40), WbxmlError),
        (Truncated(), WbxmlError),
        (Truncated(1), WbxmlError),
        (Truncated(30), WbxmlError),
        (ContentType("text/html; charset=utf-8"), MalformedResponse),
        (Garbage(b"<html><body>Sign in</body></html>"), WbxmlError),
    ],
)
def test_unreadable_answer_changes_nothing(world: World, action: Any, error: type[EmailplusError]) -> None:
    ids = fill(world)
    world.sync()
    before = world.snapshot()
    world.alice.delete(ids[0])
    fill(world, 2, first=10)
    world.exchange.faults.add(action, "Sync")
    with pytest.raises(error):
        world.sync()
    assert world.snapshot() == before
    report = world.sync()
    assert (report.added, report.deleted) == (2, 1)


@pytest.mark.parametrize("value", ["", "application/octet-stream", "application/vnd.ms-sync", "text/plain"])
def test_wrong_content_type_of_a_good_answer(world: World, value: str) -> None:
    fill(world)
    world.exchange.faults.add(ContentType(value), times=None)
    world.sync()
    assert len(world.subjects()) == 5


@pytest.mark.parametrize("action", [Garbage(), Truncated(), Garbage(b"<html></html>"), Truncated(30)])
@pytest.mark.parametrize("size", [1_500, 150_000])
def test_unreadable_attachment(world: World, action: Any, size: int) -> None:
    """Once: it is asked for again. For ever: it is settled with a reason, and the others come."""
    deliver(world.alice, mail("a", attachments=(("a.bin", noise(size, 1)), ("b.bin", noise(size, 2)))))
    world.exchange.faults.add(action, "ItemOperations")
    world.sync()
    found = world.snapshot()
    assert {row[0]: row[3] for row in next(iter(found["messages"].values()))[-1]} == {
        "a.bin": "stored",
        "b.bin": "stored",
    }
    assert [row[5] for row in next(iter(found["messages"].values()))[-1]] == [noise(size, 1), noise(size, 2)]
    deliver(world.alice, mail("c", attachments=(("c.bin", noise(size, 3)),)))
    world.exchange.faults.add(action, "ItemOperations", times=None)
    report = world.sync()
    assert [trouble.name for trouble in report.failed] == ["c.bin"]
    assert report.news_of_trouble
    assert not world.sync().news_of_trouble
    assert world.snapshot()["incomplete blobs"] == 0


def test_empty_answers(world: World) -> None:
    """A 200 without a body says that nothing changed; it proves nothing gone."""
    fill(world)
    world.sync()
    before = world.snapshot()
    fill(world, 2, first=10)
    world.exchange.faults.add(Empty(), "Sync")
    world.sync()
    assert world.snapshot() == before
    world.sync()
    assert len(world.subjects()) == 7


def test_empty_answer_in_the_middle_of_a_pass_removes_nothing(world: World) -> None:
    fill(world, 250)
    world.sync()
    world.exchange.forget_sync_state("alice")
    # 1: key refused; 2, 3: new keys; 4: the first hundred; then silence where more was promised.
    world.exchange.faults.add(Empty(), "Sync", nth=4, times=None)
    world.sync()
    assert len(world.subjects()) == 250
    world.exchange.faults.clear()
    world.sync()
    found = world.snapshot()
    assert (found["count"], found["open passes"]) == (250, 0)


@pytest.mark.parametrize("action", [Chunked(7), Chunked(4096), Gzip(True), Gzip(False)])
def test_carried_otherwise(world: World, action: Any) -> None:
    fill(world)
    deliver(world.alice, mail("a", attachments=(("a.bin", noise(150_000)), ("b.bin", noise(1_500)))))
    world.exchange.faults.add(action, times=None)
    world.sync()
    found = [row for row in world.snapshot()["messages"].values() if row[0] == "a"]
    assert [attachment[5] for attachment in found[0][-1]] == [noise(150_000), noise(1_500)]


def test_answer_that_is_too_large(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Smaller windows are asked for until the answers fit; one that never fits is an error by name."""
    for number in range(20):
        deliver(world.alice, mail(f"mail {number}", f"{noise(4_000, number).hex()}\n"))
    monkeypatch.setattr(driver, "MAX_BODY", 60_000)
    world.sync()
    assert len(world.subjects()) == 20
    deliver(world.alice, mail("large", "".join(f"{noise(40, n).hex()}\n" for n in range(1_500))))
    with pytest.raises(ResponseTooLarge):
        world.sync()


# -- sync keys


def test_status_3_compares_and_removes_nothing_early(world: World) -> None:
    ids = fill(world, 250)
    world.sync()
    with Store.open(world.path, KEY) as store:
        local = dict(store.database.all("SELECT subject, id FROM messages"))
    for server_id in ids[:10]:
        world.alice.delete(server_id)
    fill(world, 3, first=500)
    world.exchange.forget_sync_state("alice")
    seen: list[tuple[int, int]] = []

    def watch(event: Any) -> None:
        if isinstance(event, WindowStored):
            database = mailbox.store.database
            seen.append(
                (
                    database.scalar("SELECT count(*) FROM messages WHERE gone = 0"),
                    database.scalar("SELECT pass_open FROM folders WHERE type = 2"),
                )
            )

    with world.open() as mailbox:
        report = mailbox.sync(listener=watch)
    assert [is_open for _, is_open in seen].count(1) >= 2
    assert all(count >= 250 for count, is_open in seen if is_open)
    assert (report.added, report.deleted, report.changed) == (3, 10, 0)
    assert len(world.subjects()) == 243
    with Store.open(world.path, KEY) as store:
        after = dict(store.database.all("SELECT subject, id FROM messages"))
    assert all(local[subject] == number for subject, number in after.items() if subject in local)


def test_status_3_for_ever(world: World) -> None:
    fill(world)
    world.sync()
    world.exchange.faults.add(Status(3, collection="1"), "Sync", times=None, when=windows)
    with pytest.raises(InvalidSyncKey):
        world.sync()
    assert len(world.subjects()) == 5


@pytest.mark.parametrize("code", [132, 134, 136])
def test_lost_state_said_of_the_whole_command(world: World, code: int) -> None:
    fill(world)
    world.sync()
    fill(world, 2, first=10)
    world.exchange.faults.add(Status(code), "Sync")
    report = world.sync()
    assert (report.added, report.deleted) == (2, 0)
    assert len(world.subjects()) == 7


def test_folder_sync_status_9(world: World) -> None:
    fill(world)
    world.sync()
    world.alice.create_folder("Fresh")
    world.exchange.faults.add(Status(9), "FolderSync")
    world.sync()
    assert len(world.subjects()) == 5
    assert any(row[2] == "Fresh" for row in world.snapshot()["folders"])


def test_sync_status_12(world: World) -> None:
    fill(world)
    world.exchange.faults.add(Status(12), "Sync", nth=2)
    world.sync()
    assert len(world.subjects()) == 5
    assert commands(world).count("FolderSync") == 2


@pytest.mark.parametrize("code", [12, 8])
def test_folder_list_changes_for_ever(world: World, code: int) -> None:
    fill(world)
    world.exchange.faults.add(Status(code, collection="1" if code == 8 else None), "Sync", nth=2, times=None)
    with pytest.raises(CommandFailed):
        world.sync()
    assert commands(world).count("FolderSync") == 3


def test_folder_gone_between_list_and_sync(world: World) -> None:
    world.alice.create_folder("Projects")
    deliver(world.alice, mail("project"), folder="Projects")
    fill(world)
    world.sync()
    fill(world, 1, first=10)
    folder = world.alice.folder("Projects").server_id
    world.exchange.faults.add(Status(8, collection=folder), "Sync")
    world.alice.delete_folder("Projects")
    world.sync()
    assert len(world.subjects()) == 6
    assert not any(row[2] == "Projects" for row in world.snapshot()["folders"])


def test_too_many_collections(make_world: Callable[..., World]) -> None:
    """Status 15: fewer at a time, and none is forgotten over it."""
    world = make_world(max_collections=3)
    for number in range(8):
        world.alice.create_folder(f"F{number}")
        deliver(world.alice, mail(f"in {number}"), folder=f"F{number}")
    world.sync()
    assert [world.subjects(f"F{number}") for number in range(8)] == [[f"in {number}"] for number in range(8)]
    for number in range(8):
        deliver(world.alice, mail(f"again {number}"), folder=f"F{number}")
    report = world.sync()
    assert report.added == 8


def test_server_that_answers_for_fewer_collections(world: World) -> None:
    """A collection that an answer leaves out is not taken for empty."""
    fill(world, 3)
    deliver(world.alice, mail("sent"), folder="Sent Items")
    sent = world.alice.folder("Sent Items").server_id

    def without(node: Any) -> Any:
        tag, content = node
        if tag == "AirSync:Collections":
            kept = [c for c in content if ("AirSync:CollectionId", sent) not in c[1]]
            return tag, kept or content
        return tag, [without(child) for child in content] if isinstance(content, list) else content

    world.exchange.faults.add(Rewrite(without), "Sync", nth=2, times=1)
    world.sync()
    assert world.subjects("Sent Items") == ["sent"]
    world.exchange.forget_sync_state("alice")
    world.exchange.faults.add(Rewrite(without), "Sync", nth=1, times=None)
    world.sync()
    assert world.subjects("Sent Items") == ["sent"]
    assert len(world.subjects()) == 3


def test_x_ms_rp(world: World) -> None:
    """The server orders a full resynchronisation: FolderSync and Sync from the start, losing nothing."""
    fill(world)
    world.sync()
    before = world.snapshot()
    for command in ("FolderSync", "Sync"):
        world.exchange.requests.clear()
        world.exchange.faults.add(ExtraHeaders({"X-MS-RP": "14.0"}), command)
        report = world.sync()
        assert (report.added, report.changed, report.deleted) == (0, 0, 0), command
        keys = [r.tree[1][0][1] for r in world.exchange.requests.of("FolderSync")]
        assert "0" in keys, command
        assert any("full resynchronisation" in text for text in report.warnings)
        assert world.snapshot() == before


def test_x_ms_rp_in_every_answer(world: World) -> None:
    fill(world)
    world.exchange.faults.add(ExtraHeaders({"X-MS-RP": "14.0"}), times=None)
    world.sync()
    assert len(world.subjects()) == 5
    assert len(world.exchange.requests) < 40


def test_poisoned_item_is_kept_apart(world: World) -> None:
    fill(world, 3)
    deliver(world.alice, mail("poisoned"))
    fill(world, 3, first=10)
    world.exchange.faults.add(Rewrite(poison("poisoned")), "Sync", times=None)
    report = world.sync()
    assert len(world.subjects()) == 6
    assert [trouble.new for trouble in report.quarantined] == [True]
    (kept,) = world.snapshot()["quarantine"]
    assert b"some day" in kept[1]
    assert b"poisoned" in kept[1]
    again = world.sync()
    assert [trouble.new for trouble in again.quarantined] == [False]
    assert not again.news_of_trouble
    world.exchange.faults.clear()
    world.exchange.forget_sync_state("alice")
    world.sync()
    assert world.snapshot()["quarantine"] == []
    assert "poisoned" in world.subjects()


# -- wiping


def test_wipe(world: World) -> None:
    """The store is destroyed first, then the order is acknowledged."""
    fill(world)
    world.sync()
    world.exchange.remote_wipe("alice")
    there: list[bool] = []
    world.exchange.faults.add(
        Chunked(100), "Provision", nth=2, when=lambda _: there.append(world.path.exists()) or False
    )
    with pytest.raises(RemoteWiped) as caught:
        world.sync()
    assert caught.value.exit_code == 6
    assert there[-1] is False  # gone when the acknowledgement came
    assert not any(world.folder.glob("store.db*"))
    (device,) = world.exchange.devices_of("alice")
    assert device.wiped == "all"


def test_wipe_whose_acknowledgement_is_lost(make_world: Callable[..., World]) -> None:
    """The store is gone all the same; the server orders it again, and the next run acknowledges."""
    world = make_world(cookies=False)  # they went with the store
    fill(world)
    world.sync()
    world.exchange.remote_wipe("alice")
    world.exchange.faults.add(Drop(), "Provision", nth=2, times=None)
    with pytest.raises(ConnectionFailed):
        world.sync()
    assert not world.path.exists()
    world.exchange.faults.clear()
    with pytest.raises(RemoteWiped):
        world.sync()
    (device,) = world.exchange.devices_of("alice")
    assert device.wiped == "all"


def test_account_only_wipe(world: World) -> None:
    fill(world)
    world.sync(version="16.1")
    world.exchange.remote_wipe("alice", account_only=True)
    with pytest.raises(RemoteWiped) as caught:
        world.sync(version="16.1")
    assert caught.value.exit_code == 6
    (device,) = world.exchange.devices_of("alice")
    assert device.wiped == "account"
    with Store.open(world.path, KEY) as store:
        assert store.stats()["items"] == {"Email": 0}
        assert store.stats()["folders"] == 0
        assert store.account() == {}


# -- small things


def test_cookies_outlive_a_run(world: World) -> None:
    """The mock's judgement at the end of every test asks for them; here is the proof that they are sent."""
    fill(world, 1)
    world.sync()
    world.exchange.requests.clear()
    world.sync()
    (device,) = world.exchange.devices_of("alice")
    assert all(device.cookies["X-BackEndCookie"] in request.header("Cookie") for request in world.exchange.requests)


def test_https_demanded_later_leaves_no_request_on_http(make_world: Callable[..., World]) -> None:
    world = make_world(tls=True, cookies=False)  # another port is another account: it knows nothing of the first
    fill(world, 1)
    world.sync()
    world.exchange.requests.clear()
    host = world.exchange.url_tls.split("/")[2]
    with world.open() as mailbox:
        facts = mailbox.store.account()
    keys = {
        "email_exchange_host": host,
        "email_ssl_required": "true",
        "email_certificate_1": root_of(world),
    }
    world.sync(keys)
    assert facts["endpoint"].startswith("http://")
    assert all(request.secure for request in world.exchange.requests)


def test_same_host_https_demanded(tmp_path: Any) -> None:
    """Only email_ssl_required changes: the remembered address is not used any more."""
    from .world import config

    with Store.open(tmp_path / "s.db", KEY) as store:
        put_in_force(store, config("mail.example.test"), now=NOW)
        from emailplus.model.changes import SaveAccount

        store.apply(SaveAccount({"endpoint": "http://mail.example.test/x", "options_at": "1", "version": "16.1"}))
        change = put_in_force(store, config("mail.example.test", email_ssl_required="true"), now=NOW)
        assert change.notices == ()
        assert "options_at" not in store.account()
        assert "endpoint" not in store.account()


@pytest.mark.parametrize("keys", [{}, {"disabled_features": "local_cache_all"}])
@pytest.mark.parametrize("tag", ["Add", "Change"])
def test_second_chance_of_a_quarantined_item_ends(world: World, tag: str, keys: dict[str, str]) -> None:
    """Read by a later version, of a message that may not be in the store: it is settled, not tried for ever."""
    fill(world, 1)
    world.sync(keys)
    properties = [("Email:Subject", "second chance"), ("Email:DateReceived", "2026-11-24T10:00:00.000Z")]
    raw = encode((f"AirSync:{tag}", [("AirSync:ServerId", "1:99"), ("AirSync:ApplicationData", properties)]))
    with Store.open(world.path, KEY) as store:
        store.database.execute(
            "INSERT INTO quarantine (folder_id, server_id, raw, error, version) "
            "SELECT id, '1:99', ?, 'unknown', '0.0' FROM folders WHERE type = 2",
            (raw,),
        )
    world.sync(keys)
    assert world.snapshot()["quarantine"] == []
    assert ("second chance" in world.subjects()) == (tag == "Add" and not keys)
