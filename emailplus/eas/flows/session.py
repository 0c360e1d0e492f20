"""One conversation with a server: every command goes through `perform`, which deals with what any answer may be.

401  the credentials are refused: stop, never send them again
449 / status 142 to 144  apply the policy, then repeat the command
451  go where X-MS-Location points, within a budget
503, 500 / retry_later  wait as asked, then repeat, within a budget
a cut connection  repeat; the server keeps the previous SyncKey for exactly this (MS-ASCMD 2.2.3.181.4)

A command that must not be carried out twice goes by `perform_once`: what leaves it open whether the server acted is
then raised as `ConnectionFailed`, for the caller to find out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from ...errors import (
    ConnectionFailed,
    EmailplusError,
    MalformedResponse,
    ProvisioningRequired,
    RedirectLoop,
    RightsServiceBusy,
    ServerBusy,
    TlsFailed,
)
from ...flow import Flow, HttpRequest, HttpResponse, Payload, commit, emit, http, http_to_sink, sleep
from ...model.changes import SaveAccount
from ...model.events import Waiting, Warned
from ...policy.passphrase import Passphrase
from .. import http as protocol
from .. import status, tree
from ..http import Command, Identity
from ..multipart import decode_multipart
from ..versions import Version
from ..wbxml import Node, decode, encode

MAX_REDIRECTS = 5
MAX_REPEATS = 4
"""Times one command is repeated for a busy server."""
MAX_RECONNECTS = 2
"""Times one command is repeated when there is no answer at all."""
_OPEN = frozenset({500, 502, 504})
"""HTTP statuses that do not say whether the command was carried out."""
_PAUSES = (1.0, 4.0, 15.0, 45.0)
"""Seconds before each repeat where the server names none."""

Provisioner = Callable[["Session"], Flow[None]]


@dataclass(slots=True)
class Session:
    """What is known about the conversation; `perform` keeps it current."""

    url: str
    identity: Identity
    version: Version
    policy_key: str | None = None
    """None until the server has given one: then "0" is sent (MS-ASHTTP 2.2.1.1.2.6)."""
    device_information: Mapping[str, str] = field(default_factory=dict)
    host_enforces: frozenset[str] = frozenset()
    """Elements of a policy that the machine around the engine enforces, as its operator says."""
    passphrase: Passphrase | None = None
    """What is known of the passphrase that opens the store; None: a key does."""
    patience: float = 300.0
    """Seconds of waiting for a busy server that one command may cost."""
    commands: frozenset[str] = frozenset()
    """MS-ASProtocolCommands. Servers forget some they have: a hint, never a proof."""
    cookies: dict[str, str] = field(default_factory=dict)
    resync_ordered: bool = False
    """X-MS-RP was seen: local state must be synchronised again."""
    visited: list[str] = field(default_factory=list)
    last_answer_bytes: int = 0
    told: set[str] = field(default_factory=set)
    """Advice of the server that was passed on already in this run."""
    wiped: bool = False
    """The store is gone: nothing may be written any more."""


def perform(
    session: Session,
    name: str,
    body: Node | None,
    provision: Provisioner | None,
    *,
    parameters: Mapping[str, str] | None = None,
    multipart: bool = False,
    wait: float = 0.0,
) -> Flow[Node | None]:
    """Send a command and return its decoded answer; None for an empty one. Raises the errors of `errors.ServerError`.

    `provision` is how a demanded policy is applied; None within provisioning itself.
    """
    command = Command(name, encode(body) if body is not None else b"", parameters or {}, multipart, wait)
    _, root = yield from _exchange(session, command, provision, None, 0)
    return root


def perform_once(session: Session, command: Command, provision: Provisioner | None) -> Flow[Node | None]:
    """Send a command that must not be carried out twice; its answer as of `perform`.

    It is repeated only where the server says that it did nothing (a policy to apply, another address, 503). A cut
    connection, 500, 502 and 504 are raised as `ConnectionFailed`: the server may have acted. A status that means later
    is `ServerBusy` at once.
    """
    _, root = yield from _exchange(session, command, provision, None, 0, once=True)
    return root


def perform_to_spool(
    session: Session,
    name: str,
    body: Node | None,
    provision: Provisioner | None,
    payload: Payload,
    blob: int,
    *,
    parameters: Mapping[str, str] | None = None,
    multipart: bool = False,
) -> Flow[None]:
    """Send a command whose answer's content goes to the spool. A cut connection is the caller's to resume from."""
    command = Command(name, encode(body) if body is not None else b"", parameters or {}, multipart)
    yield from _exchange(session, command, provision, payload, blob)


def _exchange(
    session: Session,
    command: Command,
    provision: Provisioner | None,
    payload: Payload | None,
    blob: int,
    *,
    once: bool = False,
) -> Flow[tuple[HttpResponse, Node | None]]:
    waited, repeats, provisioned = 0.0, 0, False
    while True:
        request = _request(session, command)
        problem: ServerBusy | ConnectionFailed
        try:
            if payload is None:
                response = yield from http(request)
            else:
                response = yield from http_to_sink(request, payload, blob)
        except TlsFailed:
            raise
        except ConnectionFailed as failure:
            if payload is not None or once:
                raise  # the caller resumes where the spool ends, or finds out what the server did
            problem = failure
        else:
            yield from notice(session, response)
            if response.status == 200:
                root = _decode(command.name, response)
                code = _command_status(root)
                name, action = status.describe(command.name, code) if code is not None else ("", "ok")
                if action in ("provision", "wipe") and provision is not None and not provisioned:
                    provisioned = True
                    yield from provision(session)  # an order to wipe stands in the Provision answer
                    continue
                if code in (None, status.OK) or action != "retry_later":
                    return response, root
                told = status.error(command.name, code)
                if isinstance(told, RightsServiceBusy):
                    problem = told
                else:
                    problem = ServerBusy(f"{command.name}: {name} (status {code})", status=code)
                if once:  # the caller knows when to try again
                    raise problem
            elif _wants_policy(response, session):
                if provision is None or provisioned:
                    raise _refusal(response)
                provisioned = True
                yield from provision(session)
                continue
            elif response.status == 451:
                yield from _follow(session, response)
                continue
            else:
                error = protocol.status_error(response, 0.0)
                if not isinstance(error, ServerBusy):
                    raise error
                if once and response.status in _OPEN:
                    raise ConnectionFailed(f"{command.name}: the answer was lost (HTTP {response.status})")
                problem = error
        pause = getattr(problem, "retry_after", None)
        if pause is None:
            pause = _PAUSES[min(repeats, len(_PAUSES) - 1)]
        repeats += 1
        waited += pause
        most = MAX_REPEATS if isinstance(problem, ServerBusy) else MAX_RECONNECTS
        if repeats > most or waited > session.patience:
            raise problem
        yield from emit(Waiting(pause, str(problem)))
        yield from sleep(pause)


def _request(session: Session, command: Command) -> HttpRequest:
    cookies = "; ".join(f"{name}={value}" for name, value in session.cookies.items())
    key = session.policy_key if session.policy_key is not None else "0"
    return protocol.request(session.url, session.identity, session.version, command, key, cookies)


def notice(session: Session, response: HttpResponse) -> Flow[None]:
    """Headers that any answer may carry (MS-ASHTTP 2.2.2.1.2).

    Cookies are kept beyond the run: they name the mailbox server that holds our state, and from 16.0 on are to be
    returned with every request (MS-ASHTTP_R4076).
    """
    session.last_answer_bytes = len(response.body)
    if response.headers.get("x-ms-rp"):
        session.resync_ordered = True
    for text in protocol.advice(response.headers):
        if text not in session.told:
            session.told.add(text)
            yield from emit(Warned(text))
    if "set-cookie" in response.headers:
        before = dict(session.cookies)
        protocol.merge_cookies(session.cookies, response.headers["set-cookie"].split("\n"))
        if session.cookies != before and not session.wiped:
            yield from commit(SaveAccount({"cookies": json.dumps(session.cookies)}))


def go_to(session: Session, target: str) -> Flow[None]:
    """Continue at another address. Cookies belong to the host that set them (RFC 6265 5.1.3)."""
    session.visited.append(session.url)
    if session.cookies and urlsplit(target).netloc.lower() != urlsplit(session.url).netloc.lower():
        session.cookies.clear()
        if not session.wiped:
            yield from commit(SaveAccount({"cookies": None}))
    session.url = target


def _follow(session: Session, response: HttpResponse) -> Flow[None]:
    """451: take the new address, remember it, and refuse to run in circles."""
    target = protocol.redirect_target(response, session.url)
    if target is None:
        raise RedirectLoop("the server sends us elsewhere (HTTP 451) without a usable address in X-MS-Location")
    if target in (session.url, *session.visited) or len(session.visited) >= MAX_REDIRECTS:
        raise RedirectLoop(f"the server sends us in circles (HTTP 451 to {target}); check email_exchange_host")
    yield from emit(Warned(f"the server moved this mailbox to {target}"))
    yield from go_to(session, target)
    if not session.wiped:
        yield from commit(SaveAccount({"endpoint": target}))


def _wants_policy(response: HttpResponse, session: Session) -> bool:
    """449; or 403 from a server below 14.0 before any policy was applied (MS-ASHTTP 2.2.2.1.1)."""
    early_403 = response.status == 403 and not session.version.conversations and session.policy_key is None
    return response.status == 449 or early_403


def _refusal(response: HttpResponse) -> EmailplusError:
    if response.status == 449:
        return ProvisioningRequired("the server demands its policy again right after it was applied (HTTP 449)")
    return protocol.status_error(response, 0.0)


def _command_status(root: Node | None) -> int | None:
    """The Status of the command itself, right below the root; None where there is none."""
    if root is None:
        return None
    namespace = root[0].partition(":")[0]
    return tree.status(root, f"{namespace}:Status")


def _decode(name: str, response: HttpResponse) -> Node | None:
    if not response.body:
        return None
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind.startswith("text/html"):
        raise MalformedResponse(f"{name} was answered with a web page: is email_exchange_host an ActiveSync server?")
    if kind == protocol.MULTIPART_TYPE:
        return decode_multipart(response.body)
    return decode(response.body)
