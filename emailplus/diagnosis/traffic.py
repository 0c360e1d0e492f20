"""What goes over the wire, readable: each request and its answer, WBXML as the XML of `emailplus.eas.wbxml_xml`.

Written on request only, and only under `allow_logging`. By default the elements of `SHOWN`, which are the protocol's
own, keep their values; every other value is replaced by its size. Whoever needs the values says so (`full=True`):
then the file holds mail in the clear. Passwords, the Authorization header, cookies and the content of mail under a
licence (MS-ASRM) are in neither form.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import struct
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Final, TextIO

from ..eas import wbxml_xml
from ..eas.http import CONTENT_TYPE, MULTIPART_TYPE
from ..eas.wbxml import TEXT, Content, Node, decode
from ..errors import EmailplusError, UsageError, WbxmlError
from ..flow import HttpRequest, HttpResponse
from .redact import command_of, type_name

LIMIT = 64 << 20
"""Bytes of a traffic log, in two files: when FILE holds half of them it becomes FILE.1, so that the end is there."""
BODY_LIMIT = 1 << 20
"""Characters of one body that are written."""
DECODED_LIMIT = 8 << 20
"""Bytes of a body that is still decoded for the log."""

_SYNC = "Status SyncKey Class WindowSize FilterType Truncation MIMETruncation MIMESupport Conflict DeletesAsMoves "
_RECURRENCE = "Type Interval Occurrences DayOfWeek DayOfMonth WeekOfMonth MonthOfYear FirstDayOfWeek IsLeapMonth "

SHOWN: Final[Mapping[str, frozenset[str]]] = {
    namespace: frozenset(names.split())
    for namespace, names in {
        "AirSync": _SYNC + "GetChanges MoreAvailable ConversationMode MaxItems HeartbeatInterval Wait Limit Partial",
        "Email": "Read Importance MessageClass ContentClass InternetCPID Status DateReceived MIMETruncated "
        "MIMESize BodySize BodyTruncated AttMethod AttSize BusyStatus Sensitivity AllDayEvent ResponseRequested "
        "DisallowNewTimeProposal InstanceType",
        "Email2": "LastVerbExecuted LastVerbExecutionTime ReceivedAsBcc IsDraft Send MeetingMessageType",
        "AirNotify": "Status",
        "Calendar": "AllDayEvent BusyStatus Sensitivity MeetingStatus Reminder ResponseType Deleted "
        "ResponseRequested DisallowNewTimeProposal AttendeeStatus AttendeeType CalendarType "
        + "".join(f"{name} " for name in _RECURRENCE.split()),
        "Move": "Status",
        "GetItemEstimate": "Status Estimate Class",
        "FolderHierarchy": "Status SyncKey Type Count",
        "MeetingResponse": "Status UserResponse",
        "Tasks": "Complete Importance Sensitivity ReminderSet " + _RECURRENCE,
        "ResolveRecipients": "Status RecipientCount CertificateCount CertificateRetrieval MaxCertificates "
        "MaxAmbiguousRecipients",
        "ValidateCert": "Status",
        "Ping": "Status HeartbeatInterval MaxFolders Class",
        "Provision": "Status PolicyType PolicyKey RemoteWipe AccountOnlyRemoteWipe",
        "Search": "Status Name Range Total DeepTraversal RebuildResults",
        "Find": "Status Range Total DeepTraversal",
        "Settings": "Status OofState Model OS OSLanguage UserAgent BodyType",
        "AirSyncBase": "Type TruncationSize AllOrNone EstimatedDataSize Truncated IsInline Method NativeBodyType "
        "ContentType",
        "ItemOperations": "Status Store Range Total Part Schema DeleteSubFolders",
        "ComposeMail": "Status SaveInSentItems ReplaceMime",
        "RightsManagement": "RightsManagementSupport EditAllowed ReplyAllowed ReplyAllAllowed ForwardAllowed "
        "ModifyRecipientsAllowed ExtractAllowed PrintAllowed ExportAllowed ProgrammaticAccessAllowed Owner",
    }.items()
}
"""Elements whose values are the protocol's own: numbers, states, classes. What is not here is taken for content."""

POLICIES = "Provision"
"""Every setting of a policy is an administrator's number or switch; texts and lists there stay hidden."""

