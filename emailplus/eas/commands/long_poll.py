"""The waiting Sync: the answer is held until something changes (MS-ASCMD 2.2.3.93, 2.2.3.198). From 12.1 on."""

from __future__ import annotations

from ...errors import NotOffered
from ..versions import Version
from ..wbxml import Node

LEAST, MOST = 60, 3540
"""Seconds of a HeartbeatInterval."""


def waiting(seconds: int, version: Version) -> Node:
    """HeartbeatInterval in seconds, before 14.0 Wait in minutes; brought within what the protocol allows.

    Raises `NotOffered` before 12.1.
    """
    seconds = max(LEAST, min(seconds, MOST))
    if version.code >= 140:
        return ("AirSync:HeartbeatInterval", str(seconds))
    if version.code >= 121:
        return ("AirSync:Wait", str(seconds // 60))
    raise NotOffered(f"a waiting Sync exists from ActiveSync 12.1 on; this server speaks {version.name}")


def held(node: Node) -> int:
    """Seconds for which the server may stay silent under it."""
    tag, content = node
    return int(str(content)) * (60 if tag == "AirSync:Wait" else 1)
