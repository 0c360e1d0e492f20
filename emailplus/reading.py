"""From a stored message to what a person sees: its view, under the configuration in force and the user's choices.

    reading = Reading(store, config)
    reading.view(7)                # MessageView: text, files, appointments, what could not be read
    reading.page(7).html           # the page; nothing in it is fetched
    reading.terminal(7, width=80)

Without a configuration the one that the store remembers is in force: leaving `--config` out does not change the view.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from .config import AppConfig
from .config.snapshot import Snapshot
from .errors import ConfigurationError, NotFound, UsageError
from .mime import page as pages
from .mime import terminal
from .mime.names import guessed_type
from .mime.page import Cell, Look, Page, Tone, Watermark
from .mime.view import MAX_BODY, AnnouncedFile, AttachmentView, MessageView, from_body, read
from .model.message import BodyType, StoredAttachment, StoredMessage, addresses
from .model.rights import Licence
from .policy import links, recipients
from .protection import Protection, is_protected
from .rms.gate import Door, Operation, judge, readable
from .settings import MailboxSettings
from .smime.report import Word
from .smime.report import lines as report_lines
from .store import pictures, rights
from .store import settings as kept
from .store.store import Store

_MEETING = re.compile(r"IPM\.(?:Schedule|Notification)\.Meeting\b", re.IGNORECASE)
_TONES: dict[Word, Tone] = {
    Word.TRUSTED: "good",
    Word.UNPROTECTED: "plain",
    Word.ENCRYPTED: "plain",
    Word.INVALID: "bad",
    Word.UNREADABLE: "bad",
}
"""How a verdict on S/MIME looks; only "trusted" is ever green."""

FLAG_COMPLETE, FLAG_ACTIVE = 1, 2
"""Status (MS-ASEMAIL 2.2.2.74)."""

LOOK_KEYS = (
    "email_address", "email_device_id", "email_exchange_host", "email_exchange_username", "email_safe_domains",
    "allow_safari_browser", "email_url_scheme_http", "email_url_scheme_https", "webatwork_install_link",
    "show_pictures_default", "email_watermark", "email_watermark_parameters", "enabled_features", "disabled_features",
)  # fmt: skip
"""Keys that decide how a message looks; their values are no secrets."""


class Reading:
    """Reads messages of one store for people."""

    def __init__(
        self,
        store: Store,
        config: AppConfig | Callable[[], AppConfig | None] | None = None,
        *,
        door: Door = Door.PERSON,
        protection: Protection | None = None,
    ) -> None:
        self.store = store
        self.protection = protection or Protection(store)
        self._config = config
        self.door = door
        """Who sees what is read here: protected content is not for programs unless its licence says so."""

    @property
    def config(self) -> AppConfig | None:
        """The configuration that decides: the one given, else the one that the store remembers."""
        given = self._config() if callable(self._config) else self._config
        return given if given is not None else remembered_config(self.store)

    def view(self, message_id: int, *, within: str = "") -> MessageView:
        """The message taken apart. Raises `NotFound`, and `RightsDenied` for protected content that is not for here.

        `within`: a message attached to it, by its `AttachmentView.number`. Raises `UsageError` for another file.
        """
        return _within(self._view(self.store.messages([message_id]), message_id), within)

    def page(self, message_id: int, *, pictures: bool | None = None, within: str = "") -> Page:
        """The message as an HTML page. `pictures` overrules for this once what was chosen. Raises as `view`."""
        message = self._message(message_id)
        seen = _within(self._view([message], message_id), within)
        return pages.render(seen, self._look_within(self.look(message, pictures), message, within, pictures))

    def terminal(self, message_id: int, *, width: int = 0, within: str = "") -> str:
        """The message as lines for a terminal. Raises as `view`."""
        message = self._message(message_id)
        seen = _within(self._view([message], message_id), within)
        return terminal.render(seen, self._look_within(self.look(message), message, within, None), width=width)

    @staticmethod
    def _look_within(look: Look, message: StoredMessage, within: str, pictures: bool | None) -> Look:
        """An attached message has none of the verdicts on the one it came with, and pictures only on demand: whoever
        sent it is not whom the user trusts. Licence and marking hold for it too."""
        if not within:
            return look
        kept = tuple(cell for cell in look.cells if cell.kind in ("classification", "rights"))
        attached = Cell("attached", "Attached message", f"came with: {message.subject or '(no subject)'}")
        return replace(look, cells=(attached, *kept), pictures=bool(pictures))

    def show_pictures(self, message_id: int, *, of_sender: bool = False, show: bool = True) -> str:
        """Remember the user's choice for a message, or for all mail of its sender; who or what it is about.

        Raises `NotFound`, and `UsageError` where a sender cannot be made out.
        """
        message = self._message(message_id)
        if not of_sender:
            pictures.choose(self.store.database, "message", str(message_id), show)
            return f"message {message_id}"
        sender = pictures.sender_of(message.sender)
        if not sender:
            raise UsageError(f"message {message_id} does not say who sent it: choose for the message alone")
        pictures.choose(self.store.database, "sender", sender, show)
        return sender

    def look(self, message: StoredMessage, show_pictures: bool | None = None) -> Look:
        """How a message is shown under the configuration, and for its sender."""
        cells = tuple(self._cells(message))
        now = datetime.now(UTC)
        shown = self._shows_pictures(message) if show_pictures is None else show_pictures
        return replace(
            self._configured(self.config, pictures=shown, cells=cells),
            printable=bool(judge(message.rights, Operation.PRINT, Door.PERSON, now)),
            copyable=bool(judge(message.rights, Operation.COPY, Door.PERSON, now)),
        )

    def _shows_pictures(self, message: StoredMessage | None) -> bool:
        """What the user chose for a message or its sender, else for all mail; None: for what is no message yet."""
        if message is not None and pictures.shown(self.store.database, message.id, message.sender):
            return True
        config = self.config
        return config is not None and MailboxSettings(self.store, lambda: config).in_force().show_pictures

    def _configured(self, config: AppConfig | None, *, pictures: bool, cells: tuple[Cell, ...]) -> Look:
        """What the configuration alone decides."""
        if config is None:
            return Look(pictures=pictures, cells=cells)
        domains = recipients.SafeDomains.of(config)
        return Look(
            pictures=pictures,
            rewrite=partial(_rewritten, config),
            unsafe=lambda address: not domains.covers(address.rpartition("@")[2]),
            watermark=Watermark.of(config.email_watermark, config.email_watermark_parameters),
            fit_to_width="fit_to_width" in config.enabled_features,
            rich="wkwebview_mail_viewer" in config.enabled_features,
            cells=cells,
        )

    def draft_page(self, mime: bytes, original: int | None = None) -> Page:
        """A message of ours as it will be seen, with the watermark, which the compose view has too (guide,
        `email_watermark`). The remote pictures that it quotes are shown where they are in the view of `original`."""
        found = self.store.messages([original]) if original is not None else []
        urgent = b"\nImportance: high\r" in mime.partition(b"\r\n\r\n")[0]
        cells = (Cell("importance", "High importance", tone="warning"),) if urgent else ()
        shown = self._shows_pictures(found[0] if found else None)
        return pages.render(read(mime), self._configured(self.config, pictures=shown, cells=cells))

    def _message(self, message_id: int) -> StoredMessage:
        found = self.store.messages([message_id])
        if not found:
            raise NotFound(f"there is no message {message_id} in this store")
        return found[0]

    def _cells(self, message: StoredMessage) -> Iterator[Cell]:
        if message.importance != 1:
            high = message.importance == 2
            yield Cell("importance", f"{'High' if high else 'Low'} importance", tone="warning" if high else "plain")
        if message.marking is not None and (shown := message.marking.shown(datetime.now(UTC))):
            yield Cell("classification", shown, tone="warning" if message.marking.flagged else "plain")
        report = self.protection.attach(message).security if not _unreadable(message) else None
        if report is not None and (report.layers or report.findings):
            first, *more = report_lines(report)
            yield Cell("security", first, " ".join(more), _TONES.get(report.word, "warning"))
        yield from _own_cells(message, datetime.now(UTC))
        if message.rights is not None:
            yield _rights_cell(message.rights)

    def _view(self, found: list[StoredMessage], message_id: int) -> MessageView:
        if not found:
            raise NotFound(f"there is no message {message_id} in this store")
        message = found[0]
        gone = readable(message.rights, datetime.now(UTC))
        if not gone:  # the header and the reason stay
            seen = MessageView(problems=[f"the content is not shown: {gone.reason}"])
            _fill(seen, message)
            return seen
        rights.require(self.store.database, message_id, Operation.READ, self.door)
        announced = self.store.attachments(message_id)
        apart = message.body_type != BodyType.MIME or message.body_state != "stored"
        if apart:
            data = self.store.body(message_id, MAX_BODY) if message.body_state == "stored" else b""
            files = [self._file(item) for item in announced if item.state == "stored"]
            seen = from_body(message.body_type if data else BodyType.PLAIN, data, files)
        else:
            seen = self._mime(message)
            _number(seen.attachments, announced)
        for item in seen.attachments:
            item.number = str(item.id) if item.id is not None else ""
        _fill(seen, message)
        if message.meeting is not None or _MEETING.match(message.message_class):
            from .calendar import meeting_card  # the tables of other calendars come with it

            meeting_card.add(seen.events, message)
        if message.body_state not in ("stored", "none"):
            why = message.reason or "it is fetched next time"
            seen.problems.insert(0, f"the body is not here ({message.body_state}): {why}")
        seen.problems += [
            f"the attachment {item.name!r} is not here ({item.state}){': ' + item.reason if item.reason else ''}"
            for item in announced
            if item.state != "stored"
        ]
        return seen

    def _mime(self, message: StoredMessage) -> MessageView:
        """A message whose MIME is here, opened as far as the keys of the store do it."""
        seen = read(self.store.body_source(message.id))
        if not seen.protection and not is_protected(message):
            return seen
        try:
            inside = self.protection.inside(message)
        except OSError as error:
            seen.problems.append(f"there is no room to open what is protected: {error.strerror}")
            return seen
        return read(inside) if inside is not None else seen

    def _file(self, item: StoredAttachment) -> AnnouncedFile:
        kind = item.content_type.partition(";")[0].strip().lower()
        if not kind or kind == "application/octet-stream":
            kind = guessed_type(item.name)
        return AnnouncedFile(
            item.name, kind, item.size, item.content_id.strip("<>"), item.inline,
            partial(self.store.attachment_content, item.id), item.id,
        )  # fmt: skip


def _unreadable(message: StoredMessage) -> bool:
    return not readable(message.rights, datetime.now(UTC))


def _fill(seen: MessageView, message: StoredMessage) -> None:
    """What the store knows of the header goes before what the MIME says."""
    seen.subject = message.subject or seen.subject
    seen.sender, seen.to, seen.cc = message.sender or seen.sender, message.to or seen.to, message.cc or seen.cc
    seen.reply_to, seen.date = message.reply_to or seen.reply_to, message.received or seen.date


def _own_cells(message: StoredMessage, now: datetime) -> Iterator[Cell]:
    """Who really sent it (Email2 Sender), the follow-up flag, the categories."""
    actual = str(message.details.get("actual_sender") or "")
    if actual and [who.address for who in addresses(actual)] != [who.address for who in addresses(message.sender)]:
        yield Cell("sender", f"Sent by {actual}", "on behalf of the sender named below")
    if message.details.get("received_as_bcc"):
        yield Cell("bcc", "You received this as a blind copy")
    flag = message.flag
    if message.flag_status == FLAG_ACTIVE:
        due = flag.due_date or flag.utc_due_date if flag is not None else None
        late = flag is not None and flag.utc_due_date is not None and flag.utc_due_date < now
        tone: Tone = "warning" if late else "plain"
        yield Cell("flag", "Follow up", f"{'was due' if late else 'by'} {due:%Y-%m-%d}" if due else "", tone)
    elif message.flag_status == FLAG_COMPLETE:
        done = flag.date_completed or flag.complete_time if flag is not None else None
        yield Cell("flag", "Followed up", f"on {done:%Y-%m-%d}" if done else "")
    if message.categories:
        yield Cell("categories", "Categories", ", ".join(message.categories))


def _rights_cell(licence: Licence) -> Cell:
    """Template name and description below the subject (guide, "Rights Management System"), and the end."""
    words = [licence.template_description]
    if licence.owner:
        words.append("You own this content.")
    if licence.expires is not None:
        words.append(f"Readable until {licence.expires:%Y-%m-%d %H:%M} UTC.")
    words += [f"({fault}: not granted)" for fault in licence.faults]
    return Cell("rights", licence.template_name or "Protected", " ".join(filter(None, words)))


def _within(seen: MessageView, number: str) -> MessageView:
    """The message that is attached to `seen` under that number: ``2``, or ``2.1`` for the first file of that one."""
    reached = ""
    for step in filter(None, number.split(".")):
        reached = f"{reached}.{step}" if reached else step
        found = next((item for item in seen.attachments if item.number == reached), None)
        if found is None:
            raise NotFound(f"there is no attachment {reached[:40]}")
        seen = found.message()
        for place, item in enumerate(seen.attachments, 1):
            item.number = f"{reached}.{place}"
    return seen


def _number(seen: list[AttachmentView], announced: list[StoredAttachment]) -> None:
    """Give files inside a MIME body the store's numbers: by Content-ID or name where that is unique, else by place
    where both sides count the same (`mime.brief.announced_part` does so too)."""
    for item in announced:
        for matching in (
            [view for view in seen if item.content_id and view.content_id == item.content_id.strip("<>")],
            [view for view in seen if item.name and view.written == item.name],
        ):
            if len(matching) == 1 and matching[0].id is None:
                matching[0].id = item.id
                break
    known = {view.id for view in seen}
    if len(seen) == len(announced):
        for view, item in zip(seen, announced, strict=True):
            if view.id is None and item.id not in known:
                view.id = item.id


def _rewritten(config: AppConfig, link: str) -> str | None:
    """Where a link leads under `email_url_scheme_http`, `email_url_scheme_https` and `allow_safari_browser`."""
    decision = links.decide(link, config)
    return decision.url if decision.action in ("open", "install") else None


def remembered_config(store: Store) -> AppConfig | None:
    """What the store remembers of the configuration in force, as far as it decides how mail looks; None: nothing."""
    text = kept.configuration(store.database)
    if text is None:
        return None
    try:
        keys = Snapshot.from_json(text).keys
        return AppConfig.load(
            {name: _as_given(keys[name].shown) for name in LOOK_KEYS if name in keys and keys[name].given}
        )
    except (ValueError, ConfigurationError):
        return None


def _as_given(shown: object) -> object:
    """A shown value in a form that loads again."""
    if isinstance(shown, bool):
        return "true" if shown else "false"
    if isinstance(shown, dict):
        named: dict[str, Any] = {
            "".join(word.title() if number else word for number, word in enumerate(name.split("_"))): value
            for name, value in shown.items()
            if value is not None
        }
        return named
    return ",".join(map(str, shown)) if isinstance(shown, list) else shown
