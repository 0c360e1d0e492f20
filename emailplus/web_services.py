"""Exchange Web Services of a mailbox: how it is reached, and which way files of events go.

    ActiveSync version    files of events        what EWS is asked for
    16.0, 16.1            over ActiveSync        nothing
    up to 14.1            over EWS               list, content, add, delete
    not known yet         over EWS               the same; a first `sync` finds out

Without `calendar_attachments` there are none, by either way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from . import __version__
from .config import AppConfig
from .credentials import Credentials
from .eas.versions import VERSIONS
from .errors import AttachmentTooLarge, ExtraMissing, PolicyDenied
from .ews.endpoint import Access, endpoint
from .model.folder import Folder
from .policy import merged
from .policy.contents import FORBIDDEN
from .policy.limits import ATTACHMENT_MESSAGE
from .policy.server_policy import ServerPolicy
from .store.ews import EwsMemory
from .store.store import Store

if TYPE_CHECKING:
    from .ews.client import EwsClient

Way = Literal["eas", "ews"]
FILES_FROM = 160
"""Attachments of events are part of ActiveSync from 16.0 on (MS-ASCAL_R2020)."""
_DISTINGUISHED = {
    2: "inbox", 3: "drafts", 4: "deleteditems", 5: "sentitems", 6: "outbox", 8: "calendar", 9: "contacts", 7: "tasks",
    10: "notes", 11: "journal",
}  # fmt: skip


def access(config: AppConfig, credentials: Credentials, *, acting_for: str = "") -> Access:
    """How EWS is reached. `acting_for`: the credentials are a service account's, for the mailbox of that address."""
    return Access(
        url=endpoint(config),
        email=acting_for or config.email_address,
        auth=lambda: credentials.auth("ews"),
        tls=credentials.tls("ews"),
        timeout=float(config.default_network_timeout),
        acting_for=bool(acting_for),
        user_agent=f"emailplus/{__version__}",
    )


def client(config: AppConfig, credentials: Credentials, *, acting_for: str = "") -> EwsClient:
    """A client that has not connected yet. Raises `ExtraMissing` without exchangelib."""
    try:
        from .ews.client import EwsClient
    except ModuleNotFoundError as problem:
        if (problem.name or "").startswith("emailplus"):
            raise
        raise ExtraMissing("Exchange Web Services", "ews") from problem
    return EwsClient(access(config, credentials, acting_for=acting_for))


def memory(config: AppConfig, store: Store, acting_for: str = "") -> EwsMemory:
    """What the store remembers of this mailbox's EWS."""
    return EwsMemory(store.database, f"{endpoint(config)} {acting_for or config.email_address}")


def way(store: Store) -> Way:
    """Which way files of events go."""
    version = VERSIONS.get(store.account().get("version", ""))
    return "eas" if version is not None and version.code >= FILES_FROM else "ews"


def permit(config: AppConfig, store: Store) -> int:
    """The largest file in bytes. Raises `PolicyDenied`."""
    if not config.calendar_attachments:
        raise PolicyDenied("files of events are off (calendar_attachments)", rule="calendar_attachments")
    facts = store.account()
    limits = merged.merge(config, ServerPolicy.from_json(facts["policy"]) if "policy" in facts else None)
    if not limits.attachments:
        raise PolicyDenied(FORBIDDEN, rule="AttachmentsEnabled")
    return limits.max_attachment


def fits(size: int, most: int) -> None:
    """Raises `AttachmentTooLarge` (`email_max_attachment`)."""
    if size > most:
        raise AttachmentTooLarge(ATTACHMENT_MESSAGE, size=size, limit=most)


def folder_path(folder: Folder, known: list[Folder]) -> str:
    """A folder as EWS names it: a distinguished name, or a path below one."""
    by_id = {each.server_id: each for each in known}
    names: list[str] = []
    current: Folder | None = folder
    while current is not None and len(names) < 64:
        if current.type in _DISTINGUISHED:
            return "/".join([_DISTINGUISHED[current.type], *reversed(names)])
        names.append(current.name)
        current = by_id.get(current.parent_id)
    return "/".join(["msgfolderroot", *reversed(names)])