IDENTIFIERS: Final[Mapping[str, frozenset[str]]] = {
    namespace: frozenset(names.split())
    for namespace, names in {
        "AirSync": "CollectionId ServerId ClientId",
        "FolderHierarchy": "ServerId ParentId",
        "Move": "SrcMsgId SrcFldId DstMsgId DstFldId",
        "GetItemEstimate": "CollectionId",
        "MeetingResponse": "CollectionId RequestId CalendarId",
        "Ping": "Id Folder",
        "Search": "LongId",
        "ItemOperations": "DstFldId ConversationId",
        "ComposeMail": "ClientId FolderId ItemId LongId",
        "AirSyncBase": "FileReference",
    }.items()
}
"""Ids: shown where they are numbers, else as a digest that is the same throughout one log; some servers make them of
the names of folders."""

SECRET: Final = frozenset({
    "Settings:Password", "ItemOperations:Password", "ItemOperations:UserName", "Search:Password", "Search:UserName",
})  # fmt: skip
"""Credentials, in neither form of the log."""

_LICENCE, _TEMPLATE = "RightsManagement:RightsManagementLicense", "RightsManagement:TemplateID"
_OPENED, _FILE = "RightsManagement:RightsManagementSupport", "ItemOperations:Data"

HEADERS: Final = frozenset({
    "accept-encoding", "allow", "cache-control", "content-encoding", "content-length", "content-type", "date",
    "ms-asacceptmultipart", "ms-asprotocolcommands", "ms-asprotocolversion", "ms-asprotocolversions",
    "ms-server-activesync", "retry-after", "server", "transfer-encoding", "user-agent", "x-ms-asthrottle",
    "x-ms-credentials-expire", "x-ms-policykey", "x-ms-rp",
})  # fmt: skip
"""Headers with their values; of every other only the name is written, in the full form too for `_NEVER`."""

_NEVER = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie", "www-authenticate"})
_NUMBERED = re.compile(r"[0-9A-Fa-f:{}-]{1,64}")
_PLAIN = re.compile(r"[\w ./:;+*-]{0,64}", re.A)
_SWITCH = re.compile(r"-?\d{1,12}")


