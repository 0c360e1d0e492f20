"""Every error emailplus raises, as one tree. The number is the exit code of the command line.

    EmailplusError
    ├── ConfigurationError (2)          the app config has problems: `.problems`, `.bundle`
    ├── UsageError (2)                  a call or a query that cannot be carried out as written
    │   ├── InvalidMarking              a marking that breaks its standard; `.faults` lists them all
    │   ├── ExtraMissing                an optional package is not installed; `.extra` names it
    │   ├── ConfirmationNeeded          a person has to answer first; `.question` says what
    │   ├── ReadOnlyMailbox             the mailbox was opened to be read only
    │   └── Declined                    a person answered no; nothing was done; `.question`
    ├── AuthenticationFailed (3)        the server refused the credentials; never retried with the same ones
    │   ├── PasswordRequired            no password is at hand, and none may be asked for; nothing was sent
    │   ├── PasswordRefusedBefore       the server refused this password before; it was not sent again
    │   ├── SignInRequired              a person has to sign in (again); `.claims` is what the server demands
    │   └── SignInFailed                the authority gave no token; `.error`, `.code`
    ├── ServerError (4)
    │   ├── ConnectionFailed            no answer: name, route, TLS or a cut connection
    │   │   ├── ServerUnreachable       no connection was made: nothing was sent
    │   │   ├── TlsFailed               the certificate or the handshake
    │   │   └── NetworkTimeout          nothing for `default_network_timeout` seconds
    │   ├── HttpStatusError             an HTTP status with no better name; `.status`
    │   ├── EndpointNotFound            404: no ActiveSync at this address
    │   ├── DiscoveryFailed         no server for this email address; `.trace` holds every step
    │   ├── RedirectLoop                451 without an end
    │   ├── ServerBusy                  503 or throttled; `.retry_after` seconds
    │   │   └── RightsServiceBusy       rights management is not available at present (status 169)
    │   ├── MailboxFull                 507 or status 113
    │   ├── NoCommonVersion             server and client share no protocol version
    │   ├── NotOffered              the server, or its protocol version, lacks what was asked for
    │   ├── EwsUnavailable              Exchange Web Services are off or not there; ActiveSync goes on; `.reason`
    │   ├── EwsRefused                  Exchange Web Services answer with an error; `.code` is the ResponseCode
    │   │   ├── ImpersonationDenied     the service account may not act for this mailbox
    │   │   └── SubscriptionLost        the server no longer knows a subscription or its watermark
    │   ├── ResponseTooLarge            an answer beyond the memory limit; smaller windows help
    │   └── ProtocolError               the answer breaks the protocol
    │       ├── WbxmlError              not decodable; `.offset` is the byte where it stopped
    │       ├── MalformedResponse       decodable, but an element is missing or impossible
    │       └── CommandFailed           a Status other than success; `.command`, `.status`, `.action`
    │           ├── InvalidSyncKey          start that collection again, losing nothing
    │           ├── FolderHierarchyChanged  FolderSync first
    │           ├── ItemUnavailable         the one item or attachment cannot be had
    │           ├── RightsManagementFailed  the server's rights management did not do it
    │           │   ├── RightsManagementOff     switched off, or not for this device (status 168)
    │           │   ├── RightsServiceFailed     it cannot be done (status 170)
    │           │   ├── UnknownTemplate         no such rights policy template (status 171)
    │           │   └── ProtectionRefused       the licence does not permit it (status 172)
    │           └── SendRefused             the server does not take a message; `.entry` is in the outbox
    │               ├── RecipientsRefused       a recipient is unknown or not allowed, or there is none
    │               ├── SendQuotaExceeded       the user may not send any more at present
    │               └── RightsRefused           rights management does not take it (status 168 to 172)
    ├── PolicyError (6)
    │   ├── ProvisioningRequired        the server wants its policy applied first
    │   ├── PolicyNotApplicable         the policy cannot be kept by this engine
    │   ├── DeviceBlocked               blocked or quarantined by an administrator
    │   ├── RemoteWiped                 the server ordered a wipe; it was carried out
    │   ├── PolicyDenied                a key or the app policy forbids it; `.rule` names which
    │   ├── RightsDenied                protected content; its licence does not grant this; `.right`, `.template`
    │   └── ClassificationRefused       a choice of markings is not allowed; `.refusals` says why
    │       ├── ClassificationRequired  the message needs a marking before it is sent
    │       └── ClassificationDowngrade the original message's marking may not be lowered
    ├── StoreError (5)
    │   ├── WrongStoreKey               the file is whole, the key is another one
    │   ├── StoreDamaged                the key is right, the file is not
    │   ├── StoreBusy                   another process works on this store
    │   ├── StoreTooNew                 written by a later version of emailplus
    │   └── StoreKeyMissing             no key was given, or it has the wrong shape
    ├── LimitExceeded (1)               a size limit of the app config refuses it
    │   ├── MessageTooLarge
    │   └── AttachmentTooLarge
    ├── SmimeError (1)                  a protected message cannot be opened or made as asked
    │   ├── MalformedCms                not CMS, or CMS that breaks its own rules
    │   ├── UnsupportedCms              CMS whose algorithm or form this engine does not carry out
    │   ├── SmimeLimitExceeded          nested too deep, too many elements, or too large when unwrapped
    │   ├── DecryptionFailed            the one error for every way in which decryption fails
    │   ├── NoDecryptionKey             no key of the keychain belongs to any recipient of the message
    │   ├── KeyImportFailed             a certificate or archive that cannot be imported
    │   │   └── WrongKeyPassword        the archive is whole, its password is another one
    │   ├── CertificateUnusable         expired, revoked or not made for this use; `.reasons`
    │   └── RecipientsWithoutCertificate  the mail cannot be encrypted to everyone; `.addresses`
    └── NotFound (1)                    no such message, folder or attachment in the store

Lower errors (HTTP client, SQLite) are mapped where they arise, always with ``raise ... from``. Messages say what to do
next and never carry a password, a key or mail content.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar


class EmailplusError(Exception):
    """Base of every error of emailplus."""

    exit_code: ClassVar[int] = 4


class ConfigurationError(EmailplusError):
    """The app config has problems. `problems` holds all of them, not only the first.

    `bundle` is the log bundle for the administrator (a zip archive, nothing secret in it) where
    `exit_on_configuration_error` is false, else None.
    """

    exit_code = 2

    def __init__(self, message: str, problems: Sequence[object] = (), bundle: bytes | None = None) -> None:
        super().__init__(message)
        self.problems = tuple(problems)
        self.bundle = bundle


class UsageError(EmailplusError):
    """A call or query that cannot be carried out as written."""

    exit_code = 2


class ExtraMissing(UsageError):
    """What was asked for needs an optional package. `extra` names it: ``pip install 'emailplus[EXTRA]'``."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs an extra: pip install 'emailplus[{extra}]'")
        self.extra = extra


