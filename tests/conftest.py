"""What makes every run faster, and is seen by no test."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from emailplus.store import database

MEMORY = Path("/dev/shm")
ROOM = 4 << 30
"""Bytes that have to be free there: some tests work with large mailboxes, and several run at a time."""

# Locking and wiping each allocation is two thirds of the time of a test that works with a store. It is for the life of
# a process: those that tests start (the command line, what is killed) do it as always; store/test_database.py sees it.
database.MEMORY_SECURITY = "OFF"

# The folders of the tests. Whether bytes reach a disk is not to be seen from within: dying is tested by killing.
roomy = os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM
if "PYTEST_DEBUG_TEMPROOT" not in os.environ and roomy:
    os.environ["PYTEST_DEBUG_TEMPROOT"] = str(MEMORY)
