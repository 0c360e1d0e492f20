"""Bringing folders up to date, of whatever class (MS-ASCMD 2.2.1.21, 3.1.5.5).

`sync_mail` does the mail folders here, `emailplus.eas.flows.sync_items` the others by the same rounds.

Each answer is committed with its SyncKeys before the next request leaves, so a run that is cut resumes where it was.
A collection starts with SyncKey 0 when it is new, when its Options changed, or when the server lost its state; then a
full pass meets every item again, and only its end proves what is gone.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from ...errors import (
    CommandFailed,
    FolderHierarchyChanged,
    HttpStatusError,
    InvalidSyncKey,
    MalformedResponse,
    NetworkTimeout,
    ProtocolError,
    ResponseTooLarge,
    ServerBusy,
)
from ...flow import Flow, commit, emit, load, sleep
from ...model.changes import ForgetFolders, ResetCollections, SyncCounts, SyncWindows, Window
from ...model.events import MessageReceived, Phase, Progress, Waiting, Warned, WindowStored
from ...model.folder import Collection, FolderType
from ...model.marking import MarkingReader, head_of
from ...model.message import Body, BodyType, Message
from ...model.queries import MailCollections
from ...policy.body_preference import BodyRequest, ContentPolicy
from ...policy.contents import body_state, decide
from ...policy.features import is_smart_folder
from ...rms.gate import Door, Operation, judge
from .. import status
from ..commands import get_item_estimate, long_poll, sync
from ..commands.sync import CollectionAnswer, CollectionRequest
from ..items.classes import ITEM_TYPES
from ..versions import Version
from ..wbxml import Node
from .provision import apply_policy
from .session import Session, perform

FIRST_WINDOW = 100
COMFORTABLE_BYTES = 1 << 20
"""An answer up to this size makes the next window larger, one of four times the size makes it smaller."""
MAX_COLLECTIONS = 30
"""Collections in one request; halved when the server finds it too many (status 15)."""
MAX_IDLE = 20
"""Answers that promise more and bring nothing before we stop believing them."""
MAX_RESTARTS = 2
"""Times that one collection may lose its key in one run."""
MAX_BUSY = 3
"""Times in a row that the server may put off one collection."""


@dataclass(frozen=True, slots=True)
class MailPlan:
    """What the app config makes of a synchronisation."""

    filter_type: int
    content: ContentPolicy
    keep_content: bool = True
    tell_messages: bool = False
    """Emit `MessageReceived` for every new message."""
    cutoff: float | None = None
    """Unix time before which mail is out of the sync period."""
    now: float = 0.0
    """Unix time of the run."""
    calendar_filter: int = 0
    """FilterType of calendars: 0, all of it, unless the server's policy bounds their age (MaxCalendarAgeFilter)."""
    read_only: bool = False
    """Nothing that was changed here is told to the server."""
    conflicts: str = "server_wins"
    """Who wins where both sides changed an item: "server_wins", "client_wins" or "keep_both"."""
    reader: MarkingReader | None = None
    """Reads the marking of every message; None: classification is off."""
    marking_fingerprint: str = ""
    """Stands for what `reader` reads by; "" without one."""
    smart_folders: bool = True
    """Whether the folders in which Gmail collects mail of other folders are synchronised (`gmail_smart_folders`)."""

    text_messages: bool = False
    """Text messages are synchronised with the mail, where the server has them (setting `sync_text_messages`)."""

    def body_request(self) -> BodyRequest:
        return self.content.body_request(inline=None if self.keep_content else 1 << 30)

    def options_fingerprint(self, item_class: str = "Email") -> str:
        """Changes when a collection must start again: other Options, or another way of keeping."""
        body = self.body_request()
        rights = ";rights=1" if body.rights else ""
        forms = ",".join(f"{p.type}:{p.truncation_size}" for p in body.preferences)
        return (
            f"filter={self.filter_of(item_class)};body={forms};mime={body.mime_support};keep={int(self.keep_content)}"
            f"{rights}{';sms=1' if self.text_messages else ''}"
        )

    def item_fingerprint(self, item_class: str, version: Version) -> str:
        """The same for the other classes; the period does not concern them."""
        supported = ",".join(tag for tag, _ in ITEM_TYPES[item_class].supported(version.code))
        ghosts = zlib.crc32(supported.encode()) if sync.has_ghosts(item_class, version) else 0
        period = self.filter_of(item_class)
        keep = int(self.keep_content)
        return f"class={item_class};filter={period};body={sync.ITEM_BODY};ghosts={ghosts:x};keep={keep}"

    def filter_of(self, item_class: str) -> int:
        """FilterType of a class; contacts and notes have none and do not send it."""
        return {"Email": self.filter_type, "Calendar": self.calendar_filter}.get(item_class, 0)

    @property
    def conflict(self) -> int:
        """The Conflict option of item collections."""
        return sync.CLIENT_WINS if self.conflicts == "client_wins" else sync.SERVER_WINS


