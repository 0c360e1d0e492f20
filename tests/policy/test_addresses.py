"""Address lists: nothing hides, nothing raises, and well-formed ones read as the standard library reads them."""

from __future__ import annotations

from email.headerregistry import Address, Group, HeaderRegistry

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emailplus.policy.addresses import domain_key, read


def addresses_of(text: str) -> list[str]:
    return [entry.address or f"!{entry.fault}" for entry in read(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" , ,; ", []),
        ("undisclosed-recipients:;", []),
        ("(only a comment)", []),
        ("a@x.com", ["a@x.com"]),
        ("a@x.com,b@y.com , <c@z.com>", ["a@x.com", "b@y.com", "c@z.com"]),
        ('"Doe, Jane" <jane@x.com>, John <john@y.com>', ["jane@x.com", "john@y.com"]),
        ('Team: a@x.com, "Q; R" <b@y.com>; c@z.com', ["a@x.com", "b@y.com", "c@z.com"]),
        ("A: a@x.com;, B: b@y.com;", ["a@x.com", "b@y.com"]),
        ("<@relay.com,@next.com:user@real.com>", ["user@real.com"]),
        ("a (first) @ (second) x.com (third)", ["a@x.com"]),
        ('"quoted@inside"@x.com', ['"quoted@inside"@x.com']),
        ("user@[192.0.2.1]", ["user@[192.0.2.1]"]),
        ("jürgen@bücher.example", ["jürgen@bücher.example"]),
        ("a@x.com\r\n ,\r\n b@y.com", ["a@x.com", "b@y.com"]),
    ],
)
def test_lists(text: str, expected: list[str]) -> None:
    assert addresses_of(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "nobody", "a@", "@x.com", "a@b@x.com", "a b@x.com", "a@x .com", "a@x..com", "a@.com", "<a@x.com", "a@x.com>",
        "<a@x.com> <b@y.com>", "<a@x.com> and more", '"open <a@x.com>', "(open a@x.com", "<a@x.com, b@y.com>",
        "a@x.com\x00", "a@\u2028x.com", "/o=Org/ou=Group/cn=Recipients/cn=user", '"a"@"x.com"', "<>",
    ],
)  # fmt: skip
def test_what_is_no_address_is_an_entry_with_a_fault(text: str) -> None:
    [entry] = read(text)
    assert entry.fault
    assert (entry.address, entry.domain) == ("", "")
    assert entry.raw == text.strip()


def test_a_comment_with_a_quotation_mark_swallows_nobody() -> None:
    assert addresses_of('("it"s) evil@bad.com, "x" <a@good.com>') == ["evil@bad.com", "a@good.com"]
    assert addresses_of(r"(a \) b) evil@bad.com, a@good.com") == ["evil@bad.com", "a@good.com"]


@pytest.mark.parametrize(
    ("text", "claims"),
    [
        ('"boss@good.com" <evil@bad.com>', "good.com"),
        ("boss@good.com <evil@bad.com>", "good.com"),
        ("=?utf-8?q?boss=40good=2Ecom?= <evil@bad.com>", "good.com"),
        ("=?utf-8?b?Ym9zc0Bnb29kLmNvbQ==?= <evil@bad.com>", "good.com"),
        ('"evil@bad.com" <evil@BAD.com>', ""),
        ("Boss <evil@bad.com>", ""),
        ("=?nonsense?q?x?= <evil@bad.com>", ""),
    ],
)
def test_addresses_that_a_name_shows(text: str, claims: str) -> None:
    [entry] = read(text)
    assert entry.address.lower() == "evil@bad.com"
    assert entry.claims == claims


@pytest.mark.parametrize(
    ("domain", "key"),
    [
        ("Example.COM", "example.com"),
        ("example.com.", "example.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
        ("straße.de", "xn--strae-oqa.de"),  # never strasse.de, which belongs to someone else
        ("ex\u0430mple.com", "xn--exmple-4nf.com"),  # a Cyrillic a
        ("a\u3002b.com", "a.b.com"),
        ("[192.0.2.1]", "[192.0.2.1]"),
        ("foo_bar.com", "foo_bar.com"),
        ("", None), (".", None), ("a..b", None), ("[1.2.3.4", None), ("a b.com", None), ("\u2603.com", None),
        ("x" * 2000 + ".com", None),
    ],
)  # fmt: skip
def test_domains_have_one_form(domain: str, key: str | None) -> None:
    assert domain_key(domain) == key


WORD = st.text("abcxyzABC019!#$%&'*+-/=?^_`{|}~", min_size=1, max_size=8)
LOCAL = st.lists(WORD, min_size=1, max_size=3).map(".".join)
LABEL = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,6}[a-z0-9])?", fullmatch=True)
DOMAIN = st.lists(LABEL, min_size=1, max_size=3).map(".".join)
NAME = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z"), include_characters=' ",;<>@()\\'), max_size=12
)
PERSON = st.builds(lambda name, local, domain: Address(name.strip(), local, domain), NAME, LOCAL, DOMAIN)


@given(st.lists(st.one_of(PERSON, st.builds(Group, WORD, st.lists(PERSON, max_size=3).map(tuple))), max_size=4))
def test_lists_that_the_standard_library_writes(parts: list[Address | Group]) -> None:
    people = [one for part in parts for one in (part.addresses if isinstance(part, Group) else [part])]
    found = read(", ".join(map(str, parts)))
    assert [(entry.address, entry.fault) for entry in found] == [(one.addr_spec, "") for one in people]


@given(st.text('ab@.,;:<>()[]"\\ \t=?\x00é', max_size=40))
@settings(max_examples=500)
def test_no_text_raises_and_no_mailbox_is_lost(text: str) -> None:
    """Whatever the standard library makes an address of is there with us too, or the text is at fault."""
    found = read(text)
    if any(entry.fault for entry in found):
        return
    try:
        header = HeaderRegistry()("to", text)
        theirs = [] if header.defects else [address.addr_spec for address in header.addresses]
    except Exception:  # it has bugs of its own on such input
        return
    ours = {entry.address for entry in found}
    assert {address for address in theirs if address and "@" in address} <= ours


def test_long_lists_are_read_in_one_pass() -> None:
    """Each of these would take hours if a character were looked at once for every other one."""
    assert len(read("a@x.com," * 100_000)) == 100_000
    for text in ("(" * 500_000, '"' * 500_001, "<" * 500_000, "a: " * 100_000, "[" * 500_000, "(a) " * 100_000):
        assert all(entry.fault for entry in read(text))
