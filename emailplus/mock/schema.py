"""What a request does against the schema: rules that hold at run time, without the published XSD files.

`RULES` reads like the request schemas (MS-ASCMD 6): one row an element, its children with ``?`` (at most one), ``*``
(any number), ``+`` (one or more) or nothing (exactly one). ``seq`` rows are ordered, ``all`` rows are not, ``one``
rows hold any mixture of what they name (once with ``?``), ``text`` rows the same or a text. ``@121`` is the rule up to
that version. Children without a namespace have their parent's.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

from ..eas.wbxml import TEXT, Content, Node
from .tree import integer
from .versions import tag_valid

_ITEM_NAMESPACES = frozenset({"Email", "Email2", "AirSyncBase", "Calendar", "Contacts", "Contacts2", "Tasks", "Notes"})

RULES: dict[str, str] = {
    # Sync; Class first is the form of 2.5 to 12.1 (MS-ASCMD_R6319), the rest the order of MS-ASCMD_R976.
    "AirSync:Sync": "seq Collections? Wait? HeartbeatInterval? WindowSize? Partial?",
    "AirSync:Collections": "seq Collection+",
    "AirSync:Collection": "seq Class? SyncKey CollectionId Supported? DeletesAsMoves? GetChanges? WindowSize? "
    "ConversationMode? Options* Commands?",
    "AirSync:Options": "one FilterType? Truncation? RTFTruncation? Class AirSyncBase:BodyPreference "
    "AirSyncBase:BodyPartPreference Conflict? MIMESupport? MIMETruncation? MaxItems? "
    "RightsManagement:RightsManagementSupport?",
    "AirSync:Commands": "one Change Delete Add Fetch",
    "AirSync:Change": "seq ServerId AirSyncBase:InstanceId? ApplicationData? Email2:Send?",
    "AirSync:Delete": "seq ServerId AirSyncBase:InstanceId?",
    "AirSync:Add": "seq Class? ClientId ApplicationData Email2:Send?",
    "AirSync:Fetch": "seq ServerId",
    "AirSyncBase:BodyPreference": "seq Type TruncationSize? AllOrNone? Preview?",
    "AirSyncBase:BodyPartPreference": "seq Type TruncationSize? AllOrNone? Preview?",
    # folders
    "FolderHierarchy:FolderSync": "seq SyncKey",
    "FolderHierarchy:FolderCreate": "seq SyncKey ParentId DisplayName Type",
    "FolderHierarchy:FolderUpdate": "seq SyncKey ServerId ParentId DisplayName",
    "FolderHierarchy:FolderDelete": "seq SyncKey ServerId",
    # GetItemEstimate; up to 12.1 in the order of that time: Class, CollectionId, FilterType, SyncKey
    "GetItemEstimate:GetItemEstimate": "seq Collections",
    "GetItemEstimate:Collections": "seq Collection+",
    "GetItemEstimate:Collection": "seq AirSync:SyncKey CollectionId AirSync:FilterType? AirSync:Options* "
    "AirSync:ConversationMode?",
    "GetItemEstimate:Collection@121": "all Class? CollectionId AirSync:FilterType? AirSync:SyncKey AirSync:Options*",
    # fetching
    "ItemOperations:ItemOperations": "one EmptyFolderContents Fetch Move",
    "ItemOperations:Fetch": "all Store AirSync:ServerId? AirSync:CollectionId? DocumentLibrary:LinkId? "
    "Search:LongId? AirSyncBase:FileReference? Options? RightsManagement:RemoveRightsManagementProtection?",
    "ItemOperations:Options": "one Schema? Range? UserName? Password? AirSync:MIMESupport? AirSyncBase:BodyPreference "
    "AirSyncBase:BodyPartPreference RightsManagement:RightsManagementSupport? DeleteSubFolders? MoveAlways?",
    "ItemOperations:EmptyFolderContents": "all AirSync:CollectionId Options?",
    "ItemOperations:Move": "all ConversationId DstFldId Options?",
    # sending
    "ComposeMail:SendMail": "all ClientId AccountId? SaveInSentItems? Mime RightsManagement:TemplateID?",
    "ComposeMail:SmartReply": "all ClientId Source AccountId? SaveInSentItems? ReplaceMime? Mime "
    "RightsManagement:TemplateID?",
    "ComposeMail:SmartForward": "all ClientId Source AccountId? SaveInSentItems? ReplaceMime? Mime? "
    "RightsManagement:TemplateID? AirSyncBase:Body? Forwardees?",
    "ComposeMail:SmartForward@141": "all ClientId Source AccountId? SaveInSentItems? ReplaceMime? Mime "
    "RightsManagement:TemplateID?",
    "ComposeMail:Forwardees": "seq Forwardee+",
    "ComposeMail:Forwardee": "all Email Name?",
    "ComposeMail:Source": "all FolderId? ItemId? LongId? InstanceId?",
    # the rest
    "MeetingResponse:MeetingResponse": "seq Request+",
    "MeetingResponse:SendResponse": "all AirSyncBase:Body? ProposedStartTime? ProposedEndTime?",
    "MeetingResponse:Request": "all UserResponse CollectionId? RequestId? Search:LongId? InstanceId? SendResponse?",
    "Move:MoveItems": "seq Move+",
    "Move:Move": "seq SrcMsgId SrcFldId DstFldId",
    "Ping:Ping": "all HeartbeatInterval? Folders?",
    "Ping:Folders": "seq Folder+",
    "Ping:Folder": "all Id Class",
    "Provision:Provision": "seq Settings:DeviceInformation? Policies? RemoteWipe? AccountOnlyRemoteWipe?",
    "Provision:Policies": "seq Policy",
    "Provision:Policy": "seq PolicyType PolicyKey? Status?",
    "Provision:RemoteWipe": "seq Status",
    "Provision:AccountOnlyRemoteWipe": "seq Status",
    "Search:Search": "seq Store",
    "Search:Store": "all Name Query Options?",
    "Search:Options": "one AirSync:MIMESupport? AirSyncBase:BodyPreference AirSyncBase:BodyPartPreference "
    "RightsManagement:RightsManagementSupport? Range? UserName? Password? DeepTraversal? RebuildResults? Picture?",
    "Search:Query": "text And? Or? EqualTo? FreeText? AirSync:Class AirSync:CollectionId ConversationId? GreaterThan? "
    "LessThan?",
    "Search:And": "one FreeText? AirSync:Class AirSync:CollectionId ConversationId? GreaterThan? LessThan? EqualTo? "
    "And? Or?",
    "Search:Picture": "all MaxSize? MaxPictures?",
    "Search:EqualTo": "seq DocumentLibrary:LinkId Value",
    "Search:GreaterThan": "seq Email:DateReceived Value",
    "Search:LessThan": "seq Email:DateReceived Value",
    "Find:Find": "seq SearchId ExecuteSearch",
    "Find:MailBoxSearchCriterion": "all Query Options?",
    "Find:GALSearchCriterion": "all Query Options?",
    "Find:MailBoxSearchCriterion/Options": "all Range? DeepTraversal? Picture?",
    "Find:GALSearchCriterion/Options": "all Range? Picture?",
    "Find:ExecuteSearch": "one MailBoxSearchCriterion? GALSearchCriterion?",
    "Find:MailBoxSearchCriterion/Query": "all FreeText AirSync:Class? AirSync:CollectionId?",
    "Find:Picture": "all MaxSize? MaxPictures?",
    "ResolveRecipients:ResolveRecipients": "one To+ Options?",
    "ResolveRecipients:Options": "all CertificateRetrieval? MaxCertificates? MaxAmbiguousRecipients? Availability? "
    "Picture?",
    "ResolveRecipients:Availability": "all StartTime EndTime?",
    "ResolveRecipients:Picture": "all MaxSize? MaxPictures?",
    "ValidateCert:ValidateCert": "all CertificateChain? Certificates CheckCrl?",
    "ValidateCert:CertificateChain": "seq Certificate+",
    "ValidateCert:Certificates": "seq Certificate+",
    "Settings:Settings": "all RightsManagementInformation? Oof? DevicePassword? DeviceInformation? UserInformation?",
    "Settings:DeviceInformation": "all Set",
    "Settings:DeviceInformation/Set": "all Model? IMEI? FriendlyName? OS? OSLanguage? PhoneNumber? UserAgent? "
    "EnableOutboundSMS? MobileOperator?",
    "Settings:UserInformation": "all Get",
    "Settings:RightsManagementInformation": "all Get",
    "Settings:Oof": "all Get? Set?",
    "Settings:Oof/Get": "seq BodyType",
    "Settings:Oof/Set": "seq OofState? StartTime? EndTime? OofMessage*",
    "Settings:OofMessage": "all AppliesToInternal? AppliesToExternalKnown? AppliesToExternalUnknown? Enabled? "
    "ReplyMessage? BodyType?",
    "Settings:DevicePassword/Set": "seq Password",
    "Settings:DevicePassword": "all Set",
}

_BOOLEAN = re.compile(r"^(0|1|true|false)?$")
_RANGE = re.compile(r"^\d{1,9}-\d{1,9}$")

NUMBERS: dict[str, tuple[int, int]] = {
    "AirSync:WindowSize": (0, 512),
    "AirSync:FilterType": (0, 8),
    "AirSync:Conflict": (0, 1),
    "AirSync:MIMESupport": (0, 2),
    "AirSync:MIMETruncation": (0, 8),
    "AirSync:Truncation": (0, 9),
    "AirSync:Wait": (1, 59),
    "AirSync:HeartbeatInterval": (60, 3540),
    "AirSync:MaxItems": (1, 2**31 - 1),
    "AirSyncBase:Type": (0, 255),
    "AirSyncBase:TruncationSize": (0, 2**32 - 1),
    "AirSyncBase:Preview": (0, 255),
    "FolderHierarchy:Type": (0, 255),
    "Ping:HeartbeatInterval": (0, 2**31 - 1),
    "MeetingResponse:UserResponse": (1, 3),
    "ResolveRecipients:CertificateRetrieval": (1, 3),
    "ResolveRecipients:MaxCertificates": (0, 9999),
    "ResolveRecipients:MaxAmbiguousRecipients": (0, 9999),
    "ResolveRecipients:MaxSize": (0, 2**32 - 1),
    "ResolveRecipients:MaxPictures": (0, 2**32 - 1),
    "ValidateCert:CheckCrl": (0, 1),
    "Settings:OofState": (0, 2),
}
"""Elements that hold a number, with the range of the schema."""

BOOLEANS = frozenset(
    {"AirSync:GetChanges", "AirSync:DeletesAsMoves", "AirSync:ConversationMode", "AirSyncBase:AllOrNone", "Email:Read"}
)
RANGES = frozenset({"ItemOperations:Range", "Search:Range", "Find:Range"})
ENCODED = frozenset({"ValidateCert:Certificate"})  # base64 of 4 bytes at least

LENGTHS: dict[str, tuple[int, int]] = {
    "AirSync:SyncKey": (0, 64),
    "AirSync:CollectionId": (0, 64),
    "AirSync:ServerId": (0, 64),
    "AirSync:ClientId": (0, 64),
    "FolderHierarchy:SyncKey": (1, 64),
    "FolderHierarchy:ServerId": (1, 64),
    "FolderHierarchy:ParentId": (1, 64),
    "FolderHierarchy:DisplayName": (1, 256),
    "ItemOperations:Store": (1, 256),
    "ComposeMail:ClientId": (1, 40),
    "MeetingResponse:InstanceId": (24, 24),
    "Move:SrcMsgId": (1, 64),
    "Move:SrcFldId": (1, 64),
    "Move:DstFldId": (1, 64),
    "Search:Name": (1, 256),
    "Search:Value": (0, 1024),
    "Settings:Password": (0, 255),
    "ItemOperations:UserName": (0, 100),
    "ItemOperations:Password": (0, 100),
    "Search:UserName": (0, 100),
    "Search:Password": (0, 100),
    "ResolveRecipients:To": (0, 256),
}
"""Elements that hold a text of so many characters."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of `RULES`: what may stand in an element, how often, and whether in this order."""

    kind: str
    children: dict[str, tuple[int, int]]


