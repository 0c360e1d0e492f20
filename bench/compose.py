"""A draft to a MIME message, against Python's email package: `python bench/compose.py [--json]`.

Both write the same messages in interleaved rounds, from plain values to bytes: a short text, an answer with text, HTML,
quotation, picture and file, and one with a large attachment. The figure is the median of the rounds; memory is the peak
of what is allocated beside the attachment, as a share of the message that comes out.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT)]

from emailplus.mime.compose import compose, html_text, plain_text  # noqa: E402
from emailplus.model.draft import Draft, DraftAttachment, Quote  # noqa: E402
from emailplus.model.message import Address  # noqa: E402

ROUNDS = 7
NOW = datetime(2026, 11, 26, 9, 30, tzinfo=UTC)
LARGE = 20 * 1024 * 1024
"""Bytes of the large attachment."""


@dataclass(frozen=True)
class Kind:
    """Messages of one kind, and how many of them make a round."""

    draft: Draft
    times: int


def draft(**more: Any) -> Draft:
    people = tuple(Address(f"Person {number}", f"p{number}@example.com") for number in range(8))
    values = {
        "message_id": "one@example.com", "sender": Address("Alice Ärmel", "alice@example.com"), "to": people,
        "subject": "Übersicht über den Stand der Dinge", "text": "Some words on a line of text.\n" * 20,
        "signature": "Alice", **more,
    }  # fmt: skip
    return Draft(**values)


def kinds() -> dict[str, Kind]:
    quote = Quote(
        sender="Bob <bob@example.com>", sent="Monday", to="alice@example.com", subject="Stand",
        text="Words of Bob.\n" * 60, html="<p>Words of <b>Bob</b>.</p>\n" * 60,
    )  # fmt: skip
    files = (
        DraftAttachment(name="logo.png", content=bytes(range(256)) * 24, content_type="image/png", content_id="logo@x"),
        DraftAttachment(name="Bericht für Müller.pdf", content=bytes(range(256)) * 400, content_type="application/pdf"),
    )
    large = (DraftAttachment(name="large.zip", content=bytes(range(256)) * (LARGE // 256)),)
    html = "<p>Some <b>words</b> in a paragraph. <img src='cid:logo@x'></p>\n" * 20
    return {
        "text": Kind(draft(), 200),
        "answer": Kind(draft(html=html, quote=quote, attachments=files, references=("a@x", "b@x")), 60),
        "large": Kind(draft(attachments=large), 1),
    }


def ours(given: Draft) -> bytes:
    return compose(given, NOW).message


def peer(given: Draft) -> bytes:
    """The same message by `email.message.EmailMessage`."""
    message = EmailMessage(policy=SMTP)
    message["Date"], message["From"] = format_datetime(NOW), f"{given.sender.name} <{given.sender.address}>"
    message["To"] = ", ".join(f"{person.name} <{person.address}>" for person in given.to)
    message["Subject"], message["Message-ID"] = given.subject, f"<{given.message_id}>"
    if given.references:
        message["References"] = " ".join(f"<{identifier}>" for identifier in given.references)
    message.set_content(plain_text(given, given.quote))
    pictures = [file for file in given.attachments if file.content_id]
    if given.html:
        message.add_alternative(html_text(given, given.quote), subtype="html")
        shown: Any = message.get_payload()[-1]  # type: ignore[index]
        for file in pictures:
            main, _, sub = file.content_type.partition("/")
            shown.add_related(file.content or b"", main, sub, cid=f"<{file.content_id}>", filename=file.name)
    for file in given.attachments:
        if not file.content_id:
            main, _, sub = (file.content_type or "application/zip").partition("/")
            message.add_attachment(file.content or b"", main, sub, filename=file.name)
    return message.as_bytes()


def seconds(work: Callable[[Draft], bytes], kind: Kind) -> float:
    began = time.perf_counter()
    for _ in range(kind.times):
        work(kind.draft)
    return (time.perf_counter() - began) / kind.times


def peak(work: Callable[[Draft], bytes], given: Draft) -> float:
    tracemalloc.start()
    size = len(work(given))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most / size


def main() -> int:
    parser = argparse.ArgumentParser(description="A draft to a MIME message, against Python's email package.")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    results = []
    for name, kind in kinds().items():
        times: dict[str, list[float]] = {"ours": [], "peer": []}
        for work in (ours, peer):
            work(kind.draft)  # once to warm up
        for _ in range(ROUNDS):
            for work in (ours, peer):
                times[work.__name__].append(seconds(work, kind) * 1e6)
        result = {side: statistics.median(figures) for side, figures in times.items()}
        memory = {work.__name__: peak(work, kind.draft) for work in (ours, peer)} if name == "large" else {}
        results.append({"kind": name, "microseconds": result, "memory": memory})
    if arguments.json:
        json.dump(results, sys.stdout)
        return 0
    for result in results:
        own, other = result["microseconds"]["ours"], result["microseconds"]["peer"]
        line = f"{result['kind']:8} ours {own:10,.0f} us, peer {other:10,.0f} us: {other / own:.1f} x"
        if result["memory"]:
            line += f"; memory {result['memory']['ours']:.1f} x the message, peer {result['memory']['peer']:.1f} x"
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
