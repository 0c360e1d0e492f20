# ruff: noqa: N802  (attributes are named as the keys are)
"""Data-loss prevention: may this leave, come in, or be seen this way?

    action             target         decided by
    OPEN_DATA          -              app policy authorized; without it every action is refused
    UNLOCK             Unlock         app policy passcode_required: a passphrase that a person enters, no stored key
    COPY               App            app policy copy_paste
    OPEN_IN            App or FILES   app policy open_in, open_in_apps
    OPEN_FROM          App or FILES   openin_compose in disabled_features; app policy open_from, open_from_apps
    PRINT              -              app policy print
    SCREEN_CAPTURE     -              app policy screen_capture
    ATTACH_FILE        App or FILES   attach_files in disabled_features; for an App, open_from as well
    ATTACH_PHOTO       -              attach_files in disabled_features; allow_photo_library_access
    ATTACH_DOCUMENT    DocumentApp    attach_files; MI_SHARED_GROUP_ID, MI_AC_ACCESS_CONTROL_ID, mi_enable_doc_sharing
    SHARE_DOCUMENT     DocumentApp    open_in as for a managed app; filepass_key_identifier
    VIEW_ATTACHMENT    Document       document_viewer in disabled_features; text, mail, sound and certificates are shown
    CUSTOM_KEYBOARD    -              MI_AC_IOS_ALLOW_CUSTOM_KEYBOARDS
    CALL               -              allow_callkit
    EXPORT_CONTACTS    -              allow_export_contacts

    scope        this app   a managed app   an app on the list   another app   FILES (written where asked)
    none         copy only  no              no                   no            no
    managed      yes        yes             yes if managed       no            no
    allow_list   yes        if on the list  yes                  no            if "files" is on the list
    all          yes        yes             yes                  yes           yes

Without an app policy the defaults of `AppConnectPolicy` answer for apps. FILES is what this engine writes where its
caller says (an export, a saved attachment): without an app policy there is no container to leave, so it is allowed;
under one, files lie outside unless the policy opens to all or lists "files".

Sources: guide, "Data loss prevention", tables 2 and 5; the app policy's schema in `config.app_policy`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol, TypeAlias

from ..config.app_policy import DEFAULT, AppConnectPolicy
from ..model.apps import FILES, PHOTOS, App, DocumentApp, Origin
from .contact_export import may_export
from .decision import ALLOWED, Decision, denied

__all__ = [
    "FILES", "PHOTOS", "Action", "App", "DataLossPrevention", "Document", "DocumentApp", "Keys", "Target", "Unlock",
]  # fmt: skip


class Action(StrEnum):
    """What may be asked about."""

    OPEN_DATA = "open_data"
    UNLOCK = "unlock"
    COPY = "copy"
    OPEN_IN = "open_in"
    OPEN_FROM = "open_from"
    PRINT = "print"
    SCREEN_CAPTURE = "screen_capture"
    ATTACH_FILE = "attach_file"
    ATTACH_PHOTO = "attach_photo"
    ATTACH_DOCUMENT = "attach_document"
    SHARE_DOCUMENT = "share_document"
    VIEW_ATTACHMENT = "view_attachment"
    CUSTOM_KEYBOARD = "custom_keyboard"
    CALL = "call"
    EXPORT_CONTACTS = "export_contacts"


@dataclass(frozen=True, slots=True)
class Unlock:
    """How the store is unlocked: with a passphrase that a person enters, or with a key that lies somewhere."""

    passphrase: bool


@dataclass(frozen=True, slots=True)
class Document:
    """An attachment to be shown. Either may be ""."""

    name: str
    content_type: str = ""


class Keys(Protocol):
    """The keys that decide. An `AppConfig` has them; so has what a store remembers of one."""

    @property
    def disabled_features(self) -> frozenset[str]: ...
    @property
    def MI_SHARED_GROUP_ID(self) -> str | None: ...
    @property
    def MI_AC_ACCESS_CONTROL_ID(self) -> str | None: ...
    @property
    def filepass_key_identifier(self) -> str | None: ...
    @property
    def MI_AC_IOS_ALLOW_CUSTOM_KEYBOARDS(self) -> bool: ...
    @property
    def allow_photo_library_access(self) -> bool: ...
    @property
    def allow_callkit(self) -> bool: ...
    @property
    def allow_export_contacts(self) -> bool: ...
    @property
    def limit_contact_export_to(self) -> str: ...


Target: TypeAlias = App | Unlock | Document | DocumentApp | None


@dataclass(frozen=True, slots=True)
class DataLossPrevention:
    """The rules of one account. `keys` None: no configuration is known, and the defaults of the keys stand."""

    keys: Keys | None = None
    app_policy: AppConnectPolicy | None = None

    def may(self, action: Action | str, target: Target = None) -> Decision:
        """Decide. Raises ValueError for an action that is none, TypeError for a target that is not the action's."""
        kind = Action(action)
        wanted = _TARGETS.get(kind)
        if wanted is not None and not isinstance(target, wanted):
            raise TypeError(f"{kind} is about {wanted.__name__}, not {type(target).__name__}")
        policy = self.app_policy or DEFAULT
        if not policy.authorized:
            return denied("this app is not authorised", "authorized", "Ask the administrator to authorise it")
        return _RULES[kind](self, policy, target)

    @property
    def governed(self) -> bool:
        """Whether an app policy was given."""
        return self.app_policy is not None

    def may_attach(self, origin: Origin, *, handed_over: bool = False) -> Decision:
        """Whether a file from there may stand in a mail. `handed_over`: the other app opened it into one (open-in)."""
        if isinstance(origin, DocumentApp):
            return self.may(Action.ATTACH_DOCUMENT, origin)
        if handed_over:
            return self.may(Action.OPEN_FROM, origin)
        return self.may(Action.ATTACH_PHOTO) if origin == PHOTOS else self.may(Action.ATTACH_FILE, origin)

    def disabled(self, flag: str) -> bool:
        """Whether `disabled_features` names `flag`."""
        return self.keys is not None and flag in self.keys.disabled_features


