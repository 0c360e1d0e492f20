"""Settings (MS-ASCMD 2.2.1.18): the device, the user, out-of-office, the recovery password, rights templates."""

from __future__ import annotations

from ...eas.wbxml import Node
from ..context import Answer, Context, StatusError
from ..device import Device
from ..oof import OofError, OutOfOffice
from ..tree import as_text, child, children, text

MAX_PASSWORD = 255


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
            answers.append((tag, [("Settings:Status", _device_password(context, node))]))
        elif tag == "Settings:UserInformation":
            answers.append((tag, [("Settings:Status", "1"), ("Settings:Get", _user_information(context))]))
        elif tag == "Settings:RightsManagementInformation":
            answers.append(_templates(context))
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


def _device_password(context: Context, node: Node) -> str:
    """The recovery password is kept with the device, where the policy allows that (MS-ASCMD 2.2.3.46)."""
    policy = context.exchange.policy
    if policy is None or policy.settings.get("PasswordRecoveryEnabled") != "1":
        return "7"
    password = text(child(node, "Settings:Set"), "Settings:Password")
    if len(password) > MAX_PASSWORD:
        return "5"
    context.device.recovery_password = password
    return "1"


def _oof(context: Context, node: Node) -> Node:
    """Out-of-office: what was set is kept and given back; no replies are sent."""
    kept = context.exchange.out_of_office.setdefault(context.user.email, OutOfOffice())
    new = child(node, "Settings:Set")
    if new is not None:
        try:
            kept.set(new)
        except OofError:
            return ("Settings:Oof", [("Settings:Status", "2")])
        return ("Settings:Oof", [("Settings:Status", "1")])
    body_type = text(child(node, "Settings:Get"), "Settings:BodyType")
    if body_type.upper() not in ("TEXT", "HTML"):
        return ("Settings:Oof", [("Settings:Status", "2")])
    return ("Settings:Oof", [("Settings:Status", "1"), ("Settings:Get", kept.get(body_type))])


def _templates(context: Context) -> Node:
    """The rights policy templates, 20 at most (MS-ASRM_R304); Status 168 where rights management is off."""
    tag = "Settings:RightsManagementInformation"
    templates = context.exchange.rights_templates
    rows: list[Node] = [
        (
            "RightsManagement:RightsManagementTemplate",
            [
                ("RightsManagement:TemplateID", identity),
                ("RightsManagement:TemplateName", name),
                ("RightsManagement:TemplateDescription", description or name),
            ],
        )
        for identity, name, description in (templates or [])[:20]
    ]
    got: Node = ("Settings:Get", [("RightsManagement:RightsManagementTemplates", rows or None)])
    return (tag, [("Settings:Status", "168" if templates is None else "1"), got])
