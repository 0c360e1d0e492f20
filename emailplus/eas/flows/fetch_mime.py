"""The MIME of one message, whole or its beginning, whatever form of it the store has."""

from __future__ import annotations

from ...errors import ItemUnavailable
from ...flow import Flow, commit, load
from ...model.changes import SyncWindows, Window
from ...model.folder import Collection
from ...model.queries import MailCollections
from ...policy.body_preference import BodyPreference, BodyRequest
from ..commands import item_operations, sync
from .provision import apply_policy
from .session import Session, perform


def fetch_mime(session: Session, collection_id: str, server_id: str, limit: int | None = None) -> Flow[bytes]:
    """At most `limit` bytes of a message's MIME, None for all of it. Raises `ItemUnavailable` or another error.

    Below 12.0 it comes by a Fetch inside Sync, which moves the SyncKey on; the key is committed with an empty window.
    """
    body = BodyRequest((BodyPreference(4, limit),), 2)
    mime: bytes | None = None
    if session.version.item_operations:
        request = item_operations.build_body(collection_id, server_id, body)
        root = yield from perform(session, item_operations.NAME, request, apply_policy)
        mime = item_operations.parse_body(root) if root is not None else None
    else:
        collections: list[Collection] = yield from load(MailCollections())
        found = [c for c in collections if c.server_id == collection_id and c.sync_key != "0"]
        if found:
            request = sync.build_fetch(collection_id, found[0].sync_key, server_id, body, session.version)
            root = yield from perform(session, sync.NAME, request, apply_policy)
            if root is not None:
                for answer in sync.parse(root):
                    if answer.sync_key:
                        yield from commit(SyncWindows([Window(found[0].folder_id, answer.sync_key, found[0].options)]))
                mime = sync.parse_fetched(root)
    if not mime:
        raise ItemUnavailable("the server does not give the message", command="Fetch", status=6, action="stop_item")
    return mime
