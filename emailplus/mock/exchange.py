"""The mock Exchange without its network: users, devices, policy, and what becomes of one request."""

from __future__ import annotations

import contextlib
import logging
import re
import threading
import traceback
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial

from ..eas.wbxml import Limits, decode
from ..errors import NotFound, UsageError, WbxmlError
from . import autodiscover, schema, versions
from .autodiscover import Autodiscover, is_autodiscover
from .commands import COMMANDS
from .context import HTTP_BEFORE_14, MULTIPART_TYPE, Answer, Context, Hold, HttpError, StatusError, Stream
from .device import Device
from .directory import Directory, Trust
from .ews.service import Ews
from .faults import Faults, Http, Status
from .library import Library
from .mailbox import Mailbox, utc_now
from .oof import OutOfOffice, automatic_reply
from .policy import MockPolicy
from .query import ACCEPT_MULTIPART, Query, QueryError, parse_query
from .record import KEEP_BYTES, Recorder, Request
from .rights import MockLicence
from .sign_in import SignIn
from .users import MockUser

_DEVICE_ID = re.compile(r"^[A-Za-z0-9]{1,32}$")

logger = logging.getLogger(__name__)

PATH = "/Microsoft-Server-ActiveSync"
MAX_REQUEST = 64 << 20  # bytes of a request body; Exchange's default limit is far below
WITHOUT_POLICY = frozenset({"Provision", "OPTIONS"})  # commands that need no policy key (MS-ASPROV 3.2.5.1)


