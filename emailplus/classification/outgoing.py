"""The classification of a message on its way out: choice, enforcement, stamp. Pure; `emailplus.sending` calls it.

    stamped = stamp(classifier, message, original)
    stamped.subject, stamped.headers              # what the message carries instead
    stamped.body.text(body), stamped.body.html(page)   # when the bodies are whole, quotation included

Everything happens before signing and protecting. The original's marking is enforced here whatever a draft kept of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from ..model.marking import Marking
from .classifier import Choosing, Classifier, Fields
from .stamp import Marks, stamp_html, stamp_subject, stamp_text

NO_ORIGINAL: Final[Fields] = {}


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What a message is stamped from. `chosen` None: nobody chose yet."""

    subject: str
    origin: str
    """The sender's address."""
    chosen: Mapping[str, Iterable[str]] | None = None
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class BodyStamp:
    """Writes the blocks of a marking into a whole body, removing those of an earlier one, quoted ones included."""

    marks: Marks = field(default_factory=Marks)

    def text(self, body: str) -> str:
        """A plain body with header and footer."""
        return stamp_text(body, self.marks)

    def html(self, body: str) -> str:
        """An HTML body with header and footer."""
        return stamp_html(body, self.marks)


@dataclass(frozen=True, slots=True)
class Stamped:
    """What the message carries: subject, further header fields, and what its bodies get."""

    choice: Choosing
    subject: str
    headers: tuple[tuple[str, str], ...]
    body: BodyStamp


def choose(classifier: Classifier, message: Outgoing, original: Fields = NO_ORIGINAL) -> Choosing:
    """The choice that holds for a message: the user's, else that of its subject, the original's, the default.

    Raises `ClassificationRefused` for a choice the configuration does not have, `ClassificationDowngrade` for one below
    the original's.
    """
    if message.chosen is not None:
        return classifier.choice(message.chosen, original)
    if original:
        return classifier.reply(original)
    # A marking that stands in the subject was meant: the default must not take its place.
    written = classifier.read(b"", message.subject).fields
    return classifier.reply(written) if written else classifier.compose()


def stamp(classifier: Classifier, message: Outgoing, original: Fields = NO_ORIGINAL) -> Stamped:
    """The message with its marking. `original`: the fields of the message it answers, as they hold today.

    Raises as `choose`, and `ClassificationRequired` where it may not be sent like this.
    """
    choice = choose(classifier, message, original)
    marks = classifier.render(choice, origin=message.origin)
    replaced = {name.lower() for name in marks.old_headers} | {name.lower() for name, _ in marks.headers}
    kept = tuple((name, value) for name, value in message.headers if name.lower() not in replaced)
    return Stamped(choice, stamp_subject(message.subject, marks), (*kept, *marks.headers), BodyStamp(marks))


@dataclass(frozen=True, slots=True)
class StampedItem:
    """An item that is not MIME, a calendar event: subject and body only (it has no header fields)."""

    choice: Choosing
    subject: str
    text: str
    html: str


def stamp_item(
    classifier: Classifier,
    *,
    subject: str,
    text: str = "",
    html: str = "",
    origin: str = "",
    chosen: Mapping[str, Iterable[str]] | None = None,
) -> StampedItem:
    """A calendar event with its marking; without a body (both empty) it gets one in plain text. Raises as `stamp`."""
    stamped = stamp(classifier, Outgoing(subject, origin, chosen))
    return StampedItem(
        stamped.choice,
        stamped.subject,
        stamped.body.text(text) if text or not html else "",
        stamped.body.html(html) if html else "",
    )


def original_of(marking: Marking | None, saved: Mapping[str, Any] | None, now: datetime) -> Fields:
    """The fields that a reply may not go below: of the stored message, else what the draft kept of it."""
    if marking is not None:
        return marking.at(now)
    kept = saved.get("original") if saved is not None else None
    if not isinstance(kept, Mapping):
        return NO_ORIGINAL
    return {
        str(name): tuple(value for value in values if isinstance(value, str))
        for name, values in kept.items()
        if isinstance(values, list | tuple)
    }


def chosen_of(saved: Mapping[str, Any] | None) -> Mapping[str, tuple[str, ...]] | None:
    """The values that a draft kept; None where nobody chose."""
    chosen = saved.get("chosen") if saved is not None else None
    if not isinstance(chosen, Mapping):
        return None
    return {
        str(name): tuple(value for value in values if isinstance(value, str))
        for name, values in chosen.items()
        if isinstance(values, list | tuple)
    }
