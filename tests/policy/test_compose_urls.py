"""mailto:, email+app:// and email+launcher:// URLs."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emailplus.errors import UsageError
from emailplus.policy.compose_urls import ComposeRequest, OpenApp, parse

# The examples of RFC 6068 section 6, and what its text says about them.
RFC_6068 = [
    ("mailto:chris@example.com", ComposeRequest(to=("chris@example.com",))),
    ("mailto:infobot@example.com?subject=current-issue",
     ComposeRequest(to=("infobot@example.com",), subject="current-issue")),
    ("mailto:infobot@example.com?body=send%20current-issue",
     ComposeRequest(to=("infobot@example.com",), body="send current-issue")),
    ("mailto:infobot@example.com?body=send%20current-issue%0D%0Asend%20index",
     ComposeRequest(to=("infobot@example.com",), body="send current-issue\nsend index")),
    ("mailto:list@example.org?In-Reply-To=%3C3469A91.D10AF4C@example.com%3E",
     ComposeRequest(to=("list@example.org",), ignored=("in-reply-to",))),
    ("mailto:majordomo@example.com?body=subscribe%20bamboo-l",
     ComposeRequest(to=("majordomo@example.com",), body="subscribe bamboo-l")),
    ("mailto:joe@example.com?cc=bob@example.com&body=hello",
     ComposeRequest(to=("joe@example.com",), cc=("bob@example.com",), body="hello")),
    ("mailto:joe@example.com?cc=bob@example.com&amp;body=hello",
     ComposeRequest(to=("joe@example.com",), cc=("bob@example.com",), body="hello")),
    ("mailto:?to=joe@example.com&cc=bob@example.com&body=hello",
     ComposeRequest(to=("joe@example.com",), cc=("bob@example.com",), body="hello")),
    ("mailto:gorby%25kremvax@example.com", ComposeRequest(to=("gorby%kremvax@example.com",))),
    ("mailto:unlikely%3Faddress@example.com?blat=foop",
     ComposeRequest(to=("unlikely?address@example.com",), ignored=("blat",))),
    ("mailto:Mike%26family@example.org", ComposeRequest(to=("Mike&family@example.org",))),
    ("mailto:%22not%40me%22@example.org", ComposeRequest(to=('"not@me"@example.org',))),
    ("mailto:%22oh%5C%5Cno%22@example.org", ComposeRequest(to=('"oh\\\\no"@example.org',))),
    ("mailto:%22%5C%5C%5C%22it's%5C%20ugly%5C%5C%5C%22%22@example.org",
     ComposeRequest(to=('"\\\\\\"it\'s\\ ugly\\\\\\""@example.org',))),
    ("mailto:user@example.org?subject=caf%C3%A9", ComposeRequest(to=("user@example.org",), subject="café")),
    ("mailto:user@example.org?subject=%3D%3Futf-8%3FQ%3Fcaf%3DC3%3DA9%3F%3D",
     ComposeRequest(to=("user@example.org",), subject="=?utf-8?Q?caf=C3=A9?=")),
    ("mailto:user@%E7%B4%8D%E8%B1%86.example.org?subject=Test&body=NATTO",
     ComposeRequest(to=("user@納豆.example.org",), subject="Test", body="NATTO")),
    ("mailto:addr1@an.example,addr2@an.example", ComposeRequest(to=("addr1@an.example", "addr2@an.example"))),
    ("mailto:?to=addr1@an.example,addr2@an.example", ComposeRequest(to=("addr1@an.example", "addr2@an.example"))),
    ("mailto:addr1@an.example?to=addr2@an.example", ComposeRequest(to=("addr1@an.example", "addr2@an.example"))),
]  # fmt: skip


@pytest.mark.parametrize(("url", "request_"), RFC_6068)
def test_the_examples_of_rfc_6068(url: str, request_: ComposeRequest) -> None:
    assert parse(url) == request_


@pytest.mark.parametrize(
    ("url", "request_"),
    [
        ("email+app://compose?to=a@x.com", ComposeRequest(to=("a@x.com",))),
        ("email+app://compose&to=a@x.com&subject=Hi", ComposeRequest(to=("a@x.com",), subject="Hi")),
        ("email+app://compose?&to=a@x.com", ComposeRequest(to=("a@x.com",))),
        ("EMAIL+APP://Compose/?TO=a@x.com", ComposeRequest(to=("a@x.com",))),
        ("email+app://compose", ComposeRequest()),
        ("email+app://compose?body=b&to=a@x.com&to=b@x.com", ComposeRequest(to=("a@x.com", "b@x.com"), body="b")),
        ("email+app://compose?to=a@x.com,b@x.com&bcc=c@x.com",
         ComposeRequest(to=("a@x.com", "b@x.com"), bcc=("c@x.com",))),
        ("email+app://compose?to=a%40x.com%2Cb%40x.com", ComposeRequest(to=("a@x.com", "b@x.com"))),
        ("email+app://compose?body=one%0Atwo%20three", ComposeRequest(body="one\ntwo three")),
        ("email+app://compose?subject=R%26D&body=1+1", ComposeRequest(subject="R&D", body="1+1")),
        ("email+app://compose?to=%22Doe%2C%20Jane%22%20%3Cjane@x.com%3E,b@x.com",
         ComposeRequest(to=('"Doe, Jane" <jane@x.com>', "b@x.com"))),
        ("email+app://compose?to=Doe%2C%20Jane%20%3Cjane@x.com%3E", ComposeRequest(to=('"Doe, Jane" <jane@x.com>',))),
        ("email+app://compose?colour=red&to=a@x.com", ComposeRequest(to=("a@x.com",), ignored=("colour",))),
    ],
)  # fmt: skip
def test_prefilled_messages(url: str, request_: ComposeRequest) -> None:
    assert parse(url) == request_


@pytest.mark.parametrize("app", ["email", "calendar", "contacts"])
@pytest.mark.parametrize("form", ["email+app://{}", "Email+App://{}/", " email+app://{}?"])
def test_parts_of_the_app(app: str, form: str) -> None:
    assert parse(form.format(app)) == OpenApp(app)


@pytest.mark.parametrize(
    "url",
    [
        "email+launcher://mibrowser?url=mailto:a@x.com?subject=Hi&body=1",
        "email+launcher://mibrowser?url=mailto%3Aa%40x.com%3Fsubject%3DHi%26body%3D1",
        "EMAIL+LAUNCHER://mibrowser?URL=MAILTO:a@x.com?subject=Hi&body=1",
    ],
)
def test_the_browser_hands_mailto_over(url: str) -> None:
    assert parse(url) == ComposeRequest(to=("a@x.com",), subject="Hi", body="1")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("mailto:a@x.com?subject=Hi%0D%0ABcc:%20spy@evil.example", "line break"),
        ("mailto:a@x.com%0D%0ABcc:spy@evil.example", "line break"),
        ("mailto:a@x.com?cc=b@x.com%00", "control characters"),
        ("mailto:a@x.com?body=%1B%5B2J", "control characters"),
        ("mailto:a@x.com?subject=%E2%80%AEevil", "control characters"),  # right to left override
        ("mailto:a@x.com?subject=%FF%FE", "not UTF-8"),
        ("mailto:nobody", "no address"),
        ("mailto:a@x.com,nobody", "no address"),
        ("mailto:a@b@x.com", "more than one @"),
        ("mailto:%3Ca@x.com", "angle brackets"),
        ("mailto:" + ",".join(f"u{n}@x.com" for n in range(501)), "more than 500 recipients"),
        ("mailto:?" + "a=b&" * 1001, "more than 1000 parameters"),
        ("mailto:" + "a" * 70_000 + "@x.com", "65,536"),
        ("email+launcher://mibrowser?url=javascript:alert(1)", "mailto link, nothing else"),
        ("email+launcher://mibrowser?url=email+launcher://mibrowser?url=mailto:a@x.com", "mailto link"),
        ("email+launcher://mibrowser?url=", "mailto link"),
        ("email+launcher://mibrowser?other=mailto:a@x.com", "form"),
        ("email+launcher:mailto:a@x.com", "//"),
        ("email+app:email", "//"),
        ("email+app://settings", "opens email"),
        ("email+app://calendar?delete=all", "no parameters"),
        ("email+app://", "opens email"),
        ("https://example.com/", "no scheme of this app"),
        ("javascript:alert(1)", "no scheme of this app"),
        ("no scheme at all", "no scheme"),
        ("", "no scheme"),
    ],
)
def test_hostile_and_broken_links_are_refused(url: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        parse(url)


@pytest.mark.parametrize("field", ["attach", "attachment", "from", "sender", "x-priority", "content-type", "reply-to"])
def test_fields_that_a_link_may_not_set(field: str) -> None:
    found = parse(f"mailto:a@x.com?{field}=/etc/passwd&subject=s")
    assert found == ComposeRequest(to=("a@x.com",), subject="s", ignored=(field,))


PLAIN = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Zl", "Zp")), max_size=20).map(str.strip)
ADDRESS = st.from_regex(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]{1,8}@[a-z]{1,8}\.example", fullmatch=True)


@given(st.lists(ADDRESS, max_size=4, unique=True), PLAIN, PLAIN, st.sampled_from("?&"))
def test_what_is_encoded_comes_back(to: list[str], subject: str, body: str, mark: str) -> None:
    query = f"to={quote(','.join(to), safe='')}&subject={quote(subject, safe='')}&body={quote(body, safe='')}"
    expected = ComposeRequest(to=tuple(to), subject=subject, body=body)
    assert parse(f"email+app://compose{mark}{query}") == expected
    assert parse(f"mailto:?{query}") == expected
    assert parse(f"email+launcher://mibrowser?url={quote(f'mailto:?{query}', safe='')}") == expected


@given(st.sampled_from(["mailto:", "email+app://compose?", "email+launcher://mibrowser?url=mailto:", ""]),
       st.text("ab@.,;:<>()\"\\%?&=#/+0aAfF \r\n\x00é", max_size=60))  # fmt: skip
def test_any_text_is_read_or_refused(start: str, rest: str) -> None:
    try:
        found = parse(start + rest)
    except UsageError as refusal:
        str(refusal).encode()
        return
    if isinstance(found, ComposeRequest):
        for text in (*found.to, *found.cc, *found.bcc, found.subject):
            assert not set(text) & set("\r\n\x00")
        assert all("@" in address for address in (*found.to, *found.cc, *found.bcc))