class Exchange:
    """State and behaviour of the mock server. `handle` takes one request and needs no socket."""

    def __init__(
        self,
        users: Iterable[MockUser],
        *,
        versions: Iterable[str] = versions.VERSIONS,
        policy: MockPolicy | None = None,
        strict: bool = False,
        clock: Callable[[], datetime] = utc_now,
        gzip: bool = True,
        ping_limits: tuple[int, int] = (60, 3540),
        max_ping_folders: int = 200,
        max_collections: int = 300,
        max_response: int = 16 << 20,
        hold_factor: float = 1.0,
        cookies: bool = True,
        record_bytes: int = KEEP_BYTES,
        sign_in: Iterable[str] = ("basic",),
    ) -> None:
        self.lock = threading.RLock()
        self.users = list(users)
        self.versions = tuple(versions)
        self.policy = policy
        self.strict = strict
        self.clock = clock
        self.gzip = gzip
        self.ping_limits = ping_limits
        self.max_ping_folders = max_ping_folders
        self.max_collections = max_collections
        self.max_response = max_response
        self.hold_factor = hold_factor
        self.build = "15.2"  # MS-Server-ActiveSync
        self.cookies = cookies
        self.faults = Faults()
        self.requests = Recorder(record_bytes)
        self.devices: dict[tuple[str, str], Device] = {}
        self.undelivered: list[tuple[str, bytes]] = []
        self.defects: list[str] = []
        self.out_of_office: dict[str, OutOfOffice] = {}
        self.rights_templates: list[tuple[str, str, str]] | None = None  # id, name, description; None: IRM is off
        self.directory = Directory(self.users)
        self.trust = Trust()
        self.library = Library()
        self.autodiscover = Autodiscover()
        self.sign_in = SignIn(self, sign_in)
        self.ews = Ews(self)
        self._listeners: list[Callable[[], None]] = [self.ews.changed]
        self._last_received: dict[str, datetime] = {}
        known = [version for version in self.versions if version in _known_versions()]
        if not known or len(known) != len(self.versions):
            raise UsageError(f"versions must be some of {', '.join(_known_versions())}")
        if len({user.email.lower() for user in self.users}) != len(self.users):
            raise UsageError("two users have the same email address")
        self._mailboxes = {
            user.email: Mailbox(user.email, lock=self.lock, clock=clock, changed=self._changed) for user in self.users
        }

    # -- for the test

    def user(self, login: str) -> Mailbox:
        """The mailbox of a user, by user name, email address or DOMAIN\\user. Raises `NotFound`."""
        return self._mailboxes[self._find_user(login).email]

    def _find_user(self, login: str) -> MockUser:
        for user in self.users:
            if user.answers_to(login):
                return user
        raise NotFound(f"the mock server has no user {login!r}")

    def devices_of(self, login: str) -> list[Device]:
        """The device partnerships of a user."""
        email = self._find_user(login).email
        with self.lock:
            return [device for (owner, _), device in self.devices.items() if owner == email]

    def _selected(self, login: str, device_id: str | None) -> list[Device]:
        devices = [d for d in self.devices_of(login) if device_id in (None, d.device_id)]
        if not devices:
            raise NotFound(f"{login} has no such device")
        return devices

    def remote_wipe(self, login: str, *, account_only: bool = False, device_id: str | None = None) -> None:
        """Order a wipe of the user's devices: the next command is refused until they Provision and acknowledge.

        An account-only wipe reaches a device when it speaks 16.1 (MS-ASPROV 2.2.2.1); until then it waits.
        """
        with self.lock:
            for device in self._selected(login, device_id):
                device.wipe = "account" if account_only else "all"
                device.wiped = ""

    def expire_policy(self) -> None:
        """Make every device fetch the policy again (Status 143, or 449 below 14.0)."""
        with self.lock:
            for device in self.devices.values():
                device.policy_stale = True

    def set_policy(self, policy: MockPolicy | None) -> None:
        """Change the policy; devices have to fetch it again."""
        with self.lock:
            self.policy = policy
            self.expire_policy()

    def block(self, login: str, *, status: int = 129, device_id: str | None = None) -> None:
        """Refuse the user's devices (129 blocked or quarantined, 126 user not enabled ...; HTTP 403 below 14.0)."""
        with self.lock:
            for device in self._selected(login, device_id):
                device.blocked = status

    def unblock(self, login: str) -> None:
        """Let the user's devices in again."""
        with self.lock:
            for device in self._selected(login, None):
                device.blocked = 0

    def forget_device(self, login: str, device_id: str) -> None:
        """Remove a partnership, as an administrator does after a wipe; the device may come back as a new one."""
        with self.lock:
            (device,) = self._selected(login, device_id)
            del self.devices[device.user, device.device_id]

    def forget_sync_state(self, login: str) -> None:
        """Lose all sync states of the user, as after a mailbox move: every key becomes invalid."""
        with self.lock:
            for device in self.devices_of(login):
                device.collections.clear()
                device.cached_sync = None
                device.hierarchy.key = device.hierarchy.previous_key = ""

    # -- changes

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener` after every change of a mailbox."""
        self._listeners.append(listener)

    def _changed(self) -> None:
        for listener in self._listeners:
            listener()

    def submit(self, raw: bytes, recipients: Iterable[str], licence: MockLicence | None = None) -> list[str]:
        """Deliver a message to those of its recipients who have a mailbox here.

        Returns the other addresses; they are kept with the message in `undelivered`.
        """
        unknown = []
        for address in dict.fromkeys(recipients):
            try:
                mailbox = self.user(address)
            except NotFound:
                unknown.append(address)
                self.undelivered.append((address, raw))
            else:
                mailbox.deliver(raw, received=self.received_now(mailbox.email), licence=licence)
                self._reply_for(mailbox.email, raw)
        return unknown

    def _reply_for(self, owner: str, raw: bytes) -> None:
        """The automatic reply of somebody who is out of office."""
        oof = self.out_of_office.get(owner)
        answer = automatic_reply(oof, owner, raw, self.clock(), partial(self._audience, owner)) if oof else None
        if answer is not None:
            self.submit(answer[1], [answer[0]])

    def _audience(self, owner: str, address: str) -> str:
        if any(user.answers_to(address) for user in self.users):
            return "AppliesToInternal"
        known = {entry.email.lower() for entry in self.directory.contacts.get(owner.lower(), [])}
        for item in self._mailboxes[owner].items("Contacts"):
            known |= {str(text).lower() for tag, text in item.nodes or () if tag.startswith("Contacts:Email")}
        return "AppliesToExternalKnown" if address in known else "AppliesToExternalUnknown"

    # -- one request

    def handle(self, request: Request) -> Answer | Hold | Stream:
        """Carry out one HTTP request. Whatever a client sends, there is an answer.

        A defect of the mock itself is answered with 500 and kept in `defects`, for tests to look at.
        """
        with self.lock:
            try:
                return self._handle(request)
            except HttpError as error:
                return _plain(error.status, error.reason)
            except Exception:
                logger.exception("request %d (%s) could not be served", request.number, request.command)
                self.defects.append(traceback.format_exc())
                return _plain(500, "the mock server has a defect; see its log")

    def _handle(self, request: Request) -> Answer | Hold | Stream:
        path, _, query_line = request.target.partition("?")
        if self.sign_in.oauth.command(path):
            return self._instead(request, None) or self.sign_in.oauth.handle(request)
        if is_autodiscover(path):
            return self._instead(request, None) or autodiscover.handle(self, request, self._authenticate(request))
        if self.ews.is_ews(path):
            from .ews import endpoint  # needs lxml

            return self._instead(request, None) or endpoint.handle(self, request, self._authenticate(request))
        if path.rstrip("/").lower() != PATH.lower():
            raise HttpError(404, "no such address")
        user = self._authenticate(request)
        if user is None:
            return self.refused(request)
        request.user, request.email = user.username, user.email
        if request.method == "OPTIONS":
            request.command = "OPTIONS"
            return self._instead(request, None) or self._options()
        if request.method != "POST":
            raise HttpError(501, "only OPTIONS and POST")
        context = self._read(request, user, query_line)
        return self._instead(request, context) or self._carry_out(context)

    def _authenticate(self, request: Request) -> MockUser | None:
        return self.sign_in.who(request)

    def refused(self, request: Request) -> Answer:
        """401 with the challenges of the ways in that are open."""
        refused = _plain(401, "credentials missing or wrong")
        refused.headers += self.challenges(request)
        return refused

    def challenges(self, request: Request) -> list[tuple[str, str]]:
        """The WWW-Authenticate headers of a 401."""
        return [("WWW-Authenticate", challenge) for challenge in request.challenges]

    def _options(self) -> Answer:
        methods = [("Allow", "OPTIONS,POST"), ("Public", "OPTIONS,POST")]
        return Answer(200, headers=methods + self.advertisement(), content_type="")

    def advertisement(self) -> list[tuple[str, str]]:
        """What OPTIONS says (MS-ASHTTP 2.2.4.1.2)."""
        return [
            ("MS-ASProtocolVersions", ",".join(self.versions)),
            ("MS-ASProtocolCommands", ",".join(versions.commands(self.versions))),
        ]

    def _read(self, request: Request, user: MockUser, query_line: str) -> Context:
        try:
            query = parse_query(query_line)
        except QueryError as error:
            raise HttpError(400, str(error)) from error
        request.query_form = query.form
        request.command = query.command
        request.parameters = dict(query.parameters)
        request.device_id, request.device_type = query.device_id, query.device_type
        request.version = query.version or request.header("MS-ASProtocolVersion") or self._assumed_version()
        request.policy_key = query.policy_key or (request.header("X-MS-PolicyKey") if query.form == "plain" else "")
        request.problems += _line_problems(request, query)
        version = versions.number(request.version)
        if version is None or request.version not in self.versions:
            raise HttpError(505 if version == 10 else 400, f"protocol version {request.version} is not offered")
        if query.command not in versions.COMMAND_VERSIONS:
            raise HttpError(501, f"no command {query.command}")
        return self._context(request, user, query, version)

    def _assumed_version(self) -> str:
        """A request without a version header is taken for 2.5 where that is offered (MS-ASHTTP_R148)."""
        return "2.5" if "2.5" in self.versions else ""

    def _context(self, request: Request, user: MockUser, query: Query, version: int) -> Context:
        key = (user.email, query.device_id)
        device = self.devices.get(key)
        if device is None:
            device = Device(query.device_id, query.device_type, user.email)
            if query.device_id:
                self.devices[key] = device
        multipart = request.header("MS-ASAcceptMultiPart").upper() == "T" or bool(query.options & ACCEPT_MULTIPART)
        return Context(
            exchange=self,
            user=user,
            mailbox=self._mailboxes[user.email],
            device=device,
            version=version,
            query=query,
            request=request,
            body=request.body,
            tree=None,
            multipart=multipart and query.command == "ItemOperations",
        )

    def _instead(self, request: Request, context: Context | None) -> Answer | None:
        """The answer of a fault that keeps the command from being carried out."""
        for action in request.faults:
            if isinstance(action, Http):
                kind = action.headers.get("Content-Type", "text/plain")
                headers = [(name, value) for name, value in action.headers.items() if name != "Content-Type"]
                return Answer(action.status, body=action.body, content_type=kind, headers=headers)
            if isinstance(action, Status) and action.collection is None and context is not None:
                return self._fail(context, StatusError(action.code))
        return None

    def strike(self, request: Request) -> None:
        """Ask the fault rules about a request; its command is read from the query line without judging it."""
        path, _, query_line = request.target.partition("?")
        request.command = self.sign_in.oauth.command(path)
        if request.command:
            request.faults = list(self.faults.strike(request))
            return
        if self.ews.is_ews(path):
            from .ews.endpoint import peek

            request.command = peek(request.body)
        elif request.method == "OPTIONS":
            request.command = "OPTIONS"
        else:
            with contextlib.suppress(QueryError):
                query = parse_query(query_line)
                request.command, request.device_id = query.command, query.device_id
        user = self._authenticate(request)
        request.user = user.username if user is not None else ""
        request.faults = list(self.faults.strike(request))

    # -- carrying out

    def _carry_out(self, context: Context) -> Answer | Hold:
        command = COMMANDS[context.query.command]
        try:
            self._admit(context)
            self._decode(context, command.wbxml_from)
            first, last = versions.COMMAND_VERSIONS[context.query.command]
            if not first <= context.version <= last:
                raise StatusError(138)
            if self.strict and context.request.problems:
                raise StatusError(103)
            outcome = command.handler(context)
        except StatusError as error:
            outcome = self._fail(context, error)
        except NotFound:
            outcome = self._fail(context, StatusError(110))
        return outcome

    def _admit(self, context: Context) -> None:
        """Device, block and policy, in this order (MS-ASPROV 3.2.5.1.1)."""
        device, name = context.device, context.query.command
        if not context.query.device_id:
            raise StatusError(108)
        if not context.query.device_type:
            raise StatusError(109)
        if device.blocked:
            raise StatusError(device.blocked)
        if name in WITHOUT_POLICY:
            return
        if self.wipe_due(context):
            raise StatusError(140)
        if device.wiped == "all":
            raise StatusError(129)  # a wiped device stays out until it is forgotten
        if self.policy is None:
            return
        sent = context.request.policy_key
        if sent and sent != "0" and sent == device.policy_key:
            if device.policy_stale:
                raise StatusError(143)
            return
        raise StatusError(142 if sent in ("", "0") or not device.policy_key else 144)

    def wipe_due(self, context: Context) -> str:
        """ "all" or "account" when this device has to be told now."""
        wipe = context.device.wipe
        return wipe if wipe == "all" or (wipe == "account" and context.version >= 161) else ""

    def _decode(self, context: Context, wbxml_from: int) -> None:
        request = context.request
        if not context.body or context.version < wbxml_from:
            return
        kind = request.header("Content-Type").partition(";")[0].strip().lower()
        if kind not in ("application/vnd.ms-sync.wbxml", "application/vnd.ms-sync"):
            request.problems.append(f"Content-Type {kind or 'missing'} with a WBXML body (MS-ASHTTP 2.2.1.1.2.2)")
            if self.strict:
                raise StatusError(101)
        try:
            context.tree = request.tree = decode(context.body, Limits(total=MAX_REQUEST))
        except WbxmlError as error:
            request.problems.append(f"not WBXML: {error}")
            raise StatusError(102 if kind.startswith("application/vnd.ms-sync") else 101) from error
        root = COMMANDS[context.query.command].root
        if context.tree[0] != root:
            request.problems.append(f"root {context.tree[0]}, not {root}")
            raise StatusError(103)
        request.problems += schema.check(context.tree, context.version)

    def _fail(self, context: Context, error: StatusError) -> Answer:
        command = COMMANDS.get(context.query.command)
        http = error.http(context.version)
        if command is None or command.root == "":
            return _plain(http or HTTP_BEFORE_14.get(error.status, 500), f"status {error.status}")
        if http is not None:
            return _plain(http, f"status {error.status}")
        return Answer(tree=command.failure(error.status))

    def set_cookies(self, request: Request) -> list[tuple[str, str]]:
        """Set-Cookie headers for a device that speaks 16.0 or later and has none yet (MS-ASHTTP 2.2.2.1.2.12).

        One that has them and leaves them out breaks MS-ASHTTP_R4076, which is recorded.
        """
        version = versions.number(request.version)
        with self.lock:
            device = self.devices.get((request.email, request.device_id))
            if not self.cookies or device is None or version is None or version < 160:
                return []
            jar = {name: f"{name}={value}" for name, value in device.cookies.items()}
            sent = {pair.strip() for pair in request.header("Cookie").split(";")}
            if device.has_cookies and not sent.issuperset(jar.values()):
                request.problems.append("cookies of the server were not sent back (MS-ASHTTP_R4076)")
            if sent.issuperset(jar.values()):
                return []
            expires = format_datetime(self.clock().astimezone(UTC) + timedelta(days=30), usegmt=True)
            secure = "; secure" if request.secure else ""
            end = f"; expires={expires}; path={PATH}{secure}; HttpOnly"
            return [("Set-Cookie", pair + end) for pair in jar.values()]

    def sent(self, request: Request) -> None:
        """The head of an answer is on its way: a device named in it has its cookies from now on."""
        if any(name == "Set-Cookie" for name, _ in request.response_headers):
            with self.lock:
                self.devices[request.email, request.device_id].has_cookies = True

    def failed_collections(self, request: Request) -> dict[str, int]:
        """Collection id -> Status, from faults aimed at single collections."""
        return {
            action.collection: action.code
            for action in request.faults
            if isinstance(action, Status) and action.collection is not None
        }

    def received_now(self, email: str) -> datetime:
        """A delivery time later than the one before, so that order is kept within one tick of the clock."""
        now = self.clock()
        last = self._last_received.get(email)
        if last is not None and now <= last:
            now = last + timedelta(milliseconds=1)
        self._last_received[email] = now
        return now


def multipart_body(wbxml: bytes, parts: list[bytes]) -> bytes:
    """MultiPartResponse (MS-ASCMD 2.2.2.10.1): count, then offset and length of each part, then the parts."""
    pieces = [wbxml, *parts]
    offset = 4 + 8 * len(pieces)
    header = len(pieces).to_bytes(4, "little")
    for piece in pieces:
        header += offset.to_bytes(4, "little") + len(piece).to_bytes(4, "little")
        offset += len(piece)
    return b"".join([header, *pieces])


def content_type(answer: Answer) -> str:
    """The Content-Type an answer goes out with."""
    return MULTIPART_TYPE if answer.parts is not None else answer.content_type


def _line_problems(request: Request, query: Query) -> list[str]:
    """What the query line and the headers do against MS-ASHTTP 2.2.1.1."""
    problems = []
    if query.form == "plain":
        if not request.header("MS-ASProtocolVersion"):
            problems.append("no MS-ASProtocolVersion with a plain query (MS-ASHTTP 2.2.1.1.2.6)")
        if not query.user:
            problems.append("no User in a plain query (MS-ASHTTP_R98)")
    elif request.header("X-MS-PolicyKey") or request.header("MS-ASProtocolVersion"):
        problems.append("X-MS-PolicyKey or MS-ASProtocolVersion beside a base64 query (MS-ASHTTP_R160)")
    if query.device_id and not _DEVICE_ID.match(query.device_id):
        problems.append(f"DeviceId {query.device_id[:40]!r} is not 1 to 32 letters and digits (MS-ASHTTP_R102)")
    if not request.body and request.header("Content-Type"):
        problems.append("Content-Type without a body (MS-ASHTTP_R407)")
    return problems


def _plain(status: int, reason: str) -> Answer:
    return Answer(status, body=reason.encode(), content_type="text/plain; charset=utf-8")


def _known_versions() -> tuple[str, ...]:
    return versions.VERSIONS
