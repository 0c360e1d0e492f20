"""The one gate: what may be done with protected content, by whom, and when.

    verdict = judge(licence, Operation.PRINT, Door.PERSON, now)
    require(licence, Operation.FORWARD, Door.PERSON, now)          # or RightsDenied(right, template)

Two doors lead to content. A *person* may see what the server opened for them: the view, the terminal. A *program* takes
it as data: Python objects, exports, search, assistants; that door is shut without ProgrammaticAccessAllowed (MS-ASRM
2.2.2.10). Once the licence has expired both are shut (MS-ASRM_R24), as they are where its date cannot be read.

`RIGHTS` is the table: an operation needs all of its rights. Header fields are not protected content (MS-ASRM_R88: the
body and the attachments are).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from ..errors import RightsDenied
from ..model.message import Address
from ..model.rights import Licence, Right


class Door(StrEnum):
    """Who asks."""

    PERSON = "person"
    PROGRAM = "program"


class Operation(StrEnum):
    """What is asked for."""

    READ = "read"
    """Body and attachments: a view for a person, data for a program."""
    PRINT = "print"
    COPY = "copy"
    """Cut, copied, saved as a file of its own."""
    SCREENSHOT = "screenshot"
    NOTIFY = "notify"
    """A snippet of the content outside the mailbox: notifications, previews in lists."""
    SEARCH = "search"
    """Words of the content in an index that answers programs."""
    EXPORT = "export"
    """The content written out in the clear."""
    REMOVE_PROTECTION = "remove protection"
    REPLY = "reply"
    REPLY_ALL = "reply all"
    FORWARD = "forward"
    EDIT = "edit"
    """The content changed or quoted inline in an answer (MS-ASRM_R40)."""
    CHANGE_RECIPIENTS = "change recipients"


RIGHTS: Final[dict[Operation, tuple[Right, ...]]] = {
    Operation.READ: (),
    Operation.PRINT: (Right.PRINT,),
    Operation.COPY: (Right.EXTRACT,),
    Operation.SCREENSHOT: (Right.EXTRACT,),
    Operation.NOTIFY: (),
    Operation.SEARCH: (Right.PROGRAMMATIC_ACCESS,),
    Operation.EXPORT: (Right.EXPORT,),
    Operation.REMOVE_PROTECTION: (Right.EXPORT,),
    Operation.REPLY: (Right.REPLY,),
    Operation.REPLY_ALL: (Right.REPLY_ALL,),
    Operation.FORWARD: (Right.FORWARD,),
    Operation.EDIT: (Right.EDIT,),
    Operation.CHANGE_RECIPIENTS: (Right.MODIFY_RECIPIENTS,),
}

TAKES_CONTENT: Final = frozenset({
    Operation.READ, Operation.PRINT, Operation.COPY, Operation.SCREENSHOT, Operation.NOTIFY, Operation.EXPORT,
    Operation.REMOVE_PROTECTION,
})  # fmt: skip
"""What hands content over: for a program it needs ProgrammaticAccessAllowed besides. A program that may take the
protection off could read what is left."""

_WORDS: Final = {
    Right.EDIT: "edited or quoted", Right.EXPORT: "exported or freed of its protection", Right.EXTRACT: "copied",
    Right.FORWARD: "forwarded", Right.MODIFY_RECIPIENTS: "answered to other recipients", Right.PRINT: "printed",
    Right.PROGRAMMATIC_ACCESS: "given to programs", Right.REPLY: "replied to", Right.REPLY_ALL: "replied to all",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Verdict:
    """One answer; true where it allows. `right` None with a refusal: the licence has expired or cannot be read."""

    allowed: bool
    reason: str = ""
    right: Right | None = None

    def __bool__(self) -> bool:
        return self.allowed


ALLOWED: Final = Verdict(True)


def readable(licence: Licence | None, now: datetime) -> Verdict:
    """Whether anybody may still see the content."""
    if licence is None:
        return ALLOWED
    if licence.undated:
        return Verdict(False, "its licence does not say until when it may be read")
    if licence.expires is not None and now >= licence.expires:
        return Verdict(False, f"its licence expired on {licence.expires:%Y-%m-%d %H:%M} UTC")
    return ALLOWED


def judge(licence: Licence | None, operation: Operation, door: Door, now: datetime) -> Verdict:
    """Whether an operation is allowed. Without a licence everything is."""
    if licence is None:
        return ALLOWED
    seen = readable(licence, now)
    if not seen:
        return seen
    needed = RIGHTS[operation]
    if door is Door.PROGRAM and operation in TAKES_CONTENT:
        needed = (*needed, Right.PROGRAMMATIC_ACCESS)
    for right in needed:
        if not licence.grants(right):
            return Verdict(False, f"its licence does not let it be {_WORDS[right]}", right)
    return ALLOWED


def require(licence: Licence | None, operation: Operation, door: Door, now: datetime) -> None:
    """Go on, or raise `RightsDenied`."""
    verdict = judge(licence, operation, door, now)
    if not verdict:
        refuse(licence, operation, verdict)


def refuse(licence: Licence | None, operation: Operation, verdict: Verdict) -> None:
    """Raise `RightsDenied` for a verdict that refuses."""
    template = licence.template_name if licence is not None else ""
    protected = f" ({template})" if template else ""
    raise RightsDenied(
        f"{operation}: this message is protected{protected}, and {verdict.reason}",
        right=verdict.right.value if verdict.right is not None else "",
        template=template,
    )


def check_recipients(
    licence: Licence | None,
    operation: Operation,
    sender: Iterable[Address],
    others: Iterable[Address],
    wanted: Iterable[Address],
    own: str,
) -> Verdict:
    """Whether an answer goes to those it may go to, without ModifyRecipientsAllowed (MS-ASRM 3.2.5, R383 to R392).

    A reply goes to exactly the sender, a reply to all to exactly everyone of the original; whether oneself (`own`) is
    among them is free (MS-ASRM_R388). `others` are To and Cc of the original.
    """
    if licence is None or licence.grants(Right.MODIFY_RECIPIENTS) or operation is Operation.FORWARD:
        return ALLOWED
    me = own.casefold()
    allowed = {person.address.casefold() for person in sender}
    if operation is Operation.REPLY_ALL:
        allowed |= {person.address.casefold() for person in others}
    given = {person.address.casefold() for person in wanted}
    if given - {me} == allowed - {me}:
        return ALLOWED
    reason = "its licence does not let the recipients of an answer be changed"
    return Verdict(False, reason, Right.MODIFY_RECIPIENTS)
