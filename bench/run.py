"""Every benchmark, and one table of all figures: `python bench/run.py [--json] [--full] [--quick] [NAME ...]`.

NAMEs are codec, parse, view, compose, classification, smime, watch, notify and job; none given means all of them. Each
runs in a process of its own, one after the other. A benchmark that cannot run here has a row that says what it wants;
nothing is installed. The exit code is 0 whatever the figures are, 1 when a benchmark broke.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

from table import Row, absent, at_least, at_most, text  # noqa: E402

# As in `codec.py`: (corpus, form, direction) -> times as fast as libwbxml's conversion from or to XML.
CODEC_TARGETS = {
    ("A", "pure", "decode"): 1.7,
    ("B", "pure", "decode"): 18,
    ("A", "pure", "encode"): 3.5,
    ("A", "compiled", "decode"): 6,
    ("E", "compiled", "decode"): 4.5,
    ("D", "compiled", "decode"): 8,
    ("B", "compiled", "decode"): 40,
    ("A", "compiled", "encode"): 20,
}
PARSE_SHARE = 50
PARSE_PEER = "exchangelib, default properties"


class Broken(Exception):
    """A benchmark that failed; the text is the end of what it said."""


def document(script: str, *options: str) -> Any:
    """The JSON of one benchmark. Raises `Broken`."""
    command = [sys.executable, str(ROOT / "bench" / script), "--json", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["it said nothing"]
        raise Broken(lines[-1])
    return json.loads(done.stdout)


def codec_rows(results: list[dict[str, Any]]) -> list[Row]:
    """WBXML against libwbxml: corpora that have no target are shown too, as compiled and pure decoding."""
    rows = []
    for result in results:
        times: dict[str, float] = result["microseconds"]
        letter = result["corpus"]
        for form in ("pure", "compiled"):
            for direction, peer in (("decode", "libwbxml XML"), ("encode", "libwbxml encode")):
                own = times.get(f"{form} {direction}")
                if own is None:
                    continue
                figure = f"WBXML {direction}, {form}, corpus {letter}, against libwbxml"
                cells = (f"{own:,.0f} us", f"{times[peer]:,.0f} us")
                bound = CODEC_TARGETS.get((letter, form, direction))
                if bound is None:
                    rows.append(Row(figure, *cells, f"{times[peer] / own:.2f}"))
                else:
                    rows.append(at_least(figure, *cells, times[peer] / own, bound))
    return rows


def parse_rows(times: dict[str, float]) -> list[Row]:
    """Bytes of a Sync answer to message objects, against exchangelib."""
    rows = []
    for form in ("pure", "compiled"):
        figure = f"512 mails from bytes to objects, {form}, against exchangelib"
        own, theirs = times[form], times[PARSE_PEER]
        row = Row(figure, f"{own:.1f} ms", f"{theirs:.0f} ms", f"1/{theirs / own:.1f}", f"<= 1/{PARSE_SHARE}")
        row.met = own * PARSE_SHARE <= theirs
        rows.append(row)
    return rows


def view_rows(result: dict[str, Any]) -> list[Row]:
    """Messages seen in a second against Python's email package, and the memory that a large attachment costs."""
    times: dict[str, float] = result["microseconds"]
    theirs = times["peer"]
    rows = []
    for name, what in (("view", "MIME to a view"), ("safe", "MIME to a view with safe HTML")):
        figure = f"{what}, against email.message_from_bytes and get_body"
        rows.append(at_least(figure, f"{times[name]:,.0f} us", f"{theirs:,.0f} us", theirs / times[name], 5))
    share = result["peak"] / result["large"]
    size = f"{result['peak'] / 2**20:.1f} MB"
    rows.append(at_most("memory of a view, against its 200 MB attachment", size, "200 MB", share, 0.05))
    return rows


def compose_rows(results: list[dict[str, Any]]) -> list[Row]:
    """A draft to MIME against Python's email package."""
    rows = []
    for result in results:
        own, other = result["microseconds"]["ours"], result["microseconds"]["peer"]
        figure = f"a draft to MIME: {result['kind']}"
        rows.append(at_least(figure, f"{own:,.0f} us", f"{other:,.0f} us", other / own, 2))
        if memory := result["memory"]:
            share = memory["ours"] / memory["peer"]
            rows.append(
                at_most("the same, peak memory", f"{memory['ours']:.1f} x", f"{memory['peer']:.1f} x", share, 0.6)
            )
    return rows


def job_rows(rows: list[dict[str, Any]]) -> list[Row]:
    return [Row(**row) for row in rows]


BENCHMARKS: dict[str, tuple[str, Callable[[Any], list[Row]]]] = {
    "codec": ("WBXML codec against libwbxml", codec_rows),
    "parse": ("bytes to objects, against exchangelib", parse_rows),
    "view": ("MIME to views, against Python's email package", view_rows),
    "compose": ("drafts to MIME, against Python's email package", compose_rows),
    "classification": ("receiving a marking, against a plain loop", job_rows),
    "smime": ("S/MIME, against cryptography and OpenSSL", job_rows),
    "watch": ("watching: news, and 2,000 that wait", job_rows),
    "notify": ("the notification proxy, against a bare handler", job_rows),
    "job": ("the whole job", job_rows),
}

TAKES = {"full": ("job",), "quick": ("job", "classification", "smime", "watch", "notify")}
"""Options of this script, and which benchmarks take them."""


def main() -> int:
    parser = argparse.ArgumentParser(description="Every benchmark, and one table.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; all by default")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    parser.add_argument("--full", action="store_true", help="peak memory with 100,000 messages (minutes)")
    parser.add_argument("--quick", action="store_true", help="a small whole job, to see that it runs")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(BENCHMARKS):
        parser.error(f"no benchmark {', '.join(sorted(unknown))}")
    rows: list[Row] = []
    broken = False
    for name, (what, make) in BENCHMARKS.items():
        if arguments.names and name not in arguments.names:
            continue
        if not (ROOT / "bench" / f"{name}.py").exists():
            rows.append(absent(what, "-", f"bench/{name}.py is not here"))
            continue
        print(f"{what} ...", file=sys.stderr, flush=True)
        options = [
            f"--{option}" for option in ("full", "quick") if name in TAKES[option] and getattr(arguments, option)
        ]
        try:
            rows += make(document(f"{name}.py", *options))
        except (Broken, ValueError, KeyError, TypeError) as problem:
            wanting = "wants" in str(problem) or "No module named" in str(problem)
            broken = broken or not wanting
            rows.append(absent(what, "-", problem))
    if arguments.json:
        json.dump([row.as_dict() for row in rows], sys.stdout, indent=1)
    else:
        print(text(rows))
    return int(broken)


if __name__ == "__main__":
    sys.exit(main())
