"""What a watch tells of a mailbox: new mail with its notification, the badge, reminders of the calendar.

Reads and marks of the store, under the rules in force (`emailplus.notify.rules`). Every method is a piece of work for
one thread.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from .calendar.occurrences import occurrences
from .config import AppConfig
from .eas.flows.folders import find_folder
from .errors import NotFound, UsageError
from .ews import matching
from .mime.html_text import linear
from .mime.view import view
from .model.changes import SaveAccount
from .model.event import Occurrence
from .model.ews import EwsMail
from .model.folder import Folder, FolderType
from .model.message import BodyType, Message, StoredMessage
from .model.watch import FIRST_TAG, UNREAD_TAG, Announced, NewMail, Notification, Reminder
from .notify import rules as policy
from .notify.rules import App, Decision, Kind, Occasion, Registration, Rules, Telling
from .rms.gate import Door, Operation, judge
from .settings import MailboxSettings
from .store import items, rights, watch
from .store.store import Store
from .store.text import address_of

SNIPPET = 200
"""Characters of a text that stand in an event."""
SNIPPET_SOURCE = 256 * 1024
"""Bytes of a body that are looked at for them."""
LATE = timedelta(hours=1)
"""How long after the start of an event, unless it ended before, a reminder that was missed is still told."""
HORIZON = timedelta(hours=24)
"""How far ahead the next reminder is looked for."""
LONGEST = 28 * 24 * 60
"""Minutes: a reminder that wants to come earlier than so long before its event comes then."""
DIRECT = "New mail is told as soon as the server has it."
REGISTRATION = "alert_registration"
"""Fact of the account: the alert times that the running subscription was registered with, and its end."""


class Teller:
    """`folders`: whose new mail is told; None: the inbox. `now`: the present, aware.

    `app`: how the engine was started, which decides whether the rules let the user be shown what is in the mailbox.
    """

    def __init__(
        self,
        store: Store,
        config: Callable[[], AppConfig],
        settings: MailboxSettings,
        door: Door,
        folders: Sequence[str] | None,
        now: Callable[[], datetime],
        app: App = App.OPEN,
    ) -> None:
        self.store = store
        self.config = config
        self.now = now
        self.passed: dict[tuple[str, str], Message] = {}
        """Messages that came and are not kept, by name of the folder and ServerId."""
        self._settings = settings
        self._door = door
        self._folders = folders
        self._app = app

    # -- what is watched

    def told_folders(self) -> list[str]:
        """ServerIds of the folders whose mail is told. Raises `NotFound` for one that is not there."""
        known = watch.folders(self.store.database)
        if self._folders is not None:
            return [find_folder(known, name).server_id for name in self._folders]
        return [folder.server_id for folder in known if folder.type == FolderType.INBOX]

    def pairs(self) -> list[tuple[str, str]]:
        """CollectionId and class of every folder to wait on, those whose mail is told in front, then the calendars."""
        told = self.told_folders()
        known = [folder for folder in watch.folders(self.store.database) if folder.item_class is not None]

        def rank(folder: Folder) -> int:
            if folder.server_id in told:
                return 0
            return 1 if folder.item_class == "Calendar" else 2

        return [(folder.server_id, folder.item_class or "") for folder in sorted(known, key=rank)]

    def rules(self) -> Rules:
        """The rules in force; with real-time push, those that the subscription was registered with to its end."""
        config, now = self.config(), self.now()
        wanted = Rules.of(config, self._settings.in_force(), items.vip_addresses(self.store.database))
        if not wanted.realtime:
            return wanted
        life = timedelta(minutes=config.subscription_valid_until)
        registered = self._registered()
        if registered is None or not now < registered.until <= now + life:  # over, or of a clock that was wrong
            registered = Registration(wanted, now + life)
            kept = {name: value for name, value in wanted.as_dict().items() if name != "vips"}
            text = json.dumps({"rules": kept, "until": registered.until.isoformat()})
            self.store.apply(SaveAccount({REGISTRATION: text}))
        return policy.in_force(registered, wanted, now)

    def _registered(self) -> Registration | None:
        text = self.store.account().get(REGISTRATION)
        if text is None:
            return None
        try:
            document = json.loads(text)
            return Registration(Rules.from_dict(document["rules"]), datetime.fromisoformat(document["until"]))
        except (ValueError, KeyError, TypeError, UsageError):  # of another version
            return None

    def state(self, method: str) -> str:
        """What the user may know about how news come, waiting by that method."""
        rules = self.rules()
        if not rules.realtime and method != "interval":
            return DIRECT
        registered = self._registered()
        until = registered.until if registered is not None else None
        return policy.state_text(rules, self.config().notification_interval, until, self.now())

    def announcement(self, changed: Sequence[str]) -> Announced | None:
        """What may be shown before anything is known of what is new in folders (CollectionIds)."""
        if set(changed).isdisjoint(self.told_folders()) or not policy.may_announce(self.rules(), self.now()):
            return None
        return Announced(Notification(FIRST_TAG, policy.FIRST))

    # -- mail

    def missing(self, announced: Sequence[EwsMail]) -> list[EwsMail]:
        """Of mails that EWS announced those that are not in the store; one in the store stands for one of them."""
        left, used = [], set[str]()
        for mail in announced:
            if mail.received is None:
                continue  # nothing tells which one it is
            near = watch.received_near(self.store.database, mail.received.timestamp(), matching.TOLERANCE)
            found = matching.best(matching.of_ews(mail), [
                each for each in map(matching.of_stored, self.store.messages(near)) if each.key not in used
            ])  # fmt: skip
            if found is None:
                left.append(mail)
            else:
                used.add(found.key)
        return left

    def begin(self) -> None:
        """Before the first run: what a mailbox that was synchronised before holds by now is not new."""
        try:
            folders = self.told_folders()
        except NotFound:
            return  # that run may bring it
        watch.begin(self.store.database, folders, self.now().timestamp())

    def news(self) -> list[int]:
        """Messages that are to be told, the oldest first. After the very first run of a mailbox there are none:
        everything was there."""
        return watch.collect(self.store.database, self.told_folders(), self.now().timestamp())

    def mail(self, message_id: int, replaces: str = "") -> NewMail | None:
        """The event of a new message; None: it went meanwhile. `replaces`: a notification that this one follows."""
        database = self.store.database
        place = watch.places(database, [message_id]).get(message_id)
        if place is None:
            return None
        found = self.store.messages([message_id])
        message: StoredMessage | Message
        if found:
            message, snippet = found[0], self._snippet(found[0])
            rights.withheld(found, self._door, self.now())
            message.preview = snippet
        else:
            message = self.passed.pop(place, Message(server_id=place[1]))
            snippet = self._snippet(message)
        sender, rules = address_of(message.sender), self.rules()
        decision = policy.decide(rules, Occasion(at=self.now(), sender=sender, app=self._app))
        return NewMail(
            id=message_id,
            folder=place[0],
            message=message,
            snippet=snippet,
            vip=sender in rules.vips,
            notification=self._notification(decision, message_id, message, snippet, replaces),
            reason=decision.reason,
        )

    def told(self, message_id: int) -> None:
        """The event of that message was told."""
        watch.told(self.store.database, message_id)

    def unread(self) -> int | None:
        """Unread messages in the folders whose mail is told; None where the rules show no badge."""
        if not self.rules().readable(self._app):
            return None
        return watch.unread(self.store.database, self.told_folders())

    def _notification(
        self, decision: Decision, message_id: int, message: StoredMessage | Message, snippet: str, replaces: str
    ) -> Notification | None:
        if decision.telling is Telling.DETAILS:
            body = "\n".join(filter(None, (message.subject, snippet)))
            return Notification(f"mail-{message_id}", message.sender, body, replaces)
        if decision.telling is Telling.COUNT:
            return Notification(UNREAD_TAG, policy.count_text(self.unread() or 0), "", replaces)
        if decision.telling is Telling.ANNOUNCED:
            return Notification(FIRST_TAG, policy.FIRST)
        return None

    def _snippet(self, message: StoredMessage | Message) -> str:
        """How the text begins, from what is here. Nothing of what is protected or encrypted."""
        if not judge(message.rights, Operation.NOTIFY, self._door, self.now()):
            return ""
        if message.preview:
            return _line(message.preview)
        if message.body_state != "stored" or message.message_class.startswith("IPM.Note.SMIME"):
            return ""
        if isinstance(message, StoredMessage):
            return _beginning(self.store.body(message.id, 4 * SNIPPET_SOURCE), message.body_type)
        return _beginning(message.body.data, message.body.type) if message.body is not None else ""

    # -- reminders

    def reminders(self) -> tuple[list[Reminder], datetime]:
        """Reminders that are due and not told yet, and when to look again."""
        now, zone = self.now(), ZoneInfo(self._settings.in_force().time_zone)
        due: list[tuple[datetime, Reminder]] = []
        following = now + HORIZON
        for made, minutes in self._reminding(now, zone):
            starts, ends = _moment(made.start, zone), _moment(made.end, zone)
            at = starts - timedelta(minutes=min(minutes, LONGEST))
            if min(max(ends, starts + timedelta(minutes=1)), starts + LATE) <= now:
                continue
            if watch.reminder_told(self.store.database, made.event.id, starts.timestamp()):
                continue
            if at > now:
                following = min(following, at)
                continue
            due.append((at, self._reminder(made, starts, ends, minutes)))
        return [reminder for _, reminder in sorted(due, key=lambda pair: (pair[0], pair[1].id))], following

    def _reminding(self, now: datetime, zone: tzinfo) -> Iterator[tuple[Occurrence, int]]:
        """Instances with a reminder that may be due before the horizon, with its minutes."""
        last = now + HORIZON + timedelta(minutes=LONGEST)
        for event in items.events_touching(self.store.database, (now - LATE).timestamp(), last.timestamp()):
            longest = max([event.reminder or 0, *(e.changes.get("reminder") or 0 for e in event.exceptions)])
            if event.reminder is None and not longest:
                continue
            until = now + HORIZON + timedelta(minutes=min(longest, LONGEST))
            for made in occurrences(event, now - LATE, until, zone):
                reminder = made.event.reminder
                if reminder is not None and reminder >= 0 and not made.event.cancelled:
                    yield made, reminder

    def _reminder(self, made: Occurrence, starts: datetime, ends: datetime, minutes: int) -> Reminder:
        decision = policy.decide(self.rules(), Occasion(at=self.now(), kind=Kind.REMINDER, app=self._app))
        notification: Notification | None = None
        tag = f"event-{made.event.id}-{starts:%Y%m%dT%H%M}"
        if decision.telling is Telling.DETAILS:
            zone = ZoneInfo(self._settings.in_force().time_zone)
            times = f"{starts.astimezone(zone):%H:%M} to {ends.astimezone(zone):%H:%M}"
            where = str(made.event.location) if made.event.location is not None else ""
            span = "all day" if made.event.all_day else times
            notification = Notification(tag, made.event.subject, ", ".join(filter(None, (span, where))))
        elif decision.telling is Telling.COUNT:
            notification = Notification(tag, policy.REMINDER)
        return Reminder(made.event.id, made.event, starts, minutes, notification)

    def reminded(self, reminder: Reminder) -> None:
        """That reminder was told."""
        told = [(reminder.id, reminder.starts.timestamp())]
        watch.mark_reminders(self.store.database, told, self.now().timestamp())


def _beginning(data: bytes, kind: int) -> str:
    """The first words of a body of that type."""
    if kind == BodyType.MIME:
        parts = view(data, contents=False)
        return _line(parts.text or linear(parts.html))
    text = data[:SNIPPET_SOURCE].decode(errors="replace")
    return _line(linear(text) if kind == BodyType.HTML else text)


def _line(text: str) -> str:
    return " ".join(text[: 20 * SNIPPET].split())[:SNIPPET]


def _moment(when: datetime | date, zone: tzinfo) -> datetime:
    """An all-day event begins at midnight where the user is."""
    if isinstance(when, datetime):
        return when
    return datetime(when.year, when.month, when.day, tzinfo=zone)
