"""Settings: the device announced, out-of-office, the recovery password, the user's addresses, rights templates
(MS-ASCMD 2.2.1.18). From 12.0 on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from ...errors import MalformedResponse, NotOffered, UsageError
from ...model.account import MailAccount, OofState, OutOfOffice, Reply, RightsTemplate, UserInformation
from ...rms.licence import MAX_DESCRIPTION, MAX_ID, MAX_NAME
from .. import status, tree
from ..items.values import read_date
from ..versions import Version
from ..wbxml import Node

NAME = "Settings"
MAX_PASSWORD = 255
IRM_DISABLED = 168

_DEVICE = ("Model", "IMEI", "FriendlyName", "OS", "OSLanguage", "PhoneNumber", "MobileOperator", "UserAgent")
_AUDIENCES = (
    ("AppliesToInternal", "internal"),
    ("AppliesToExternalKnown", "external_known"),
    ("AppliesToExternalUnknown", "external_unknown"),
)


def _settings(part: Node, version: Version) -> Node:
    if not version.airsyncbase:
        raise NotOffered("Settings exists from ActiveSync 12.0 on")
    return (f"{NAME}:{NAME}", [part])


def _get(name: str, *inner: Node) -> Node:
    return (f"{NAME}:{name}", [(f"{NAME}:Get", list(inner) or None)])


def _part(root: Node, name: str) -> Node:
    """The answer about one property, once its statuses are looked at. Raises the error of one, `MalformedResponse`."""
    tree.expect(root, f"{NAME}:{NAME}")
    part = tree.child(root, f"{NAME}:{name}")
    # DevicePassword and DeviceInformation put it into Set in the published examples.
    for node, path in ((root, ()), (part, ()), (part, (f"{NAME}:Set",))):
        code = tree.status(node, *path, f"{NAME}:Status")
        if code not in (None, status.OK):
            raise status.error(NAME, code)
    if part is None:
        raise MalformedResponse(f"Settings answered without {name}")
    return part


# -- the device


def device_information(values: Mapping[str, str]) -> Node:
    """DeviceInformation with a Set of Model, FriendlyName, OS, OSLanguage, UserAgent (MS-ASCMD 2.2.3.45)."""
    parts: list[Node] = [(f"{NAME}:{name}", values[name]) for name in _DEVICE if values.get(name)]
    return (f"{NAME}:DeviceInformation", [(f"{NAME}:Set", parts)])


def build_device_information(values: Mapping[str, str]) -> Node:
    """The Settings command that announces the device, for versions 12.0 to 14.0."""
    return (f"{NAME}:{NAME}", [device_information(values)])


def parse_device_information(root: Node) -> None:
    """Raises the error of a status other than 1. A server may answer with the status of the command alone."""
    tree.expect(root, f"{NAME}:{NAME}")
    device = f"{NAME}:DeviceInformation"
    for path in ((), (device,), (device, f"{NAME}:Set")):
        code = tree.status(root, *path, f"{NAME}:Status")
        if code not in (None, status.OK):
            raise status.error(NAME, code)


def build_device_password(password: str, version: Version) -> Node:
    """Leave the device's recovery password with the server; "" removes it. Raises `UsageError` for one too long."""
    if len(password) > MAX_PASSWORD:
        raise UsageError(f"a recovery password has at most {MAX_PASSWORD} characters")
    inner: Node = (f"{NAME}:Set", [(f"{NAME}:Password", password or None)])
    return _settings((f"{NAME}:DevicePassword", [inner]), version)


def parse_device_password(root: Node) -> None:
    """Raises the error of a status: 5 too long, 7 denied by policy."""
    _part(root, "DevicePassword")


# -- out of office


def build_out_of_office(version: Version, *, html: bool = False) -> Node:
    """Ask for the automatic reply, as HTML or as plain text."""
    return _settings(_get("Oof", (f"{NAME}:BodyType", "HTML" if html else "Text")), version)


def parse_out_of_office(root: Node) -> OutOfOffice:
    """Raises the error of a status, or `MalformedResponse`."""
    found = tree.child(_part(root, "Oof"), f"{NAME}:Get")
    state = tree.number(found, f"{NAME}:OofState")
    if state not in (0, 1, 2):
        raise MalformedResponse("Settings answered for Oof without an OofState that exists")
    replies: dict[str, Reply] = {}
    for message in tree.each(found, f"{NAME}:OofMessage"):
        for tag, audience in _AUDIENCES:
            if tree.child(message, f"{NAME}:{tag}") is not None:
                replies[audience] = Reply(
                    tree.value(tree.child(message, f"{NAME}:ReplyMessage")),
                    tree.text(message, f"{NAME}:Enabled") == "1",
                    tree.text(message, f"{NAME}:BodyType").upper() == "HTML",
                )
    return OutOfOffice(OofState(state), _moment(found, "StartTime"), _moment(found, "EndTime"), **replies)


