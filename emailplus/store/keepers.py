"""Which keeper has the items of a class."""

from __future__ import annotations

from functools import cache

from . import passes


@cache
def keeper(item_class: str) -> passes.Keeper:
    """The keeper of a class, as Sync names it."""
    from . import items, mail  # they know changes of ours, which ask here

    return mail.MailKeeper() if item_class == "Email" else items.ItemKeeper()
