"""The security policy a mock server hands out (MS-ASPROV 2.2.2.28 EASProvisionDoc, 2.2.2.24.2 WAP XML)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape

from ..eas.wbxml import Node
from .versions import tag_valid

DOCUMENT_ORDER = (
    "DevicePasswordEnabled", "AlphanumericDevicePasswordRequired", "PasswordRecoveryEnabled",
    "RequireStorageCardEncryption", "AttachmentsEnabled", "MinDevicePasswordLength", "MaxInactivityTimeDeviceLock",
    "MaxDevicePasswordFailedAttempts", "MaxAttachmentSize", "AllowSimpleDevicePassword", "DevicePasswordExpiration",
    "DevicePasswordHistory", "AllowStorageCard", "AllowCamera", "RequireDeviceEncryption",
    "AllowUnsignedApplications", "AllowUnsignedInstallationPackages", "MinDevicePasswordComplexCharacters",
    "AllowWiFi", "AllowTextMessaging", "AllowPOPIMAPEmail", "AllowBluetooth", "AllowIrDA",
    "RequireManualSyncWhenRoaming", "AllowDesktopSync", "MaxCalendarAgeFilter", "AllowHTMLEmail",
    "MaxEmailAgeFilter", "MaxEmailBodyTruncationSize", "MaxEmailHTMLBodyTruncationSize",
    "RequireSignedSMIMEMessages", "RequireEncryptedSMIMEMessages", "RequireSignedSMIMEAlgorithm",
    "RequireEncryptionSMIMEAlgorithm", "AllowSMIMEEncryptionAlgorithmNegotiation", "AllowSMIMESoftCerts",
    "AllowBrowser", "AllowConsumerEmail", "AllowRemoteDesktop", "AllowInternetSharing",
    "UnapprovedInROMApplicationList", "ApprovedApplicationList",
)  # fmt: skip
"""Children of EASProvisionDoc in their order."""

DEFAULT_SETTINGS: dict[str, str] = {
    "DevicePasswordEnabled": "0",
    "AlphanumericDevicePasswordRequired": "0",
    "PasswordRecoveryEnabled": "0",
    "RequireStorageCardEncryption": "0",
    "AttachmentsEnabled": "1",
    "MinDevicePasswordLength": "",
    "MaxInactivityTimeDeviceLock": "",
    "MaxDevicePasswordFailedAttempts": "",
    "MaxAttachmentSize": "",
    "AllowSimpleDevicePassword": "1",
    "DevicePasswordExpiration": "",
    "DevicePasswordHistory": "0",
    "AllowStorageCard": "1",
    "AllowCamera": "1",
    "RequireDeviceEncryption": "0",
    "AllowHTMLEmail": "1",
    "MaxEmailAgeFilter": "0",
    "MaxEmailBodyTruncationSize": "-1",
    "MaxEmailHTMLBodyTruncationSize": "-1",
    "RequireSignedSMIMEMessages": "0",
    "RequireEncryptedSMIMEMessages": "0",
    "AllowSMIMESoftCerts": "1",
    "UnapprovedInROMApplicationList": "",
    "ApprovedApplicationList": "",
}
"""A policy that asks for nothing, as Exchange's default one; an empty value is sent as an empty element."""

_WAP_PARAMETERS = {
    "DevicePasswordEnabled": ("SecurityPolicy", "4131", {"0": "1", "1": "0"}),
    "MinDevicePasswordLength": ("AEPolicy", "MinimumPasswordLength", None),
    "MaxInactivityTimeDeviceLock": ("AEPolicy", "AEFrequencyValue", None),
    "MaxDevicePasswordFailedAttempts": ("AEPolicy", "DeviceWipeThreshold", None),
}


@dataclass(frozen=True)
class MockPolicy:
    """A policy in force. `settings` maps element names of EASProvisionDoc to their values as text.

    `allow_partial`: an acknowledgement with Status 2 counts; else it gets Status 139.
    `allow_external`: likewise for Status 4 (managed by a third party), else 145.
    `require_device_information`: from 14.1 on an initial Provision without it gets Status 165.
    """

    settings: Mapping[str, str] = field(default_factory=lambda: dict(DEFAULT_SETTINGS))
    allow_partial: bool = True
    allow_external: bool = False
    require_device_information: bool = True

    def document(self, version: int) -> Node:
        """EASProvisionDoc with the settings that the version knows."""
        nodes: list[Node] = []
        for name in DOCUMENT_ORDER:
            value = self.settings.get(name)
            if value is None or not tag_valid(f"Provision:{name}", version):
                continue
            if name.endswith("List"):
                entry = "Provision:Hash" if name.startswith("Approved") else "Provision:ApplicationName"
                nodes.append((f"Provision:{name}", [(entry, text) for text in value.split()] or None))
            else:
                nodes.append((f"Provision:{name}", value or None))
        return ("Provision:EASProvisionDoc", nodes)

    def wap_xml(self) -> str:
        """The same for protocol 2.5: a wap-provisioningdoc in text."""
        groups: dict[str, list[str]] = {}
        for name, value in self.settings.items():
            if name in _WAP_PARAMETERS:
                kind, parameter, mapping = _WAP_PARAMETERS[name]
                value = (mapping or {}).get(value, value)
                groups.setdefault(kind, []).append(f'<parm name="{parameter}" value="{escape(value)}"/>')
        body = "".join(
            f'<characteristic type="{kind}">{"".join(lines)}</characteristic>' for kind, lines in groups.items()
        )
        return f"<wap-provisioningdoc>{body}</wap-provisioningdoc>"
