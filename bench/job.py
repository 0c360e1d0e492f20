"""The whole job against its peers: `python bench/job.py [--json] [--full] [--quick]`.

A mock Exchange in a process of its own serves a mailbox of 5,000 messages of 7.5 KB, uncompressed. Ours is a first
synchronisation into a new encrypted store, from its first request until every message is stored and readable, each
window durable; the full-text index, which follows, is a row of its own. Every contestant is a process of its own
(`job_parts.py`), rounds are interleaved, figures are medians. The peers:

- *bare*: the answers of the same windows from the same mock, read with the HTTP client and let go; then the rows of the
  store so made, inserted with `executemany` into a new store of the same tables, indexes and pragmas, one transaction a
  window. Their two wall times are added.
- *mbsync*, *offlineimap*: one pull, with their defaults, from a private Dovecot with a Maildir of the same messages.
- *imaplib*: batches of 200 by FETCH from that Dovecot, each message to a file.
- *pyactivesync*: the inbox listed and every body fetched, over TLS, from a mock with a policy, nothing stored; ours
  over TLS from it too, for this row. Its interpreter: `--pyactivesync` or the variable EMAILPLUS_BENCH_PYACTIVESYNC.

Scratch files lie under `build/job` unless `--directory` says otherwise: it should be a real disk, for fsync counts.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

import peers  # noqa: E402
from table import Row, absent, at_least, at_most, text  # noqa: E402

SIZE = 7_500
BATCH = 200
PYACTIVESYNC_MESSAGES = 300
OPENINGS = 20
MEMORY_BOUND = 64  # MB
TIMEOUT = 3_600.0

WALL = "whole job, wall, against bare download + insert"
MBSYNC = "messages per second, against mbsync"
OFFLINEIMAP = "messages per second, against offlineimap"
PYACTIVESYNC = "messages per second, against pyactivesync"
IMAPLIB = "CPU per message, against imaplib to files"
OPEN = "store opens with a raw key"


def part(name: str, python: str = sys.executable, **arguments: Any) -> dict[str, Any]:
    """Run one contestant in its own process. Raises `RuntimeError` with what it said when it fails."""
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_CA_BUNDLE")}
    command = [python, str(ROOT / "bench" / "job_parts.py"), name, json.dumps(arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=TIMEOUT, check=False)
    if done.returncode:
        raise RuntimeError(f"{name} failed: {done.stderr.strip().splitlines()[-1:]}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@contextmanager
def mock(count: int, *, policy: bool = False) -> Iterator[dict[str, Any]]:
    """A mock of `count` messages in a process of its own; its `server.json`."""
    arguments = json.dumps({"count": count, "size": SIZE, "seconds": TIMEOUT, "policy": policy})
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "bench" / "job_parts.py"), "mock", arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line:
            raise RuntimeError("the mock did not start")
        yield json.loads(line)
    finally:
        process.stdin.close()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Bench:
    """Figures as they are gathered: name -> values of the rounds."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.count: int = arguments.count
        self.rounds: int = arguments.rounds
        self.slow_rounds: int = arguments.slow_rounds
        self.pyactivesync: str = arguments.pyactivesync
        self.directory = Path(arguments.directory).resolve()
        self.values: dict[str, list[float]] = {}
        self.missing: dict[str, object] = {}

    def note(self, name: str, value: float) -> None:
        self.values.setdefault(name, []).append(value)

    def median(self, name: str) -> float:
        return statistics.median(self.values[name])

    def attempt(self, name: str, run: Callable[[], float]) -> None:
        """A peer's figure, or why there is none."""
        if name in self.missing:
            return
        try:
            self.note(name, run())
        except (peers.Absent, RuntimeError, OSError, subprocess.SubprocessError) as problem:
            self.missing[name] = problem

    def gather(self) -> None:
        if self.directory.exists():
            shutil.rmtree(self.directory)
        self.directory.mkdir(parents=True)
        with mock(self.count) as server:
            try:
                home = self.directory / "dovecot"
                peers.find("dovecot", "dovecot-imapd")
                peers.write_maildir(home / "mail" / peers.USER / "Maildir", self.count, SIZE, datetime.now(UTC))
                with peers.Dovecot(home) as dovecot:
                    self._rounds(server, dovecot)
            except peers.Absent as problem:
                if self.values:
                    raise
                self.missing |= dict.fromkeys(("mbsync", "offlineimap", "imaplib cpu"), problem)
                self._rounds(server, None)

    def _rounds(self, server: dict[str, Any], dovecot: peers.Dovecot | None) -> None:
        for number in range(self.rounds):
            here = self.directory / f"round{number}"
            here.mkdir()
            self._ours_and_bare(server, here, number)
            if dovecot is not None:
                self._imap(dovecot, here, slow=number < self.slow_rounds)
            if number < self.slow_rounds:
                self._pyactivesync(here, number)
            if number < self.rounds - 1:
                shutil.rmtree(here)
        opened = part("opening", store=str(here / "ours.db"), times=OPENINGS)
        self.note("open", opened["median"])

    def _ours_and_bare(self, server: dict[str, Any], here: Path, number: int) -> None:
        ours = part("sync", url=server["eas_url"], device=f"ours{number}", store=str(here / "ours.db"))
        if ours["messages"] != self.count:
            raise RuntimeError(f"{ours['messages']} of {self.count} messages are in the store")
        for name in ("wall", "cpu", "index_wall", "index_cpu"):
            self.note(name, ours[name])
        windows = ours["windows"]
        down = part("download", url=server["eas_url"], device=f"bare{number}", windows=windows)
        if abs(down["bytes"] - ours["bytes"]) > ours["bytes"] * 0.01:
            raise RuntimeError(f"the bare download read {down['bytes']} bytes, ours {ours['bytes']}")
        written = part("insert", source=str(here / "ours.db"), target=str(here / "bare.db"), windows=windows)
        if written["messages"] != self.count:
            raise RuntimeError("the bare insert is not of the same rows")
        self.note("download", down["wall"])
        self.note("insert", written["wall"])
        self.note("bare", down["wall"] + written["wall"])

    def _imap(self, dovecot: peers.Dovecot, here: Path, *, slow: bool) -> None:
        login = {"port": dovecot.port, "user": peers.USER, "password": peers.PASSWORD, "batch": BATCH}
        self.attempt("imaplib cpu", lambda: part("imap_fetch", directory=str(here / "imaplib"), **login)["cpu"])
        if slow:
            self.attempt("mbsync", lambda: self._whole(peers.run_mbsync(dovecot.port, here / "mbsync")))
            self.attempt("offlineimap", lambda: self._whole(peers.run_offlineimap(dovecot.port, here / "offlineimap")))

    def _whole(self, result: dict[str, float]) -> float:
        if result["messages"] != self.count:
            raise peers.Absent(f"it fetched {result['messages']:.0f} of {self.count} messages")
        return result["wall"]

    def _pyactivesync(self, here: Path, number: int) -> None:
        """From a mock that has a policy: pyactivesync does not know a server without one."""
        with mock(self.count, policy=True) as server:
            url = server["eas_url_tls"]
            tls = part("sync", url=url, device=f"tls{number}", store=str(here / "tls.db"))
            self.note("wall over TLS", tls["wall"])
            self.attempt("pyactivesync", lambda: self._run_pyactivesync(url, f"peer{number}"))

    def _run_pyactivesync(self, url: str, device: str) -> float:
        """Seconds a message."""
        found = subprocess.run([self.pyactivesync, "-c", "import pyactivesync"], capture_output=True, check=False)
        if found.returncode:
            raise peers.Absent("pyactivesync is absent: pip install pyactivesync, see --pyactivesync")
        limit = min(self.count, PYACTIVESYNC_MESSAGES)
        result = part("pyactivesync", self.pyactivesync, url=url, device=device, limit=limit)
        return float(result["wall"]) / result["messages"]

    # -- the table

    def rows(self) -> list[Row]:
        wall, bare = self.median("wall"), self.median("bare")
        parts = f"{bare:.2f} s ({self.median('download'):.2f} + {self.median('insert'):.2f})"
        opened = self.median("open") * 1000
        return [
            at_most(WALL, f"{wall:.2f} s", parts, wall / bare, 2),
            self._rate(MBSYNC, "mbsync", wall, 2, 1 / self.count),
            self._rate(OFFLINEIMAP, "offlineimap", wall, 20, 1 / self.count),
            self._rate(PYACTIVESYNC, "pyactivesync", self.median("wall over TLS"), 10, 1),
            self._cpu(),
            Row("full-text index, after it (no target)", f"{self.median('index_wall'):.2f} s"),
            Row(OPEN, f"{opened:.1f} ms", "", "", "<= 5 ms", opened <= 5),
        ]

    def _rate(self, figure: str, peer: str, wall: float, bound: float, share: float) -> Row:
        """`share`: what turns the peer's noted time into seconds a message."""
        if peer in self.missing:
            return absent(figure, f">= {bound:g}", self.missing[peer])
        ours, theirs = self.count / wall, 1 / (self.median(peer) * share)
        return at_least(figure, f"{ours:.0f}/s", f"{theirs:.0f}/s", ours / theirs, bound)

    def _cpu(self) -> Row:
        if "imaplib cpu" in self.missing:
            return absent(IMAPLIB, "<= 4", self.missing["imaplib cpu"])
        ours, theirs = (self.median(name) / self.count * 1000 for name in ("cpu", "imaplib cpu"))
        return at_most(IMAPLIB, f"{ours:.3f} ms", f"{theirs:.3f} ms", ours / theirs, 4)


