"""The proof of `test_generated` hears: bare bodies do harm, and a view with one of its walls taken away is caught. And
what was cleaned stays what it is when it is read and cleaned again."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import escape
from pathlib import Path
from random import Random

import pytest

from emailplus.mime import page as pages
from emailplus.mime import sanitise as sanitiser
from emailplus.mime.sanitise import Choice, sanitise
from emailplus.mime.view import SafeBody

from .classics import classic
from .driver import Browser, Listener
from .grammar import Grammar
from .oracle import Batch, judged
from .test_generated import SEED, TORTURE, attacks, classics, in_view, run

HURT = """
return [...document.querySelectorAll('iframe.case')].filter(f => {
  try { return f.contentWindow.ran !== undefined } catch (e) { return false }  // it led its frame elsewhere
}).map(f => f.dataset.n);
"""


def raw(number: int) -> str:
    """A body of the grammar alone."""
    return Grammar(Random(f"{SEED}/{number}"), number).body()


def framed(source: str, before: str, browser: Browser, listener: Listener, folder: Path) -> tuple[set[int], set[int]]:
    """Which of a hundred bodies ran, and which fetched, each in a frame of its own behind `before`."""
    numbers = range(1, 355, 3)
    harmful: set[int] = set()
    fetched: set[int] = set()
    for start in range(0, len(numbers), 40):
        bodies = {n: raw(n) if source == "generated" else classic(n) for n in numbers[start : start + 40]}
        frames = "".join(
            f'<iframe class=case data-n={n} srcdoc="{escape(before + body)}"></iframe>' for n, body in bodies.items()
        )
        path = folder / "frames.html"
        path.write_text(f"<!DOCTYPE html><meta charset=utf-8>{frames}", encoding="utf-8", errors="replace")
        listener.heard.clear()
        browser.show(path, 0.4)
        harmful |= {int(number) for number in browser.run(HURT)}
        fetched |= {int(found[1]) for line in listener.heard if (found := re.search(r"/n(\d+)\b", line))}
    return harmful, fetched


@pytest.mark.parametrize("source", ["generated", "classic"])
def test_the_second_wall_stands_alone(source: str, browser: Browser, listener: Listener, tmp_path: Path) -> None:
    """Without the sanitiser the policy of our page still lets nothing run, and no picture, style, font or frame load.
    It has no say over where a page is led and over hints, which are the first wall's alone."""
    wall = f'<!DOCTYPE html><meta http-equiv="Content-Security-Policy" content="{pages.policy(False)}">'
    ran, fetched = framed(source, wall, browser, listener, tmp_path)
    assert ran == set()
    led = re.compile(r"http-equiv|<link|\brel\b|speculationrules", re.IGNORECASE)
    body = raw if source == "generated" else classic
    assert [number for number in sorted(fetched) if not led.search(body(number))] == []


@pytest.mark.parametrize("source", ["generated", "classic"])
def test_bare_bodies_do_harm(source: str, browser: Browser, listener: Listener, tmp_path: Path) -> None:
    """In frames of their own, without our page around them: they run and they fetch."""
    harmful, fetched = framed(source, "", browser, listener, tmp_path)
    assert len(harmful) > 8
    assert len(fetched) > 5
    assert len(harmful | fetched) > 18, (len(harmful), len(fetched))


def _svg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sanitiser, "_SPECIAL", re.compile("(a)(?!.)"))
    monkeypatch.setattr(sanitiser, "_TAGS", sanitiser._TAGS | {"svg", "style", "math", "mtext", "image"})


def _css(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sanitiser, "_style", lambda written: written)


def _moving(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sanitiser, "_PROPERTIES", sanitiser._PROPERTIES | {"position", "transform", "z-index"})


def _negative(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sanitiser, "_NEGATIVE", re.compile("(?!)"))


def _addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sanitiser, "_LINK", re.compile(""))


def _sources(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sanitiser._Filter, "_source", lambda self, value: value)


def _nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages.MessageView, "safe_html", lambda self, **how: SafeBody(self.html))


def _people(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "escape", lambda text, quote=True: text)


@pytest.mark.parametrize("wall", [_svg, _css, _moving, _negative, _addresses, _sources, _nothing, _people])
def test_a_wall_that_is_missing_is_missed(
    wall: Callable[[pytest.MonkeyPatch], None],
    monkeypatch: pytest.MonkeyPatch,
    browser: Browser,
    listener: Listener,
    tmp_path: Path,
) -> None:
    remembered = sanitiser._style
    remembered.cache_clear()
    wall(monkeypatch)
    given = [
        one for one in attacks(1, 300) if wall is not _people or one.way in ("fields", "files", "card", "calendar")
    ]
    known = classics() if wall is not _people else []
    wrong, _ = run(browser, listener, tmp_path, [*known, *given], in_view, enough=1)
    remembered.cache_clear()
    assert wrong


INNER = "return [...document.querySelectorAll('article')].map(a => [a.dataset.n, a.querySelector('.fit').innerHTML])"
SAME = """
const [given] = arguments, wrong = [];
const plain = html => {
  const box = document.createElement('div');
  box.innerHTML = html.replace(/(<pre[^>]*>)\\n+/g, '$1');
  for (const e of box.querySelectorAll('*')) {
    e.removeAttribute('class');
    for (const name of ['id', 'name', 'href']) {
      const value = e.getAttribute(name);
      if (value !== null && (name !== 'href' || value.startsWith('#')))
        e.setAttribute(name, value.replace(/^(#?)(m-)+/, '$1'));
    }
  }
  box.normalize();
  for (const t of box.childNodes) if (t.nodeType === 3) t.data = t.data.replaceAll('\\ufeff', '');
  return box;
};
for (const [n, first, second] of given) {
  const a = plain(first), b = plain(second);
  if (!a.isEqualNode(b)) wrong.push([n, a.innerHTML.slice(0, 600), b.innerHTML.slice(0, 600)]);
}
return wrong;
"""


@pytest.mark.parametrize("thousands", range(TORTURE))
def test_cleaned_twice_is_cleaned_once(thousands: int, browser: Browser, listener: Listener, tmp_path: Path) -> None:
    """What Chromium made of the safe HTML, written out by it and cleaned again, is the same tree (but for the prefix of
    ids): nothing lies in it that only the next reader would see."""
    given = attacks(1 + 1000 * thousands, 300 if TORTURE == 1 else 1000) + (classics() if not thousands else [])
    wrong = []
    for start in range(0, len(given), 50):
        drawn = [(one.number, in_view(one)) for one in given[start : start + 50]]
        batch = Batch(drawn[0][1].head, [(number, each.body) for number, each in drawn])
        assert judged(browser, listener, tmp_path, batch, wait=0) == []
        again = [(n, html, sanitise(html, Choice()).markup) for n, html in browser.run(INNER)]
        wrong += browser.run(SAME, [again])
    assert wrong == []
