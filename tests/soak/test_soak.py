"""A short soak; ten minutes are `python -m tests.soak.soak`."""

from __future__ import annotations

from pathlib import Path

from .soak import Soak


def test_twenty_seconds_with_random_faults(tmp_path: Path) -> None:
    soak = Soak(tmp_path, 20, seed=7)
    report = soak.run()
    assert report["notifications told"] == report["notifications wanted"] > 50
    assert report["kills"] >= 2
    log = soak.world.proxy.log.read_text()
    for secret in ("service-secret", "organisation-token", "mail-1", "boss@", "user1@", "The body"):
        assert secret not in log
