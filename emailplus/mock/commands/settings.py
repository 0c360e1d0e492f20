"""Settings (MS-ASCMD 2.2.1.18): device information, user information, out-of-office, recovery password."""

from __future__ import annotations

from ...eas.wbxml import Node
from ..context import Answer, Context, StatusError
from ..device import Device
from ..tree import as_text, child, children


def handle(context: Context) -> Answer:
    parts: dict[str, Node] = dict(zip((tag for tag, _ in children(context.tree)), children(context.tree), strict=True))
    if not parts:
        raise StatusError(2)
    answers: list[Node] = []
    for tag, node in parts.items():
        if tag == "Settings:Oof":
            answers.append(_oof(context, node))
        elif tag == "Settings:DeviceInformation":
            status = store_device_information(context.device, node)
            answers.append((tag, [("Settings:Status", status)]))
        elif tag == "Settings:DevicePassword":
            answers.append((tag, [("Settings:Status", _device_password(context))]))
        elif tag == "Settings:UserInformation":
            answers.append((tag, [("Settings:Status", "1"), ("Settings:Get", _user_information(context))]))
        elif tag == "Settings:RightsManagementInformation":
            none: Node = ("RightsManagement:RightsManagementTemplates", None)
            answers.append((tag, [("Settings:Status", "168"), ("Settings:Get", [none])]))
        else:
            raise StatusError(2)
    return Answer(tree=("Settings:Settings", [("Settings:Status", "1"), *answers]))


def store_device_information(device: Device, information: Node) -> str:
    """Keep what DeviceInformation says; returns the Status: 1, or 5 without Set and Model (MS-ASPROV_R607)."""
    values = {tag.partition(":")[2]: as_text(content) for tag, content in children(child(information, "Settings:Set"))}
    if "Model" not in values:
        return "5"
    device.information = values
    return "1"


def _user_information(context: Context) -> list[Node]:
    """EmailAddresses; from 14.1 on within Accounts (MS-ASCMD 2.2.3.60)."""
    address: Node = ("Settings:SMTPAddress", context.user.email)
    if context.version < 141:
        return [("Settings:EmailAddresses", [address])]
    primary: Node = ("Settings:PrimarySmtpAddress", context.user.email)
    account: list[Node] = [
        ("Settings:UserDisplayName", context.user.name or context.user.username),
        ("Settings:EmailAddresses", [address, primary]),
    ]
    return [("Settings:Accounts", [("Settings:Account", account)])]


def _device_password(context: Context) -> str:
    policy = context.exchange.policy
    allowed = policy is not None and policy.settings.get("PasswordRecoveryEnabled") == "1"
    return "1" if allowed else "7"


def _oof(context: Context, node: Node) -> Node:
    """Out-of-office: what was set is kept and given back; no replies are sent."""
    stored = context.exchange.out_of_office
    new = child(node, "Settings:Set")
    if new is not None:
        if (child(new, "Settings:StartTime") is None) != (child(new, "Settings:EndTime") is None):
            return ("Settings:Oof", [("Settings:Status", "2")])  # MS-ASCMD_R2272
        stored[context.user.email] = children(new)
        return ("Settings:Oof", [("Settings:Status", "1")])
    kept = stored.get(context.user.email) or [("Settings:OofState", "0")]
    return ("Settings:Oof", [("Settings:Status", "1"), ("Settings:Get", kept)])
