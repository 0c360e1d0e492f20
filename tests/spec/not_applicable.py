"""Normative rows that bind nothing of ours, and why: the percentage of `docs/spec-coverage.md` is of the others.

One table of rules; a row belongs to the first that fits it. A row that a test covers is never taken out.
"""

from __future__ import annotations

import re

RULES: tuple[tuple[str, re.Pattern[str], str], ...] = (
    (
        "product behaviour",
        re.compile(r"^\s*\[In (?:Appendix|Product Behavior)"),
        "what versions of Exchange do about a rule; the rule itself is a row of its own",
    ),
    (
        "data model",
        re.compile(r"^\s*\[In Abstract Data Model\]"),
        "names what the document talks of",
    ),
    (
        "may",
        re.compile(r"\bserver MAY\b|\bimplementation MAY\b|\bMAY <\d+>"),
        "a server may or may not: no message can break it",
    ),
)
"""(name, what its rows have in their text, why they bind nothing of ours)"""

UNTESTABLE = (
    "inside a server",
    "what a server does unseen: Microsoft's own table calls the row of a server not testable",
)


def reason(text: str, scope: str, verification: str) -> str:
    """The name of the rule that takes a row out; "" for one that applies."""
    for name, pattern, _ in RULES:
        if pattern.search(text):
            return name
    return UNTESTABLE[0] if (scope, verification) == ("Server", "Non-testable") else ""


def explained() -> dict[str, str]:
    """Name of every rule with its reason."""
    return {name: why for name, _, why in RULES} | dict([UNTESTABLE])
