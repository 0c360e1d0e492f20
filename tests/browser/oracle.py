"""Many bodies in one page, and what a live DOM may hold, judged in the browser by a list that is written here again.

Each body stands in an `article` of its own, written by the very page that `render` makes: the parser that reads it is
the browser's, in one go. What breaks out of its article, or is not on the list, is told with its number.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .driver import Browser, Listener


def _words(text: str) -> list[str]:
    return text.split()


_ALL = "style dir lang title id align valign"
_CELL = "width height bgcolor colspan rowspan nowrap headers scope"
ALLOWED: dict[str, str] = {
    **dict.fromkeys(
        _words(
            "abbr acronym address article aside b bdi bdo big caption center cite code dd del dfn dir dl dt em "
            "figcaption figure footer h1 h2 h3 h4 h5 h6 header i ins kbd main map mark menu nav p pre q rp rt ruby s "
            "samp section small span strike strong sub summary sup tbody tfoot thead tt u var wbr"
        ), "",
    ),
    "a": "href name rel", "img": "src alt width height border hspace vspace",
    "table": "width height border cellpadding cellspacing bgcolor summary rules frame", "tr": "bgcolor height",
    "td": _CELL, "th": _CELL, "col": "width span", "colgroup": "width span", "font": "color face size",
    "ol": "start type reversed", "ul": "type", "li": "value type", "hr": "width size color noshade", "br": "clear",
    "blockquote": "type", "details": "open", "time": "datetime", "div": "bgcolor",
}  # fmt: skip
OURS = {
    "section": "class",
    "header": "",
    "h1": "",
    "h2": "",
    "dl": "",
    "dt": "",
    "dd": "",
    "span": "class title",
    "small": "",
    "b": "",
    "ul": "",
    "li": "",
    "main": "class",
    "div": "class",
    "details": "class open",
    "summary": "",
}
"""What stands around a message in its page, with its attributes."""

JUDGE = (Path(__file__).parent / "oracle.js").read_text(encoding="utf-8")

LINKS = ["http:", "https:", "mailto:", "tel:", "sms:", "callto:", "xmpp:", "geo:", "news:", "ftp:", "ftps:"]
REWRITTEN = ["mibrowser:", "mibrowsers:"]
"""Where links lead by `email_url_scheme_http` and `email_url_scheme_https` as they are by default."""


@dataclass
class Batch:
    """Pages to be read as one. `bodies`: (number, markup of the inside of a body)."""

    head: str
    bodies: list[tuple[int, str]]

    def document(self) -> str:
        inside = "".join(f'<article data-n="{n}">{markup}<i class="end"></i></article>' for n, markup in self.bodies)
        return f"{self.head}<body>{inside}</body></html>"


def parts(html: str) -> tuple[str, str]:
    """A page of ours as (head with another title, inside of its body)."""
    head, _, rest = html.partition("<body>")
    before, _, after = head.partition("<title>")
    return f"{before}<title>Batch</title>{after.partition('</title>')[2]}", rest.rpartition("</body>")[0]


def judged(
    browser: Browser, listener: Listener, folder: Path, batch: Batch, *, pictures: Any = False, page: bool = True,
    wait: float = 0.1, heads: int = 7,
) -> list[tuple[int, str]]:  # fmt: skip
    """Open it, and what is wrong: (number, what). Requests are left in `listener.heard`."""
    listener.heard.clear()
    path = folder / "batch.html"
    path.write_text(batch.document(), encoding="utf-8", errors="replace")
    browser.show(path, wait)
    seen, said = browser.run(JUDGE, [_ALL, ALLOWED, OURS, [*LINKS, *REWRITTEN], pictures, page, heads])
    complaints = [(int(n or 0), str(what)) for n, what in said]
    missing = {str(n) for n, _ in batch.bodies} - set(seen)
    complaints += [(int(n), "its article is not there") for n in missing]
    if browser.address() != path.resolve().as_uri():
        complaints.append((0, f"led to {browser.address()}"))
    return complaints


def requests(heard: Iterable[str]) -> list[str]:
    """The paths that were asked for; a connection without a request is `""`."""
    lines = [line.split() for line in heard]
    return [words[1] if len(words) > 1 and words[0] == "GET" else "" for words in lines]
