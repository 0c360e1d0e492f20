"""Drafts and their copies on the server (from ActiveSync 16.0 on): batches and queries of the store about them.

saved ──► Add or Change ──► the server has this revision
  ▲                              │ changed there
  └──── taken over after a run ◄─┘
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .changes import Window
from .draft import Draft


@dataclass(frozen=True, slots=True)
class WaitingDraft:
    """A draft that the server does not have as it is here."""

    id: int
    draft: Draft
    client_id: str
    """The same in every attempt (MS-ASCMD 2.2.3.28.2)."""
    server_id: str
    """"" before the server has it."""
    revision: int
    references: tuple[str, ...] = ()
    """FileReferences of the attachments that its copy has."""
    new_files: bool = True
    """Whether the attachments differ from those of the copy."""
    theirs: str = ""
    """"changed" or "deleted" on the server, and not taken over yet."""


@dataclass(frozen=True, slots=True)
class WaitingDrafts:
    """Result: list of `WaitingDraft`, oldest first; none that is in the outbox or that the server refused like this."""


@dataclass(slots=True)
class MarkDraftSent:
    """A request with this revision is about to leave. Result: None."""

    draft_id: int
    revision: int


@dataclass(frozen=True, slots=True)
class DraftOutcome:
    """What became of one draft."""

    draft_id: int
    revision: int
    """The one that was sent."""
    server_id: str = ""
    references: Mapping[str, str] = field(default_factory=dict)
    """FileReference of each attachment that was added, by its ClientId."""
    files: bool = False
    """Whether the request carried the attachments."""
    refused: str = ""
    """Why the server does not take it."""
    lost: str = ""
    """It was changed or deleted there: "server" its version stays, "client" ours goes as a new one, "both" stay."""


@dataclass(slots=True)
class SettleDraft:
    """What the server said of a draft, with the windows and keys of the same answer. Result: None."""

    outcome: DraftOutcome
    windows: Sequence[Window] = ()
    keep_content: bool = True


@dataclass(frozen=True, slots=True)
class ServerDrafts:
    """Result: list of `ServerDraft`: copies that are to be taken over, in full here."""


@dataclass(frozen=True, slots=True)
class ServerDraft:
    """A message in Drafts that no draft here stands for, or whose draft it changed."""

    message_id: int
    server_id: str
    draft_id: int | None = None
    bcc: str = ""


@dataclass(slots=True)
class TakeDraft:
    """Write what another device made of a draft. Result: its id."""

    draft: Draft
    server_id: str
    now: float


@dataclass(slots=True)
class ForgetDeletedDrafts:
    """Drafts whose copy was deleted on the server go; those changed here since are new ones. Result: subjects kept."""
