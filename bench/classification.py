"""Receiving against a plain loop over the same rules, and against one compiled alternation.

Run as `python bench/classification.py`; both ratios come from the same run.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable

from emailplus.classification import document, ready
from emailplus.classification.receive import Receiver
from emailplus.classification.scheme import Scheme

Pair = tuple[dict[str, str], str]


def pairs(count: int, values: tuple[str, ...]) -> list[Pair]:
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


def plainly(scheme: Scheme, headers: dict[str, str], subject: str) -> None:
    """Each rule in turn, its expression built on the spot."""
    texts = [headers[name] for name in ("X-Protective-Marking", "X-Classification") if name in headers]
    texts += [subject[subject.index("[") : subject.rindex("]") + 1]] if "[" in subject else []
    for text in texts:
        for rule in scheme.sources[0].rules:
            values = "|".join(map(re.escape, sorted(scheme.by_name[rule.field].values, key=len, reverse=True)))
            beginning = r"(?<!\w)" + re.escape(rule.prefix) + r"\s*"
            for _ in re.finditer(rf"{beginning}(?:((?i:{values}))\s*|(.*?))(?=$|[^a-zA-Z\d\-_\s])", text):
                pass


def best(action: Callable[[], None]) -> float:
    """Seconds of the quickest of three runs."""
    times = []
    for _ in range(3):
        began = time.perf_counter()
        action()
        times.append(time.perf_counter() - began)
    return min(times)


def main() -> None:
    scheme = document.load(ready.text("au_2025"))
    receiver = Receiver(scheme)
    given = pairs(4_000, scheme.by_name["SEC"].values)
    values = {entry.name: "|".join(map(re.escape, reversed(entry.values))) for entry in scheme.fields}
    alternation = re.compile(
        "|".join(rf"(?<!\w)(?:{name}|{name.lower()})[=:]\s*(?P<{name}>{values[name]})" for name in values)
    )

    def receive() -> None:
        for headers, subject in given:
            receiver.receive(headers, subject)

    def plain() -> None:
        for headers, subject in given:
            plainly(scheme, headers, subject)

    def alternate() -> None:
        for headers, subject in given:
            for text in (*headers.values(), subject):
                for found in alternation.finditer(text):
                    assert found.lastgroup

    ours = best(receive)
    print(f"receiving {len(given)} markings, speed against the plain loop: {best(plain) / ours:.1f} (target: >= 5)")
    print(f"the same, time against one compiled alternation: {ours / best(alternate):.2f} (target: <= 3)")


if __name__ == "__main__":
    main()
