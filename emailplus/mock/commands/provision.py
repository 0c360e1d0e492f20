"""Provision (MS-ASPROV 3.2.5.1): policy in two phases, device information, remote wipe."""

from __future__ import annotations

import secrets

from ...eas.wbxml import Node
from ..context import Answer, Context, StatusError
from ..tree import child, text
from .settings import store_device_information

WAP, WBXML = "MS-WAP-Provisioning-XML", "MS-EAS-Provisioning-WBXML"


def handle(context: Context) -> Answer:
    exchange, device = context.exchange, context.device
    nodes: list[Node] = []
    information = child(context.tree, "Settings:DeviceInformation")
    if information is not None:
        status = store_device_information(device, information)
        nodes.append(("Settings:DeviceInformation", [("Settings:Status", status)]))
    for tag, kind in (("Provision:RemoteWipe", "all"), ("Provision:AccountOnlyRemoteWipe", "account")):
        acknowledged = child(context.tree, tag)
        if acknowledged is not None:
            return _wipe_acknowledged(context, kind, text(acknowledged, "Provision:Status"))
    policies = child(context.tree, "Provision:Policies")
    policy = child(policies, "Provision:Policy")
    wipe = exchange.wipe_due(context)
    if wipe:
        directive = "Provision:RemoteWipe" if wipe == "all" else "Provision:AccountOnlyRemoteWipe"
        return _answer([*nodes, ("Provision:Status", "1"), (directive, None)])
    if policy is None:
        # An empty Provision asks only whether there is a wipe (MS-ASPROV_R493); a body with less than that is wrong.
        return _answer([*nodes, ("Provision:Status", "1" if context.tree is None or information is None else "2")])
    if child(policy, "Provision:PolicyType") is None:
        return _answer([*nodes, ("Provision:Status", "2")])  # MS-ASCMD_R4989
    acknowledging = child(policy, "Provision:Status") is not None
    if acknowledging:
        return _answer([*nodes, *_acknowledgement(context, policy)])
    required = exchange.policy is not None and exchange.policy.require_device_information
    if information is None and required and context.version >= 141 and not device.information:
        raise StatusError(165)
    return _answer([*nodes, *_offer(context, text(policy, "Provision:PolicyType"))])


def _offer(context: Context, kind: str) -> list[Node]:
    """The first phase: the policy under a temporary key (MS-ASPROV_R650)."""
    policy = context.exchange.policy
    expected = WAP if context.version < 120 else WBXML
    if kind != expected:
        return _policy(kind, "3")
    if policy is None:
        return _policy(kind, "2")
    key = context.device.pending_key = _new_policy_key(context)
    data: Node = (
        ("Provision:Data", policy.wap_xml()) if kind == WAP else ("Provision:Data", [policy.document(context.version)])
    )
    return _policy(kind, "1", key, data)


def _acknowledgement(context: Context, node: Node) -> list[Node]:
    """The second phase: the final key, or what is wrong with the acknowledgement."""
    device, policy = context.device, context.exchange.policy
    kind = text(node, "Provision:PolicyType")
    if policy is None:
        return _policy(kind, "2")
    key = text(node, "Provision:PolicyKey")
    if not device.pending_key or key != device.pending_key:
        return _policy(kind, "5")
    applied = text(node, "Provision:Status").strip()
    if applied not in ("1", "2", "3", "4"):
        raise StatusError(2)
    if applied == "4" and not policy.allow_external:
        raise StatusError(145)
    if applied == "3" or (applied == "2" and not policy.allow_partial):
        raise StatusError(139)
    device.pending_key = ""
    device.policy_key = _new_policy_key(context)
    device.policy_stale = False
    return _policy(kind, "1", device.policy_key)


def _wipe_acknowledged(context: Context, kind: str, status: str) -> Answer:
    device = context.device
    if device.wipe != kind:
        return _answer([("Provision:Status", "2")])
    if status.strip() == "1":
        device.wiped, device.wipe = kind, ""
        device.policy_key = device.pending_key = ""
        device.collections.clear()
        device.hierarchy.key = device.hierarchy.previous_key = ""
    return _answer([("Provision:Status", "1")])


def _new_policy_key(context: Context) -> str:
    """A 32-bit number as text (MS-ASPROV_R606), another one than any in use."""
    while True:
        key = str(secrets.randbelow(0xFFFFFFFE) + 1)
        if key not in (context.device.policy_key, context.device.pending_key):
            return key


def _policy(kind: str, status: str, key: str = "", data: Node | None = None) -> list[Node]:
    nodes: list[Node] = [("Provision:PolicyType", kind), ("Provision:Status", status)]
    if key:
        nodes.append(("Provision:PolicyKey", key))
    if data is not None:
        nodes.append(data)
    return [("Provision:Status", "1"), ("Provision:Policies", [("Provision:Policy", nodes)])]


def _answer(nodes: list[Node]) -> Answer:
    return Answer(tree=("Provision:Provision", nodes))