class InvalidMarking(UsageError):
    """A protective marking that breaks its standard. `faults` holds all of them, readable."""

    def __init__(self, message: str, faults: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.faults = tuple(faults)


class ConfirmationNeeded(UsageError):
    """A person has to answer before this is done. `question` is one of `emailplus.model.questions`."""

    def __init__(self, question: object) -> None:
        super().__init__(f"nothing was done: a person has to answer first: {getattr(question, 'text', question)}")
        self.question = question


class Declined(UsageError):
    """A person answered no, so nothing was done. `question` is one of `emailplus.model.questions`."""

    def __init__(self, question: object) -> None:
        super().__init__("nothing was done: the question was answered with no")
        self.question = question


class ReadOnlyMailbox(UsageError):
    """The mailbox was opened with ``read_only=True``: nothing of it is changed or sent, here or on the server."""


class AuthenticationFailed(EmailplusError):
    """The server refused the credentials (HTTP 401). They are not sent again."""

    exit_code = 3


class PasswordRequired(AuthenticationFailed):
    """No password is at hand, and none may be asked for (`allow_prompt_password`). Nothing was sent."""


class PasswordRefusedBefore(AuthenticationFailed):
    """The server refused this very password in an earlier attempt. It was not sent again, so nothing counts it."""


class SignInRequired(AuthenticationFailed):
    """A person has to sign in (again). `claims` is what the server demands of that sign-in, JSON or ""."""

    def __init__(self, message: str, *, claims: str = "") -> None:
        super().__init__(message)
        self.claims = claims


class SignInFailed(AuthenticationFailed):
    """The authority gave no token. `error` is its error (RFC 6749 5.2), `code` its own number, such as AADSTS65001."""

    def __init__(self, message: str, *, error: str = "", code: str = "") -> None:
        super().__init__(message)
        self.error = error
        self.code = code


class ServerError(EmailplusError):
    """Anything that goes wrong between us and the server."""

    exit_code = 4


class ConnectionFailed(ServerError):
    """No complete answer: unknown name, refused, cut, or unreadable HTTP."""


class ServerUnreachable(ConnectionFailed):
    """No connection was made, so nothing was sent: unknown name, no route, or refused."""


class TlsFailed(ConnectionFailed):
    """The server's certificate is not trusted, or the handshake failed."""


class NetworkTimeout(ConnectionFailed):
    """No answer within `default_network_timeout` seconds."""


class HttpStatusError(ServerError):
    """An HTTP status (MS-ASHTTP 2.2.2.1.1) that has no better name."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class EndpointNotFound(HttpStatusError):
    """404: no ActiveSync server at this address."""


class DiscoveryFailed(ServerError):
    """Autodiscover found no server. `trace` holds every step, as `emailplus.model.discovery.Step`."""

    def __init__(self, message: str, trace: Sequence[object] = ()) -> None:
        super().__init__(message)
        self.trace = tuple(trace)


class RedirectLoop(ServerError):
    """451 redirects led back to where they came from, or never ended."""


class ServerBusy(ServerError):
    """The server is overloaded or throttles this account; try again after `retry_after` seconds."""

    def __init__(self, message: str, retry_after: float | None = None, *, status: int | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.status = status
        """The command's Status, where it was one that said so."""


class RightsServiceBusy(ServerBusy):
    """The server's rights management is not available at present (status 169); try again later."""


class MailboxFull(ServerError):
    """The mailbox is over its quota (HTTP 507, status 113)."""


class NoCommonVersion(ServerError):
    """The server offers no protocol version that this engine speaks."""


class NotOffered(ServerError):
    """The server, or the protocol version it speaks, has no such command or element."""


class EwsUnavailable(ServerError):
    """Exchange Web Services cannot be used; everything that ActiveSync does goes on without them.

    `reason`: "blocked" (403, ErrorAccessDenied: Exchange Online lets in what an administrator allowed), "retired"
    (410) or "not there" (404, a redirect, no SOAP at that address).
    """

    def __init__(self, reason: str, what: str) -> None:
        super().__init__(
            f"Exchange Web Services cannot be used: {what}. Mail, calendars and their changes come over ActiveSync all "
            "the same (`sync`, `watch`), and so do files of events from ActiveSync 16.0 on; nothing else needs it"
        )
        self.reason = reason


class EwsRefused(ServerError):
    """Exchange Web Services answer with an error. `code` is its ResponseCode (messages.xsd, ResponseCodeType)."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class ImpersonationDenied(EwsRefused):
    """The service account may not act for this mailbox: it lacks the role ApplicationImpersonation."""


class SubscriptionLost(EwsRefused):
    """The server no longer knows a subscription, or the watermark it is asked for: subscribe anew, and look what was
    missed."""


class ResponseTooLarge(ServerError):
    """An answer larger than the engine takes into memory."""


class ProtocolError(ServerError):
    """The server's answer breaks the protocol."""


class WbxmlError(ProtocolError):
    """WBXML that cannot be read or written. `offset` is the byte position where it was noticed."""

    def __init__(self, reason: str, offset: int) -> None:
        super().__init__(f"{reason} (at byte {offset})")
        self.reason = reason
        self.offset = offset


class MalformedResponse(ProtocolError):
    """Readable WBXML whose elements make no sense where they stand."""


class CommandFailed(ProtocolError):
    """A command ended with a Status other than success. `action` is the advice of the status table.

    `limit` is the bound that the server named for what it refused, where it named one.
    """

    def __init__(
        self, message: str, *, command: str, status: int, action: str = "stop", limit: int | None = None
    ) -> None:
        super().__init__(message)
        self.command = command
        self.status = status
        self.action = action
        self.limit = limit


class InvalidSyncKey(CommandFailed):
    """The server no longer knows the SyncKey; that collection starts again with a pass that removes nothing early."""


class FolderHierarchyChanged(CommandFailed):
    """Sync status 12: the folder list is out of date, FolderSync first."""


class ItemUnavailable(CommandFailed):
    """One item or attachment cannot be had; the others go on."""


class RightsManagementFailed(CommandFailed):
    """The server's rights management did not carry it out (MS-ASRM, status 168 and 170 to 172)."""


class RightsManagementOff(RightsManagementFailed):
    """Rights management is switched off on the server, or not open to this device or connection (status 168)."""


class RightsServiceFailed(RightsManagementFailed):
    """Rights management cannot do it; trying again will not help (status 170)."""


class UnknownTemplate(RightsManagementFailed):
    """The server has no rights policy template of that TemplateID (status 171)."""


class ProtectionRefused(RightsManagementFailed):
    """The licence of the message does not permit the operation (status 172)."""


class SendRefused(CommandFailed):
    """The server does not take a message. It stays in the outbox, failed; `entry` is its line there."""

    def __init__(self, message: str, *, command: str, status: int, action: str = "stop", entry: object = None) -> None:
        super().__init__(message, command=command, status=status, action=action)
        self.entry = entry


class RecipientsRefused(SendRefused):
    """A recipient is unknown or not allowed, or there is none (status 116, 119, 183)."""


class SendQuotaExceeded(SendRefused):
    """The user may not send any more at present (status 115)."""


class RightsRefused(SendRefused):
    """The server's rights management does not take the message (status 168 to 172; MS-ASRM 3.2.5.1)."""


class PolicyError(EmailplusError):
    """An administrator's rule stands in the way."""

    exit_code = 6


class ProvisioningRequired(PolicyError):
    """The server wants its policy applied first (HTTP 449, status 142 to 144)."""


class PolicyNotApplicable(PolicyError):
    """The server demands a policy that this engine cannot keep, and refuses clients that do not."""


class DeviceBlocked(PolicyError):
    """The device, user or mailbox is blocked or quarantined (HTTP 403, status 126, 129, 130, 131, 177)."""


class RemoteWiped(PolicyError):
    """The server ordered a wipe. It was carried out on the store and acknowledged."""


class PolicyDenied(PolicyError):
    """A key of the app config, or a rule of the app policy, forbids the action. `rule` names it."""

    def __init__(self, message: str, *, rule: str) -> None:
        super().__init__(message)
        self.rule = rule


class RightsDenied(PolicyError):
    """Protected content: the licence does not grant this (MS-ASRM_R186).

    `right` is the element that would have to be true ("" where the licence expired or has no readable date), `template`
    the name of the rights policy template.
    """

    def __init__(self, message: str, *, right: str, template: str) -> None:
        super().__init__(message)
        self.right = right
        self.template = template


class ClassificationRefused(PolicyError):
    """A choice of classification values is not allowed. `refusals` holds all of them, typed and readable."""

    def __init__(self, message: str, refusals: Sequence[object] = ()) -> None:
        super().__init__(message)
        self.refusals = tuple(refusals)


class ClassificationRequired(ClassificationRefused):
    """The message may not be sent without a marking, or without one of its fields."""


class ClassificationDowngrade(ClassificationRefused):
    """A reply or forward may not lower, or change, the marking of the original message."""


class StoreError(EmailplusError):
    """Anything that goes wrong with the local store."""

    exit_code = 5


class WrongStoreKey(StoreError):
    """The store is whole, but was written with another key. Nothing was changed."""


class StoreDamaged(StoreError):
    """The key is right but the file is not: pages were damaged or tampered with. Nothing was changed."""


class StoreBusy(StoreError):
    """Another process is working on this store."""


class StoreTooNew(StoreError):
    """The store was written by a later version of emailplus."""


class StoreKeyMissing(StoreError):
    """No store key was given, or it does not have the right shape."""


class LimitExceeded(EmailplusError):
    """A size limit of the app config refuses the item."""

    exit_code = 1

    def __init__(self, message: str, *, size: int, limit: int) -> None:
        super().__init__(message)
        self.size = size
        self.limit = limit


class MessageTooLarge(LimitExceeded):
    """`email_max_body_size` refuses the message."""


class AttachmentTooLarge(LimitExceeded):
    """`email_max_attachment` refuses the attachment."""


class SmimeError(EmailplusError):
    """A protected message cannot be opened or made as asked."""

    exit_code = 1


class MalformedCms(SmimeError):
    """Not CMS (RFC 5652), or CMS that breaks its own rules."""


class UnsupportedCms(SmimeError):
    """Well-formed CMS with an algorithm or a form that this engine does not carry out."""


class SmimeLimitExceeded(SmimeError):
    """Nested too deep, too many elements, or too large when unwrapped (`emailplus.smime.limits`)."""


class DecryptionFailed(SmimeError):
    """Decryption failed. Which step failed is not said, so that nobody can use us as an oracle."""


class NoDecryptionKey(SmimeError):
    """No key of the keychain belongs to any recipient of the message."""


class KeyImportFailed(SmimeError):
    """A certificate or archive that cannot be imported."""


class WrongKeyPassword(KeyImportFailed):
    """The archive is whole, its password is another one (or none was given)."""


class CertificateUnusable(SmimeError):
    """The certificate must not be used for this: expired, revoked, or not made for it. `reasons` says why."""

    def __init__(self, message: str, reasons: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.reasons = tuple(reasons)


class RecipientsWithoutCertificate(SmimeError):
    """The mail cannot be encrypted to everyone. `addresses` are those without a usable certificate."""

    def __init__(self, message: str, addresses: Sequence[str]) -> None:
        super().__init__(message)
        self.addresses = tuple(addresses)


class NotFound(EmailplusError):
    """No such message, folder or attachment in the store."""

    exit_code = 1
