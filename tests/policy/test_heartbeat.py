"""The adaptive heartbeat: against a network that cuts silent connections, and facts that came from anywhere."""

from __future__ import annotations

import pytest

from emailplus.policy.heartbeat import ABSURD, DEFAULT, FACTS, PATIENCE, PAUSES, Heartbeat, pause


def live(beat: Heartbeat, cut_after: float, rounds: int) -> tuple[Heartbeat, int]:
    """So many waits on a network that cuts what is silent for `cut_after` seconds; how many were cut."""
    cut = 0
    for _ in range(rounds):
        if beat.seconds > cut_after:
            beat, cut = beat.cut(cut_after), cut + 1
        else:
            beat = beat.lasted()
    return beat, cut


def test_it_grows_to_what_the_protocol_allows_where_nothing_is_cut() -> None:
    beat, cut = live(Heartbeat(), 1e9, 50)
    assert (beat.seconds, cut) == (3540, 0)


@pytest.mark.parametrize("border", [70.0, 120.0, 300.0, 1000.0, 1800.0])
def test_it_settles_below_the_patience_of_a_proxy_and_tries_it_ever_less_often(border: float) -> None:
    beat, _ = live(Heartbeat(), border, 400)
    _, cut = live(beat, border, 400)
    assert cut <= 400 // 30
    assert border / 2 <= beat.seconds <= border * 1.5


def test_it_grows_again_on_another_network() -> None:
    beat, _ = live(Heartbeat(), 120.0, 50)
    assert beat.seconds < 200
    beat, _ = live(beat, 1e9, 64 * 12)
    assert beat.seconds == 3540


def test_no_network_says_nothing_about_the_heartbeat() -> None:
    beat = Heartbeat().lasted()
    for _ in range(100):
        beat = beat.cut(3.0)
    assert (beat.seconds, beat.patience) == (DEFAULT, PATIENCE[0])


def test_it_never_goes_below_the_server_s_least() -> None:
    beat = Heartbeat()
    for _ in range(20):
        beat = beat.cut(30.0)
    assert beat.seconds == 60


@pytest.mark.parametrize(
    ("asked", "bound", "least", "most"),
    [(900, 480, 60, 480), (900, 10, 10, 10), (60, 300, 300, 3540), (900, 7200, 7200, 7200)],
)
def test_the_server_s_bounds(asked: int, bound: int, least: int, most: int) -> None:
    beat = Heartbeat(seconds=asked).refused(bound)
    assert (beat.seconds, beat.least, beat.most) == (bound, least, most)
    for _ in range(20):
        beat = beat.lasted()
    assert beat.seconds <= most


@pytest.mark.parametrize("bound", [-5, 0, 1, 10**9])
def test_absurd_bounds_are_brought_within_reason(bound: int) -> None:
    assert ABSURD[0] <= Heartbeat().refused(bound).seconds <= ABSURD[1]


def test_it_is_kept_in_the_account() -> None:
    beat = Heartbeat().refused(700).cut(500.0)
    facts = {name: value or "" for name, value in beat.facts().items()}
    assert Heartbeat.of(facts) == beat
    assert Heartbeat.of({}) == Heartbeat()


@pytest.mark.parametrize("value", ["", "x", "-1", "1e9", "99999999999", "²", "0"])
def test_facts_that_make_no_sense(value: str) -> None:
    beat = Heartbeat.of(dict.fromkeys(FACTS, value))
    assert ABSURD[0] <= beat.least <= beat.seconds <= beat.most <= ABSURD[1]
    assert PATIENCE[0] <= beat.patience <= PATIENCE[1]


def test_pauses_grow_and_a_server_s_wish_is_kept() -> None:
    assert [pause(number) for number in range(1, 11)] == [*PAUSES, 300.0, 300.0]
    assert pause(0) == PAUSES[0]
    assert pause(1, 40.0) == 40.0
    assert pause(5, 2.0) == PAUSES[4]  # never sooner than by ourselves
    assert pause(1, 1e12) == ABSURD[1]
