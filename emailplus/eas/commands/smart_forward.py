"""SmartForward (MS-ASCMD 2.2.1.19): `mime` forwards `source`, which the server adds without `replace_mime`."""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import NotOffered, UsageError
from ..http import Command
from ..versions import Version
from ..wbxml import Node
from . import compose_mail
from .compose_mail import NAMESPACE, Source

NAME = "SmartForward"


def build(
    version: Version,
    mime: bytes,
    client_id: str,
    source: Source,
    *,
    replace_mime: bool = False,
    save: bool = True,
    account_id: str = "",
    template: str = "",
) -> Command:
    """The request; see `compose_mail.build`. Below 14.0 there is no ReplaceMime: the server adds the original."""
    return compose_mail.build(
        NAME, version, mime, client_id, save=save, source=source, replace_mime=replace_mime, account_id=account_id,
        template=template,
    )  # fmt: skip


def build_meeting(
    version: Version, client_id: str, source: Source, forwardees: Sequence[tuple[str, str]], note: str = ""
) -> Node:
    """Forward a calendar item to (name, address) each, with a note in plain text; the server writes the mail.

    MS-ASCMD 2.2.3.79, from 16.0 on. Raises `NotOffered` below, `UsageError` without a forwardee.
    """
    if version.code < 160:
        raise NotOffered(
            f"events are forwarded by the server from ActiveSync 16.0 on; this server speaks {version.name}: "
            "forward the message that brought it"
        )
    if not forwardees or not all(address for _, address in forwardees):
        raise UsageError("an event is forwarded to one address at least")
    people: list[Node] = []
    for name, address in forwardees:
        parts: list[Node] = [(f"{NAMESPACE}:Email", address)]
        if name:
            parts.append((f"{NAMESPACE}:Name", name))
        people.append((f"{NAMESPACE}:Forwardee", parts))
    nodes: list[Node] = [
        (f"{NAMESPACE}:ClientId", client_id[: compose_mail.CLIENT_ID_LENGTH]),
        (f"{NAMESPACE}:Source", compose_mail.source_nodes(source)),
    ]
    if note:
        nodes.append(("AirSyncBase:Body", [("AirSyncBase:Type", "1"), ("AirSyncBase:Data", note)]))
    nodes.append((f"{NAMESPACE}:Forwardees", people))
    return (f"{NAMESPACE}:{NAME}", nodes)


def parse(root: Node | None) -> int:
    """See `compose_mail.parse`."""
    return compose_mail.parse(NAME, root)
