"""SmartForward (MS-ASCMD 2.2.1.19): `mime` forwards `source`, which the server adds without `replace_mime`."""

from __future__ import annotations

from ..http import Command
from ..versions import Version
from ..wbxml import Node
from . import compose_mail
from .compose_mail import Source

NAME = "SmartForward"


def build(
    version: Version,
    mime: bytes,
    client_id: str,
    source: Source,
    *,
    replace_mime: bool = False,
    save: bool = True,
    account_id: str = "",
    template: str = "",
) -> Command:
    """The request; see `compose_mail.build`. Below 14.0 there is no ReplaceMime: the server adds the original."""
    return compose_mail.build(
        NAME, version, mime, client_id, save=save, source=source, replace_mime=replace_mime, account_id=account_id,
        template=template,
    )  # fmt: skip


def parse(root: Node | None) -> int:
    """See `compose_mail.parse`."""
    return compose_mail.parse(NAME, root)
