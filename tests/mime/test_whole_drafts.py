"""Whole drafts, written and read back: by Python's email package, by Rust's mailparse, and as a draft again."""

from __future__ import annotations

import email
import email.policy
import re
from datetime import UTC, datetime
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import getaddresses
from typing import Any

import fast_mail_parser
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from emailplus.config import AppConfig
from emailplus.drafting import from_mime
from emailplus.mime.compose import compose
from emailplus.model.draft import Draft, DraftAttachment, Invitation
from emailplus.model.message import Address
from emailplus.sending import Sending

DATE = datetime(2026, 11, 26, 10, 30, 5, tzinfo=UTC)
CONFIG = AppConfig.load(
    {
        "email_address": "alice@example.test", "email_device_id": "0123456789ABCDEF0123456789ABCDEF",
        "email_exchange_host": "mail.example.test", "email_exchange_username": "alice",
    }
)  # fmt: skip

PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
"""A whole draft takes minutes to shrink."""

# Letters of many scripts, emoji, punctuation that headers are made of; no controls.
CHARACTERS = st.characters(categories=("L", "N", "P", "S", "M"))
words = st.lists(st.text(CHARACTERS, min_size=1, max_size=12), min_size=1, max_size=8).map(" ".join)
names = st.one_of(st.just(""), words)
locals_ = st.from_regex(r"[a-z0-9]{1,12}([.+_-][a-z0-9]{1,8}){0,2}", fullmatch=True)
people = st.lists(
    st.builds(lambda name, local: Address(name, f"{local}@example.test"), names, locals_),
    max_size=4, unique_by=lambda person: person.address,
).map(tuple)  # fmt: skip
lines = st.lists(
    st.text(st.characters(exclude_categories=("Cc", "Cs", "Co", "Cn", "Zl", "Zp", "Cf")), max_size=90), max_size=12
)
texts = lines.map(lambda found: "\n".join(line.rstrip() for line in found).strip("\n \u00a0"))
identifiers = st.from_regex(r"[a-z0-9.]{1,20}@[a-z0-9.]{1,20}", fullmatch=True)


@st.composite
def attachments(draw: st.DrawFn) -> tuple[DraftAttachment, ...]:
    found = []
    for number in range(draw(st.integers(0, 3))):
        inline = draw(st.booleans())
        name = draw(words.filter(lambda text: not re.search(r"[/\\\x00]", text)))
        found.append(
            DraftAttachment(
                name=f"{number} {name}.bin", content=draw(st.binary(max_size=300)),
                content_type="image/png" if inline else "application/octet-stream",
                content_id=f"picture{number}@x" if inline else "",
            )
        )  # fmt: skip
    return tuple(found)


INVITATION = Invitation("REQUEST", b"BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nEND:VCALENDAR\r\n")

drafts = st.builds(
    Draft,
    message_id=identifiers, sender=st.just(Address("", "alice@example.test")), to=people.filter(bool), cc=people,
    bcc=people, reply_to=people, subject=st.one_of(st.just(""), words), text=texts,
    html=texts.map(lambda text: f"<p>{text}</p>" if text else ""),
    attachments=attachments(), in_reply_to=st.one_of(st.just(""), identifiers),
    references=st.lists(identifiers, max_size=5).map(tuple), importance=st.sampled_from([0, 1, 2]),
    read_receipt=st.booleans(),
    invitation=st.sampled_from([None, INVITATION]),
)  # fmt: skip


def same(read: str, written: str) -> bool:
    return read.replace("\r\n", "\n").rstrip("\n") == written.rstrip("\n")


@settings(max_examples=120, deadline=None, phases=PHASES)
@given(drafts)
def test_others_read_what_was_written(draft: Draft) -> None:
    raw = compose(draft, DATE).message
    assert raw.isascii()
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    assert [part.defects for part in message.walk() if part.defects] == []
    assert (message["Subject"] or "") == draft.subject
    for field, wanted in (("To", draft.to), ("Cc", draft.cc), ("Reply-To", draft.reply_to)):
        # Python's newer policies put a blank between two encoded words of a name (RFC 2047 6.2 has none there).
        found = getaddresses([str(email.message_from_bytes(raw)[field] or "")])
        assert [(str(make_header(decode_header(n))), a) for n, a in found if a] == [(p.name, p.address) for p in wanted]
    assert message["Message-ID"].strip("<>") == draft.message_id
    assert re.findall(r"<([^>]+)>", message["References"] or "") == list(draft.references)
    assert message["Date"].datetime == DATE
    plain, rich = message.get_body(("plain",)), message.get_body(("html",))
    assert plain is not None
    assert same(plain.get_content(), draft.text)
    assert same(rich.get_content() if rich is not None else "", draft.html)
    wanted_files = {a.name: a.content for a in draft.attachments}
    assert {p.get_filename(): p.get_payload(decode=True) for p in message.walk() if p.get_filename()} == wanted_files
    other = fast_mail_parser.parse_email(raw)
    assert other.subject == draft.subject
    assert same(other.text_plain[0], draft.text)
    assert same(other.text_html[0] if draft.html else "", draft.html)
    assert {a.filename: bytes(a.content) for a in other.attachments if a.filename} == wanted_files


@settings(max_examples=120, deadline=None, phases=PHASES)
@given(drafts)
def test_a_message_is_the_same_draft_again(draft: Draft) -> None:
    read: Any = from_mime(Sending(CONFIG, None, None, DATE), compose(draft, DATE).message)  # type: ignore[arg-type]
    for name in (
        "message_id",
        "to",
        "cc",
        "bcc",
        "reply_to",
        "subject",
        "in_reply_to",
        "references",
        "importance",
        "read_receipt",
    ):
        assert getattr(read, name) == getattr(draft, name), name
    assert same(read.text, draft.text)
    assert same(read.html, draft.html)
    assert (read.invitation is None) is (draft.invitation is None)

    def files(given: Draft) -> list[tuple[str, bytes | None, str]]:
        shown = bool(given.html)
        return sorted((a.name, a.content, a.content_id if shown else "") for a in given.attachments)

    assert files(read) == files(draft)
