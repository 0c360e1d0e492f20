"""Waiting for changes by Ping, within the bounds that the server and the network turn out to have.

A heartbeat that a proxy cuts is made shorter, one that the server refuses becomes the server's own; what worked is kept
in the account, so that the next wait begins with it.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import ConnectionFailed, FolderHierarchyChanged, ServerBusy, TlsFailed
from ...flow import Flow, commit, load
from ...model.changes import SaveAccount
from ...model.queries import AccountFacts
from ...model.watch import Watched
from ..commands import ping
from .ask import ask
from .session import Session

DEFAULT_HEARTBEAT = 900
LEAST_HEARTBEAT = 60
MAX_ADJUSTMENTS = 6
FACT = "ping_heartbeat"
"""Seconds that held on this account."""


def wait_once(session: Session, folders: Sequence[tuple[str, str]], seconds: int) -> Flow[ping.PingAnswer]:
    """One Ping and its answer, whichever of the five it is; nothing is repeated, and nobody is waited for.

    Raises the errors of a conversation: `ConnectionFailed` where the wait was cut, `ServerBusy`, `NotOffered`.
    """
    patience, session.patience = session.patience, 0.0
    try:
        request = ping.build(seconds, folders)
        return (yield from ask(session, ping.NAME, request, ping.parse, wait=float(seconds), once=True))
    except FolderHierarchyChanged:
        return ping.PingAnswer(ping.HIERARCHY)
    finally:
        session.patience = patience


def watch(session: Session, folders: Sequence[tuple[str, str]], heartbeat: int | None = None) -> Flow[Watched]:
    """Wait once for changes in `folders`, pairs of CollectionId and class, the most important first.

    `heartbeat`: seconds to wait at most; None: what worked last, else `DEFAULT_HEARTBEAT`. Raises `UsageError`, and the
    errors of a conversation; a connection that is cut again and again at the shortest heartbeat among them.
    """
    facts: dict[str, str] = yield from load(AccountFacts())
    known = facts.get(FACT, "")
    learnt = int(known) if known.isdigit() else DEFAULT_HEARTBEAT
    seconds = min(heartbeat, learnt) if heartbeat is not None and known else heartbeat or learnt
    watched = list(folders)
    for _ in range(MAX_ADJUSTMENTS):
        try:
            answer = yield from ask(session, ping.NAME, ping.build(seconds, watched), ping.parse, wait=float(seconds))
        except TlsFailed:
            raise
        except FolderHierarchyChanged:
            return Watched(hierarchy=True, heartbeat=seconds)
        except (ConnectionFailed, ServerBusy) as problem:
            shorter = max(LEAST_HEARTBEAT, seconds // 2)
            if getattr(problem, "retry_after", None) is not None or shorter == seconds:
                raise
            seconds = shorter
            yield from commit(SaveAccount({FACT: str(seconds)}))
            continue
        if answer.status == ping.HEARTBEAT and answer.heartbeat is not None and answer.heartbeat != seconds:
            seconds = answer.heartbeat
            yield from commit(SaveAccount({FACT: str(seconds)}))
        elif answer.status == ping.TOO_MANY and answer.max_folders is not None and answer.max_folders < len(watched):
            watched = watched[: answer.max_folders]
        else:
            dropped = tuple(identity for identity, _ in folders[len(watched) :])
            return Watched(answer.changed, answer.status == ping.HIERARCHY, dropped, seconds)
    return Watched(dropped=tuple(identity for identity, _ in folders), heartbeat=seconds)
