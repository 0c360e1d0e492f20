"""A mailbox that is being watched: the loop of `emailplus.watching`, driven by whoever asks for the next event."""

from __future__ import annotations

import asyncio
import contextlib
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Sequence
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from .. import account, waiting
from ..driver import Network
from ..eas.flows.session import Session
from ..eas.flows.synchronise import complete, glance_at, wait_once_in_sync
from ..eas.flows.watch import wait_once
from ..errors import AuthenticationFailed, EmailplusError, UsageError
from ..flow import Flow, HttpRequest, HttpResponse
from ..model.events import MessageReceived
from ..model.watch import WatchEvent
from ..notify.rules import App
from ..telling import Teller
from ..waiting import Interrupt, Stopped, Woken
from ..watching import (
    METHODS,
    Complete,
    Do,
    Glance,
    Linger,
    Method,
    Pause,
    Ping,
    Renew,
    Rounds,
    Step,
    Synchronise,
    Tell,
)
from .announcing import EWS_KINDS, Announcer, EwsKind

if TYPE_CHECKING:
    from ..eas.flows.synchronise import RunPlan
    from ..mailbox import AsyncMailbox, Mailbox
    from . import Dialogue

RenewPassword = Callable[[AuthenticationFailed], str | None]
"""Asked for another password when the server refuses the one in use; None: there is none."""


class _Watching(ABC):
    """What both kinds of watch have: the loop, and what its steps mean for a mailbox."""

    def __init__(
        self,
        mailbox: Mailbox,
        folders: Sequence[str] | None,
        heartbeat: int | None,
        method: Method,
        password: RenewPassword | None,
        app: App,
        ews: EwsKind | None,
    ) -> None:
        if method not in METHODS:
            raise UsageError(f"a watch waits by {', '.join(METHODS)}, not by {method!r}")
        if ews is not None and ews not in EWS_KINDS:
            raise UsageError(f"EWS tells of mail by {' or '.join(EWS_KINDS)}, not by {ews!r}")
        if heartbeat is not None and heartbeat < 1:
            raise UsageError("a heartbeat is at least a second")
        if mailbox._watch is not None:
            raise UsageError("this mailbox is being watched already; a device has one Ping at a time")
        self._mailbox = mailbox
        self._password = password
        self._used: str | None = None
        self._teller = Teller(
            mailbox.store,
            lambda: mailbox.config,
            mailbox.settings,
            mailbox.door,
            folders,
            lambda: account.utc_now(),  # noqa: PLW0108 - looked up each time
            app,
        )
        self._announcer: Announcer | None = None
        if ews is not None:
            names = ("Inbox",) if folders is None else folders
            self._announcer = Announcer(mailbox.listen_by_ews, ews, names, self._wake)
        rounds = Rounds(self._teller, time.monotonic, heartbeat=heartbeat, method=method, announcements=self._announcer)
        self._steps = rounds.steps()
        self._over = False
        mailbox._watch = self

    @property
    @abstractmethod
    def stopped(self) -> bool:
        """Whether it has been asked to end."""

    @abstractmethod
    def close(self) -> None:
        """End it."""

    @abstractmethod
    def _wake(self) -> None:
        """End the wait: there is news. From any thread."""

    def _next(self, result: Any, failure: BaseException | None) -> Step | None:
        """The next step; None: the loop is over."""
        try:
            return self._steps.throw(failure) if failure is not None else self._steps.send(result)
        except StopIteration:
            return None

    def _turn(self) -> Generator[Step, Any, WatchEvent | None]:
        """Steps for whoever drives this to perform, until there is an event to hand over; None: the watch is over."""
        if self._over:
            return None
        result: Any = None
        failure: BaseException | None = None
        self._started, self._busy = False, True
        try:
            while (step := self._next(result, failure)) is not None:
                result, failure = None, None
                if isinstance(step, Tell):
                    self._started = True
                    return step.event
                try:
                    result = yield step
                except (EmailplusError, Woken) as problem:
                    failure = problem
        except Stopped:
            pass
        except BaseException:
            self._end()
            raise
        finally:
            self._busy = False
        self._end()
        return None

    def _confirm(self) -> None:
        """What was handed over last is told."""
        if not self._started:
            return
        self._started = False
        try:
            step = self._steps.send(None)
            if isinstance(step, Do):
                step.call()
        except (StopIteration, EmailplusError):
            return  # the store is closed already: then it is told again

    _started = False
    """An event was handed over, and none asked for since."""
    _busy = False
    """The loop is being advanced."""

    def _end(self) -> None:
        self._over = True
        if self._announcer is not None:
            self._announcer.end()
        self._steps.close()
        if self._mailbox._watch is self:
            self._mailbox._watch = None

    def _plan(self) -> RunPlan:
        mailbox = self._mailbox
        self._used = mailbox._password_in_use()
        return mailbox._plan(None, None, "local_cache_all" in mailbox.config.disabled_features, fetch=False)

    def _hear(self, event: Any) -> None:
        if self.stopped:
            raise Stopped
        if isinstance(event, MessageReceived):
            self._teller.passed[(event.folder, event.message.server_id)] = event.message

    def _dialogue(self, step: Complete | Glance | Ping | Linger) -> Dialogue[Any]:
        self._used = self._mailbox._password_in_use()
        if isinstance(step, Ping):
            return partial(wait_once, folders=step.folders, seconds=step.seconds)
        plan = self._plan()
        if isinstance(step, Complete):
            return partial(complete, plan=plan)
        if isinstance(step, Glance):
            return partial(glance_at, plan=plan, folders=step.folders)

        def lingering(session: Session) -> Flow[bool]:
            return (yield from wait_once_in_sync(session, plan, step.seconds))

        return lingering

    def _renew(self, step: Renew) -> bool:
        """Whether there is something else to sign in with than what was refused."""
        mailbox = self._mailbox
        if not mailbox.credentials.decision().uses_password:
            return False  # no password helps: somebody has to sign in, or a certificate is missing
        if mailbox._password_in_use() != self._used:
            return True
        given = self._password(step.problem) if self._password is not None else None
        if given is None or given == self._used:
            return False
        mailbox.change_password(given)
        return True

    def _rest(self) -> None:
        """The store is let go of while nothing happens; whoever needs it meanwhile opens it again.

        In asyncio at once, since there may be thousands; in a thread after a while, since opening costs a few ms.
        """
        self._mailbox.store.database.rest()


