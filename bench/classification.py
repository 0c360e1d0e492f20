"""Receiving against a plain loop over the same rules, and against one compiled alternation.

Run as `python bench/classification.py [--count N]`. All three read the same pairs of headers and subject in the same
run, in interleaved rounds, and must agree on the first 2,000; figures are medians. The rules are those of the guide's
sample (twelve a source), where the reference data is there, and of the ready-made Australian configuration (three and
four).

The plain loop takes source by source, header by header and rule by rule, and hands `re` the text of an expression each
time. The alternation is one expression a source, compiled ahead, which looks at the same texts but keeps none of the
engine's other promises (unknown values told, values in declared order, limits).
"""

from __future__ import annotations

import argparse
import json
import random
import re
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

from table import Row, at_least, at_most, text  # noqa: E402

from emailplus.classification import document, ready  # noqa: E402
from emailplus.classification.receive import Receiver  # noqa: E402
from emailplus.classification.scheme import HEADER_SOURCE, Field, Scheme, Source  # noqa: E402

Pair = tuple[dict[str, str], str]
Values = dict[str, tuple[str, ...]]


def pairs(count: int, values: tuple[str, ...]) -> list[Pair]:
    """A quarter each: unmarked, marked in the subject, in the header, in another header with a bracket that is none."""
    chance = random.Random(6)
    made: list[Pair] = []
    for number in range(count):
        level = chance.choice(values)
        subject = f"Re: status of item {number} for the quarterly budget review"
        header = f"VER=2018.4, NS=gov.au, SEC={level}, ORIGIN=a@example.test"
        made.append(
            [
                ({}, subject),
                ({}, f"{subject} [SEC={level}, ACCESS=Legal-Privilege]"),
                ({"X-Protective-Marking": header}, subject),
                ({"X-Classification": f"sec:{level}"}, f"[EXT] {subject}"),
            ][number % 4]
        )
    return made


def texts_of(source: Source, headers: dict[str, str], subject: str) -> list[str]:
    """What a source reads."""
    if source.name == HEADER_SOURCE:
        lowered = {name.lower(): value for name, value in headers.items()}
        return [lowered[name] for name in source.header_names if name in lowered]
    start, end = source.boundaries or ("", "")
    first, last = subject.find(start), subject.rfind(end)
    return [subject[first + len(start) : last]] if 0 <= first < last else []


def declared(entry: Field) -> str:
    return "|".join(map(re.escape, sorted(entry.values, key=len, reverse=True)))


def plainly(scheme: Scheme, headers: dict[str, str], subject: str) -> Values:
    """Each rule in turn, its expression written on the spot."""
    for source in scheme.sources:
        stop = source.separator.pattern if source.separator is not None else r"\Z"
        for found_in in texts_of(source, headers, subject):
            found: dict[str, list[str]] = {}
            for rule in source.rules:
                entry = scheme.by_name[rule.field]
                written = rf"(?<!\w){re.escape(rule.prefix)}\s*((?i:{declared(entry)}))(?=\s*(?:\Z|{stop}))"
                for hit in re.finditer(written, found_in):
                    value = next(value for value in entry.values if value.casefold() == hit[1].casefold())
                    if value not in found.setdefault(rule.field, []):
                        found[rule.field].append(value)
            if found:
                return {name: tuple(found[name]) for name in scheme.by_name if name in found}
    return {}


def alternations(scheme: Scheme) -> dict[str, re.Pattern[str]]:
    """One expression a source."""
    made = {}
    for source in scheme.sources:
        stop = source.separator.pattern if source.separator is not None else r"\Z"
        parts = []
        for name, entry in scheme.by_name.items():
            begin = "|".join(re.escape(rule.prefix) for rule in source.rules if rule.field == name)
            parts.append(rf"(?:{begin})\s*(?P<{name}>(?i:{declared(entry)}))(?=\s*(?:\Z|{stop}))")
        made[source.name] = re.compile(rf"(?<!\w)(?:{'|'.join(parts)})")
    return made


def at_once(scheme: Scheme, made: dict[str, re.Pattern[str]], headers: dict[str, str], subject: str) -> Values:
    """Every source's expression over its texts."""
    for source in scheme.sources:
        for found_in in texts_of(source, headers, subject):
            found: dict[str, list[str]] = {}
            for hit in made[source.name].finditer(found_in):
                name = hit.lastgroup or ""
                found.setdefault(name, []).append(scheme.by_name[name].by_folded[hit[name].casefold()])
            if found:
                return {name: tuple(found[name]) for name in scheme.by_name if name in found}
    return {}


def measure(label: str, scheme: Scheme, count: int, rounds: int) -> list[Row]:
    receiver = Receiver(scheme)
    given = pairs(count, scheme.by_name["SEC"].values)
    made = alternations(scheme)
    for headers, subject in given[:2_000]:
        ours = dict(receiver.receive(headers, subject).selection)
        assert ours == plainly(scheme, headers, subject) == at_once(scheme, made, headers, subject), (headers, subject)
    contestants: dict[str, Callable[[dict[str, str], str], object]] = {
        "ours": receiver.receive,
        "plain": lambda headers, subject: plainly(scheme, headers, subject),
        "alternation": lambda headers, subject: at_once(scheme, made, headers, subject),
    }
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, read in contestants.items():
            began = time.perf_counter()
            for headers, subject in given:
                read(headers, subject)
            seconds[name].append(time.perf_counter() - began)
    took = {name: statistics.median(values) / count * 1e6 for name, values in seconds.items()}
    ours, plain, alternation = (f"{took[name]:.1f} µs" for name in ("ours", "plain", "alternation"))
    return [
        at_least(f"receiving, {label}, against the plain loop", ours, plain, took["plain"] / took["ours"], 5),
        at_most(
            f"receiving, {label}, against one alternation", ours, alternation, took["ours"] / took["alternation"], 3
        ),
    ]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--count", type=int, default=100_000)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--quick", action="store_true", help="2,000 pairs, to see that it runs")
    arguments.add_argument("--json", action="store_true")
    given = arguments.parse_args()
    given.count = 2_000 if given.quick else given.count
    rows: list[Row] = []
    sample = ROOT.parent / "shared" / "spec" / "classification" / "samples" / "guide_assembled.json"
    if sample.is_file():
        guide = document.load(sample.read_text(encoding="utf-8"))
        rows += measure("guide", guide, given.count, given.rounds)
    rows += measure("Australian", document.load(ready.text("au_2025")), given.count, given.rounds)
    if given.json:
        json.dump([row.as_dict() for row in rows], sys.stdout)
    else:
        print(text(rows))


if __name__ == "__main__":
    main()
