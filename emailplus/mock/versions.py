"""Protocol versions as numbers (14.1 is 141), what each offers, and which tags it knows."""

from __future__ import annotations

from functools import cache

from ..eas.code_pages import TAG_VERSIONS

VERSIONS = ("2.5", "12.0", "12.1", "14.0", "14.1", "16.0", "16.1")
"""Every version a mock server can offer, in the order of MS-ASProtocolVersions."""

_ALL = (
    "Sync", "SendMail", "SmartForward", "SmartReply", "GetAttachment", "GetHierarchy", "CreateCollection",
    "DeleteCollection", "MoveCollection", "FolderSync", "FolderCreate", "FolderDelete", "FolderUpdate", "MoveItems",
    "GetItemEstimate", "MeetingResponse", "Search", "Settings", "Ping", "ItemOperations", "Provision",
    "ResolveRecipients", "ValidateCert", "Find",
)  # fmt: skip

COMMAND_VERSIONS: dict[str, tuple[int, int]] = {
    "Sync": (25, 161),
    "SendMail": (25, 161),
    "SmartForward": (25, 161),
    "SmartReply": (25, 161),
    "GetAttachment": (25, 121),
    "FolderSync": (25, 161),
    "FolderCreate": (25, 161),
    "FolderDelete": (25, 161),
    "FolderUpdate": (25, 161),
    "MoveItems": (25, 161),
    "GetItemEstimate": (25, 161),
    "MeetingResponse": (25, 161),
    "Search": (25, 161),
    "Settings": (120, 161),
    "Ping": (25, 161),
    "ItemOperations": (120, 161),
    "Provision": (25, 161),
    "ResolveRecipients": (25, 161),
    "ValidateCert": (25, 161),
    "Find": (161, 161),
    "GetHierarchy": (25, 121),
}
"""Command served by the mock -> first and last version that has it (MS-ASCMD 2.2.1, MS-ASHTTP 2.2.1.1.1.1.2)."""


def number(version: str) -> int | None:
    """``"14.1"`` -> 141; None for what is no known version."""
    return int(version.replace(".", "")) if version in VERSIONS else None


def commands(offered: tuple[str, ...]) -> list[str]:
    """The commands of a server that offers these versions, for MS-ASProtocolCommands."""
    numbers = [value for value in map(number, offered) if value is not None]
    return [
        name
        for name in _ALL
        if name in COMMAND_VERSIONS
        and any(COMMAND_VERSIONS[name][0] <= value <= COMMAND_VERSIONS[name][1] for value in numbers)
    ]


@cache
def tag_valid(tag: str, version: int) -> bool:
    """Whether a protocol version knows a tag (the versions column of the code pages)."""
    row = TAG_VERSIONS.get(tag)
    if row is None or row == "unused":
        return False
    if row.endswith("+"):
        return version >= _value(row[:-1])
    first, _, last = row.partition("-")
    return _value(first) <= version <= _value(last or first)


def _value(text: str) -> int:
    return int(text.replace(".", ""))
