"""Where the new text of a reply ends and the quoted history begins.

Mail programs mark it in a few ways, none of them standard; these are theirs. A split is a service for the eye: nothing
is lost by a wrong one, both parts stay.
"""

from __future__ import annotations

import re

_FROM = r"(?:From|Von|De|Da|Van|Fr\u00e5n|Fra|Od|\u041e\u0442|\u53d1\u4ef6\u4eba|\u5dee\u51fa\u4eba|\u5bc4\u4ef6\u8005)"
_SENT = (
    r"(?:Sent|Date|Gesendet|Datum|Envoy\u00e9|Enviado(?: el)?|Inviato|Data|Verzonden|Skickat|Sendt|Dato|Wys\u0142ano|"
    r"Odesl\u00e1no|\u041e\u0442\u043f\u0440\u0430\u0432\u043b\u0435\u043d\u043e|\u0414\u0430\u0442\u0430|"
    r"\u53d1\u9001\u65f6\u95f4|\u65e5\u671f|\u9001\u4fe1\u65e5\u6642|\u65e5\u4ed8)"
)
_LINES = re.compile(
    r"^[ \t]*-{2,}[ \t]*(?:Original Message|Forwarded message|Urspr\u00fcngliche Nachricht|Weitergeleitete Nachricht|"
    r"Message d'origine|Message transf\u00e9r\u00e9|Mensaje original|Messaggio originale|Oorspronkelijk bericht|"
    r"Ursprungligt meddelande|Original-Nachricht|Original Appointment)[ \t]*-{2,}[ \t]*$"
    rf"|^[ \t]*(?:_{{10,}}[ \t]*\r?\n[ \t]*)?\*?{_FROM}[ \t]?[:\uff1a]\*?[^\n]{{1,400}}\n"
    rf"[ \t]*\*?{_SENT}[ \t]?[:\uff1a]"
    r"|^[ \t]*(?:On|Am|Le|El|Il|Op|Den|W dniu|Em)[ \t][^\n]{4,200}(?:\n[^\n]{0,120})?"
    r"(?:wrote|schrieb|a \u00e9crit|escribi\u00f3|ha scritto|schreef|skrev|napisa\u0142|escreveu)[^\n:]{0,60}:[ \t]*$",
    re.MULTILINE,
)

_START = re.compile(
    r"<(div|blockquote|hr)\b([^<>]{1,600})"
    r"|(?<!-)-{3,20}\s{0,5}(?:Original Message|Forwarded message|Urspr(?:\u00fc|&uuml;)ngliche Nachricht)\s?-{3}",
    re.IGNORECASE,
)
"""Where a history may begin: a tag with attributes, or a line of words."""
_MARKS = {
    "div": re.compile(
        r"""\bclass\s*=\s*["']?[^"']{0,100}\b(?:gmail_quote|yahoo_quoted|moz-cite-prefix|protonmail_quote|zmail_extra|"""
        r"""OutlookMessageHeader)\b"""
        r"""|\bid\s*=\s*["']?[^"']{0,40}(?:divRplyFwdMsg|appendonsend|mail-editor-reference-message-container)\b"""
        r"""|border-top:\s*(?:solid\s+#(?:E1E1E1|B5C4DF)\s+1\.0pt|1\.0pt\s+solid\s+#(?:E1E1E1|B5C4DF))""",
        re.IGNORECASE,
    ),
    "blockquote": re.compile(r"""\btype\s*=\s*["']?cite\b""", re.IGNORECASE),
    "hr": re.compile(r"""\bid\s*=\s*["']?(?:stopSpelling|zwchr)\b""", re.IGNORECASE),
}
"""What the attributes of that tag say then."""

SEARCHED = 400_000
"""Characters of a text in which the history is looked for."""


def split_text(text: str) -> tuple[str, str]:
    """A plain text as (new, history); history is "" where none was seen, or nothing would stay before it."""
    searched = text[:SEARCHED]
    starts = [match.start() for match in (_LINES.search(searched),) if match]
    if len(text) <= SEARCHED:
        block = _trailing_quote(text)
        if block is not None:
            starts.append(block)
    start = min(starts, default=len(text))
    return (text[:start], text[start:]) if start < len(text) and text[:start].strip() else (text, "")


def _trailing_quote(text: str) -> int | None:
    """Where the ``>`` lines begin with which the text ends, at least three of them."""
    lines = text.rstrip().split("\n")
    first = len(lines)
    quoted = 0
    while first and (not (stripped := lines[first - 1].strip()) or stripped.startswith(">")):
        first -= 1
        quoted += bool(stripped)
    if quoted < 3:
        return None
    while not lines[first].strip():
        first += 1
    return sum(len(line) + 1 for line in lines[:first])


def split_html(html: str) -> tuple[str, str]:
    """An HTML body as (new, history). Both halves are fragments that a parser completes."""
    start = _history(html[:SEARCHED])
    if start is None:
        return html, ""
    before = html[:start]
    visible = re.sub(
        r"<(head|style|title|script)\b.*?(?:</\1\s*>|\Z)|<[^<>]*>|&nbsp;|\s", "", before, flags=re.I | re.S
    )
    if not visible:
        return html, ""  # a forward without a word: all of it is what there is to read
    return before, html[start:]


def _history(html: str) -> int | None:
    """Where the first mark stands. One pass: no tag is looked at twice."""
    for found in _START.finditer(html):
        if found[1] is None or _MARKS[found[1].lower()].search(found[2]):
            return found.start()
    return None
