"""`emailplus policy report | recipients | link`: what the policies make of a store, of recipients, of a link."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from ..errors import PolicyDenied, PolicyError
from ..facade.governed import report_of
from ..policy import links, recipients
from . import common
from .common import ConfigOption, JsonOption, KeyFileOption, PassphraseFileOption, StoreOption

policy_app = typer.Typer(
    name="policy", help="Say what the policies decide, and why.", no_args_is_help=True, add_completion=False
)


@policy_app.command("report")
def report(
    store: StoreOption,
    key_file: KeyFileOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """How far the server's policy is kept, rule by rule; exit 6 where a part of it is not."""
    with common.errors_as_exit_codes(as_json), common.open_store(store, key_file, passphrase_file) as opened:
        found = report_of(opened)
        if as_json:
            common.print_json(found.as_dict())
        else:
            from rich.table import Table

            table = Table("Rule", "Value", "Verdict", "Why", "MS-ASPROV", box=None, padding=(0, 2, 0, 0))
            for rule in found.rules:
                source = rule.source.removeprefix("MS-ASPROV_")
                table.add_row(rule.element, str(rule.value), rule.verdict, rule.reason, source)
            console = common.console()
            console.print(table)
            told = "nothing yet" if found.acknowledged is None else f"status {found.acknowledged}"
            console.print(f"The server was told: {told}. Taken as: {found.state or 'not at all'}.")
        if found.having("unsupported"):
            raise typer.Exit(PolicyError.exit_code)


@policy_app.command("recipients")
def recipients_(
    addresses: Annotated[list[str], typer.Argument(help="Addresses, or whole lists of them.")],
    config: ConfigOption,
    as_json: JsonOption = False,
) -> None:
    """Which recipients lie in a safe domain; exit 6 where sending would ask about one that does not."""
    with common.errors_as_exit_codes(as_json):
        settings = common.load_config(config)
        verdicts = recipients.classify(addresses, settings)
        asked = recipients.question(addresses, settings)
        if as_json:
            document = {"recipients": [asdict(one) for one in verdicts], "question": asked.text if asked else None}
            common.print_json(document)
        else:
            for one in verdicts:
                common.say(f"{'safe  ' if one.safe else 'UNSAFE'} {one.address}  {one.reason}")
            if asked:
                common.say(asked.text)
        if asked:
            raise typer.Exit(PolicyError.exit_code)


@policy_app.command("link")
def link(
    url: Annotated[str, typer.Argument(help="A link as it stands in a mail.")],
    config: ConfigOption,
    installed: Annotated[
        str | None,
        typer.Option("--installed", metavar="SCHEMES", help="URL schemes with an app for them, separated by commas."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """What becomes of a link; exit 6 where it is refused."""
    with common.errors_as_exit_codes(as_json):
        settings = common.load_config(config)
        schemes = None if installed is None else {name.strip() for name in installed.split(",")}
        decision = links.decide(url, settings, installed=schemes)
        if as_json:
            common.print_json(asdict(decision))
        else:
            common.say(f"{decision.action} {decision.url or decision.request or ''} {decision.reason}".rstrip())
        if decision.action == "refuse":
            raise typer.Exit(PolicyDenied.exit_code)
