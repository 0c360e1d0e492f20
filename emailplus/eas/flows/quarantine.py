"""A second chance for items that an earlier version of emailplus could not understand: their raw bytes were kept."""

from __future__ import annotations

from ... import __version__
from ...errors import ProtocolError
from ...flow import Flow, commit, load
from ...model.changes import QuarantinedItem, SyncWindows, Window
from ...model.queries import OldItem, OldQuarantine
from ..commands import sync
from ..commands.sync import CollectionAnswer
from ..wbxml import decode
from .sync_mail import MailPlan, fill


def retry_quarantine(plan: MailPlan) -> Flow[None]:
    """Read every such item again; what still fails is noted under this version, so that it is tried only once."""
    while items := (yield from load(OldQuarantine(__version__))):
        yield from commit(SyncWindows([_again(item, plan) for item in items], plan.keep_content))


def _again(item: OldItem, plan: MailPlan) -> Window:
    """The item as a window of its collection, whose key stays where it is."""
    window = Window(item.folder_id, item.sync_key, item.options, item_class=item.item_class)
    answer = CollectionAnswer("")
    try:
        sync.take(decode(item.raw), answer, item.item_class)
    except ProtocolError as problem:
        answer.quarantined.append(QuarantinedItem(item.server_id, item.raw, str(problem)))
    fill(window, answer, plan)
    return window
