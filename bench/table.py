"""Rows of the benchmark's table, as text and as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(slots=True)
class Row:
    """One figure. `met` None: not measured here, and `note` says why."""

    figure: str
    ours: str = ""
    peer: str = ""
    ratio: str = ""
    target: str = ""
    met: bool | None = None
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def absent(figure: str, target: str, why: object) -> Row:
    """The row of a peer that is not on this machine."""
    return Row(figure, target=target, note=f"NOT MEASURED: {why}")


def at_most(figure: str, ours: str, peer: str, ratio: float, bound: float) -> Row:
    """A ratio with a bound above."""
    return Row(figure, ours, peer, f"{ratio:.2f}", f"<= {bound:g}", ratio <= bound)


def at_least(figure: str, ours: str, peer: str, ratio: float, bound: float) -> Row:
    """A ratio with a bound below."""
    return Row(figure, ours, peer, f"{ratio:.2f}", f">= {bound:g}", ratio >= bound)


_VERDICTS = {True: "met", False: "NOT MET", None: "-"}


def text(rows: list[Row]) -> str:
    """The table for people; notes stand under it."""
    head = ("figure", "ours", "peer", "ratio", "target", "")
    cells = [(row.figure, row.ours, row.peer, row.ratio, row.target, _VERDICTS[row.met]) for row in rows]
    widths = [max(len(line[column]) for line in [head, *cells]) for column in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in [head, *cells]]
    lines.insert(1, "  ".join("-" * width for width in widths))
    lines += ["", *(f"{row.figure}: {row.note}" for row in rows if row.note)]
    missed = sum(row.met is False for row in rows)
    unmeasured = sum(row.met is None and bool(row.target) for row in rows)
    lines.append(f"{len(rows)} figures, {missed} short of their target, {unmeasured} with a target not measured")
    return "\n".join(line.rstrip() for line in lines)