@dataclass(slots=True)
class Work:
    """One collection in this run."""

    collection: Collection
    sync_key: str
    pass_open: bool
    restarts: int = 0
    met: int = 0
    checked: bool = False
    more: bool = False
    """The last answer promised more."""
    busy: int = 0
    idle: int = 0
    """Answers in a row that promised more and brought nothing."""

    @property
    def item_class(self) -> str:
        return self.collection.item_class


@dataclass(slots=True)
class Run:
    """The collections of one call, and how much is asked for at once."""

    session: Session
    plan: MailPlan
    phase: str = "mail"
    lenient: bool = False
    """A collection that the server refuses is left out with a warning, instead of ending the run."""
    window: int = FIRST_WINDOW
    at_once: int = MAX_COLLECTIONS
    total: int | None = None
    done: int = 0
    works: dict[str, Work] = field(default_factory=dict)
    wait: Node | None = None
    """Wait or HeartbeatInterval of the requests; None: they are answered at once."""

    def options(self, item_class: str) -> str:
        """The fingerprint of the Options of a class."""
        if item_class == "Email":
            return self.plan.options_fingerprint()
        return self.plan.item_fingerprint(item_class, self.session.version)

    def window_of(
        self, work: Work, sync_key: str, *, begins_pass: bool = False, completes_pass: bool = False
    ) -> Window:
        """A window of that collection."""
        return Window(
            work.collection.folder_id,
            sync_key,
            self.options(work.item_class),
            begins_pass=begins_pass,
            completes_pass=completes_pass,
            item_class=work.item_class,
        )

    def filter_of(self, collection: Collection) -> int:
        """FilterType of a collection: drafts are the user's own and come whole, whatever their age."""
        return 0 if collection.type == FolderType.DRAFTS else self.plan.filter_of(collection.item_class)

    @property
    def cutoff(self) -> float | None:
        return self.plan.cutoff if self.phase == "mail" else None


def sync_mail(session: Session, plan: MailPlan, only: FolderType | None = None) -> Flow[None]:
    """Every mail folder, inbox first. Raises `FolderHierarchyChanged` when the folder list must be read first.

    `only` names the one kind of folder that is wanted.
    """
    collections: list[Collection] = yield from load(MailCollections())
    run = Run(session, plan)
    if only is not None:
        collections = [collection for collection in collections if collection.type == only]
    left = [c.folder_id for c in collections if c.sync_key != "0" and is_smart_folder(c.name, c.parent)]
    if left and not plan.smart_folders:  # synchronised while it was switched on
        yield from commit(ForgetFolders(left))
    yield from begin(run, wanted(session, plan, collections))
    yield from finish(run, list(run.works.values()))


def wanted(session: Session, plan: MailPlan, collections: list[Collection]) -> list[Collection]:
    """The mail folders that this version and configuration have."""
    if not session.version.drafts:
        collections = [collection for collection in collections if collection.type != FolderType.DRAFTS]
    if not plan.smart_folders:
        collections = [c for c in collections if not is_smart_folder(c.name, c.parent)]
    return collections


def begin(run: Run, collections: list[Collection]) -> Flow[None]:
    """Take up every collection where it stands; those that must start again get their first key."""
    restart = []
    for collection in collections:
        if collection.sync_key != "0" and collection.options != run.options(collection.item_class):
            restart.append(collection.folder_id)
            run.works[collection.server_id] = Work(collection, "0", False)
        else:
            run.works[collection.server_id] = Work(collection, collection.sync_key, collection.pass_open)
    if restart:
        yield from commit(ResetCollections(restart))
    yield from emit(Phase(run.phase))
    while unprimed := [work for work in run.works.values() if work.sync_key == "0"]:
        yield from _prime(run, unprimed[: run.at_once])


