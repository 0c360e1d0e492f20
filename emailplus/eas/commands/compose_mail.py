"""What SendMail, SmartReply and SmartForward share (MS-ASCMD 2.2.1.17, 2.2.1.19, 2.2.1.20).

Up to 12.1 the body of the request is the MIME message and the rest stands in the query line; from 14.0 on the request
is a ComposeMail document with the message inside. Success is an empty answer.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import MalformedResponse
from .. import status, tree
from ..http import MESSAGE_TYPE, Command
from ..versions import Version
from ..wbxml import Node, encode

NAMESPACE = "ComposeMail"
CLIENT_ID_LENGTH = 40
"""Characters of a ClientId at most (MS-ASCMD 2.2.3.28.1)."""


@dataclass(frozen=True, slots=True)
class Source:
    """The original of a SmartReply or SmartForward: by folder and item, or by the LongId of a search result."""

    folder_id: str = ""
    item_id: str = ""
    long_id: str = ""
    instance_id: str = ""
    """Start of one occurrence of a recurring item, ``2026-11-25T10:00:00.000Z``; from 14.0 on, below as Occurrence."""


def build(
    name: str,
    version: Version,
    mime: bytes,
    client_id: str,
    *,
    save: bool = True,
    source: Source | None = None,
    replace_mime: bool = False,
    account_id: str = "",
    template: str = "",
) -> Command:
    """The request. `template` is the TemplateID of a rights policy template, from 14.1 on (MS-ASRM 2.2.2.17).

    What a version has no place for is left out: ClientId, ReplaceMime, AccountId and TemplateID up to 12.1, AccountId
    and TemplateID in 14.0.
    """
    if not version.conversations:
        return Command(name, mime, _parameters(source), content_type=MESSAGE_TYPE, save_in_sent=save)
    parts: list[Node] = [(f"{NAMESPACE}:ClientId", client_id[:CLIENT_ID_LENGTH])]
    if account_id and version.code >= 141:
        parts.append((f"{NAMESPACE}:AccountId", account_id))
    if save:
        parts.append((f"{NAMESPACE}:SaveInSentItems", None))
    if source is not None:
        parts.append((f"{NAMESPACE}:Source", source_nodes(source)))
    if replace_mime:
        parts.append((f"{NAMESPACE}:ReplaceMime", None))
    parts.append((f"{NAMESPACE}:Mime", mime))
    if template and version.code >= 141:
        parts.append(("RightsManagement:TemplateID", template))
    return Command(name, encode((f"{NAMESPACE}:{name}", parts)))


def source_nodes(source: Source) -> list[Node]:
    """The children of Source."""
    if source.long_id:
        parts: list[Node] = [(f"{NAMESPACE}:LongId", source.long_id)]
    else:
        parts = [(f"{NAMESPACE}:FolderId", source.folder_id), (f"{NAMESPACE}:ItemId", source.item_id)]
    if source.instance_id:
        parts.append((f"{NAMESPACE}:InstanceId", source.instance_id))
    return parts


def _parameters(source: Source | None) -> dict[str, str]:
    """Command parameters of the query line (MS-ASHTTP 2.2.1.1.1.2.5)."""
    if source is None:
        return {}
    if source.long_id:
        return {"LongId": source.long_id}
    parameters = {"CollectionId": source.folder_id, "ItemId": source.item_id}
    if source.instance_id:
        parameters["Occurrence"] = source.instance_id
    return parameters


def parse(name: str, root: Node | None) -> int:
    """The status: 1 for an empty answer, else what the server wrote. Raises `MalformedResponse`."""
    if root is None:
        return status.OK
    tree.expect(root, f"{NAMESPACE}:{name}")
    code = tree.status(root, f"{NAMESPACE}:Status")
    if code is None:
        raise MalformedResponse(f"{name} was answered without a Status")
    return code
