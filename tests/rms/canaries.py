"""A mailbox full of protected mail, a word of its own planted in every body and every file, and what looks for them."""

from __future__ import annotations

import base64
import io
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from emailplus.mailbox import Mailbox
from emailplus.mock import MockLicence
from emailplus.model.rights import Right

from ..flows.world import NOW, World, mail

FLAGS = ("edit", "export", "extract", "forward", "modify_recipients", "print", "programmatic_access", "reply",
         "reply_all")  # fmt: skip
TEMPLATE = MockLicence().template_id
OTHER = ("22222222-2222-2222-2222-222222222222", "Other", "Another one.")
EXPIRY = NOW + timedelta(days=2)
"""When the licence that runs out runs out; the audit looks once before and once after."""

LICENCES: dict[str, MockLicence | None] = {
    "unprotected": None,
    "nothing": MockLicence(),
    "everything": MockLicence.everything(),
    **{f"only {flag}": MockLicence(**{flag: True}) for flag in FLAGS},
    **{f"all but {flag}": MockLicence.everything(**{flag: False}) for flag in FLAGS},
    "expiring": MockLicence.everything(expires=EXPIRY),
    "expiring, nothing": MockLicence(expires=EXPIRY),
    "garbage date": MockLicence.everything(raw_expiry="someday"),
    "no programs, in parts": MockLicence.everything(programmatic_access=False),
}
"""Every right alone denied, every right alone granted, and what is no licence to speak of. The last is
multipart/signed: its MIME is kept whole."""


@dataclass(frozen=True)
class Planted:
    """One mail, and the words in it."""

    name: str
    licence: MockLicence | None
    body: str
    file: str

    def open_to_programs(self, after_expiry: bool = False) -> bool:
        """Written from MS-ASRM 2.2.2.10 and 2.2.2.1, not by asking the gate."""
        licence = self.licence
        if licence is None:
            return True
        readable = not licence.raw_expiry and not (after_expiry and licence.expires is not None)
        return readable and licence.programmatic_access


PLANTED = [
    Planted(name, licence, f"kanari{number:02d}corpus", f"kanari{number:02d}lima")
    for number, (name, licence) in enumerate(LICENCES.items())
]


def plant(world: World) -> None:
    """Deliver them all."""
    world.exchange.rights_templates = [(TEMPLATE, "Do Not Forward", "No."), OTHER]
    for number, planted in enumerate(PLANTED):
        raw = mail(
            f"Mail {planted.name}", f"The word is {planted.body}.\n",
            html=f"<p>The word is {planted.body}.</p>", attachments=(("file.txt", planted.file.encode()),),
        )  # fmt: skip
        if "in parts" in planted.name:
            raw = raw.replace(b"multipart/mixed", b'multipart/signed; micalg=sha-256; protocol="application/x"', 1)
        world.alice.deliver(raw, received=NOW - timedelta(minutes=number + 1), licence=planted.licence)


def ids(mailbox: Mailbox) -> dict[str, int]:
    """Our numbers of the planted mails."""
    found = mailbox.store.messages(list(mailbox.store.ids()))
    wanted = {f"Mail {planted.name}": planted.name for planted in PLANTED}
    return {wanted[message.subject]: message.id for message in found if message.subject in wanted}


def forms(word: str) -> Iterator[str]:
    """How a word may stand in something: plain, in hexadecimal, and in base64 at each of its three places."""
    data = word.encode()
    yield word
    yield data.hex()
    for shift in range(3):
        padded = base64.b64encode(b"\0" * shift + data).decode()
        yield padded[-(-shift * 8 // 6) : len(padded) - 4] if shift else padded[: len(padded) - 4]


def leaks(text: str, planted: Iterable[Planted]) -> list[str]:
    """Of which mails a word stands in a text."""
    return [
        f"{each.name}: {kind}"
        for each in planted
        for kind, word in (("body", each.body), ("file", each.file))
        if any(form in text for form in forms(word))
    ]


def spill(thing: Any, depth: int = 0) -> str:
    """Everything that can be read out of a result: fields that a repr leaves out, iterators, loaders, archives."""
    if depth > 12 or thing is None:
        return ""
    if isinstance(thing, str):
        return thing + "\n"
    if isinstance(thing, (bytes, bytearray, memoryview)):
        return _of_bytes(bytes(thing), depth)
    if isinstance(thing, (int, float, type)):
        return f"{thing}\n"
    if isinstance(thing, BaseException):
        return f"{thing!r}{thing}\n" + spill(vars(thing), depth + 1)
    if isinstance(thing, Path):
        return spill(thing.read_bytes(), depth + 1) if thing.is_file() else str(thing)
    if isinstance(thing, partial):
        try:
            return spill(thing(), depth + 1)
        except Exception as problem:
            return spill(problem, depth + 1)
    if isinstance(thing, Mapping):
        return "".join(spill(each, depth + 1) for pair in thing.items() for each in pair)
    if is_dataclass(thing):
        values = {field.name: getattr(thing, field.name) for field in fields(thing)}
        more = {"safe": getattr(thing, "safe_html", ""), "new": getattr(thing, "new_text", "")}
        return spill(values, depth + 1) + spill(more, depth + 1)
    if callable(thing) and getattr(thing, "__name__", "").startswith(("<lambda>", "_content")):
        return repr(thing)
    if isinstance(thing, Iterable):
        return "".join(spill(each, depth + 1) for each in thing)
    return repr(thing) + "\n"


def _of_bytes(data: bytes, depth: int) -> str:
    text = data.decode("utf-8", "replace") + "\n"
    if data[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            text += "".join(spill(archive.read(name), depth + 1) for name in archive.namelist())
    return text


def granted(planted: Planted) -> frozenset[Right]:
    """The rights of a planted licence, by the names of the standard."""
    words = {flag: "".join(word.title() for word in flag.split("_")) + "Allowed" for flag in FLAGS}
    assert planted.licence is not None
    return frozenset(Right(words[flag]) for flag in FLAGS if getattr(planted.licence, flag))
