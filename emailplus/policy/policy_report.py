"""How far the server's policy (MS-ASPROV 2.2.2) is kept, element by element, and what is acknowledged.

    verdict          means
    applied          the engine keeps it, or it asks for nothing, or the host keeps it and its operator says so
    not applicable   it concerns what this engine does not have, or a password that is not demanded
    unsupported      it is demanded and nobody keeps it

    acknowledged                             when                                                     MS-ASPROV
    1 success                                nothing is unsupported                                   R386
    2 partial success (at least the PIN)     something is unsupported; a demanded password is kept    R387
    3 the policy was not applied             a password is demanded and not kept, or nothing is kept  R388
    4 provisioned by a third party           the operator says so                                     R389

The engine has no device: no lock, camera or radio. A store that opens with a passphrase has a password
(`policy.passphrase`). What the machine around it enforces only its operator knows and can say
(`Mailbox.open(host_enforces=...)`, names of elements, or "*" where a device manager provisions it).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Final, Literal, TypeAlias

from ..errors import UsageError
from .passphrase import Passphrase
from .server_policy import ServerPolicy

Verdict = Literal["applied", "not applicable", "unsupported"]
THIRD_PARTY: Final = "*"


class Acknowledgement(IntEnum):
    """Status of Policy in the acknowledgement (MS-ASPROV 2.2.2.54.1)."""

    APPLIED = 1
    PARTLY = 2
    NOT_APPLIED = 3
    THIRD_PARTY = 4


@dataclass(frozen=True, slots=True)
class Rule:
    """One element that the server named."""

    element: str
    value: object
    verdict: Verdict
    reason: str
    source: str
    """Where MS-ASPROV says what it means, or that it may be ignored."""

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        value = list(self.value) if isinstance(self.value, tuple) else self.value
        return {
            "element": self.element,
            "value": value,
            "verdict": self.verdict,
            "reason": self.reason,
            "source": self.source,
        }


@dataclass(frozen=True, slots=True)
class PolicyReport:
    """Every element that the server named, in the order of the specification, with its verdict."""

    rules: tuple[Rule, ...]
    third_party: bool = False
    """The operator says that a device manager provisions the host."""
    acknowledged: int | None = None
    """The Status that the server was told last; None: nothing was acknowledged yet, or there is no policy."""
    state: str = ""
    """"full" or "partly" as the server took the acknowledgement, "none" where it has no policy for this device,
    "refused" where it does not provision at all, "" before the first conversation and after a refusal of ours."""

    def having(self, verdict: Verdict) -> tuple[str, ...]:
        """The elements of one verdict."""
        return tuple(rule.element for rule in self.rules if rule.verdict == verdict)

    @property
    def acknowledgement(self) -> Acknowledgement:
        """What is true to tell the server."""
        if self.third_party:
            return Acknowledgement.THIRD_PARTY
        missing = self.having("unsupported")
        if not missing:
            return Acknowledgement.APPLIED
        if "DevicePasswordEnabled" in missing or not any(rule.verdict == "applied" for rule in self.rules):
            return Acknowledgement.NOT_APPLIED
        return Acknowledgement.PARTLY

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            "state": self.state,
            "acknowledged": self.acknowledged,
            "acknowledgement": int(self.acknowledgement),
            "rules": [rule.as_dict() for rule in self.rules],
        }


# -- the table ---------------------------------------------------------------------------------------------------------

Demands: TypeAlias = Callable[[ServerPolicy], bool]
"""Whether an element, as it stands in the policy, asks for anything."""


@dataclass(frozen=True, slots=True)
class _Row:
    """An element. `kept`: how the engine keeps it. `lacking`: what it does not have. Without either, the host's."""

    source: str
    demands: Demands
    kept: str = ""
    lacking: str = ""
    quiet: str = "it asks for nothing"
    """What is said where it demands nothing that takes doing."""
    password: bool = False
    """Ignored where no password is demanded."""


def _true(element: str) -> Demands:
    return lambda policy: getattr(policy, element) is True


def _false(element: str) -> Demands:
    return lambda policy: getattr(policy, element) is False


def _given(element: str) -> Demands:
    return lambda policy: getattr(policy, element) not in (None, ())


def _over(element: str, least: int) -> Demands:
    return lambda policy: (getattr(policy, element) or 0) > least


def _lock(policy: ServerPolicy) -> bool:
    # R278: 9999 and more is no limit.
    return policy.MaxInactivityTimeDeviceLock is not None and policy.MaxInactivityTimeDeviceLock < 9999


