from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emailplus.policy.sync_period import cut_off, effective_period, mail_filter_type, rank, shortest, span

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
PERIODS = st.integers(0, 5)
DAYS = {1: 1, 2: 3, 3: 7, 4: 14, 5: 31}


@pytest.mark.parametrize(
    ("maximum", "default", "choice", "expected"),
    [
        (0, 2, None, 2),  # the defaults of both keys
        (3, 0, None, 3),  # 0 is all, hence longer than a week
        (0, 5, None, 5),
        (0, 0, None, 0),
        (1, 2, None, 1),
        (3, 2, 0, 3),  # a choice beyond the maximum is the maximum
        (3, 2, 5, 3),
        (3, 2, 1, 1),
        (5, 1, 5, 5),  # longer than the default is the user's right
        (0, 1, 0, 0),
    ],
)
def test_effective_period(maximum: int, default: int, choice: int | None, expected: int) -> None:
    assert effective_period(default=default, maximum=maximum, choice=choice) == expected


@pytest.mark.parametrize(("server", "expected"), [(None, 4), (0, 4), (5, 4), (4, 4), (1, 1), (7, 4), (-1, 4)])
def test_the_server_can_only_shorten(server: int | None, expected: int) -> None:
    assert effective_period(default=2, maximum=0, choice=4, server_maximum=server) == expected


def test_a_server_maximum_outside_the_table_is_not_without_end() -> None:
    assert effective_period(default=0, maximum=0, server_maximum=6) == 5


@given(PERIODS, PERIODS, st.none() | PERIODS, st.none() | PERIODS)
def test_never_longer_than_any_ceiling(default: int, maximum: int, choice: int | None, server: int | None) -> None:
    period = effective_period(default=default, maximum=maximum, choice=choice, server_maximum=server)
    for ceiling in (maximum, server):
        assert ceiling is None or days(period) <= days(ceiling)
    wanted = default if choice is None else choice
    assert days(period) == min(days(item) for item in (wanted, maximum, 0 if server is None else server))


def days(period: int) -> float:
    return DAYS.get(period, float("inf"))


def test_rank_goes_by_length() -> None:
    assert sorted(range(6), key=rank) == [1, 2, 3, 4, 5, 0]
    assert shortest() == 0
    assert shortest(0, 5, 3) == 3


@pytest.mark.parametrize("period", [1, 2, 3, 4, 5])
def test_cut_off_is_the_span_before_now(period: int) -> None:
    assert cut_off(period, NOW) == NOW - timedelta(days=DAYS[period])
    assert mail_filter_type(period) == period


def test_cut_off_of_all_is_nothing() -> None:
    assert cut_off(0, NOW) is None
    assert span(0) is None
    assert mail_filter_type(0) == 0


def test_cut_off_is_the_same_moment_in_every_zone() -> None:
    elsewhere = NOW.astimezone(timezone(timedelta(hours=13)))
    assert cut_off(2, elsewhere) == cut_off(2, NOW)


def test_cut_off_refuses_a_time_without_zone() -> None:
    with pytest.raises(ValueError, match="zone"):
        cut_off(1, datetime(2026, 11, 24))


@pytest.mark.parametrize("bad", [-1, 6, True, 99])
def test_other_numbers_are_refused(bad: int) -> None:
    for function in (span, rank, mail_filter_type):
        with pytest.raises(ValueError, match="0 to 5"):
            function(bad)
    with pytest.raises(ValueError, match="0 to 5"):
        effective_period(default=2, maximum=0, choice=bad)
