"""What looks like something else: links, names, file names, characters that cannot be seen."""

from __future__ import annotations

import time
from email.message import EmailMessage

import pytest

from emailplus.mime import disguise, terminal
from emailplus.mime.page import render
from emailplus.mime.sanitise import Choice, sanitise
from emailplus.mime.view import read
from emailplus.model.message import addresses


@pytest.mark.parametrize(
    ("words", "address", "said"),
    [
        ("http://bank.example", "https://evil.example/x", "it leads to evil.example"),
        ("www.bank.example/login", "https://evil.example/", "it leads to evil.example"),
        ("Log in at https://bank.example now", "http://bank.example.evil.net/", "it leads to bank.example.evil.net"),
        ("bank.example", "http://192.0.2.7/", "it leads to 192.0.2.7"),
        ("bank.co.uk", "http://evil.co.uk/", "it leads to evil.co.uk"),
        ("help@bank.example", "mailto:eve@evil.example?subject=x", "it leads to evil.example"),
        ("help@bank.example", "https://evil.example/", "it leads to evil.example"),
        ("b\u0430nk.example", "https://bank.example/", "it leads to bank.example"),
        ("here", "https://bank.example@evil.example/", "it leads to evil.example, not to bank.example"),
        ("here", "https://p\u0430ypal.example/", "xn--pypal-4ve.example mixes alphabets"),
        ("here", "https://xn--pypal-4ve.example/", "xn--pypal-4ve.example mixes alphabets"),
        (
            "here",
            "https://\u0430\u0440\u0440\u04cf\u0435.example/",
            "xn--80ak6aa92e.example is written in letters that",
        ),
        ("elpmaxe.knab\u202e", "https://evil.example/", "its text turns the direction of its text"),
        ("bank\u200b.example", "https://bank.example/", "its text holds invisible characters"),
    ],
)
def test_links_that_deceive(words: str, address: str, said: str) -> None:
    assert disguise.link(words, address).startswith(said)


@pytest.mark.parametrize(
    ("words", "address"),
    [
        ("https://bank.example/login", "https://bank.example/login?id=7"),
        ("bank.example", "https://www.bank.example/"),
        ("https://login.bank.example", "https://bank.example/"),
        ("Our shop", "https://click.mailer.example/7"),
        ("figures.pdf", "https://files.example/7"),
        ("see notes.md, e.g. this", "https://files.example/7"),
        ("version 1.2.3", "https://files.example/7"),
        ("bob@bank.example", "mailto:bob@bank.example"),
        ("m\u00fcnchen.example", "https://xn--mnchen-3ya.example/"),
        ("\u4f8b\u3048.\u30c6\u30b9\u30c8", "https://xn--r8jz45g.xn--zckzah/"),
        ("https://bank.co.uk", "https://www.bank.co.uk/"),
        ("", "https://bank.example/"),
        ("x.example", "https://[bad"),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "https://bank.example/"),
        ("\U0001f468\u200d\U0001f469 family", "https://bank.example/"),
    ],
)
def test_links_that_do_not(words: str, address: str) -> None:
    assert disguise.link(words, address) == ""


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        ("http:evil.example", "http://evil.example"), ("HTTP:///evil.example/a", "http://evil.example/a"),
        ("https:\\\\evil.example\\@bank.example", "https://evil.example/@bank.example"),
        ("http://x.example/?a=\\b#\\c", "http://x.example/?a=\\b#\\c"), ("ht\ttp:/\u202ex.example", "http://x.example"),
        ("mailto:a\\b@x.example", "mailto:a\\b@x.example"), ("", ""),
    ],
)  # fmt: skip
def test_addresses_as_browsers_read_them(written: str, read_as: str) -> None:
    assert disguise.address(written) == read_as
    if read_as.startswith("http"):
        links = sanitise(f'<a href="{written}">x</a><img src="//p.example\\x">', Choice(pictures=True))
        assert [link.url for link in links.links] == ([] if "\t" in written else [read_as])  # nh3 drops that one itself
        assert [picture.url for picture in links.pictures] == ["https://p.example/x"]


def mail(subject: str = "Hi", sender: str = "Eve <eve@evil.example>", html: str = "<p>x</p>") -> EmailMessage:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = subject, sender, "alice@example.com"
    message.set_content(html, subtype="html")
    return message


