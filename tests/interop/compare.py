"""What the store holds against what the server holds: every difference gets a name, or stays unexplained.

Texts are compared after one normalisation: CR LF counts as LF. ActiveSync carries text in WBXML, whose line ends XML
lets a server choose (XML 1.0, 2.11), and some mail on the server has bare LF itself. Charset and transfer encoding are
undone on the side of the server, because the protocol carries UTF-8 (MS-ASAIRS 2.2.2.20). Nothing else is forgiven:
what still differs must be one of the named differences, each a rule of its own.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

from emailplus.model.message import BodyType

from .parts import ENCODINGS, Leaf, Parsed, parse

NAMED = {
    "text:control-characters": "control characters are dropped from text (XML 1.0 cannot carry them)",
    "text:empty-body-left-out": "an empty text has no Body element",
    "text:other-part": "of several texts of one kind the server shows another than the first",
    "text:broken-quoted-printable": "a bare = in quoted-printable is dropped",
    "text:undeclared-charset": "octets above 127 in a text without a charset are taken for ISO-8859-1",
    "text:from-html": "2.5 has plain text only: the server makes it of the HTML",
    "text:open-boundary": "a line end at the end of a part whose boundary is never closed",
    "text:further-parts": "of several texts of one kind the server shows one; the others are in the MIME",
    "attachment:line-ends": "CR LF in a part that is not base64 comes as LF",
    "attachment:nested-end": "an attached multipart message: the line end before the next delimiter is counted to it",
    "attachment:root-undecoded": "a message that is nothing but a file: the file comes with its transfer encoding",
    "attachment:encoding-unknown": "a transfer encoding that the server does not decode: it gives no content",
    "attachment:base64-broken": "base64 that is none: the server gives no content",
    "attachment:base64-salvaged": "base64 that is none: the server gives what it can make of it",
    "attachment:text-not-offered": "a text part that is no body is not offered as an attachment",
    "attachment:not-offered": "a part without a file name that is neither text nor offered as an attachment",
    "mime:eight-bit": "octets above 127 without a charset (in headers or parts) come as UTF-8",
    "mime:rewritten": "a message of one text part comes with its header written anew and its text in UTF-8",
    "header:undecodable-subject": "a Subject with raw octets or unknown encoded words",
    "header:unparsable-date": "a Date that is missing or none: the server takes another moment",
}
"""The differences that are the server's, and what they mean. Anything else fails the suite."""

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")
_BARE_EQUALS = re.compile(rb"=(?![0-9A-Fa-f]{2}|[ \t]*\r?\n|[ \t]*\Z)")


@dataclass
class Tally:
    """Figures of a comparison."""

    messages: int = 0
    bodies_equal: int = 0
    no_body: int = 0
    attachments_equal: int = 0
    attachment_bytes: int = 0
    mime_equal: int = 0
    differences: Counter[str] = field(default_factory=Counter)
    where: dict[str, list[str]] = field(default_factory=dict)
    unexplained: list[str] = field(default_factory=list)

    def note(self, name: str | None, place: str, detail: str = "") -> None:
        """Count a named difference; None is one that nobody can explain."""
        if name is None:
            self.unexplained.append(f"{place}: {detail}")
            return
        assert name in NAMED, name
        self.differences[name] += 1
        self.where.setdefault(name, []).append(place)

    def as_dict(self) -> dict[str, object]:
        return {
            "messages": self.messages,
            "bodies_equal": self.bodies_equal,
            "no_body_on_either_side": self.no_body,
            "attachments_equal": self.attachments_equal,
            "attachment_bytes": self.attachment_bytes,
            "mime_equal": self.mime_equal,
            "differences": dict(sorted(self.differences.items())),
            "where": {name: places[:10] for name, places in sorted(self.where.items())},
            "unexplained": self.unexplained,
        }


def normalised(text: str) -> str:
    return text.replace("\r\n", "\n")


def lines(data: bytes) -> bytes:
    return data.replace(b"\r\n", b"\n")


def compare_body(
    tally: Tally, place: str, raw: bytes, body_type: int, state: str, stored: bytes, *, html: bool = True
) -> None:
    """`html` False: this protocol version has plain text only (2.5).

    The stored text is compared, or the MIME where the server gave that for a signed or encrypted message.
    """
    parsed = parse(raw)
    if state == "stored" and body_type == BodyType.MIME:
        compare_mime(tally, place, raw, stored)
        return
    marked_up = [leaf for leaf in parsed.texts if leaf.kind == "text/html"]
    plain = [leaf for leaf in parsed.texts if leaf.kind == "text/plain"]
    candidates = marked_up if body_type == BodyType.HTML or (state == "none" and not plain) else plain
    if state == "none":
        if not parsed.texts:
            tally.no_body += 1
        elif all(not leaf.decoded() for leaf in candidates):
            tally.note("text:empty-body-left-out", place)
        else:
            tally.note(None, place, "no body arrived, but the server has one")
        return
    if not html and marked_up and not plain:
        wordless = not re.sub(r"<[^>]*>", "", marked_up[0].text()).strip()
        tally.note("text:from-html" if stored.strip() or wordless else None, place, "no text made of the HTML")
        return
    if state != "stored" or not candidates:
        tally.note(None, place, f"body of type {body_type} is {state}; {len(candidates)} such parts on the server")
        return
    if html and marked_up and body_type == BodyType.PLAIN:
        tally.note(None, place, "plain text arrived although the server has HTML")
        return
    got = normalised(stored.decode(errors="replace"))
    name = _text_difference(got, candidates)
    if name == "":
        tally.bodies_equal += 1
    else:
        tally.note(name, place, f"text differs: {got[:80]!r} against {candidates[0].text()[:80]!r}")
    if len(candidates) > 1:
        tally.note("text:further-parts", place)


