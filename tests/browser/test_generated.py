"""Hostile messages by the thousand, composed by a seeded grammar and taken from the classics, in a real browser.

Each goes every way that leads to HTML: the view, the view with pictures, the preview of a forward that quotes it, and
the HTML that this forward sends, bare as a recipient's client would have it. `EMAILPLUS_TORTURE` makes the thousands
many; `EMAILPLUS_SEED` names another seed. A failure tells number and way: `attack(seed, number)` makes it again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from emailplus.config import AppConfig
from emailplus.mime import brief
from emailplus.mime.compose import compose
from emailplus.mime.page import Look, render
from emailplus.mime.sanitise import Choice, sanitise
from emailplus.mime.view import read
from emailplus.model.draft import Draft, DraftAttachment, DraftKind
from emailplus.model.message import Address, StoredMessage
from emailplus.protecting import quote_of
from emailplus.reading import Reading
from emailplus.store.store import Store

from .attacks import HEAD, Attack, attack
from .classics import CLASSICS, classic
from .driver import Browser, Listener
from .oracle import Batch, judged, parts, requests

SEED = int(os.environ.get("EMAILPLUS_SEED", "7"))
TORTURE = 25 if os.environ.get("EMAILPLUS_TORTURE") else 1
SIZE = 50
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
BARE = '<!DOCTYPE html><html><head><meta charset="utf-8"><title>Batch</title></head>'


def attacks(first: int, count: int) -> list[Attack]:
    return [attack(SEED, number) for number in range(first, first + count)]


def classics() -> list[Attack]:
    return [
        Attack(number, "classic", HEAD + b"Content-Type: text/html; charset=utf-8\r\n\r\n" + classic(number).encode())
        for number in range(1, len(CLASSICS) + 1)
    ]


@dataclass
class Drawn:
    """What one attack became: a page or a bare body, and the paths that it may ask for."""

    head: str
    body: str
    allowed: set[str]


Way = Callable[[Attack], Drawn]


def paths(pictures: list[Any]) -> set[str]:
    return {unquote(urlsplit(picture.url).path) or "/" for picture in pictures if picture.shown}


def in_view(given: Attack) -> Drawn:
    return Drawn(*parts(render(read(given.mime)).html), set())


def with_pictures(given: Attack) -> Drawn:
    page = render(read(given.mime), Look(pictures=True))
    return Drawn(*parts(page.html), paths(page.body.pictures))


def forwarded(given: Attack) -> bytes:
    """The MIME of a forward with the original below it and its files."""
    small, seen = brief.view(given.mime), read(given.mime)
    stored = StoredMessage(
        id=1, folder="Inbox", server_id="1", subject=seen.subject, sender=seen.sender, to=seen.to, cc=seen.cc,
        reply_to="", received=NOW, importance=1, read=True, flag_status=0, message_class="IPM.Note",
        conversation_id="", thread_topic="", categories=(), preview="", size=1, body_type=4, body_state="stored",
        text=small.text, html=small.html,
    )  # fmt: skip
    files = tuple(
        DraftAttachment(name=part.name, content=part.data, content_type=part.content_type, content_id=part.content_id)
        for part in small.attachments
    )
    draft = Draft(
        message_id="f@example.com", sender=Address("", "alice@example.com"), to=(Address("", "bob@example.com"),),
        kind=DraftKind.FORWARD, subject=f"Fwd: {seen.subject}", text="Look", html="<p>Look</p>", quote=quote_of(stored),
        attachments=files,
    )  # fmt: skip
    return compose(draft, NOW).message


def sent(given: Attack) -> Drawn:
    mail = message_from_bytes(forwarded(given), _class=EmailMessage, policy=default)
    part = mail.get_body(("html",))
    assert part is not None
    kept = sanitise(brief.view(given.mime).html, Choice(pictures=True)).pictures
    return Drawn(BARE, part.get_content(), paths(kept))


def run(
    browser: Browser, listener: Listener, folder: Path, given: list[Attack], way: Way, *, enough: int = 20, **how: Any
) -> tuple[str, int]:
    """What is wrong with them, in lines, and how many pictures were asked for. Ends where `enough` is wrong."""
    wrong: list[str] = []
    allowed: set[str] = set()
    asked = 0
    browser.show("about:blank", 0.3)  # what an earlier page still asks for is not ours
    browser.size(900, 700)
    for start in range(0, len(given), SIZE):
        few = given[start : start + SIZE]
        drawn = [way(one) for one in few]
        batch = Batch(drawn[0].head, [(one.number, each.body) for one, each in zip(few, drawn, strict=True)])
        ways = {one.number: one.way for one in few}
        told = judged(browser, listener, folder, batch, **how)
        wrong += [f"{number} ({ways.get(number, f'of {start}...')}): {what}" for number, what in told]
        allowed.update(*(each.allowed for each in drawn))  # a path names its attack: late ones of earlier pages too
        for path in requests(list(listener.heard)):
            asked += 1
            if unquote(urlsplit(path).path) not in allowed and (path or not allowed):
                wrong.append(f"asked for {path or 'a connection'} (of {start}...)")
        if len(wrong) >= enough:
            break
    return "\n".join(wrong[:20]), asked


@pytest.fixture(scope="module")
def reading(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reading]:
    with Store.open(tmp_path_factory.mktemp("store") / "store.db", bytes(32)) as store:
        yield Reading(store, AppConfig.load({
            "email_address": "alice@example.com", "email_device_id": "A" * 32, "email_exchange_host": "x.example.com",
            "email_exchange_username": "alice", "enabled_features": "richtext_email_support,fit_to_width",
        }))  # fmt: skip


PLENTY = pytest.mark.parametrize("thousands", range(TORTURE))


def some(thousands: int, count: int) -> list[Attack]:
    """`count` of these thousand; with `EMAILPLUS_TORTURE` all of them."""
    return attacks(1 + 1000 * thousands, 1000 if TORTURE > 1 else count)


def test_the_classics(reading: Reading, browser: Browser, listener: Listener, tmp_path: Path) -> None:
    def in_preview(given: Attack) -> Drawn:
        page = reading.draft_page(forwarded(given))
        return Drawn(*parts(page.html), paths(page.body.pictures))

    given = classics()
    assert run(browser, listener, tmp_path, given, in_view) == ("", 0)
    assert run(browser, listener, tmp_path, given, with_pictures, pictures=True)[0] == ""
    assert run(browser, listener, tmp_path, given, in_preview, pictures=True)[0] == ""
    assert run(browser, listener, tmp_path, given, sent, pictures="sent", page=False, heads=2)[0] == ""


@PLENTY
def test_the_view(thousands: int, browser: Browser, listener: Listener, tmp_path: Path) -> None:
    assert run(browser, listener, tmp_path, some(thousands, 800), in_view) == ("", 0)


@PLENTY
def test_the_view_with_pictures(thousands: int, browser: Browser, listener: Listener, tmp_path: Path) -> None:
    """Allowed pictures are asked for, and nothing else."""
    given = some(thousands, 300)
    wrong, asked = run(browser, listener, tmp_path, given, with_pictures, pictures=True)
    assert wrong == ""
    assert asked > 0


@PLENTY
def test_the_preview_of_a_forward(
    thousands: int, reading: Reading, browser: Browser, listener: Listener, tmp_path: Path
) -> None:
    def in_preview(given: Attack) -> Drawn:
        page = reading.draft_page(forwarded(given))
        return Drawn(*parts(page.html), paths(page.body.pictures))

    assert run(browser, listener, tmp_path, some(thousands, 200), in_preview, pictures=True)[0] == ""


@PLENTY
def test_what_a_forward_sends(thousands: int, browser: Browser, listener: Listener, tmp_path: Path) -> None:
    """Bare, without our page and its policy: as in the mail program of whoever gets it."""
    given = some(thousands, 250)
    assert run(browser, listener, tmp_path, given, sent, pictures="sent", page=False, heads=2)[0] == ""
