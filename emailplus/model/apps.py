"""Apps beside this one: where files of a draft come from, and where content may go (guide, "Data loss prevention")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias


@dataclass(frozen=True, slots=True)
class App:
    """Another app. `managed`: it is under the same device manager (an AppConnect app)."""

    id: str
    managed: bool = False
    own: bool = False
    """This app itself."""


FILES: Final = App("files")
"""The file system, as the target of what the engine itself writes and the source of what its caller attaches."""

PHOTOS: Final = App("photos")
"""The personal photo library of the device."""


@dataclass(frozen=True, slots=True)
class DocumentApp:
    """The document app, with the values of its own configuration."""

    shared_group_id: str | None = None
    access_control_id: str | None = None
    doc_sharing: bool = False
    """`mi_enable_doc_sharing` over there."""
    key_identifier: str | None = None
    """`filepass_key_identifier` over there."""


Origin: TypeAlias = App | DocumentApp
"""Where a file comes from."""
