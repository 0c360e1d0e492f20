"""The sample configurations and cases that stand beside the checkout."""

from __future__ import annotations

import copy
import csv
import json
from typing import Any

from emailplus.classification.document import load
from emailplus.classification.scheme import Scheme

from ..shared import shared

CONFIGURATIONS = ("guide_assembled.json", "epms_2018.json", "parent_range.json", "minimal.json")


def text(name: str) -> str:
    """A sample file as it stands."""
    return shared("spec", "classification", "samples", name).read_text(encoding="utf-8")


def scheme(name: str) -> Scheme:
    """A sample configuration, read."""
    return load(text(name))


def cases(name: str) -> Any:
    """A file of cases."""
    return json.loads(text(name))


def examples() -> list[dict[str, str]]:
    """The rows of the marking examples."""
    path = shared("spec", "classification", "examples.tsv")
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def patched(document: Any, patch: list[dict[str, Any]]) -> Any:
    """`document` with a JSON patch (RFC 6902: add, remove, replace) applied."""
    result = copy.deepcopy(document)
    for step in patch:
        *path, last = step["path"].lstrip("/").split("/")
        place = result
        for name in path:
            place = place[int(name)] if isinstance(place, list) else place[name]
        if isinstance(place, list):
            if step["op"] == "remove":
                del place[int(last)]
            elif last == "-":
                place.append(step["value"])
            else:
                place[int(last)] = step["value"]
        elif step["op"] == "remove":
            del place[last]
        else:
            place[last] = step["value"]
    return result
