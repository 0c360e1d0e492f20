"""What a person asks of the server beside a synchronisation: folders, people, settings, searches, waiting."""

from __future__ import annotations

from .account import Account, AsyncAccount
from .discovering import AsyncDiscovering, Discovering
from .folders import AsyncFolders, Folders
from .meetings import AsyncMeetings, Meetings
from .operations import AsyncOperations, Operations
from .people import AsyncPeople, People
from .searching import AsyncSearching, Searching
from .watching import AsyncWatching, Watching
from .web_services import AsyncWebServices, WebServices


class Commands(Account, Discovering, Folders, Meetings, Operations, People, Searching, Watching, WebServices):
    """Methods of `Mailbox`."""


class AsyncCommands(
    AsyncAccount,
    AsyncDiscovering,
    AsyncFolders,
    AsyncMeetings,
    AsyncOperations,
    AsyncPeople,
    AsyncSearching,
    AsyncWatching,
    AsyncWebServices,
):
    """Methods of `AsyncMailbox`."""
