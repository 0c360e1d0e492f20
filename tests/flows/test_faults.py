"""What goes wrong on the way between us and a server, and in its answers; what the client does about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from emailplus import driver
from emailplus.eas.wbxml import encode
from emailplus.errors import (
    CommandFailed,
    ConnectionFailed,
    EmailplusError,
    InvalidSyncKey,
    MalformedResponse,
    NetworkTimeout,
    ResponseTooLarge,
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
    LoseResponse,
    Rewrite,
    Stall,
    Status,
    Truncated,
)
from emailplus.model.events import WindowStored
from emailplus.reconfigure import put_in_force
from emailplus.store.store import Store

from .world import KEY, NOW, World, commands, deliver, fill, mail, noise, poison, root_of, windows

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
