"""`emailplus settings`: what the user chose, what holds, and a choice made or taken back."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from ..errors import UsageError
from ..mailbox import Mailbox
from ..policy.user_settings import RULES
from . import common
from .common import ConfigOption, JsonOption, KeyFileOption, PassphraseFileOption, StoreOption

NameArgument = Annotated[str | None, typer.Argument(metavar="NAME", help="One setting.", show_default=False)]
ValueArgument = Annotated[
    str | None,
    typer.Argument(metavar="VALUE", help="What is chosen: JSON, or text as it stands.", show_default=False),
]
ResetOption = Annotated[bool, typer.Option("--reset", help="Take the choice back; without NAME, all of them.")]


def settings(
    config: ConfigOption,
    store: StoreOption,
    name: NameArgument = None,
    value: ValueArgument = None,
    reset: ResetOption = False,
    key_file: KeyFileOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the user's settings, or choose one: the administrator's value is the default or the ceiling."""
    with common.errors_as_exit_codes(as_json):
        if name is not None and name not in RULES:
            raise UsageError(f"no setting is called {name!r}; there are {', '.join(RULES)}")
        if value is not None and reset:
            raise UsageError("a choice is made or taken back, not both")
        loaded = common.load_config(config)
        key = common.store_key(key_file, passphrase_file, loaded, new=not store.exists())
        with Mailbox.open(loaded, store=store, key=key) as mailbox:
            told = None
            if reset:
                mailbox.settings.reset(*([name] if name is not None else []))
            elif name is not None and value is not None:
                told = mailbox.settings.choose(name, _read(value))
            held, chosen = mailbox.settings.in_force(), mailbox.settings.choices().as_dict()
        shown = {
            each: {"value": _plain(getattr(held, each)), "chosen": chosen.get(each), "by_user": each in held.from_user}
            for each in ([name] if name is not None else RULES)
        }
        if told is not None:
            common.say(told)
        if as_json:
            common.print_json({"settings": shown, "note": told})
            return
        for each, row in shown.items():
            print(f"{each:<24} {json.dumps(row['value'], ensure_ascii=False)}{'' if row['by_user'] else '  (default)'}")


def _read(value: str) -> object:
    """A value as it was typed: JSON where it is JSON of the right kind, text otherwise."""
    try:
        return json.loads(value)
    except ValueError:
        return value


def _plain(value: object) -> object:
    as_dict = getattr(value, "as_dict", None)
    return as_dict() if as_dict is not None else value
