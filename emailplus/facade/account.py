"""What the server keeps for the user beside mail."""

from __future__ import annotations

from functools import partial

from ..eas.flows import settings
from ..model.account import OutOfOffice, RightsTemplate, UserInformation
from . import AsyncOnline, Online


class Account(Online):
    """Methods of `Mailbox`."""

    def out_of_office(self, *, html: bool = False) -> OutOfOffice:
        """The automatic reply as the server has it; `html` asks for the replies as HTML, else as plain text."""
        return self._converse(partial(settings.out_of_office, html=html))

    def set_out_of_office(self, wanted: OutOfOffice) -> None:
        """Set the automatic reply; an audience that is None keeps its reply. `UsageError` for impossible times."""
        self._changing(partial(settings.set_out_of_office, wanted=wanted))

    def user_information(self) -> UserInformation:
        """The user's own addresses, and from 14.1 on the accounts that mail can be sent from."""
        return self._converse(settings.user_information)

    def rights_templates(self) -> list[RightsTemplate]:
        """Templates that a message can be protected with. `NotOffered` below 14.1, or where the server has it off."""
        return self._converse(settings.rights_templates)

    def set_device_password(self, password: str) -> None:
        """Leave a recovery password for this device with the server; "" takes it back. `CommandFailed`: not allowed."""
        self._changing(partial(settings.set_device_password, password=password))


class AsyncAccount(AsyncOnline):
    """Methods of `AsyncMailbox`."""

    async def out_of_office(self, *, html: bool = False) -> OutOfOffice:
        """See `Mailbox.out_of_office`."""
        return await self._converse(partial(settings.out_of_office, html=html))

    async def set_out_of_office(self, wanted: OutOfOffice) -> None:
        """See `Mailbox.set_out_of_office`."""
        await self._changing(partial(settings.set_out_of_office, wanted=wanted))

    async def user_information(self) -> UserInformation:
        """See `Mailbox.user_information`."""
        return await self._converse(settings.user_information)

    async def rights_templates(self) -> list[RightsTemplate]:
        """See `Mailbox.rights_templates`."""
        return await self._converse(settings.rights_templates)

    async def set_device_password(self, password: str) -> None:
        """See `Mailbox.set_device_password`."""
        await self._changing(partial(settings.set_device_password, password=password))
