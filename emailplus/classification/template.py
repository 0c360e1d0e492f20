"""The template language of subject suffixes, headers and body blocks (classification reference, section 8).

    template  = { group | separator | variable | literal }
    group     = "(" template ")"          rendered when every variable directly inside has a value
    separator = "{" text "}"              rendered between two rendered pieces
    variable  = "$" name [ "." ( "value" | "title" ) [ "_" number ] ] "$"
    escape    = "\\" before one of ( ) { } $ \\

Parsing and rendering take time proportional to the template.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

MAX_LENGTH: Final = 20_000
"""Characters of a template."""
MAX_DEPTH: Final = 40
"""Groups in groups."""
ORIGIN: Final = "ORIGIN"
"""Variable of the sender's address, unless a field has that name."""

_VARIABLE = re.compile(r"\$([A-Za-z][A-Za-z0-9]*)(?:\.([A-Za-z]+)(?:_(\d{1,3}))?)?\$")
_BARE_VARIABLE = re.compile(r"([A-Z][A-Za-z0-9]*)\.(value|title)(?:_(\d{1,3}))?\$")
_TEXT = re.compile(r"[^\\(){}$]+")
_OPENING: Final = frozenset("[({<")
_BRACKETS: Final = frozenset("[](){}<>")


@dataclass(frozen=True, slots=True)
class Variable:
    """`$SEC.value_1$`: field SEC, kind "value", slot 1 (the second selected value)."""

    name: str
    kind: str
    slot: int


@dataclass(slots=True)
class _Separator:
    text: str


@dataclass(slots=True)
class _Group:
    tokens: list[_Token] = field(default_factory=list)


