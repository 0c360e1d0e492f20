"""A server that refuses: credentials, blocks, policies, redirects, busy hours, orders to wipe."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from emailplus.errors import (
    AuthenticationFailed,
    ConnectionFailed,
    DeviceBlocked,
    EmailplusError,
    MailboxFull,
    RedirectLoop,
    RemoteWiped,
    ServerBusy,
)
from emailplus.mock import (
    Chunked,
    Drop,
    Http,
    MockPolicy,
    Status,
)
from emailplus.model.events import Waiting
from emailplus.store.store import Store

from .world import KEY, World, commands, deliver, fill, mail, noise, root_of, windows

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
