"""Classification of an open mailbox: what may be chosen for a message, and what is wrong with the configuration.

    choice = mailbox.classification.compose()            # the defaults
    choice = mailbox.classification.reply(message.id)    # the original's marking, as it holds today
    mailbox.classification.choices(choice)               # every field with what may be chosen now
    choice = choice.choose("SEC", "SECRET")              # ClassificationRefused, ClassificationDowngrade
    draft = mailbox.classification.mark(draft, {"SEC": ["SECRET"]})

A choice is immutable; `choice.saved()` and `restore` carry it through a draft.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from .classification import outgoing
from .classification.classifier import Choosing, Classifier, from_config
from .config import AppConfig
from .errors import NotFound, UsageError
from .model.draft import Draft
from .model.event import Event
from .model.marking import Marking
from .model.message import Body, BodyType
from .stamping import given, original_of
from .store import markings
from .store.store import Store


@dataclass(frozen=True, slots=True)
class FieldChoice:
    """One field of the picker, as it stands now."""

    name: str
    title: str
    chosen: tuple[str, ...]
    values: tuple[str, ...]
    """What may be chosen, from the least to the most secure."""
    may_type: bool
    required: bool
    """Whether the message may not be sent before this has a value."""


class MailboxClassification:
    """Classification under the configuration in force."""

    def __init__(self, store: Store, config: Callable[[], AppConfig]) -> None:
        self._store = store
        self._config = config
        self._known: AppConfig | None = None
        self._classifier: Classifier | None = None
        self._problems: list[str] = []

    @property
    def classifier(self) -> Classifier | None:
        """What reads and writes markings; None: classification is off."""
        config = self._config()
        if config is not self._known:
            self._classifier, self._problems = from_config(config)
            self._known = config
        return self._classifier

    @property
    def enabled(self) -> bool:
        """Whether messages are classified: configured, and without a mistake."""
        return self.classifier is not None

    @property
    def problems(self) -> tuple[str, ...]:
        """Why a configuration that is there cannot be used."""
        return () if self.enabled else tuple(self._problems)

    def compose(self) -> Choosing:
        """What a new message, or calendar event, begins with. Raises `UsageError` where classification is off."""
        return self._on().compose()

    def reply(self, message_id: int) -> Choosing:
        """What a reply or forward of a stored message begins with: its marking as it holds now.

        Raises `NotFound`, `UsageError`.
        """
        return self._on().reply(self._original(message_id))

    def restore(self, saved: Mapping[str, Any]) -> Choosing:
        """A choice that a draft kept, under the configuration of today."""
        return self._on().restore(saved)

    def choices(self, choice: Choosing) -> list[FieldChoice]:
        """Every field that has a choice now, in the order of the picker."""
        titles = self._on().titles
        return [
            FieldChoice(
                name=name,
                title=titles[name],
                chosen=tuple(choice.chosen.get(name, ())),
                values=choice.offered(name),
                may_type=choice.may_type(name),
                required=choice.required(name),
            )
            for name in choice.shown()
        ]

    def of(self, draft: Draft) -> Choosing:
        """The choice that a draft would be sent with: its own, its original's, that of its subject, or the default.

        Raises `ClassificationRefused` for one that the configuration, or the original, forbids.
        """
        original = original_of(draft, self._store, datetime.now(UTC))
        return outgoing.choose(self._on(), given(draft), original)

    def mark(self, draft: Draft, wanted: Mapping[str, Iterable[str]]) -> Draft:
        """The draft with these values in these fields; what they exclude is cleared. Raises `ClassificationRefused`."""
        choice = self.of(draft)
        order = [*self._on().titles]
        for name in sorted(wanted, key=lambda name: order.index(name) if name in order else len(order)):
            choice = choice.choose(name, *wanted[name])
        return replace(draft, classification=choice.saved())

    def read(self, subject: str) -> Marking:
        """The marking of an item that has no header fields, a calendar event."""
        return self._on().read(b"", subject)

    def mark_event(self, event: Event, wanted: Mapping[str, Iterable[str]] | None = None) -> Event:
        """A new calendar event with its marking in subject and body; as it is where classification is off.

        `wanted`: values by field; None: those that stand in the subject already, else the default. Marking twice
        changes nothing. Raises `ClassificationRequired`, `ClassificationRefused`.
        """
        if self.classifier is None:
            return event
        body = event.body if event.body is not None else Body(BodyType.PLAIN, b"", 0)
        written = body.data.decode(errors="replace")
        stamped = outgoing.stamp_item(
            self.classifier,
            subject=event.subject,
            text=written if body.type == BodyType.PLAIN else "",
            html=written if body.type == BodyType.HTML else "",
            origin=self._config().email_address,
            chosen=wanted,
        )
        if body.type not in (BodyType.PLAIN, BodyType.HTML):
            return replace(event, subject=stamped.subject)
        data = (stamped.html if body.type == BodyType.HTML else stamped.text).encode()
        changed = event.body if data == body.data else Body(body.type, data, len(data))
        return replace(event, subject=stamped.subject, body=changed)

    def carried(self, before: str, after: Event) -> Mapping[str, Iterable[str]] | None:
        """What an event was marked with by its subject `before`, for a new subject that has no marking; else None."""
        if self.classifier is None or self.classifier.read(b"", after.subject).fields:
            return None
        return self.classifier.read(b"", before).fields or None

    def _original(self, message_id: int) -> Mapping[str, tuple[str, ...]]:
        if not self._store.messages([message_id]):
            raise NotFound(f"there is no message {message_id} in this store")
        marking = markings.load(self._store.database, [message_id]).get(message_id)
        return marking.at(datetime.now(UTC)) if marking is not None else {}

    def _on(self) -> Classifier:
        classifier = self.classifier
        if classifier is None:
            raise UsageError(self._problems[0] if self._problems else "classification is not configured")
        return classifier
