"""What is written is read back the same: by Python's email package and by a parser of other make (Rust's mailparse)."""

from __future__ import annotations

import email
import email.policy
import re
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import getaddresses

import fast_mail_parser
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from emailplus.errors import UsageError
from emailplus.mime.compose import compose, html_content
from emailplus.mime.fields import address_field, checked_address, parameter, text_field
from emailplus.mime.view import header_text, view
from emailplus.model.draft import Draft, DraftAttachment, Quote
from emailplus.model.message import Address

DATE = datetime(2026, 11, 25, 10, 30, 5, tzinfo=UTC)
ALICE = Address("Alice Ä.", "alice@example.test")
BOB = Address("Bob", "bob@example.test")


def draft(**more: object) -> Draft:
    return Draft(**{"message_id": "one@example.test", "sender": ALICE, "to": (BOB,), "subject": "Hello", **more})  # type: ignore[arg-type]


def written(made: Draft, **more: object) -> bytes:
    return compose(made, DATE, **more).message  # type: ignore[arg-type]


def python(raw: bytes) -> EmailMessage:
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    assert [part.defects for part in message.walk() if part.defects] == []
    return message


def obeys_the_line_rules(raw: bytes) -> None:
    """7-bit, CRLF only, no line over 998 characters, header lines that fold (RFC 5322 2.1.1, RFC 2045 2.7)."""
    assert raw.isascii()
    assert b"\0" not in raw
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", raw)
    assert max(len(line) for line in raw.split(b"\r\n")) <= 998


def test_the_header_of_a_new_message() -> None:
    raw = written(
        draft(
            cc=(Address("Müller, Jürgen", "jm@example.test"), Address('Quo"te', "q@example.test")),
            bcc=(Address("", "hidden@example.test"),),
            reply_to=(Address("", "desk@example.test"),),
            importance=2,
            read_receipt=True,
            headers=(("X-Protective-Marking", "VER=2025.1, SEC=OFFICIAL"),),
        )
    )
    obeys_the_line_rules(raw)
    message = python(raw)
    assert message["Date"].datetime == DATE
    assert message["Message-ID"] == "<one@example.test>"
    assert message["From"].addresses[0].display_name == "Alice Ä."
    assert [(a.display_name, a.addr_spec) for a in message["Cc"].addresses] == [
        ("Müller, Jürgen", "jm@example.test"),
        ('Quo"te', "q@example.test"),
    ]
    assert message["Bcc"] == "hidden@example.test"  # the server takes it out (MS-ASCMD 2.2.1.17)
    assert message["Reply-To"] == "desk@example.test"
    assert message["Importance"] == "high"
    assert getaddresses([message["Disposition-Notification-To"]])[0][1] == "alice@example.test"
    assert message["X-Protective-Marking"] == "VER=2025.1, SEC=OFFICIAL"
    assert message["MIME-Version"] == "1.0"
    assert message.get_content_type() == "text/plain"


def test_threading_of_an_answer() -> None:
    references = tuple(f"r{number}@example.test" for number in range(40))
    raw = written(
        draft(in_reply_to="r39@example.test", references=references, thread_topic="Plan", thread_index=b"\1ab")
    )
    message = python(raw)
    assert message["In-Reply-To"] == "<r39@example.test>"
    kept = message["References"].split()
    assert (kept[0], kept[-1], len(kept)) == ("<r0@example.test>", "<r39@example.test>", 20)
    assert (message["Thread-Topic"], message["Thread-Index"]) == ("Plan", "AWFi")


def test_an_identifier_that_is_none_is_left_out() -> None:
    raw = written(draft(in_reply_to="a b>\r\nX: y", references=("good@example.test", "<bad>")))
    assert b"X: y" not in raw
    assert python(raw)["References"] == "<good@example.test>"
    assert python(raw)["In-Reply-To"] is None


def test_nothing_in_a_value_begins_another_field() -> None:
    evil = "x\r\nBcc: eve@example.test\r\n\r\nbody"
    raw = written(
        draft(
            subject=evil,
            to=(Address(evil, "bob@example.test"),),
            attachments=(DraftAttachment(name=evil, content=b"1"),),
            headers=(("X-Mark", evil),),
        )
    )
    assert python(raw)["Bcc"] is None
    assert sorted({name.lower() for name in python(raw)}) == [
        "content-type", "date", "from", "message-id", "mime-version", "subject", "to", "x-mark",
    ]  # fmt: skip
    for name, value in (("Bad name", "x"), ("Subject", "x"), ("bcc", "x"), ("X:", "x"), ("", "x")):
        with pytest.raises(UsageError):
            written(draft(headers=((name, value),)))


