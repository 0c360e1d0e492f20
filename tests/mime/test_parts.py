"""The splitter against Python's email package on mail that nobody here wrote, and on what both must survive."""

from __future__ import annotations

import base64
import email
import email.policy
import mmap
import random
import time
from collections.abc import Iterator
from email.message import Message
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emailplus.mime import headers
from emailplus.mime.brief import announced_part
from emailplus.mime.parts import MAX_DEPTH, MAX_PARTS, PIECE, parse
from emailplus.mime.view import read
from emailplus.model.message import addresses

from ..shared import root

CORPUS = sorted((root / "corpus" / "eml").rglob("*.eml"))
NOTED = {
    "legacy/016.eml": "a raw byte in a file name: it is repaired here and stays broken there",
    "legacy/023.eml": "the same",
    "legacy/026.eml": "the same",
    "thirdparty/003.eml": "blanks after 'quoted-printable': Python does not decode it then",
    "thirdparty/005.eml": "an end that is none: Python takes its line end away",
    "thirdparty/012.eml": "boundaries of another part within a part: Python sees one broken text",
}
"""Where the two differ, and why."""


def leaves(message: Message) -> Iterator[Message]:
    inner = message.get_payload()
    if message.get_content_maintype() == "multipart" and isinstance(inner, list):
        for child in inner:
            assert isinstance(child, Message)
            yield from leaves(child)
    else:
        yield message


@pytest.mark.skipif(not CORPUS, reason="the corpus is not here")
def test_the_corpus_as_python_reads_it() -> None:
    assert len(CORPUS) > 80
    for path in CORPUS:
        data = path.read_bytes()
        name = "/".join(path.parts[-2:])
        theirs = []
        for part in leaves(email.message_from_bytes(data, policy=email.policy.compat32)):
            content = None if part.is_multipart() else part.get_payload(decode=True)
            file_name = part.get_filename()
            theirs.append((part.get_content_type(), headers.decoded(file_name) if file_name else "", content))
        ours = [(part.content_type, part.name, part.content()) for part in parse(data).leaves()]
        same = len(ours) == len(theirs) and all(
            one[:2] == other[:2] and (other[2] is None or one[2] == other[2])
            for one, other in zip(ours, theirs, strict=True)
        )
        assert same or name in NOTED, (name, [part[:2] for part in ours], [part[:2] for part in theirs])


@pytest.mark.skipif(not CORPUS, reason="the corpus is not here")
def test_pieces_are_the_content_and_files_are_read_in_place() -> None:
    for path in CORPUS:
        data = path.read_bytes()
        for part in parse(data).leaves():
            assert b"".join(part.pieces()) == part.content()
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            assert [part.content() for part in parse(mapped).leaves()] == [p.content() for p in parse(data).leaves()]


def encoded(data: bytes, line: int) -> bytes:
    text = base64.b64encode(data)
    return b"\r\n".join(text[at : at + line] for at in range(0, len(text), line))


@pytest.mark.parametrize("line", [60, 61, 76, 77, 998, PIECE * 2])
@pytest.mark.parametrize("size", [0, 1, 2, 3, PIECE - 1, PIECE, 2 * PIECE + 5])
def test_large_base64_piece_by_piece(line: int, size: int) -> None:
    data = random.Random(size).randbytes(size)
    raw = b"Content-Type: application/zip\r\nContent-Transfer-Encoding: base64\r\n\r\n" + encoded(data, line)
    root = parse(raw).root
    pieces = list(root.pieces())
    assert b"".join(pieces) == data
    assert all(len(piece) <= PIECE + 4 for piece in pieces)


def test_base64_with_foreign_characters_and_without_an_end() -> None:
    data = random.Random(1).randbytes(PIECE * 2)
    text = bytearray(encoded(data, 76).rstrip(b"="))
    text[500:500] = b"!?\x00 \xff"
    root = parse(b"Content-Transfer-Encoding: base64\r\n\r\n" + bytes(text)).root
    assert b"".join(root.pieces()) == data
    assert root.content() == data


def test_uuencoded() -> None:
    raw = b"Content-Transfer-Encoding: x-uuencode\n\nbegin 644 a\n#0V%T\n`\nend\n"
    assert parse(raw).root.content() == b"Cat"


