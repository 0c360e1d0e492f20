"""Status values of ActiveSync and what a client does about each (MS-ASCMD 2.2.2 and 2.2.3.177)."""

from __future__ import annotations

from ..errors import (
    AuthenticationFailed,
    CommandFailed,
    DeviceBlocked,
    EmailplusError,
    FolderHierarchyChanged,
    InvalidSyncKey,
    MailboxFull,
    ProtectionRefused,
    ProvisioningRequired,
    RightsManagementFailed,
    RightsManagementOff,
    RightsServiceBusy,
    RightsServiceFailed,
    ServerBusy,
    UnknownTemplate,
)

OK = 1

COMMON: dict[int, tuple[str, str]] = {
    101: ("InvalidContent", "fix_request"),
    102: ("InvalidWBXML", "fix_request"),
    103: ("InvalidXML", "fix_request"),
    104: ("InvalidDateTime", "fix_request"),
    105: ("InvalidCombinationOfIDs", "fix_request"),
    106: ("InvalidIDs", "fix_request"),
    107: ("InvalidMIME", "fix_request"),
    108: ("DeviceIdMissingOrInvalid", "fix_request"),
    109: ("DeviceTypeMissingOrInvalid", "fix_request"),
    110: ("ServerError", "stop"),
    111: ("ServerErrorRetryLater", "retry_later"),
    112: ("ActiveDirectoryAccessDenied", "stop"),
    113: ("MailboxQuotaExceeded", "prompt_user"),
    114: ("MailboxServerOffline", "retry_later"),
    115: ("SendQuotaExceeded", "prompt_user"),
    116: ("MessageRecipientUnresolved", "prompt_user"),
    117: ("MessageReplyNotAllowed", "prompt_user"),
    118: ("MessagePreviouslySent", "ok"),
    119: ("MessageHasNoRecipient", "prompt_user"),
    120: ("MailSubmissionFailed", "retry_later"),
    121: ("MessageReplyFailed", "retry_later"),
    122: ("AttachmentIsTooLarge", "prompt_user"),
    123: ("UserHasNoMailbox", "stop"),
    124: ("UserCannotBeAnonymous", "reauth"),
    125: ("UserPrincipalCouldNotBeFound", "reauth"),
    126: ("UserDisabledForSync", "stop"),
    127: ("UserOnNewMailboxCannotSync", "stop"),
    128: ("UserOnLegacyMailboxCannotSync", "stop"),
    129: ("DeviceIsBlockedForThisUser", "stop"),
    130: ("AccessDenied", "stop"),
    131: ("AccountDisabled", "stop"),
    132: ("SyncStateNotFound", "full_resync"),
    133: ("SyncStateLocked", "retry_later"),
    134: ("SyncStateCorrupt", "full_resync"),
    135: ("SyncStateAlreadyExists", "retry_later"),
    136: ("SyncStateVersionInvalid", "full_resync"),
    137: ("CommandNotSupported", "stop"),
    138: ("VersionNotSupported", "renegotiate"),
    139: ("DeviceNotFullyProvisionable", "stop"),
    140: ("RemoteWipeRequested", "wipe"),
    141: ("LegacyDeviceOnStrictPolicy", "provision"),
    142: ("DeviceNotProvisioned", "provision"),
    143: ("PolicyRefresh", "provision"),
    144: ("InvalidPolicyKey", "provision"),
    145: ("ExternallyManagedDevicesNotAllowed", "provision"),
    146: ("NoRecurrenceInCalendar", "fix_request"),
    147: ("UnexpectedItemClass", "fix_request"),
    148: ("RemoteServerHasNoSSL", "stop"),
    149: ("InvalidStoredRequest", "resend_full"),
    150: ("ItemNotFound", "fallback"),
    151: ("TooManyFolders", "prompt_user"),
    152: ("NoFoldersFound", "retry_later"),
    153: ("ItemsLostAfterMove", "foldersync"),
    154: ("FailureInMoveOperation", "retry_later"),
    155: ("MoveCommandDisallowedForNonPersistentMoveAction", "fix_request"),
    156: ("MoveCommandInvalidDestinationFolder", "fix_request"),
    160: ("AvailabilityTooManyRecipients", "fix_request"),
    161: ("AvailabilityDLLimitReached", "fix_request"),
    162: ("AvailabilityTransientFailure", "retry_later"),
    163: ("AvailabilityFailure", "stop"),
    164: ("BodyPartPreferenceTypeNotSupported", "fix_request"),
    165: ("DeviceInformationRequired", "provision"),
    166: ("InvalidAccountId", "fix_request"),
    167: ("AccountSendDisabled", "prompt_user"),
    168: ("IRM_FeatureDisabled", "fallback"),
    169: ("IRM_TransientError", "retry_later"),
    170: ("IRM_PermanentError", "stop"),
    171: ("IRM_InvalidTemplateID", "fix_request"),
    172: ("IRM_OperationNotPermitted", "stop"),
    173: ("NoPicture", "ok"),
    174: ("PictureTooLarge", "ok"),
    175: ("PictureLimitReached", "ok"),
    176: ("BodyPart_ConversationTooLarge", "fallback"),
    177: ("MaximumDevicesReached", "prompt_user"),
    178: ("InvalidMimeBodyCombination", "fix_request"),
    179: ("InvalidSmartForwardParameters", "fix_request"),
    183: ("InvalidRecipients", "prompt_user"),
    184: ("OneOrMoreExceptionsFailed", "partial"),
}
"""Status values that any command may answer with from 14.0 on: code -> (name, action)."""