def _read(tag: str, row: str) -> Rule:
    namespace = tag.partition(":")[0]
    kind, *names = row.split()
    children: dict[str, tuple[int, int]] = {}
    for name in names:
        mark = name[-1] if name[-1] in "?*+" else ""
        name = name.rstrip("?*+")
        full = name if ":" in name else f"{namespace}:{name}"
        many = 10**9
        counts = {"?": (0, 1), "*": (0, many), "+": (1, many), "": (1, 1)}
        children[full] = (0, many) if kind in ("one", "text") and not mark else counts[mark]
    return Rule(kind, children)


_RULES = {tag: _read(tag, row) for tag, row in RULES.items()}


def check(tree: Node, version: int) -> list[str]:
    """Everything a request's tree does against the schema of its version, as readable lines."""
    problems: list[str] = []
    stack: list[tuple[str, Node]] = [("", tree)]
    while stack:
        parent, (tag, content) = stack.pop()
        if tag == TEXT:
            continue
        if not tag_valid(tag, version):
            problems.append(f"{tag} is not in version {version / 10:.1f}")
        problems += _value(tag, content)
        if isinstance(content, list):
            stack += [(tag, node) for node in content]
        rule = _rule(parent, tag, version)
        if rule is not None:
            problems += _structure(tag, content, rule)
        elif tag == "AirSync:ApplicationData" and isinstance(content, list):
            for name, _ in content:
                if name.partition(":")[0] not in _ITEM_NAMESPACES:
                    problems.append(f"{name} cannot stand in {tag}")
    return problems


