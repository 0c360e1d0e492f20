"""Finding the server of an email address, before there is a mailbox."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..discovery import adiscover, discover
from ..model.discovery import Discovered
from ..model.questions import Confirm


class Discovering:
    """Methods of `Mailbox`."""

    @staticmethod
    def discover(
        email: str,
        password: str,
        *,
        username: str | None = None,
        trusted_roots: Iterable[bytes] = (),
        timeout: float = 20.0,
        services: Sequence[str] = (),
        confirm: Confirm | None = None,
    ) -> Discovered:
        """Find the ActiveSync address of `email` by Autodiscover; see `emailplus.discovery.discover`."""
        return discover(
            email,
            password,
            username=username,
            trusted_roots=trusted_roots,
            timeout=timeout,
            services=services,
            confirm=confirm,
        )


class AsyncDiscovering:
    """Methods of `AsyncMailbox`."""

    @staticmethod
    async def discover(
        email: str,
        password: str,
        *,
        username: str | None = None,
        trusted_roots: Iterable[bytes] = (),
        timeout: float = 20.0,
        services: Sequence[str] = (),
        confirm: Confirm | None = None,
    ) -> Discovered:
        """See `Mailbox.discover`."""
        return await adiscover(
            email,
            password,
            username=username,
            trusted_roots=trusted_roots,
            timeout=timeout,
            services=services,
            confirm=confirm,
        )