BY_COMMAND: dict[str, dict[int, tuple[str, str]]] = {
    "Autodiscover": {
        2: ("ProtocolError", "fix_request"),
        600: ("InvalidRequest", "fix_request"),
        601: ("NoProvider", "fix_request"),
    },
    "FolderSync": {
        6: ("ServerError", "retry_later"),
        9: ("InvalidFolderSyncKey", "full_resync"),
        10: ("IncorrectRequestFormat", "fix_request"),
        11: ("UnknownError", "retry_later"),
        12: ("CodeUnknown", "stop"),
    },
    "FolderCreate": {
        2: ("FolderExists", "prompt_user"),
        3: ("SpecialParentFolder", "fix_request"),
        5: ("ParentNotFound", "foldersync"),
        6: ("ServerError", "retry_later"),
        9: ("InvalidFolderSyncKey", "full_resync"),
        10: ("MalformedRequest", "fix_request"),
        11: ("UnknownError", "stop"),
        12: ("CodeUnknown", "stop"),
    },
    "FolderUpdate": {
        2: ("FolderExistsOrSpecial", "prompt_user"),
        3: ("RecipientInformationFolder", "fix_request"),
        4: ("FolderNotFound", "foldersync"),
        5: ("ParentNotFound", "foldersync"),
        6: ("ServerError", "retry_later"),
        9: ("InvalidFolderSyncKey", "full_resync"),
        10: ("MalformedRequest", "fix_request"),
        11: ("UnknownError", "stop"),
    },
    "FolderDelete": {
        3: ("SpecialFolder", "fix_request"),
        4: ("FolderNotFound", "foldersync"),
        6: ("ServerError", "retry_later"),
        9: ("InvalidFolderSyncKey", "full_resync"),
        10: ("MalformedRequest", "fix_request"),
        11: ("UnknownError", "stop"),
    },
    "Sync": {
        3: ("InvalidSyncKey", "full_resync"),
        4: ("ProtocolError", "fix_request"),
        5: ("ServerError", "retry_later"),
        6: ("ConversionError", "stop_item"),
        7: ("Conflict", "ok"),
        8: ("ObjectNotFound", "resync_item"),
        9: ("CannotCompleteMailboxMaybeFull", "prompt_user"),
        12: ("FolderHierarchyChanged", "foldersync"),
        13: ("RequestIncomplete", "resend_full"),
        14: ("InvalidWait", "adjust"),
        15: ("TooManyCollections", "adjust"),
        16: ("Retry", "retry_later"),
    },
    "GetItemEstimate": {
        2: ("InvalidCollection", "foldersync"),
        3: ("NotPrimed", "prime"),
        4: ("InvalidSyncKey", "full_resync"),
    },
    "ItemOperations": {
        2: ("ProtocolError", "fix_request"),
        3: ("ServerError", "retry_later"),
        4: ("DocumentLinkInvalid", "fix_request"),
        5: ("DocumentAccessDenied", "reauth"),
        6: ("ObjectNotFound", "stop_item"),
        7: ("DocumentServerUnreachable", "retry_later"),
        8: ("InvalidByteRange", "fix_request"),
        9: ("UnknownStore", "fix_request"),
        10: ("FileEmpty", "ok"),
        11: ("DataTooLarge", "stop_item"),
        12: ("DownloadFailed", "retry_later"),
        14: ("ConversionFailed", "stop_item"),
        15: ("InvalidAttachment", "stop_item"),
        16: ("AccessDenied", "stop_item"),
        17: ("PartialSuccess", "partial"),
        18: ("CredentialsRequired", "reauth"),
        155: ("MoveAlwaysMissing", "fix_request"),
        156: ("DestinationIsNoMailFolder", "fix_request"),
    },
    "MeetingResponse": {
        2: ("InvalidMeetingRequest", "stop_item"),
        3: ("MailboxError", "retry_later"),
        4: ("ServerError", "retry_later"),
    },
    "MoveItems": {
        1: ("InvalidSource", "resync_item"),
        2: ("InvalidDestination", "foldersync"),
        3: ("Success", "ok"),
        4: ("SourceIsDestination", "fix_request"),
        5: ("MoveFailed", "retry_later"),
        7: ("Locked", "retry_later"),
    },
    "Ping": {
        1: ("HeartbeatExpired", "ok"),
        2: ("Changes", "ok"),
        3: ("ParametersMissing", "resend_full"),
        4: ("SyntaxError", "fix_request"),
        5: ("HeartbeatOutsideLimits", "adjust"),
        6: ("TooManyFolders", "adjust"),
        7: ("FolderHierarchyChanged", "foldersync"),
        8: ("ServerError", "retry_later"),
    },
    "Provision": {
        2: ("ProtocolError", "fix_request"),
        3: ("ServerError", "retry_later"),
    },
    "Provision/Policy": {
        2: ("NoPolicy", "ok"),
        3: ("UnknownPolicyType", "fix_request"),
        4: ("PolicyCorrupt", "stop"),
        5: ("PolicyKeyMismatch", "provision"),
    },
    "ResolveRecipients": {
        5: ("ProtocolError", "fix_request"),
        6: ("ServerError", "retry_later"),
    },
    "ResolveRecipients/Response": {
        2: ("Ambiguous", "prompt_user"),
        3: ("AmbiguousPartialList", "prompt_user"),
        4: ("NotResolved", "prompt_user"),
    },
    "ResolveRecipients/Certificates": {
        7: ("NoValidCertificate", "prompt_user"),
        8: ("CertificateLimitReached", "adjust"),
    },
    "Search": {
        3: ("ServerError", "retry_later"),
    },
    "Search/Store": {
        2: ("InvalidRequest", "fix_request"),
        3: ("ServerError", "retry_later"),
        4: ("BadLink", "prompt_user"),
        5: ("AccessDenied", "prompt_user"),
        6: ("NotFound", "prompt_user"),
        7: ("ConnectionFailed", "retry_later"),
        8: ("QueryTooComplex", "fix_request"),
        10: ("TimedOut", "retry_later"),
        11: ("FolderSyncRequired", "foldersync"),
        12: ("EndOfRetrievableRange", "ok"),
        13: ("AccessBlocked", "stop"),
        14: ("CredentialsRequired", "reauth"),
    },
    "Find": {
        2: ("InvalidParameters", "fix_request"),
        3: ("FolderHierarchyChanged", "foldersync"),
        4: ("RangeMustStartAtZero", "fix_request"),
    },
    "Settings": {
        2: ("ProtocolError", "fix_request"),
        3: ("AccessDenied", "stop"),
        4: ("ServerUnavailable", "retry_later"),
        5: ("InvalidArguments", "fix_request"),
        6: ("ConflictingArguments", "fix_request"),
        7: ("DeniedByPolicy", "stop"),
    },
    "ValidateCert": {
        2: ("ProtocolError", "fix_request"),
        3: ("InvalidSignature", "untrusted"),
        4: ("UntrustedIssuer", "untrusted"),
        5: ("MalformedChain", "untrusted"),
        6: ("NotForSigningMail", "untrusted"),
        7: ("ExpiredOrNotYetValid", "untrusted"),
        8: ("InconsistentValidityPeriods", "untrusted"),
        9: ("UsedWronglyInChain", "untrusted"),
        10: ("InformationMissing", "untrusted"),
        11: ("EndEntityAsAuthority", "untrusted"),
        12: ("AddressMismatch", "untrusted"),
        13: ("Revoked", "untrusted"),
        14: ("RevocationServerOffline", "retry_later"),
        15: ("AuthorityRevoked", "untrusted"),
        16: ("RevocationUnknown", "untrusted"),
        17: ("UnknownServerError", "retry_later"),
    },
}
"""Status values with a meaning of their own in one command, or in one element of its answer (``Search/Store``)."""

