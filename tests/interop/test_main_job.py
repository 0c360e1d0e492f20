"""The main job against a real server: everything arrives, once, and as the server holds it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from emailplus.config import Consequence
from emailplus.mailbox import Mailbox

from .compare import Tally
from .conftest import MainRun
from .imap import Imap
from .runs import NOTHING, compare_with_imap, compare_with_mime_run, held, open_mailbox, quiet
from .server import Server, User


def explained(tally: Tally) -> None:
    assert tally.unexplained == [], "\n".join(tally.unexplained)


@pytest.fixture(scope="session")
def mime_run(server: Server, figures: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("mime")
    with open_mailbox(server, server.users[0], folder / "mime.db", always_fetch_mime=True) as mailbox:
        figures["MIME run"] = mailbox.sync().as_dict()
        yield mailbox


def test_every_message_is_there_and_equal(
    server: Server, main_run: MainRun, figures: dict[str, Any], imap_of: Callable[[User], Imap]
) -> None:
    version = main_run.report.protocol_version
    tally = compare_with_imap(main_run.mailbox, imap_of(server.users[0]), version)
    figures["text against IMAP"] = tally.as_dict()
    assert tally.messages == main_run.report.added > 0
    explained(tally)
    assert main_run.report.quarantined == []
    assert main_run.report.refused == []
    failed = tally.differences["attachment:encoding-unknown"] + tally.differences["attachment:base64-broken"]
    assert len(main_run.report.failed) == failed


def test_second_sync_does_nothing(main_run: MainRun, figures: dict[str, Any]) -> None:
    before = [(row.path, row.message.id, row.message.server_id) for row in held(main_run.mailbox)]
    report = main_run.mailbox.sync()
    figures["second run"] = report.as_dict()
    assert quiet(report) == NOTHING
    assert not report.news_of_trouble
    assert [(row.path, row.message.id, row.message.server_id) for row in held(main_run.mailbox)] == before


def test_mime_is_what_the_server_holds(
    server: Server, mime_run: Mailbox, figures: dict[str, Any], imap_of: Callable[[User], Imap]
) -> None:
    tally = compare_with_imap(mime_run, imap_of(server.users[0]), "14.1", mime=True)
    figures["MIME against IMAP"] = tally.as_dict()
    explained(tally)
    assert tally.mime_equal > 0


def test_text_agrees_with_mime_where_there_is_no_imap(
    server: Server, main_run: MainRun, mime_run: Mailbox, figures: dict[str, Any]
) -> None:
    if server.imap is not None:
        pytest.skip("IMAP is the better witness, and it was asked")
    tally = compare_with_mime_run(main_run.mailbox, mime_run)
    figures["text against MIME"] = tally.as_dict()
    assert tally.messages == main_run.report.added
    explained(tally)


def test_default_period_leaves_older_mail_out(server: Server, figures: dict[str, Any], tmp_path: Path) -> None:
    """A fresh store, and then one that held everything, with the defaults of the administrator's guide."""
    user = server.users[1 % len(server.users)]
    defaults: dict[str, object] = dict.fromkeys(
        ("email_max_sync_period", "email_default_sync_period", "email_max_body_size", "email_max_attachment")
    )
    border = datetime.now(UTC) - timedelta(days=3)
    with open_mailbox(server, user, tmp_path / "same.db") as wide:
        wide.sync()
        everything = len(held(wide))
        device = wide.config.email_device_id
    with open_mailbox(server, user, tmp_path / "fresh.db", **defaults) as fresh:
        report = fresh.sync()
        figures["default period, fresh store"] = report.as_dict()
        recent = {(row.path, row.message.server_id) for row in held(fresh)}
        assert all(row.message.received is None or row.message.received >= border for row in held(fresh))
    assert report.added - report.expired == len(recent) < everything
    with open_mailbox(server, user, tmp_path / "same.db", device=device, **defaults) as same:
        window = same.change.outcome(Consequence.SYNC_WINDOW)
        report = same.sync()
        figures["default period, same store"] = report.as_dict()
        assert {(row.path, row.message.server_id) for row in held(same)} == recent
    # What is too old leaves with the configuration. Where the server filters by another date than it reports, some of
    # it comes again, and does not stay.
    assert window is not None
    assert window.counts["removed"] == everything - len(recent)
    assert report.added == report.expired
    assert report.deleted == 0
