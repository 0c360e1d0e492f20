"""Names, quotes, cards, flowed text: the smaller readers."""

from __future__ import annotations

import time

import pytest

from emailplus.mime import cards, html_text, quotes
from emailplus.mime.names import MAX_NAME, distinct, safe_name


@pytest.mark.parametrize(
    ("written", "safe"),
    [
        ("report.pdf", "report.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Windows\\system32\\cmd.exe", "cmd.exe"),
        ("C:evil.exe", "evil.exe"),
        ("/", "attachment"),
        ("..", "attachment"),
        ("", "attachment"),
        ("Old: the contract.eml", "Old_ the contract.eml"),
        ("a\0b\r\nc.txt", "ab c.txt"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("con.txt", "_con.txt"),
        ("LPT1", "_LPT1"),
        (" .hidden. ", "hidden"),
        ('<a> "b"|c?*.txt', "_a_ _b__c__.txt"),
        ("na\u0069\u0308ve.txt", "na\u00efve.txt"),
        ("\ud800.txt", "_.txt"),
    ],
)
def test_safe_names(written: str, safe: str) -> None:
    assert safe_name(written) == safe


def test_long_names_keep_their_extension() -> None:
    name = safe_name("\u20ac" * 500 + ".docx")
    assert len(name.encode()) <= MAX_NAME
    assert name.endswith(".docx")
    assert safe_name("x" * 500).startswith("x")
    assert safe_name("", "image/png") == "attachment.png"


def test_the_same_name_twice() -> None:
    assert distinct(["a.txt", "A.txt", "b", "a.txt", "b"]) == ["a.txt", "A (2).txt", "b", "a (3).txt", "b (2)"]


OUTLOOK = "Fine.\n\n________________________________\nVon: Bob <bob@example.com>\nGesendet: Montag\nAn: Alice\n\nOld."


@pytest.mark.parametrize(
    ("text", "new"),
    [
        ("Yes.\n\nOn Mon, 1 Jan 2026, Bob <b@x> wrote:\n> Shall we?\n", "Yes.\n\n"),
        ("Ja.\n\nAm 01.01.2026 um 10:00 schrieb Bob:\n\n> Sollen wir?\n", "Ja.\n\n"),
        ("Ok\n-----Original Message-----\nFrom: x\n", "Ok\n"),
        (OUTLOOK, "Fine.\n\n"),
        ("Right.\n\n> one\n> two\n> three\n", "Right.\n\n"),
        ("No quote here.\nFrom here on: nothing.", "No quote here.\nFrom here on: nothing."),
        ("> only\n> a\n> quote\n", "> only\n> a\n> quote\n"),
        ("I wrote:\nnothing", "I wrote:\nnothing"),
    ],
)
def test_history_of_text(text: str, new: str) -> None:
    first, history = quotes.split_text(text)
    assert first == new
    assert first + history == text


def test_history_of_html() -> None:
    for mark in ('<div class="gmail_quote">', "<blockquote type=cite>", '<div id="divRplyFwdMsg" dir=ltr>',
                 "<hr id=stopSpelling>", "<div style='border:none;border-top:solid #E1E1E1 1.0pt'>"):  # fmt: skip
        html = f"<p>new</p>{mark}old</div>"
        assert quotes.split_html(html) == ("<p>new</p>", f"{mark}old</div>")
        assert quotes.split_html(f"<html><head><title>t</title></head><p>&nbsp;</p>{mark}old")[1] == ""


def test_splitting_takes_linear_time() -> None:
    for piece in ("On x\n", "> a\n", "<div ", '<div class="', "From: ", "-" * 50, "<blockquote "):
        began = time.process_time()
        quotes.split_text(piece * 100_000)
        quotes.split_html(piece * 100_000)
        html_text.linear(piece * 50_000)
        assert time.process_time() - began < 10, piece


CALENDAR = """BEGIN:VCALENDAR\r
METHOD:REQUEST\r
BEGIN:VTIMEZONE\r
BEGIN:STANDARD\r
DTSTART:19701025T030000\r
END:STANDARD\r
END:VTIMEZONE\r
BEGIN:VEVENT\r
SUMMARY:Budget\\, round\r
  two\r
DTSTART;TZID="Europe/Berlin":20261203T100000\r
DTEND:20261203T103000Z\r
LOCATION:Room 4\r
DESCRIPTION:a\\nb\r
RRULE:FREQ=WEEKLY;COUNT=3\r
ORGANIZER;CN="Baker, Bob":MAILTO:bob@example.com\r
ATTENDEE;ROLE=REQ-PARTICIPANT;PARTSTAT=ACCEPTED;CN=Carol:mailto:carol@example.org\r
SEQUENCE:2\r
BEGIN:VALARM\r
DESCRIPTION:not this\r
END:VALARM\r
END:VEVENT\r
END:VCALENDAR\r
"""


def test_an_invitation() -> None:
    (event,) = cards.events(CALENDAR)
    assert (event.method, event.summary, event.location) == ("REQUEST", "Budget, round two", "Room 4")
    assert (event.start, event.end) == ("2026-12-03 10:00 (Europe/Berlin)", "2026-12-03 10:30 (UTC)")
    assert (event.description, event.rule, event.sequence) == ("a\nb", "FREQ=WEEKLY;COUNT=3", 2)
    assert event.organizer == cards.Person("Baker, Bob", "bob@example.com")
    assert event.attendees == [cards.Person("Carol", "carol@example.org", "accepted", "req-participant")]
    assert cards.moment("20261203") == "2026-12-03"
    assert cards.moment("someday") == "someday"


def test_business_cards() -> None:
    two_one = "BEGIN:VCARD\nVERSION:2.1\nN:Adams;Eve\nTEL;CELL:1\nNOTE;ENCODING=QUOTED-PRINTABLE:a=C3=BC\nEND:VCARD\n"
    three = "BEGIN:VCARD\nFN:Dan\nORG:A;B\nitem1.EMAIL;TYPE=INTERNET,WORK:d@x\nADR:;;S 1;T;;9;DE\nEND:VCARD"
    eve, dan = cards.contacts(two_one + three)
    assert eve.name == "Eve Adams"
    assert eve.details == [("tel, cell", "1"), ("note", "a\u00fc")]
    assert (dan.name, dan.organization) == ("Dan", "A, B")
    assert dan.details == [("email, internet,work", "d@x"), ("adr", "S 1, T, 9, DE")]


def test_cards_are_bounded() -> None:
    for text in ("BEGIN:VEVENT\nATTENDEE:x\n" * 100_000, "BEGIN:VCARD\nTEL:1\n" * 100_000, "A;" * 500_000 + ":x",
                 'A;B="' * 100_000, "BEGIN:VEVENT\n" + "ATTENDEE:x\n" * 100_000):  # fmt: skip
        began = time.process_time()
        assert len(cards.events(text)) <= cards.MAX_CARDS
        assert len(cards.contacts(text)) <= cards.MAX_CARDS
        assert time.process_time() - began < 10


def test_flowed_text() -> None:
    flowed = "A long \nline.\nNext\n> quoted \n> on\n-- \nBob "
    assert html_text.unflowed(flowed) == "A long line.\nNext\n> quoted on\n-- \nBob "
    assert html_text.unflowed("ab \ncd", delete_space=True) == "abcd"


def test_readable_text() -> None:
    markup = (
        "<p>Hello <b>you</b>, see <a href='https://x.example/y'>this</a> and <a href='https://z.example/'>z.example</a>.</p>"
        "<ol><li>one<li>two<ul><li>inner</ul></ol><table><tr><td>a<td>b</tr><tr><td>c<td>d</table>"
        "<blockquote><p>quoted</p><blockquote>deeper</blockquote></blockquote><pre>x\n  y</pre><hr>end"
    )
    assert html_text.readable(markup).splitlines() == [
        "Hello you, see this <https://x.example/y> and z.example.", "", "1. one", "2. two", "  - inner", "", "a  b",
        "c  d", "", "> quoted", ">", "> > deeper", "", "x", "  y", "", "-" * 20, "end",
    ]  # fmt: skip


def test_text_as_html() -> None:
    html = html_text.to_html("a <b> see www.example.com/x, or (https://y.example).")
    assert html == (
        '<div class="text">a &lt;b&gt; see <a href="http://www.example.com/x" rel="noopener noreferrer">'
        'www.example.com/x</a>, or (<a href="https://y.example" rel="noopener noreferrer">https://y.example</a>).</div>'
    )
    assert "href" not in html_text.to_html("https://x.example", lambda _: None)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("", ""),
        ("FREQ=YEARLY", "every year"),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE;WKST=SU", "every 2 weeks, on Monday, Wednesday"),
        ("FREQ=MONTHLY;BYDAY=-1FR;COUNT=5", "every month, on the last Friday, 5 times"),
        ("FREQ=MONTHLY;BYMONTHDAY=13;UNTIL=20271231T230000Z", "every month, on day 13, until 2027-12-31"),
        ("FREQ=DAILY;BYHOUR=9", "FREQ=DAILY;BYHOUR=9"),
        ("FREQ=WEEKLY;BYDAY=XX", "FREQ=WEEKLY;BYDAY=XX"),
        ("no rule", "no rule"),
    ],
)
def test_a_recurrence_as_people_say_it(rule: str, said: str) -> None:
    assert cards.spoken(rule) == said
