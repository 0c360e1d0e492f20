"""What is wrong with a classification document: findings, all at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from ..errors import ConfigurationError


class Severity(Enum):
    """ERROR switches classification off; WARNING ignores a property, uses its default, or repairs the text."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. `path` is the place in the document (`fields[0].name`), or `line 3, column 7` of its text."""

    severity: Severity
    path: str
    message: str

    def __str__(self) -> str:
        place = f"{self.path}: " if self.path else ""
        return f"{self.severity.value}: {place}{self.message}"


def error(path: str, message: str) -> Finding:
    """A finding that switches classification off."""
    return Finding(Severity.ERROR, path, message)


def warning(path: str, message: str) -> Finding:
    """A finding that is worked around."""
    return Finding(Severity.WARNING, path, message)


def refuse(findings: Iterable[Finding]) -> ConfigurationError:
    """The error that carries `findings`, errors first."""
    ordered = sorted(findings, key=lambda finding: finding.severity is not Severity.ERROR)
    first = next((str(finding) for finding in ordered), "error: nothing to read")
    more = f" (and {len(ordered) - 1} more)" if len(ordered) > 1 else ""
    return ConfigurationError(f"the classification configuration cannot be used: {first}{more}", ordered)


def shown(value: object) -> str:
    """A value for a message: quoted, printable, cut to 60 characters."""
    text = value if isinstance(value, str) else type(value).__name__
    safe = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text[:60])
    return f'"{safe}"' + ("…" if len(text) > 60 else "")
