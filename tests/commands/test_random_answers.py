"""Every parser of a command against trees of any shape: a result, or a typed error, and never anything else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emailplus.eas.code_pages import TAG_TOKENS
from emailplus.eas.commands import (
    find,
    folder_create,
    folder_delete,
    folder_sync,
    folder_update,
    get_hierarchy,
    get_item_estimate,
    item_operations,
    meeting_response,
    ping,
    provision,
    resolve_recipients,
    search,
    sync,
    validate_cert,
)
from emailplus.eas.commands import (
    settings as settings_command,
)
from emailplus.eas.wbxml import Content, Node
from emailplus.errors import EmailplusError

NOW = datetime(2026, 1, 1, tzinfo=UTC)

PARSERS: dict[str, tuple[str, Callable[[Node], Any]]] = {
    "find mail": ("Find:Find", find.parse_mailbox),
    "find people": ("Find:Find", find.parse_gal),
    "folder create": ("FolderHierarchy:FolderCreate", folder_create.parse),
    "folder delete": ("FolderHierarchy:FolderDelete", folder_delete.parse),
    "folder sync": ("FolderHierarchy:FolderSync", folder_sync.parse),
    "folder update": ("FolderHierarchy:FolderUpdate", folder_update.parse),
    "hierarchy": ("FolderHierarchy:Folders", get_hierarchy.parse),
    "estimate": ("GetItemEstimate:GetItemEstimate", get_item_estimate.parse),
    "attachments": ("ItemOperations:ItemOperations", item_operations.parse_attachments),
    "item": ("ItemOperations:ItemOperations", item_operations.parse_item),
    "document": ("ItemOperations:ItemOperations", item_operations.parse_document),
    "move": ("ItemOperations:ItemOperations", partial(item_operations.parse_operation, operation="Move")),
    "meetings": ("MeetingResponse:MeetingResponse", meeting_response.parse),
    "ping": ("Ping:Ping", ping.parse),
    "provision": ("Provision:Provision", provision.parse),
    "people": (
        "ResolveRecipients:ResolveRecipients",
        partial(resolve_recipients.parse, period=(NOW, NOW + timedelta(days=1))),
    ),
    "gal": ("Search:Search", search.parse_gal),
    "mail": ("Search:Search", search.parse_mailbox),
    "documents": ("Search:Search", search.parse_documents),
    "oof": ("Settings:Settings", settings_command.parse_out_of_office),
    "user": ("Settings:Settings", settings_command.parse_user_information),
    "templates": ("Settings:Settings", settings_command.parse_rights_templates),
    "password": ("Settings:Settings", settings_command.parse_device_password),
    "sync": ("AirSync:Sync", sync.parse),
    "certificates": ("ValidateCert:ValidateCert", partial(validate_cert.parse, asked=3)),
}

VALUES = st.one_of(
    st.none(),
    st.text(max_size=8),
    st.binary(max_size=8),
    st.sampled_from(
        ["0", "1", "2", "5", "12", "141", "-1", "1.5", "9" * 30, "0-4", "2026-01-01T00:00:00.000Z", "AAAA"]
    ),
)


def trees(tags: list[str]) -> st.SearchStrategy[Node]:
    """Trees of elements that the command knows, and some that it does not."""
    names = st.sampled_from([*tags, "AirSync:ServerId", "Email:Subject", "AirSyncBase:Body", "GAL:Picture"])
    leaves: st.SearchStrategy[Content] = VALUES
    content = st.recursive(leaves, lambda inner: st.lists(st.tuples(names, inner), max_size=5), max_leaves=12)
    return st.tuples(names, content)


@pytest.mark.parametrize("name", sorted(PARSERS))
def test_any_tree_is_a_result_or_a_typed_error(name: str) -> None:
    root, parse = PARSERS[name]
    namespace = root.partition(":")[0]
    tags = sorted(tag for tag in TAG_TOKENS if tag.startswith(f"{namespace}:"))
    ok: Node = (f"{namespace}:Status", "1")

    @settings(max_examples=120, deadline=None)
    @given(st.lists(trees(tags), max_size=5), st.booleans(), st.booleans())
    def check(nodes: list[Node], fine: bool, wrapped: bool) -> None:
        inside = [(f"{namespace}:Response", [(f"{namespace}:Store", [ok, *nodes]), ok, *nodes])] if wrapped else nodes
        try:
            parse((root, [ok, *inside] if fine else inside))
        except EmailplusError:
            pass

    check()