def finish(run: Run, active: list[Work]) -> Flow[None]:
    """Rounds until the server has nothing more for these collections."""
    yield from _estimate(run)
    while active:
        active = yield from round_(run, active)


def _prime(run: Run, works: list[Work]) -> Flow[None]:
    """SyncKey 0 is answered with a first key and no items (MS-ASCMD 2.2.3.181.4)."""
    answers = yield from _ask(run, works)
    by_id = {answer.server_id: answer for answer in answers or ()}
    windows = []
    silent: list[Work] = []
    for work in works:
        answer = by_id.get(work.collection.server_id)
        if answer is None:
            silent.append(work)
            continue
        if not (yield from _accepted(run, work, answer)):
            continue
        work.sync_key, work.pass_open = answer.sync_key, True
        windows.append(run.window_of(work, answer.sync_key, begins_pass=True))
        if answer.items:
            # Some servers send the first items with the first key: they belong to the pass that begins here.
            fill(windows[-1], answer, run.plan)
            work.met += answer.items
    if windows:
        yield from commit(SyncWindows(windows, run.plan.keep_content))
    for work in silent:
        if len(works) > 1:
            yield from _prime(run, [work])
        else:  # SOGo says nothing about a folder that only holds folders
            del run.works[work.collection.server_id]
            yield from emit(Warned(f"the server does not answer for the folder {work.collection.name!r}; left out"))


def round_(run: Run, active: list[Work]) -> Flow[list[Work]]:
    """One request and its commit; the collections that are not done yet."""
    asked = active[: run.at_once]
    answers = yield from _ask(run, asked)
    rest = active[len(asked) :]  # the server may have taken fewer than were asked for
    by_id = {answer.server_id: answer for answer in answers or ()}
    windows: list[Window] = []
    again: list[Work] = []
    arrived: list[tuple[str, Message]] = []
    lost: list[Work] = []
    busy: list[tuple[Work, ServerBusy]] = []
    for work in asked:
        answer = by_id.get(work.collection.server_id)
        if answer is None:  # an empty answer, or none for this collection: nothing changed (MS-ASCMD 2.2.1.21)
            if work.pass_open and (yield from _seems_complete(run, work)):
                windows.append(run.window_of(work, work.sync_key, completes_pass=True))
                work.pass_open = False
            elif work.pass_open and work.checked:
                again.append(work)
            continue
        if status.describe(sync.NAME, answer.status)[1] == "full_resync" and answer.status != status.OK:
            lost.append(work)
            continue
        try:
            if not (yield from _accepted(run, work, answer)):
                continue
        except ServerBusy as problem:
            busy.append((work, problem))
            continue
        complete, work.more, work.busy = not answer.more, answer.more, 0
        if complete and work.pass_open and not answer.items and not (yield from _seems_complete(run, work)):
            complete = False
        window = run.window_of(work, answer.sync_key, completes_pass=complete and work.pass_open)
        fill(window, answer, run.plan)
        windows.append(window)
        arrived += [(work.collection.name, message) for message in window.added]
        work.sync_key, work.met = answer.sync_key, work.met + answer.items
        work.pass_open = work.pass_open and not complete
        run.done += answer.items
        work.idle = work.idle + 1 if answer.more and not answer.items else 0
        if work.idle > MAX_IDLE:
            raise MalformedResponse(f"the server promises more of {work.collection.name!r} for ever and sends nothing")
        if answer.more:
            again.append(work)
    if run.plan.tell_messages and not run.plan.keep_content:
        for name, message in arrived:  # told before the key moves on: nothing is kept that could tell it later
            yield from emit(MessageReceived(name, _told(message, run.plan.now)))
    if windows:
        counts: SyncCounts = yield from commit(SyncWindows(windows, run.plan.keep_content, run.cutoff))
        yield from emit(WindowStored(counts.added, counts.changed, counts.deleted, counts.expired, counts.quarantined))
    if run.plan.tell_messages and run.plan.keep_content:
        for name, message in arrived:
            yield from emit(MessageReceived(name, _told(message, run.plan.now)))
    yield from emit(Progress(run.phase, run.done, run.total))
    yield from _tell_unreadable(asked, by_id)
    for work in lost:
        restarted = yield from _restart(run, work)
        if restarted is not None:
            again.append(restarted)
    again += yield from _wait_for(busy)
    return again + rest


