"""A synchronisation as people see it: one bar a phase, and a summary at the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from ..model import events
from ..report import SyncReport
from . import common

_PHASES = {
    "connect": "Connecting",
    "folders": "Folders",
    "mail": "Mail",
    "contents": "Bodies and attachments",
    "markings": "Markings",
    "index": "Search index",
}

MARKINGS_SHOWN = 8
"""Markings that the summary counts one by one."""


class SyncProgress:
    """A listener for `Mailbox.sync`; use as a context manager."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description:<24}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=False,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> SyncProgress:
        self._progress.start()
        common.pausing.append(self._pause)
        return self

    @contextmanager
    def _pause(self) -> Iterator[None]:
        """Stand back while somebody types a password."""
        self._progress.stop()
        try:
            yield
        finally:
            self._progress.start()

    def __exit__(self, *_: object) -> None:
        common.pausing.remove(self._pause)
        for task in self._progress.tasks:
            if task.total is None:
                self._progress.update(task.id, total=max(task.completed, 1), completed=max(task.completed, 1))
        self._progress.stop()

    def __call__(self, event: Any) -> None:
        if isinstance(event, events.Phase) and event.name in _PHASES and event.name not in self._tasks:
            self._tasks[event.name] = self._progress.add_task(_PHASES[event.name], total=event.total)
        elif isinstance(event, events.Connected) and "connect" in self._tasks:
            self._progress.update(self._tasks["connect"], total=1, completed=1)
            self._progress.console.print(f"ActiveSync {event.version} at {event.endpoint}")
        elif isinstance(event, events.FoldersSynced) and "folders" in self._tasks:
            self._progress.update(self._tasks["folders"], total=max(1, event.total), completed=max(1, event.total))
        elif isinstance(event, events.Progress) and event.name in self._tasks:
            total = None if event.total is None else max(event.total, event.done, 1)
            self._progress.update(self._tasks[event.name], completed=event.done, total=total)
        elif isinstance(event, events.Warned):
            self._progress.console.print(f"[yellow]warning:[/yellow] {event.message}", markup=True)
        elif isinstance(event, events.Waiting):
            self._progress.console.print(f"waiting {event.seconds:.0f} s: {event.reason}", markup=False)


def print_report(console: Console, report: SyncReport) -> None:
    """The summary: counts, traffic, and everything that could not be had."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    stored = ", ".join(f"{count} {kind}" for kind, count in report.items.items())
    rows = {
        "in the store": f"{stored} in {report.folders} folders",
        "added": report.added,
        "changed": report.changed,
        "deleted": report.deleted,
        "out of the sync period": report.expired,
        "fetched apart": report.fetched,
        "requests": f"{report.requests}, {report.bytes_in:,} bytes in, {report.bytes_out:,} bytes out",
        "seconds": f"{report.seconds:.2f}",
    }
    if report.markings:
        shown = [f"{count} {label or 'unmarked'}" for label, count in list(report.markings.items())[:MARKINGS_SHOWN]]
        more = len(report.markings) - len(shown)
        odd = f"; {report.markings_flagged} not understood whole" if report.markings_flagged else ""
        rows["markings"] = ", ".join(shown) + (f" and {more} others" if more else "") + odd
    for name, value in rows.items():
        table.add_row(name, str(value))
    console.print(table)
    for title, troubles in (
        ("refused", report.refused),
        ("failed", report.failed),
        ("quarantined", report.quarantined),
        ("marking not looked for", report.markings_missing),
    ):
        for trouble in troubles:
            what = trouble.name or trouble.subject or "(no subject)"
            new = "" if trouble.new else " (known)"
            console.print(
                f"{title}{new}: {what} in {trouble.folder}, {trouble.size:,} bytes: {trouble.reason}",
                markup=False,
                style="yellow" if trouble.new else "dim",
            )
