"""`emailplus mock serve`: a mock Exchange server until it is stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import common

mock_app = typer.Typer(name="mock", help="A mock Exchange server for tests.", no_args_is_help=True)


@mock_app.callback()
def _group() -> None:
    """A mock Exchange server for tests."""


@mock_app.command("serve")
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.")] = 0,
    user: Annotated[
        list[str] | None,
        typer.Option("--user", metavar="EMAIL:PASSWORD", help="A user; repeat for more.", show_default=False),
    ] = None,
    eml: Annotated[
        Path | None,
        typer.Option("--eml", metavar="FOLDER", help="Messages for the first user's mailbox.", show_default=False),
    ] = None,
    demo: Annotated[bool, typer.Option("--demo", help="Fill the first mailbox with the fixture messages.")] = False,
    protocol: Annotated[
        list[str] | None,
        typer.Option("--protocol", metavar="VERSION", help="Offer only this; repeat for more.", show_default=False),
    ] = None,
    provision: Annotated[bool, typer.Option("--provision", help="Demand that clients apply a policy.")] = False,
    tls: Annotated[bool, typer.Option("--tls", help="Serve https too, with an authority of its own.")] = False,
    ca_file: Annotated[
        Path | None, typer.Option("--ca-file", metavar="FILE", help="Where to write it.", show_default=False)
    ] = None,
    server_json: Annotated[
        Path | None,
        typer.Option("--server-json", metavar="FILE", help="Write the description there too.", show_default=False),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse requests that break the schema.")] = False,
    sign_in: Annotated[
        list[str] | None,
        typer.Option(
            "--sign-in",
            metavar="WAY",
            help="A way in: basic, ntlm, bearer or certificate; repeat for more. Default: basic.",
            show_default=False,
        ),
    ] = None,
    attempts: Annotated[
        int | None,
        typer.Option("--attempts", min=1, help="Wrong passwords that lock a user.", show_default=False),
    ] = None,
    client_certificates: Annotated[
        Path | None,
        typer.Option(
            "--client-certificates",
            metavar="FOLDER",
            help="Write a client certificate of each user there, as NAME.p12 with their password; needs --tls.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Serve until interrupted; prints server.json once connections are taken."""
    with common.errors_as_exit_codes(as_json=False):
        from ..mock import MockPolicy
        from ..mock import serve as server
        from ..mock.versions import VERSIONS

        server.serve(
            host=host,
            port=port,
            users=[server.parse_user(text) for text in user or ()],
            eml=eml,
            demo=demo,
            versions=protocol or VERSIONS,
            policy=MockPolicy({}) if provision else None,
            tls=tls,
            ca_file=ca_file,
            server_json=server_json,
            strict=strict,
            sign_in=sign_in or ("basic",),
            attempts=attempts,
            client_certificates=client_certificates,
        )
