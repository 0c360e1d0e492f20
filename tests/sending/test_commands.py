"""SendMail, SmartReply and SmartForward in every version, held against the published schemas."""

from __future__ import annotations

import pytest

from emailplus.eas.commands import compose_mail, send_mail, smart_forward, smart_reply
from emailplus.eas.commands.compose_mail import Source
from emailplus.eas.http import Identity, request
from emailplus.eas.tree import child, octets
from emailplus.eas.versions import VERSIONS
from emailplus.eas.wbxml import decode
from emailplus.errors import MalformedResponse
from emailplus.mock.query import SAVE_IN_SENT, parse_query

from ..mock import validate

MIME = "Subject: ä\r\n\r\nbody\r\n".encode()
SOURCE = Source("5", "5:12")
OLD, NEW = ("2.5", "12.0", "12.1"), ("14.0", "14.1", "16.0", "16.1")


def identity(form: str = "plain") -> Identity:
    return Identity("alice", "ABC1", "emailplus", "emailplus", form)


@pytest.mark.parametrize("version", NEW)
def test_the_documents_obey_the_schemas(version: str) -> None:
    made = [
        send_mail.build(VERSIONS[version], MIME, "c1"),
        send_mail.build(VERSIONS[version], MIME, "c" * 60, save=False, account_id="a1", template="t1"),
        smart_reply.build(VERSIONS[version], MIME, "c1", SOURCE),
        smart_reply.build(VERSIONS[version], MIME, "c1", Source(long_id="L"), replace_mime=True),
        smart_forward.build(VERSIONS[version], MIME, "c1", SOURCE, replace_mime=True, template="t1"),
        smart_forward.build(
            VERSIONS[version], MIME, "c1", Source("5", "5:1", instance_id="2026-11-25T10:00:00.000Z"), account_id="a"
        ),
    ]
    for command in made:
        tree = decode(command.body)
        assert tree[0] == f"ComposeMail:{command.name}"
        assert octets(child(tree, "ComposeMail:Mime")) == MIME
        assert command.parameters == {}
        early = version == "14.0"
        assert early is False or child(tree, "RightsManagement:TemplateID") is None  # from 14.1 on
        if validate.AVAILABLE:
            assert validate.problems(tree, version, "Request") == []


def test_what_a_document_says() -> None:
    tree = decode(smart_reply.build(VERSIONS["14.1"], MIME, "c1", SOURCE, replace_mime=True, template="t").body)
    tags = [tag.partition(":")[2] for tag, _ in tree[1]]  # type: ignore[union-attr, misc]
    assert tags == ["ClientId", "SaveInSentItems", "Source", "ReplaceMime", "Mime", "TemplateID"]
    assert child(tree, "ComposeMail:Source") == (
        "ComposeMail:Source", [("ComposeMail:FolderId", "5"), ("ComposeMail:ItemId", "5:12")],
    )  # fmt: skip
    unsaved = decode(send_mail.build(VERSIONS["16.1"], MIME, "c1", save=False).body)
    assert child(unsaved, "ComposeMail:SaveInSentItems") is None


@pytest.mark.parametrize("version", OLD)
@pytest.mark.parametrize("save", [True, False])
def test_below_14_the_message_is_the_body(version: str, save: bool) -> None:
    for form in ("plain", "base64"):
        if form == "base64" and not VERSIONS[version].base64_query:
            continue
        for command in (
            send_mail.build(VERSIONS[version], MIME, "c1", save=save, template="t"),
            smart_reply.build(VERSIONS[version], MIME, "c1", SOURCE, save=save, replace_mime=True),
            smart_forward.build(VERSIONS[version], MIME, "c1", Source(long_id="a b&c"), save=save),
        ):
            assert command.body == MIME
            sent = request("http://h/x", identity(form), VERSIONS[version], command, "0")
            assert sent.headers["Content-Type"] == "message/rfc822"
            query = parse_query(sent.url.partition("?")[2])  # the mock's reading of MS-ASHTTP 2.2.1.1.1
            assert (query.command, bool(query.options & SAVE_IN_SENT)) == (command.name, save)
            expected = {
                "SendMail": {},
                "SmartReply": {"CollectionId": "5", "ItemId": "5:12"},
                "SmartForward": {"LongId": "a b&c"},
            }
            assert query.parameters == expected[command.name]


def test_answers() -> None:
    assert send_mail.parse(None) == 1
    assert smart_reply.parse(("ComposeMail:SmartReply", [("ComposeMail:Status", "150")])) == 150
    for wrong in (("ComposeMail:SmartReply", None), ("ComposeMail:SendMail", []), ("Sync:Sync", [])):
        with pytest.raises(MalformedResponse):
            compose_mail.parse("SendMail", wrong)  # type: ignore[arg-type]