class Watch(_Watching, Iterator[WatchEvent]):
    """Events of a mailbox, one after the other, until it is stopped.

        with mailbox.watch() as events:
            for event in events: ...

    An event counts as told when the next one is asked for, or the watch is closed in order; if the body of the ``with``
    ends in an error, it does not, and is told at the next start.
    """

    def __init__(
        self,
        mailbox: Mailbox,
        folders: Sequence[str] | None = None,
        heartbeat: int | None = None,
        method: Method = "ping",
        password: RenewPassword | None = None,
        app: App = App.OPEN,
        ews: EwsKind | None = None,
    ) -> None:
        self._interrupt = Interrupt()
        super().__init__(mailbox, folders, heartbeat, method, password, app, ews)

    @property
    def stopped(self) -> bool:
        """Whether it has been asked to end."""
        return self._interrupt.stopped

    def stop(self) -> None:
        """End the waiting at once, and the iteration with it. Usable from any thread and from a signal handler."""
        self._interrupt.stop()

    def _wake(self) -> None:
        self._interrupt.wake()

    def close(self) -> None:
        """Stop, and take the last event as told. Safe to call twice."""
        self.stop()
        if not self._over and not self._busy:
            self._confirm()
            self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._started = False
        self.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> WatchEvent:
        turn = self._turn()
        try:
            step = next(turn)
            while True:
                try:
                    result = self._perform(step)
                except BaseException as problem:
                    step = turn.throw(problem)
                else:
                    step = turn.send(result)
        except StopIteration as ended:
            event: WatchEvent | None = ended.value
        if event is None:
            raise StopIteration
        return event

    def _perform(self, step: Step) -> Any:
        if isinstance(step, Do):
            return step.call()
        if self.stopped:
            raise Stopped
        if isinstance(step, Pause):
            return self._interrupt.pause(step.seconds, self._rest, deaf=step.deaf)
        if isinstance(step, Synchronise):
            self._interrupt.heard()
            return self._mailbox._run(self._plan(), self._hear, self._interrupt.pause)
        if isinstance(step, Renew):
            return self._renew(step)
        if isinstance(step, (Complete, Glance)):
            return self._mailbox._converse(self._dialogue(step), self._hear)
        assert isinstance(step, (Ping, Linger))

        def hold(network: Network, request: HttpRequest) -> HttpResponse:
            return self._interrupt.send(request, network, step.limit, self._rest)

        return self._mailbox._converse(self._dialogue(step), self._hear, hold=hold)