ADVICE: dict[str, str] = {
    "retry_later": "try again later",
    "full_resync": "the collection is synchronised again from the start",
    "foldersync": "the folder list is read again",
    "resend_full": "the request is sent again in full",
    "adjust": "the request is sent again with other bounds",
    "provision": "the server's policy must be applied first",
    "wipe": "the server wants this device wiped",
    "reauth": "check user name and password",
    "renegotiate": "another protocol version is needed",
    "prompt_user": "this needs a decision of the user or administrator",
    "fix_request": "the server calls the request wrong; please report it with the traffic log",
    "stop": "ask the administrator of the mail server",
    "untrusted": "the certificate cannot be relied on",
}

_RIGHTS: dict[int, type[RightsManagementFailed]] = {
    168: RightsManagementOff,
    170: RightsServiceFailed,
    171: UnknownTemplate,
    172: ProtectionRefused,
}
"""MS-ASCMD 2.2.2, IRM_FeatureDisabled to IRM_OperationNotPermitted."""

_RIGHTS_ADVICE: dict[int, str] = {
    168: "rights management is off on the server, or for this device; ask the administrator, or leave the template out",
    169: "the server's rights management is not available at present; try again in a few minutes",
    170: "the server's rights management fails, and will again; ask the administrator",
    171: "the server does not offer that template any more; choose another one",
    172: "the licence of the message does not permit it",
}
"""MS-ASRM_R196 to R201."""

