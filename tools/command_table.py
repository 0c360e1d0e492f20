"""Write the commands and their options into docs/command_line.md, or prove with --check that the page is current.

python tools/command_table.py            # writes
python tools/command_table.py --check    # exit 1 if the page differs from the command
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import typer

from emailplus.cli.app import app

PAGE = Path(__file__).resolve().parents[1] / "docs" / "command_line.md"
BEGIN = "<!-- commands: begin (tools/command_table.py writes this part) -->\n"
END = "<!-- commands: end -->\n"


def commands() -> Iterator[tuple[str, Any]]:
    """Every command that does something, as (words after `emailplus`, command), in the order of the help."""
    pending = [("", typer.main.get_command(app))]
    while pending:
        name, command = pending.pop(0)
        members = getattr(command, "commands", None)
        if members is None:
            yield name, command
        else:
            pending = [(f"{name} {word}".strip(), member) for word, member in members.items()] + pending


def cell(text: str) -> str:
    """`text` inside a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def row(parameter: Any) -> str:
    """One line of a table: an option with its spellings, or an argument."""
    if parameter.param_type_name == "argument":
        written = f"`{parameter.metavar or str(parameter.name).upper()}`"
    else:
        value = "" if parameter.is_flag else f" {parameter.metavar or str(parameter.name).upper()}"
        written = ", ".join(f"`{spelling}{value}`" for spelling in (*parameter.opts, *parameter.secondary_opts))
    default = parameter.default
    shown = isinstance(default, (int, str)) and not isinstance(default, bool) and default != ""
    needed = " (required)" if parameter.required else f" (default: {default})" if shown else ""
    return f"| {written} | {cell(parameter.help or '')}{needed} |\n"


def section(name: str, command: Any) -> str:
    """One command: what it does and what it takes."""
    paragraphs = [" ".join(part.split()) for part in (command.help or "").split("\n\n")]
    text = "\n\n".join(paragraph.replace("<", "&lt;").replace("*", "\\*") for paragraph in paragraphs)
    rows = "".join(row(parameter) for parameter in command.params if parameter.name != "help")
    table = f"\n| Argument or option | Meaning |\n|---|---|\n{rows}" if rows else ""
    return f"\n### emailplus {name}\n\n{text}\n{table}"


def page(current: str) -> str:
    """`current` with the generated part replaced. Raises ValueError where the marks are missing."""
    head, begin, rest = current.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE.name} lacks the marks around the commands")
    return f"{head}{BEGIN}{''.join(section(*entry) for entry in commands())}\n{END}{tail}"


def main(arguments: Sequence[str]) -> int:
    """Entry point; 0 done or current, 1 out of date, 2 wrong usage."""
    if list(arguments) not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    current = PAGE.read_text(encoding="utf-8")
    wanted = page(current)
    if arguments:
        if current != wanted:
            print(f"{PAGE.name} is out of date: run python tools/command_table.py", file=sys.stderr)
            return 1
        return 0
    PAGE.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
