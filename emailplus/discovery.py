"""From an email address to the server's address, before there is an app config or a store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from . import __version__
from .auth.basic import BasicAuth
from .driver import Network, arun, run, tls_context
from .eas.flows import autodiscover
from .flow import Flow
from .model.discovery import Discovered
from .model.questions import Confirm


def _prepared(
    email: str,
    password: str,
    username: str | None,
    trusted_roots: Iterable[bytes],
    timeout: float,
    services: Sequence[str],
    confirm: Confirm | None,
) -> tuple[Flow[Discovered], Network]:
    auth = BasicAuth(username or email, password)
    agent = f"emailplus/{__version__}"
    flow = autodiscover.discover(email, user_agent=agent, confirm=confirm, services=services)
    return flow, make_network(auth, timeout, trusted_roots)


def make_network(auth: BasicAuth, timeout: float, trusted_roots: Iterable[bytes]) -> Network:
    """How the requests leave; certificates are always verified, since the password goes along."""
    return Network(auth=auth, timeout=timeout, tls=tls_context(trusted_roots))


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
    """Find the ActiveSync address of `email` (Autodiscover, XML and JSON).

    `username` None: the address is the user name. `trusted_roots`: certificates (DER) to trust beside the system's.
    `timeout`: seconds for each step. `services`: hosts beyond the domain to ask by JSON, such as
    ``outlook.office365.com``; they learn the address, never the password. `confirm` is asked before the password goes
    to a host outside of the domain. Raises `DiscoveryFailed` with `trace`, `UsageError` for what is no address.
    """
    flow, network = _prepared(email, password, username, trusted_roots, timeout, services, confirm)
    return run(flow, network, None)


async def adiscover(
    email: str,
    password: str,
    *,
    username: str | None = None,
    trusted_roots: Iterable[bytes] = (),
    timeout: float = 20.0,
    services: Sequence[str] = (),
    confirm: Callable[..., str] | None = None,
) -> Discovered:
    """See `discover`; `confirm` is called in a thread."""
    flow, network = _prepared(email, password, username, trusted_roots, timeout, services, confirm)
    return await arun(flow, network, None)
