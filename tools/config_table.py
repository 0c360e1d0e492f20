"""Write the table of keys into docs/config.md, or prove with --check that it is current.

python tools/config_table.py            # writes
python tools/config_table.py --check    # exit 1 if the page differs from the key table
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from emailplus.config.keys import KEYS, Key
from emailplus.config.rows import ROOMS, rows

PAGE = Path(__file__).resolve().parents[1] / "docs" / "config.md"
BEGIN = "<!-- keys: begin (tools/config_table.py writes this part) -->\n"
END = "<!-- keys: end -->\n"

TITLES = {
    "required": "Required",
    "smime": "S/MIME",
    "gal": "Global address list",
    "auth": "Sign-in",
    "classification-legacy": "Classification, older form",
    "syncing": "Sync period",
}


def cell(text: str) -> str:
    """`text` inside a Markdown table."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("*", "\\*").replace("[", "\\[").replace("<", "&lt;")


def row(key: Key) -> str:
    """One line of the table."""
    marks = [mark for mark, holds in (("secret", key.secret), ("not critical", not key.critical)) if holds]
    remark = f" ({', '.join(marks)})" if marks else ""
    cloud = f" Cloud form: {cell(key.cloud)}." if key.cloud else ""
    values = (cell(key.allowed), cell(key.default), f"{cell(key.effect)}{cloud}{remark}", *acts(key.name))
    return f"| `{key.name}` | {' | '.join(values)} |\n"


def acts(key: str) -> tuple[str, str]:
    """Where the key acts and what shows it; of a room that is not built yet, its name."""
    found = rows()[key]
    where = "<br>".join(f"`{path}`" for path in found.acts)
    file, _, name = found.test.partition("::")
    shown = f"`{file}`<br>`{name}`" if found.test else f"to come: {ROOMS[found.room]}"
    return where, shown


def table() -> str:
    """The generated part: one table a group, in the order in which the groups first appear."""
    groups: dict[str, list[Key]] = {}
    for key in KEYS:
        groups.setdefault(key.group, []).append(key)
    parts = []
    for group, members in groups.items():
        title = TITLES.get(group, group.capitalize())
        parts.append(
            f"\n### {title}\n\n| Key | Values | Default | Effect | Acts in | Shown by |\n|---|---|---|---|---|---|\n"
        )
        parts.extend(row(key) for key in members)
    return "".join(parts) + "\n"


def page(current: str) -> str:
    """`current` with the generated part replaced. Raises ValueError where the marks are missing."""
    head, begin, rest = current.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE.name} lacks the marks around the table")
    return f"{head}{BEGIN}{table()}{END}{tail}"


def main(arguments: Sequence[str]) -> int:
    """Entry point; 0 done or current, 1 out of date, 2 wrong usage."""
    if list(arguments) not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    current = PAGE.read_text(encoding="utf-8")
    wanted = page(current)
    if arguments:
        if current != wanted:
            print(f"{PAGE.name} is out of date: run python tools/config_table.py", file=sys.stderr)
            return 1
        return 0
    PAGE.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