def _told(message: Message, now: float) -> Message:
    """What a listener, a program, is told of a message: of protected mail only what its licence gives to programs."""
    if judge(message.rights, Operation.NOTIFY, Door.PROGRAM, datetime.fromtimestamp(now, UTC)):
        return message
    return replace(message, body=None, body_part=None, voice_notes="", preview="", extra=b"", attachments=[])


def _wait_for(busy: list[tuple[Work, ServerBusy]]) -> Flow[list[Work]]:
    """Collections that the server cannot answer for at present (Sync status 5 and 16): a pause, then once more."""
    for work, problem in busy:
        work.busy += 1
        if work.busy > MAX_BUSY:
            raise problem
    if busy:
        pause = 4.0 ** max(work.busy - 1 for work, _ in busy)
        yield from emit(Waiting(pause, str(busy[0][1])))
        yield from sleep(pause)
    return [work for work, _ in busy]


def _tell_unreadable(works: list[Work], answers: dict[str, CollectionAnswer]) -> Flow[None]:
    for work in works:
        answer = answers.get(work.collection.server_id)
        if answer is not None and answer.unreadable:
            tags = ", ".join(sorted(set(answer.unreadable)))
            count = len(answer.unreadable)
            what = (
                f"{count} value{'' if count == 1 else 's'} could not be read and {'is' if count == 1 else 'are'} kept"
            )
            yield from emit(Warned(f"in the folder {work.collection.name!r} {what} as received: {tags}"))


def _accepted(run: Run, work: Work, answer: CollectionAnswer) -> Flow[bool]:
    """Whether the collection's own status is good. Raises what it stands for, unless the run is lenient."""
    try:
        _check(answer)
    except CommandFailed as problem:
        if not run.lenient or isinstance(problem, (FolderHierarchyChanged, InvalidSyncKey)):
            raise
        run.works.pop(work.collection.server_id, None)
        yield from emit(Warned(f"the folder {work.collection.name!r} is left out: {problem}"))
        return False
    return True


def request_for(run: Run, work: Work, window: int, **more: Any) -> CollectionRequest:
    """What is asked about a collection."""
    conflict = None if work.item_class == "Email" else run.plan.conflict
    body = run.plan.body_request()
    return CollectionRequest(
        work.collection.server_id,
        work.sync_key,
        window,
        run.filter_of(work.collection),
        body,
        item_class=work.item_class,
        conflict=conflict,
        text_messages=run.plan.text_messages,
        **more,
    )


