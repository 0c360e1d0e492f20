"""The traffic log: readable, complete, without a value that is somebody's, and never in the way."""

from __future__ import annotations

import asyncio
import errno
import re
from pathlib import Path
from typing import Any

import pytest

from emailplus.config.keys import KEYS as CONFIG_KEYS
from emailplus.diagnosis import traffic
from emailplus.diagnosis.traffic import TrafficLog
from emailplus.eas import wbxml_xml
from emailplus.eas.code_pages import TAG_TOKENS
from emailplus.eas.http import CONTENT_TYPE
from emailplus.eas.wbxml import Node, decode, encode
from emailplus.errors import ConnectionFailed, PolicyDenied, UsageError
from emailplus.flow import HttpRequest, HttpResponse
from emailplus.mailbox import AsyncMailbox
from emailplus.mock import Garbage, Http

from ..flows.world import KEY, World, deliver, mail, noise
from .planted import CONTENT, KEYS, PASSWORD, fill, found_in


def synced(world: World, keys: dict[str, Any] = KEYS, **options: Any) -> str:
    path = world.folder / "traffic.txt"
    with world.open(keys) as mailbox:
        mailbox.traffic_log(path, **options)
        mailbox.sync()
    return path.read_text("utf-8")


def bodies(text: str) -> list[str]:
    """The XML documents of a log."""
    form = r"^<(?:\w+)[^>\n]*/>$|^<(\w+)[^>\n]*>[^\n]*</\1>$|^<(\w+)[^>\n]*>\n(?:.*\n)*?</\2>$"
    return [found[0] for found in re.finditer(form, text, re.M)]


def test_every_exchange_is_there(world: World) -> None:
    fill(world)
    text = synced(world)
    sent = [request.command for request in world.exchange.requests]
    assert re.findall(r"^## \d+ (\w+) ", text, re.M) == sent
    assert text.count("\n< HTTP 200,") == len(sent)
    documents = [wbxml_xml.from_xml(body) for body in bodies(text)]
    assert {root[0] for root in documents} >= {"Provision:Provision", "FolderHierarchy:FolderSync", "AirSync:Sync"}
    for shown in (
        "<WindowSize>",
        "<SyncKey>0</SyncKey>",
        "<FilterType>0</FilterType>",
        "<Type>2</Type>",
        "<PolicyType>",
    ):
        assert shown in text


def test_values_are_replaced_by_their_sizes(world: World) -> None:
    fill(world)
    text = synced(world)
    assert found_in(text) == []
    subject = "Quartalszahlen für Ulrike"
    assert f">({len(subject)} characters)</Subject>" in text
    assert re.search(r"<Data[^>]*>\(\d+ bytes\)</Data>|<Data>\(\d+ characters\)</Data>", text)


def test_full_only_on_demand_and_without_credentials(world: World) -> None:
    fill(world)
    text = synced(world, full=True)
    assert text.startswith("# emailplus traffic log")
    assert "FULL: this file holds mail in the clear" in text.splitlines()[0]
    assert "Quartalszahlen" in text
    assert PASSWORD not in text
    assert re.findall(r"^> Authorization: (.*)$", text, re.M | re.I)
    assert set(re.findall(r"^[<>] (?:Authorization|Cookie|Set-Cookie): (.*)$", text, re.M | re.I)) == {"(hidden)"}


def test_base64_queries_name_the_command_only(world: World) -> None:
    path = world.folder / "traffic.txt"
    with world.open(KEYS, query_form="base64") as mailbox:
        mailbox.traffic_log(path)
        mailbox.sync()
    text = path.read_text("utf-8")
    assert found_in(text) == []
    assert re.findall(r"^## \d+ (\w+) ", text, re.M) == [request.command for request in world.exchange.requests]


def test_needs_allow_logging(world: World) -> None:
    path = world.folder / "traffic.txt"
    with world.open({**KEYS, "allow_logging": "false"}) as mailbox:
        with pytest.raises(PolicyDenied, match="allow_logging") as refused:
            mailbox.traffic_log(path)
        mailbox.sync()
    assert refused.value.rule == "allow_logging"
    assert refused.value.rule in {key.name for key in CONFIG_KEYS}
    assert not path.exists()


def test_readable_by_its_owner_only_and_ends_with_the_mailbox(world: World) -> None:
    path = world.folder / "traffic.txt"
    with world.open(KEYS) as mailbox:
        log = mailbox.traffic_log(path)
        mailbox.sync()
    assert path.stat().st_mode & 0o777 == 0o600
    size = path.stat().st_size
    log.answered(HttpRequest("POST", "http://x/"), HttpResponse(200, {}), 0, 0.0)  # closed: nothing happens
    assert path.stat().st_size == size


