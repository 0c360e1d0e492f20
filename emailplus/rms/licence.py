"""Reading a licence (MS-ASRM 2.2.2.14). What cannot be read is not granted; without a readable date nothing is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from ..model.rights import Licence, Right

NEVER = 9999
"""The year that stands for no expiry: "9999-12-30T23:59:59.999Z" (MS-ASRM_R23)."""
MAX_OWNER, MAX_ID, MAX_NAME, MAX_DESCRIPTION = 320, 256, 256, 10_240
"""Characters (MS-ASRM_R34, R177, R147); longer values are cut for show."""


def parse(values: Mapping[str, str]) -> Licence:
    """The licence in a container's elements, by local name. Never fails: faults are noted and deny."""
    faults: list[str] = []
    granted = frozenset(right for right in Right if _boolean(values, right.value, faults))
    expires, undated = _expiry(values.get("ContentExpiryDate"), faults)
    owner = _boolean(values, "Owner", faults)
    return Licence(
        granted=granted,
        expires=expires,
        undated=undated,
        owner=owner,
        content_owner=values.get("ContentOwner", "").strip()[:MAX_OWNER],
        template_id=values.get("TemplateID", "").strip()[:MAX_ID],
        template_name=values.get("TemplateName", "").strip()[:MAX_NAME],
        template_description=values.get("TemplateDescription", "").strip()[:MAX_DESCRIPTION],
        faults=tuple(faults),
    )


def _boolean(values: Mapping[str, str], name: str, faults: list[str]) -> bool:
    """MS-ASDTYPE 2.1: "1" or "0"; some servers write words. Anything else, and nothing, counts as not granted."""
    if name not in values:
        faults.append(f"{name} is missing")
        return False
    written = values[name].strip().lower()
    if written in ("1", "true"):
        return True
    if written not in ("0", "false"):
        faults.append(f"{name} is neither true nor false")
    return False


def _expiry(written: str | None, faults: list[str]) -> tuple[datetime | None, bool]:
    """The moment, and whether it could not be made out."""
    if written is None:
        faults.append("ContentExpiryDate is missing")
        return None, True
    text = written.strip()
    if text.startswith((f"{NEVER}-", f"{NEVER}12")):
        return None, False
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.astimezone(UTC) if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        faults.append("ContentExpiryDate is no date")
        return None, True
    return moment, False