class AsyncWatch(_Watching, AsyncIterator[WatchEvent]):
    """`Watch` for asyncio: ``async with await mailbox.watch() as events: async for event in events: ...``

    Cancelling the task that waits ends the waiting at once, too.
    """

    def __init__(
        self,
        mailbox: AsyncMailbox,
        folders: Sequence[str] | None = None,
        heartbeat: int | None = None,
        method: Method = "ping",
        password: RenewPassword | None = None,
        app: App = App.OPEN,
        ews: EwsKind | None = None,
    ) -> None:
        self._outer = mailbox
        self._loop = asyncio.get_running_loop()
        self._stop = self._news = self._deaf = False
        self._waiting: asyncio.Task[Any] | None = None
        super().__init__(mailbox._mailbox, folders, heartbeat, method, password, app, ews)

    @property
    def stopped(self) -> bool:
        """Whether it has been asked to end."""
        return self._stop

    def stop(self) -> None:
        """See `Watch.stop`."""
        self._stop = True
        self._loop.call_soon_threadsafe(self._cut)

    def _wake(self) -> None:
        self._news = True
        with contextlib.suppress(RuntimeError):  # the loop is over
            self._loop.call_soon_threadsafe(self._nudge)

    def _nudge(self) -> None:
        if not self._deaf:
            self._cut()

    def _cut(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()

    def close(self) -> None:
        """See `Watch.close`."""
        self._stop = True
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._cut)
        if not self._over and not self._busy:
            self._confirm()
            self._end()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._started = False
        await asyncio.to_thread(self.close)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> WatchEvent:
        turn = self._turn()
        try:
            step = next(turn)
            while True:
                try:
                    result = await self._perform(step)
                except BaseException as problem:
                    step = turn.throw(problem)
                else:
                    step = turn.send(result)
        except StopIteration as ended:
            event: WatchEvent | None = ended.value
        if event is None:
            raise StopAsyncIteration
        return event

    async def _perform(self, step: Step) -> Any:
        if isinstance(step, Do):
            return await asyncio.to_thread(step.call)
        if self.stopped:
            raise Stopped
        if isinstance(step, Renew):
            return await asyncio.to_thread(self._renew, step)
        if isinstance(step, Synchronise):
            self._news = False
            return await self._outer._run(self._plan(), self._hear)
        if isinstance(step, (Complete, Glance)):
            return await self._outer._converse(self._dialogue(step), self._hear)
        if isinstance(step, Pause):
            self._rest()
            pausing = waiting.awake(asyncio.sleep(step.seconds), None, self._rest)
            return await self._interruptible(pausing, deaf=step.deaf)
        assert isinstance(step, (Ping, Linger))

        async def hold(network: Network, request: HttpRequest) -> HttpResponse:
            response: HttpResponse = await self._interruptible(
                waiting.awake(waiting.send(request, network, self._rest), step.limit, self._rest)
            )
            return response

        alone = isinstance(step, Linger)  # it moves SyncKeys: nobody else may meanwhile
        return await self._outer._converse(self._dialogue(step), self._hear, hold=hold, in_turn=alone)

    async def _interruptible(self, work: Any, *, deaf: bool = False) -> Any:
        """`work`, which `stop` ends, and news unless it is deaf to them."""
        self._waiting, self._deaf = asyncio.ensure_future(work), deaf
        try:
            if self._news and not deaf:
                self._waiting.cancel()
            return await self._waiting
        except asyncio.CancelledError:
            if self._stop:
                raise Stopped from None
            if self._news and not deaf and self._waiting.cancelled():
                self._news = False
                raise Woken(news=True) from None
            raise
        finally:
            self._waiting.cancel()
            self._waiting = None
