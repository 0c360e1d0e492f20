"""What hostile bodies cost: four times the text costs about four times the time, whatever is repeated. No browser."""

from __future__ import annotations

import time
from random import Random

import pytest

from emailplus.mime import terminal
from emailplus.mime.page import Look, render
from emailplus.mime.quoted import quotable
from emailplus.mime.view import read

from .classics import CLASSICS, classic
from .grammar import Grammar

SMALL, LARGE = 50_000, 200_000
FIXED = (
    "<div style",
    "<div class=gmail_",
    '<div class="',
    "<blockquote ",
    "<",
    "<a href=x>http://a.b</a>",
    "((a.",
    "\u202e",
)


def cost(piece: str, size: int) -> float:
    """Seconds of the processor for a body of this piece again and again, on every way out."""
    html = piece * (size // len(piece) + 1)
    raw = b"Content-Type: text/html; charset=utf-8\r\n\r\n" + html.encode("utf-8", "replace")
    began = time.process_time()
    seen = read(raw)
    render(seen, Look(fit_to_width=True))
    terminal.render(seen)
    quotable(html)
    return time.process_time() - began


def pieces(part: int) -> list[str]:
    """Whole bodies, payloads cut anywhere, and classics."""
    found = [classic(number) for number in range(1 + part, len(CLASSICS) + 1, 16)]
    for number in range(part * 100 + 1, part * 100 + 13):
        found.append(Grammar(Random(f"cost/{number}"), number).body())
        cut = Grammar(Random(f"cut/{number}"), number).payload()
        found.append(cut[: Random(number).randrange(1, len(cut) + 1)])
    return found


@pytest.mark.parametrize("given", [FIXED, 0, 1], ids=["fixed", "first", "second"])
def test_what_is_repeated_costs_in_proportion(given: tuple[str, ...] | int) -> None:
    for piece in pieces(given) if isinstance(given, int) else given:
        small, large = cost(piece, SMALL), cost(piece, LARGE)
        assert large < 8 * small + 1, (piece, small, large)
