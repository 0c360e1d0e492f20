"""The content of a file of an event, from 16.0 on (MS-ASAIRS 2.2.2.8; ItemOperations, MS-ASCMD 2.2.1.10)."""

from __future__ import annotations

from ...errors import ItemUnavailable, MalformedResponse
from ...flow import Flow
from .. import status
from ..commands import item_operations
from .ask import ask
from .session import Session


def fetch_file(session: Session, file_reference: str) -> Flow[bytes]:
    """The whole file, in memory. Raises `ItemUnavailable` where it is gone."""
    request = item_operations.build_attachments([file_reference])
    fetched = yield from ask(session, item_operations.NAME, request, item_operations.parse_attachments)
    for each in fetched:
        if each.status == status.OK and each.file_reference in (file_reference, ""):
            return each.data
        raise ItemUnavailable(
            "the server does not give this file: it may be gone, sync and look again",
            command=item_operations.NAME,
            status=each.status,
            action="stop_item",
        )
    raise MalformedResponse("ItemOperations was answered without a Fetch")
