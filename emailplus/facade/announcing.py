"""What EWS tells of new mail while a mailbox is watched: it ends the wait, and ActiveSync brings the mail.

So one mail is one event, whichever way is quicker, and EWS being off costs no mail: `emailplus.watching` goes on with
its own ways of waiting. Listening is a thread, since EWS has no other form (`ews.listening`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal

from ..errors import EmailplusError
from ..model.ews import EwsMail

EwsKind = Literal["pull", "streaming"]
EWS_KINDS: Final[tuple[EwsKind, ...]] = ("pull", "streaming")
PATIENCE: Final = 5.0
"""Seconds that the end of a watch waits for the thread; a stream looks up only when the server speaks."""


class Announcer:
    """`listen`: `Mailbox.listen_by_ews`. `wake` is called, from the thread, when there is something to `take`."""

    def __init__(
        self, listen: Callable[..., int], kind: EwsKind, folders: Sequence[str], wake: Callable[[], None]
    ) -> None:
        self._listen, self._kind, self._folders, self._wake = listen, kind, tuple(folders), wake
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._taken: list[EwsMail] = []
        self._problem: EmailplusError | None = None

    def begin(self) -> None:
        """Listen, unless that has begun before."""
        if self._thread is None and not self._stop.is_set():
            self._thread = threading.Thread(target=self._run, name="emailplus-ews", daemon=True)
            self._thread.start()

    def take(self) -> list[EwsMail]:
        """What was announced since the last call."""
        with self._lock:
            taken, self._taken = self._taken, []
        return taken

    def problem(self) -> EmailplusError | None:
        """Why nothing is announced any more; told once."""
        with self._lock:
            problem, self._problem = self._problem, None
        return problem

    def end(self) -> None:
        """Listen no more. Safe to call twice."""
        self._stop.set()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(PATIENCE)

    def _run(self) -> None:
        options: dict[str, Any] = {"kind": self._kind, "folders": self._folders, "stop": self._stop}
        try:
            while not self._stop.is_set():  # whoever watches is still there when the subscription's lifetime is over
                self._listen(self._heard, **options)
        except EmailplusError as problem:
            if self._stop.is_set():
                return  # the mailbox is being closed
            with self._lock:
                self._problem = problem
            self._wake()

    def _heard(self, mail: EwsMail) -> None:
        with self._lock:
            self._taken.append(mail)
        self._wake()
