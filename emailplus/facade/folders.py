"""Changing the folders of a mailbox."""

from __future__ import annotations

from functools import partial

from ..eas.flows import folders
from ..model.folder import Folder, FolderType
from . import AsyncOnline, Online


class Folders(Online):
    """Methods of `Mailbox`."""

    def create_folder(
        self, name: str, parent: str | None = None, folder_type: FolderType = FolderType.USER_MAIL
    ) -> Folder:
        """Make a folder below `parent` (a path such as ``Inbox/Projects``, a name or a ServerId; None: the root).

        Raises `UsageError` for a name that is taken or impossible, or a type that cannot be created, `NotFound` for an
        unknown parent.
        """
        return self._changing(partial(folders.create_folder, name=name, parent=parent, folder_type=int(folder_type)))

    def rename_folder(self, folder: str, name: str | None = None, *, parent: str | None = None) -> Folder:
        """Rename a folder, move it below `parent` ("0": to the root), or both. Raises as `create_folder`."""
        return self._changing(partial(folders.update_folder, folder=folder, name=name, parent=parent))

    def mail_folders(self) -> list[Folder]:
        """The mail folders as the server has them now, in one answer; the store stays as it is (GetHierarchy).

        Up to ActiveSync 12.1, else `NotOffered`: `sync` and `folders` do the same in every version.
        """
        return self._converse(folders.hierarchy)

    def delete_folder(self, folder: str) -> Folder:
        """Delete a folder with its subfolders and all mail in them, here and on the server; the folder deleted.

        Standard folders such as the inbox are refused by the server (`CommandFailed`, status 3).
        """
        return self._changing(partial(folders.delete_folder, folder=folder))


class AsyncFolders(AsyncOnline):
    """Methods of `AsyncMailbox`."""

    async def create_folder(
        self, name: str, parent: str | None = None, folder_type: FolderType = FolderType.USER_MAIL
    ) -> Folder:
        """See `Mailbox.create_folder`."""
        return await self._converse(
            partial(folders.create_folder, name=name, parent=parent, folder_type=int(folder_type))
        )

    async def rename_folder(self, folder: str, name: str | None = None, *, parent: str | None = None) -> Folder:
        """See `Mailbox.rename_folder`."""
        return await self._changing(partial(folders.update_folder, folder=folder, name=name, parent=parent))

    async def mail_folders(self) -> list[Folder]:
        """See `Mailbox.mail_folders`."""
        return await self._converse(folders.hierarchy)

    async def delete_folder(self, folder: str) -> Folder:
        """See `Mailbox.delete_folder`."""
        return await self._changing(partial(folders.delete_folder, folder=folder))