def _odd_signing(policy: ServerPolicy) -> bool:
    """Signatures are demanded with an algorithm that `policy.mail_protection` does not write."""
    fixed = policy.RequireSignedSMIMEMessages is True and policy.AllowSMIMEEncryptionAlgorithmNegotiation == 0
    return fixed and policy.RequireSignedSMIMEAlgorithm not in (None, 0)


def _odd_encryption(policy: ServerPolicy) -> bool:
    """Encryption is demanded with an algorithm that `policy.mail_protection` does not write."""
    return _no_negotiation(policy) and policy.RequireEncryptionSMIMEAlgorithm != 0


def _no_negotiation(policy: ServerPolicy) -> bool:
    demanded = policy.RequireEncryptedSMIMEMessages is True and policy.RequireEncryptionSMIMEAlgorithm is not None
    return demanded and policy.AllowSMIMEEncryptionAlgorithmNegotiation == 0


TABLE: Final[dict[str, _Row]] = {
    "DevicePasswordEnabled": _Row("R215", _true("DevicePasswordEnabled")),
    "AlphanumericDevicePasswordRequired": _Row("R186", _true("AlphanumericDevicePasswordRequired"), password=True),
    "PasswordRecoveryEnabled": _Row("R302", _true("PasswordRecoveryEnabled"), lacking="a recovery password"),
    "RequireStorageCardEncryption": _Row("R364", _true("RequireStorageCardEncryption"), lacking="a storage card"),
    "AttachmentsEnabled": _Row("R206", _false("AttachmentsEnabled"), kept="no attachment is fetched"),
    "MinDevicePasswordLength": _Row("R289", _over("MinDevicePasswordLength", 1), password=True),
    "MaxInactivityTimeDeviceLock": _Row("R278", _lock),
    "MaxDevicePasswordFailedAttempts": _Row("R603", _given("MaxDevicePasswordFailedAttempts"), password=True),
    "MaxAttachmentSize": _Row("R738", _given("MaxAttachmentSize"), kept="a larger attachment is refused"),
    "AllowSimpleDevicePassword": _Row("R139", _false("AllowSimpleDevicePassword"), password=True),
    "DevicePasswordExpiration": _Row("R221", _over("DevicePasswordExpiration", 0), password=True),
    "DevicePasswordHistory": _Row("R230", _over("DevicePasswordHistory", 0), password=True),
    "AllowStorageCard": _Row("R159", _false("AllowStorageCard"), lacking="a storage card"),
    "AllowCamera": _Row("R90", _false("AllowCamera"), lacking="a camera"),
    "RequireDeviceEncryption": _Row("R330", _true("RequireDeviceEncryption"), kept="the store is always encrypted"),
    "AllowUnsignedApplications": _Row("R762", _false("AllowUnsignedApplications"), lacking="applications to run"),
    "AllowUnsignedInstallationPackages": _Row(
        "R763", _false("AllowUnsignedInstallationPackages"), lacking="applications to install"
    ),
    "MinDevicePasswordComplexCharacters": _Row("R283", _over("MinDevicePasswordComplexCharacters", 0), password=True),
    "AllowWiFi": _Row("R181", _false("AllowWiFi"), lacking="a radio of its own"),
    "AllowTextMessaging": _Row("R165", _false("AllowTextMessaging"), lacking="text messages of a telephone"),
    "AllowPOPIMAPEmail": _Row("R126", _false("AllowPOPIMAPEmail"), kept="the engine speaks neither POP nor IMAP"),
    "AllowBluetooth": _Row("R76", lambda policy: policy.AllowBluetooth in (0, 1), lacking="a radio of its own"),
    "AllowIrDA": _Row("R121", _false("AllowIrDA"), lacking="infrared"),
    "RequireManualSyncWhenRoaming": _Row(
        "R348", _true("RequireManualSyncWhenRoaming"), lacking="a telephone network; it syncs when it is told to"
    ),
    "AllowDesktopSync": _Row("R102", _false("AllowDesktopSync"), lacking="a connection to a desktop"),
    "MaxCalendarAgeFilter": _Row("R739", _over("MaxCalendarAgeFilter", 0), kept="older events are not synchronised"),
    "AllowHTMLEmail": _Row("R107", _false("AllowHTMLEmail"), kept="mail is asked for as plain text"),
    "MaxEmailAgeFilter": _Row("R740", _over("MaxEmailAgeFilter", 0), kept="older mail is not synchronised"),
    "MaxEmailBodyTruncationSize": _Row(
        "R741", lambda policy: (policy.MaxEmailBodyTruncationSize or 0) >= 0, kept="a larger body is refused"
    ),
    "MaxEmailHTMLBodyTruncationSize": _Row(
        "R742", lambda policy: (policy.MaxEmailHTMLBodyTruncationSize or 0) >= 0, kept="a larger body is refused"
    ),
    "RequireSignedSMIMEMessages": _Row(
        "R358", _true("RequireSignedSMIMEMessages"), kept="every message is signed, or not sent"
    ),
    "RequireEncryptedSMIMEMessages": _Row(
        "R335", _true("RequireEncryptedSMIMEMessages"), kept="every message is encrypted, or not sent"
    ),
    "RequireSignedSMIMEAlgorithm": _Row("R753", _odd_signing, quiet="it is used, or may be negotiated"),
    "RequireEncryptionSMIMEAlgorithm": _Row("R751", _odd_encryption, quiet="it is used, or may be negotiated"),
    "AllowSMIMEEncryptionAlgorithmNegotiation": _Row(
        "R146", _no_negotiation, kept="the algorithms that the server names are used"
    ),
    "AllowSMIMESoftCerts": _Row(
        "R152", _false("AllowSMIMESoftCerts"), kept="nothing is signed: all keys here lie in software"
    ),
    "AllowBrowser": _Row("R83", _false("AllowBrowser"), lacking="a browser"),
    "AllowConsumerEmail": _Row(
        "R95", _false("AllowConsumerEmail"), kept="a mailbox has one account, the configured one"
    ),
    "AllowRemoteDesktop": _Row("R133", _false("AllowRemoteDesktop"), lacking="a remote desktop"),
    "AllowInternetSharing": _Row("R114", _false("AllowInternetSharing"), lacking="a connection to share"),
    "UnapprovedInROMApplicationList": _Row(
        "R406", _given("UnapprovedInROMApplicationList"), lacking="applications to run"
    ),
    "ApprovedApplicationList": _Row("R198", _given("ApprovedApplicationList"), lacking="applications to run"),
}
"""One row an element of EASProvisionDoc, in its order; `source` are requirements of MS-ASPROV."""


