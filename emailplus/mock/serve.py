"""Running a mock server until it is told to stop: what `emailplus mock serve` calls."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import FrameType
from typing import TextIO

from ..errors import UsageError
from . import fixture_mailbox
from .policy import MockPolicy
from .server import MockExchange, default_users
from .users import MockUser
from .versions import VERSIONS


def parse_user(text: str) -> MockUser:
    """A user written as ``email:password`` or ``email:password:Full Name``. Raises `UsageError`."""
    email, _, rest = text.partition(":")
    password, _, name = rest.partition(":")
    if "@" not in email or not password:
        raise UsageError("a user is written email:password, with an optional :Full Name")
    return MockUser(email, email.partition("@")[0], password, name=name)


def serve(
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    users: Sequence[MockUser] = (),
    eml: str | Path | None = None,
    demo: bool = False,
    versions: Iterable[str] = VERSIONS,
    policy: MockPolicy | None = None,
    tls: bool = False,
    tls_port: int = 0,
    ca_file: str | Path | None = None,
    server_json: str | Path | None = None,
    strict: bool = False,
    sign_in: Sequence[str] = ("basic",),
    attempts: int | None = None,
    client_certificates: str | Path | None = None,
    output: TextIO | None = None,
    stop: threading.Event | None = None,
) -> int:
    """Serve until SIGINT or SIGTERM (or until `stop` is set) and return 0.

    Once connections are accepted, `MockExchange.server_json` is printed to `output` (standard output) as one JSON
    document, and written to the file `server_json`. `eml` is a folder of messages for the first user's mailbox;
    `demo` fills it with `fixture_mailbox.messages`. With `tls` the certificate authority is written to `ca_file`
    (beside `server_json`, else ``mock-ca.pem``). `sign_in`: the ways in (`mock.sign_in.SCHEMES`); `attempts`: wrong
    passwords after which a user is locked; `client_certificates`: a folder that gets NAME.p12 of each user, password
    as theirs. Raises `UsageError` when the port is taken or the folder is none.
    """
    people = list(users) or default_users()
    exchange = MockExchange(
        people,
        versions=versions,
        policy=policy,
        strict=strict,
        tls=tls,
        host=host,
        port=port,
        tls_port=tls_port,
        sign_in=sign_in,
    )
    exchange.sign_in.attempts.limit = attempts
    if client_certificates is not None:
        folder = Path(client_certificates)
        for user in people:
            archive = exchange.client_p12(user.email, user.password)
            try:
                (folder / f"{user.username}.p12").write_bytes(archive)
            except OSError as problem:
                raise UsageError(f"client certificates cannot be written to {folder}: {problem.strerror}") from problem
    mailbox = exchange.user(people[0].email)
    if eml is not None:
        mailbox.load(eml)
    if demo:
        fixture_mailbox.fill(mailbox)
    stop = stop or threading.Event()
    previous = _catch_signals(stop)
    try:
        with exchange:
            if tls:
                beside = Path(server_json).parent if server_json is not None else Path()
                exchange.write_ca((Path(ca_file) if ca_file is not None else beside / "mock-ca.pem").resolve())
            document = json.dumps({**exchange.server_json(), "pid": os.getpid()}, indent=2)
            if server_json is not None:
                _write(Path(server_json), document + "\n")
            print(document, file=output or sys.stdout, flush=True)
            stop.wait()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    return 0


def _catch_signals(stop: threading.Event) -> dict[int, signal._HANDLER]:
    """Let SIGINT and SIGTERM set `stop`; outside the main thread signals are not ours to catch."""
    if threading.current_thread() is not threading.main_thread():
        return {}

    def caught(number: int, frame: FrameType | None) -> None:
        stop.set()

    return {number: signal.signal(number, caught) for number in (signal.SIGINT, signal.SIGTERM)}


def _write(path: Path, text: str) -> None:
    """Write a file in one step, so that whoever waits for it never reads half of it."""
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