def test_the_list_of_links_says_it() -> None:
    html = (
        '<a href="https://evil.example/1">https://<b>bank</b>.example</a><a href="https://evil.example/1">go</a>'
        '<a href="https://ok.example/">ok.example</a><a href="javascript:x">https://bank.example</a>'
        '<a name="x">bank.example</a>'
    )
    links = sanitise(html, Choice(rewrite=lambda link: None if "ok" in link else f"app:{link}")).links
    assert [(link.words, link.deceit) for link in links] == [
        ("https://bank.example", "it leads to evil.example"), ("go", ""), ("", ""),
    ]  # fmt: skip
    assert links[0].target == "app:https://evil.example/1"


def test_the_page_and_the_terminal_say_it() -> None:
    message = mail(
        subject="Bill\u202e2 nuf",
        sender='"boss\u200b@example.com" <eve@evil.example>',
        html='<p><a href="https://evil.example/">https://bank.example</a></p>',
    )
    message.add_attachment(b"x", "application", "octet-stream", filename="bill\u202efdp.exe")
    message.add_attachment(b"x", "application", "octet-stream", filename="bill.pdf .exe")
    seen = read(message.as_bytes())
    told = [
        "the subject turns the direction of its text",
        "the name of eve@evil.example holds invisible characters",
        "From: the name says boss@example.com, the address is eve@evil.example",
        "the name of the file billfdp.exe turns the direction of its text",
        "the file bill.pdf .exe is a program with the name of a document",
        "a link says \u201chttps://bank.example\u201d: it leads to evil.example",
    ]
    page = render(seen).html
    assert page.index("Take care") < page.index("<main")
    assert [line for line in told if f"<li>{line}</li>" not in page] == []
    assert "\u202e" not in page
    assert "\u200b" not in page
    lines = terminal.render(seen).splitlines()
    assert [line for line in told if f"! {line}" not in lines] == []
    assert "Subject: Bill2 nuf" in lines


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("=?utf-8?q?boss=40example=2Ecom=2C?= <eve@evil.example>", "boss@example.com,"),
        ("=?utf-8?q?boss=40example=2Ecom_=3Cboss=40example=2Ecom=3E?= <eve@evil.example>", None),
        ('"=?utf-8?q?Boss=22_=3Cboss=40example=2Ecom=3E=2C?=" <eve@evil.example>', None),
        ("boss@example.com <eve@evil.example>", "boss@example.com"),
        ("=?utf-8?q?M=C3=BCller=2C_Eva?= <eve@evil.example>", "M\u00fcller, Eva"),
        ("=?utf-8?q?Eva?= =?utf-8?q?_=28x=29?= <eve@evil.example>", "Eva (x)"),
        ("=?utf-8?q?Eve_=3Ceve=40evil=2Eexample=3E?=", "Eve"),
    ],
)
def test_a_name_is_no_second_person(header: str, name: str | None) -> None:
    """RFC 2047 5: what an encoded word says is a phrase, whatever stands in it."""
    people = addresses(read(f"From: {header}\r\n\r\nx".encode()).sender)
    assert [person.address for person in people] == ["eve@evil.example"]
    if name is not None:
        assert people[0].name == name


def test_an_ordinary_message_has_no_warning() -> None:
    message = mail(
        subject="\u05e9\u05dc\u05d5\u05dd", sender="Bob (bob@example.com) <bob@example.com>",
        html='<a href="https://example.com/">example.com</a>',
    )  # fmt: skip
    message.add_attachment(b"x", "application", "pdf", filename="bill.pdf")
    seen = read(message.as_bytes())
    assert disguise.of(seen, seen.safe_html().links) == []
    assert "Take care" not in render(seen).html


def test_links_in_plain_text_lead_where_they_seem_to() -> None:
    message = EmailMessage()
    message.set_content("see https://evil.example/\u202etxt.exe")
    assert 'href="https://evil.example/txt.exe"' in read(message.as_bytes()).safe_html().new


@pytest.mark.parametrize("piece", ["((a.", "a@", "a.", "(", "www.", "http://a.b", "\u202e", "&amp;", "<b>a.b</b>"])
def test_many_links_cost_little(piece: str) -> None:
    html = "".join(f'<a href="https://x{n}.example/">{piece * 200}</a>' for n in range(500))
    start = time.process_time()
    links = sanitise(html, Choice()).links
    assert len(links) == 500
    assert time.process_time() - start < 10