def test_the_shape_of_a_rich_message() -> None:
    image = DraftAttachment(name="logo.png", content=b"\x89PNG" * 100, content_id="logo@1")
    file = DraftAttachment(name="Übersicht 2026.pdf", content=bytes(range(256)) * 50)
    raw = written(draft(text="Hällo", html='<p>Hällo <img src="cid:logo@1"></p>', attachments=(file, image)))
    obeys_the_line_rules(raw)
    message = python(raw)
    mixed = list(message.iter_parts())
    assert [part.get_content_type() for part in mixed] == ["multipart/alternative", "application/pdf"]
    plain, related = mixed[0].iter_parts()
    assert plain.get_content() == "Hällo\r\n"
    html, logo = related.iter_parts()
    assert html.get_content() == '<p>Hällo <img src="cid:logo@1"></p>\r\n'
    assert (logo["Content-ID"], logo.get_content_disposition()) == ("<logo@1>", "inline")
    assert logo.get_content() == image.content
    assert mixed[1].get_filename() == "Übersicht 2026.pdf"
    assert mixed[1].get_content() == file.content
    other = fast_mail_parser.parse_email(raw)
    assert {(a.filename, a.content) for a in other.attachments} >= {(file.name, file.content)}


@pytest.mark.parametrize("with_html", [False, True])
def test_an_image_without_html_is_a_file(with_html: bool) -> None:
    image = DraftAttachment(name="i.png", content=b"png", content_id="i@1")
    message = python(written(draft(html="<p>x</p>" if with_html else "", attachments=(image,))))
    (found,) = [part for part in message.walk() if part.get_content_type() == "image/png"]
    assert found.get_content_disposition() == ("inline" if with_html else "attachment")


def test_signature_and_quote_stand_below_the_text() -> None:
    quote = Quote(
        sender="Bob <bob@example.test>", sent="Monday", to="Alice", subject="Plan", text="One\n> Two\n\nThree"
    )
    made = draft(text="Yes.", signature="Alice\nSales", quote=quote)
    assert python(written(made)).get_content().replace("\r\n", "\n") == (
        "Yes.\n\n-- \nAlice\nSales\n\n-----Original Message-----\n"
        "From: Bob <bob@example.test>\nSent: Monday\nTo: Alice\nSubject: Plan\n\n> One\n>> Two\n>\n> Three\n"
    )
    alone = python(written(made, quote=False)).get_content()
    assert alone.replace("\r\n", "\n") == "Yes.\n\n-- \nAlice\nSales\n"


def test_the_html_of_an_answer_holds_the_original_inside_itself() -> None:
    original = "<html><head><style>p{}</style></head><BODY bgcolor='white'><p>Old &amp; grey</p></body></html>"
    quote = Quote(sender="<Bob>", html=original, text="Old & grey")
    made = draft(text="New", html="<html><body><p>New</p></body></html>", signature="A & B", quote=quote)
    (html,) = [p for p in python(written(made)).walk() if p.get_content_type() == "text/html"]
    text = html.get_content().strip()
    assert text.startswith("<html><body><p>New</p>")
    assert text.endswith("</body></html>")
    assert "A &amp; B" in text
    assert "&lt;Bob&gt;" in text
    assert "<p>Old &amp; grey</p>" in text
    assert text.lower().count("<body") == 1
    assert "<style>" not in text


@pytest.mark.parametrize(
    ("document", "content"),
    [
        ("<p>x</p>", "<p>x</p>"),
        ("<head>h</head><p>x</p></html>", "<p>x</p>"),
        ("<body>x", "x"),
        ("<body", "<body"),
        ("İ<body>ı</body>", "ı"),
        ("", ""),
    ],
)
def test_the_content_of_documents(document: str, content: str) -> None:
    assert html_content(document) == content


def test_an_attached_message_stays_byte_for_byte() -> None:
    """RFC 2046 5.2.1: message/rfc822 may not be encoded; what has no unencoded form goes as a file."""
    cases = {
        b"Subject: a\r\n\r\nplain\r\n": ("message/rfc822", "7bit"),
        b"Subject: a\r\n\r\nno end": ("message/rfc822", "7bit"),
        "Subject: a\r\n\r\nä\r\n".encode(): ("message/rfc822", "8bit"),
        b"Subject: a\n\nbare line ends\n": ("application/octet-stream", "base64"),
        b"Subject: a\r\n\r\n" + b"x" * 2000: ("application/octet-stream", "base64"),
        b"Subject: a\r\n\r\n\0": ("application/octet-stream", "base64"),
    }
    for content, (kind, encoding) in cases.items():
        attached = DraftAttachment(name="o.eml", content=content, content_type="message/rfc822")
        raw = written(draft(attachments=(attached,)))
        message = email.message_from_bytes(raw, policy=email.policy.default)
        part = list(message.iter_parts())[1]  # type: ignore[attr-defined]
        assert (part.get_content_type(), part["Content-Transfer-Encoding"]) == (kind, encoding)
        if kind == "message/rfc822":
            assert content in raw
            assert message["Content-Transfer-Encoding"] == (encoding if encoding == "8bit" else None)
        else:
            assert part.get_content() == content


