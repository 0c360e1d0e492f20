"""The WBXML codec against libwbxml, on the corpora of `corpora.py`: `python bench/codec.py [--json] [LETTER ...]`.

Every figure is CPU time of the running thread, the median of interleaved rounds in which each contestant works for at
least a fixed time after a pass to warm up. Times include freeing what was made.

Decoding, libwbxml: *tree* is `wbxml_tree_from_wbxml` and its destruction, the fastest way in which it hands a document
to a caller; *XML* goes on to compact XML, which is what its public headers and its tools offer. *Events* calls back for
every element and keeps nothing: no peer of a tree, shown as its bare parsing speed. All three run in a C loop.
Ours: bytes to the whole tree, called from Python, each call counted.

Encoding, libwbxml: its own XML of the document to WBXML, no string table (with one it is quadratic in the texts), no
public identifier. It exports no way to build a tree but from XML. Ours: tree to bytes.

Pure is `emailplus/eas/wbxml.py` under this interpreter; compiled is the same source built by `hatch_build.py`.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

import corpora  # noqa: E402
import libwbxml  # noqa: E402

import hatch_build  # noqa: E402
from emailplus.eas.wbxml import Node  # noqa: E402

ROUNDS = 7
SECONDS = 0.15  # of work for each contestant in each round

# (corpus, form, direction) -> how many times as fast as libwbxml's conversion from or to XML it is to be.
TARGETS = {
    ("A", "pure", "decode"): 1.7,
    ("B", "pure", "decode"): 18,
    ("A", "pure", "encode"): 3.5,
    ("A", "compiled", "decode"): 6,
    ("E", "compiled", "decode"): 4.5,
    ("D", "compiled", "decode"): 8,
    ("B", "compiled", "decode"): 40,
    ("A", "compiled", "encode"): 20,
}


def load(form: str) -> ModuleType:
    """The codec in one form, beside the other."""
    if form == "pure":
        path, name = ROOT / "emailplus" / "eas" / "wbxml.py", "emailplus.eas.wbxml_pure"
    else:
        path, name = hatch_build.build(ROOT, ROOT / "build" / "accelerator"), "emailplus.eas.wbxml"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    kept = sys.modules.get(name)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    if kept is not None:
        sys.modules[name] = kept
    assert module.COMPILED is (form == "compiled")
    return module


def size(node: Node) -> int:
    return 1 + (sum(map(size, node[1])) if isinstance(node[1], list) else 0)


Contestant = Callable[[int], float]
"""Takes a number of passes, gives the mean CPU nanoseconds of one."""


def python(function: Callable[[Any], object], inputs: list[Any]) -> Contestant:
    def run(passes: int) -> float:
        begin = time.thread_time_ns()
        for _ in range(passes):
            for item in inputs:
                function(item)
        return (time.thread_time_ns() - begin) / passes

    return run


def contest(contestants: dict[str, Contestant]) -> dict[str, float]:
    """Name -> median microseconds of one pass over the documents."""
    passes = {name: max(1, round(SECONDS * 1e9 / max(run(1), run(1)))) for name, run in contestants.items()}
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(ROUNDS):
        for name, run in contestants.items():
            run(1)
            times[name].append(run(passes[name]) / 1000)
    return {name: statistics.median(taken) for name, taken in times.items()}


def measure(letter: str, driver: libwbxml.Driver, forms: dict[str, ModuleType]) -> dict[str, Any]:
    documents = [data for _, data in corpora.corpus(letter)]
    xml = [driver.convert(libwbxml.XML, data) for data in documents]
    trees = [forms["pure"].decode(data) for data in documents]
    contestants: dict[str, Contestant] = {
        "libwbxml events": lambda passes: driver.time(libwbxml.EVENTS, documents, passes),
        "libwbxml tree": lambda passes: driver.time(libwbxml.TREE, documents, passes),
        "libwbxml XML": lambda passes: driver.time(libwbxml.XML, documents, passes),
        "libwbxml encode": lambda passes: driver.time(libwbxml.ENCODE, xml, passes),
    }
    for form, module in forms.items():
        assert [module.decode(data) for data in documents] == trees
        assert [module.encode(tree) for tree in trees] == documents
        contestants[f"{form} decode"] = python(module.decode, documents)
        contestants[f"{form} encode"] = python(module.encode, trees)
    gc.collect()
    return {
        "corpus": letter,
        "what": corpora.CORPORA[letter][0],
        "elements": sum(map(size, trees)),
        "bytes": sum(map(len, documents)),
        "microseconds": contest(contestants),
        "collector_after_microseconds": _collector_after(forms["pure"], documents),
    }


def _collector_after(module: ModuleType, documents: list[bytes]) -> float:
    """What the collector's next young run costs while the trees live: decoding put it off."""
    taken = []
    for _ in range(ROUNDS):
        gc.collect()
        gc.disable()
        trees = [module.decode(data) for data in documents]
        begin = time.thread_time_ns()
        gc.collect(0)
        taken.append((time.thread_time_ns() - begin) / 1000)
        gc.enable()
        del trees
    return statistics.median(taken)


def report(result: dict[str, Any], forms: dict[str, ModuleType]) -> None:
    times = result["microseconds"]
    print(f"\n{result['corpus']}: {result['what']}; {result['elements']:,} elements, {result['bytes']:,} bytes")
    peers = ", ".join(f"{name.removeprefix('libwbxml ')} {times[name]:,.1f}" for name in times if "libwbxml" in name)
    print(f"  libwbxml, µs: {peers}")
    for form in forms:
        for direction in ("decode", "encode"):
            own = times[f"{form} {direction}"]
            if direction == "decode":
                ratio = times["libwbxml XML"] / own
                text = f"{ratio:5.2f} × XML, {times['libwbxml tree'] / own:5.2f} × tree"
            else:
                ratio = times["libwbxml encode"] / own
                text = f"{ratio:5.2f} × XML to WBXML"
            target = TARGETS.get((result["corpus"], form, direction))
            verdict = "" if target is None else f"   target {target}: {'reached' if ratio >= target else 'MISSED'}"
            print(f"  {form:8} {direction} {own:10,.1f} µs   {text}{verdict}")
    print(f"  the collector's next run over these trees: {result['collector_after_microseconds']:,.1f} µs")


def main() -> None:
    parser = argparse.ArgumentParser(description="The WBXML codec against libwbxml.")
    parser.add_argument("letters", nargs="*", metavar="LETTER", help=f"corpora, of {' '.join(corpora.CORPORA)}")
    parser.add_argument("--pure", action="store_true", help="leave the compiled form out")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of the table")
    arguments = parser.parse_args()
    letters = arguments.letters or list(corpora.CORPORA)
    if unknown := set(letters) - set(corpora.CORPORA):
        parser.error(f"no corpus {', '.join(sorted(unknown))}")
    try:
        driver = libwbxml.Driver()
        forms = {form: load(form) for form in (["pure"] if arguments.pure else ["pure", "compiled"])}
    except (libwbxml.Unavailable, ModuleNotFoundError) as error:
        sys.exit(f"bench/codec.py: {error} (wants libwbxml2-dev, a C compiler and the extra `bench`; see --pure)")
    results = []
    if not arguments.json:
        print(f"Python {platform.python_version()}, {platform.machine()}; medians of {ROUNDS} rounds, CPU time")
    for letter in letters:
        results.append(measure(letter, driver, forms))
        if not arguments.json:
            report(results[-1], forms)
    if arguments.json:
        json.dump(results, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
