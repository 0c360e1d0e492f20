"""One question to the server, its answer parsed: the shape of most commands that need no dialogue."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ...errors import CommandFailed, HttpStatusError, MalformedResponse, NotOffered
from ...flow import Flow
from ..http import Command
from ..wbxml import Node, encode
from .provision import apply_policy
from .session import Session, perform, perform_once

T = TypeVar("T")


class EmptyAnswer(MalformedResponse):
    """No answer at all where one was needed."""


def ask(
    session: Session,
    name: str,
    request: Node | None,
    parse: Callable[[Node], T],
    *,
    wait: float = 0.0,
    once: bool = False,
) -> Flow[T]:
    """Send a command and parse its answer; `once`: a cut connection and a busy server are the caller's to deal with.

    Raises `NotOffered` where the server has no such command (status 137, HTTP 501), `MalformedResponse` for an empty
    answer, and what `parse` raises.
    """
    try:
        if once:
            command = Command(name, encode(request) if request is not None else b"", {}, False, wait)
            root = yield from perform_once(session, command, apply_policy)
        else:
            root = yield from perform(session, name, request, apply_policy, wait=wait)
        if root is None:
            raise EmptyAnswer(f"{name} was answered with nothing")
        return parse(root)
    except CommandFailed as problem:
        if problem.status != 137:
            raise
        raise NotOffered(f"the server has no command {name} (status 137)") from problem
    except HttpStatusError as problem:
        if problem.status != 501:
            raise
        raise NotOffered(f"the server has no command {name} (HTTP 501)") from problem
