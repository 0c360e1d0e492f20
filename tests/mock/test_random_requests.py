"""Requests nobody would write: whatever arrives, the mock answers, validly, and keeps standing."""

from __future__ import annotations

import base64
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emailplus.eas.wbxml import Content, Node, encode
from emailplus.mock import Exchange, Fault, MockPolicy, MockUser, Request
from emailplus.mock.commands import COMMANDS
from emailplus.mock.context import Answer, Hold
from emailplus.mock.schema import RULES
from emailplus.mock.versions import COMMAND_VERSIONS, VERSIONS, tag_valid

from .conftest import NOW
from .mail import ENVELOPED, MIXED, PLAIN, SIGNED
from .validate import AVAILABLE, problems

TOKEN = base64.b64encode(b"alice:alice-secret").decode()
TEXTS = ("", "0", "1", "2", "4", "5", "12", "60", "1:1", "1:2", "1%3a2%3a0", "Mailbox", "GAL", "Email", "0-5", "käse")


def new_exchange(policy: bool = False) -> Exchange:
    users = [MockUser(f"{name}@example.test", name, f"{name}-secret") for name in ("alice", "bob")]
    exchange = Exchange(users, clock=lambda: NOW, policy=MockPolicy() if policy else None)
    for raw in (PLAIN, MIXED, SIGNED, ENVELOPED, b"", b"\r\n", b"\x00" * 50, b"Content-Type: multipart/mixed\r\n\r\nx"):
        exchange.user("alice").deliver(raw)
    return exchange


def ask(exchange: Exchange, command: str, version: str, body: bytes, content_type: str = "") -> Answer:
    """The answer to one request, without a socket; what waits is asked as if its time were over."""
    request = Request(
        number=1,
        method="POST",
        target=f"/Microsoft-Server-ActiveSync?Cmd={command}&User=alice&DeviceId=d1&DeviceType=t",
        http_version="1.1",
        headers=[
            ("Authorization", f"Basic {TOKEN}"),
            ("MS-ASProtocolVersion", version),
            ("Content-Type", content_type or "application/vnd.ms-sync.wbxml"),
        ],
        received=NOW,
        body=body,
    )
    exchange.strike(request)
    outcome = exchange.handle(request)
    if isinstance(outcome, Hold):
        later = outcome.poll(True)
        assert later is not None
        outcome = later
    return outcome


class Writer:
    """Random requests that follow the schema more or less."""

    def __init__(self, seed: int, keys: list[str]) -> None:
        self.random = random.Random(seed)
        self.keys = keys

    def node(self, tag: str, depth: int = 0) -> Node:
        return tag, self.content(tag, depth)

    def content(self, tag: str, depth: int) -> Content:
        row = RULES.get(tag)
        if tag == "AirSync:ApplicationData":
            names = ("Email:Read", "Email:Flag", "Email:Subject", "Email:To", "AirSyncBase:Body", "Email:Categories")
            return [self.node(name, depth + 1) for name in self.random.sample(names, 2)]
        if row is None or depth > 8 or self.random.random() < 0.03:
            return self.text(tag)
        kind, *names = row.split()
        children: list[Node] = []
        namespace = tag.partition(":")[0]
        for name in names:
            mark = name[-1]
            name = name.rstrip("?*+")
            full = name if ":" in name else f"{namespace}:{name}"
            chance = {"?": 0.4, "*": 0.6, "+": 1.0}.get(mark, 0.4 if kind == "one" else 0.97)
            while self.random.random() < chance:
                children.append(self.node(full, depth + 1))
                chance *= 0.2
        if self.random.random() < 0.1:
            self.random.shuffle(children)
        return children

    def text(self, tag: str) -> Content:
        if tag == "AirSync:SyncKey" and self.random.random() < 0.6:
            return self.random.choice([*self.keys, "0"])
        if tag.endswith(":CollectionId") and self.random.random() < 0.8:
            return self.random.choice(["1", "2", "4"])
        if tag == "ComposeMail:Mime":
            return self.random.choice([MIXED, PLAIN, b"", b"To: bob@example.test\r\n\r\nhi"])
        pick = self.random.random()
        if pick < 0.1:
            return None
        return self.random.randbytes(5) if pick < 0.15 else self.random.choice(TEXTS)


