"""Messages as people see them."""

from __future__ import annotations

import asyncio
from functools import partial

from ..mime.page import Page
from ..mime.view import MessageView
from ..reading import Reading


class Viewing:
    """Methods of `Mailbox`."""

    reading: Reading

    def view(self, message_id: int, *, within: str = "") -> MessageView:
        """One message taken apart: text, safe HTML, files, and what could not be read. Raises `NotFound`.

        `within`: a message that is attached to it, by the number of the file; see `Reading.view`.
        """
        return self.reading.view(message_id, within=within)

    def page(self, message_id: int, *, pictures: bool | None = None, within: str = "") -> Page:
        """One message as an HTML page that fetches nothing; see `Reading.page`. Raises `NotFound`."""
        return self.reading.page(message_id, pictures=pictures, within=within)

    def show_pictures(self, message_id: int, *, of_sender: bool = False, show: bool = True) -> str:
        """Remember that the pictures of a message, or of all mail of its sender, are shown; see `Reading`."""
        return self.reading.show_pictures(message_id, of_sender=of_sender, show=show)


class AsyncViewing:
    """Methods of `AsyncMailbox`."""

    _mailbox: Viewing

    async def view(self, message_id: int, *, within: str = "") -> MessageView:
        """See `Mailbox.view`."""
        return await asyncio.to_thread(partial(self._mailbox.view, message_id, within=within))

    async def page(self, message_id: int, *, pictures: bool | None = None, within: str = "") -> Page:
        """See `Mailbox.page`."""
        return await asyncio.to_thread(partial(self._mailbox.page, message_id, pictures=pictures, within=within))

    async def show_pictures(self, message_id: int, *, of_sender: bool = False, show: bool = True) -> str:
        """See `Mailbox.show_pictures`."""
        return await asyncio.to_thread(partial(self._mailbox.show_pictures, message_id, of_sender=of_sender, show=show))
