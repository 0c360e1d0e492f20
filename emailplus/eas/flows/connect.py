"""Finding out how to speak with the server: OPTIONS and the choice of a version (MS-ASHTTP 3.1.5.1)."""

from __future__ import annotations

from ...errors import MalformedResponse, RedirectLoop
from ...flow import Flow, commit, emit, http
from ...model.changes import SaveAccount
from ...model.events import Connected
from .. import http as protocol
from ..versions import negotiate
from .session import MAX_REDIRECTS, Session, go_to, notice


def connect(session: Session, pinned: str | None = None) -> Flow[None]:
    """Ask for versions and commands and agree on the best version; `pinned` allows only that one.

    Raises `NoCommonVersion`, `AuthenticationFailed`, `EndpointNotFound` and their like.
    """
    for _ in range(MAX_REDIRECTS + 1):
        response = yield from http(protocol.options_request(session.url, session.identity))
        if response.status != 451:
            break
        target = protocol.redirect_target(response, session.url)
        if target is None or target in (session.url, *session.visited):
            raise RedirectLoop("the server sends us in circles (HTTP 451); check email_exchange_host")
        yield from go_to(session, target)
    yield from notice(session, response)
    if response.status == 451:
        raise RedirectLoop(f"the server redirects more than {MAX_REDIRECTS} times; check email_exchange_host")
    if response.status != 200:
        raise protocol.status_error(response, 0.0)
    offered = response.headers.get("ms-asprotocolversions", "")
    if not offered:
        raise MalformedResponse("the server does not name its ActiveSync versions: check email_exchange_host")
    session.version = negotiate(offered, pinned)
    names = response.headers.get("ms-asprotocolcommands", "")
    session.commands = frozenset(name.strip() for name in names.split(",") if name.strip())
    yield from commit(
        SaveAccount({"version": session.version.name, "endpoint": session.url, "offered_versions": offered})
    )
    yield from emit(Connected(session.version.name, session.url))
