"""A client for the mock's tests: the standard library's HTTP, written apart from the project's own client."""

from __future__ import annotations

import base64
import gzip
import http.client
import ssl
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from emailplus.eas.wbxml import Content, Node, decode, encode
from emailplus.mock import MockExchange

from .validate import AVAILABLE, problems


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes
    tree: Node | None


def find(node: Node | None, path: str) -> Node | None:
    """The first node at a path of local names such as ``Collections/Collection/Status``."""
    for name in path.split("/"):
        content = node[1] if node is not None else None
        node = next((c for c in content if c[0].partition(":")[2] == name), None) if isinstance(content, list) else None
    return node


def find_all(node: Node | None, path: str) -> list[Node]:
    head, _, last = path.rpartition("/")
    parent = find(node, head) if head else node
    content = parent[1] if parent is not None else None
    return [c for c in content if c[0].partition(":")[2] == last] if isinstance(content, list) else []


def value(node: Node | None, path: str) -> Content:
    found = find(node, path)
    return found[1] if found is not None else None


OPENED: list[Client] = []


@dataclass
class Client:
    """One device. Every WBXML answer is validated against the published response schema."""

    exchange: MockExchange
    user: str = "alice"
    version: str = "14.1"
    device: str = "device01"
    password: str = ""
    policy_key: str = ""
    http_version: int = 11
    base64_query: bool = False
    tls: ssl.SSLContext | None = None
    validate: bool = True
    folder_key: str = "0"
    keys: dict[str, str] = field(default_factory=dict)
    jar: list[str] = field(default_factory=list)
    keep_cookies: bool = True
    connection: http.client.HTTPConnection | None = None

    def __post_init__(self) -> None:
        OPENED.append(self)

    def headers(self) -> dict[str, str]:
        password = self.password or f"{self.user.rpartition(chr(92))[2].partition('@')[0]}-secret"
        token = base64.b64encode(f"{self.user}:{password}".encode()).decode()
        headers = {"Authorization": f"Basic {token}", "User-Agent": "test/1"}
        if self.jar:
            headers["Cookie"] = "; ".join(self.jar)
        if not self.base64_query:
            headers["MS-ASProtocolVersion"] = self.version
            if self.policy_key:
                headers["X-MS-PolicyKey"] = self.policy_key
        return headers

    def connect(self) -> http.client.HTTPConnection:
        url = urlsplit(self.exchange.url_tls if self.tls is not None else self.exchange.url)
        assert url.hostname is not None
        if self.connection is None:
            if self.tls is not None:
                self.connection = http.client.HTTPSConnection(url.hostname, url.port, context=self.tls, timeout=30)
            else:
                self.connection = http.client.HTTPConnection(url.hostname, url.port, timeout=30)
            self.connection._http_vsn = self.http_version  # type: ignore[attr-defined]
            self.connection._http_vsn_str = f"HTTP/1.{self.http_version - 10}"  # type: ignore[attr-defined]
        return self.connection

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def request(
        self, method: str, target: str, body: bytes | None = None, headers: dict[str, str] | None = None, **more: Any
    ) -> Reply:
        connection = self.connect()
        try:
            connection.request(method, target, body=body, headers={**self.headers(), **(headers or {})}, **more)
            response = connection.getresponse()
            data = response.read()
        except Exception:
            self.close()
            raise
        if self.http_version == 10:
            self.close()
        if self.keep_cookies:
            self.jar += [line.partition(";")[0] for line in response.headers.get_all("Set-Cookie") or []]
        received = {name.lower(): text for name, text in response.getheaders()}
        tree = None
        if data and received.get("content-type", "").startswith("application/vnd.ms-sync.wbxml"):
            raw = gzip.decompress(data) if received.get("content-encoding") == "gzip" else data
            tree = decode(raw)
            if self.validate and AVAILABLE:
                assert problems(tree, self.version) == []
        return Reply(response.status, received, data, tree)

    def target(self, command: str, **parameters: str) -> str:
        if self.base64_query:
            return "/Microsoft-Server-ActiveSync?" + self._base64(command, parameters)
        query = {"Cmd": command, "User": self.user, "DeviceId": self.device, "DeviceType": "test", **parameters}
        return "/Microsoft-Server-ActiveSync?" + urlencode(query)

    def _base64(self, command: str, parameters: dict[str, str]) -> str:
        from emailplus.mock.query import COMMAND_CODES

        code = next(number for number, name in COMMAND_CODES.items() if name == command)
        data = bytes([int(self.version.replace(".", "")), code, 0x09, 0x04])
        data += bytes([len(self.device)]) + self.device.encode()
        data += b"\x04" + int(self.policy_key).to_bytes(4, "little") if self.policy_key else b"\x00"
        data += b"\x04test"
        tags = {"AttachmentName": 0, "CollectionId": 1, "ItemId": 3, "LongId": 4, "Occurrence": 6, "Options": 7}
        for name, text in parameters.items():
            content = bytes([int(text)]) if name == "Options" else text.encode()
            data += bytes([tags[name], len(content)]) + content
        return base64.b64encode(data).decode()

    def command(self, name: str, tree: Node | None, headers: dict[str, str] | None = None, **parameters: str) -> Reply:
        body = encode(tree) if tree is not None else None
        extra = {"Content-Type": "application/vnd.ms-sync.wbxml"} if body is not None else {}
        return self.request("POST", self.target(name, **parameters), body, {**extra, **(headers or {})})

    # -- dialogues

    def options(self) -> Reply:
        return self.request("OPTIONS", "/Microsoft-Server-ActiveSync")

    def folder_sync(self, key: str | None = None) -> Node:
        key = self.folder_key if key is None else key
        reply = self.command("FolderSync", ("FolderHierarchy:FolderSync", [("FolderHierarchy:SyncKey", key)]))
        assert reply.status == 200
        assert reply.tree is not None
        if value(reply.tree, "Status") == "1":
            self.folder_key = str(value(reply.tree, "SyncKey"))
        return reply.tree

    def sync_reply(
        self, collection: str, *nodes: Node, key: str | None = None, more: list[Node] | None = None
    ) -> Reply:
        key = self.keys.get(collection, "0") if key is None else key
        content: list[Node] = [("AirSync:SyncKey", key), ("AirSync:CollectionId", collection), *nodes]
        if int(self.version.replace(".", "")) <= 121:
            content.insert(0, ("AirSync:Class", "Email"))
        tree: Node = ("AirSync:Sync", [("AirSync:Collections", [("AirSync:Collection", content)]), *(more or [])])
        return self.command("Sync", tree)

    def sync(self, collection: str, *nodes: Node, key: str | None = None) -> Node | None:
        """One Sync of a collection: its Collection node, or None for an empty answer. Keeps the key."""
        reply = self.sync_reply(collection, *nodes, key=key)
        assert reply.status == 200, reply
        answer = find(reply.tree, "Collections/Collection")
        if answer is not None and value(answer, "Status") == "1":
            self.keys[collection] = str(value(answer, "SyncKey"))
        return answer

    def prime(self, collection: str) -> str:
        answer = self.sync(collection, key="0")
        assert value(answer, "Status") == "1"
        return self.keys[collection]

    def sync_all(self, collection: str, *nodes: Node) -> list[Node]:
        """All changes of a collection, window after window."""
        if collection not in self.keys:
            self.prime(collection)
        changes: list[Node] = []
        while (answer := self.sync(collection, *nodes)) is not None:
            found = find(answer, "Commands")
            if found is not None and isinstance(found[1], list):
                changes += found[1]
            if find(answer, "MoreAvailable") is None:
                break
        return changes


def options(*nodes: Node) -> Node:
    return ("AirSync:Options", list(nodes))


def preference(kind: int, size: int | None = None, all_or_none: bool = False, preview: int = 0) -> Node:
    nodes: list[Node] = [("AirSyncBase:Type", str(kind))]
    if size is not None:
        nodes.append(("AirSyncBase:TruncationSize", str(size)))
    if all_or_none:
        nodes.append(("AirSyncBase:AllOrNone", "1"))
    if preview:
        nodes.append(("AirSyncBase:Preview", str(preview)))
    return ("AirSyncBase:BodyPreference", nodes)


def data(change: Node, name: str) -> Content:
    """A property of an Add, Change or Fetch."""
    return value(change, f"ApplicationData/{name}")
