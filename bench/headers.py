"""What it costs to see header fields, which no Sync carries: MIME for every body, or text and the fields apart.

Run as `python bench/headers.py [--count N] [--rounds N]`; the mock compresses its answers, as Exchange does. "Apart" is
one ItemOperations for 50 messages, each with the first 32 KB of its MIME.

Both are a first synchronisation into a new store, contents included, of three mailboxes: short text, newsletters in two
forms, and mail of which every third has an attachment of 60 KB that does not compress.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT)]

from emailplus import account  # noqa: E402
from emailplus.classification import ready  # noqa: E402
from emailplus.config import AppConfig  # noqa: E402
from emailplus.mailbox import Mailbox  # noqa: E402
from emailplus.mock import MockExchange  # noqa: E402

WORDS = (
    "budget", "review", "of", "the", "quarter", "with", "figures", "that", "people", "send", "one", "another", "before",
    "a", "meeting",
)  # fmt: skip


def letter(number: int, kind: str, chance: random.Random) -> bytes:
    """One message with the header fields that mail from the internet brings along, 2 KB of them."""
    made = EmailMessage()
    for hop in range(4):
        made["Received"] = f"from relay{hop}.example.test ([192.0.2.{hop}]) by mx.example.test with ESMTPS id {number}"
    made["DKIM-Signature"] = f"v=1; a=rsa-sha256; d=example.test; s=k; b={chance.randbytes(256).hex()}"
    made["ARC-Seal"] = f"i=1; a=rsa-sha256; d=example.test; s=k; cv=none; b={chance.randbytes(256).hex()}"
    made["From"], made["To"] = "bob@example.test", "alice@example.test"
    made["Subject"] = f"Plan {number}"
    made["Date"] = "Mon, 23 Nov 2026 10:00:00 +0000"
    made["X-Protective-Marking"] = "VER=2025.1, NS=gov.au, SEC=OFFICIAL, ORIGIN=bob@example.test"
    made.set_content(" ".join(chance.choices(WORDS, k=300)))
    if kind == "newsletters":
        rows = "".join(f"<tr><td style='color:#{n:06x}'>{chance.choice(WORDS)}</td></tr>" for n in range(400))
        made.add_alternative(f"<html><body><table>{rows}</table></body></html>", subtype="html")
    if kind == "attachments" and number % 3 == 0:
        made.add_attachment(chance.randbytes(60_000), maintype="image", subtype="jpeg", filename="a.jpg")
    return made.as_bytes(policy=SMTP)


def run(host: str, folder: str, mime: bool) -> dict[str, float]:
    """One first synchronisation."""
    config = AppConfig.load(
        {
            "email_address": "alice@example.test",
            "email_device_id": "0123456789ABCDEF0123456789ABCDEF",
            "email_exchange_host": host,
            "email_exchange_username": "alice",
            "email_ssl_required": "false",
            "email_default_sync_period": 0,
            "email_security_classification_json": ready.text("au_2025"),
        }
    )
    real = account.ContentPolicy

    def policy(**facts: Any) -> Any:
        return real(**{**facts, "mime_for_headers": mime})

    account.ContentPolicy = policy  # type: ignore[misc, assignment]
    try:
        with Mailbox.open(config, store=Path(folder) / "store.db", key=bytes(32), password="alice-secret") as box:
            began = time.perf_counter()
            report = box.sync()
            wall = time.perf_counter() - began
    finally:
        account.ContentPolicy = real  # type: ignore[misc]
    assert report.markings == {"SEC=OFFICIAL": report.added}, report.markings
    return {"wall": wall, "requests": report.requests, "bytes": report.bytes_in}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--count", type=int, default=600)
    arguments.add_argument("--rounds", type=int, default=3)
    given = arguments.parse_args()
    for kind in ("text", "newsletters", "attachments"):
        chance = random.Random(3)
        with MockExchange(record_bytes=0) as exchange:
            now = datetime.now(UTC)
            exchange.user("alice").deliver_many([(letter(n, kind, chance), now) for n in range(given.count)])
            figures: dict[bool, list[dict[str, float]]] = {True: [], False: []}
            for _ in range(given.rounds):
                for mime in (True, False):
                    with tempfile.TemporaryDirectory() as folder:
                        figures[mime].append(run(exchange.url.split("/")[2], folder, mime))
        said = []
        for name in ("wall", "requests", "bytes"):
            ours, apart = (statistics.median(one[name] for one in figures[mime]) for mime in (True, False))
            said.append(f"{name} {ours / apart:.2f}")
        print(f"{kind}, MIME against fields apart: {', '.join(said)}")


if __name__ == "__main__":
    main()
