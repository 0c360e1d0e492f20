"""The structure of a message in a list, for diagnosis and for programs: what part lies where, none of its content."""

from __future__ import annotations

from dataclasses import dataclass

from . import names
from .parts import Part


@dataclass(frozen=True, slots=True)
class Outline:
    """One part."""

    level: int
    """0 for the message itself; a part is one level below the multipart that it stands in."""
    content_type: str
    name: str
    """Its file name, made safe; "" where it has none."""
    size: int
    """Bytes as they are written in the message, still encoded; of a file that came apart, as the server tells it."""
    disposition: str = ""
    """"inline", "attachment" or ""."""
    charset: str = ""
    """As declared."""
    encoding: str = ""
    """Content-Transfer-Encoding, in lower case."""


def outline(root: Part) -> list[Outline]:
    """The parts below and with `root`, in the order of the message; an attached message is one part."""
    found: list[Outline] = []
    stack = [root]
    while stack:
        part = stack.pop()
        name = names.safe_name(part.name, part.content_type) if part.name else ""
        declared = part.parameters.get("charset", "")[:60]
        size = part.end - part.body
        found.append(Outline(part.depth, part.content_type, name, size, part.disposition, declared, part.encoding[:60]))
        stack.extend(reversed(part.children))
    return found
