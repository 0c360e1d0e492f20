"""Mail, duplicates and random faults for some minutes; then every notification was told exactly once, or this fails.

    python -m tests.soak.soak --seconds 600 [--seed N]

Faults: the proxy is killed (kill -9) and started again; Exchange answers 503, is busy, is slow, cuts connections or has
no EWS for a while; APNs answers 500, 503 and 429, cuts connections before and after it took a notification, is down;
the webhook answers 503, is slow, cuts the connection after it took what came. Exchange repeats what was not taken, and
a second poster repeats at random what was.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from emailplus.mock.apns import Answer, Cut, Fault, Lose, Stall
from emailplus.mock.faults import Drop, EwsError, Http, LoseResponse
from emailplus.mock.faults import Stall as Slow
from emailplus.notify.rules import Rules

from ..notify.proxy_desk import send_notification
from .world import World, at_random, letter

BOSS = "boss@partner.example"
OTHERS = ("bob@partner.example", "carol@partner.example")
APNS_FAULTS = {"500": 0.04, "503": 0.03, "429": 0.03, "cut": 0.02, "lose": 0.03, "stall": 0.03}
HOOK_FAULTS = {"refuse": 0.08, "lose": 0.05, "slow": 0.03}


@dataclass
class Device:
    """One registration, and what it is to be told of."""

    name: str
    wanted: set[str] = field(default_factory=set)
    """Of these mails or items; how many it is told of is compared."""
    callback: str = ""


class Soak:
    """One run."""

    def __init__(self, folder: Path, seconds: float, seed: int, pace: float = 0.15) -> None:
        self.seconds, self.pace = seconds, pace
        self.random = random.Random(seed)
        self.apns_random, self.hook_random = random.Random(seed + 1), random.Random(seed + 2)
        self.world = World(folder, 4, limits="per_minute = 6000\ntimeout = 5\ndetails_wait = 60")
        self.devices: dict[str, Device] = {}
        self.count: Counter[str] = Counter()
        self.over = threading.Event()
        self._outgoing: list[tuple[str, bytes]] = []
        self._lock = threading.Lock()

    def run(self) -> dict[str, Any]:
        """Everything; what was counted. Raises `AssertionError` where a notification is lost or doubled."""
        world = self.world
        try:
            world.proxy.start()
            self._register()
            self._faults_on()
            posters = [threading.Thread(target=self._poster, daemon=True) for _ in range(2)]
            for poster in posters:
                poster.start()
            self._live()
            self._faults_off()
            self._drain()
            self.over.set()
            for poster in posters:
                poster.join(30)
            code = world.proxy.end()
            assert code == 0, f"the proxy ended with {code}"
            return self._judged()
        finally:
            self.over.set()
            if world.proxy.starts:
                world.proxy.end()
            world.stop()

    # -- who is told

    def _register(self) -> None:
        world = self.world
        details = Rules(detailed=True).as_dict()
        vip_only = {
            "detailed": True, "work_hours_only": True, "work_hours": {}, "vip_after_hours": True, "sentry": True,
            "vips": [BOSS],
        }  # fmt: skip
        for number, person in enumerate(world.people):
            for gateway, name in (("apns", f"{number:02x}" * 32), ("webhook:desk", f"desk-{number}")):
                wishes = {"mailbox": person.email, "gateway": gateway, "device": name, "rules": details}
                self.devices[name] = Device(name)
                world.subscribe(person, world.register(**wishes)["callback_url"])
            name = f"{number:02x}" * 31 + "ff"
            wishes = {"mailbox": person.email, "gateway": "apns", "device": name, "rules": vip_only}
            self.devices[name] = Device(name)
            world.subscribe(person, world.register(**wishes)["callback_url"])
        for number in range(8):  # without look-up, posted to by this program
            name = f"plain-{number}"
            made = world.register(mailbox=f"plain{number}@example.com", gateway="webhook:desk", device=name)
            self.devices[name] = Device(name, callback=made["callback_url"])

    # -- mail and faults

    def _live(self) -> None:
        end = time.monotonic() + self.seconds
        kill_at = time.monotonic() + self.random.uniform(1, 3)
        trouble_at = time.monotonic() + 1
        while time.monotonic() < end:
            self._mail()
            if time.monotonic() > kill_at:
                self.world.proxy.kill()
                self.count["kills"] += 1
                time.sleep(self.random.uniform(0, 0.5))
                self.world.proxy.start()
                kill_at = time.monotonic() + self.random.uniform(2, 8)
            if time.monotonic() > trouble_at:
                self._trouble()
                trouble_at = time.monotonic() + self.random.uniform(1, 5)
            time.sleep(self.random.uniform(0, 2 * self.pace))

    def _mail(self) -> None:
        number = self.random.randrange(len(self.world.people))
        self.count["mails"] += 1
        subject = f"mail-{self.count['mails']}"
        sender = self.random.choice((BOSS, *OTHERS))
        self.world.exchange.user(self.world.people[number].username).deliver(letter(subject, sender))
        for name in (f"{number:02x}" * 32, f"desk-{number}"):
            self.devices[name].wanted.add(subject)
        if sender == BOSS:
            self.devices[f"{number:02x}" * 31 + "ff"].wanted.add(subject)
        for _ in range(self.random.randrange(4)):
            device = self.devices[f"plain-{self.random.randrange(8)}"]
            item = f"item-{len(device.wanted)}-{device.name}"
            device.wanted.add(item)
            body = send_notification((item, f"mark-{len(device.wanted)}"), at=time.time())
            with self._lock:
                self._outgoing += [(device.callback, body)] * self.random.choice((1, 1, 1, 2, 3))

    def _poster(self) -> None:
        """Posts as Exchange does: again until it is taken."""
        with httpx2.Client(trust_env=False, timeout=10) as client:
            while not self.over.is_set():
                with self._lock:
                    post = self._outgoing.pop(self.random.randrange(len(self._outgoing))) if self._outgoing else None
                if post is None:
                    time.sleep(0.02)
                    continue
                try:
                    taken = client.post(post[0], content=post[1]).status_code == 200
                except httpx2.HTTPError:
                    taken = False
                self.count["posts" if taken else "posts not taken"] += 1
                if not taken:
                    with self._lock:
                        self._outgoing.append(post)
                    time.sleep(0.1)

    def _faults_on(self) -> None:
        apns: dict[str, Fault] = {
            "500": Answer(500, "InternalServerError"), "503": Answer(503, "ServiceUnavailable"),
            "429": Answer(429, "TooManyRequests"), "cut": Cut(), "lose": Lose(), "stall": Stall(0.3),
        }  # fmt: skip
        self.world.apns.chance = lambda: apns.get(at_random(self.apns_random, APNS_FAULTS))
        self.world.webhook.chance = lambda: at_random(self.hook_random, HOOK_FAULTS)

    def _trouble(self) -> None:
        """Something happens to a server, for a moment."""
        world, exchange = self.world, self.world.exchange
        kind = self.random.choice(("busy", "503", "slow", "cut", "lost", "item", "no EWS", "APNs down", "token"))
        self.count[f"trouble: {kind}"] += 1
        actions = {
            "busy": EwsError("ErrorServerBusy", whole=True, back_off=500), "503": Http(503), "slow": Slow(1.0),
            "cut": Drop(), "lost": LoseResponse(), "item": EwsError("ErrorMailboxStoreUnavailable"),
        }  # fmt: skip
        if kind in actions:
            exchange.faults.add(actions[kind], "GetItem", times=self.random.randrange(1, 4))  # type: ignore[arg-type]
        elif kind == "no EWS":
            exchange.ews.set_mode("off")
            threading.Timer(self.random.uniform(0.5, 2), exchange.ews.set_mode, ("on",)).start()
        elif kind == "token":
            world.apns.faults.append(Answer(403, "ExpiredProviderToken"))
        else:
            world.apns.down = True
            world.apns.cut_all()
            threading.Timer(self.random.uniform(0.5, 3), setattr, (world.apns, "down", False)).start()

    def _faults_off(self) -> None:
        self.world.apns.chance = lambda: None
        self.world.webhook.chance = lambda: ""
        self.world.exchange.faults.clear()
        time.sleep(3.5)  # the last timers
        self.world.exchange.ews.set_mode("on")
        self.world.apns.down = False

    # -- the end

    def _drain(self) -> None:
        """Wait until everything that is wanted was told, and then for what is not."""
        end = time.monotonic() + 120
        while time.monotonic() < end:
            with self._lock:
                posting = bool(self._outgoing)
            if not posting and all(len(self.world.told(d.name)) >= len(d.wanted) for d in self.devices.values()):
                break
            time.sleep(0.5)
        time.sleep(3)

    def _judged(self) -> dict[str, Any]:
        lost, doubled, wrong = 0, 0, []
        for device in self.devices.values():
            told = self.world.told(device.name)
            doubled += sum(times - 1 for times in told.values())
            lost += max(0, len(device.wanted) - len(told))
            if len(told) != len(device.wanted):
                wrong.append(f"{device.name[:12]}…{device.name[-2:]}: {len(told)} of {len(device.wanted)}")
        subjects = Counter(
            request.payload["aps"]["alert"].get("subtitle", "announced") + request.device
            for request in {request.id: request for request in self.world.apns.taken()}.values()
        )
        details = sum(not name.startswith("announced") for name in subjects)
        report = {
            "seconds": self.seconds,
            "mails": self.count["mails"],
            "notifications wanted": sum(len(device.wanted) for device in self.devices.values()),
            "notifications told": sum(len(self.world.told(device.name)) for device in self.devices.values()),
            "lost": lost,
            "doubled": doubled,
            "with details on APNs": details,
            "kills": self.count["kills"],
            "posts of this program": self.count["posts"],
            "posts repeated because they were not taken": self.count["posts not taken"],
            "posts of the mock Exchange": len(self.world.exchange.ews.posts),
            "posts of it not taken": sum(status != 200 for _, status in self.world.exchange.ews.posts),
            "requests to APNs": len(self.world.apns.requests),
            "taken twice by APNs, and shown once": len(self.world.apns.taken())
            - len({(request.device, request.id) for request in self.world.apns.taken()}),
            "taken twice by the webhook, and dropped there": self.world.webhook.repeated,
            "bad signatures": self.world.webhook.forged,
            "lookups": len(self.world.exchange.requests.of("GetItem")),
            "trouble": {name[9:]: n for name, n in sorted(self.count.items()) if name.startswith("trouble: ")},
        }
        said = json.dumps(report, indent=1)
        assert not wrong, "\n".join([*wrong, said])
        assert (lost, doubled, self.world.webhook.forged) == (0, 0, 0), said
        assert max(subjects[name] for name in subjects if not name.startswith("announced")) == 1, said
        return report


def main() -> int:
    parser = argparse.ArgumentParser(description="A soak of the notification proxy with random faults.")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        try:
            report = Soak(Path(folder), arguments.seconds, arguments.seed).run()
        except AssertionError as problem:
            print(f"FAILED\n{problem}", file=sys.stderr)
            return 1
    print(json.dumps(report, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