def test_an_async_mailbox_has_it_too(world: World) -> None:
    path = world.folder / "traffic.txt"

    async def run() -> None:
        async with await AsyncMailbox.open(world.config(**KEYS), store=world.path, key=KEY) as mailbox:
            await mailbox.traffic_log(path)
            await mailbox.sync()

    asyncio.run(run())
    assert "FolderSync" in path.read_text("utf-8")


def test_what_is_streamed_or_broken_is_described(world: World) -> None:
    deliver(world.alice, mail("large", attachments=(("l.bin", noise(2_000_000)),)))
    world.exchange.faults.add(Garbage(), "FolderSync")
    path = world.folder / "traffic.txt"
    with world.open({"allow_logging": "true", "email_password": PASSWORD}) as mailbox:
        mailbox.traffic_log(path)
        with pytest.raises(Exception, match=r"WBXML|byte"):
            mailbox.sync()
        mailbox.sync()
    text = path.read_text("utf-8")
    assert re.search(r"bytes that are not readable WBXML, at byte \d+\)|bytes of ", text)
    assert "(streamed into the store)" in text
    assert path.stat().st_size < 200_000


# The log by itself.


def exchange(log: TrafficLog, request: Node | None, answer: Node | None, **headers: str) -> None:
    sent = encode(request or ("AirSync:Sync", None))
    kind = {"content-type": CONTENT_TYPE, **headers}
    log.answered(
        HttpRequest("POST", "http://x/y?Cmd=Sync&User=alice", {"Content-Type": CONTENT_TYPE}, sent),
        HttpResponse(200, kind, encode(answer) if answer else b""), 10, 0.1,
    )  # fmt: skip


def test_no_element_lets_a_sentence_through(tmp_path: Path) -> None:
    """Every element of every code page, with a text that nobody would take for a number or a state."""
    log = TrafficLog(tmp_path / "t")
    sentence = 'Wir treffen uns morgen um 10, sagt Ulrike <"ulrike@example.test">'
    for tag in sorted(TAG_TOKENS):
        exchange(log, (tag, sentence), (tag, [(tag, sentence.encode()), (tag, sentence)]))
    log.close()
    text = (tmp_path / "t").read_text("utf-8")
    assert text.count("\n## ") == len(TAG_TOKENS)
    assert "lrike" not in text


@pytest.mark.parametrize("table", [traffic.SHOWN, traffic.IDENTIFIERS])
def test_the_tables_name_elements_that_exist(table: dict[str, frozenset[str]]) -> None:
    named = {f"{namespace}:{name}" for namespace, names in table.items() for name in names}
    assert named <= set(TAG_TOKENS)
    assert not named & traffic.SECRET
    assert set(TAG_TOKENS) >= traffic.SECRET


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("tag", sorted(traffic.SECRET))
def test_credentials_are_in_neither_form(tag: str, full: bool, tmp_path: Path) -> None:
    log = TrafficLog(tmp_path / "t", full=full)
    exchange(log, (tag, "geheim"), (tag, b"geheim"))
    log.close()
    text = (tmp_path / "t").read_text("utf-8")
    assert "geheim" not in text
    assert "Z2VoZWlt" not in text


def test_ids_made_of_names_become_the_same_digest(tmp_path: Path) -> None:
    log = TrafficLog(tmp_path / "t")
    exchange(log, ("AirSync:CollectionId", "mail/Projekte"), ("AirSync:CollectionId", "mail/Projekte"))
    exchange(log, ("AirSync:CollectionId", "mail/Anderes"), ("AirSync:ServerId", "5:17"))
    log.close()
    text = (tmp_path / "t").read_text("utf-8")
    digests = re.findall(r"\(id ([0-9a-f]+)\)", text)
    assert len(digests) == 3
    assert digests[0] == digests[1] != digests[2]
    assert "Projekte" not in text
    assert ">5:17<" in text
    other = TrafficLog(tmp_path / "u")
    exchange(other, ("AirSync:CollectionId", "mail/Projekte"), None)
    other.close()
    assert digests[0] not in (tmp_path / "u").read_text("utf-8")  # nobody can look a digest up


def test_the_full_form_loses_nothing(tmp_path: Path) -> None:
    log = TrafficLog(tmp_path / "t", full=True)
    root: Node = (
        "AirSync:Sync",
        [("Email:Subject", "ümläut \x01 'x'"), ("AirSyncBase:Data", b"\x00\xff"), ("Email:Body", "")],
    )
    exchange(log, None, root)
    log.close()
    assert wbxml_xml.from_xml(bodies((tmp_path / "t").read_text("utf-8"))[-1]) == decode(encode(root))


