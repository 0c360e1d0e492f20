"""What happens on the server between two runs, in folders that the test makes and removes."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from emailplus.policy.limits import ATTACHMENT_MESSAGE, BODY_MESSAGE

from .imap import Imap
from .runs import Held, held, open_mailbox
from .server import Server, User

NOW = datetime.now(UTC).replace(microsecond=0)


@dataclass
class Workplace:
    user: User
    imap: Imap
    folder: str
    other: str

    def add(self, subject: str, *, text: str = "hello\r\n", attachment: bytes = b"", when: datetime = NOW) -> None:
        message = EmailMessage()
        message["From"] = "Interop <interop@example.test>"
        message["To"] = self.user.email
        message["Subject"] = subject
        message["Date"] = format_datetime(when)
        message["Message-ID"] = f"<{secrets.token_hex(8)}@example.test>"
        message.set_content(text)
        if attachment:
            message.add_attachment(attachment, maintype="application", subtype="octet-stream", filename="large.bin")
        self.imap.append(self.folder, message.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"), when)


@pytest.fixture
def work(server: Server, imap_of: Callable[[User], Imap]) -> Iterator[Workplace]:
    """Two folders of our own in the last user's mailbox, gone again afterwards."""
    user = server.users[-1]
    imap = imap_of(user)
    name = f"Interop-{secrets.token_hex(4)}"
    place = Workplace(user, imap, name, f"{name}-other")
    try:
        imap.create(place.folder)
        imap.create(place.other)
        yield place
    finally:
        imap.delete_folder(place.folder)
        imap.delete_folder(place.other)


def mine(mailbox: Any, work: Workplace) -> dict[str, Held]:
    """Subject -> message, in our folders only: others may use this mailbox too."""
    return {row.message.subject: row for row in held(mailbox) if row.path in (work.folder, work.other)}


def test_flags_deletions_and_moves_arrive(
    server: Server, work: Workplace, tmp_path: Path, figures: dict[str, Any]
) -> None:
    subjects = ("to be read", "to be flagged", "to be deleted", "to be moved", "to be left alone")
    for subject in subjects:
        work.add(subject, attachment=b"payload of " + subject.encode())
    with open_mailbox(server, work.user, tmp_path / "mail.db") as mailbox:
        mailbox.sync()
        before = mine(mailbox, work)
        assert sorted(before) == sorted(subjects)
        assert not any(row.message.read or row.message.flag_status for row in before.values())
        uid = {subject: work.imap.uid_of(work.folder, subject) for subject in subjects}
        work.imap.store(work.folder, uid["to be read"], "+FLAGS", "(\\Seen)")
        work.imap.store(work.folder, uid["to be flagged"], "+FLAGS", "(\\Flagged)")
        work.imap.expunge(work.folder, uid["to be deleted"])
        work.imap.move(work.folder, uid["to be moved"], work.other)
        report = mailbox.sync()
        figures["changes"] = report.as_dict()
        after = mine(mailbox, work)
        assert sorted(after) == sorted(set(subjects) - {"to be deleted"})
        assert after["to be read"].message.read
        assert after["to be flagged"].message.flag_status == 2
        assert not after["to be left alone"].message.read
        assert after["to be moved"].path == work.other
        assert {name: row.message.id for name, row in after.items()} == {
            name: row.message.id for name, row in before.items() if name in after
        }, "a message kept its place or was moved: its local id stays"
        moved = mailbox.message(after["to be moved"].message.id)
        assert b"".join(mailbox.attachment(moved.attachments[0].id)) == b"payload of to be moved"
        assert report.fetched == 0, "nothing of a moved message is fetched again"

        work.imap.store(work.folder, uid["to be read"], "-FLAGS", "(\\Seen)")
        work.imap.store(work.folder, uid["to be flagged"], "-FLAGS", "(\\Flagged)")
        mailbox.sync()
        last = mine(mailbox, work)
        assert not last["to be read"].message.read
        assert last["to be flagged"].message.flag_status == 0


def test_default_limits_refuse_with_the_messages_of_the_guide(
    server: Server, work: Workplace, tmp_path: Path, figures: dict[str, Any]
) -> None:
    large = secrets.token_bytes(12 << 20)
    work.add("small and new")
    work.add("small and old", when=NOW - timedelta(days=30))
    work.add("large attachment", attachment=large)
    work.add("large text", text="0123456789 abcdefghijklmnopqrstuvwxyz 0123456789 abcdefghijk\r\n" * 85_000)
    defaults: dict[str, object] = dict.fromkeys(
        ("email_max_sync_period", "email_default_sync_period", "email_max_body_size", "email_max_attachment")
    )

    def refusals(report: Any) -> list[tuple[str, str, str]]:
        rows = ((row.kind, row.subject, row.reason) for row in report.refused if row.folder == work.folder)
        return sorted(rows)

    expected = [
        ("attachment", "large attachment", ATTACHMENT_MESSAGE),
        ("body", "large text", BODY_MESSAGE),
    ]
    with open_mailbox(server, work.user, tmp_path / "fresh.db", **defaults) as mailbox:
        report = mailbox.sync()
        figures["default limits, fresh store"] = report.as_dict()
        assert sorted(mine(mailbox, work)) == ["large attachment", "large text", "small and new"]
        assert refusals(report) == expected
        assert report.news_of_trouble
        again = mailbox.sync()
        assert refusals(again) == expected
        assert not again.news_of_trouble
        assert again.fetched == 0

    with open_mailbox(server, work.user, tmp_path / "same.db") as mailbox:
        report = mailbox.sync()
        figures["wide limits"] = report.as_dict()
        assert refusals(report) == []
        there = mine(mailbox, work)
        assert sorted(there) == ["large attachment", "large text", "small and new", "small and old"]
        whole = mailbox.message(there["large attachment"].message.id)
        assert b"".join(mailbox.attachment(whole.attachments[0].id)) == large
        assert len(mailbox.store.body(there["large text"].message.id)) == 85_000 * 62
        device = mailbox.config.email_device_id
    with open_mailbox(server, work.user, tmp_path / "same.db", device=device, **defaults) as mailbox:
        report = mailbox.sync()
        figures["default limits, same store"] = report.as_dict()
        now = mine(mailbox, work)
        assert sorted(now) == ["large attachment", "large text", "small and new"]
        assert refusals(report) == expected
        assert {name: row.message.id for name, row in now.items()} == {
            name: row.message.id for name, row in there.items() if name in now
        }
        assert mailbox.store.body(now["large text"].message.id) == b""


def test_mime_does_not_carry_a_refused_attachment(server: Server, work: Workplace, tmp_path: Path) -> None:
    work.add("attachment of two megabytes", text="the text of it\r\n", attachment=secrets.token_bytes(2 << 20))
    with open_mailbox(
        server, work.user, tmp_path / "mail.db", always_fetch_mime=True, email_max_attachment=1
    ) as mailbox:
        mailbox.sync()
        row = mine(mailbox, work)["attachment of two megabytes"]
        message = mailbox.message(row.message.id)
        assert message.body_state == "stored"
        assert message.body_type in (1, 2)
        assert message.text.strip() == "the text of it"
        assert [(item.name, item.state, item.reason) for item in message.attachments] == [
            ("large.bin", "refused", ATTACHMENT_MESSAGE)
        ]
