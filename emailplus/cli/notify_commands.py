"""`emailplus notify`: the notification proxy."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import uuid
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer

from ..errors import UsageError
from . import common

notify_app = typer.Typer(name="notify", help="The notification proxy.", no_args_is_help=True)

_Options = Annotated[
    Path, typer.Option("--config", "-c", metavar="FILE", help="The proxy's configuration (TOML).", show_default=False)
]


@notify_app.callback()
def _group() -> None:
    """The notification proxy."""


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
            log.logger.removeHandler(handler)


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
