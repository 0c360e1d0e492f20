"""One message as one HTML page: whole in itself, without a script, with nothing to fetch.

The message has been sanitised before (`sanitise`); the page's Content-Security-Policy is a second wall behind that:
even markup that slipped through could neither run nor load. What stands around the message (banners, cells, people,
files) is ours, and a message cannot draw over it: it lies in a box of its own, without positioning, and bounded, so
that what stands below it stays in reach.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from html import escape
from typing import Literal
from urllib.parse import quote

from ..config.convert import WatermarkParameters
from ..model.message import Address, addresses
from . import cards, disguise, html_text
from .view import AttachmentView, MessageView, SafeBody

SMALLEST = 0.25
"""`fit_to_width` never scales below a quarter."""
STEP = 0.05
MARGIN = 48
"""Pixels beside the message on each side together."""

Tone = Literal["plain", "good", "warning", "bad"]

_COLOURED = re.compile(r"(?:bgcolor|color)=|(?:^|[;\"\s])(?:background-)?color\s*:", re.IGNORECASE)
_WIDTH = re.compile(r"""\bwidth="(\d{2,5})(?:px)?"|(?:[";\s])(?:min-)?width:\s*(\d{2,5})(?:\.\d+)?px""", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Cell:
    """A line above the message: a marking, a verdict, a licence. `kind` is its CSS class and what programs look for."""

    kind: str
    title: str
    text: str = ""
    tone: Tone = "plain"
    colour: str = ""
    """``#rrggbb`` of a marking, "" for the tone's own."""


@dataclass(frozen=True, slots=True)
class Watermark:
    """`email_watermark` and `email_watermark_parameters`. `colour` is #AARRGGBB; sizes are CSS pixels."""

    text: str
    colour: str = "#1F808080"
    size: int = 22
    horizontal: int = 80
    vertical: int = 80

    @classmethod
    def of(cls, text: str | None, parameters: WatermarkParameters | None) -> Watermark | None:
        """What the two keys say; None without a text."""
        if not text or not text.strip():
            return None
        given = parameters or WatermarkParameters()
        standard = cls("")

        def either(value: int | None, default: int, low: int, high: int) -> int:
            return default if value is None else max(low, min(value, high))

        return cls(
            text.strip(),
            given.text_color or standard.colour,
            either(given.text_size, standard.size, 1, 400),
            either(given.horizontal_spacing, standard.horizontal, 0, 4000),
            either(given.vertical_spacing, standard.vertical, 0, 4000),
        )


@dataclass(frozen=True, slots=True)
class Look:
    """How a message is shown: what the app config, the user and its rights make of it."""

    pictures: bool = False
    """`show_pictures_default`, or the user's choice for this message or sender."""
    rewrite: Callable[[str], str | None] | None = None
    """`email_url_scheme_http`, `email_url_scheme_https`, `allow_safari_browser`."""
    unsafe: Callable[[str], bool] | None = None
    """Whether an address lies outside `email_safe_domains`."""
    watermark: Watermark | None = None
    fit_to_width: bool = False
    rich: bool = True
    """False: only text, as without `wkwebview_mail_viewer`."""
    cells: tuple[Cell, ...] = ()
    printable: bool = True
    copyable: bool = True


@dataclass(frozen=True, slots=True)
class Page:
    """The page, and what became of the body in it."""

    html: str
    body: SafeBody


def render(seen: MessageView, look: Look | None = None) -> Page:
    """Draw a message. Raises `UsageError` where it has HTML and the extra `html` is not installed."""
    look = look or Look()
    if look.rich:
        body = seen.safe_html(pictures=look.pictures, rewrite=look.rewrite)
    else:
        body = SafeBody(html_text.to_html(seen.new_text, look.rewrite))
        if seen.quoted_text:
            body.history = html_text.to_html(seen.quoted_text, look.rewrite)
    markup = body.new + body.history
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy(look.pictures))}">',
        '<meta name="referrer" content="no-referrer">',
        '<meta http-equiv="x-dns-prefetch-control" content="off">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{_text(seen.subject or '(no subject)')}</title>",
        f"<style>{_STYLE}{_fitting(markup) if look.fit_to_width else ''}{_rights(look)}</style></head><body>",
        *(_cell(cell) for cell in look.cells if cell.kind != "rights"),
        _head(seen, look),
        *(_cell(cell) for cell in look.cells if cell.kind == "rights"),  # guide: below the subject
        *_notices(body),
        _care(disguise.of(seen, body.links)),
        f'<main class="message {"paper" if _COLOURED.search(markup) else "plain"}"><div class="fit">{body.new}',
        f'<details class="history"><summary>Earlier messages</summary>{body.history}</details>' if body.history else "",
        "</div></main>",
        *(_event(event) for event in seen.events),
        *(_contact(contact) for contact in seen.contacts),
        _files(seen.attachments, body.used),
        _problems([*seen.problems, *body.problems]),
        _drawn(look.watermark) if look.watermark else "",
        "</body></html>",
    ]
    return Page("\n".join(filter(None, parts)), body)