def test_an_attachment_whose_content_is_elsewhere() -> None:
    made = draft(attachments=(DraftAttachment(name="a.bin", source=7, announced=3),))
    raw = written(made, contents=lambda attachment: b"abc" if attachment.source == 7 else b"")
    assert list(python(raw).iter_parts())[1].get_content() == b"abc"
    with pytest.raises(UsageError, match=r"a\.bin"):
        written(made)


def test_the_boundary_stands_in_no_part() -> None:
    made = draft(attachments=(DraftAttachment(name="a", content=b"1", content_type="text/plain"),))
    boundary = python(written(made)).get_boundary()
    assert boundary is not None
    evil = replace(made, text=f"--{boundary}--\n{boundary}")
    message = python(written(evil))
    assert message.get_boundary() != boundary
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/plain"]
    assert written(evil) == written(evil)


def test_the_entity_is_the_message_without_its_fields() -> None:
    made = compose(draft(text="x"), DATE)
    assert made.entity.startswith(b"Content-Type: text/plain")
    assert made.message == made.head + b"MIME-Version: 1.0\r\n" + made.entity
    assert b"Content-Type" not in made.head


@pytest.mark.parametrize(
    "address", ["", "bob", "bob@", "@example.test", "a b@example.test", "a@b@c", "a@b..c", "a@b\r\nX: y"]
)
def test_addresses_that_are_none(address: str) -> None:
    with pytest.raises(UsageError):
        checked_address(address)


def test_addresses_beyond_ascii() -> None:
    assert checked_address("x@bücher.example") == "x@xn--bcher-kva.example"
    # There is no 7-bit form of a local part: the field is in UTF-8 (RFC 6532 3.2).
    assert (
        address_field("To", [Address("", "jürgen@bücher.example")]) == "To: jürgen@xn--bcher-kva.example\r\n".encode()
    )


names = st.text(st.characters(exclude_categories=("Cs",)), max_size=120)


@settings(max_examples=150, deadline=None)
@given(names)
@example("0  0")
def test_any_subject_is_read_back(subject: str) -> None:
    line = text_field("Subject", subject)
    obeys_the_line_rules(line)
    assert all(len(part) <= 78 or b" " not in part.strip() for part in line.split(b"\r\n"))
    wanted = re.sub(r"[\x00-\x1f\x7f\x85\u2028\u2029]+", " ", subject).strip()
    raw = line + b"\r\n"
    assert header_text(email.message_from_bytes(raw)["Subject"]) == wanted
    assert fast_mail_parser.parse_email(raw).subject == wanted


@settings(max_examples=150, deadline=None)
@given(st.lists(names, min_size=1, max_size=4))
def test_any_display_name_is_read_back(given_names: list[str]) -> None:
    people = [Address(name, f"p{number}@example.test") for number, name in enumerate(given_names)]
    line = address_field("To", people)
    obeys_the_line_rules(line)
    read = getaddresses([email.message_from_bytes(line + b"\r\n")["To"]])
    assert [address for _, address in read] == [person.address for person in people]
    for (name, _), person in zip(read, people, strict=True):
        wanted = re.sub(r"[\x00-\x1f\x7f\x85\u2028\u2029]+", " ", person.name).strip()
        assert header_text(name) == wanted


@settings(max_examples=150, deadline=None)
@given(names)
def test_any_file_name_is_read_back(name: str) -> None:
    line = b"Content-Disposition: attachment" + parameter("filename", name).encode() + b"\r\n"
    obeys_the_line_rules(line)
    wanted = re.sub(r"[\x00-\x1f\x7f\x85\u2028\u2029]+", " ", name).strip()
    assert (email.message_from_bytes(line + b"\r\n").get_filename() or "") == wanted


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=400), st.text(max_size=400), st.binary(max_size=300))
def test_any_text_is_read_back(text: str, html: str, content: bytes) -> None:
    raw = written(draft(text=text, html=html, attachments=(DraftAttachment(name="a.bin", content=content),)))
    obeys_the_line_rules(raw)
    # Controls cannot be written; those that a person cannot see are not shown either.
    unwritable = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufeff\ufffe\uffff\ud800-\udfff]")
    seen = view(raw)

    def same(read: str, given_text: str) -> bool:
        wanted = unwritable.sub("", given_text.replace("\r\n", "\n").replace("\r", "\n"))
        return read.replace("\r\n", "\n").rstrip("\n") == wanted.rstrip("\n")

    assert same(seen.text, text)
    assert same(seen.html, html)
    assert [(a.name, a.data) for a in seen.attachments] == [("a.bin", content)]
