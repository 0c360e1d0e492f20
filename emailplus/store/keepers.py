"""Which keeper has the items of a class."""

from __future__ import annotations

from . import items, mail, passes

_MAIL, _ITEMS = mail.MailKeeper(), items.ItemKeeper()


def keeper(item_class: str) -> passes.Keeper:
    """The keeper of a class, as Sync names it."""
    return _MAIL if item_class == "Email" else _ITEMS
