"""The start of every conversation: what earlier runs learnt, the protocol version, the introduction of the device."""

from __future__ import annotations

import json

from ...errors import CommandFailed, HttpStatusError, ServerBusy
from ...flow import Flow, commit, emit, load
from ...model.changes import SaveAccount
from ...model.events import Connected, Warned
from ...model.queries import AccountFacts
from ...policy.passphrase import Passphrase
from ..versions import VERSIONS
from .connect import connect
from .provision import HOST_FACT, PASSPHRASE_FACT, apply_policy
from .session import Session

OPTIONS_LIFETIME = 24 * 3600.0
"""Seconds for which the answer to OPTIONS is relied on."""


def begin(session: Session, now: float, pinned: str | None = None) -> Flow[None]:
    """Make `session` ready for any command. `now` is Unix time; `pinned` allows only one protocol version.

    Policy key, cookies, endpoint and version are those of the last run where they still hold. A device that the server
    has not met is introduced (Provision). Raises the errors of `connect` and `apply_policy`.
    """
    facts: dict[str, str] = yield from load(AccountFacts())
    session.policy_key = facts.get("policy_key")
    session.host_enforces = frozenset(json.loads(facts.get(HOST_FACT, "[]")))
    session.passphrase = Passphrase.from_json(facts[PASSPHRASE_FACT]) if PASSPHRASE_FACT in facts else None
    session.cookies.update(json.loads(facts.get("cookies", "{}")))
    known = facts.get("version", "")
    checked = float(facts.get("options_at", "0"))
    if now - checked < OPTIONS_LIFETIME and known in VERSIONS and pinned in (None, known):
        session.version = VERSIONS[known]
        session.url = facts.get("endpoint", session.url)
        yield from emit(Connected(known, session.url))
    else:
        yield from connect(session, pinned)
        yield from commit(SaveAccount({"options_at": repr(now)}))
    if "provisioned" not in facts:
        yield from _introduce(session)


def _introduce(session: Session) -> Flow[None]:
    """Provision once unasked: it announces the device, without which some servers list folders but send no items.

    A server that has no policy command at all is none the worse for it.
    """
    try:
        yield from apply_policy(session)
    except (CommandFailed, HttpStatusError, ServerBusy) as problem:
        yield from emit(Warned(f"the server does not provision devices ({problem})"))
        yield from commit(SaveAccount({"provisioned": "refused"}))