Rule: TypeAlias = Callable[[DataLossPrevention, AppConnectPolicy, Target], Decision]


def _always(dlp: DataLossPrevention, policy: AppConnectPolicy, target: Target) -> Decision:
    return ALLOWED


def _unlock(dlp: DataLossPrevention, policy: AppConnectPolicy, target: Target) -> Decision:
    assert isinstance(target, Unlock)
    if target.passphrase or not policy.passcode_required:
        return ALLOWED
    advice = "Give a passphrase; `emailplus store rekey` changes a store to one"
    return denied(
        "the app policy demands a passcode, so a stored key does not open the mail", "passcode_required", advice
    )


def _copy(dlp: DataLossPrevention, policy: AppConnectPolicy, target: Target) -> Decision:
    assert isinstance(target, App)
    if target.own:
        return ALLOWED  # into the same app one may always paste (guide, "What users see for copy/paste")
    return _scoped("copy_paste", policy.copy_paste, frozenset(), target, "content may not be copied to")


def _open_in(dlp: DataLossPrevention, policy: AppConnectPolicy, target: Target) -> Decision:
    assert isinstance(target, App)
    if target == FILES and not dlp.governed:
        return ALLOWED
    return _scoped("open_in", policy.open_in, policy.open_in_apps, target, "nothing may be opened in or saved to")


def _open_from(dlp: DataLossPrevention, policy: AppConnectPolicy, target: Target) -> Decision:
    assert isinstance(target, App)
    if dlp.disabled("openin_compose"):
        return _switched_off("files may not be opened into mail", "openin_compose")
    if target == FILES and not dlp.governed:
        return ALLOWED
    return _scoped("open_from", policy.open_from, policy.open_from_apps, target, "nothing may be taken in from")


def _scoped(rule: str, scope: str, listed: frozenset[str], app: App, what: str) -> Decision:
    allowed = {
        "none": False,
        "managed": app.managed or app.own,
        "allow_list": app.own or app.id in listed,
        "all": True,
    }[scope]
    name = "files" if app == FILES else app.id
    return ALLOWED if allowed else denied(f"{what} {name}: {rule} of the app policy is {scope}", rule)


def _print(dlp: DataLossPrevention, policy: AppConnectPolicy, target: Target) -> Decision:
    return ALLOWED if policy.print else denied("the app policy forbids printing", "print")


def _screen(dlp: DataLossPrevention, policy: AppConnectPolicy, target: Target) -> Decision:
    return ALLOWED if policy.screen_capture else denied("the app policy forbids screen capture", "screen_capture")


def _attach_file(dlp: DataLossPrevention, policy: AppConnectPolicy, target: Target) -> Decision:
    assert isinstance(target, App)
    if dlp.disabled("attach_files"):
        return _switched_off("files may not be attached", "attach_files")
    if target.own or (target == FILES and not dlp.governed):
        return ALLOWED
    return _scoped("open_from", policy.open_from, policy.open_from_apps, target, "nothing may be attached from")


def _attach_photo(dlp: DataLossPrevention, policy: AppConnectPolicy, target: Target) -> Decision:
    if dlp.disabled("attach_files"):
        return _switched_off("files may not be attached", "attach_files")
    if dlp.keys is not None and not dlp.keys.allow_photo_library_access:
        return denied("photos of the device may not be attached", "allow_photo_library_access")
    return ALLOWED


def _attach_document(dlp: DataLossPrevention, policy: AppConnectPolicy, target: Target) -> Decision:
    assert isinstance(target, DocumentApp)
    if dlp.disabled("attach_files"):
        return _switched_off("files may not be attached", "attach_files")
    keys = dlp.keys
    for key, here, there in (
        ("MI_SHARED_GROUP_ID", keys and keys.MI_SHARED_GROUP_ID, target.shared_group_id),
        ("MI_AC_ACCESS_CONTROL_ID", keys and keys.MI_AC_ACCESS_CONTROL_ID, target.access_control_id),
    ):
        if not here:
            return denied(f"documents are not shared: {key} is not set", key)
        if here != there:  # the case matters (guide)
            return denied(f"documents are not shared: {key} is another one in the document app", key)
    if not target.doc_sharing:
        return denied("documents are not shared: the document app does not allow it", "mi_enable_doc_sharing")
    return ALLOWED


