"""SendMail (MS-ASCMD 2.2.1.17): a whole message as it is; the server takes Bcc out of the copies (RFC 5322 3.6.3)."""

from __future__ import annotations

from ..http import Command
from ..versions import Version
from ..wbxml import Node
from . import compose_mail

NAME = "SendMail"


def build(
    version: Version, mime: bytes, client_id: str, *, save: bool = True, account_id: str = "", template: str = ""
) -> Command:
    """The request that sends `mime`; see `compose_mail.build`."""
    return compose_mail.build(NAME, version, mime, client_id, save=save, account_id=account_id, template=template)


def parse(root: Node | None) -> int:
    """See `compose_mail.parse`."""
    return compose_mail.parse(NAME, root)
