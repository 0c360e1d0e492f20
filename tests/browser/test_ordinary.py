"""Ordinary mail in a real browser: how it looks, fitted to the window, in the dark, marked, not to be copied."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from emailplus.mime.page import Look, Watermark, render
from emailplus.mime.view import from_body
from emailplus.model.message import BodyType

from .driver import Browser, Listener
from .ordinary import ORDINARY

PICTURES = os.environ.get("EMAILPLUS_VIEW_PICTURES", "")
"""A folder to write the screenshots to: how docs/images is made."""


def show(browser: Browser, folder: Path, html: str) -> None:
    path = folder / "page.html"
    path.write_text(html, encoding="utf-8")
    browser.show(path, 0.05)


def page(markup: str, look: Look | None = None) -> str:
    return render(from_body(BodyType.HTML, markup.encode()), look).html


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_messages(name: str, browser: Browser, listener: Listener, tmp_path: Path) -> None:
    picture = ORDINARY[name]()
    listener.heard.clear()
    browser.scheme(picture.scheme)
    browser.size(picture.width, picture.height)
    try:
        show(browser, tmp_path, picture.html)
        low = browser.run("return Math.ceil(document.body.getBoundingClientRect().bottom)")
        browser.size(picture.width, min(picture.height, low))
        shown = browser.picture()
        assert shown.startswith(b"\x89PNG")
        assert listener.heard == []
        # Nothing is wider than the window, and every picture that came with a message is there.
        assert browser.run("return document.documentElement.scrollWidth <= window.innerWidth")
        assert browser.run("return [...document.images].every(i => !i.src || i.naturalWidth > 0)")
        if PICTURES:
            (Path(PICTURES) / f"view-{name}.png").write_bytes(shown)
    finally:
        browser.scheme("light")


def fitted(browser: Browser, window: int) -> dict[str, Any]:
    browser.size(window, 600)
    return dict(browser.run(
        "const f = document.querySelector('.fit'), t = document.querySelector('main table').getBoundingClientRect();"
        "return {zoom: parseFloat(getComputedStyle(f).zoom), table: t.width,"
        "inner: document.querySelector('main').clientWidth}"
    ))  # fmt: skip


def test_fit_to_width_scales_down_and_never_below_a_quarter(browser: Browser, tmp_path: Path) -> None:
    markup = '<table width="1600"><tr><td>wide</td></tr></table>'
    show(browser, tmp_path, page(markup, Look(fit_to_width=True)))
    seen = {window: fitted(browser, window) for window in (1500, 1100, 900, 700, 500)}
    for window in (1100, 900, 700, 500):
        assert 0.25 <= seen[window]["zoom"] < 1
        assert seen[window]["table"] <= seen[window]["inner"] + 1, (window, seen[window])
    zooms = [seen[window]["zoom"] for window in sorted(seen)]
    assert zooms == sorted(zooms)
    assert fitted(browser, 300)["zoom"] == 0.25
    show(browser, tmp_path, page('<table width="9000"><tr><td>wider</td></tr></table>', Look(fit_to_width=True)))
    assert fitted(browser, 300)["zoom"] == 0.25
    show(browser, tmp_path, page(markup))
    assert fitted(browser, 300)["zoom"] == 1


def test_light_and_dark(browser: Browser, tmp_path: Path) -> None:
    """Our own parts follow the system; a message that sets colours keeps its white paper, another follows too."""
    colour = "return getComputedStyle(document.querySelector('{}')).backgroundColor"
    try:
        for scheme, bright in (("light", True), ("dark", False)):
            browser.scheme(scheme)
            show(browser, tmp_path, page("<p>no colours</p>"))
            assert (browser.run(colour.format("body")) == "rgb(255, 255, 255)") is bright
            assert browser.run("return document.querySelector('main').classList.contains('plain')")
            show(browser, tmp_path, page('<p style="color:#222222">coloured</p>'))
            assert browser.run(colour.format("main")) == "rgb(255, 255, 255)"
    finally:
        browser.scheme("light")


def test_the_watermark_lies_over_everything_and_takes_no_clicks(browser: Browser, tmp_path: Path) -> None:
    look = Look(watermark=Watermark("Secret 7", "#80FF0000", 30, 10, 10))
    browser.size(800, 600)
    show(browser, tmp_path, page("<p>text</p>", look))
    marked = browser.picture()
    box = browser.run(
        "const r = document.querySelector('.watermark').getBoundingClientRect(); return [r.width, r.height]"
    )
    assert box == [800, 600]
    assert browser.run("return document.elementFromPoint(400, 300).className") != "watermark"
    show(browser, tmp_path, page("<p>text</p>"))
    assert browser.picture() != marked


def test_what_may_not_be_copied_or_printed(browser: Browser, tmp_path: Path) -> None:
    show(browser, tmp_path, page("<p>text</p>", Look(printable=False, copyable=False)))
    assert browser.run("return getComputedStyle(document.querySelector('main p')).userSelect") == "none"
    browser.devtools("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert browser.run("return getComputedStyle(document.body).display") == "none"
    finally:
        browser.devtools("Emulation.setEmulatedMedia", {"media": ""})
    show(browser, tmp_path, page("<p>text</p>"))
    assert browser.run("return getComputedStyle(document.querySelector('main p')).userSelect") != "none"
