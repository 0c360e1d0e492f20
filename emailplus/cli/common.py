"""What the commands share: options, secrets, output and the way errors end a command.

People read tables and progress on standard error; `--json` prints exactly one JSON document on standard output.
Secrets come from a file, the environment, the keyring of the system or a prompt, never from the command line.
"""

from __future__ import annotations

import getpass
import json
import os
import secrets
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..classification.document import problems
from ..config import AppConfig
from ..config.app_policy import AppConnectPolicy
from ..errors import (
    ConfigurationError,
    EmailplusError,
    PasswordRequired,
    StoreKeyMissing,
    UsageError,
)
from ..model.sign_in import AskPassword, PasswordWanted
from ..policy.dlp import Action, Unlock
from ..policy.sign_in import decide
from ..store.keys import ENVIRONMENT_VARIABLE, EnvironmentKey, KeyFile, KeyProvider, KeyringKey, Passphrase

if TYPE_CHECKING:
    from rich.console import Console

    from ..store.store import Store

PASSWORD_VARIABLE = "EMAILPLUS_PASSWORD"

StoreOption = Annotated[
    Path, typer.Option("--store", "-s", metavar="FILE", help="The encrypted mailbox.", show_default=False)
]
ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", metavar="FILE", help="The app config.", show_default=False)
]
KeyFileOption = Annotated[
    Path | None,
    typer.Option("--key-file", metavar="FILE", help=f"Store key; else {ENVIRONMENT_VARIABLE}.", show_default=False),
]
PassphraseFileOption = Annotated[
    Path | None,
    typer.Option("--passphrase-file", metavar="FILE", help="Passphrase of the store.", show_default=False),
]
PasswordFileOption = Annotated[
    Path | None,
    typer.Option(
        "--password-file", metavar="FILE", help=f"Server password; else {PASSWORD_VARIABLE}.", show_default=False
    ),
]
AppPolicyOption = Annotated[
    Path | None,
    typer.Option(
        "--app-policy", metavar="FILE", help="The app policy (AppConnect); the store remembers it.", show_default=False
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]


def console() -> Console:
    """Standard error, for people."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else 120)


def print_json(document: Any) -> None:
    """The one JSON document of a command."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2) + "\n")
    sys.stdout.flush()


@contextmanager
def errors_as_exit_codes(as_json: bool) -> Iterator[None]:
    """End the command with the exit code of an `EmailplusError`, said in one line (and in JSON where asked for)."""
    try:
        yield
    except EmailplusError as problem:
        problems = list(getattr(problem, "problems", ()))
        say(f"error: {problem}")
        for entry in problems:
            say(f"  {entry}")
        if getattr(problem, "bundle", None):
            say("the log bundle for the administrator: emailplus report --config FILE --output FILE")
        if as_json:
            print_json(
                {
                    "error": {
                        "type": type(problem).__name__,
                        "message": str(problem),
                        "exit_code": problem.exit_code,
                        "problems": [str(entry) for entry in problems],
                    }
                }
            )
        raise typer.Exit(problem.exit_code) from None
    except KeyboardInterrupt:
        say("stopped; what was stored is whole, and the next run goes on from there")
        raise typer.Exit(130) from None


def end_on_sigterm() -> None:
    """Let SIGTERM end the command between two steps, as Ctrl-C does: a process that just dies counts as a crash."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _end)


def _end(*_: object) -> None:
    raise SystemExit(128 + signal.SIGTERM)


def say(line: str) -> None:
    """One line for people."""
    print(line, file=sys.stderr, flush=True)


def load_config(path: Path) -> AppConfig:
    """The app config; its warnings are said. Raises `ConfigurationError` or `UsageError`."""
    try:
        config = AppConfig.load(path, check_markers=problems)
    except OSError as problem:
        raise UsageError(f"{path}: {problem.strerror}") from problem
    for warning in config.warnings:
        say(f"warning: {warning}")
    return config


def store_key(
    key_file: Path | None, passphrase_file: Path | None, config: AppConfig | None = None, *, new: bool = False
) -> KeyProvider:
    """The store's key from a file, the environment, the keyring (under `allow_device_keychain`) or a prompt."""
    if key_file is not None:
        return KeyFile(key_file)
    if passphrase_file is not None:
        return Passphrase(read_secret(passphrase_file, "the passphrase file"))
    if os.environ.get(ENVIRONMENT_VARIABLE):
        return EnvironmentKey()
    if config is not None and config.allow_device_keychain:
        return KeyringKey(config.email_address, create=True)
    if at_terminal():
        passphrase = getpass.getpass("Passphrase of the store: ")
        if new and getpass.getpass("The same again: ") != passphrase:
            raise StoreKeyMissing("the two passphrases differ")
        return Passphrase(passphrase)
    raise StoreKeyMissing(
        f"no store key: set {ENVIRONMENT_VARIABLE} to 64 hexadecimal digits (openssl rand -hex 32), "
        "or give --key-file or --passphrase-file"
    )


def at_terminal() -> bool:
    """Whether somebody is there to be asked."""
    return sys.stdin.isatty()


def server_password(password_file: Path | None, config: AppConfig) -> str | AskPassword | None:
    """The password: a file, the environment, `email_password` (None), or a person under `allow_prompt_password`.

    When a person is asked is for `prompt_email_password`: so the answer may be a callable. None too where a mode is
    configured that needs no password.
    """
    if password_file is not None:
        return read_secret(password_file, "the password file")
    if os.environ.get(PASSWORD_VARIABLE):
        return os.environ[PASSWORD_VARIABLE]
    if config.email_password is not None:
        return None
    if config.allow_prompt_password and at_terminal():
        return ask_password
    if not decide(config).uses_password:
        return None
    raise PasswordRequired(
        f"no password: set {PASSWORD_VARIABLE}, give --password-file, or set email_password in the app config"
    )


pausing: list[Callable[[], AbstractContextManager[object]]] = []
"""What draws on the terminal has to stand back while somebody types there."""


def ask_password(wanted: PasswordWanted) -> str | None:
    """Ask at the terminal; an empty answer is none."""
    with ExitStack() as quiet:
        for pause in pausing:
            quiet.enter_context(pause())
        if wanted.refused:
            say("the server refuses this password")
        return getpass.getpass(f"Password of {wanted.username}: ") or None


def read_secret(path: Path, what: str) -> str:
    """The first line of a file."""
    try:
        with path.open(encoding="utf-8") as file:
            return file.readline(4096).rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as problem:
        raise UsageError(f"{what} cannot be read: {path}") from problem


def open_store(path: Path, key_file: Path | None, passphrase_file: Path | None) -> Store:
    """An existing store, for reading. Raises `PolicyDenied` where its app policy does not let it be opened."""
    from ..store.app_policy import guard
    from ..store.store import Store

    key = store_key(key_file, passphrase_file)
    opened = Store.open(path, key, create=False)
    try:
        rules = guard(opened.database)
        rules.may(Action.OPEN_DATA).require()
        rules.may(Action.UNLOCK, Unlock(passphrase=key.new_kdf() is not None)).require()
    except BaseException:
        opened.close()
        raise
    return opened


def load_app_policy(path: Path | None) -> AppConnectPolicy | None:
    """The app policy; its warnings are said. None without a file. Raises `ConfigurationError`."""
    if path is None:
        return None
    policy = AppConnectPolicy.load(path)
    for warning in policy.warnings:
        say(f"warning: {warning}")
    return policy


__all__ = [
    "AppPolicyOption",
    "ConfigOption",
    "ConfigurationError",
    "JsonOption",
    "KeyFileOption",
    "PassphraseFileOption",
    "PasswordFileOption",
    "StoreOption",
    "at_terminal",
    "console",
    "errors_as_exit_codes",
    "load_app_policy",
    "load_config",
    "open_store",
    "print_json",
    "read_secret",
    "say",
    "server_password",
    "store_key",
]


def write_page(page: str, target: Path) -> None:
    """Write for the owner's eyes only, whole or not at all."""
    if str(target) == "-":
        sys.stdout.write(page)
        return
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as file:
            file.write(page)
        os.replace(temporary, target)
    except OSError as problem:
        raise UsageError(f"the page cannot be written to {target}: {problem.strerror}") from problem
    finally:
        temporary.unlink(missing_ok=True)
