"""Ready-made configurations to start from: `au_2025` (Australian standard of today) and `company` (four levels)."""

from __future__ import annotations

from importlib import resources
from typing import Final

from ...errors import UsageError

NAMES: Final = ("au_2025", "company")


def text(name: str) -> str:
    """The document of a ready-made configuration, as it goes into `email_security_classification_json`.

    Raises `UsageError` for another name than those of `NAMES`.
    """
    if name not in NAMES:
        raise UsageError(f"no ready-made configuration of that name; there are {', '.join(NAMES)}")
    return resources.files(__name__).joinpath(f"{name}.json").read_text(encoding="utf-8")
