"""What in a message looks like something else, said so that a person sees it: a link's words and where it leads, a name
and its address, characters that cannot be seen. It may be innocent; what is said of it is true.

    shown(text)                    text without what turns or hides parts of it: for names, subjects, file names
    link(words, target)            what is wrong with a link, "" where nothing is
    of(seen, links)                all of a message, in words
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..model.message import addresses

if TYPE_CHECKING:
    from .sanitise import Link
    from .view import MessageView


def _words(text: str) -> list[str]:
    return text.split()


MOST = 20
"""Warnings of one message."""

_TURNING = re.compile(r"[\u202a-\u202e\u2066-\u2069]")
"""Embeddings, overrides and isolates (UAX #9): they show text in another order than it is written in."""
_HIDDEN = re.compile(
    r"[\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u2060-\u2065\u206a-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb"
    r"\U000e0000-\U000e007f]"
    r"|(?<=[\x21-\x7e])[\u200c-\u200f\u061c]+(?=[\x21-\x7e])"
)
"""Characters without a shape. Joiners and direction marks have their use between letters of other scripts only."""
INVISIBLE = re.compile(r"[\x00-\x20\x7f-\xa0\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]+")
"""Never part of an address: a link leads where it seems to."""

_WEB = re.compile(r"(https?):[/\\]*([^?#]*)", re.IGNORECASE)


def address(written: str) -> str:
    """An address as a browser reads it (WHATWG URL 4.4): without invisible characters; ``http:x``, ``http:///x`` and
    ``http:\\\\x`` are ``http://x``. Whoever looks at it, a policy or a person, then sees where it leads."""
    cleaned = INVISIBLE.sub("", written)
    found = _WEB.match(cleaned)
    if found is None:
        return cleaned
    return f"{found[1].lower()}://{found[2]}".replace("\\", "/") + cleaned[found.end() :]


_HOST = re.compile(
    r"(?:^|[\s(<\[\"'])(?P<scheme>https?:/*|ftp:/*)?(?P<user>[^\s@/<>()\"']{1,100}@)?"
    r"(?P<host>(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}[^\W\d_]{2,24})\.?(?P<after>[:/?#]\S*)?(?=$|[\s)>\]\"',;!])",
    re.IGNORECASE,
)
"""An address as people write it, in the words of a link."""
_FILES = frozenset(_words("ai app bat com dev doc docx exe md mov pdf pl ps py rs sh so txt xls xlsx zip"))
"""Ends of names that are files' as well as domains': they count as addresses only with more around them."""
_PLACES = frozenset(_words("ac co com edu gob gov gv mil ne net or org"))
"""Below a country: the name that someone registered begins one label earlier."""
_LATIN_SHAPES = frozenset("аеорсухіјѕһԁԛԝӏѵνορυι")
"""Cyrillic and Greek letters with the shape of Latin ones."""
_ALPHABETS = ("LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE")
_PROGRAM = re.compile(
    r"\.(?:pdf|docx?|xlsx?|pptx?|txt|rtf|html?|jpe?g|png|gif|mp[34]|zip|csv)[\s_]*"
    r"\.(?:exe|scr|com|bat|cmd|pif|js|jse|vbs|vbe|wsf|hta|lnk|msi|jar|ps1|reg|cpl|iso|img|vhdx?)$",
    re.IGNORECASE,
)


def shown(text: str) -> str:
    """`text` with every character in the order in which it is written, and none that cannot be seen."""
    return text if text.isascii() else _HIDDEN.sub("", _TURNING.sub("", text))


def hides(text: str) -> str:
    """What `shown` would take out of a text, in words; "" for nothing."""
    if text.isascii():
        return ""
    if _TURNING.search(text):
        return "turns the direction of its text"
    return "holds invisible characters" if _HIDDEN.search(text.strip("\ufeff\u200b")) else ""


def link(words: str, target: str) -> str:
    """What is wrong with a link of these words to `target` (see `address`); "" where they agree, or name no address."""
    said = hides(words)
    if said:
        return f"its text {said}"
    try:
        parts = urlsplit(target)
        host = parts.hostname or ""
    except ValueError:
        return ""
    if parts.scheme == "mailto":
        host = parts.path.partition("?")[0].rpartition("@")[2]
    if not host:
        return ""
    if parts.scheme != "mailto" and parts.username and "." in parts.username:
        return f"it leads to {_ascii(host)}, not to {parts.username[:80]}"
    for found in _HOST.finditer(shown(words)[:500]) if "." in words else ():
        named = found["host"]
        bare = not (found["scheme"] or found["user"] or found["after"] or named.lower().startswith("www."))
        if bare and named.rpartition(".")[2].lower() in _FILES and _registered(_ascii(named)).count(".") < 2:
            continue
        if _registered(_ascii(named)) != _registered(_ascii(host)):
            return f"it leads to {_ascii(host)}"
    alike = _look_alike(host)
    return f"{_ascii(host)} {alike}" if alike else ""


def _ascii(host: str) -> str:
    """A host name as the network has it (RFC 5891), lower case."""
    host = host.rstrip(".").lower()
    try:
        return host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        return ascii(host).strip("'")


def _registered(host: str) -> str:
    """About the part of a name that someone registered: the last two labels, three below the common places."""
    labels = host.split(".")
    return ".".join(labels[-3 if len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in _PLACES else -2 :])


def _look_alike(host: str) -> str:
    for label in host.split("."):
        if label.startswith("xn--"):
            try:
                label = label.encode().decode("idna")
            except UnicodeError:
                return "is no name that can be read"
        if label.isascii():
            continue
        letters = [char for char in label if char.isalpha()]
        alphabets = {word for char in letters for word in _ALPHABETS if unicodedata.name(char, "").startswith(word)}
        if len(alphabets) > 1:
            return "mixes alphabets"
        if letters and all(char in _LATIN_SHAPES for char in letters):
            return "is written in letters that look like others"
    return ""


def person(name: str, own: str) -> str:
    """An address that a name holds and that is not the person's; "" for none."""
    found = re.search(r"[^\s<>()\"',;:]{1,100}@((?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24})", shown(name))
    if found is None or found[0].strip("'\"").lower() == own.lower():
        return ""
    return "" if _registered(_ascii(found[1])) == _registered(_ascii(own.rpartition("@")[2])) else found[0]


def of(seen: MessageView, links: Iterable[Link]) -> list[str]:
    """All that is to be said of a message, without repetition; `links` are those of its HTML."""
    said: list[str] = []
    if what := hides(seen.subject):
        said.append(f"the subject {what}")
    for role, header in (("From", seen.sender), ("To", seen.to), ("Cc", seen.cc), ("Reply to", seen.reply_to)):
        for one in addresses(header)[:100]:
            if what := hides(one.name) or hides(one.address):
                said.append(f"the name of {shown(one.address)[:80]} {what}")
            if other := person(one.name, one.address):
                said.append(f"{role}: the name says {other[:80]}, the address is {shown(one.address)[:80]}")
    for item in seen.attachments:
        if what := hides(item.written):
            said.append(f"the name of the file {item.name} {what}")
        if _PROGRAM.search(item.name):
            said.append(f"the file {item.name} is a program with the name of a document")
    for given in links:
        if given.deceit:
            said.append(f"a link says \u201c{shown(given.words)[:80]}\u201d: {given.deceit}")
    return list(dict.fromkeys(said))[:MOST]