def _ask(run: Run, works: list[Work]) -> Flow[list[CollectionAnswer] | None]:
    """One Sync for these collections, with ever smaller bounds where the server or the network needs them."""
    classes = {work.collection.server_id: work.item_class for work in works}
    while True:
        share = max(1, run.window // len(works))
        requests = [request_for(run, work, share) for work in works]
        try:
            request = sync.build(requests, run.session.version, run.wait)
            held = float(long_poll.held(run.wait)) if run.wait is not None else 0.0
            root = yield from perform(run.session, sync.NAME, request, apply_policy, wait=held)
            if root is None:
                return None
            answers = sync.parse(root, classes)
        except InvalidSyncKey as problem:  # said of the whole command: no collection's key is known (status 132 to 136)
            if all(work.sync_key == "0" for work in works):
                raise
            return [CollectionAnswer(work.collection.server_id, problem.status) for work in works]
        except (NetworkTimeout, ResponseTooLarge, ServerBusy) as problem:
            if run.wait is not None or run.window <= 1 or getattr(problem, "retry_after", None) is not None:
                raise  # a server that names a time is not asked before it
            run.window = max(1, run.window // 8)
            continue
        except CommandFailed as problem:
            if problem.status == 14 and run.wait is not None and problem.limit:
                seconds = problem.limit * (60 if run.wait[0] == "AirSync:Wait" else 1)
                adjusted = long_poll.waiting(seconds, run.session.version)
                if adjusted != run.wait:
                    run.wait = adjusted
                    continue
            if problem.status == 15 and len(works) > 1:
                run.at_once = max(1, len(works) // 2)
                del works[run.at_once :]
                continue
            raise
        _adapt(run, sum(answer.items for answer in answers), share)
        return answers


def _adapt(run: Run, items: int, share: int) -> None:
    """The next window: larger while answers are small, smaller when they are large (MS-ASCMD 2.2.3.199)."""
    size = run.session.last_answer_bytes
    if size > 4 * COMFORTABLE_BYTES:
        run.window = max(5, run.window // 2)
    elif size < COMFORTABLE_BYTES and items >= share:
        run.window = min(sync.MAX_WINDOW, run.window * 2)


def _check(answer: CollectionAnswer) -> None:
    """Raise what a collection's own status stands for."""
    if answer.status == status.OK:
        return
    if answer.status == 8:  # the folder is not there: the hierarchy is out of date
        raise FolderHierarchyChanged(
            "Sync does not find a folder (status 8): the folder list is read again",
            command=sync.NAME,
            status=8,
            action="foldersync",
        )
    raise status.error(sync.NAME, answer.status)


def fill(window: Window, answer: CollectionAnswer, plan: MailPlan) -> None:
    for message in answer.added:
        body = message.body
        head = head_of(body.data, cut=body.truncated) if _shows_headers(plan, body) and body is not None else b""
        decide(message, plan.content)
        if plan.reader is not None:
            message.marking = plan.reader(head or None, message.subject)
            if message.body_state != "stored" or message.body is not body:
                message.head = head
    for change in answer.changed:
        body = change.values.get("body")
        if body is not None:
            change.values["body_state"], change.values["body_reason"] = body_state(body, plan.content)
    window.added, window.items_added, window.changed = answer.added, answer.items_added, answer.changed
    window.deleted, window.soft_deleted = answer.deleted, answer.soft_deleted
    window.quarantined = answer.quarantined


def _shows_headers(plan: MailPlan, body: Body | None) -> bool:
    return plan.reader is not None and body is not None and body.type == BodyType.MIME and bool(body.data)


def _restart(run: Run, work: Work) -> Flow[Work | None]:
    """The server lost the key: begin a pass that removes nothing before it is complete."""
    work.restarts += 1
    if work.restarts > MAX_RESTARTS:
        raise InvalidSyncKey(
            f"the server refuses its own SyncKey for the folder {work.collection.name!r}",
            command=sync.NAME,
            status=3,
            action="full_resync",
        )
    yield from emit(Warned(f"the server lost the state of the folder {work.collection.name!r}; it is compared anew"))
    yield from commit(ResetCollections([work.collection.folder_id]))
    work.sync_key, work.pass_open, work.met, work.more = "0", False, 0, False
    yield from _prime(run, [work])
    return work if work.sync_key != "0" else None


def _seems_complete(run: Run, work: Work) -> Flow[bool]:
    """Whether a pass may end that met nothing, or whose promised rest does not come: it would remove what it has not
    met, so the estimate must agree.

    SOGo answers a key "-1" with nothing for ever although the folder has mail; asking for the estimate cures it.
    """
    if work.met and not work.more:
        return True
    if work.checked:
        yield from emit(
            Warned(f"the server sends nothing of the folder {work.collection.name!r}, but counts items in it")
        )
        work.checked = False
        return False
    estimates = yield from _estimates(run, [work])
    work.checked = estimates.get(work.collection.server_id, 0) > 0
    return not work.checked


def _estimate(run: Run) -> Flow[None]:
    """How many items are to come, for progress only."""
    fresh = [work for work in run.works.values() if work.pass_open]
    if not fresh:
        return
    total = 0
    for start in range(0, len(fresh), run.at_once):
        estimates = yield from _estimates(run, fresh[start : start + run.at_once])
        if not estimates:
            return
        total += sum(estimates.values())
    run.total = total
    yield from emit(Progress(run.phase, 0, total))


def _estimates(run: Run, works: list[Work]) -> Flow[dict[str, int]]:
    """Estimates by CollectionId; none where the server cannot say."""
    asked = [
        (work.collection.server_id, work.sync_key, work.item_class, run.filter_of(work.collection)) for work in works
    ]
    request = get_item_estimate.build(asked, run.session.version)
    try:
        root = yield from perform(run.session, get_item_estimate.NAME, request, apply_policy)
        return get_item_estimate.parse(root) if root is not None else {}
    except (ProtocolError, HttpStatusError, ServerBusy):
        return {}
