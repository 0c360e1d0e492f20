"""A real process, killed with SIGKILL at moments drawn by lot, and started again until it comes through."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from email import message_from_bytes
from pathlib import Path

from emailplus.store.diagnosis import clear_starts
from emailplus.store.store import Store

from ..flows.world import KEY, World, deliver, mail, noise, snapshot

KILLS = 20 * int(os.environ.get("EMAILPLUS_TORTURE") or 1)
MESSAGES = 300

SCRIPT = """
import json, sys
from emailplus.config import AppConfig
from emailplus.mailbox import Mailbox

path, key, config = sys.argv[1], bytes.fromhex(sys.argv[2]), json.loads(sys.argv[3])
mailbox = Mailbox.open(AppConfig.load(config), store=path, key=key)
print("open", flush=True)
report = mailbox.sync()
print(json.dumps(report.as_dict()), flush=True)
mailbox.close()
"""


def _start(path: Path, keys: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(path), KEY.hex(), json.dumps(keys)], stdout=subprocess.PIPE, text=True
    )


def test_killed_at_random_moments(make_world: Callable[..., World]) -> None:
    world = make_world(cookies=False)
    box = world.alice
    box.create_folder("Projects")
    for number in range(MESSAGES):
        attachments = ()
        if number % 10 == 0:
            attachments = ((f"{number}.bin", noise(300_000 if number % 50 == 0 else 20_000, number)),)
        long = "".join(f"line {line}\n" for line in range(28_000)) if number % 90 == 7 else f"text {number}\n"
        deliver(box, mail(f"message {number}", long, attachments=attachments), folder=("Inbox", "Projects")[number % 2])
    keys = {
        "email_address": "alice@example.test", "email_device_id": "0123456789ABCDEF0123456789ABCDEF",
        "email_exchange_host": world.host, "email_exchange_username": "alice", "email_password": "alice-secret",
        "email_ssl_required": "false", "email_max_sync_period": "0", "email_default_sync_period": "0",
    }  # fmt: skip
    drawn = random.Random(20261124)
    killed = 0
    while killed < KILLS:
        process = _start(world.path, keys)
        assert process.stdout is not None
        with process.stdout:
            assert process.stdout.readline() == "open\n"
            # The whole run takes about a second and a half; each gets a little further than the one before.
            time.sleep(drawn.random() * 0.12)
            process.kill()
        process.wait()
        killed += 1
        if killed % 2 == 0:  # three in a row would wipe what is cached (tests/diagnosis/test_recovery.py)
            with Store.open(world.path, KEY) as store:
                clear_starts(store.database)
        if killed % 5 == 0:  # the mailbox lives on meanwhile
            box.delete(box.items()[killed].server_id)
            box.mark_read(box.items()[0].server_id)
            deliver(box, mail(f"late {killed}", attachments=((f"late{killed}.bin", noise(150_000, killed)),)))

    with _start(world.path, keys) as last:
        assert last.stdout is not None
        assert last.stdout.readline() == "open\n"
        json.loads(last.stdout.read())
    with Store.open(world.path, KEY) as store:
        assert store.database.verify() == []
        found = snapshot(store)
    there = {(f.server_id, item.server_id): message_from_bytes(item.raw)["Subject"] for f, item in box.walk()}
    assert set(found["messages"]) == set(there)
    assert Counter(row[0] for row in found["messages"].values()) == Counter(there.values())
    for row in found["messages"].values():
        assert row[7] == "stored"
        for name, _, _, state, _, content in row[-1]:
            assert state == "stored"
            number = int(name.removeprefix("late").removesuffix(".bin"))
            size = 150_000 if name.startswith("late") else 300_000 if number % 50 == 0 else 20_000
            assert content == noise(size, number), name
    for name in ("gone", "open passes", "unindexed", "incomplete blobs", "ownerless blobs", "unused blobs"):
        assert found[name] == 0, name
    assert found["index entries"] == found["count"] == len(there)
    with _start(world.path, keys) as again:
        assert again.stdout is not None
        again.stdout.readline()
        report = json.loads(again.stdout.read())
    assert (report["added"], report["changed"], report["deleted"], report["fetched"]) == (0, 0, 0, 0)
