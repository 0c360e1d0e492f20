"""Mail that we send and changes that we make, seen by IMAP in the mailboxes of both sides."""

from __future__ import annotations

import email
import email.policy
import secrets
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from emailplus.eas.flows import send as sending
from emailplus.errors import NoCommonVersion
from emailplus.mailbox import Mailbox
from emailplus.model.draft import DraftAttachment
from emailplus.model.outbox import OutboxState

from .imap import Imap
from .runs import open_mailbox
from .server import Server, User
from .test_changes import Workplace, mine, work

__all__ = ["work"]


SMART = ["SmartForward", "SmartReply"]


def yes(question: Any) -> str:
    return "proceed"


def received(imap: Imap, subject: str, folder: str = "INBOX") -> Any:
    """The one message with that subject; `Imap.uid_of` fails for none and for two."""
    uid = imap.uid_of(folder, subject)
    (found,) = [m for m in imap.messages(folder, f'"{folder}"') if m.uid == uid]
    return email.message_from_bytes(found.raw, policy=email.policy.default)


def sent_folder(imap: Imap) -> str:
    return next(path for path, (_, attributes) in imap.folders().items() if "\\sent" in attributes or path == "Sent")


def connected(mailbox: Mailbox, version: str) -> None:
    try:
        mailbox.sync(version=version)
    except NoCommonVersion:
        pytest.skip(f"the server does not offer {version}")


@pytest.mark.parametrize("version", ["2.5", "12.0", "12.1", "14.0", "14.1", "16.0", "16.1"])
def test_a_message_arrives_whole(server: Server, imap_of: Callable[[User], Imap], tmp_path: Path, version: str) -> None:
    sender, target = server.users[-1], server.users[1]
    subject = f"Interop {version} {secrets.token_hex(4)}"
    content = secrets.token_bytes(40_000)
    with open_mailbox(server, sender, tmp_path / "mail.db") as mailbox:
        connected(mailbox, version)
        draft = mailbox.new(
            to=f"Jürgen <{target.email}>", bcc=sender.email, subject=subject, text="Grüße\n.\nEnde",
            attachments=[DraftAttachment(name="Übersicht.bin", content=content)],
        )  # fmt: skip
        assert mailbox.send(draft, version=version).state is OutboxState.CONFIRMED
        assert mailbox.send(draft, version=version).state is OutboxState.CONFIRMED
    got = received(imap_of(target), subject)
    assert got["Message-ID"] == f"<{draft.message_id}>"
    assert got["Bcc"] is None
    assert got.get_body().get_content().splitlines()[:3] == ["Grüße", ".", "Ende"]
    assert [(p.get_filename(), p.get_content()) for p in got.iter_attachments()] == [("Übersicht.bin", content)]
    own = imap_of(sender)
    assert received(own, subject, sent_folder(own))["Message-ID"] == f"<{draft.message_id}>"
    assert received(own, subject)["Message-ID"] == f"<{draft.message_id}>"  # the blind copy


@pytest.mark.parametrize("version", ["12.1", "14.1", "16.1"])
def test_answers_keep_every_byte(
    server: Server,
    work: Workplace,
    imap_of: Callable[[User], Imap],
    tmp_path: Path,
    version: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sending, "GRACE", 0.0)
    target = server.users[1]
    subject = f"Plan {secrets.token_hex(4)}"
    content = secrets.token_bytes(90_000)
    work.add(subject, text="What do you think?\r\n", attachment=content)
    with open_mailbox(server, work.user, tmp_path / "mail.db") as mailbox:
        connected(mailbox, version)
        original = mine(mailbox, work)[subject].message.id
        forward = mailbox.forward(original, to=target.email, text="Please look.")
        assert mailbox.send(forward, version=version).state is OutboxState.CONFIRMED
        reply = mailbox.reply(original, text="Good.")
        other = mailbox.new(to=target.email).to
        assert mailbox.send(replace(reply, to=other), version=version).state is OutboxState.CONFIRMED
        onward = replace(mailbox.redirect(original, to=target.email), subject=f"Onward: {subject}")
        assert mailbox.send(onward, version=version).state is OutboxState.CONFIRMED
        commands = [entry.command for entry in mailbox.outbox()][:2]
    # SOGo answers 500 to a SmartForward of 12.1 (it does not decode the query line): the complete message goes instead.
    assert commands == (["SendMail", "SmartReply"] if version == "12.1" and server.is_sogo else SMART)
    imap = imap_of(target)
    got = received(imap, f"Fwd: {subject}")
    assert [part.get_content() for part in _files(got)] == [content]
    assert "What do you think?" in _words(got)
    answer = received(imap, f"Re: {subject}")
    assert _words(answer).count("What do you think?") == 1
    assert _words(answer).lstrip().startswith("Good.")
    passed = received(imap, f"Onward: {subject}")
    assert [part.get_content() for part in _files(passed)] == [content]
    assert _words(passed).strip() == "What do you think?"


def _files(message: Any) -> list[Any]:
    """Files, those inside an attached message too."""
    return [part for part in message.walk() if part.get_filename() == "large.bin"]


def _words(message: Any) -> str:
    return "\n".join(part.get_content() for part in message.walk() if part.get_content_maintype() == "text")


@pytest.mark.parametrize("version", ["2.5", "14.1", "16.1"])
def test_changes_are_made_on_the_server(server: Server, work: Workplace, tmp_path: Path, version: str) -> None:
    subjects = [f"{what} {secrets.token_hex(3)}" for what in ("read", "flag", "move", "trash", "destroy", "alone")]
    for subject in subjects:
        work.add(subject, attachment=b"payload of " + subject.encode())
    with open_mailbox(server, work.user, tmp_path / "mail.db") as mailbox:
        connected(mailbox, version)
        ids = {subject: mine(mailbox, work)[subject].message.id for subject in subjects}
        read, flag, move, trash, destroy, _ = (ids[subject] for subject in subjects)
        mailbox.mark_read([read])
        if version != "2.5":
            mailbox.flag([flag])
        mailbox.move([move], work.other, confirm=yes)
        mailbox.delete([trash])
        mailbox.delete([destroy], permanent=True)
        mailbox.sync(version=version)
        assert [change for change in mailbox.pending_changes() if change.state == "queued"] == []
        mailbox.sync(version=version)
        assert mine(mailbox, work)[subjects[2]].message.id == move
    here = {_subject(m.raw): m.flags for m in work.imap.messages(work.folder, f'"{work.folder}"')}
    there = {_subject(m.raw): m.flags for m in work.imap.messages(work.other, f'"{work.other}"')}
    assert set(here) == {subjects[0], subjects[1], subjects[5]}
    assert "\\seen" in here[subjects[0]]
    assert ("\\flagged" in here[subjects[1]]) is (version != "2.5")
    assert set(there) == {subjects[2]}
    bin_name = next(p for p, (_, attributes) in work.imap.folders().items() if "\\trash" in attributes or p == "Trash")
    binned = {_subject(m.raw) for m in work.imap.messages(bin_name, f'"{bin_name}"')}
    assert subjects[3] in binned
    if not server.is_sogo:  # which moves it to the trash whatever DeletesAsMoves says
        assert subjects[4] not in binned


def _subject(raw: bytes) -> str:
    return str(email.message_from_bytes(raw)["Subject"])
