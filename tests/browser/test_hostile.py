"""A real browser opens the rendered views of hostile mail: nothing runs, is fetched, or is drawn over what is ours."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from emailplus.mime.page import Look, policy, render
from emailplus.mime.view import from_body
from emailplus.model.message import BodyType

from .driver import HOST, Browser, Listener
from .hostile import CORPUS, FETCHES, HANDLERS, MUTATIONS, SCRIPTS, body

STATE = (
    "return {ran: window.ran === 1, title: document.title, marked: document.documentElement.dataset.ran || '',"
    "scripts: document.querySelectorAll('script').length,"
    "frames: document.querySelectorAll('iframe,object,embed,frame').length,"
    "handlers: [...document.querySelectorAll('*')].filter(e => [...e.attributes].some(a => /^on/i.test(a.name)))"
    ".length,"
    " links: [...document.querySelectorAll('[href]')].map(e => e.getAttribute('href')),"
    "resources: performance.getEntriesByType('resource').map(e => e.name).filter(n => !n.startsWith('data:'))}"
)


def written(folder: Path, html: str) -> Path:
    path = folder / "page.html"
    path.write_text(html, encoding="utf-8", errors="replace")
    return path


def page_of(markup: str, look: Look | None = None) -> str:
    seen = from_body(BodyType.HTML, markup.encode("utf-8"))
    seen.subject = "Hostile"
    return render(seen, look).html


@pytest.mark.parametrize("name", CORPUS)
def test_nothing_runs_and_nothing_is_fetched(name: str, browser: Browser, listener: Listener, tmp_path: Path) -> None:
    listener.heard.clear()
    page = written(tmp_path, page_of(body(name, f"http://{HOST}")))
    browser.show(page)
    state = browser.run(STATE)
    assert listener.heard == []
    assert not state["ran"]
    assert state["title"] == "Hostile"
    assert (state["marked"], state["scripts"], state["frames"], state["handlers"]) == ("", 0, 0, 0)
    assert state["resources"] == []
    assert browser.address() == page.resolve().as_uri()
    for link in state["links"]:
        assert link.startswith(("http://", "https://", "#")), link
    browser.run("document.querySelectorAll('main a:not([href^=http])').forEach(a => a.click())")
    assert not browser.run(STATE)["ran"]


def test_the_harness_sees_what_a_page_without_protection_does(
    browser: Browser, listener: Listener, tmp_path: Path
) -> None:
    """The same bodies in a bare page do run and do fetch: the proof above is not deaf."""
    ran = fetched = 0
    for name in [name for name in CORPUS if name.startswith(("script", "handler", "fetch"))]:
        listener.heard.clear()
        html = f"<!DOCTYPE html><meta charset=utf-8><title>Bare</title><body>{body(name, f'http://{HOST}')}"
        browser.show(written(tmp_path, html), 0.25)
        ran += browser.run("return window.ran === 1 || document.title === 'RAN'")
        fetched += bool(listener.heard)
    assert ran >= (len(SCRIPTS) + len(HANDLERS)) // 3
    assert fetched >= len(FETCHES) // 2


def test_the_second_wall_stands_alone(browser: Browser, listener: Listener, tmp_path: Path) -> None:
    """Without the sanitiser, the page's Content-Security-Policy still lets nothing run and nothing load.

    It has no say over hints (`<link rel=prefetch>` and its kin), nor over the connections that a browser opens on
    speculation and asks nothing on: those are the first wall's alone, whose tests want no connection at all.
    """
    listener.heard.clear()
    names = [name for name in CORPUS if name.startswith(("script", "handler", "mutation"))]
    names += [name for name in CORPUS if name.startswith("fetch") and "<link rel=" not in CORPUS[name]]
    for name in names:
        html = (
            f'<!DOCTYPE html><meta charset=utf-8><meta http-equiv="Content-Security-Policy" content="{policy(False)}">'
            f"<title>Wall</title><body>{body(name, f'http://{HOST}')}"
        )
        browser.show(written(tmp_path, html), 0.05)
        assert not browser.run("return window.ran === 1 || document.title === 'RAN'"), name
    time.sleep(0.3)
    assert [line for line in listener.heard if line != "a connection"] == []


def test_pictures_that_the_user_wants_are_loaded_and_trackers_are_not(
    browser: Browser, listener: Listener, tmp_path: Path
) -> None:
    markup = (
        f"<p>Sale</p><img src='http://{HOST}/banner.png' width=600 height=80>"
        f"<img src='http://{HOST}/open?id=alice' width=1 height=1><img src='http://{HOST}/deep.png'>"
    )
    listener.heard.clear()
    browser.show(written(tmp_path, page_of(markup, Look(pictures=True))), 0.5)
    assert sorted(line.split()[1] for line in listener.heard) == ["/banner.png", "/deep.png"]
    listener.heard.clear()
    browser.show(written(tmp_path, page_of(markup)), 0.3)
    assert listener.heard == []
    assert "2 pictures not loaded" in browser.run("return document.body.innerText")


@pytest.mark.parametrize("name", [name for name in CORPUS if name.startswith("disguise")])
def test_nothing_is_drawn_over_what_is_ours(name: str, browser: Browser, tmp_path: Path) -> None:
    browser.size(900, 700)
    browser.show(written(tmp_path, page_of(body(name, f"http://{HOST}"))))
    on_top = browser.run(
        "const h = document.querySelector('h1').getBoundingClientRect();"
        "const e = document.elementFromPoint(h.left + 5, h.top + h.height / 2);"
        "return e && e.closest('header') !== null"
    )
    assert on_top
    assert browser.run("return document.querySelectorAll('.cell, .watermark').length") == 0


def test_bodies_are_as_many_as_promised() -> None:
    assert len(CORPUS) > 140
    assert len(MUTATIONS) >= 30
