"""What a server keeps for a user beside mail: out-of-office replies, addresses, rights templates."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum


class OofState(IntEnum):
    """OofState (MS-ASCMD 2.2.3.124)."""

    OFF = 0
    ON = 1
    SCHEDULED = 2


@dataclass(frozen=True, slots=True)
class Reply:
    """What one audience gets as an answer; `html`: `text` is HTML."""

    text: str
    enabled: bool = True
    html: bool = False


@dataclass(frozen=True, slots=True)
class OutOfOffice:
    """The automatic reply. `start` and `end` are aware and hold with `SCHEDULED`.

    An audience without a reply of its own is None: in a `set_out_of_office` it stays as the server has it.
    """

    state: OofState = OofState.OFF
    start: datetime | None = None
    end: datetime | None = None
    internal: Reply | None = None
    external_known: Reply | None = None
    """To people outside who are in the user's contacts."""
    external_unknown: Reply | None = None


@dataclass(frozen=True, slots=True)
class MailAccount:
    """One account that mail can be sent from (14.1 on). `id` "" is the primary one."""

    id: str = ""
    name: str = ""
    display_name: str = ""
    send_disabled: bool = False
    addresses: tuple[str, ...] = ()
    primary: str = ""


@dataclass(frozen=True, slots=True)
class UserInformation:
    """The user's own addresses; `primary` is "" where the server does not say which."""

    addresses: tuple[str, ...] = ()
    primary: str = ""
    accounts: tuple[MailAccount, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class RightsTemplate:
    """A rights policy template that a message can be protected with (MS-ASRM 2.2.2.16)."""

    id: str
    name: str
    description: str = ""
