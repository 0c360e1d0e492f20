"""Passwords: where one comes from, when it is asked for, and that a refused one is never sent again.

A server locks an account after a number of wrong passwords. So a password that was refused is remembered (as a digest,
by the store) and not sent again in this or any later run, until it is another one; a person is asked for another
at most `MAX_ASKED` times in a row; and what a 401 answers is never repeated by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from datetime import UTC, datetime
from typing import Final, Protocol

from ..errors import PasswordRefusedBefore, PasswordRequired
from ..flow import HttpRequest, HttpResponse
from ..model.sign_in import AskPassword, PasswordWanted
from ..policy.sign_in import Prompt, SignIn
from .base import Auth
from .kerberos import RefusedByKdc

MAX_ASKED: Final = 3
"""Times a person is asked before the conversation ends: the guide's three attempts (`prompt_email_password`)."""


class Memory(Protocol):
    """Remembers refusals without passwords. `scope` tells apart what a password is for."""

    @property
    def connected(self) -> bool:
        """Whether a password was ever taken by the server."""

    def refused_at(self, scope: str, password: str) -> float | None:
        """When the server refused this password (Unix time), or None."""

    def refuse(self, scope: str, password: str, now: float) -> None:
        """The server refused it."""

    def accept(self) -> None:
        """The server took a password."""


class Passing:
    """A memory for what has no store: of this object's life."""

    def __init__(self) -> None:
        self.connected = False
        self._refused: dict[tuple[str, str], float] = {}

    def refused_at(self, scope: str, password: str) -> float | None:
        return self._refused.get((scope, password))

    def refuse(self, scope: str, password: str, now: float) -> None:
        self._refused[scope, password] = now

    def accept(self) -> None:
        self.connected = True
        self._refused.clear()


class Purse:
    """The password of one mailbox. `given` is the caller's or the config's, `ask` asks a person."""

    def __init__(
        self,
        *,
        username: str,
        host: str,
        given: str | None,
        ask: AskPassword | None,
        memory: Memory,
        now: Callable[[], float],
        hide: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.username, self.host = username, host
        self._given, self._ask, self._memory, self._now, self._hide = given, ask, memory, now, hide
        self._asked = 0

    @property
    def current(self) -> str | None:
        """The password at hand, whatever the server makes of it."""
        return self._given

    def connect_first(self, decision: SignIn) -> bool:
        """Whether the first connection is to be made without a password (`prompt_email_password` false)."""
        first = decision.prompt is Prompt.AFTER and not self._memory.connected
        return first and self._given is None and self._ask is not None

    def password(self, decision: SignIn, *, refused: bool = False) -> str:
        """The password to send. `refused`: the server has just refused the one before.

        Raises `PasswordRequired` and `PasswordRefusedBefore`; nothing may be sent then.
        """
        scope = self._scope(decision)
        before: float | None = None
        if self._given is not None:
            before = self._memory.refused_at(scope, self._given)
            if before is None:
                return self._given
        while self._may_ask(decision):
            self._asked += 1
            wanted = PasswordWanted(self.username, self.host, refused or before is not None, self._asked)
            answer = self._ask(wanted) if self._ask is not None else None
            if not answer:
                break
            self._hide(answer)
            before = self._memory.refused_at(scope, answer)
            if before is None:
                self._given = answer
                return answer
        if before is not None:
            raise PasswordRefusedBefore(
                f"the server refused this password on {datetime.fromtimestamp(before, UTC):%Y-%m-%d at %H:%M} UTC; it "
                "was not sent again, because servers lock accounts for that. Give another one, or forget the refusal: "
                "Mailbox.sign_out, or `emailplus sign-out`"
            )
        raise PasswordRequired(
            "no password is at hand and nobody may be asked or knows it: give one, or set email_password"
            if not self._asked
            else "no password was given; nothing was sent"
        )

    def require(self, decision: SignIn) -> None:
        """Raise what `password` would where nobody can be asked; nobody is asked here."""
        if not self._may_ask(decision):
            self.password(decision)

    def refuse(self, decision: SignIn, password: str) -> bool:
        """The server refused `password`; whether somebody may be asked for another."""
        self._memory.refuse(self._scope(decision), password, self._now())
        return self._may_ask(decision)

    def accept(self) -> None:
        """The server took the password."""
        self._asked = 0
        self._memory.accept()

    def _may_ask(self, decision: SignIn) -> bool:
        return self._ask is not None and decision.prompt is not Prompt.NEVER and self._asked < MAX_ASKED

    def _scope(self, decision: SignIn) -> str:
        """A password is refused for one way of showing it to one server: another mode may succeed with it."""
        return f"{decision.mode}\0{self.host}\0{self.username}"


class PasswordAuth:
    """Basic or NTLM with the password of a purse; `scheme` makes the strategy for a password.

    `slow`: that strategy may take its time between two requests.
    """

    def __init__(self, decision: SignIn, purse: Purse, scheme: Callable[[str], Auth], *, slow: bool = False) -> None:
        self._decision, self._purse, self._scheme, self._slow = decision, purse, scheme, slow
        self._password: str | None = None
        self._auth: Auth | None = None
        self._proved = False

    @property
    def may_block(self) -> bool:
        """Whether a person or a KDC may be asked, which takes its time."""
        return self._slow or self._purse.current is None

    def __repr__(self) -> str:
        return f"PasswordAuth({self._decision.mode}, ...)"

    def authorize(self, request: HttpRequest) -> Generator[HttpRequest, HttpResponse, None]:
        if self._auth is None:
            if self._purse.connect_first(self._decision):
                response = yield request
                if response.status != 401:
                    return
            self._take(self._purse.password(self._decision))
        while True:
            refusal: RefusedByKdc | None = None
            try:
                response = yield from self._send(request)
            except RefusedByKdc as problem:  # the same as a 401, from somebody else
                refusal = problem
            else:
                if response.status != 401:
                    if not self._proved and response.status < 500:
                        self._proved = True
                        self._purse.accept()
                    return
            password, self._auth = self._password or "", None
            if not self._purse.refuse(self._decision, password):
                if refusal is not None:
                    raise refusal
                return  # the flow says that it was refused
            self._take(self._purse.password(self._decision, refused=True))

    def _take(self, password: str) -> None:
        self._password, self._auth = password, self._scheme(password)

    def _send(self, request: HttpRequest) -> Generator[HttpRequest, HttpResponse, HttpResponse]:
        assert self._auth is not None
        steps = self._auth.authorize(request)
        wanted = next(steps)
        while True:
            response = yield wanted
            try:
                wanted = steps.send(response)
            except StopIteration:
                return response
