"""Which calendar view a person sees: the one in use, or the first one again after a while without use.

    device   setting                administrator's default          views
    tablet   calendar_mode_tablet   calendar_default_mode_tablet     day, week, month, list
    phone    calendar_mode_phone    calendar_default_mode_phone      day, month, list

Source: guide, table 2, "Customize calendar": after `calendar_reset_view_threshold` seconds of inactivity the default
view returns.
"""

from __future__ import annotations

from typing import Literal

from ..config import AppConfig
from ..errors import UsageError
from .user_settings import Settings

Device = Literal["tablet", "phone"]


def view(
    config: AppConfig, settings: Settings, device: Device, *, current: str | None = None, idle: float = 0.0
) -> str:
    """The view to show on `device`. `current` is the one in use, None at the start; `idle` seconds without use.

    Exactly the threshold still keeps the current view. Raises `UsageError` for another device, and for a view that it
    does not have.
    """
    if device not in ("tablet", "phone"):
        raise UsageError(f"a calendar is shown on a tablet or a phone, not {device!r}")
    views = ("day", "week", "month", "list") if device == "tablet" else ("day", "month", "list")
    if current is not None and current not in views:
        raise UsageError(f"a {device} shows {', '.join(views)}, not {current!r}")
    first = settings.calendar_mode_tablet if device == "tablet" else settings.calendar_mode_phone
    if current is None or idle > config.calendar_reset_view_threshold:
        return first
    return current