_BLOCKED = frozenset({126, 127, 128, 129, 130, 131, 139, 177})


def describe(command: str, status: int) -> tuple[str, str]:
    """Name and action of a status: the command's own table first, then the common one."""
    own = BY_COMMAND.get(command, {}).get(status)
    return own or COMMON.get(status, ("Unknown", "stop"))


def advice(action: str) -> str:
    """What an action means, in words."""
    return ADVICE.get(action, "ask the administrator")


def error(command: str, status: int, limit: int | None = None) -> EmailplusError:
    """The error that a status other than success stands for; `limit` is the bound that came with it."""
    name, action = describe(command, status)
    text = f"{command} ended with status {status} ({name}): {_RIGHTS_ADVICE.get(status) or advice(action)}"
    if action == "provision":
        return ProvisioningRequired(text)
    if status in _BLOCKED:
        return DeviceBlocked(text)
    if action == "reauth":
        return AuthenticationFailed(text)
    if status == 169:
        return RightsServiceBusy(text, status=status)
    if status in _RIGHTS:
        return _RIGHTS[status](text, command=command, status=status, action=action)
    if action == "retry_later":
        return ServerBusy(text)
    if status == 113:
        return MailboxFull(text)
    if action == "full_resync":
        return InvalidSyncKey(text, command=command, status=status, action=action)
    if action == "foldersync":
        return FolderHierarchyChanged(text, command=command, status=status, action=action)
    return CommandFailed(text, command=command, status=status, action=action, limit=limit)
