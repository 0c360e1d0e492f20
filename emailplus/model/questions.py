"""What a person is asked before something is done: typed questions that the caller answers.

A call that may ask takes ``confirm``, a function from a question to an answer (one of `Question.choices`). Without one,
or with an answer that is not "proceed", nothing is done and `ConfirmationNeeded` or `Declined` of `emailplus.errors`
says so: the engine never answers for its user.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question. `text` is what a person reads, in the guide's own words where the guide has them."""

    choices: ClassVar[tuple[str, ...]] = ("cancel", "proceed")
    """What may be answered; the first changes nothing."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LargeMessage(Question):
    """The message, or one of its attachments, is larger than 10 MB (`email_max_attachment`, outgoing)."""

    size: int
    """Bytes of the largest thing that is too large."""
    attachment: str | None = None
    """Name of the attachment; None: it is the message as a whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsafeRecipients(Question):
    """Recipients lie outside `email_safe_domains` and `email_alert_unsafe_domains` is set."""

    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoveryRedirect(Question):
    """Autodiscover leads to a host outside of the domain: may user name and password be sent there?"""

    host: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientsCannotDecrypt(Question):
    """The message is to be encrypted and no usable certificate is known for these recipients.

    "without" sends to the others only; "unencrypted" sends in the clear, where the policies allow that.
    """

    choices: ClassVar[tuple[str, ...]] = ("cancel", "without", "unencrypted")

    addresses: tuple[str, ...]
    reasons: tuple[str, ...] = ()
    """Beside each address, why it has none that can be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveMessages(Question):
    """Messages are about to be moved; not asked under `disabled_features` = `move_button`."""

    count: int
    folder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteMany(Question):
    """So much is about to be deleted that it may be a mistake, or a whole folder is to be emptied."""

    count: int
    folder: str = ""
    """The folder that is emptied."""


Confirm: TypeAlias = Callable[[Question], str]
