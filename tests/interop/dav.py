"""CalDAV and CardDAV by plain HTTP: what the server has, seen without our client."""

from __future__ import annotations

import base64
import re
import time
import urllib.error
import urllib.request
from dataclasses import dataclass

from .server import Server, User


@dataclass
class Dav:
    """One user's calendar and address book."""

    server: Server
    user: User

    def _request(self, method: str, path: str, body: bytes | None = None, **headers: str) -> bytes:
        url = str(self.server.document["dav_url"]).rstrip("/") + path
        request = urllib.request.Request(url, data=body, method=method)
        token = base64.b64encode(f"{self.user.username}:{self.user.password}".encode()).decode()
        request.add_header("Authorization", f"Basic {token}")
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), value)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return bytes(answer.read())

    def _folder(self, kind: str, place: str = "personal") -> str:
        return f"/{self.user.username}/{'Calendar' if kind == 'Calendar' else 'Contacts'}/{place}/"

    def _names(self, path: str) -> list[str]:
        listing = self._request("PROPFIND", path, Depth="1").decode("utf-8", "replace")
        return list(dict.fromkeys(re.findall(r"<[^>]*href>([^<]*)</", listing)))

    def calendars(self) -> list[str]:
        """The names that the user's calendars have in paths."""
        return self.places("Calendar")

    def places(self, kind: str) -> list[str]:
        """The names that the user's calendars, or address books, have in paths; not SOGo's book of all users."""
        head = self._folder(kind, "").replace("//", "/")
        found = [name.partition(head)[2].strip("/") for name in self._names(head)]
        return sorted(
            {name for name in found if name and "/" not in name and not name.endswith((".ics", ".xml", ".vcf"))}
        )

    def remove(self, kind: str, place: str, name: str = "") -> None:
        """Delete a whole calendar or address book, or one entry of it of which no device has to hear."""
        self._request("DELETE", self._folder(kind, place) + name)

    def all(self, kind: str, place: str = "personal") -> dict[str, str]:
        """Name of every entry with its iCalendar or vCard text."""
        folder = self._folder(kind, place)
        # some have no ending, such as a task that was moved by MoveItems
        names = [name.partition(folder)[2] for name in self._names(folder)]
        entries = [name for name in names if name and "/" not in name and not name.endswith(".xml")]
        return {name: self.get(kind, name, place) for name in dict.fromkeys(entries)}

    def get(self, kind: str, name: str, place: str = "personal") -> str:
        return self._request("GET", self._folder(kind, place) + name).decode("utf-8", "replace").replace("\r\n ", "")

    def _tick(self) -> None:
        """Wait for the server's next second: SOGo stamps changes in whole seconds and tells a device only of those
        behind its last synchronisation, so a change in the same second is never told."""
        time.sleep(1.2 - time.time() % 1)

    def put(self, kind: str, name: str, text: str) -> None:
        self._tick()
        body = text.replace("\n", "\r\n").encode()
        content = "text/calendar" if kind == "Calendar" else "text/vcard"
        self._request("PUT", self._folder(kind) + name, body, Content_Type=f"{content}; charset=utf-8")

    def delete(self, kind: str, name: str) -> None:
        self._tick()
        try:
            self._request("DELETE", self._folder(kind) + name)
        except urllib.error.HTTPError as problem:
            if problem.code != 404:
                raise