def memory(directory: Path, large: int, small: int = 1_000) -> Row:
    """Peak memory of a whole run, index included, for many messages against few."""
    peaks = {}
    for count in (small, large):
        with mock(count) as server:
            store = directory / f"memory{count}.db"
            result = part("sync", url=server["eas_url"], device="memory", store=str(store))
            if result["messages"] != count:
                raise RuntimeError(f"{result['messages']} of {count} messages are in the store")
            peaks[count] = result["peak_kilobytes"] / 1024
            for path in directory.glob(store.name + "*"):
                path.unlink()
    more = peaks[large] - peaks[small]
    return Row(
        f"peak memory, {large:,} against {small:,} messages",
        f"{peaks[large]:.0f} MB",
        f"{peaks[small]:.0f} MB",
        f"{more:+.0f} MB",
        f"<= +{MEMORY_BOUND} MB",
        more <= MEMORY_BOUND,
        "" if large >= 100_000 else "the target is for 100,000 messages: run with --full",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="The whole job against its peers.")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    parser.add_argument("--full", action="store_true", help="memory with 100,000 messages (minutes), not 10,000")
    parser.add_argument("--quick", action="store_true", help="500 messages and one round, to see that it runs")
    parser.add_argument("--count", type=int, default=5_000, help="messages (default 5,000)")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (default 5)")
    parser.add_argument("--slow-rounds", type=int, default=1, help="of them with the slow peers (default 1)")
    parser.add_argument("--memory-only", action="store_true", help="the peak memory alone")
    parser.add_argument("--directory", default=str(ROOT / "build" / "job"), help="for scratch files; emptied first")
    default = os.environ.get("EMAILPLUS_BENCH_PYACTIVESYNC", sys.executable)
    parser.add_argument("--pyactivesync", default=default, metavar="PYTHON", help="an interpreter that has it")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.count, arguments.rounds = 500, 1
    bench = Bench(arguments)
    rows: list[Row] = []
    if not arguments.memory_only:
        bench.gather()
        rows += bench.rows()
    bench.directory.mkdir(parents=True, exist_ok=True)
    rows.append(memory(bench.directory, 2_000 if arguments.quick else 100_000 if arguments.full else 10_000))
    shutil.rmtree(bench.directory)
    if arguments.json:
        json.dump([row.as_dict() for row in rows], sys.stdout, indent=1)
    else:
        print(text(rows))


if __name__ == "__main__":
    main()
