"""Stamping: templates to messages and back, exhaustive over the sample configurations."""

from __future__ import annotations

import email
import email.policy
import time
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emailplus.classification.document import load
from emailplus.classification.message import encoded_header, receive_message, stamp_message
from emailplus.classification.receive import Receiver
from emailplus.classification.selection import Selection
from emailplus.classification.stamp import Block, Marks, render, stamp_html, stamp_subject, stamp_text
from emailplus.errors import ClassificationRequired, UsageError
from emailplus.mime.view import view

from . import samples
from .test_selection import legal

SUBJECT = "Überprüfung der Haushaltspläne 日本語 " + "and a long tail of words that has to fold somewhere " * 3
MARKS = Marks(
    header=Block("SECRET\nEYES", "color:#FF0000"), footer=Block("SECRET"), old_blocks=("SECRET\nEYES", "SECRET")
)


PAGE = "<html><head><title>t</title></head><body><p>Grüße</p></body></html>"


def message(subject: str = SUBJECT, shape: str = "multipart") -> bytes:
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = "a@example.test", "b@example.test", subject
    if shape == "html":
        made.set_content(PAGE, subtype="html")
        return made.as_bytes(policy=email.policy.SMTP)
    made.set_content("Grüße\n")
    if shape == "multipart":
        made.add_alternative(PAGE, subtype="html")
        made.add_attachment(b"SECRET\x00\r\n", maintype="application", subtype="octet-stream", filename="a.bin")
    return made.as_bytes(policy=email.policy.SMTP)


@pytest.mark.parametrize("name", samples.CONFIGURATIONS)
def test_every_legal_selection_is_received_as_stamped(name: str) -> None:
    scheme = samples.scheme(name)
    receiver = Receiver(scheme)
    for chosen in legal(scheme):
        selection = Selection(scheme, chosen)
        if selection.missing():
            with pytest.raises(ClassificationRequired):
                render(selection)
            continue
        marks = render(selection)
        for subject in (SUBJECT, "", "[EXT] Plan [today]", "RE: Plan [SEC=UNOFFICIAL]"):
            stamped = stamp_subject(subject, marks)
            assert stamp_subject(stamped, marks) == stamped
            received = receiver.receive(marks.headers, stamped)
            wanted = dict(chosen)
            if name == "parent_range.json":
                assert received.place == "x-classification"
            assert received.selection == wanted, (chosen, stamped)
            assert not received.unknown


@pytest.mark.parametrize("shape", ["text", "html", "multipart"])
@pytest.mark.parametrize("name", samples.CONFIGURATIONS)
def test_whole_messages_are_received_as_stamped(name: str, shape: str) -> None:
    """Every legal selection, through a MIME message with a subject that is not ASCII and folds."""
    scheme = samples.scheme(name)
    receiver = Receiver(scheme)
    original = message(shape=shape)
    read = 0
    for chosen in legal(scheme):
        selection = Selection(scheme, chosen)
        if selection.missing():
            continue
        marks = render(selection)
        stamped = stamp_message(original, marks)
        assert stamp_message(stamped, marks) == stamped
        assert receive_message(receiver, stamped).selection == chosen
        head, _, _ = stamped.partition(b"\r\n\r\n")
        assert max(map(len, head.split(b"\r\n"))) <= 78
        assert b"\r\n " in head  # the subject folds
        if read % 20 == 0:
            _reads_well(stamped, shape, marks)
        read += 1
    assert read


def _reads_well(stamped: bytes, shape: str, marks: Marks) -> None:
    """By the standard library: the text is whole, the blocks stand at its ends, attachments are untouched."""
    read = email.message_from_bytes(stamped, policy=email.policy.default)
    assert read["Subject"].endswith(marks.suffix)
    assert read["Subject"].startswith(SUBJECT.rstrip())
    if shape != "html":
        text = read.get_body(("plain",)).get_content().replace("\r\n", "\n")
        assert "Grüße" in text
        assert marks.header is None or text.startswith(marks.header.text + "\n\n")
        assert marks.footer is None or text.rstrip("\n").endswith("\n\n" + marks.footer.text)
    if shape != "text":
        page = read.get_body(("html",)).get_content()
        assert "<p>Grüße</p>" in page
        assert marks.header is None or f"<body>{marks.header.html}<p>" in page.replace("\r\n", "")
        assert marks.footer is None or f"{marks.footer.html}</body>" in page.replace("\r\n", "")
    if shape == "multipart":
        assert next(read.iter_attachments()).get_content() == b"SECRET\x00\r\n"


def test_header_and_subject_of_the_standard() -> None:
    scheme = samples.scheme("epms_2018.json")
    wanted = {"SEC": ["TOP-SECRET"], "CAVEAT": ["SH:CABINET", "RI:AUSTEO"], "ACCESS": ["Legal-Privilege"]}
    marks = render(Selection.of(scheme, wanted))
    marking = "SEC=TOP-SECRET, CAVEAT=RI:AUSTEO, CAVEAT=SH:CABINET, ACCESS=Legal-Privilege"
    assert marks.headers == (("X-Protective-Marking", f"VER=2018.4, NS=gov.au, {marking}"),)
    assert stamp_subject("Plan", marks) == f"Plan [{marking}]"
    assert marks.header == Block("TOP-SECRET - AUSTEO", "color:#FF0000;text-align:left")
    assert marks.footer == Block("TOP-SECRET", "color:#404040;font-size:80%;text-align:center")


