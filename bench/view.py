"""A message to its view, against Python's email package: `python bench/view.py [--json]`.

Both read the same bytes in interleaved rounds; the figure is the median of the rounds. Ours gives text, files with safe
names, appointments and what was repaired (and with HTML: sanitised); the peer parses with `email.policy.default` and
finds the body, whose text it does not decode. Messages come from the corpus of the reference data where that is there,
less those that need a repair, else they are made here.
"""

from __future__ import annotations

import argparse
import email
import email.policy
import json
import mmap
import statistics
import sys
import tempfile
import time
import tracemalloc
from base64 import b64encode
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT)]

from emailplus.mime.view import read  # noqa: E402

ROUNDS = 7
LARGE = 200 * 1024 * 1024
"""Bytes of the large attachment, decoded."""


def made() -> list[bytes]:
    """Ordinary messages: text, HTML with the text, attachments."""
    messages = []
    for number in range(60):
        message = EmailMessage()
        message["From"], message["To"] = "Bob <bob@example.com>", "alice@example.com"
        message["Subject"], message["Date"] = f"Status {number} für die Übersicht", "Wed, 25 Nov 2026 09:30:00 +0100"
        message.set_content("Some words on a line of text.\n" * (5 + number))
        if number % 3:
            message.add_alternative("<p>Some <b>words</b> in a paragraph.</p>\n" * (5 + number), subtype="html")
        if number % 4 == 0:
            message.add_attachment(bytes(3000), "application", "pdf", filename=f"report {number}.pdf")
        messages.append(message.as_bytes())
    return messages


def corpus() -> list[bytes]:
    folder = ROOT.parent / "shared" / "corpus" / "eml"
    found = [path.read_bytes() for path in sorted(folder.rglob("*.eml"))] or made()
    return [data for data in found if not read(data).problems]


def peer(data: bytes) -> None:
    message = email.message_from_bytes(data, policy=email.policy.default)
    try:
        message.get_body()
    except (AttributeError, KeyError, LookupError, ValueError):  # it trips over some of the corpus
        return


def view(data: bytes) -> None:
    read(data)


def safe(data: bytes) -> None:
    read(data).safe_html()


def seconds(work: Callable[[bytes], None], messages: list[bytes]) -> float:
    began = time.perf_counter()
    for data in messages:
        work(data)
    return time.perf_counter() - began


def memory() -> int:
    """Peak bytes beyond the mapped file while a message with a large attachment is seen and its content streamed."""
    with tempfile.NamedTemporaryFile(suffix=".eml") as file:
        file.write(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhello\r\n--b\r\n")
        file.write(b"Content-Type: application/zip; name=z\r\nContent-Transfer-Encoding: base64\r\n\r\n")
        lines = (b64encode(bytes(57)) + b"\r\n") * 4096
        for _ in range(LARGE // (57 * 4096)):
            file.write(lines)
        file.write(b"--b--\r\n")
        file.flush()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            tracemalloc.start()
            seen = read(mapped)
            sum(len(piece) for piece in seen.attachments[0].pieces())
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            del seen
    return peak


def main() -> int:
    parser = argparse.ArgumentParser(description="A message to its view, against Python's email package.")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    messages = corpus()
    works = {"peer": peer, "view": view, "safe": safe}
    times: dict[str, list[float]] = {name: [] for name in works}
    for name, work in works.items():
        seconds(work, messages)  # once to warm up
        assert name in times
    for _ in range(ROUNDS):
        for name, work in works.items():
            times[name].append(seconds(work, messages) / len(messages) * 1e6)
    result = {name: statistics.median(figures) for name, figures in times.items()}
    document = {"messages": len(messages), "microseconds": result, "large": LARGE, "peak": memory()}
    if arguments.json:
        json.dump(document, sys.stdout)
    else:
        print(f"{len(messages)} messages, microseconds each: {', '.join(f'{n} {t:,.0f}' for n, t in result.items())}")
        print(f"view {result['peer'] / result['view']:.1f} x, with safe HTML {result['peer'] / result['safe']:.1f} x")
        print(f"{LARGE >> 20} MB attachment: peak {document['peak']:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