def _text_difference(got: str, candidates: list[Leaf]) -> str | None:
    """ "" where the first candidate is what arrived, a name from `NAMED`, None where there is none."""
    first = normalised(candidates[0].text())
    if got == first:
        return ""
    if any(got == normalised(leaf.text()) for leaf in candidates[1:]):
        return "text:other-part"
    if got == _CONTROL.sub("", first):
        return "text:control-characters"
    leaf = candidates[0]
    if leaf.encoding == "quoted-printable" and _BARE_EQUALS.search(leaf.raw) and got == first.replace("=", ""):
        return "text:broken-quoted-printable"
    if not leaf.headers.get_content_charset() and got == normalised(leaf.decoded().decode("latin-1")):
        return "text:undeclared-charset"
    if got.rstrip("\n") == first.rstrip("\n"):
        return "text:open-boundary"
    return None


def compare_attachments(tally: Tally, place: str, raw: bytes, attachments: list[tuple[str, str, bytes]]) -> None:
    """`attachments`: name, state and content of each that the store has for this message."""
    left = [leaf for leaf in parse(raw).leaves if not leaf.is_inline_text]
    for name, state, content in attachments:
        tried = sorted(left, key=lambda leaf, wanted=name: leaf.name != wanted)  # type: ignore[misc]
        for leaf in tried:
            difference = _attachment_difference(leaf, name, state, content)
            if difference is not None:
                left.remove(leaf)
                if difference == "":
                    tally.attachments_equal += 1
                    tally.attachment_bytes += len(content)
                else:
                    tally.note(difference, f"{place} {name}")
                break
        else:
            tally.note(None, place, f"attachment {name!r} ({state}, {len(content)} bytes) is no part on the server")
    for leaf in left:
        if not leaf.raw.strip() or (leaf.is_root and leaf.kind.startswith("multipart/")):
            continue  # nothing to have
        if leaf.kind.startswith("text/"):
            tally.note("attachment:text-not-offered", f"{place} {leaf.kind}")
        elif not leaf.name:
            tally.note("attachment:not-offered", f"{place} {leaf.kind}")
        else:
            tally.note(None, place, f"part {leaf.path} {leaf.kind} {leaf.name!r} did not arrive")


def _attachment_difference(leaf: Leaf, name: str, state: str, content: bytes) -> str | None:
    if state == "failed":
        if leaf.encoding not in ENCODINGS:
            return "attachment:encoding-unknown"
        return "attachment:base64-broken" if leaf.encoding == "base64" and leaf.base64_is_broken() else None
    if state != "stored":
        return None
    decoded = leaf.decoded()
    if content == decoded:
        return ""
    if leaf.encoding != "base64" and content == lines(decoded):
        return "attachment:line-ends"
    if leaf.encoding == "base64" and leaf.base64_is_broken() and name == leaf.name:
        return "attachment:base64-salvaged"
    if leaf.kind == "message/rfc822" and content.removesuffix(b"\n") == lines(decoded):
        return "attachment:nested-end"
    if leaf.is_root and leaf.encoding not in ("", "7bit", "8bit", "binary") and lines(content) == lines(leaf.raw):
        return "attachment:root-undecoded"
    return None


def compare_mime(tally: Tally, place: str, raw: bytes, stored: bytes) -> None:
    """A whole message as MIME."""
    if stored == raw:
        tally.mime_equal += 1
        return
    if not raw.isascii() and _transcoded(raw, stored):
        tally.note("mime:eight-bit", place)
    elif _rewritten(parse(raw), parse(stored)):
        tally.note("mime:rewritten", place)
    else:
        tally.note(None, place, f"MIME differs: {len(stored)} bytes against {len(raw)}")


def _transcoded(raw: bytes, stored: bytes) -> bool:
    """Line by line the same but for lines with octets above 127, which arrived as UTF-8 of them."""
    ours, theirs = lines(stored).split(b"\n"), lines(raw).split(b"\n")
    if len(ours) != len(theirs):
        return False
    return all(
        mine == other or (not other.isascii() and mine == other.decode("latin-1").encode())
        for mine, other in zip(ours, theirs, strict=True)
    )


def _rewritten(wanted: Parsed, got: Parsed) -> bool:
    """One text part with the same text and the same sender; the header lines are the server's own."""
    if len(wanted.leaves) != 1 or len(got.leaves) != 1 or not wanted.leaves[0].is_root or not got.leaves[0].is_root:
        return False
    mine, other = got.leaves[0], wanted.leaves[0]
    if mine.kind != other.kind or mine.headers.get_content_charset() != "utf-8":
        return False
    return normalised(mine.text()).rstrip("\n") == normalised(other.text()).rstrip("\n")