@pytest.mark.parametrize(
    ("header", "name"),
    [
        (b'attachment; filename="plain.txt"', "plain.txt"),
        (b"attachment; filename=bare.txt; size=3", "bare.txt"),
        (b"attachment; filename*=utf-8''na%C3%AFve.txt", "na\u00efve.txt"),
        (b'attachment; filename*0="a "; filename*1="b.txt"', "a b.txt"),
        (b"attachment; filename*1*=%20b.txt; filename*0*=iso-8859-1'de'%FCa", "\u00fca b.txt"),
        (b'attachment; filename="=?utf-8?B?w7wudHh0?="', "\u00fc.txt"),
        (b'attachment; filename="\xfc.txt"', "\u00fc.txt"),
        (b'attachment; filename="C:\\TEMP\\x.txt"', "C:\\TEMP\\x.txt"),
        (b'attachment; filename="a\\"b.txt"', 'a"b.txt'),
        (b'attachment; filename="never closed.txt', "never closed.txt"),
        (b"attachment; filename=", ""),
    ],
)
def test_file_names_in_every_form(header: bytes, name: str) -> None:
    assert parse(b"Content-Disposition: " + header + b"\r\n\r\n").root.name == name


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("=?utf-8?Q?caf=C3=A9?=", "caf\u00e9"),
        ("=?iso-8859-1?q?a?= =?iso-8859-1?q?b?=", "ab"),
        ("=?utf-8?B?4oI=?=\r\n =?utf-8?B?rA==?=", "\u20ac"),  # one character cut in two
        ("before =?utf-8?q?a_b?= after", "before a b after"),
        ("=?utf-8?q?a?= and =?utf-8?q?b?=", "a and b"),
        ("=?nonsense?q?a=FC?=", "a\u00fc"),
        ("=?utf-8?x?a?=", "=?utf-8?x?a?="),
        ("=?utf-8*de?q?f=C3=BCr?=", "f\u00fcr"),
        ("=?utf-8?q?a b?=", "a b"),  # a blank, which is not allowed
        ("=?utf-8?b?!!!?=", ""),
        ("\udcfcber", "\u00fcber"),
        ("two\r\n lines", "two lines"),
    ],
)
def test_encoded_words(written: str, meant: str) -> None:
    assert headers.decoded(written) == meant


MIXED = b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'


def nested(levels: int) -> bytes:
    head = b"".join(f'Content-Type: multipart/mixed; boundary="b{n}"\r\n\r\n--b{n}\r\n'.encode() for n in range(levels))
    return head + b"\r\ndeep\r\n" + b"".join(f"--b{n}--\r\n".encode() for n in reversed(range(levels)))


@pytest.mark.parametrize(
    ("written", "people"),
    [
        ("=?utf-8?q?M=C3=BCller=2C_Hans?= <h@x.example>", [("M\u00fcller, Hans", "h@x.example")]),
        ("=?utf-8?q?a=40b.example=2C?= <h@x.example>, B <b@x.example>",
         [("a@b.example,", "h@x.example"), ("B", "b@x.example")]),
        ("=?utf-8?q?Boss_=3Cboss=40bank.example=3E?= <evil@x.example>",
         [("Boss <boss@bank.example>", "evil@x.example")]),
        ('"=?utf-8?b?TcO8bGxlciwgIkhhbnMi?=" <h@x.example>', [('M\u00fcller, "Hans"', "h@x.example")]),
        ('"M\u00fcller, Hans" <h@x.example>', [("M\u00fcller, Hans", "h@x.example")]),
        ("=?utf-8?q?J=2E?= =?utf-8?q?_M=C3=BCller?= Esq. <j@x.example>", [("J. M\u00fcller Esq.", "j@x.example")]),
        ("Bob <bob@x.example>", [("Bob", "bob@x.example")]),
    ],
)  # fmt: skip
def test_what_an_encoded_word_says_is_no_address(written: str, people: list[tuple[str, str]]) -> None:
    raw = b"From: a@x.example\r\nTo: " + written.encode() + b"\r\n\r\n"
    seen = [(person.name, person.address) for person in addresses(read(raw).to)]
    assert [person for person in seen if "@" in person[1]] == people


@pytest.mark.parametrize("piece", ['"', '\\"', '"\\', "=?utf-8?q?,?=", "\u00fc\\"])
def test_an_address_list_costs_linear_time(piece: str) -> None:
    began = time.process_time()
    headers.decoded_people("\u00fc" + piece * (64 * 1024))
    assert time.process_time() - began < 3


