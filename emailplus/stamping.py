"""The stage `classification` of sending: the marking of a message, from its draft, its original or the configuration.

The decision and the stamp are `classification.outgoing`; here they meet the store.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .classification import outgoing as marks
from .classification.classifier import Fields
from .model.draft import Draft
from .model.marking import head_of

if TYPE_CHECKING:
    from datetime import datetime

    from .sending import Outgoing, Sending
    from .store.store import Store


def stamp(outgoing: Outgoing, sending: Sending) -> Outgoing:
    """Mark the message as its draft says, as its original is marked, or by default.

    Subject and header fields change at once, `Outgoing.stamp` goes over the bodies when they are whole. Raises
    `ClassificationRequired`, `ClassificationDowngrade`, `ClassificationRefused`.
    """
    if sending.classifier is None:
        return outgoing
    draft = outgoing.draft
    stamped = marks.stamp(sending.classifier, given(draft), original_of(draft, sending.store, sending.now))
    outgoing.draft = replace(draft, subject=stamped.subject, headers=stamped.headers)
    outgoing.stamp = stamped.body
    return outgoing


def given(draft: Draft) -> marks.Outgoing:
    """What a draft is stamped from."""
    return marks.Outgoing(draft.subject, draft.sender.address, marks.chosen_of(draft.classification), draft.headers)


def original_of(draft: Draft, store: Store, now: datetime) -> Fields:
    """The fields that a draft may not go below: of the message it answers, or what it kept of that."""
    answered = store.messages([draft.original]) if draft.original is not None else []
    return marks.original_of(answered[0].marking if answered else None, draft.classification, now)


def carried(sending: Sending, mime: bytes, subject: str) -> Mapping[str, Any] | None:
    """The marking that a MIME message carries already, as the choice of its draft."""
    found = sending.classifier.read(head_of(mime), subject).fields if sending.classifier is not None else {}
    return {"chosen": {name: list(values) for name, values in found.items()}} if found else None
