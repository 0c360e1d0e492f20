"""Provision: the server's policy, its acknowledgement, and the order to wipe (MS-ASPROV 2.2.2, MS-ASCMD 2.2.1.13)."""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import MalformedResponse
from ...policy.server_policy import ServerPolicy, parse_document, parse_wap_document
from .. import status, tree
from ..versions import Version
from ..wbxml import Node

NAME = "Provision"

POLICY_OK, NO_POLICY = 1, 2
"""Status of a Policy element (MS-ASPROV 2.2.2.54.1)."""

REMOTE_WIPE, ACCOUNT_WIPE = "RemoteWipe", "AccountOnlyRemoteWipe"


@dataclass(slots=True)
class ProvisionResult:
    """One answer. `policy` None: the server has none for us (`policy_status` 2), or acknowledged ours."""

    policy_status: int | None = None
    policy_key: str = ""
    policy: ServerPolicy | None = None
    wipe: str = ""
    """"", "RemoteWipe" or "AccountOnlyRemoteWipe"."""


def build(version: Version, device_information: Node | None = None) -> Node:
    """The first request of the handshake. From 14.1 on it carries DeviceInformation (status 165 without)."""
    parts: list[Node] = [device_information] if device_information is not None else []
    parts.append((f"{NAME}:Policies", [(f"{NAME}:Policy", [(f"{NAME}:PolicyType", version.policy_type)])]))
    return (f"{NAME}:{NAME}", parts)


def build_acknowledgement(version: Version, policy_key: str, ack: int) -> Node:
    """The second request: the temporary key and how far the policy is applied (`policy.policy_report`)."""
    policy: list[Node] = [
        (f"{NAME}:PolicyType", version.policy_type),
        (f"{NAME}:PolicyKey", policy_key),
        (f"{NAME}:Status", str(ack)),
    ]
    return (f"{NAME}:{NAME}", [(f"{NAME}:Policies", [(f"{NAME}:Policy", policy)])])


def build_wipe_acknowledgement(kind: str) -> Node:
    """Tell the server that the wipe was carried out (MS-ASPROV 3.1.5.1.2.1)."""
    return (f"{NAME}:{NAME}", [(f"{NAME}:{kind}", [(f"{NAME}:Status", "1")])])


def parse(root: Node) -> ProvisionResult:
    """Raises the error of the command's status, or `MalformedResponse`. "No policy" is a result, not an error.

    A missing Status counts as success: Tencent and Zentyal leave it out.
    """
    tree.expect(root, f"{NAME}:{NAME}")
    for wipe in (REMOTE_WIPE, ACCOUNT_WIPE):
        if tree.child(root, f"{NAME}:{wipe}") is not None:
            return ProvisionResult(wipe=wipe)
    code = tree.status(root, f"{NAME}:Status")
    if code not in (None, status.OK):
        raise status.error(NAME, code)
    policy = tree.descend(root, f"{NAME}:Policies", f"{NAME}:Policy")
    if policy is None:
        return ProvisionResult(policy_status=NO_POLICY)
    result = ProvisionResult(
        policy_status=tree.status(policy, f"{NAME}:Status"), policy_key=tree.text(policy, f"{NAME}:PolicyKey")
    )
    data = tree.child(policy, f"{NAME}:Data")
    document = tree.child(data, f"{NAME}:EASProvisionDoc")
    if document is not None:
        result.policy = parse_document(_elements(document))
    elif data is not None and data[1]:
        result.policy = parse_wap_document(tree.octets(data))
    if result.policy is not None and not result.policy_key:
        raise MalformedResponse("Provision sent a policy without a PolicyKey")
    return result


def _elements(document: Node) -> list[tuple[str, str | list[str]]]:
    """Element names and values of the policy document; lists (applications) as lists of their texts."""
    found: list[tuple[str, str | list[str]]] = []
    for node in tree.children(document):
        name = node[0].partition(":")[2]
        inner = tree.children(node)
        found.append((name, [tree.value(item) for item in inner] if inner else tree.value(node).strip()))
    return found
