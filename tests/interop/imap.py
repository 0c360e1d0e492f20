"""The same mailbox over IMAP, by imaplib: the other witness."""

from __future__ import annotations

import base64
import imaplib
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .server import Server, User

_LIST = re.compile(rb'\(([^)]*)\) (?:"(.)"|NIL) (.+)')
_SHIFTED = re.compile(r"&([^-]*)-")


@dataclass(frozen=True)
class ImapMessage:
    folder: str
    uid: str
    flags: frozenset[str]
    internal_date: datetime
    raw: bytes


def decoded_name(name: str) -> str:
    """Modified UTF-7 (RFC 3501 5.1.3) as text."""

    def plain(match: re.Match[str]) -> str:
        if not match[1]:
            return "&"
        data = match[1].replace(",", "/")
        return base64.b64decode(data + "=" * (-len(data) % 4)).decode("utf-16-be")

    return _SHIFTED.sub(plain, name)


class Imap:
    """One session. Use as a context manager."""

    def __init__(self, server: Server, user: User) -> None:
        where = server.imap
        assert where is not None
        kind = imaplib.IMAP4_SSL if where.get("tls") else imaplib.IMAP4
        self._session = kind(where["host"], where["port"], timeout=60)
        self._session.login(user.username, user.password)

    def __enter__(self) -> Imap:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._session.logout()
        except (imaplib.IMAP4.abort, OSError):
            self._session.shutdown()

    def folders(self) -> dict[str, tuple[str, frozenset[str]]]:
        """Readable path with "/" -> (name for commands, attributes), for folders that can be selected."""
        found = {}
        for line in self._done(self._session.list()):
            match = _LIST.fullmatch(line)
            assert match is not None, line
            attributes = frozenset(match[1].decode().lower().split())
            if "\\noselect" not in attributes:
                name = match[3].decode().strip('"')
                separator = (match[2] or b"/").decode()
                found[decoded_name(name).replace(separator, "/")] = (f'"{name}"', attributes)
        return found

    def messages(self, folder: str, raw_folder: str) -> list[ImapMessage]:
        """Every message of a folder with its bytes; flags stay as they are."""
        self._done(self._session.select(raw_folder, readonly=True))
        if not self._uids():
            return []
        answer = self._done(self._session.uid("FETCH", "1:*", "(UID FLAGS INTERNALDATE BODY.PEEK[])"))
        found = []
        for row in answer:
            if not isinstance(row, tuple):
                continue
            head = row[0]
            uid = re.search(rb"UID (\d+)", head)
            when = imaplib.Internaldate2tuple(head)
            assert uid is not None
            assert when is not None
            moment = datetime(*when[:6]).astimezone()
            flags = frozenset(flag.decode().lower() for flag in imaplib.ParseFlags(head))
            found.append(ImapMessage(folder, uid[1].decode(), flags, moment, row[1]))
        return found

    def create(self, folder: str) -> None:
        self._done(self._session.create(folder))
        self._session.subscribe(folder)

    def delete_folder(self, folder: str) -> None:
        """Remove a folder with what is in it; one that is not there is no error."""
        self._session.select("INBOX", readonly=True)  # Dovecot hangs up on whoever has the folder open
        self._session.unsubscribe(folder)
        self._session.delete(folder)

    def append(self, folder: str, raw: bytes, when: datetime, flags: str = "") -> None:
        self._done(self._session.append(folder, flags, imaplib.Time2Internaldate(when), raw))

    def uid_of(self, folder: str, subject: str) -> str:
        """The one message with that subject."""
        self._done(self._session.select(folder))
        found = self._done(self._session.uid("SEARCH", "HEADER", "SUBJECT", f'"{subject}"'))[0].split()
        assert len(found) == 1, (subject, found)
        return bytes(found[0]).decode()

    def store(self, folder: str, uid: str, what: str, flags: str) -> None:
        self._done(self._session.select(folder))
        self._done(self._session.uid("STORE", uid, what, flags))

    def expunge(self, folder: str, uid: str) -> None:
        self.store(folder, uid, "+FLAGS", "(\\Deleted)")
        self._done(self._session.uid("EXPUNGE", uid))

    def move(self, folder: str, uid: str, target: str) -> None:
        self._done(self._session.select(folder))
        self._done(self._session.uid("MOVE", uid, target))

    def _uids(self) -> list[bytes]:
        return list(self._done(self._session.uid("SEARCH", "ALL"))[0].split())

    @staticmethod
    def _done(answer: tuple[str, list[Any]]) -> list[Any]:
        status, data = answer
        assert status == "OK", data
        return data