def keys_in(node: Node | None) -> list[str]:
    if node is None:
        return []
    tag, content = node
    if tag == "AirSync:SyncKey" and isinstance(content, str):
        return [content]
    return [key for child in content for key in keys_in(child)] if isinstance(content, list) else []


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("seed", range(3))
def test_random_requests_get_valid_answers(version: str, seed: int) -> None:
    exchange = new_exchange()
    number = int(version.replace(".", ""))
    keys = ["0"]
    writer = Writer(seed, keys)
    commands = [name for name, (first, last) in COMMAND_VERSIONS.items() if first <= number <= last]
    commands = [name for name in commands if COMMANDS[name].wbxml_from <= number]
    answered = 0
    for step in range(250):
        command = writer.random.choice([*commands, "Sync", "Sync", "ItemOperations"])
        if command not in commands:
            continue
        tree = writer.node(COMMANDS[command].root)
        if not tag_valid(tree[0], number):
            continue
        answer = ask(exchange, command, version, encode(tree))
        assert exchange.defects == [], (tree, exchange.defects)
        if answer.tree is not None:
            answered += 1
            encode(answer.tree)
            if AVAILABLE:
                assert problems(answer.tree, version) == [], (tree, answer.tree)
            keys[:] = [*keys, *keys_in(answer.tree)][-6:]
        if step % 25 == 0:
            exchange.user("alice").deliver(PLAIN)
    assert answered > 60


@settings(max_examples=150, deadline=None)
@given(body=st.binary(max_size=300), command=st.sampled_from(sorted(COMMANDS)), version=st.sampled_from(VERSIONS))
def test_random_bytes(body: bytes, command: str, version: str) -> None:
    exchange = new_exchange()
    for data in (body, b"\x03\x01\x6a\x00" + body):
        answer = ask(exchange, command, version, data)
        assert exchange.defects == []
        assert answer.status in (200, 400, 449, 500, 501)


@settings(max_examples=150, deadline=None)
@given(raw=st.binary(max_size=400), kind=st.sampled_from(["1", "2", "4"]))
def test_random_messages(raw: bytes, kind: str) -> None:
    exchange = new_exchange()
    server_id = exchange.user("alice").deliver(raw)
    options: list[Node] = [("AirSync:MIMESupport", "2"), ("AirSyncBase:BodyPreference", [("AirSyncBase:Type", kind)])]
    fetch: list[Node] = [
        ("ItemOperations:Store", "Mailbox"),
        ("AirSync:CollectionId", "1"),
        ("AirSync:ServerId", server_id),
        ("ItemOperations:Options", options),
    ]
    tree: Node = ("ItemOperations:ItemOperations", [("ItemOperations:Fetch", fetch)])
    answer = ask(exchange, "ItemOperations", "16.1", encode(tree))
    assert exchange.defects == []
    assert answer.tree is not None
    if AVAILABLE:
        assert problems(answer.tree, "16.1") == []


@settings(max_examples=100, deadline=None)
@given(target=st.text(max_size=80), header=st.text(max_size=40))
def test_random_lines(target: str, header: str) -> None:
    exchange = new_exchange()
    request = Request(1, "POST", f"/Microsoft-Server-ActiveSync?{target}", "1.1", [("Authorization", header)], NOW)
    exchange.strike(request)
    answer = exchange.handle(request)
    assert isinstance(answer, Answer)
    assert answer.status == 401
    request.headers[0] = ("Authorization", f"Basic {TOKEN}")
    assert isinstance(exchange.handle(request), Answer)
    assert exchange.defects == []


def test_a_defect_is_kept_and_answered(caplog: pytest.LogCaptureFixture) -> None:
    exchange = new_exchange()

    def broken(request: Request) -> bool:
        raise RuntimeError("a condition with a defect")

    exchange.clock = broken  # type: ignore[assignment]
    answer = ask(exchange, "SendMail", "12.1", b"To: bob@example.test\r\n\r\nx", "message/rfc822")
    assert answer.status == 500
    assert len(exchange.defects) == 1
    assert Fault(command="Sync", action=__import__("emailplus.mock").mock.Drop()).hits == 0
