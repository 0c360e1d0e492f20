"""Applying the server's policy, and carrying out its order to wipe (MS-ASPROV 3.1.5.1)."""

from __future__ import annotations

from ...errors import (
    CommandFailed,
    DeviceBlocked,
    HttpStatusError,
    MalformedResponse,
    PolicyNotApplicable,
    ProvisioningRequired,
    RemoteWiped,
    ServerBusy,
)
from ...flow import Flow, commit, emit
from ...model.changes import SaveAccount, Wipe
from ...model.events import Warned
from ...policy.policy_report import Acknowledgement, PolicyReport, assess
from ...policy.server_policy import ServerPolicy
from ..commands import provision, settings
from .session import Session, perform

HOST_FACT = "host_enforces"
"""Account fact: a JSON list of what the operator says the host enforces."""
PASSPHRASE_FACT = "passphrase"
"""Account fact: what is known of the passphrase that opens the store; absent where a key does."""
ACKNOWLEDGED_FACT = "acknowledged"
"""Account fact: the Status that the policy was acknowledged with."""


def apply_policy(session: Session) -> Flow[None]:
    """The two-phase handshake: fetch the policy, apply it, acknowledge it, keep the final key.

    "No policy" (status 2) is no error: the device is unmanaged and goes on. Raises `RemoteWiped` after a wipe,
    `PolicyNotApplicable`, or the error of a status.
    """
    information = None
    if session.version.device_information == "provision" and session.device_information:
        information = settings.device_information(session.device_information)
    session.policy_key = None
    first = yield from _ask(session, provision.build(session.version, information))
    if first.wipe:
        yield from _wipe(session, first.wipe)
    if first.policy_status == provision.NO_POLICY or (first.policy is None and not first.policy_key):
        yield from commit(
            SaveAccount({"policy_key": None, "policy": None, "provisioned": "none", ACKNOWLEDGED_FACT: None})
        )
        yield from _announce_by_settings(session)
        return
    if first.policy_status not in (None, provision.POLICY_OK):
        raise PolicyNotApplicable(f"the server has no usable policy for this client (status {first.policy_status})")
    yield from _acknowledge(session, first)
    yield from _announce_by_settings(session)


def _acknowledge(session: Session, offer: provision.ProvisionResult) -> Flow[None]:
    """Tell how far the policy is applied, and keep the final key. What is told is what `policy_report` finds true."""
    report = assess(offer.policy or ServerPolicy(), session.host_enforces, session.passphrase)
    told = report.acknowledgement
    missing = report.having("unsupported")
    if missing and told is not Acknowledgement.THIRD_PARTY:
        yield from emit(Warned(f"the server's policy asks for what is not kept: {', '.join(missing)}"))
    written = offer.policy.to_json() if offer.policy is not None else None
    yield from commit(SaveAccount({"policy": written, ACKNOWLEDGED_FACT: str(int(told))}))
    session.policy_key = offer.policy_key
    request = provision.build_acknowledgement(session.version, offer.policy_key, told)
    try:
        second = yield from _ask(session, request)
    except (CommandFailed, DeviceBlocked, ProvisioningRequired) as problem:
        raise _insists(report) from problem
    if second.wipe:
        yield from _wipe(session, second.wipe)
    if not second.policy_key or second.policy_status not in (None, provision.POLICY_OK):
        raise _insists(report)
    session.policy_key = second.policy_key
    done = "full" if told is Acknowledgement.APPLIED else "partly"
    yield from commit(SaveAccount({"policy_key": second.policy_key, "provisioned": done}))


def _insists(report: PolicyReport) -> PolicyNotApplicable:
    """The server takes only clients that keep all of its policy, or none that a third party manages (139, 145)."""
    missing = ", ".join(report.having("unsupported"))
    if report.third_party:
        advice = "name what the host enforces one by one in host_enforces, not *"
        return PolicyNotApplicable(f"the server takes no device that a third party manages; {advice}")
    if not missing:
        return PolicyNotApplicable("the server did not accept how far its policy is applied; ask its administrator")
    advice = (
        "Where the machine itself enforces that, say so with host_enforces; else ask for AllowNonProvisionableDevices"
    )
    return PolicyNotApplicable(f"the server insists on what is not kept: {missing}. {advice}")


def _ask(session: Session, request: object) -> Flow[provision.ProvisionResult]:
    root = yield from perform(session, provision.NAME, request, None)  # type: ignore[arg-type]
    if root is None:
        raise MalformedResponse("Provision was answered with nothing")
    return provision.parse(root)


def _wipe(session: Session, kind: str) -> Flow[None]:
    """Destroy first, acknowledge then: a wipe that is cut in between is ordered again (MS-ASPROV 3.1.5.1.2)."""
    yield from commit(Wipe(account_only=kind == provision.ACCOUNT_WIPE))
    session.policy_key, session.wiped = None, True
    yield from perform(session, provision.NAME, provision.build_wipe_acknowledgement(kind), None)
    what = "this account's data" if kind == provision.ACCOUNT_WIPE else "this store"
    raise RemoteWiped(f"the server ordered a remote wipe of {what}; it was carried out and acknowledged")


def _announce_by_settings(session: Session) -> Flow[None]:
    """12.0 to 14.0: DeviceInformation goes by Settings. A server that does not want it is not pressed."""
    if session.version.device_information != "settings" or not session.device_information:
        return
    values = dict(session.device_information)
    if session.version.name == "12.0":
        del values["UserAgent"]  # from 12.1 on (MS-ASWBXML 2.1.2.1.19)
    request = settings.build_device_information(values)
    try:
        root = yield from perform(session, settings.NAME, request, None)
        if root is not None:
            settings.parse_device_information(root)
    except (CommandFailed, HttpStatusError, ProvisioningRequired, ServerBusy) as problem:
        yield from emit(Warned(f"the server did not take the device information: {problem}"))
