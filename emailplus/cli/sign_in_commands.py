"""`emailplus sign-in` and `sign-out`: modern authentication, and how a mailbox stands."""

from __future__ import annotations

import os
import webbrowser
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

from ..errors import UsageError
from ..mailbox import Mailbox
from ..model.sign_in import DeviceCode, SignInState
from . import common
from .common import ConfigOption, JsonOption, KeyFileOption, PassphraseFileOption, StoreOption

CLIENT_VARIABLE = "EMAILPLUS_CLIENT_ID"
SECRET_VARIABLE = "EMAILPLUS_CLIENT_SECRET"
METHODS = ("device", "browser", "service")
FORMS = ("v1", "v2")

ClientOption = Annotated[
    str | None,
    typer.Option(
        "--client-id",
        metavar="ID",
        help=f"How the authority knows this program; else {CLIENT_VARIABLE}, else as at the sign-in before.",
        show_default=False,
    ),
]
MethodOption = Annotated[
    str,
    typer.Option(
        "--method",
        metavar="METHOD",
        help="device: type a code on any device. browser: one opens here. service: with a client secret, no person.",
    ),
]
SecretOption = Annotated[
    Path | None,
    typer.Option(
        "--client-secret-file",
        metavar="FILE",
        help=f"Secret of a service (its first line); else {SECRET_VARIABLE}.",
        show_default=False,
    ),
]
ScopeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--scope", metavar="SCOPE", help="A permission by its full name; repeat for more.", show_default=False
    ),
]
FormOption = Annotated[
    str | None,
    typer.Option(
        "--form",
        metavar="FORM",
        help="v1: the authority takes a resource; v2: scopes. Default: by modern_auth_authority_url.",
        show_default=False,
    ),
]
StateOption = Annotated[bool, typer.Option("--state", help="Only tell how the mailbox signs in, and who did.")]


def sign_in(
    config: ConfigOption,
    store: StoreOption,
    client_id: ClientOption = None,
    method: MethodOption = "device",
    client_secret_file: SecretOption = None,
    scope: ScopeOption = None,
    form: FormOption = None,
    state: StateOption = False,
    key_file: KeyFileOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Sign in to a mailbox with modern authentication; the tokens are kept in the store and renewed from there.

    Exit code 3: nobody signed in, or somebody else than the account of the config.
    """
    with common.errors_as_exit_codes(as_json):
        way, wire = _method(method), _form(form)
        settings = common.load_config(config)
        key = common.store_key(key_file, passphrase_file, settings, new=not store.exists())
        secret = os.environ.get(SECRET_VARIABLE, "")
        if client_secret_file is not None:
            secret = common.read_secret(client_secret_file, "the client secret file")
        with Mailbox.open(settings, store=store, key=key) as mailbox:
            if state:
                found = mailbox.sign_in_state()
            else:
                found = mailbox.sign_in(
                    client_id or os.environ.get(CLIENT_VARIABLE, ""),
                    method=way,
                    client_secret=secret,
                    scopes=scope or (),
                    form=wire,
                    show=_show,
                    browse=_browse,
                )
        _tell(found, as_json)


def sign_out(
    config: ConfigOption,
    store: StoreOption,
    key_file: KeyFileOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Forget the tokens, and which passwords the server refused: the next run tries those once more."""
    with common.errors_as_exit_codes(as_json):
        settings = common.load_config(config)
        key = common.store_key(key_file, passphrase_file, settings)
        if not store.exists():
            raise UsageError(f"there is no store at {store}")
        with Mailbox.open(settings, store=store, key=key) as mailbox:
            mailbox.sign_out()
            found = mailbox.sign_in_state()
        _tell(found, as_json)


def _method(name: str) -> Literal["device", "browser", "service"]:
    for known in METHODS:
        if name == known:
            return known  # type: ignore[return-value]
    raise UsageError(f"a method is {', '.join(METHODS)}, not {name!r}")


def _form(name: str | None) -> Literal["v1", "v2"] | None:
    if name not in (None, *FORMS):
        raise UsageError(f"a form is {' or '.join(FORMS)}, not {name!r}")
    return name  # type: ignore[return-value]


def _show(code: DeviceCode) -> None:
    common.say(f"open {code.url} on any device and enter the code {code.code} ({code.seconds / 60:.0f} minutes)")


def _browse(url: str) -> None:
    common.say(f"sign in in the browser; if none opens, go to\n{url}")
    webbrowser.open(url)


def _tell(state: SignInState, as_json: bool) -> None:
    for warning in state.warnings:
        common.say(f"warning: {warning}")
    if as_json:
        common.print_json(asdict(state))
        return
    print(f"mode        {state.mode} ({state.why})")
    if state.mode != "modern_auth":
        return
    print(f"signed in   {'yes' if state.signed_in else 'no'}")
    if state.username:
        print(f"user        {state.username}")
    if state.method:
        print(f"method      {state.method}")
    if state.expires is not None:
        print(f"token ends  {datetime.fromtimestamp(state.expires, UTC):%Y-%m-%d %H:%M} UTC, renewed by itself")
