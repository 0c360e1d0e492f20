"""The query line of a request, plain or base64 (MS-ASHTTP 2.2.1.1.1)."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote

COMMAND_CODES = {
    0: "Sync", 1: "SendMail", 2: "SmartForward", 3: "SmartReply", 4: "GetAttachment", 9: "FolderSync",
    10: "FolderCreate", 11: "FolderDelete", 12: "FolderUpdate", 13: "MoveItems", 14: "GetItemEstimate",
    15: "MeetingResponse", 16: "Search", 17: "Settings", 18: "Ping", 19: "ItemOperations", 20: "Provision",
    21: "ResolveRecipients", 22: "ValidateCert", 23: "Find",
}  # fmt: skip
"""Command code of a base64 query (MS-ASHTTP 2.2.1.1.1.1.2)."""

PARAMETER_TAGS = {
    0: "AttachmentName",
    1: "CollectionId",
    3: "ItemId",
    4: "LongId",
    6: "Occurrence",
    7: "Options",
    8: "User",
}

SAVE_IN_SENT, ACCEPT_MULTIPART = 0x01, 0x02


class QueryError(ValueError):
    """A query line that cannot be read."""


@dataclass(slots=True)
class Query:
    """What a query line says. `version` and `policy_key` stand here only in a base64 query."""

    form: str  # "plain" or "base64"
    command: str
    device_id: str
    device_type: str
    user: str = ""
    version: str | None = None
    policy_key: str | None = None
    locale: int | None = None
    parameters: dict[str, str] = field(default_factory=dict)
    options: int = 0


def parse_query(text: str) -> Query:
    """Read a query line of either form. Raises `QueryError`."""
    if "=" in text.rstrip("=") or "&" in text:
        return _plain(text)
    return _base64(text)


def _plain(text: str) -> Query:
    values = {name.lower(): value for name, value in parse_qsl(text, keep_blank_values=True)}
    options = SAVE_IN_SENT if values.get("saveinsent", "").upper() == "T" else 0
    names = ("AttachmentName", "CollectionId", "ItemId", "LongId", "Occurrence")
    return Query(
        form="plain",
        command=values.get("cmd", ""),
        device_id=values.get("deviceid", ""),
        device_type=values.get("devicetype", ""),
        user=values.get("user", ""),
        parameters={name: values[name.lower()] for name in names if name.lower() in values},
        options=options,
    )


def _base64(text: str) -> Query:
    try:
        data = base64.b64decode(unquote(text), validate=True)
    except (binascii.Error, ValueError) as error:
        raise QueryError("the query is neither name=value pairs nor base64") from error
    try:
        version, code = data[0], data[1]
        locale = int.from_bytes(data[2:4], "little")
        device, position = _field(data, 4)
        policy, position = _field(data, position)
        device_type, position = _field(data, position)
        parameters: dict[str, str] = {}
        options = 0
        user = ""
        while position < len(data):
            tag = data[position]
            value, position = _field(data, position + 1)
            name = PARAMETER_TAGS.get(tag)
            if name == "Options":
                options = value[0] if value else 0
            elif name == "User":
                user = value.decode("utf-8", "replace")
            elif name is not None:
                parameters[name] = value.decode("utf-8", "replace")
    except IndexError as error:
        raise QueryError("the base64 query ends too early") from error
    if code not in COMMAND_CODES:
        raise QueryError(f"unknown command code {code}")
    if len(policy) not in (0, 4):
        raise QueryError(f"a policy key of {len(policy)} bytes")
    return Query(
        form="base64",
        command=COMMAND_CODES[code],
        device_id=_device_id(device),
        device_type=device_type.decode("utf-8", "replace"),
        user=user,
        version=f"{version // 10}.{version % 10}",
        policy_key=str(int.from_bytes(policy, "little")) if policy else None,
        locale=locale,
        parameters=parameters,
        options=options,
    )


def _field(data: bytes, position: int) -> tuple[bytes, int]:
    """A length byte and as many bytes. Raises `IndexError` when the data ends first."""
    end = position + 1 + data[position]
    if end > len(data):
        raise IndexError
    return data[position + 1 : end], end


def _device_id(raw: bytes) -> str:
    """Printable bytes are the id itself; a GUID's bytes are written as hex digits."""
    text = raw.decode("ascii", "replace")
    return text if text.isprintable() and "\ufffd" not in text else raw.hex()
