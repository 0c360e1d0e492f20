"""Requirement rows about what a client does: the resolution of a status, and which FilterType belongs to which class.

A resolution agrees with our status table where the action that we take is one that its words describe; `WORDS` says by
which words an action is known. The filter rows are compared with what the mock takes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from emailplus.eas import status
from emailplus.mock.commands.sync import _filter_fits
from emailplus.mock.mailbox import Folder

from .rows import Fact, table

WORDS: dict[str, str] = {
    "ok": r"None\b|inform the user|Issue|Reissue|Sync|no more results|more results|Prompt the user",
    "retry_later": r"[Rr]etry|later|[Rr]eissue|[Rr]esend|attempts|some time|continues to fail|timed out|time out",
    "full_resync": r"key (?:element value )?(?:of|to) (?:zero|0)|zero \(0\)|key zero|last successful Sync|SyncKey"
    r"|successful Sync command",
    "foldersync": r"FolderSync|hierarchy|valid collection",
    "fix_request": r"[Dd]ouble-check|[Ff]ix|accuracy|different|[Cc]heck|correct|None\b|Prompt user if necessary"
    r"|only one|differ|Reduce|new Find",
    "prompt_user": r"[Pp]rompt|administrator|user|unique|different",
    "reauth": r"credentials|access denied",
    "resend_full": r"full|[Rr]esend|entire|required (?:elements|parameters)|Reissue",
    "adjust": r"[Uu]pdate|interval|fewer|maximum|limit|MaxFolders",
    "prime": r"Issue a Sync|Sync command|prim",
    "stop_item": r"Stop sending|make no changes|not (?:be )?retr|not a transient|invalid|None\b",
    "resync_item": r"synchronization request|Sync command|FolderSync|hierarchy",
    "untrusted": r"certificate|signature|[Pp]rompt|administrator|authority",
    "stop": r"administrator|[Pp]rompt the user|None\b|contact",
}
"""Action of our status table -> how the rows put it."""

_RESOLUTION = re.compile(
    r"\[In Status ?\((\w+)\)\](.*?)resolution of (?:the )?status value (\d+)(?: for the client)? ?is\]+ ?(.*)",
    re.DOTALL,
)
_FILTER = re.compile(
    r"\[In FilterType\((Sync|GetItemEstimate)\)\] (Yes|No)[.,] ?\[Applies to (\w+), if FilterType is (\d)",
    re.IGNORECASE,
)
_CLASSES = {"email": "Email", "calendar": "Calendar", "tasks": "Tasks"}
_TYPES = {"Email": 2, "Calendar": 8, "Tasks": 7}


def resolutions(folder: Path) -> Iterator[Fact]:
    """What our table does about a status is what the row says."""
    for row in table(folder / "MS-ASCMD.tsv"):
        match = _RESOLUTION.search(row.text)
        if match is None:
            continue
        command, _, code, words = match.groups()
        number = int(code)
        name, action = status.describe(command, number)
        if name == "Unknown":
            elements = [key for key in status.BY_COMMAND if key.startswith(f"{command}/")]
            found = [status.describe(key, number) for key in elements if number in status.BY_COMMAND[key]]
            name, action = found[0] if found else ("Success", "ok") if number == status.OK else (name, "")
        yield row, action in WORDS and re.search(WORDS[action], words) is not None


def filters(folder: Path) -> Iterator[Fact]:
    """Which FilterType values a class has, for Sync and for estimates alike."""
    for row in table(folder / "MS-ASCMD.tsv"):
        match = _FILTER.search(row.text)
        if match is None or match[3].lower() not in _CLASSES:
            continue
        item_class = _CLASSES[match[3].lower()]
        fits = _filter_fits(Folder("1", "0", "x", _TYPES[item_class]), int(match[4]))
        yield row, fits == (match[2].lower() == "yes")


KINDS: dict[str, Callable[[Path], Iterator[Fact]]] = {
    "tests/spec/test_advice.py::test_resolutions": resolutions,
    "tests/spec/test_advice.py::test_filters": filters,
}
"""The test that checks them -> how the rows of a kind are read."""

DEVIATIONS: dict[str, str] = {
    "MS-ASCMD_R5804": "another name is the user's to choose",
    "MS-ASCMD_R4346": "it may go away by itself (MS-ASCMD_R4347); whoever asked is told so by the error",
    "MS-ASCMD_R4356": "the row speaks of a search that timed out, which is status 10",
    "MS-ASCMD_R4522": "the server failed: nothing is known of the certificate, and it is asked again later",
}
"""Rows that say otherwise, and why we do what we do."""
