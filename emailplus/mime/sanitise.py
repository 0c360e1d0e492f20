"""HTML that a stranger wrote, made safe to show: nh3 (the Rust library ammonia) keeps what is listed here and nothing
else, our filter decides about every address in it.

    safe = sanitise(html, Choice())
    safe.markup        # a fragment without scripts, style sheets, forms, frames, or anything that is fetched
    safe.pictures      # every remote picture: blocked or shown, tracking or not
    safe.links

Nothing is fetched, whatever `Choice` says: a remote picture that is allowed stays an address for whoever shows the
page. Before the parser sees it, a text is cut at `MAX_HTML` characters, and refused where it is nested too deep, has a
tag with too many attributes, or leaves so much open that the parser would multiply it (`too_costly`).

Needs nh3: ``pip install 'emailplus[html]'``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from html import escape, unescape
from typing import Any, Final

from ..errors import UsageError
from . import disguise


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


MAX_HTML: Final = 2_000_000
MAX_DEPTH: Final = 400
MAX_ATTRIBUTES: Final = 500
MAX_REOPENED: Final = 500_000
"""Tags, times the formatting elements left open at once: so many elements may a parser make of a text at worst."""
MAX_PICTURES: Final = 2_000
"""Pictures and links that are listed."""
MAX_WORDS: Final = 2_000
"""Characters of markup in which the words of a link are looked for."""

PREFIX: Final = "m-"
"""Before every id of the message: its anchors cannot name anything of the page around it."""
BLOCKED: Final = "x-emailplus-picture"

_TAGS: Final = _words(
    "a abbr acronym address article aside b bdi bdo big blockquote br caption center cite code col colgroup dd del "
    "details dfn dir div dl dt em figcaption figure font footer h1 h2 h3 h4 h5 h6 header hr i img ins kbd li main map "
    "mark menu nav ol p pre q rp rt ruby s samp section small span strike strong sub summary sup table tbody td tfoot "
    "th thead time tr tt u ul var wbr"
)
_EVERYWHERE: Final = frozenset({"style", "dir", "lang", "title", "id", "align", "valign"})
_ATTRIBUTES: Final[dict[str, set[str]]] = {
    "*": set(_EVERYWHERE),
    "a": {"href", "name"},
    "img": {"src", "alt", "width", "height", "border", "hspace", "vspace"},
    "table": {"width", "height", "border", "cellpadding", "cellspacing", "bgcolor", "background", "summary", "rules",
              "frame"},
    "tr": {"bgcolor", "height"},
    "td": {"width", "height", "bgcolor", "background", "colspan", "rowspan", "nowrap", "headers", "scope"},
    "th": {"width", "height", "bgcolor", "background", "colspan", "rowspan", "nowrap", "headers", "scope"},
    "col": {"width", "span"},
    "colgroup": {"width", "span"},
    "font": {"color", "face", "size"},
    "ol": {"start", "type", "reversed"},
    "ul": {"type"},
    "li": {"value", "type"},
    "hr": {"width", "size", "color", "noshade"},
    "br": {"clear"},
    "blockquote": {"type"},
    "details": {"open"},
    "time": {"datetime"},
    "div": {"bgcolor"},
    "p": set(),
}  # fmt: skip

_PROPERTIES: Final = _words(
    "background-color border border-bottom border-bottom-color border-bottom-style border-bottom-width border-collapse "
    "border-color border-left border-left-color border-left-style border-left-width border-radius border-right "
    "border-right-color border-right-style border-right-width border-spacing border-style border-top border-top-color "
    "border-top-style border-top-width border-width caption-side clear color direction display empty-cells float font "
    "font-family font-size font-style font-variant font-weight height letter-spacing line-height list-style-position "
    "list-style-type margin margin-bottom margin-left margin-right margin-top max-height max-width min-height "
    "min-width overflow-wrap padding padding-bottom padding-left padding-right padding-top table-layout text-align "
    "text-decoration text-indent text-transform unicode-bidi vertical-align white-space width word-break word-spacing "
    "word-wrap"
)
"""No position, no z-index, no transform, no content, nothing with an address: a message stays in its frame."""
_VALUE: Final = re.compile(r"""[\w\s.,%#()'"+!/-]{1,300}""")
_FUNCTION: Final = re.compile(r"([\w-]+)\s*\(")
_FUNCTIONS: Final = frozenset({"rgb", "rgba", "hsl", "hsla"})
_CSS_ADDRESS: Final = re.compile(r"""(?:url|src)\s*\(\s*["']?\s*(https?:[^"')\s]+|//[^"')\s]+)""", re.I)
_NEGATIVE: Final = re.compile(r"(?:^|\s)-[\d.]*[1-9]")
_DISPLAYS: Final = _words(
    "none block inline inline-block table table-cell table-row list-item table-row-group inline-table"
)

_RASTER: Final = re.compile(r"data:image/(?:png|jpe?g|gif|webp|bmp|x-icon);base64,[A-Za-z0-9+/=\s]*", re.I)
_LINK: Final = re.compile(r"(?:https?|mailto|tel|sms|callto|xmpp|geo|news|ftps?):", re.I)
_SPECIAL: Final = re.compile(
    r"(</?)(?:script|style|title|textarea|select|noscript|noembed|noframes|template|iframe|object|embed|applet|svg|math|"
    r"xmp|plaintext|frameset|audio|video|canvas|marquee)(?=[\s/>])",
    re.I,
)
"""Everything that changes how a parser reads what follows. Renamed before parsing, there is one reading only."""
_NOTHING: Final = "x-nothing"
_TOKEN: Final = re.compile(
    r"""<!--(?:-?>|.*?(?:--!?>|\Z))|<[!?][^>]*+>?|</[^a-zA-Z>][^>]*+>?"""
    r"""|<(/?)([a-zA-Z][^\s/>]*+)"""
    r"""((?:[\s/]*+(?:=[^\s/>=]*+|[^\s/>=]++)\s*+(?:=\s*+(?:"[^"]*+"|'[^']*+'|[^\s>"'][^\s>]*+)?)?)*+)[\s/]*+>?""",
    re.DOTALL,
)
"""Comments, and tags with their attributes, as the tokenizer sees them (HTML 13.2.5)."""
_ATTRIBUTE: Final = re.compile(
    r"""[\s/]*+(?:=[^\s/>=]*+|[^\s/>=]++)\s*+(?:=\s*+(?:"[^"]*+"|'[^']*+'|[^\s>"'][^\s>]*+)?)?""", re.DOTALL
)
_DO_NOT_NEST: Final = _words(
    "area base br col embed hr img input link meta param source track wbr p li dt dd tr td th tbody thead tfoot "
    "colgroup caption html head body"
)
"""Void, or closed by the next of their kind, or ignored where they do not belong."""
_FORMATTING: Final = _words("a b big code em font i nobr s small strike strong tt u")
"""Opened again in every block until they are closed (HTML 13.2.4.3): a few bytes can become many elements."""
_PICTURE: Final = re.compile(r'<img((?: [^\s="<>/]+="[^"]*")*)>')
_HREF: Final = re.compile(r' href="([^"]*)"')
_MARKUP: Final = re.compile(r"<[^>]*>")
_PAIR: Final = re.compile(r' ([^\s="<>/]+)="([^"]*)"')
_TRACKERS: Final = re.compile(
    r"(?:/open(?:\.aspx|\.php|\.gif|\.png)?(?:[/?]|$)|/track(?:ing)?/|/pixel|/beacon|/wf/open|/trk\b|/o\.gif|"
    r"[?&](?:utm_|mc_eid|open_?id|email_?id|uid|recipient|_hsenc)|spacer\.gif|blank\.gif|1x1)",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Choice:
    """What is decided about a message's addresses before it is shown."""

    pictures: bool = False
    """Remote pictures keep their addresses (`show_pictures_default`, the user's choice for message or sender)."""
    rewrite: Callable[[str], str | None] | None = None
    """What becomes of an http or https link by policy; None takes the link away."""
    inline: Mapping[str, str] = field(default_factory=dict)
    """Content-ID, or Content-Location, in lower case -> a data: address (see `pictures.inline_pictures`)."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One remote picture. `kind`: "picture", or "background" (an attribute or style; those are never shown)."""

    url: str
    kind: str = "picture"
    tracking: bool = False
    """It has no size, or an address as trackers use them: it is there to tell that the message was opened."""
    shown: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """A link as written and as it is in the view ("": taken away)."""

    url: str
    target: str
    words: str = ""
    """What it says, as far as it is text."""
    deceit: str = ""
    """Why it does not lead where its words say, in words (`disguise.link`); "" where nothing speaks against it."""


@dataclass(slots=True)
class SafeHtml:
    """`markup` is well-formed HTML for the inside of an element."""

    markup: str
    pictures: list[Picture] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    """Content-IDs (or locations) that the text shows."""
    problems: list[str] = field(default_factory=list)

    @property
    def blocked(self) -> int:
        """Remote pictures that would be fetched if pictures were allowed."""
        return sum(not picture.shown and picture.kind == "picture" for picture in self.pictures)


def too_costly(html: str) -> str:
    """Why a text must not be given to a parser; "" where it may. Linear time. `_SPECIAL` has been applied to it."""
    opened: dict[str, int] = {}
    depth = formatting = most_formatting = tags = 0
    for closing, name, attributes in _TOKEN.findall(html):
        if not name:
            continue
        tags += 1
        name = name.lower()
        if len(attributes) > 2 * MAX_ATTRIBUTES and len(_ATTRIBUTE.findall(attributes)) > MAX_ATTRIBUTES:
            return f"a tag with more than {MAX_ATTRIBUTES} attributes"
        if name in _DO_NOT_NEST:
            continue
        if closing:
            if opened.get(name):  # an end tag without a start ends nothing
                opened[name] -= 1
                depth -= 1
                formatting -= name in _FORMATTING
            continue
        opened[name] = opened.get(name, 0) + 1
        depth += 1
        if name in _FORMATTING:
            formatting += 1
            most_formatting = max(most_formatting, formatting)
        if depth > MAX_DEPTH:
            return f"nested deeper than {MAX_DEPTH} levels"
    if tags * most_formatting > MAX_REOPENED:
        return "too many elements left open"
    return ""


def sanitise(html: str, choice: Choice) -> SafeHtml:
    """The safe form of an HTML body. A text that would cost too much to parse gives an empty one and says so.

    Raises `UsageError` where nh3 is not installed.
    """
    problems = []
    if len(html) > MAX_HTML:
        html = html[:MAX_HTML]
        problems.append(f"the HTML was cut after {MAX_HTML:,} characters")
    html = _SPECIAL.sub(rf"\1{_NOTHING}", html)
    costly = too_costly(html)
    if costly:
        return SafeHtml("", problems=[*problems, f"the HTML is not shown ({costly}); its text is"])
    work = _Filter(choice)
    markup = _nh3().clean(
        html,
        tags=set(_TAGS),
        clean_content_tags={_NOTHING},
        attributes=_ATTRIBUTES,
        attribute_filter=work.attribute,
        url_schemes={"http", "https", "mailto", "tel", "sms", "callto", "xmpp", "geo", "news", "ftp", "ftps", "cid",
                     "data", BLOCKED},
        link_rel="noopener noreferrer",
        id_prefix=PREFIX,
    )  # fmt: skip
    markup = _PICTURE.sub(work.picture, markup)
    return SafeHtml(markup, list(work.pictures.values()), _judged(work.links, markup), work.used, problems)


def _judged(links: list[Link], markup: str) -> list[Link]:
    """The links with their words. One pass over the finished markup: it is well-formed."""
    words: dict[str, list[str]] = {}
    at = markup.find("<a ")
    while at >= 0 and links:
        opened, closed = markup.find(">", at), markup.find("</a>", at)
        if opened < 0 or closed < 0:
            break
        if found := _HREF.search(markup, at, opened):
            said = unescape(_MARKUP.sub("", markup[opened + 1 : min(closed, opened + MAX_WORDS)]))
            words.setdefault(unescape(found[1]), []).append(" ".join(said.split()))
        at = markup.find("<a ", closed)
    result = []
    for link in links:
        spoken = words.get(link.target)
        said = (spoken.pop(0) if len(spoken) > 1 else spoken[0]) if spoken else ""
        result.append(Link(link.url, link.target, said, disguise.link(said, link.url)))
    return result


def _nh3() -> Any:
    try:
        import nh3
    except ImportError as problem:
        raise UsageError("showing HTML needs an extra: pip install 'emailplus[html]'") from problem
    return nh3


class _Filter:
    """Decides about each attribute that the list above lets through."""

    def __init__(self, choice: Choice) -> None:
        self.choice = choice
        self.pictures: dict[str, Picture] = {}
        self.links: list[Link] = []
        self.used: set[str] = set()

    def attribute(self, tag: str, name: str, value: str) -> str | None:
        """The value to keep; None drops the attribute. Called by nh3, which must not see an exception."""
        if name == "style":
            for address in _CSS_ADDRESS.findall(value) if "(" in value else ():
                self._note(address, "background")
            return _style(value) or None
        if name == "src":
            return self._source(value)
        if name == "href":
            return self._link(value)
        if name == "background":
            if re.match(r"\s*(?:https?:)?//", value, re.I):
                self._note(value.strip(), "background")
            return None
        if name == "name":
            return PREFIX + value
        return value[:2000]

    def _source(self, value: str) -> str | None:
        address = disguise.address(value)
        lower = address.lower()
        if lower.startswith("data:"):
            return address if _RASTER.fullmatch(value.strip()) else None
        key = lower[4:] if lower.startswith("cid:") else lower
        inline = self.choice.inline.get(key) or self.choice.inline.get(unescape(key).strip("<>"))
        if inline is not None:
            self.used.add(key)
            return inline
        if lower.startswith("//"):
            address = disguise.address(f"https:{address}")
        elif not lower.startswith(("http://", "https://")):
            return None
        if len(self.pictures) >= MAX_PICTURES and address not in self.pictures:
            return None
        self._note(address, "picture")
        return f"{BLOCKED}:{address}"

    def _link(self, value: str) -> str | None:
        if value.startswith("#"):
            return f"#{PREFIX}{value[1:]}"
        address = disguise.address(value)
        if not _LINK.match(address):
            return None
        target: str | None = address
        if self.choice.rewrite is not None and address[:5].lower() in ("http:", "https"):
            target = self.choice.rewrite(address)
        if len(self.links) < MAX_PICTURES:
            self.links.append(Link(address, target or ""))
        return target

    def _note(self, address: str, kind: str) -> None:
        if len(self.pictures) < MAX_PICTURES:
            self.pictures.setdefault(address, Picture(address, kind))

    def picture(self, match: re.Match[str]) -> str:
        """One img of the finished markup: now all its attributes are known."""
        pairs = [(name, unescape(value)) for name, value in _PAIR.findall(match[1])]
        given = dict(pairs)
        source = given.get("src", "")
        if not source.startswith(f"{BLOCKED}:"):
            return match[0]
        address = source[len(BLOCKED) + 1 :]
        tracking = _is_tracking(given, address)
        shown = self.choice.pictures and not tracking
        self.pictures[address] = Picture(address, "picture", tracking, shown)
        kept = [(name, value) for name, value in pairs if name != "src"]
        if shown:
            kept.insert(0, ("src", address))
        elif not tracking and not given.get("alt"):
            kept.append(("alt", "[picture]"))
        written = "".join(f' {name}="{escape(value)}"' for name, value in kept)
        return "" if tracking else f"<img{written}>"


def _is_tracking(given: Mapping[str, str], address: str) -> bool:
    """A picture that cannot be seen, or one whose address is a tracker's and that has no size to be seen with."""
    sizes = [_pixels(given[name]) for name in ("width", "height") if name in given]
    style = given.get("style", "")
    sizes += [_pixels(value) for value in re.findall(r"(?:^|[;\s])(?:max-)?(?:width|height)\s*:\s*([^;]+)", style)]
    if any(size is not None and size <= 2 for size in sizes) or re.search(r"display\s*:\s*none", style):
        return True
    return not any(size is not None and size > 8 for size in sizes) and _TRACKERS.search(address) is not None


def _pixels(written: str) -> float | None:
    found = re.match(r"\s*(\d{1,5}(?:\.\d{1,3})?)\s*(?:px)?\s*(?:!important)?\s*$", written, re.I)
    return float(found[1]) if found else None


@lru_cache(maxsize=4096)
def _style(written: str) -> str:
    """The declarations that are harmless, in order. Anything with an escape, a comment or an address is dropped."""
    if len(written) > 4000:
        return ""
    kept = []
    for declaration in written.split(";"):
        name, colon, value = declaration.partition(":")
        name, value = name.strip().lower(), value.strip()
        if not colon or name not in _PROPERTIES or not _VALUE.fullmatch(value):
            continue
        lower = value.lower()
        if any(function.lower() not in _FUNCTIONS for function in _FUNCTION.findall(value)):
            continue
        if "/*" in value or value.count("(") != value.count(")") or value.count('"') % 2 or value.count("'") % 2:
            continue
        if name.startswith("margin") and _NEGATIVE.search(value):
            continue
        if name == "text-indent" and _NEGATIVE.search(value):
            continue
        if name == "display" and lower.partition("!")[0].strip() not in _DISPLAYS:
            continue
        kept.append(f"{name}:{value}")
    return ";".join(kept)
