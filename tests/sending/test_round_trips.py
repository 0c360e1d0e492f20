"""Real mail answered and passed on: every byte of every file arrives, as Python's email package reads it."""

from __future__ import annotations

import email
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from email.message import Message
from email.policy import compat32
from pathlib import Path
from typing import Any

import pytest

from emailplus.model.message import StoredMessage
from emailplus.model.outbox import OutboxState

from ..flows.world import NOW, World
from ..shared import root, shared

CORPUS = sorted((root / "corpus" / "eml").rglob("*.eml"))


def files(raw: bytes) -> Counter[bytes]:
    """The content of everything in a message that is no text of it, inside attached messages too.

    What message/external-body points at is elsewhere: it is no file of the message (RFC 2046 5.2.3).
    """
    found: Counter[bytes] = Counter()
    rest: list[Message] = [email.message_from_bytes(raw, policy=compat32)]
    while rest:
        part = rest.pop()
        if part.get_content_type() == "message/external-body":
            continue
        if part.is_multipart():
            rest += part.get_payload()  # type: ignore[arg-type]
        elif part.get_filename() or part.get_content_disposition() == "attachment" or _is_file(part):
            found[part.get_payload(decode=True) or b""] += 1  # type: ignore[index]
    return found


def _is_file(part: Message) -> bool:
    return part.get_content_maintype() not in ("text", "message", "multipart")  # the last: without a part


def with_files() -> list[Path]:
    return [path for path in CORPUS if files(path.read_bytes())]


@pytest.mark.parametrize(
    ("version", "always_mime"), [("2.5", "true"), ("14.1", "true"), ("14.1", "false"), ("16.1", "false")]
)
def test_every_file_of_real_mail_arrives(make_world: Callable[..., World], version: str, always_mime: str) -> None:
    shared("corpus")
    world = make_world(versions=(version,))
    keys = {"always_fetch_mime": always_mime, "email_max_attachment": "50", "email_max_body_size": "50"}
    given = {path: path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") for path in with_files()}
    ids = {str(world.alice.deliver(raw, received=NOW - timedelta(hours=1))): path for path, raw in given.items()}
    world.sync(keys)
    wrong: list[str] = []
    with world.open(keys) as mailbox:
        messages = {ids[message_place(mailbox, message)]: message for message in mailbox.search("")}
        assert len(messages) == len(given) >= 40
        for path, message in messages.items():
            for kind, draft in drafts(mailbox, message, whole=always_mime == "true"):
                assert mailbox.send(draft).state is OutboxState.CONFIRMED
                carol = world.exchange.user("carol")
                (item,) = carol.items()
                if lost := files(given[path]) - files(item.raw):
                    wrong.append(f"{path.stem}: {kind}: {sorted(map(len, lost))}")
                if kind == "whole" and given[path].strip() not in item.raw:
                    wrong.append(f"{path.stem}: not byte for byte")
                carol.delete(item.server_id)
    assert not wrong, "\n".join(wrong)


def message_place(mailbox: Any, message: StoredMessage) -> str:
    return str(mailbox.store.database.scalar("SELECT server_id FROM messages WHERE id = ?", (message.id,)))


def drafts(mailbox: Any, message: StoredMessage, *, whole: bool) -> list[tuple[str, Any]]:
    to = "carol@example.test"
    made = [("forward", mailbox.forward(message.id, to=to)), ("redirect", mailbox.redirect(message.id, to=to))]
    if whole:
        made.append(("whole", mailbox.forward(message.id, to=to, as_attachment=True)))
    return made