def checked_claims(names: Collection[str]) -> frozenset[str]:
    """What an operator says the host enforces. Raises `UsageError` for a name that is no element."""
    if isinstance(names, str):
        raise UsageError("host_enforces is a list of names, not a text")
    wrong = [name for name in names if name not in TABLE and name != THIRD_PARTY]
    if wrong:
        raise UsageError(f"no element of a policy is called {wrong[0]!r}; the names are those of MS-ASPROV 2.2.2.28")
    return frozenset(names)


def assess(
    policy: ServerPolicy, host_enforces: Collection[str] = (), passphrase: Passphrase | None = None
) -> PolicyReport:
    """The verdict on every element that the server named. Unknown elements are unsupported: nobody can keep them.

    `passphrase`: what opens the store; None where a key does that nobody enters.
    """
    met = passphrase.meets(policy) if passphrase is not None else frozenset()
    rules = [
        _rule(row.name, getattr(policy, row.name), policy, host_enforces, met)
        for row in fields(ServerPolicy)
        if row.name in TABLE and getattr(policy, row.name) not in (None, ())
    ]
    rules += [
        Rule(name, None, "unsupported", "no version of the specification has it", "2.2.2.28") for name in policy.unknown
    ]
    return PolicyReport(tuple(rules), THIRD_PARTY in host_enforces)


def _rule(
    element: str, value: object, policy: ServerPolicy, host_enforces: Collection[str], met: Collection[str]
) -> Rule:
    row = TABLE[element]
    source = f"MS-ASPROV_{row.source}"
    if not row.demands(policy):
        return Rule(element, value, "applied", row.quiet, source)
    if row.password and policy.DevicePasswordEnabled is not True:
        return Rule(element, value, "not applicable", "no password is demanded", source)
    if row.kept:
        return Rule(element, value, "applied", row.kept, source)
    if element in met:
        return Rule(element, value, "applied", "the passphrase of the store meets it", source)
    if element in host_enforces:
        return Rule(element, value, "applied", "the host enforces it, as its operator says", source)
    if row.lacking:
        return Rule(element, value, "not applicable", f"the engine does not have {row.lacking}", source)
    return Rule(element, value, "unsupported", "nobody enforces it", source)