def test_a_reply_replaces_the_marking_of_its_original() -> None:
    scheme = samples.scheme("epms_2018.json")
    first = stamp_message(message(), render(Selection.of(scheme, {"SEC": ["PROTECTED"]})))
    received = receive_message(Receiver(scheme), first)
    reply = Selection.reply(scheme, received.selection).choose("SEC", "SECRET")
    body = "Thanks\n\n> PROTECTED\n>\n> Grüße\n>\n> PROTECTED\n"
    page = "<body>Thanks<blockquote>" + Block("PROTECTED", "x").html + "<p>Hi</p></blockquote></body>"
    marks = render(reply)
    assert stamp_text(body, marks) == "SECRET\n\nThanks\n\n> Grüße\n\nSECRET\n"
    stamped = stamp_html(page, marks)
    assert stamped.count("PROTECTED") == 0
    assert stamped.count("SECRET") == 2
    assert stamp_html(stamped, marks) == stamped
    assert stamp_subject("RE: Plan [SEC=PROTECTED]", marks) == "RE: Plan [SEC=SECRET]"
    plain = samples.scheme("minimal.json")
    upgraded = render(Selection.reply(plain, {"Level": ["Internal"]}).choose("Level", "Confidential"))
    assert stamp_subject("RE: Plan [Internal]", upgraded) == "RE: Plan [Confidential]"


def test_typed_text_stays_text() -> None:
    scheme = load(
        {
            "version": "2.0.0",
            "fields": [{"name": "Note", "allowCustomValue": True}],
            "values": [],
            "sendOptions": {"xHeader": {"X-Note": "$Note.value$"}, "bodyHeader": {"text": r"($Note.value$)\nend"}},
        }
    )
    marks = render(Selection(scheme).choose("Note", '<script>"&'))
    assert marks.header is not None
    assert "&lt;script&gt;&quot;&amp;<br>end" in marks.header.html
    assert marks.headers == (("X-Note", '<script>"&'),)


@pytest.mark.parametrize(
    ("page", "wanted"),
    [
        ("<p>x</p>", "H<p>x</p>F"),
        ("<!DOCTYPE html>\n<html><head><style>b{}</style></head>\n<BODY class='a>b'>x</BODY></html>\n",
         "<!DOCTYPE html>\n<html><head><style>b{}</style></head>\n<BODY class='a>b'>Hx" "F</BODY></html>\n"),
        ("<!-- <body> --><body>x", "<!-- <body> --><body>HxF"),
        ("<!-- <body>x", "H<!-- <body>xF"),
        ("<!--> <body>x --></body>", "<!--> <body>Hx -->F</body>"),
        ("<html><head><title>x", "H<html><head><title>xF"),
        ("", "HF"),
    ],
)  # fmt: skip
def test_where_blocks_stand_in_html(page: str, wanted: str) -> None:
    marks = Marks(header=Block("A"), footer=Block("B"))
    stamped = stamp_html(page, marks)
    assert stamped.replace(Block("A").html, "H").replace(Block("B").html, "F") == wanted
    assert stamp_html(stamped, marks).count("emailplus-marking") == 2


def test_a_message_without_text_gets_a_part_for_it() -> None:
    fields = b"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: application/pdf\r\n"
    data = fields + b"Content-Transfer-Encoding: base64\r\n\r\nJVBERg==\r\n"
    stamped = stamp_message(data, MARKS)
    read = email.message_from_bytes(stamped, policy=email.policy.default)
    assert [part.get_content_type() for part in read.iter_parts()] == ["text/plain", "application/pdf"]
    assert "SECRET\nEYES" in read.get_body(("plain",)).get_content().replace("\r", "")  # type: ignore[union-attr]
    assert next(iter(read.iter_attachments())).get_content() == b"%PDF"


@pytest.mark.parametrize(
    "kind", ["multipart/signed; boundary=b", "application/pkcs7-mime", "multipart/encrypted; boundary=b"]
)
def test_closed_messages_are_refused(kind: str) -> None:
    with pytest.raises(UsageError, match="before signing"):
        stamp_message(f"Subject: x\r\nContent-Type: {kind}\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n".encode(), MARKS)


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="SECRTY\n> ", max_size=40))
def test_plain_bodies_settle(body: str) -> None:
    once = stamp_text(body, MARKS)
    assert once.startswith("SECRET\nEYES\n\n")
    assert once.rstrip("\n").endswith("\nSECRET")


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_stamped(data: bytes) -> None:
    try:
        read = view(stamp_message(data, MARKS))
        assert "SECRET" in read.text + read.html
    except UsageError:
        assert b"/" in data


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(alphabet="ab=,:", min_size=1, max_size=90), min_size=1, max_size=9).map(" ".join))
def test_folding_is_undone_by_unfolding(text: str) -> None:
    folded = encoded_header("X-Marking", text)
    assert folded.replace("\n", "") == text
    assert all(len(line) <= 78 or " " not in line.strip() for line in ("X-Marking: " + folded).split("\n")[1:])


def test_long_bodies_take_their_length() -> None:
    began = time.process_time()
    for piece in (
        "<body ",
        "<!--",
        '<div class="emailplus-marking" style="',
        "<title>",
        "<title></title>",
        "<meta '",
        "</body>",
    ):
        stamp_html(piece * 50_000, MARKS)
    for piece in ("> SECRET\n", "SECRET\n\n", ">" * 200 + "\n"):
        stamp_text(piece * 100_000, MARKS)
    assert time.process_time() - began < 15
