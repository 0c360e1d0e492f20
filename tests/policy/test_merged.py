"""Of every limit the stricter holds, whoever set it."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from emailplus.policy.merged import merge
from emailplus.policy.server_policy import ServerPolicy
from emailplus.policy.sync_period import calendar_filter_type, span

from ..config.samples import load

MEGABYTE = 1_048_576


def days(period: int) -> float:
    length = span(period)
    return float("inf") if length is None else length.days


@pytest.mark.parametrize("maximum", range(6))
@pytest.mark.parametrize("choice", [None, *range(6)])
@pytest.mark.parametrize("server", [None, *range(6)])
def test_the_shortest_period_holds(maximum: int, choice: int | None, server: int | None) -> None:
    """In days, for every combination: 0 is the longest."""
    for default in range(6):
        config = load(email_max_sync_period=str(maximum), email_default_sync_period=str(default))
        merged = merge(config, ServerPolicy(MaxEmailAgeFilter=server), choice=choice)
        wanted = days(default if choice is None else choice)
        own = min(wanted, days(maximum))
        held = min(own, days(0 if server is None else server))
        assert days(merged.sync_period) == held
        assert ("sync_period" in merged.from_server) is (held < own)


@pytest.mark.parametrize(
    ("keys", "server", "expected", "by_server"),
    [
        ({}, {}, (4 * MEGABYTE, 10 * MEGABYTE), set()),
        ({}, {"MaxAttachmentSize": MEGABYTE}, (4 * MEGABYTE, MEGABYTE), {"max_attachment"}),
        ({"email_max_attachment": "1"}, {"MaxAttachmentSize": 2 * MEGABYTE}, (4 * MEGABYTE, MEGABYTE), set()),
        ({}, {"MaxEmailBodyTruncationSize": 9, "MaxEmailHTMLBodyTruncationSize": 7}, (7, 10 * MEGABYTE), {"max_body"}),
        ({}, {"MaxEmailBodyTruncationSize": 0}, (0, 10 * MEGABYTE), {"max_body"}),  # only the header (R268)
        ({}, {"MaxEmailBodyTruncationSize": -1}, (4 * MEGABYTE, 10 * MEGABYTE), set()),  # no truncation (R267)
    ],
)
def test_sizes(keys: dict[str, str], server: dict[str, int], expected: tuple[int, int], by_server: set[str]) -> None:
    policy: dict[str, Any] = dict(server)
    merged = merge(load(**keys), ServerPolicy(**policy))
    assert (merged.max_body, merged.max_attachment) == expected
    assert merged.from_server == by_server


@pytest.mark.parametrize(("attachments", "html"), list(itertools.product([None, True, False], [None, True, False])))
def test_switches(attachments: bool | None, html: bool | None) -> None:
    merged = merge(load(), ServerPolicy(AttachmentsEnabled=attachments, AllowHTMLEmail=html))
    assert (merged.attachments, merged.html) == (attachments is not False, html is not False)
    assert ("attachments" in merged.from_server, "html" in merged.from_server) == (attachments is False, html is False)


def test_without_a_server_policy_only_the_configuration_holds() -> None:
    assert merge(load(), None) == merge(load(), ServerPolicy())


@pytest.mark.parametrize(
    ("server", "used"), [(None, 0), (0, 0), (4, 4), (5, 5), (6, 6), (7, 7), (1, 7), (99, 7), (-3, 7)]
)
def test_the_calendar_syncs_whole_unless_the_server_asks_for_less(server: int | None, used: int) -> None:
    assert calendar_filter_type(server) == used
    config = load(email_max_sync_period="1")  # mail only: no key limits events
    merged = merge(config, ServerPolicy(MaxCalendarAgeFilter=server))
    assert (merged.calendar_filter, "calendar_filter" in merged.from_server) == (used, used != 0)
