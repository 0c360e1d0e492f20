"""The policy document of the server (MS-ASPROV 2.2.2.28), typed; how far it is kept says `policy.policy_report`."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from ..errors import MalformedResponse

MAX_WAP_DOCUMENT = 256 * 1024
"""A policy in WAP XML has a few kilobytes; more is not parsed."""


@dataclass(frozen=True, slots=True)
class ServerPolicy:
    """One attribute an element of EASProvisionDoc; None: the server did not name it, so it asks for nothing."""

    DevicePasswordEnabled: bool | None = None
    AlphanumericDevicePasswordRequired: bool | None = None
    PasswordRecoveryEnabled: bool | None = None
    RequireStorageCardEncryption: bool | None = None
    AttachmentsEnabled: bool | None = None
    MinDevicePasswordLength: int | None = None
    MaxInactivityTimeDeviceLock: int | None = None
    MaxDevicePasswordFailedAttempts: int | None = None
    MaxAttachmentSize: int | None = None
    AllowSimpleDevicePassword: bool | None = None
    DevicePasswordExpiration: int | None = None
    DevicePasswordHistory: int | None = None
    AllowStorageCard: bool | None = None
    AllowCamera: bool | None = None
    RequireDeviceEncryption: bool | None = None
    AllowUnsignedApplications: bool | None = None
    AllowUnsignedInstallationPackages: bool | None = None
    MinDevicePasswordComplexCharacters: int | None = None
    AllowWiFi: bool | None = None
    AllowTextMessaging: bool | None = None
    AllowPOPIMAPEmail: bool | None = None
    AllowBluetooth: int | None = None
    AllowIrDA: bool | None = None
    RequireManualSyncWhenRoaming: bool | None = None
    AllowDesktopSync: bool | None = None
    MaxCalendarAgeFilter: int | None = None
    AllowHTMLEmail: bool | None = None
    MaxEmailAgeFilter: int | None = None
    MaxEmailBodyTruncationSize: int | None = None
    MaxEmailHTMLBodyTruncationSize: int | None = None
    RequireSignedSMIMEMessages: bool | None = None
    RequireEncryptedSMIMEMessages: bool | None = None
    RequireSignedSMIMEAlgorithm: int | None = None
    RequireEncryptionSMIMEAlgorithm: int | None = None
    AllowSMIMEEncryptionAlgorithmNegotiation: int | None = None
    AllowSMIMESoftCerts: bool | None = None
    AllowBrowser: bool | None = None
    AllowConsumerEmail: bool | None = None
    AllowRemoteDesktop: bool | None = None
    AllowInternetSharing: bool | None = None
    UnapprovedInROMApplicationList: tuple[str, ...] = ()
    ApprovedApplicationList: tuple[str, ...] = ()
    unknown: tuple[str, ...] = field(default=())
    """Names of elements that no version of the specification has."""

    @property
    def failed_attempts(self) -> int | None:
        """How many wrong passwords are allowed; None: any number, also where no password is demanded (R254)."""
        most = self.MaxDevicePasswordFailedAttempts
        return most if self.DevicePasswordEnabled and most is not None and most > 0 else None

    def to_json(self) -> str:
        """For the store: what the server named, and nothing else."""
        return json.dumps({name: value for name, value in asdict(self).items() if value not in (None, ())})

    @classmethod
    def from_json(cls, written: str) -> ServerPolicy:
        """The inverse of `to_json`."""
        values: dict[str, Any] = json.loads(written)
        return cls(**{name: tuple(v) if isinstance(v, list) else v for name, v in values.items()})  # type: ignore[arg-type]


_KINDS: dict[str, str] = {row.name: str(row.type) for row in fields(ServerPolicy)}


def parse_document(elements: Sequence[tuple[str, str | list[str]]]) -> ServerPolicy:
    """A `ServerPolicy` from element names and texts. An empty element asks for nothing. Raises `MalformedResponse`."""
    values: dict[str, object] = {}
    unknown: list[str] = []
    for name, written in elements:
        kind = _KINDS.get(name)
        if kind is None or name == "unknown":
            unknown.append(name)
        elif kind.startswith("tuple"):
            values[name] = tuple(written) if isinstance(written, list) else ()
        elif isinstance(written, list):
            raise MalformedResponse(f"policy element {name} holds elements where a value belongs")
        elif written:
            values[name] = _value(name, kind, written)
    return ServerPolicy(**values, unknown=tuple(unknown))  # type: ignore[arg-type]


def _value(name: str, kind: str, written: str) -> bool | int:
    if kind.startswith("bool") and written.lower() in ("0", "1", "true", "false"):
        return written.lower() in ("1", "true")
    try:
        number = int(written)
    except ValueError:
        raise MalformedResponse(f"policy element {name} is not a number: {written[:20]!r}") from None
    return bool(number) if kind.startswith("bool") else number


# Parameters of the SecurityPolicy and device-lock characteristics (MS-ASPROV 2.2.2.58, 2.2.4): name, attribute.
_WAP_NUMBERS = {
    "AEFrequencyValue": "MaxInactivityTimeDeviceLock",
    "DeviceWipeThreshold": "MaxDevicePasswordFailedAttempts",
    "MinimumPasswordLength": "MinDevicePasswordLength",
}


def parse_wap_document(data: bytes) -> ServerPolicy:
    """The policy of 2.5, a wap-provisioningdoc in XML (MS-ASPROV 2.2.4). Raises `MalformedResponse`."""
    if len(data) > MAX_WAP_DOCUMENT or b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise MalformedResponse("the policy document is too large or declares entities")
    try:
        root = ElementTree.fromstring(data)
    except ElementTree.ParseError as problem:
        raise MalformedResponse(f"the policy document is not XML: {problem}") from None
    values: dict[str, bool | int] = {}
    for parameter in root.iter("parm"):
        name, value = parameter.get("name", ""), parameter.get("value", "")
        if name == "4131" and value in ("0", "1"):  # 0: a password is required
            values["DevicePasswordEnabled"] = value == "0"
        elif name in _WAP_NUMBERS and value.isdigit():
            values[_WAP_NUMBERS[name]] = int(value)
        elif name == "PasswordComplexity" and value.isdigit():
            values["AlphanumericDevicePasswordRequired"] = value == "0"
    return ServerPolicy(**values)  # type: ignore[arg-type]
