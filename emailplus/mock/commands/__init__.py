"""One file a command, and the table that finds them."""

from __future__ import annotations

from dataclasses import dataclass

from ...eas.wbxml import Node
from ..context import Handler
from . import (
    find,
    folder_sync,
    folders,
    get_attachment,
    get_hierarchy,
    get_item_estimate,
    item_operations,
    meeting_response,
    move_items,
    ping,
    provision,
    resolve_recipients,
    search,
    send_mail,
    settings,
    sync,
    validate_cert,
)


@dataclass(frozen=True, slots=True)
class Command:
    """How to carry out a command, its root element, and where a Status of the whole command stands."""

    handler: Handler
    root: str
    status_path: tuple[str, ...]
    wbxml_from: int = 25  # the first version whose requests of this command are WBXML

    def failure(self, status: int) -> Node:
        """The shortest answer that says `status`."""
        node: Node = (self.status_path[-1], str(status))
        for tag in reversed(self.status_path[:-1]):
            node = (tag, [node])
        return (self.root, [node])


NO_ROOT, NEVER = "", 999

COMMANDS: dict[str, Command] = {
    "Find": Command(find.handle, "Find:Find", ("Find:Status",)),
    "FolderCreate": Command(folders.create, "FolderHierarchy:FolderCreate", ("FolderHierarchy:Status",)),
    "FolderDelete": Command(folders.delete, "FolderHierarchy:FolderDelete", ("FolderHierarchy:Status",)),
    "FolderSync": Command(folder_sync.handle, "FolderHierarchy:FolderSync", ("FolderHierarchy:Status",)),
    "FolderUpdate": Command(folders.update, "FolderHierarchy:FolderUpdate", ("FolderHierarchy:Status",)),
    "GetAttachment": Command(get_attachment.handle, NO_ROOT, (), NEVER),
    "GetHierarchy": Command(get_hierarchy.handle, NO_ROOT, (), NEVER),
    "GetItemEstimate": Command(
        get_item_estimate.handle, "GetItemEstimate:GetItemEstimate", ("GetItemEstimate:Status",)
    ),
    "ItemOperations": Command(item_operations.handle, "ItemOperations:ItemOperations", ("ItemOperations:Status",)),
    "MeetingResponse": Command(
        meeting_response.handle,
        "MeetingResponse:MeetingResponse",
        ("MeetingResponse:Result", "MeetingResponse:Status"),
    ),
    "MoveItems": Command(move_items.handle, "Move:MoveItems", ("Move:Status",)),
    "Ping": Command(ping.handle, "Ping:Ping", ("Ping:Status",)),
    "Provision": Command(provision.handle, "Provision:Provision", ("Provision:Status",)),
    "ResolveRecipients": Command(
        resolve_recipients.handle, "ResolveRecipients:ResolveRecipients", ("ResolveRecipients:Status",)
    ),
    "Search": Command(search.handle, "Search:Search", ("Search:Status",)),
    "SendMail": Command(send_mail.send_mail, "ComposeMail:SendMail", ("ComposeMail:Status",), 140),
    "Settings": Command(settings.handle, "Settings:Settings", ("Settings:Status",)),
    "SmartForward": Command(send_mail.smart_forward, "ComposeMail:SmartForward", ("ComposeMail:Status",), 140),
    "SmartReply": Command(send_mail.smart_reply, "ComposeMail:SmartReply", ("ComposeMail:Status",), 140),
    "Sync": Command(sync.handle, "AirSync:Sync", ("AirSync:Status",)),
    "ValidateCert": Command(validate_cert.handle, "ValidateCert:ValidateCert", ("ValidateCert:Status",)),
}
"""Command name -> how it is served."""
