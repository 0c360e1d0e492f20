"""What helps when something goes wrong: the traffic log, the configuration in force, crash reports."""

from __future__ import annotations

import asyncio
import os
from functools import partial
from typing import Any

from ..diagnosis.crash import CrashReport
from ..diagnosis.feedback import Feedback
from ..diagnosis.session import Diagnosis
from ..diagnosis.traffic import TrafficLog
from ..errors import PolicyDenied
from ..model.draft import DraftAttachment
from ..model.outbox import OutboxEntry
from ..model.questions import Confirm
from .governed import report_of
from .writing import AsyncWriting, Writing


def _attachment(feedback: Feedback) -> DraftAttachment:
    return DraftAttachment(name=feedback.name, content=feedback.archive, content_type="application/zip")


class Diagnosing(Writing):
    """Methods of `Mailbox`."""

    _diagnosis: Diagnosis

    def traffic_log(self, path: str | os.PathLike[str], *, full: bool = False) -> TrafficLog:
        """Write every request and answer from now on to `path`, readable, until the mailbox or the log is closed.

        Values are replaced by their sizes; `full` keeps them, and then the file holds mail in the clear, but for mail
        under a licence (MS-ASRM). Raises `PolicyDenied` unless `allow_logging` is true, and `UsageError` if the file
        cannot be made.
        """
        return self._diagnosis.write_traffic(path, full=full)

    def show_configuration(self) -> dict[str, Any]:
        """Every key with its value in force, secrets masked. `PolicyDenied` unless `allow_show_configuration`."""
        if not self.config.allow_show_configuration:
            raise PolicyDenied(
                "the configuration is not shown: allow_show_configuration is false", rule="allow_show_configuration"
            )
        return self.config.redacted()

    def feedback(self, comment: str = "", *, certificate: bytes | None = None) -> Feedback:
        """The feedback bundle for `feedback_email_address`, with the message that carries it.

        `certificate` (DER) is the reader's, for the calendar that goes along under `enable_calendar_dump`; without one
        it is encrypted under a passphrase that is in the result and nowhere else. Raises `PolicyDenied` where
        `feedback_email_address` is not set.
        """
        return self._diagnosis.collect(comment, certificate, report_of(self.store).as_dict())

    def send_feedback(
        self, comment: str = "", *, certificate: bytes | None = None, confirm: Confirm | None = None
    ) -> tuple[Feedback, OutboxEntry]:
        """`feedback`, sent to its address: the bundle and how far it came. `confirm` and what is raised: see `send`."""
        made = self.feedback(comment, certificate=certificate)
        return made, self.send(
            self.new(to=made.to, subject=made.subject, text=made.text, attachments=[_attachment(made)]), confirm=confirm
        )

    def crash_reports(self) -> list[CrashReport]:
        """The crash reports that the store keeps, oldest first; none under `disable_analytics`."""
        return self._diagnosis.crash_reports()


class AsyncDiagnosing(AsyncWriting):
    """Methods of `AsyncMailbox`."""

    _mailbox: Diagnosing

    async def traffic_log(self, path: str | os.PathLike[str], *, full: bool = False) -> TrafficLog:
        """See `Mailbox.traffic_log`."""
        return await asyncio.to_thread(partial(self._mailbox.traffic_log, path, full=full))

    async def show_configuration(self) -> dict[str, Any]:
        """See `Mailbox.show_configuration`."""
        return self._mailbox.show_configuration()

    async def feedback(self, comment: str = "", *, certificate: bytes | None = None) -> Feedback:
        """See `Mailbox.feedback`."""
        return await asyncio.to_thread(partial(self._mailbox.feedback, comment, certificate=certificate))

    async def send_feedback(
        self, comment: str = "", *, certificate: bytes | None = None, confirm: Confirm | None = None
    ) -> tuple[Feedback, OutboxEntry]:
        """See `Mailbox.send_feedback`."""
        made = await self.feedback(comment, certificate=certificate)
        draft = await self.new(to=made.to, subject=made.subject, text=made.text, attachments=[_attachment(made)])
        return made, await self.send(draft, confirm=confirm)

    async def crash_reports(self) -> list[CrashReport]:
        """See `Mailbox.crash_reports`."""
        return await asyncio.to_thread(self._mailbox.crash_reports)
