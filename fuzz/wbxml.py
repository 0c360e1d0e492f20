"""Fuzz targets for the WBXML codec and its XML form.

    python fuzz/wbxml.py decode CORPUS_FOLDER [libFuzzer options]     with atheris, until stopped
    python fuzz/wbxml.py from_xml CORPUS_FOLDER [libFuzzer options]
    python fuzz/wbxml.py --smoke [RUNS] [SEED]                        without atheris: both, a bounded number of runs

With EMAILPLUS_CODEC=compiled the codec is the one that `make accelerator` built; atheris sees no coverage inside it.
The seeds are written into the corpus folder, which is made where it is missing.

A target must return: whatever the bytes, nothing but `WbxmlError` is raised, its offset lies within the input, and what
was read is written and read again as the same.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(_ROOT))

import emailplus.eas  # noqa: E402

if os.environ.get("EMAILPLUS_CODEC") == "compiled":
    emailplus.eas.__path__.insert(0, str(_ROOT / "build" / "accelerator" / "emailplus" / "eas"))

try:
    import atheris
except ModuleNotFoundError:
    atheris = None

if atheris is not None and "--smoke" not in sys.argv:
    with atheris.instrument_imports(include=["emailplus"]):
        from emailplus.eas import wbxml, wbxml_xml
else:
    from emailplus.eas import wbxml, wbxml_xml

from emailplus.errors import WbxmlError  # noqa: E402

if os.environ.get("EMAILPLUS_CODEC") == "compiled" and not wbxml.COMPILED:
    sys.exit("EMAILPLUS_CODEC=compiled, but there is no compiled codec (see `make accelerator`)")

# Small bounds, so that the bounds are met.
LIMITS = wbxml.Limits(total=1 << 16, text=1 << 12, opaque=1 << 12, depth=8, elements=500)


def refusal(error: WbxmlError, data: bytes) -> None:
    if not 0 <= error.offset <= len(data):
        raise AssertionError(f"offset {error.offset} in {len(data)} bytes: {error.reason}") from error


def decode(data: bytes) -> None:
    """Bytes to tree; then the tree through WBXML and through XML."""
    try:
        node = wbxml.decode(data, LIMITS)
    except WbxmlError as error:
        return refusal(error, data)
    written = wbxml.encode(node)
    if wbxml.decode(written) != node:
        raise AssertionError("the tree changed on its way through WBXML")
    if wbxml_xml.from_xml(wbxml_xml.to_xml(node)) != node:
        raise AssertionError("the tree changed on its way through XML")
    return None


def from_xml(data: bytes) -> None:
    """XML to tree; then the tree through XML, and, where WBXML can carry it, through WBXML."""
    try:
        node = wbxml_xml.from_xml(data, LIMITS)
    except WbxmlError as error:
        return refusal(error, data)
    if wbxml_xml.from_xml(wbxml_xml.to_xml(node)) != node:
        raise AssertionError("the tree changed on its way through XML")
    try:
        written = wbxml.encode(node)
    except WbxmlError as error:  # a NUL, which base64 can bring in
        if "NUL" not in error.reason:
            raise
        return None
    if wbxml.encode(wbxml.decode(written)) != wbxml.encode(wbxml.decode(wbxml.encode(wbxml.decode(written)))):
        raise AssertionError("the bytes change with every round")
    return None


TARGETS: dict[str, Callable[[bytes], None]] = {"decode": decode, "from_xml": from_xml}

_TREES: list[wbxml.Node] = [
    ("FolderHierarchy:FolderSync", [("FolderHierarchy:SyncKey", "0")]),
    (
        "AirSync:Sync",
        [
            ("AirSync:MoreAvailable", None),
            ("AirSyncBase:Body", [("AirSyncBase:Type", "1"), ("AirSyncBase:Data", "é\r\n<b>")]),
            ("Email2:ConversationId", b"\x01\x02\xff"),
            ("AirSync:0x3F", ""),
        ],
    ),
    ("Ping:Ping", [(wbxml.TEXT, "a\x01"), ("Ping:Status", b""), (wbxml.TEXT, b"b"), (wbxml.TEXT, "\udcff")]),
]
_PIECES = {
    "decode": (
        *(b"\x01", b"\x00", b"\x03", b"\xc3", b"\x02", b"\x45", b"\x0b", b"\x00\x11", b"\x81\x00", b"\xff"),
        *(b"\xc3\xa9", b"\x00\x01", b"\x05" * 9, b"\x45" * 9, b"\x03\x00" * 9),
    ),
    "from_xml": (
        *(b"<Ping>", b"</Ping>", b"<_text>", b"</_text>", b"&amp;", b"<![CDATA[", b"]]>", b"<!--", b"-->", b"\xff"),
        *(b' xmlns="AirSync"', b' content="opaque"', b' content="text"', b"YQ==", b"\x00", b"&#0;", b"<!DOCTYPE a>"),
    ),
}


def seeds(target: str) -> list[bytes]:
    if target == "decode":
        return [wbxml.encode(tree) for tree in _TREES]
    return [wbxml_xml.to_xml(tree).encode() for tree in _TREES]


def smoke(runs: int, seed: int) -> None:
    """Run each target over mutations of the seeds; the same seed gives the same inputs."""
    for name, target in TARGETS.items():
        source = random.Random(seed)
        known = seeds(name)
        for document in known:
            target(document)
        for _ in range(runs):
            data = bytearray(source.choice(known))
            for _ in range(source.randint(1, 6)):
                at = source.randint(0, len(data))
                match source.randrange(4):
                    case 0:
                        data[at : at + source.randint(0, 4)] = source.choice(_PIECES[name])
                    case 1:
                        data[at : at + 1] = bytes([source.randrange(256)])
                    case 2:
                        del data[at : at + source.randint(1, 8)]
                    case _:
                        data[at:at] = data[source.randint(0, at) : at]
            try:
                target(bytes(data))
            except BaseException:
                print(f"{name} fails on {bytes(data)!r}", file=sys.stderr)
                raise
            if len(data) < 400 and source.random() < 0.05:
                known.append(bytes(data))
        print(f"{name}: {runs} runs from seed {seed}")


def main() -> None:
    arguments = sys.argv[1:]
    if arguments[:1] == ["--smoke"]:
        given = [int(number) for number in arguments[1:]]
        smoke(*(given + [2000, 1][len(given) :]))
        return
    if len(arguments) < 2 or arguments[0] not in TARGETS:
        sys.exit(__doc__)
    if atheris is None:
        sys.exit("atheris is not installed (extra `bench`); --smoke does without")
    folder = Path(arguments[1])
    folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds(arguments[0])):
        (folder / f"seed-{number}").write_bytes(seed)
    atheris.Setup([sys.argv[0], *arguments[1:]], TARGETS[arguments[0]])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