def _moment(node: Node | None, name: str) -> datetime | None:
    try:
        return read_date(tree.text(node, f"{NAME}:{name}"))
    except ValueError:
        raise MalformedResponse(f"Settings answered with a {name} that is no date") from None


def build_set_out_of_office(wanted: OutOfOffice, version: Version) -> Node:
    """Set the automatic reply. Raises `UsageError` for times that do not fit the state or each other."""
    parts: list[Node] = [(f"{NAME}:OofState", str(int(wanted.state)))]
    if wanted.state is OofState.SCHEDULED:
        start, end = wanted.start, wanted.end
        if start is None or end is None or start.tzinfo is None or end.tzinfo is None or end <= start:
            raise UsageError("a scheduled reply needs a start and a later end, both with a zone")
        parts += [(f"{NAME}:StartTime", _dashed(start)), (f"{NAME}:EndTime", _dashed(end))]
    elif wanted.start is not None or wanted.end is not None:
        raise UsageError("start and end belong to a scheduled reply")
    for tag, audience in _AUDIENCES:
        reply: Reply | None = getattr(wanted, audience)
        if reply is None:
            continue
        message: list[Node] = [(f"{NAME}:{tag}", None), (f"{NAME}:Enabled", "1" if reply.enabled else "0")]
        if reply.text:
            message.append((f"{NAME}:ReplyMessage", reply.text))
            message.append((f"{NAME}:BodyType", "HTML" if reply.html else "Text"))
        parts.append((f"{NAME}:OofMessage", message))
    return _settings((f"{NAME}:Oof", [(f"{NAME}:Set", parts)]), version)


def _dashed(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_set_out_of_office(root: Node) -> None:
    """Raises the error of a status, or `MalformedResponse`."""
    _part(root, "Oof")


# -- the user


def build_user_information(version: Version) -> Node:
    """Ask for the user's addresses."""
    return _settings(_get("UserInformation"), version)


def parse_user_information(root: Node) -> UserInformation:
    """Addresses; from 14.1 on those of every account (MS-ASCMD 2.2.3.3). Raises the error of a status."""
    found = tree.child(_part(root, "UserInformation"), f"{NAME}:Get")
    addresses, primary = _addresses(found)
    accounts = []
    for node in tree.each(tree.child(found, f"{NAME}:Accounts"), f"{NAME}:Account"):
        own, first = _addresses(node)
        accounts.append(
            MailAccount(
                id=tree.text(node, f"{NAME}:AccountId"),
                name=tree.text(node, f"{NAME}:AccountName"),
                display_name=tree.text(node, f"{NAME}:UserDisplayName"),
                send_disabled=tree.text(node, f"{NAME}:SendDisabled").lower() in ("1", "true"),
                addresses=own,
                primary=first,
            )
        )
        addresses += tuple(address for address in own if address not in addresses)
        primary = primary or first
    return UserInformation(addresses, primary, tuple(accounts))


def _addresses(node: Node | None) -> tuple[tuple[str, ...], str]:
    found = tree.child(node, f"{NAME}:EmailAddresses")
    primary = tree.text(found, f"{NAME}:PrimarySmtpAddress")
    listed = [tree.value(each).strip() for each in tree.each(found, f"{NAME}:SMTPAddress")]
    if primary and primary not in listed:
        listed.append(primary)
    return tuple(filter(None, listed)), primary


# -- rights management


def build_rights_templates(version: Version) -> Node:
    """Ask for the rights policy templates. Raises `NotOffered` below 14.1 (MS-ASRM 2.2.2.17)."""
    if version.code < 141:
        raise NotOffered(f"rights management exists from ActiveSync 14.1 on; this server speaks {version.name}")
    return _settings(_get("RightsManagementInformation"), version)


def parse_rights_templates(root: Node) -> list[RightsTemplate]:
    """The templates. Raises `NotOffered` where rights management is switched off (status 168), or another error."""
    tree.expect(root, f"{NAME}:{NAME}")
    if tree.status(root, f"{NAME}:RightsManagementInformation", f"{NAME}:Status") == IRM_DISABLED:
        raise NotOffered("rights management is switched off on this server (status 168)")
    found = tree.descend(
        _part(root, "RightsManagementInformation"), f"{NAME}:Get", "RightsManagement:RightsManagementTemplates"
    )
    templates: dict[str, RightsTemplate] = {}
    for node in tree.each(found, "RightsManagement:RightsManagementTemplate"):
        identity = tree.text(node, "RightsManagement:TemplateID").strip()
        if identity and len(identity) <= MAX_ID:  # no other could be sent
            name = tree.text(node, "RightsManagement:TemplateName").strip()[:MAX_NAME] or identity
            description = tree.text(node, "RightsManagement:TemplateDescription").strip()[:MAX_DESCRIPTION]
            templates.setdefault(identity.casefold(), RightsTemplate(identity, name, description))
    return list(templates.values())
