"""What a sign-in mode needs beside its name: the checks say it, `policy.sign_in` decides by it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

NEEDS: Final[dict[str, tuple[str, ...]]] = {
    "cert_base": ("email_login_certificate",),
    "modern_auth": ("modern_auth_authority_url", "modern_auth_resource_url"),
}
"""Mode of `eas_min_allowed_auth_mode` and `ews_min_allowed_auth_mode` -> the keys without which it cannot be used."""


def lacking(mode: str, value: Callable[[str], object]) -> str:
    """The keys that `mode` needs and that have no usable value, for people; "" where nothing is missing."""
    missing = [key for key in NEEDS.get(mode, ()) if value(key) is None]
    named = " and ".join(missing)
    return f"a usable {named}" if mode == "cert_base" and missing else named