def _rule(parent: str, tag: str, version: int) -> Rule | None:
    local = tag.partition(":")[2]
    for last in (121, 141):
        old = _RULES.get(f"{tag}@{last}")
        if version <= last and old is not None:
            return old
    return _RULES.get(f"{parent}/{local}") or _RULES.get(tag)


def _structure(tag: str, content: Content, rule: Rule) -> list[str]:
    if isinstance(content, (str, bytes)) and content:
        if rule.kind == "text":
            return []
        return [f"{tag} holds text, not elements"]
    nodes = content if isinstance(content, list) else []
    order = list(rule.children)
    counts = dict.fromkeys(order, 0)
    problems = []
    last = 0
    for name, _ in nodes:
        if name not in counts:
            problems.append(f"{name} cannot stand in {tag}")
            continue
        counts[name] += 1
        if rule.kind == "seq":
            place = order.index(name)
            if place < last:
                problems.append(f"{name} stands too late in {tag}")
            last = max(last, place)
    for name, (least, most) in rule.children.items():
        if counts[name] < least:
            problems.append(f"{tag} lacks {name}")
        elif counts[name] > most:
            problems.append(f"{tag} has {counts[name]} {name}")
    if rule.kind == "one" and not nodes:
        problems.append(f"{tag} is empty")
    return problems


def _value(tag: str, content: Content) -> list[str]:
    if isinstance(content, list):
        return []
    text = content.decode("utf-8", "replace") if isinstance(content, bytes) else content or ""
    limits = NUMBERS.get(tag)
    if limits is not None and not limits[0] <= (-1 if (number := integer(text)) is None else number) <= limits[1]:
        return [f"{tag} is {text[:40]!r}, not a number from {limits[0]} to {limits[1]}"]
    if tag in BOOLEANS and not _BOOLEAN.match(text.strip()):
        return [f"{tag} is {text[:40]!r}, not a boolean"]
    if tag in RANGES and not _RANGE.match(text):
        return [f"{tag} is {text[:40]!r}, not m-n"]
    if tag in ENCODED and not _is_base64(text):
        return [f"{tag} is {text[:40]!r}, not base64 of at least 4 bytes"]
    sizes = LENGTHS.get(tag)
    if sizes is not None and not sizes[0] <= len(text) <= sizes[1]:
        return [f"{tag} has {len(text)} characters, not {sizes[0]} to {sizes[1]}"]
    return []


def _is_base64(text: str) -> bool:
    try:
        return len(base64.b64decode("".join(text.split()), validate=True)) >= 4
    except (binascii.Error, ValueError):
        return False