def test_it_is_bounded_and_keeps_the_end(tmp_path: Path) -> None:
    path = tmp_path / "t"
    log = TrafficLog(path, limit=40_000)
    for number in range(2_000):
        exchange(log, ("AirSync:WindowSize", str(number)), None)
    log.close()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["t", "t.1"]
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 41_000
    assert "## 2000 Sync" in path.read_text("utf-8")


def test_one_body_is_bounded(tmp_path: Path) -> None:
    log = TrafficLog(tmp_path / "t", full=True)
    exchange(log, None, ("Email:Subject", "x" * 3_000_000))
    log.close()
    text = (tmp_path / "t").read_text("utf-8")
    assert len(text) < 1_100_000
    assert "more characters)" in text
    huge = TrafficLog(tmp_path / "h")
    huge.answered(
        HttpRequest("POST", "http://x/"), HttpResponse(200, {"content-type": CONTENT_TYPE}, b"\x03" * (9 << 20)), 1, 0
    )
    assert "too many to be written out" in (tmp_path / "h").read_text("utf-8")
    huge.close()


@pytest.mark.parametrize(
    "data", [b"", b"\x01", b"\x00" * 7, b"\x05\x00\x00\x00", b"\xff" * 40, b"\x01\x00\x00\x00" + b"\xff" * 8]
)
def test_broken_multipart_is_described(data: bytes, tmp_path: Path) -> None:
    log = TrafficLog(tmp_path / "t")
    kind = {"content-type": "application/vnd.ms-sync.multipart"}
    log.answered(HttpRequest("POST", "http://x/"), HttpResponse(200, kind, data), len(data), 0.0)
    log.close()
    assert "HTTP 200" in (tmp_path / "t").read_text("utf-8")


def test_multipart_shows_its_first_part(tmp_path: Path) -> None:
    document = encode(("ItemOperations:ItemOperations", [("ItemOperations:Status", "1")]))
    data = (
        b"".join(number.to_bytes(4, "little") for number in (2, 20, len(document), 20 + len(document), 5))
        + document
        + b"Inhal"
    )
    log = TrafficLog(tmp_path / "t")
    kind = {"content-type": "application/vnd.ms-sync.multipart; charset=x"}
    log.answered(HttpRequest("POST", "http://x/"), HttpResponse(200, kind, data), len(data), 0.0)
    log.close()
    text = (tmp_path / "t").read_text("utf-8")
    assert "<Status>1</Status>" in text
    assert "(part 1: 5 bytes)" in text
    assert "Inhal" not in text


def test_a_request_without_an_answer(tmp_path: Path) -> None:
    log = TrafficLog(tmp_path / "t")
    log.unanswered(HttpRequest("POST", "http://x/?Cmd=Ping"), ConnectionFailed("to Ulrike"), 2.0)
    log.close()
    text = (tmp_path / "t").read_text("utf-8")
    assert "< no answer in 2.000 s: ConnectionFailed" in text
    assert "Ulrike" not in text


def test_a_full_disk_ends_the_log_not_the_sync(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    deliver(world.alice, mail("one"))
    with world.open(KEYS) as mailbox:
        log = mailbox.traffic_log(world.folder / "traffic.txt")

        assert log._file is not None
        log._file.close()

        class Full:
            def write(self, text: str) -> None:
                raise OSError(errno.ENOSPC, "No space left on device")

            def close(self) -> None: ...

        monkeypatch.setattr(log, "_file", Full())
        report = mailbox.sync()
    assert report.added == 1
    assert "No space left" in log.failure
    assert any("traffic log ended early" in warning for warning in report.warnings)


def test_a_place_that_cannot_be_written(world: World) -> None:
    with world.open(KEYS) as mailbox, pytest.raises(UsageError, match="traffic log"):
        mailbox.traffic_log(world.folder / "no" / "such" / "folder")


def test_a_401_shows_no_challenge(world: World) -> None:
    world.exchange.faults.add(Http(401, {"WWW-Authenticate": "Basic realm=Quartalszahlen"}), "FolderSync", times=9)
    path = world.folder / "traffic.txt"
    with world.open(KEYS) as mailbox:
        mailbox.traffic_log(path)
        with pytest.raises(Exception, match="401"):
            mailbox.sync()
    text = path.read_text("utf-8")
    assert "< HTTP 401" in text
    assert not [word for word in CONTENT if word in text]