def _share_document(dlp: DataLossPrevention, policy: AppConnectPolicy, target: Target) -> Decision:
    """Secure sharing through FilePass: every app that takes part has the same identifier."""
    assert isinstance(target, DocumentApp)
    key = "filepass_key_identifier"
    here = dlp.keys.filepass_key_identifier if dlp.keys is not None else None
    if not here:
        return denied(f"documents are not shared: {key} is not set", key)
    if here != target.key_identifier:
        return denied(f"documents are not shared: {key} is another one in the other app", key)
    return _scoped("open_in", policy.open_in, policy.open_in_apps, App("filepass", managed=True), "nothing may go to")


_VIEWED_TYPES: Final = ("text/", "audio/")
_VIEWED_EXACTLY: Final = frozenset(
    {
        "message/rfc822", "application/x-x509-ca-cert", "application/x-x509-user-cert", "application/pkix-cert",
        "application/x-pkcs12", "application/pkcs12", "application/x-pkcs7-certificates", "application/x-pem-file",
    }
)  # fmt: skip
_VIEWED_NAMES: Final = frozenset(
    {
        "txt", "text", "log", "csv", "md", "eml",
        "mp3", "m4a", "aac", "wav", "aif", "aiff", "caf", "amr", "ogg", "flac",
        "cer", "crt", "der", "pem", "p12", "pfx", "p7b", "p7c",
    }
)  # fmt: skip
_NOT_TEXT: Final = frozenset({"text/html", "text/xml", "text/rtf", "text/calendar"})
"""Documents although their type begins with text/."""


def _view(dlp: DataLossPrevention, policy: AppConnectPolicy, target: Target) -> Decision:
    assert isinstance(target, Document)
    if not dlp.disabled("document_viewer") or _seen_here(target):
        return ALLOWED
    reason = f"{target.name or 'the attachment'} is not shown here"
    return denied(reason, "document_viewer in disabled_features", "Open it in another app, where open-in allows that")


def _seen_here(document: Document) -> bool:
    """Whether it is of a kind that is shown even without the viewer. The name decides where it has an ending: a
    sender who calls a document "text/plain" does not make it one."""
    _, dot, ending = document.name.strip().lower().rpartition(".")
    if dot and ending:
        return ending in _VIEWED_NAMES
    kind = document.content_type.partition(";")[0].strip().lower()
    return kind not in _NOT_TEXT and (kind in _VIEWED_EXACTLY or kind.startswith(_VIEWED_TYPES))


def _keyboard(dlp: DataLossPrevention, policy: AppConnectPolicy, target: Target) -> Decision:
    if dlp.keys is not None and dlp.keys.MI_AC_IOS_ALLOW_CUSTOM_KEYBOARDS:
        return ALLOWED
    return denied("keyboards of other makers may not be used", "MI_AC_IOS_ALLOW_CUSTOM_KEYBOARDS")


def _call(dlp: DataLossPrevention, policy: AppConnectPolicy, target: Target) -> Decision:
    if dlp.keys is None or dlp.keys.allow_callkit:
        return ALLOWED
    return denied("CallKit may not be used", "allow_callkit")


def _export_contacts(dlp: DataLossPrevention, policy: AppConnectPolicy, target: Target) -> Decision:
    return (
        may_export(dlp.keys)
        if dlp.keys is not None
        else denied("contacts may not be exported", "allow_export_contacts")
    )


def _switched_off(reason: str, flag: str) -> Decision:
    return denied(reason, f"{flag} in disabled_features")


_TARGETS: Final[Mapping[Action, type]] = {
    Action.UNLOCK: Unlock,
    Action.COPY: App,
    Action.OPEN_IN: App,
    Action.OPEN_FROM: App,
    Action.ATTACH_FILE: App,
    Action.ATTACH_DOCUMENT: DocumentApp,
    Action.SHARE_DOCUMENT: DocumentApp,
    Action.VIEW_ATTACHMENT: Document,
}

_RULES: Final[Mapping[Action, Rule]] = {
    Action.OPEN_DATA: _always,  # where the app is authorised
    Action.UNLOCK: _unlock,
    Action.COPY: _copy,
    Action.OPEN_IN: _open_in,
    Action.OPEN_FROM: _open_from,
    Action.PRINT: _print,
    Action.SCREEN_CAPTURE: _screen,
    Action.ATTACH_FILE: _attach_file,
    Action.ATTACH_PHOTO: _attach_photo,
    Action.ATTACH_DOCUMENT: _attach_document,
    Action.SHARE_DOCUMENT: _share_document,
    Action.VIEW_ATTACHMENT: _view,
    Action.CUSTOM_KEYBOARD: _keyboard,
    Action.CALL: _call,
    Action.EXPORT_CONTACTS: _export_contacts,
}
