"""What waiting for changes ended with."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Watched:
    """Why the waiting ended. All false: the time was over and nothing happened."""

    changed: tuple[str, ...] = ()
    """CollectionIds of folders in which something is new."""
    hierarchy: bool = False
    """The list of folders changed."""
    dropped: tuple[str, ...] = ()
    """CollectionIds that were not watched, because the server watches fewer folders at once."""
    heartbeat: int = 0
    """Seconds that the last request waited for; what works on this network."""

    def __bool__(self) -> bool:
        return bool(self.changed or self.hierarchy)
