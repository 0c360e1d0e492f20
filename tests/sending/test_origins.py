"""A file is attached by the rule of where it comes from, and that is held on to until the message leaves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from emailplus.config.app_policy import AppConnectPolicy
from emailplus.errors import PolicyDenied
from emailplus.model.apps import FILES, PHOTOS, App, DocumentApp, Origin
from emailplus.model.draft import Draft, DraftAttachment
from emailplus.model.outbox import OutboxState

from ..flows.world import World

SHARED = {"MI_SHARED_GROUP_ID": "G", "MI_AC_ACCESS_CONTROL_ID": "A"}
MANAGED, OTHER = App("com.example.notes", managed=True), App("com.example.games")
DOCUMENTS = DocumentApp("G", "A", doc_sharing=True)

RULES: list[tuple[Origin, bool, dict[str, str], str]] = [
    # where from, opened into mail by that app, keys, the rule that refuses
    (FILES, False, {}, ""),
    (FILES, False, {"disabled_features": "attach_files"}, "attach_files in disabled_features"),
    (FILES, False, {"disabled_features": "openin_compose"}, ""),
    (FILES, False, {"allow_photo_library_access": "false"}, ""),
    (FILES, True, {"disabled_features": "openin_compose"}, "openin_compose in disabled_features"),
    (FILES, True, {"disabled_features": "attach_files"}, ""),
    (PHOTOS, False, {}, ""),
    (PHOTOS, False, {"allow_photo_library_access": "false"}, "allow_photo_library_access"),
    (PHOTOS, False, {"disabled_features": "attach_files"}, "attach_files in disabled_features"),
    (MANAGED, False, {}, ""),
    (MANAGED, True, {}, ""),
    (MANAGED, True, {"disabled_features": "openin_compose"}, "openin_compose in disabled_features"),
    (OTHER, False, {}, "open_from"),
    (OTHER, True, {}, "open_from"),
    (DOCUMENTS, False, SHARED, ""),
    (DOCUMENTS, False, {}, "MI_SHARED_GROUP_ID"),
    (DOCUMENTS, False, {**SHARED, "MI_SHARED_GROUP_ID": "g"}, "MI_SHARED_GROUP_ID"),
    (DOCUMENTS, False, {**SHARED, "MI_AC_ACCESS_CONTROL_ID": "a"}, "MI_AC_ACCESS_CONTROL_ID"),
    (DOCUMENTS, False, {**SHARED, "disabled_features": "attach_files"}, "attach_files in disabled_features"),
    (replace(DOCUMENTS, doc_sharing=False), False, SHARED, "mi_enable_doc_sharing"),
]
"""Guide, tables 2 and 5, and "Document sharing"; the defaults of the app policy where none is given."""


def holding(mailbox: Any, origin: Origin, handed_over: bool = False) -> Draft:
    file = DraftAttachment(name="x.txt", content=b"content", origin=origin, handed_over=handed_over)
    draft: Draft = mailbox.new(to="bob@example.test", subject="File", text="Here.", attachments=[file])
    return draft


@pytest.mark.parametrize(("origin", "handed_over", "keys", "rule"), RULES)
def test_each_origin_has_its_rule(
    world: World, origin: Origin, handed_over: bool, keys: dict[str, str], rule: str
) -> None:
    with world.open(keys) as mailbox:
        draft = mailbox.draft(mailbox.save(holding(mailbox, origin, handed_over)))  # it keeps where its files are from
        assert [(a.origin, a.handed_over) for a in draft.attachments] == [(origin, handed_over)]
        if not rule:
            assert mailbox.send(draft).state is OutboxState.CONFIRMED
            return
        with pytest.raises(PolicyDenied) as refused:
            mailbox.send(draft)
        assert refused.value.rule == rule
        assert mailbox.outbox() == []
    assert world.exchange.user("bob").items() == []


def test_a_rule_that_came_meanwhile_holds_for_a_draft(world: World) -> None:
    with world.open() as mailbox:
        number = mailbox.save(holding(mailbox, PHOTOS))
    with world.open({"allow_photo_library_access": "false"}) as mailbox, pytest.raises(PolicyDenied):
        mailbox.send(mailbox.draft(number))


def test_one_file_that_may_not_be_there_stops_the_message(world: World) -> None:
    with world.open() as mailbox:
        draft = holding(mailbox, FILES)
        both = (*draft.attachments, DraftAttachment(name="y", content=b"", origin=OTHER, handed_over=True))
        with pytest.raises(PolicyDenied, match=r"com\.example\.games"):
            mailbox.send(replace(draft, attachments=both))


@pytest.mark.parametrize(
    ("listed", "allowed"), [("com.example.games", True), ("com.example.notes", False), ("files", False)]
)
def test_an_app_policy_lists_apps(world: World, listed: str, allowed: bool) -> None:
    policy = AppConnectPolicy.load({"container": {"open_from": "allow_list", "open_from_apps": listed}})
    with world.open(app_policy=policy) as mailbox:
        draft = holding(mailbox, OTHER, handed_over=True)
        if allowed:
            assert mailbox.send(draft).state is OutboxState.CONFIRMED
            return
        with pytest.raises(PolicyDenied) as refused:
            mailbox.send(draft)
        assert refused.value.rule == "open_from"
