"""The same job in every version that the server offers, over TLS, and with base64 query lines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emailplus.errors import NoCommonVersion, TlsFailed

from .imap import Imap
from .runs import NOTHING, compare_with_imap, held, open_mailbox, quiet
from .server import Server, User


@pytest.mark.parametrize(
    ("version", "query_form"),
    [
        ("2.5", "plain"),
        ("12.0", "plain"),
        ("12.1", "base64"),
        ("14.0", "base64"),
        ("16.0", "plain"),
        ("16.1", "base64"),
    ],
)
def test_version(
    server: Server,
    figures: dict[str, Any],
    imap_of: Callable[[User], Imap],
    tmp_path: Path,
    version: str,
    query_form: str,
) -> None:
    user = server.users[1 % len(server.users)]
    with open_mailbox(server, user, tmp_path / "mail.db", query_form) as mailbox:
        try:
            report = mailbox.sync(version=version)
        except NoCommonVersion as problem:
            pytest.skip(str(problem))
        assert report.protocol_version == version
        assert report.failed == []
        assert report.quarantined == []
        again = mailbox.sync(version=version)
        assert quiet(again) == NOTHING
        figures[f"{version}, {query_form} query"] = report.as_dict()
        if server.imap is not None:
            tally = compare_with_imap(mailbox, imap_of(user), version)
            figures[f"{version} against IMAP"] = tally.as_dict()
            assert tally.unexplained == [], "\n".join(tally.unexplained)
            assert tally.messages == report.added > 0


def test_tls_needs_the_root_and_takes_it(server: Server, figures: dict[str, Any], tmp_path: Path) -> None:
    if "eas_url_tls" not in server.document or not server.document.get("ca_file"):
        pytest.skip("the server.json names no eas_url_tls with a ca_file")
    user = server.users[-1]
    with open_mailbox(server, user, tmp_path / "no.db", tls=True) as mailbox:
        with pytest.raises(TlsFailed, match="email_certificate_1"):
            mailbox.sync()
        assert held(mailbox) == []
    root = server.root_certificate()
    with open_mailbox(server, user, tmp_path / "yes.db", tls=True, email_certificate_1=root) as mailbox:
        report = mailbox.sync()
        figures["TLS"] = report.as_dict()
        assert report.folders > 0
        assert quiet(mailbox.sync()) == NOTHING
