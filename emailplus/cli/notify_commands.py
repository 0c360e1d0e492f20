"""`emailplus notify`: the notification proxy, and this mailbox's registration at one."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import UsageError
from ..model.push import PushRegistration
from . import common

if TYPE_CHECKING:
    from ..mailbox import Mailbox

notify_app = typer.Typer(
    name="notify", help="The notification proxy, and the registration at one.", no_args_is_help=True
)

_Options = Annotated[
    Path, typer.Option("--config", "-c", metavar="FILE", help="The proxy's configuration (TOML).", show_default=False)
]


@notify_app.callback()
def _group() -> None:
    """The notification proxy, and the registration at one."""


@notify_app.command("serve")
def serve(
    config: _Options,
    key_file: common.KeyFileOption = None,
    server_json: Annotated[
        Path | None,
        typer.Option("--server-json", metavar="FILE", help="Write address and process id there.", show_default=False),
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Only say whether the configuration is right.")] = False,
) -> None:
    """Serve until interrupted: Exchange's posts come in, notifications go out. The log is JSON on standard error."""
    with common.errors_as_exit_codes(as_json=False):
        proxy, options = _extra()
        chosen = options.load(config)
        if check:
            common.say(f"{config.name} is right; gateways: {', '.join(chosen.gateways())}")
            return
        from ..notify.proxy import log

        def ready(port: int) -> None:
            document = {"pid": os.getpid(), "port": port, "public_url": chosen.public_url}
            if server_json is not None:
                _write(server_json, json.dumps(document) + "\n")

        handler = log.to_stream()
        try:
            asyncio.run(proxy.serve(chosen, common.store_key(key_file, None, new=not chosen.store.exists()), ready))
        finally:
            log.detach(handler)


@notify_app.command("organization")
def organization(
    domain: Annotated[
        list[str],
        typer.Option("--domain", metavar="DOMAIN", help="Whose mailboxes; repeat.", show_default=False),
    ],
    as_json: common.JsonOption = False,
) -> None:
    """Make an organisation id and a token: what the app config gets, and what the proxy's configuration gets."""
    with common.errors_as_exit_codes(as_json):
        from ..notify.proxy.registration import digest

        if not all("." in name and "@" not in name and name.isprintable() and '"' not in name for name in domain):
            raise UsageError("a domain is written like example.com")
        identity, token = str(uuid.uuid4()), secrets.token_urlsafe(32)
        domains = [name.strip().lower() for name in domain]
        if as_json:
            common.print_json(
                {
                    "app_config": {
                        "notification_server_organization_id": identity, "notification_server_authorization": token,
                    },
                    "proxy": {"id": identity, "token_sha256": digest(token).hex(), "domains": domains},
                }
            )  # fmt: skip
            return
        print("# For the app config; the token is shown only now:")
        print(f"#   notification_server_organization_id   {identity}")
        print(f"#   notification_server_authorization     {token}")
        print("# For the proxy's configuration:")
        print(f'[[organizations]]\nid = "{identity}"\ntoken_sha256 = "{digest(token).hex()}"')
        print(f"domains = {json.dumps(domains)}")


@notify_app.command("register")
def register(
    device: Annotated[str, typer.Argument(help="The token of the device.")],
    *,
    config: common.ConfigOption,
    store: common.StoreOption,
    gateway: Annotated[str, typer.Option(help="apns, or webhook:NAME.")] = "apns",
    key_file: common.KeyFileOption = None,
    passphrase_file: common.PassphraseFileOption = None,
    password_file: common.PasswordFileOption = None,
    as_json: common.JsonOption = False,
) -> None:
    """Register this mailbox's device at the notification service; with real-time push, have Exchange tell the service.

    Once more for the same device renews both: at least every subscription_valid_until minutes.
    """
    with (
        common.errors_as_exit_codes(as_json),
        _mailbox(config, store, key_file, passphrase_file, password_file) as mailbox,
    ):
        _tell_registration(mailbox.register_push(device, gateway=gateway), as_json)


@notify_app.command("renew")
def renew(
    *,
    config: common.ConfigOption,
    store: common.StoreOption,
    key_file: common.KeyFileOption = None,
    passphrase_file: common.PassphraseFileOption = None,
    as_json: common.JsonOption = False,
) -> None:
    """Renew the registration, under the rules that hold now."""
    with (
        common.errors_as_exit_codes(as_json),
        _mailbox(config, store, key_file, passphrase_file) as mailbox,
    ):
        _tell_registration(mailbox.renew_push(), as_json)


@notify_app.command("state")
def state(
    *,
    config: common.ConfigOption,
    store: common.StoreOption,
    key_file: common.KeyFileOption = None,
    passphrase_file: common.PassphraseFileOption = None,
    as_json: common.JsonOption = False,
) -> None:
    """Ask the service what it knows of the registration."""
    with (
        common.errors_as_exit_codes(as_json),
        _mailbox(config, store, key_file, passphrase_file) as mailbox,
    ):
        found = mailbox.push_state()
        if as_json:
            common.print_json(asdict(found))
        else:
            common.say(f"{found.state}{f' ({found.reason})' if found.reason else ''}, until {_moment(found.expires)}")


@notify_app.command("end")
def end(
    *,
    config: common.ConfigOption,
    store: common.StoreOption,
    key_file: common.KeyFileOption = None,
    passphrase_file: common.PassphraseFileOption = None,
) -> None:
    """End the registration: the service tells this device nothing more."""
    with (
        common.errors_as_exit_codes(as_json=False),
        _mailbox(config, store, key_file, passphrase_file) as mailbox,
    ):
        mailbox.end_push()
        common.say("ended")


@contextmanager
def _mailbox(
    config: Path, store: Path, key_file: Path | None, passphrase_file: Path | None, password_file: Path | None = None
) -> Iterator[Mailbox]:
    """Only a push subscription signs in at Exchange: without one, a password may be wanting."""
    from ..mailbox import Mailbox  # not for `serve`

    settings = common.load_config(config)
    key = common.store_key(key_file, passphrase_file, settings, new=not store.exists())
    given = password_file is not None or os.environ.get(common.PASSWORD_VARIABLE)
    password = common.server_password(password_file, settings) if given else None
    with Mailbox.open(settings, store=store, key=key, password=password) as mailbox:
        yield mailbox


def _tell_registration(made: PushRegistration, as_json: bool) -> None:
    if as_json:
        common.print_json(
            {
                "id": made.id, "mode": made.mode, "service": made.service, "gateway": made.gateway,
                "expires": made.expires, "times_from": made.times_from,
            }
        )  # fmt: skip
        return
    common.say(f"registered at {made.service} ({made.mode}), until {_moment(made.expires)}")
    if made.times_from > time.time() + 60:
        common.say(f"alert times of before hold until {_moment(made.times_from)}")


def _moment(when: float) -> str:
    return datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _extra() -> tuple[ModuleType, ModuleType]:
    """The modules `serve` and `options`, loaded when they are used. Raises `UsageError` without the extra."""
    try:
        from ..notify.proxy import options, serve
    except ImportError as problem:
        raise UsageError("the notification proxy needs an extra: pip install 'emailplus[notify]'") from problem
    return serve, options


def _write(path: Path, text: str) -> None:
    """Write a file in one step, so that whoever waits for it never reads half of it."""
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