def policy(pictures: bool) -> str:
    """The Content-Security-Policy of a page: nothing but its own styles, data: pictures, and allowed pictures."""
    sources = "data: https: http:" if pictures else "data:"
    return (
        f"default-src 'none'; img-src {sources}; style-src 'unsafe-inline'; script-src 'none'; object-src 'none'; "
        "frame-src 'none'; connect-src 'none'; font-src 'none'; media-src 'none'; form-action 'none'; base-uri 'none'"
    )


# -- the parts of the page ---------------------------------------------------------------------------------------------


def _cell(cell: Cell) -> str:
    style = f' style="border-color:{cell.colour}"' if re.fullmatch(r"#[0-9A-Fa-f]{6}", cell.colour) else ""
    text = f"<span>{_text(cell.text)}</span>" if cell.text else ""
    return f'<section class="cell {escape(cell.kind)} {cell.tone}"{style}><b>{_text(cell.title)}</b> {text}</section>'


def _head(seen: MessageView, look: Look) -> str:
    rows = [("From", _people(seen.sender, look)), ("To", _people(seen.to, look)), ("Cc", _people(seen.cc, look))]
    rows.append(("Bcc", _people(seen.bcc, look)))
    if seen.reply_to and addresses(seen.reply_to) != addresses(seen.sender):
        rows.append(("Reply to", _people(seen.reply_to, look)))
    if seen.date is not None:
        rows.append(("Date", escape(f"{seen.date:%Y-%m-%d %H:%M %z}".strip())))
    lines = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows if value)
    return f"<header><h1>{_text(seen.subject or '(no subject)')}</h1><dl>{lines}</dl></header>"


def _people(header: str, look: Look) -> str:
    return ", ".join(_person(person, look) for person in addresses(header)[:500])


def _person(person: Address, look: Look) -> str:
    name = f"{_text(person.name)} " if person.name and person.name != person.address else ""
    written = f"{name}&lt;{_text(person.address)}&gt;" if name else _text(person.address)
    if look.unsafe is not None and look.unsafe(person.address):
        return f'<span class="unsafe" title="outside your organisation">{written} <small>outside</small></span>'
    return f"<span>{written}</span>"


def notices(body: SafeBody) -> Iterable[tuple[str, str]]:
    """(kind, text) of what is said about the pictures of a body."""
    if body.blocked:
        count = f"{body.blocked} picture{'s' if body.blocked > 1 else ''}"
        yield "pictures", f"{count} not loaded: the sender could see that you read this."
    if body.trackers:
        hosts = dict.fromkeys(re.sub(r"^https?://([^/?#]*).*", r"\1", url, flags=re.S | re.I) for url in body.trackers)
        count = f"{len(body.trackers)} tracking picture{'s' if len(body.trackers) > 1 else ''}"
        yield "trackers", f"{count} removed ({', '.join(list(hosts)[:5])})."


def _notices(body: SafeBody) -> Iterable[str]:
    for kind, text in notices(body):
        yield f'<section class="notice {kind}">{escape(text)}</section>'


def _care(warnings: list[str]) -> str:
    if not warnings:
        return ""
    items = "".join(f"<li>{_text(warning)}</li>" for warning in warnings)
    return f'<section class="notice care"><b>Take care</b><ul>{items}</ul></section>'


def _text(written: str) -> str:
    """What a stranger wrote, for a place of ours: every character where it seems to be."""
    return escape(disguise.shown(written))


def _event(event: cards.EventView) -> str:
    lines = "".join(f"<dt>{name}</dt><dd>{_text(value)}</dd>" for name, value in cards.rows(event))
    return f'<section class="card event"><b>{cards.title(event)}: {_text(event.summary)}</b><dl>{lines}</dl></section>'


def _contact(contact: cards.ContactView) -> str:
    rows = [("Organisation", contact.organization), ("Title", contact.title), *contact.details]
    lines = "".join(
        f"<dt>{_text(name[:1].upper() + name[1:])}</dt><dd>{_text(value)}</dd>" for name, value in rows if value
    )
    return f'<section class="card contact"><b>{_text(contact.name or "Contact")}</b><dl>{lines}</dl></section>'


def _files(attachments: list[AttachmentView], used: set[str]) -> str:
    shown = [item for item in attachments if item.content_id.lower() not in used or not item.content_id]
    if not shown:
        return ""
    items = "".join(
        f"<li><b>{_text(item.name)}</b> <small>{_text(item.content_type)}, {readable_size(item.size)}</small></li>"
        for item in shown
    )
    return f'<section class="files"><h2>{len(shown)} file{"s" if len(shown) > 1 else ""}</h2><ul>{items}</ul></section>'


def readable_size(size: int) -> str:
    """``1.4 MB`` and the like, of 1024 bytes a step."""
    if size < 1024:
        return f"{size} bytes"
    for unit in ("KB", "MB", "GB"):
        value = size / 1024
        size //= 1024
        if value < 1024 or unit == "GB":
            return f"{value:.1f} {unit}" if value < 10 else f"{value:.0f} {unit}"
    return ""


