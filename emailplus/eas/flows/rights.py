"""Fetching a protected message anew, with its licence, or without its protection (MS-ASRM 2.2.2.1, 2.2.2.11)."""

from __future__ import annotations

from ...errors import NotOffered
from ...flow import Flow, commit
from ...model.changes import RefreshMessage
from ...model.rights import Licence
from ...policy.body_preference import BodyRequest
from ..commands import item_operations
from .ask import ask
from .session import Session


def fetch_protected(
    session: Session, message_id: int, collection_id: str, server_id: str, body: BodyRequest, *, remove: bool
) -> Flow[Licence | None]:
    """Fetch and keep it; the licence that it has now. `remove` takes the protection off.

    Raises `NotOffered` below 14.1, `RightsManagementFailed`, and what a fetch raises.
    """
    if not session.version.rights:
        raise NotOffered(f"rights management exists from ActiveSync 14.1 on; this server speaks {session.version.name}")
    build = item_operations.build_unprotected if remove else item_operations.build_body
    request = build(collection_id, server_id, body)
    found = yield from ask(session, item_operations.NAME, request, item_operations.parse_item)
    licence: Licence | None = yield from commit(RefreshMessage(message_id, found.message))
    return licence
