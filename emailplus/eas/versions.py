"""What differs between the protocol versions, one row a version."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import NoCommonVersion


@dataclass(frozen=True, slots=True)
class Version:
    """Traits of one protocol version. Sources: MS-ASCMD, MS-ASPROV, MS-ASHTTP, MS-ASAIRS, per trait below."""

    name: str
    code: int
    """First byte of a base64 query (MS-ASHTTP 2.2.1.1.1.1)."""
    airsyncbase: bool
    """Bodies and attachments in the AirSyncBase namespace; else Email:Body and Email:Attachments (2.5)."""
    item_operations: bool
    """ItemOperations exists (12.0); else Sync Fetch and GetAttachment."""
    base64_query: bool
    """Base64 query lines exist (12.1)."""
    class_in_collection: bool
    """Class stands in Collection up to 12.1, in Options from 14.0 on (MS-ASCMD_R6319, R6291)."""
    conversations: bool
    """ConversationMode and the Email2 properties (14.0)."""
    device_information: str
    """"settings": by a Settings command; "provision": inside the first Provision (14.1); "": unknown (2.5)."""
    policy_type: str
    """PolicyType of Provision (MS-ASPROV 2.2.2.43)."""
    cookies: bool
    """Cookies must be returned (MS-ASHTTP 2.2.1.1.2, from 16.0)."""

    @property
    def rights(self) -> bool:
        """Whether rights management exists: from 14.1 on (MS-ASRM 2.2.2)."""
        return self.code >= 141

    @property
    def drafts(self) -> bool:
        """Whether the Drafts folder is synchronised: from 16.0 on (MS-ASCMD_R5916)."""
        return self.code >= 160


_WBXML_POLICY = "MS-EAS-Provisioning-WBXML"
_WAP_POLICY = "MS-WAP-Provisioning-XML"

VERSIONS: dict[str, Version] = {
    row.name: row
    for row in (
        # name, code, airsyncbase, item_operations, base64, class in collection, conversations, device info, policy
        Version("16.1", 161, True, True, True, False, True, "provision", _WBXML_POLICY, True),
        Version("16.0", 160, True, True, True, False, True, "provision", _WBXML_POLICY, True),
        Version("14.1", 141, True, True, True, False, True, "provision", _WBXML_POLICY, False),
        Version("14.0", 140, True, True, True, False, True, "settings", _WBXML_POLICY, False),
        Version("12.1", 121, True, True, True, True, False, "settings", _WBXML_POLICY, False),
        Version("12.0", 120, True, True, False, True, False, "settings", _WBXML_POLICY, False),
        Version("2.5", 25, False, False, False, True, False, "", _WAP_POLICY, False),
    )
}
"""Every version we speak, best first."""


def negotiate(offered: str, wanted: str | None = None) -> Version:
    """The best version in both a MS-ASProtocolVersions header and our table; `wanted` pins one.

    Raises `NoCommonVersion`.
    """
    names = [name.strip() for name in offered.split(",") if name.strip()]
    for version in VERSIONS.values():
        if version.name in names and wanted in (None, version.name):
            return version
    speak = wanted or ", ".join(VERSIONS)
    raise NoCommonVersion(f"the server offers ActiveSync {', '.join(names) or '(none)'}; this client wants {speak}")