class TrafficLog:
    """Writes requests and answers to `path`, which is replaced; readable by its owner only.

    Nothing here ever stops a synchronisation: what cannot be decoded is described, and where the disk takes no more,
    the log ends and `failure` says why. Raises `UsageError` if the file cannot be made.
    """

    def __init__(self, path: str | os.PathLike[str], *, full: bool = False, limit: int = LIMIT) -> None:
        self.path = Path(path)
        self.full = full
        self.failure = ""
        self._half = max(limit // 2, 4096)
        self._salt = secrets.token_bytes(16)
        self._number = 0
        self._opened = False
        """The request asks for protected mail to be opened: files in the answer may be of it."""
        self._lock = Lock()
        try:
            self._file: TextIO | None = _create(self.path)
        except OSError as problem:
            raise UsageError(f"the traffic log cannot be written to {self.path}: {problem.strerror}") from problem
        form = "FULL: this file holds mail in the clear" if full else "values replaced by their sizes"
        self._size = 0
        self._write(f"# emailplus traffic log, {_now()}; {form}\n")

    def close(self) -> None:
        """End the log. Safe to call twice."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None

    def answered(self, request: HttpRequest, response: HttpResponse, received: int, seconds: float) -> None:
        """One exchange."""
        head = f"HTTP {response.status}, {received} bytes in {seconds:.3f} s"

        def answer() -> list[str]:
            return [f"< {head}\n", *self._headers("<", response.headers), self._answer(response, received)]

        self._take(request, answer)

    def unanswered(self, request: HttpRequest, problem: EmailplusError, seconds: float) -> None:
        """A request without a whole answer."""
        self._take(request, lambda: [f"< no answer in {seconds:.3f} s: {type_name(problem)}\n"])

    def _take(self, request: HttpRequest, answer: Callable[[], list[str]]) -> None:
        with self._lock:
            if self._file is None:
                return
            self._number += 1
            self._opened = False
            sent = f"> {request.method}, {len(request.content)} bytes\n"
            pieces = [f"\n## {self._number} {command_of(request)} {_now()}\n", sent]
            pieces += self._headers(">", request.headers)
            kind = request.headers.get("Content-Type", "")
            pieces.append(self._body(request.content, kind))
            pieces += answer()
            self._write("".join(pieces))

    def _write(self, text: str) -> None:
        assert self._file is not None
        data = text.encode("utf-8", "backslashreplace").decode()
        try:
            if self._size and self._size + len(data) > self._half:
                self._file.close()
                os.replace(self.path, self.path.with_name(self.path.name + ".1"))
                self._file, self._size = _create(self.path), 0
            self._size += len(data)
            self._file.write(data)
            self._file.flush()
        except OSError as problem:
            self.failure = f"the traffic log ended early: {problem.strerror}"
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None

    def _headers(self, sign: str, headers: Mapping[str, str]) -> Iterator[str]:
        for name, value in headers.items():
            low = name.lower()
            shown = low in HEADERS or (self.full and low not in _NEVER)
            yield f"{sign} {name}: {' '.join(value.split())[:500] if shown else '(hidden)'}\n"

    def _answer(self, response: HttpResponse, received: int) -> str:
        if not response.body:
            return "(streamed into the store)\n" if received and response.status == 200 else ""
        return self._body(response.body, response.headers.get("content-type", ""))

    def _body(self, data: bytes, kind: str) -> str:
        kind = kind.partition(";")[0].strip().lower()
        if not data:
            return ""
        if len(data) > DECODED_LIMIT:
            return f"({len(data)} bytes, too many to be written out)\n"
        try:
            if kind == MULTIPART_TYPE:
                return self._multipart(data)
            if kind in (CONTENT_TYPE, "application/vnd.ms-sync") or data[:1] in (b"\x01", b"\x02", b"\x03"):
                return self._xml(data)
        except WbxmlError as problem:
            return f"({len(data)} bytes that are not readable WBXML, at byte {problem.offset})\n"
        return f"({len(data)} bytes of {kind if _PLAIN.fullmatch(kind) and kind else 'unknown type'})\n"

    def _multipart(self, data: bytes) -> str:
        """MS-ASCMD 2.2.1.10.1: the WBXML is the first part; of the others the sizes are told."""
        try:
            (count,) = struct.unpack_from("<I", data)
            parts = [struct.unpack_from("<II", data, 4 + 8 * number) for number in range(min(count, 1000))]
        except struct.error:
            return f"({len(data)} bytes that are not a multipart answer)\n"
        if not parts:
            return "(a multipart answer without parts)\n"
        start, length = parts[0]
        others = "".join(f"(part {number}: {size} bytes)\n" for number, (_, size) in enumerate(parts[1:], 1))
        return self._xml(data[start : start + length]) + others

    def _xml(self, data: bytes) -> str:
        text = wbxml_xml.to_xml(self._redacted(decode(data)))
        text = text.partition("\n")[2]
        return text if len(text) <= BODY_LIMIT else f"{text[:BODY_LIMIT]}\n({len(text) - BODY_LIMIT} more characters)\n"

    def _redacted(self, root: Node, shut: bool = False) -> Node:
        """`root` with its values replaced where they must be; the depth is that of the decoder's limit. `shut`: it is
        of mail under a licence, or of mail that goes out under a template."""
        tag, content = root
        if isinstance(content, list):
            shut = shut or any(child[0] in (_LICENCE, _TEMPLATE) for child in content)
            return tag, [self._redacted(child, shut) for child in content]
        self._opened |= tag == _OPENED
        return tag, self._value(tag, content, shut or (self._opened and tag == _FILE))

    def _value(self, tag: str, content: Content, shut: bool) -> Content:
        if content is None or content == "" or isinstance(content, list):
            return content
        size = f"({len(content)} {'bytes' if isinstance(content, bytes) else 'characters'})"
        if tag in SECRET:
            return "(hidden)"
        if self.full and not shut:
            return content
        namespace, _, name = tag.partition(":")
        if not isinstance(content, str) or tag == TEXT:
            return size
        if name in SHOWN.get(namespace, ()) and _PLAIN.fullmatch(content):
            return content
        if namespace == POLICIES and _SWITCH.fullmatch(content):
            return content
        if name in IDENTIFIERS.get(namespace, ()):
            return content if _NUMBERED.fullmatch(content) else f"(id {self._digest(content)})"
        return size

    def _digest(self, text: str) -> str:
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), key=self._salt, digest_size=5).hexdigest()


def _create(path: Path) -> TextIO:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    return open(descriptor, "w", encoding="utf-8")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
