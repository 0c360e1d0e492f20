"""Every action with every rule that decides about it: the answer, the rule it names, and that nothing else decides."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from emailplus.config.app_policy import AppConnectPolicy
from emailplus.errors import PolicyDenied
from emailplus.policy.dlp import FILES, Action, App, DataLossPrevention, Document, DocumentApp, Target, Unlock

from ..config.samples import load

OWN = App("emailplus", managed=True, own=True)
MANAGED = App("com.example.docs", managed=True)
LISTED = App("com.example.listed")
OTHER = App("com.example.other")
SCOPES = ("none", "managed", "allow_list", "all")

# Who is reached under a scope, as the device manager's forms describe it; "listed" and "files" are on the list.
REACH: dict[str, set[App]] = {
    "none": set(),
    "managed": {OWN, MANAGED},
    "allow_list": {OWN, LISTED},
    "all": {OWN, MANAGED, LISTED, OTHER, FILES},
}
LIST = frozenset({LISTED.id})
TARGETS: dict[Action, Target] = {
    Action.UNLOCK: Unlock(passphrase=True), Action.COPY: OWN, Action.OPEN_IN: OWN, Action.OPEN_FROM: OWN,
    Action.ATTACH_FILE: OWN, Action.ATTACH_DOCUMENT: DocumentApp("G", "A", doc_sharing=True, key_identifier="K"),
    Action.SHARE_DOCUMENT: DocumentApp("G", "A", doc_sharing=True, key_identifier="K"),
    Action.VIEW_ATTACHMENT: Document("a.pdf"),
}  # fmt: skip
OPEN_POLICY = AppConnectPolicy(copy_paste="all", open_in="all", open_from="all", print=True, screen_capture=True)
OPEN_KEYS = {
    "MI_SHARED_GROUP_ID": "G", "MI_AC_ACCESS_CONTROL_ID": "A", "filepass_key_identifier": "K",
    "MI_AC_IOS_ALLOW_CUSTOM_KEYBOARDS": "true", "allow_export_contacts": "true",
}  # fmt: skip


def dlp(policy: AppConnectPolicy | None = None, **keys: Any) -> DataLossPrevention:
    return DataLossPrevention(load(**keys), policy)


@pytest.mark.parametrize("app", [OWN, MANAGED, LISTED, OTHER, FILES], ids=lambda app: app.id)
@pytest.mark.parametrize("scope", SCOPES)
def test_open_in(scope: Any, app: App) -> None:
    decision = dlp(AppConnectPolicy(open_in=scope, open_in_apps=LIST)).may(Action.OPEN_IN, app)
    assert decision.allowed is (app in REACH[scope])
    assert decision.allowed or (decision.rule == "open_in" and scope in decision.reason)


@pytest.mark.parametrize("app", [OWN, MANAGED, LISTED, OTHER, FILES], ids=lambda app: app.id)
@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("flag", ["", "openin_compose", "attach_files"])
@pytest.mark.parametrize("action", [Action.OPEN_FROM, Action.ATTACH_FILE])
def test_open_from_and_attaching(action: Action, flag: str, scope: Any, app: App) -> None:
    """A flag that concerns the action denies it whatever the scope; the other flag does not matter."""
    decision = dlp(AppConnectPolicy(open_from=scope, open_from_apps=LIST), disabled_features=flag).may(action, app)
    concerned = {Action.OPEN_FROM: "openin_compose", Action.ATTACH_FILE: "attach_files"}[action]
    reached = app in REACH[scope] or (action is Action.ATTACH_FILE and app == OWN)
    assert decision.allowed is (reached and flag != concerned)
    if not decision.allowed:
        assert decision.rule == (f"{flag} in disabled_features" if flag == concerned else "open_from")


@pytest.mark.parametrize("app", [OWN, MANAGED, LISTED, OTHER], ids=lambda app: app.id)
@pytest.mark.parametrize("scope", ["none", "managed", "all"])
def test_copy(scope: Any, app: App) -> None:
    decision = dlp(AppConnectPolicy(copy_paste=scope)).may(Action.COPY, app)
    assert decision.allowed is (app == OWN or app in REACH[scope])  # into the same app always
    assert decision.allowed or decision.rule == "copy_paste"


def test_files_on_the_allow_list() -> None:
    policy = AppConnectPolicy(open_in="allow_list", open_in_apps=frozenset({"files"}))
    assert dlp(policy).may(Action.OPEN_IN, FILES)


def test_without_an_app_policy() -> None:
    """Apps meet the defaults; what the engine writes for its caller leaves no container, since there is none."""
    free = dlp()
    for action in (Action.OPEN_IN, Action.OPEN_FROM, Action.ATTACH_FILE):
        assert [bool(free.may(action, app)) for app in (MANAGED, OTHER, FILES)] == [True, False, True]
    assert [bool(free.may(Action.COPY, app)) for app in (MANAGED, OTHER)] == [True, False]
    assert not free.may(Action.PRINT)
    assert free.may(Action.OPEN_DATA)
    assert free.may(Action.UNLOCK, Unlock(passphrase=False))


@pytest.mark.parametrize("action", list(Action))
def test_an_app_that_is_not_authorised_may_do_nothing(action: Action) -> None:
    for policy, expected in (
        (OPEN_POLICY, True),
        (AppConnectPolicy(authorized=False, open_in="all", print=True), False),
    ):
        decision = dlp(policy, **OPEN_KEYS).may(action, TARGETS.get(action))
        assert decision.allowed is expected, decision
        assert expected or decision.rule == "authorized"


@pytest.mark.parametrize("print_", [True, False])
@pytest.mark.parametrize("screen", [True, False])
@pytest.mark.parametrize("passcode", [True, False])
def test_switches_of_the_app_policy(print_: bool, screen: bool, passcode: bool) -> None:
    rules = dlp(AppConnectPolicy(print=print_, screen_capture=screen, passcode_required=passcode))
    assert rules.may(Action.PRINT).allowed is print_
    assert rules.may(Action.SCREEN_CAPTURE).allowed is screen
    assert rules.may(Action.UNLOCK, Unlock(passphrase=True))
    assert rules.may(Action.UNLOCK, Unlock(passphrase=False)).allowed is not passcode


@pytest.mark.parametrize(("attach", "photos"), list(itertools.product([True, False], ["true", "false"])))
def test_photos(attach: bool, photos: str) -> None:
    decision = dlp(disabled_features="" if attach else "attach_files", allow_photo_library_access=photos).may(
        "attach_photo"
    )
    assert decision.allowed is (attach and photos == "true")
    if not decision.allowed:
        assert decision.rule == ("allow_photo_library_access" if attach else "attach_files in disabled_features")


IDS = ("G", "g", "H", None)


@pytest.mark.parametrize(("here", "there"), list(itertools.product(IDS, IDS)))
@pytest.mark.parametrize("key", ["MI_SHARED_GROUP_ID", "MI_AC_ACCESS_CONTROL_ID"])
def test_document_sharing_needs_equal_identifiers(key: str, here: str | None, there: str | None) -> None:
    keys = {"MI_SHARED_GROUP_ID": "G", "MI_AC_ACCESS_CONTROL_ID": "G"}
    keys = {name: value for name, value in {**keys, key: here}.items() if value is not None}
    group, control = (there, "G") if key == "MI_SHARED_GROUP_ID" else ("G", there)
    decision = dlp(**keys).may(Action.ATTACH_DOCUMENT, DocumentApp(group, control, doc_sharing=True))
    assert decision.allowed is (here is not None and here == there)  # the case matters
    assert decision.allowed or decision.rule == key


@pytest.mark.parametrize(("sharing", "flag"), list(itertools.product([True, False], ["", "attach_files"])))
def test_document_sharing_needs_both_apps(sharing: bool, flag: str) -> None:
    keys = {"MI_SHARED_GROUP_ID": "G", "MI_AC_ACCESS_CONTROL_ID": "A", "disabled_features": flag}
    decision = dlp(**keys).may(Action.ATTACH_DOCUMENT, DocumentApp("G", "A", doc_sharing=sharing))
    assert decision.allowed is (sharing and not flag)
    if not decision.allowed:
        assert decision.rule == ("attach_files in disabled_features" if flag else "mi_enable_doc_sharing")


@pytest.mark.parametrize(("here", "there"), list(itertools.product(IDS, IDS)))
@pytest.mark.parametrize("scope", SCOPES)
def test_secure_sharing(scope: Any, here: str | None, there: str | None) -> None:
    keys = {} if here is None else {"filepass_key_identifier": here}
    decision = dlp(AppConnectPolicy(open_in=scope), **keys).may(
        Action.SHARE_DOCUMENT, DocumentApp(key_identifier=there)
    )
    assert decision.allowed is (here is not None and here == there and scope in ("managed", "all"))
    assert "G" not in decision.reason or decision.rule == "filepass_key_identifier"


@pytest.mark.parametrize(
    ("name", "kind", "shown"),
    [
        ("a.pdf", "application/pdf", False), ("a.docx", "", False), ("a.png", "image/png", False),
        ("a.txt", "text/plain", True), ("A.TXT", "", True), ("a.eml", "message/rfc822", True), ("a.mp3", "", True),
        ("a.m4a", "audio/mp4", True), ("a.cer", "application/pkix-cert", True), ("a.p12", "", True),
        ("a.pem", "", True),
        ("", "text/plain; charset=utf-8", True), ("", "audio/wav", True), ("", "message/rfc822", True),
        ("", "application/x-pkcs12", True), ("", "application/pdf", False), ("", "", False), ("noending", "", False),
        ("a.pdf", "text/plain", False),  # the name decides: a type can be claimed
        ("a.html", "text/html", False), ("", "text/html", False), ("", "text/calendar", False),
        ("a.txt.exe", "", False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("flag", ["", "document_viewer"])
def test_the_document_viewer_and_its_exceptions(flag: str, name: str, kind: str, shown: bool) -> None:
    decision = dlp(disabled_features=flag).may(Action.VIEW_ATTACHMENT, Document(name, kind))
    assert decision.allowed is (shown or not flag)
    if not decision.allowed:
        assert decision.rule == "document_viewer in disabled_features"
        assert "another app" in decision.advice


@pytest.mark.parametrize(
    ("action", "key", "default"),
    [
        ("custom_keyboard", "MI_AC_IOS_ALLOW_CUSTOM_KEYBOARDS", False),
        ("call", "allow_callkit", True),
        ("export_contacts", "allow_export_contacts", False),
    ],
)
def test_actions_with_a_key_of_their_own(action: str, key: str, default: bool) -> None:
    assert dlp().may(action).allowed is default
    assert DataLossPrevention().may(action).allowed is default
    assert dlp(**{key: "true"}).may(action)
    refused = dlp(**{key: "false"}).may(action)
    assert (refused.allowed, refused.rule) == (False, key)


SWITCHES = (
    {"disabled_features": "attach_files"}, {"disabled_features": "openin_compose"},
    {"disabled_features": "document_viewer"}, {"disabled_features": "move_button,local_cache_all"},
    {"allow_photo_library_access": "false"}, {"MI_AC_IOS_ALLOW_CUSTOM_KEYBOARDS": "false"}, {"allow_callkit": "false"},
    {"allow_export_contacts": "false"}, {"MI_SHARED_GROUP_ID": "other"}, {"MI_AC_ACCESS_CONTROL_ID": "other"},
    {"filepass_key_identifier": "other"},
)  # fmt: skip
CONCERN = {
    "attach_files": {Action.ATTACH_FILE, Action.ATTACH_PHOTO, Action.ATTACH_DOCUMENT},
    "openin_compose": {Action.OPEN_FROM}, "document_viewer": {Action.VIEW_ATTACHMENT},
    "allow_photo_library_access": {Action.ATTACH_PHOTO}, "MI_AC_IOS_ALLOW_CUSTOM_KEYBOARDS": {Action.CUSTOM_KEYBOARD},
    "allow_callkit": {Action.CALL}, "allow_export_contacts": {Action.EXPORT_CONTACTS},
    "MI_SHARED_GROUP_ID": {Action.ATTACH_DOCUMENT}, "MI_AC_ACCESS_CONTROL_ID": {Action.ATTACH_DOCUMENT},
    "filepass_key_identifier": {Action.SHARE_DOCUMENT},
}  # fmt: skip


@pytest.mark.parametrize("chosen", list(itertools.chain(*(itertools.combinations(SWITCHES, n) for n in (0, 1, 2)))))
def test_each_switch_denies_its_own_actions_and_no_other(chosen: tuple[dict[str, str], ...]) -> None:
    """Everything is allowed; then any one or two switches are thrown: exactly their actions are denied."""
    keys: dict[str, str] = dict(OPEN_KEYS)
    expected: set[Action] = set()
    flags: list[str] = []
    for switch in chosen:
        for key, value in switch.items():
            names = value.split(",") if key == "disabled_features" else [key]
            flags += names if key == "disabled_features" else []
            keys |= {} if key == "disabled_features" else {key: value}
            expected |= set().union(*(CONCERN.get(name, set()) for name in names))
    rules = dlp(OPEN_POLICY, **keys, disabled_features=",".join(flags))
    denied = {action for action in Action if not rules.may(action, TARGETS.get(action))}
    assert denied == expected


def test_a_refusal_becomes_an_error_that_names_the_rule() -> None:
    with pytest.raises(PolicyDenied, match=r"the app policy forbids printing\. Ask the administrator") as caught:
        dlp().may(Action.PRINT).require()
    assert caught.value.rule == "print"
    assert caught.value.exit_code == 6
    dlp(AppConnectPolicy(print=True)).may(Action.PRINT).require()


def test_questions_that_make_no_sense() -> None:
    with pytest.raises(ValueError, match="fly"):
        dlp().may("fly")
    with pytest.raises(TypeError, match="App"):
        dlp().may(Action.COPY)
    with pytest.raises(TypeError, match="Document"):
        dlp().may(Action.VIEW_ATTACHMENT, App("a"))
