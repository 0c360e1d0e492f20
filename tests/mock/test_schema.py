"""The run-time request rules against the published schemas, and requests of clients that are not ours."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from lxml import etree

from emailplus.eas.code_pages import ALIASES, OPAQUE_TAGS
from emailplus.eas.wbxml import Node, decode, encode
from emailplus.mock import MockExchange, MockPolicy
from emailplus.mock.schema import RULES, check

from ..shared import root, shared
from .client import Client, find, find_all, options, preference, value
from .mail import PLAIN
from .validate import problems

SERVED = (
    "Sync", "FolderSync", "FolderCreate", "FolderUpdate", "FolderDelete", "GetItemEstimate", "ItemOperations",
    "MoveItems", "Ping", "Provision", "Search", "SendMail", "SmartReply", "SmartForward", "Settings", "MeetingResponse",
    "ResolveRecipients", "ValidateCert",
)  # fmt: skip


def from_xml(element: etree._Element) -> Node:
    """A WBXML tree from XML with namespaces."""
    name = etree.QName(element)
    tag = f"{name.namespace}:{name.localname}"
    tag = ALIASES.get(tag, tag)
    if len(element):
        return tag, [from_xml(child) for child in element if isinstance(child.tag, str)]
    text = element.text or ""
    if tag in OPAQUE_TAGS and text:
        return tag, text.encode()
    return tag, text.strip() or None


def examples() -> list[Path]:
    folder = root / "spec" / "eas" / "examples"
    found = sorted(folder.glob("*-request.xml")) if folder.is_dir() else []
    return [path for path in found if path.stem.split("-")[1] in SERVED]


def test_the_reference_data_is_there() -> None:
    """Where it is not, answers are not validated in any test of the mock: this one is skipped to say so."""
    assert shared("spec", "eas", "xsd", "SyncResponse.xsd").is_file()


@pytest.mark.parametrize("path", examples(), ids=lambda path: path.stem)
def test_rules_agree_with_the_schemas_on_published_requests(path: Path) -> None:
    tree = from_xml(etree.parse(str(path)).getroot())
    assert bool(check(tree, 141)) == bool(problems(tree, "14.1", "Request")), (check(tree, 141), tree)


WRONG: list[tuple[str, Node]] = [
    ("no key", ("AirSync:Sync", [("AirSync:Collections", [("AirSync:Collection", [("AirSync:CollectionId", "1")])])])),
    (
        "wrong order",
        (
            "AirSync:Sync",
            [
                (
                    "AirSync:Collections",
                    [("AirSync:Collection", [("AirSync:CollectionId", "1"), ("AirSync:SyncKey", "0")])],
                )
            ],
        ),
    ),
    (
        "window before get changes",
        (
            "AirSync:Sync",
            [
                (
                    "AirSync:Collections",
                    [
                        (
                            "AirSync:Collection",
                            [
                                ("AirSync:SyncKey", "1"),
                                ("AirSync:CollectionId", "1"),
                                ("AirSync:WindowSize", "5"),
                                ("AirSync:GetChanges", None),
                            ],
                        )
                    ],
                )
            ],
        ),
    ),
    ("empty collections", ("AirSync:Sync", [("AirSync:Collections", None)])),
    ("text for elements", ("AirSync:Sync", "text")),
    ("foreign child", ("FolderHierarchy:FolderSync", [("AirSync:SyncKey", "0")])),
    ("long key", ("FolderHierarchy:FolderSync", [("FolderHierarchy:SyncKey", "x" * 65)])),
    ("two keys", ("FolderHierarchy:FolderSync", [("FolderHierarchy:SyncKey", "0"), ("FolderHierarchy:SyncKey", "0")])),
    ("a policy too many", ("Provision:Provision", [("Provision:Policies", [("Provision:Policy", None)])])),
    ("a ping folder without class", ("Ping:Ping", [("Ping:Folders", [("Ping:Folder", [("Ping:Id", "1")])])])),
    ("a number that is none", ("Ping:Ping", [("Ping:HeartbeatInterval", "soon")])),
    ("no mime", ("ComposeMail:SendMail", [("ComposeMail:ClientId", "1")])),
    ("a move to nowhere", ("Move:MoveItems", [("Move:Move", [("Move:SrcMsgId", "1"), ("Move:SrcFldId", "1")])])),
    ("an empty search", ("Search:Search", [("Search:Store", [("Search:Name", "GAL")])])),
    (
        "a range that is none",
        (
            "ItemOperations:ItemOperations",
            [
                (
                    "ItemOperations:Fetch",
                    [
                        ("ItemOperations:Store", "Mailbox"),
                        ("ItemOperations:Options", [("ItemOperations:Range", "all")]),
                    ],
                )
            ],
        ),
    ),
]


@pytest.mark.parametrize("tree", [tree for _, tree in WRONG], ids=[name for name, _ in WRONG])
def test_wrong_requests_are_wrong_to_both(tree: Node) -> None:
    assert check(tree, 161) != []
    if root.is_dir():
        assert problems(tree, "16.1", "Request") != []


def test_class_leads_a_collection_up_to_12_1_only() -> None:
    def sync(*nodes: Node) -> Node:
        return ("AirSync:Sync", [("AirSync:Collections", [("AirSync:Collection", list(nodes))])])

    old = sync(("AirSync:Class", "Email"), ("AirSync:SyncKey", "0"), ("AirSync:CollectionId", "1"))
    assert check(old, 121) == []
    assert check(sync(("AirSync:SyncKey", "0"), ("AirSync:Class", "Email"), ("AirSync:CollectionId", "1")), 121) != []


def test_elements_of_a_later_version_are_noticed() -> None:
    tree: Node = (
        "AirSync:Sync",
        [
            (
                "AirSync:Collections",
                [
                    (
                        "AirSync:Collection",
                        [
                            ("AirSync:SyncKey", "0"),
                            ("AirSync:CollectionId", "1"),
                            ("AirSync:ConversationMode", "1"),
                            options(preference(1)),
                        ],
                    )
                ],
            ),
            ("AirSync:HeartbeatInterval", "60"),
        ],
    )
    assert check(tree, 140) == []
    assert len(check(tree, 121)) == 2
    assert len(check(tree, 25)) == 4


def test_every_rule_names_known_elements() -> None:
    from emailplus.eas.code_pages import TAG_TOKENS

    for tag, row in RULES.items():
        namespace = tag.partition(":")[0]
        for name in row.split()[1:]:
            name = name.rstrip("?*+")
            assert (name if ":" in name else f"{namespace}:{name}") in TAG_TOKENS, (tag, name)


# -- strict or not


def test_wrong_order_is_recorded_and_served(exchange: MockExchange) -> None:
    client = Client(exchange)
    tree = WRONG[1][1]
    assert value(client.command("Sync", tree).tree, "Collections/Collection/Status") == "1"
    assert exchange.requests.problems() == ["#1 Sync: AirSync:SyncKey stands too late in AirSync:Collection"]


def test_strict_refuses_it() -> None:
    with MockExchange(strict=True) as exchange:
        client = Client(exchange)
        assert value(client.command("Sync", WRONG[1][1]).tree, "Status") == "103"
        assert value(client.sync("1", key="0"), "Status") == "1"
        assert Client(exchange, version="12.1").command("Sync", WRONG[1][1]).status == 400
        late: Node = (
            "AirSync:Sync",
            [("AirSync:Collections", [("AirSync:Collection", [])]), ("AirSync:Partial", None)],
        )
        assert Client(exchange, version="2.5").command("Sync", late).status == 400
        body = client.request("POST", client.target("FolderSync"), b"\x03\x01\x6a\x00", {"Content-Type": "text/xml"})
        assert value(body.tree, "Status") == "101"


# -- a phone's own bytes (captured against another server), and other people's encoders


def vectors(*kinds: str) -> dict[str, bytes]:
    entries = json.loads(shared("spec", "eas", "vectors", "wbxml.json").read_text())
    rows = entries if isinstance(entries, list) else entries["vectors"]
    return {row["name"]: bytes.fromhex(row["hex"]) for row in rows if row["kind"] in kinds}


SYNC_KEY, POLICY_KEY = 0x4B, 0x49  # tokens of page 0 and page 14, with the content bit


def with_key(raw: bytes, token: int, key: str) -> bytes:
    """The same bytes with another text in the first element of that token."""
    start = raw.index(bytes([token, 0x03]))
    end = raw.index(b"\x00", start + 2)
    return raw[: start + 2] + key.encode() + raw[end:]


def test_a_captured_phone_is_served(exchange: MockExchange) -> None:
    """The session of a phone of 2013, its keys replaced by those of this server."""
    phone = vectors("captured")
    exchange.set_policy(MockPolicy())
    exchange.user("alice").deliver(PLAIN)
    client = Client(exchange)

    def say(name: str, command: str, key: str | None = None) -> Node | None:
        raw = next(data for label, data in phone.items() if label.startswith(name))
        token = POLICY_KEY if command == "Provision" else SYNC_KEY
        body = raw if key is None else with_key(raw, token, key)
        reply = client.request("POST", client.target(command), body, {"Content-Type": "application/vnd.ms-sync.wbxml"})
        assert reply.status == 200
        return reply.tree

    assert value(say("device-01", "FolderSync"), "Status") == "142"
    offer = say("device-03", "Provision")
    assert value(offer, "DeviceInformation/Status") == "1"
    accepted = say("device-05", "Provision", str(value(offer, "Policies/Policy/PolicyKey")))
    client.policy_key = str(value(accepted, "Policies/Policy/PolicyKey"))
    folders = say("device-01", "FolderSync")
    assert len(find_all(folders, "Changes/Add")) == 11
    assert value(say("device-08", "Settings"), "DeviceInformation/Status") == "1"
    assert value(say("device-10", "Sync"), "Collections/Collection/Status") == "1"
    key = client.prime("1")
    mail = say("device-12", "Sync", key)
    assert find(mail, "Collections/Collection/Commands/Add") is not None
    key = str(value(mail, "Collections/Collection/SyncKey"))
    assert value(say("device-16", "GetItemEstimate", key), "Response/Collection/Estimate") == "0"
    assert value(say("device-18", "ItemOperations"), "Response/Fetch/Status") == "15"
    exchange.hold_factor = 0.0001
    client.sync_all("2")
    assert value(say("device-14", "Ping"), "Status") in ("1", "2")
    assert [problem for problem in exchange.requests.problems() if "Drafts" not in problem] == []


def test_requests_of_another_encoder_are_read(exchange: MockExchange) -> None:
    """Every published request, encoded by an independent encoder, gets an answer that is valid by its schema."""
    exchange.hold_factor = 0.0
    client = Client(exchange)
    answered = 0
    for raw in vectors("encoded by libwbxml").values():
        tree = decode(raw)
        command = tree[0].partition(":")[2]
        if command not in SERVED or problems(tree, "14.1", "Request"):
            continue
        reply = client.request("POST", client.target(command), raw, {"Content-Type": "application/vnd.ms-sync.wbxml"})
        assert reply.status == 200, (command, tree)
        answered += 1
    assert answered > 20


def test_a_password_with_signs_in_it() -> None:
    """The Basic header printed in MS-ASHTTP (R140)."""
    from emailplus.mock import MockUser

    rows = json.loads(shared("spec", "eas", "vectors", "http_query.json").read_text())
    row = next(row for row in rows if row["name"] == "ashttp-basic-authorization")
    with MockExchange([MockUser("fakeuser@example.test", row["user"], row["password"])]) as exchange:
        client = Client(exchange, user=row["user"], password=row["password"])
        assert client.headers()["Authorization"] == row["header"].partition(": ")[2]
        assert client.options().status == 200


def test_the_published_base64_query() -> None:
    from emailplus.mock.query import parse_query

    rows = json.loads(shared("spec", "eas", "vectors", "http_query.json").read_text())
    row = next(row for row in rows if "decoded" in row)
    query = parse_query(row["base64"])
    assert (query.command, query.version, query.locale) == ("Sync", "14.0", 0x0409)
    assert (query.device_id, query.device_type) == (row["decoded"]["device_id"], row["decoded"]["device_type"])
    assert query.policy_key is None
    assert base64.b64decode(row["base64"])[0] == 140
    assert encode(("AirSync:Sync", None))  # and an empty document can be written
