"""Size limits on what is downloaded, and the guide's messages where one refuses.

A megabyte is 1,048,576 bytes. Exactly the limit is allowed, one byte more is refused (guide, table 2: with a limit of
10 MB, attachments of 3, 9 and 10 MB come down, one of 11 MB does not).

    what                                    key                    default  error
    whole mail, received                    email_max_body_size    4 MB     MessageTooLarge
    one attachment, received                email_max_attachment   10 MB    AttachmentTooLarge
    mail or attachment, to be sent          none (fixed)           10 MB    none: `LargeMessage` is asked
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

from ..errors import AttachmentTooLarge, LimitExceeded, MessageTooLarge
from ..model.questions import LargeMessage

MEGABYTE: Final = 1_048_576

BODY_MESSAGE: Final = "Email+ maximum message size exceeded."
ATTACHMENT_MESSAGE: Final = "Failed To Retrieve Attachment Email+ maximum attachment size exceeded."
OUTGOING_QUESTION: Final = "Warning: The message size exceeds 10 MB. Please confirm you would like to continue."
OUTGOING_LIMIT: Final = 10 * MEGABYTE
"""Bytes beyond which sending asks first; no key changes it."""


@dataclass(frozen=True, slots=True)
class SizeDecision:
    """Whether something of `size` bytes may be downloaded under `limit` bytes. `message` is "" where it may."""

    allowed: bool
    key: Literal["email_max_body_size", "email_max_attachment"]
    size: int
    limit: int
    message: str

    def error(self) -> LimitExceeded:
        """The error that says so; only for a refusal (ValueError otherwise)."""
        if self.allowed:
            raise ValueError("nothing was refused")
        kind = MessageTooLarge if self.key == "email_max_body_size" else AttachmentTooLarge
        return kind(self.message, size=self.size, limit=self.limit)


def in_bytes(megabytes: Decimal | int) -> int:
    """Bytes of a limit in megabytes, a fraction of a byte dropped: 0.5 is 524,288."""
    return int(megabytes * MEGABYTE)


def body_size(size: int, megabytes: Decimal | int) -> SizeDecision:
    """May a mail of `size` bytes come down when `email_max_body_size` is `megabytes`?"""
    limit = in_bytes(megabytes)
    allowed = size <= limit
    return SizeDecision(allowed, "email_max_body_size", size, limit, "" if allowed else BODY_MESSAGE)


def attachment_size(size: int, megabytes: Decimal | int) -> SizeDecision:
    """May a received attachment of `size` bytes come down when `email_max_attachment` is `megabytes`?"""
    limit = in_bytes(megabytes)
    allowed = size <= limit
    return SizeDecision(allowed, "email_max_attachment", size, limit, "" if allowed else ATTACHMENT_MESSAGE)


def outgoing(message: int, attachments: Iterable[tuple[str, int]] = ()) -> LargeMessage | None:
    """What to ask before sending; None: nothing, send.

    `message` is the size of the whole mail in bytes, `attachments` the name and size of each. An attachment that is
    too large is named, the largest of them; else it is the message as a whole.
    """
    name, size = max(attachments, key=lambda attachment: attachment[1], default=("", 0))
    if size > OUTGOING_LIMIT:
        return LargeMessage(text=OUTGOING_QUESTION, size=size, attachment=name)
    return LargeMessage(text=OUTGOING_QUESTION, size=message) if message > OUTGOING_LIMIT else None