_Token = str | Variable | _Separator | _Group


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template."""

    source: str
    tokens: tuple[_Token, ...]

    def variables(self) -> Iterator[Variable]:
        """All variables, in document order."""
        stack: list[_Token] = list(reversed(self.tokens))
        while stack:
            token = stack.pop()
            if isinstance(token, Variable):
                yield token
            elif isinstance(token, _Group):
                stack.extend(reversed(token.tokens))

    def render(self, selection: Mapping[str, Sequence[str]], titles: Mapping[str, str], *, origin: str = "") -> str:
        """The text for `selection` (field to values). `titles` holds the declared fields; others are empty."""

        def value(variable: Variable) -> str:
            if variable.name not in titles:
                return origin if variable.name == ORIGIN and variable.kind == "value" else ""
            if variable.kind == "title":
                return titles[variable.name] if selection.get(variable.name) else ""
            values = selection.get(variable.name, ())
            return values[variable.slot] if variable.kind == "value" and variable.slot < len(values) else ""

        text, rendered = _sequence(self.tokens, value)
        return text if rendered or next(self.variables(), None) is None else ""


def _sequence(tokens: Sequence[_Token], value: Callable[[Variable], str]) -> tuple[str, bool]:
    """The text of a run of tokens, and whether a variable in it had a value."""
    out: list[str] = []
    waiting: list[_Token] = []  # separators that wait for the next piece, and the literals between them
    something = rendered = False
    for token in tokens:
        if isinstance(token, _Separator):
            if something:
                if waiting and isinstance(waiting[-1], _Separator):
                    waiting.pop()
                waiting.append(token)
            continue
        if isinstance(token, str):
            (waiting if waiting else out).append(token)
            something = something or any(not char.isspace() and char not in _OPENING for char in token)
            continue
        piece = value(token) if isinstance(token, Variable) else _group(token, value)
        if not piece:
            continue
        out.extend(part.text if isinstance(part, _Separator) else str(part) for part in waiting)
        waiting.clear()
        out.append(piece)
        something = rendered = True
    out.extend(part for part in waiting if isinstance(part, str))
    return "".join(out), rendered


def _group(group: _Group, value: Callable[[Variable], str]) -> str:
    """The text of a group; "" when a variable directly inside is empty, or nothing inside has a value."""
    if any(isinstance(token, Variable) and not value(token) for token in group.tokens):
        return ""
    text, rendered = _sequence(group.tokens, value)
    return text if rendered else ""


def parse(source: str, declared: Collection[str] = (), *, line_breaks: bool = False) -> Template:
    """Read a template. `line_breaks` reads backslash-n as a line break, as body texts have it.

    `declared` are the field names: "(CAVEAT.title$" stands for "($CAVEAT.title$" where CAVEAT is one of them.
    Raises `ValueError` for a template that is too long or nested too deeply; anything else is literal text at worst.
    """
    if len(source) > MAX_LENGTH:
        raise ValueError(f"template longer than {MAX_LENGTH:,} characters")
    root = _Group()
    open_groups = [root]
    at = 0
    separators_end = source.rfind("}")
    while at < len(source):
        char = source[at]
        tokens = open_groups[-1].tokens
        if char == "\\":
            follower = source[at + 1 : at + 2]
            if follower and follower in "(){}$\\":
                tokens.append(follower)
                at += 2
            elif follower == "n" and line_breaks:
                tokens.append("\n")
                at += 2
            else:
                tokens.append(char)
                at += 1
        elif char == "(":
            if len(open_groups) > MAX_DEPTH:
                raise ValueError(f"groups nested deeper than {MAX_DEPTH}")
            open_groups.append(_Group())
            at += 1
            if (found := _BARE_VARIABLE.match(source, at)) and found[1] in declared:
                open_groups[-1].tokens.append(_variable(found))
                at = found.end()
        elif char == ")" and len(open_groups) > 1:
            group = open_groups.pop()
            open_groups[-1].tokens.extend(
                [group] if any(isinstance(token, Variable | _Group) for token in group.tokens) else _as_text(group, ")")
            )
            at += 1
        elif char == "{" and at < separators_end:
            end = source.index("}", at)
            tokens.append(_Separator(source[at + 1 : end]))
            at = end + 1
        elif char == "$" and (found := _VARIABLE.match(source, at)):
            tokens.append(_variable(found))
            at = found.end()
        else:
            found = _TEXT.match(source, at)
            tokens.append(found[0] if found else char)
            at = found.end() if found else at + 1
    while len(open_groups) > 1:
        group = open_groups.pop()
        open_groups[-1].tokens.extend(_as_text(group, ""))
    return Template(source, tuple(_laid_out(root.tokens)))


def _variable(found: re.Match[str]) -> Variable:
    return Variable(found[1], found[2] or "value", int(found[3] or 0))


def _as_text(group: _Group, end: str) -> list[_Token]:
    """A group that is none, for want of a variable or of its end: its parentheses are text."""
    return ["(", *group.tokens, *([end] if end else [])]


def _laid_out(tokens: Sequence[_Token]) -> list[_Token]:
    """Join literals and drop the blanks that are layout: next to separators, and around brackets.

    Blanks between two rendered pieces become a separator (reading A7 of the reference).
    """
    joined: list[_Token] = []
    for token in tokens:
        if isinstance(token, str) and joined and isinstance(joined[-1], str):
            joined[-1] += token
        else:
            joined.append(_Group(_laid_out(token.tokens)) if isinstance(token, _Group) else token)
    result: list[_Token] = []
    for at, token in enumerate(joined):
        if not isinstance(token, str):
            result.append(token)
            continue
        before = joined[at - 1] if at else None
        after = joined[at + 1] if at + 1 < len(joined) else None
        if token.isspace():
            if isinstance(before, Variable | _Group) and isinstance(after, Variable | _Group):
                result.append(_Separator(token))
            continue
        if all(char in _BRACKETS or char.isspace() for char in token):
            token = "".join(token.split())
        token = token.lstrip() if isinstance(before, _Separator) else token
        token = token.rstrip() if isinstance(after, _Separator) else token
        result.append(token)
    return result


def one_line(text: str) -> str:
    """`text` with every run of line breaks and control characters replaced by one blank, for headers and subjects."""
    return re.sub(r"[\x00-\x1f\x7f\u0085\u2028\u2029]+", " ", text).strip()