def _problems(problems: list[str]) -> str:
    if not problems:
        return ""
    items = "".join(f"<li>{_text(problem)}</li>" for problem in dict.fromkeys(problems))
    return f'<section class="notice problems"><b>Not everything could be read</b><ul>{items}</ul></section>'


# -- styles ------------------------------------------------------------------------------------------------------------


def natural_width(markup: str) -> int:
    """The width in pixels that the message itself asks for; 0 where it asks for none."""
    return max((int(first or second) for first, second in _WIDTH.findall(markup)), default=0)


def _fitting(markup: str) -> str:
    """Steps of zoom for windows narrower than the message: no script is needed, and none below a quarter."""
    width = min(natural_width(markup), 20_000)
    if width < 200:
        return ""
    rules = []
    scale = 1.0
    while scale > SMALLEST + 1e-9:
        edge = int(width * scale) + MARGIN
        scale = round(max(SMALLEST, scale - STEP), 2)
        rules.append(f"@media (max-width:{edge - 1}px){{.fit{{zoom:{scale:g}}}}}")
    return "".join(rules)


def _rights(look: Look) -> str:
    rules = "" if look.printable else "@media print{body{display:none}}"
    return rules if look.copyable else f"{rules}body{{user-select:none;-webkit-user-select:none}}"


def _drawn(mark: Watermark) -> str:
    """The text again and again across the whole page, as a background picture that lies over everything."""
    alpha, red, green, blue = (int(mark.colour[at : at + 2], 16) for at in (1, 3, 5, 7))
    width = int(len(mark.text) * mark.size * 0.62) + mark.horizontal + 1
    height = mark.size + mark.vertical + 1
    drawing = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">'
        f'<text x="{mark.horizontal // 2}" y="{height // 2}" font-size="{mark.size}" font-family="sans-serif" '
        f'fill="rgb({red},{green},{blue})" fill-opacity="{alpha / 255:.3f}">{escape(mark.text)}</text></svg>'
    )
    address = f"data:image/svg+xml,{quote(drawing)}"
    return f'<div class="watermark" aria-hidden="true" style="background-image:url(&quot;{address}&quot;)"></div>'


_STYLE = (
    ":root{color-scheme:light dark;--back:#fff;--fore:#1b1b1b;--soft:#f3f4f6;--line:#d5d8dd;--dim:#5c6370;"
    "--good:#1b7f3b;--warning:#a15c00;--bad:#c0182c}"
    "@media (prefers-color-scheme:dark){:root{--back:#16181c;--fore:#e8eaed;--soft:#22262c;--line:#3a3f47;"
    "--dim:#a2a9b4;--good:#5fd38a;--warning:#f0b35a;--bad:#ff7b85}}"
    "*{box-sizing:border-box}body{margin:0 auto;padding:16px 24px;max-width:1100px;background:var(--back);"
    "color:var(--fore);font:15px/1.45 system-ui,sans-serif;overflow-wrap:anywhere}"
    "h1{font-size:1.3em;margin:.4em 0}h2{font-size:1em;margin:0 0 .3em}dl{display:grid;"
    "grid-template-columns:max-content 1fr;gap:2px 12px;margin:.3em 0}dt{color:var(--dim)}dd{margin:0}"
    "header{border-bottom:1px solid var(--line);padding-bottom:8px}.unsafe{color:var(--bad)}"
    ".unsafe small{border:1px solid;border-radius:3px;padding:0 3px}"
    ".cell{border-left:6px solid var(--line);background:var(--soft);padding:6px 10px;margin:0 0 6px}"
    "header+.cell{margin-top:6px}"
    ".cell.good{border-color:var(--good)}.cell.warning{border-color:var(--warning)}.cell.bad{border-color:var(--bad)}"
    ".notice{background:var(--soft);border:1px solid var(--line);padding:6px 10px;margin:8px 0;font-size:.93em}"
    ".notice.care{border-left:6px solid var(--bad)}.notice ul{margin:.2em 0;padding-left:1.4em}"
    ".message{margin:12px 0;padding:12px;overflow:auto;max-height:200000px;isolation:isolate;contain:layout paint;"
    "border:1px solid var(--line);border-radius:6px}"
    ".message.paper{background:#fff;color:#000;color-scheme:light}.message .text{white-space:pre-wrap}"
    ".message .fit>:first-child{margin-top:0}.message .fit>:last-child{margin-bottom:0}"
    ".cell+header h1{margin-top:.7em}.message img:not([src]){display:inline-block;border:1px dashed #888;"
    "padding:2px 6px;font-size:.85em;color:#6b6b6b;vertical-align:middle}"
    ".message img{max-width:100%}.message blockquote{border-left:2px solid var(--line);margin:.4em 0 .4em 4px;"
    "padding-left:10px}.history{margin-top:12px}.history>summary{color:var(--dim);cursor:pointer}"
    ".card,.files{border:1px solid var(--line);border-radius:6px;padding:8px 12px;margin:8px 0}"
    ".files ul{margin:0;padding-left:1.2em}small{color:var(--dim)}"
    ".watermark{position:fixed;inset:0;pointer-events:none;z-index:2147483647}"
    "@media print{.history:not([open])>summary{display:none}.message{max-height:none}}"
)