def test_a_boundary_that_begins_like_another() -> None:
    raw = (
        b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n'
        b'Content-Type: multipart/mixed; boundary="bb"\r\n\r\n'
        b"--bb\r\n\r\none\r\n--bb--\r\n--b\r\n\r\ntwo --b\r\n--b-- \r\n"
    )
    assert [part.content() for part in parse(raw).leaves()] == [b"one", b"two --b"]


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"Content-Type: multipart/mixed\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n", "without a boundary"),
        (b'Content-Type: multipart/mixed; boundary="b"\r\n\r\nno boundary anywhere\r\n', "does not occur"),
        (b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n\r\nx\r\n', "without an end"),
        (nested(1000), "nested"),
        (MIXED + b"--b\r\n\r\nx\r\n" * 10_000 + b"--b--\r\n", "of more than"),
        (b"X: " + b"y" * 1_000_000 + b"\r\nSubject: lost\r\n\r\nbody", "was cut"),
        (b"Content-Type: text\r\nContent-Type: ;;;\r\n\r\nx", ""),
        (b"Content-Type: not a type at all\r\n\r\nx", "a content type that is none"),
    ],
)  # fmt: skip
def test_what_is_broken_is_told_and_read_as_far_as_it_goes(raw: bytes, problem: str) -> None:
    tree = parse(raw)
    assert any(problem in told for told in tree.problems) if problem else tree.problems == []
    parts = list(tree.leaves())
    assert 1 <= len(parts) <= MAX_PARTS
    assert max(part.depth for part in parts) <= MAX_DEPTH


def test_cost_stays_in_proportion() -> None:
    """Ten times the mail is not a hundred times the work, whatever its shape (a bound far above the ordinary)."""
    for make in (
        nested,
        lambda n: MIXED + b"--b\r\n\r\nx\r\n" * n,
        lambda n: MIXED + b"\r\n--bx" * (100 * n),
        lambda n: b"Subject: " + b"=?utf-8?q?a?= " * n + b"\r\n\r\n",
        lambda n: b"A: b\r\n" * (20 * n) + b"\r\n",
        lambda n: b'Content-Type: text/plain; x="' + b'\\"' * (50 * n) + b"\r\n\r\n",
        lambda n: b"Content-Type: text/plain" + b"; a=b" * (50 * n) + b"\r\n\r\n",
    ):
        times = []
        for n in (1_000, 10_000):
            raw = make(n)
            began = time.process_time()
            for name, value in parse(raw).root.fields:
                headers.decoded(value)
                assert name
            times.append(time.process_time() - began)
        assert times[1] < 60 * times[0] + 3, times


@settings(max_examples=150, deadline=None)
@given(
    st.binary(max_size=400), st.lists(st.sampled_from([b"\r\n", b"\n", b"--b", b"--b--", b": ", b"\0", b"=?utf-8?q?"]))
)
def test_any_bytes(data: bytes, glue: list[bytes]) -> None:
    raw = MIXED + data.join(glue) + data
    for part in parse(raw).leaves():
        part.text()
        assert b"".join(part.pieces()) == part.content()


def test_a_path_is_no_source() -> None:
    with pytest.raises(TypeError):
        parse(Path("x.eml"))  # type: ignore[arg-type]


def mixed(*parts: bytes) -> bytes:
    return MIXED + b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + b"--b--\r\n"


TEXT, SECOND = b"Content-Type: text/plain\r\n\r\none", b"Content-Type: text/plain\r\n\r\ntwo"
PICTURE = b"Content-Type: image/png\r\nContent-ID: <pic@x>\r\n\r\npicture"
NAMED = b'Content-Type: application/pdf; name="a.pdf"\r\n\r\nnamed'


@pytest.mark.parametrize(
    ("raw", "announced", "contents"),
    [
        (mixed(TEXT, PICTURE, NAMED), [("", ""), ("", "")], [b"picture", b"named"]),
        (mixed(TEXT, PICTURE, NAMED), [("a.pdf", ""), ("x", "<pic@x>")], [b"named", b"picture"]),
        # A server that takes the second text for a file, and one that does not.
        (mixed(TEXT, SECOND, PICTURE), [("text.txt", ""), ("image.png", "")], [b"two", b"picture"]),
        (mixed(TEXT, SECOND, PICTURE), [("image.png", "")], [b"picture"]),
        # Two of a name, and not as many as there are: rather none than the wrong one.
        (mixed(TEXT, NAMED, NAMED, PICTURE), [("a.pdf", ""), ("z", "pic@x")], [None, b"picture"]),
        (mixed(TEXT, NAMED), [("a.pdf", ""), ("b.pdf", "")], [b"named", None]),
    ],
)
def test_the_part_that_a_server_means(
    raw: bytes, announced: list[tuple[str, str]], contents: list[bytes | None]
) -> None:
    found = [announced_part(raw, announced, position) for position in range(len(announced))]
    assert [part and part.content() for part in found] == contents
