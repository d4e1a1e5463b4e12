"""The scenarios of tests/end_to_end/test_observed_*.py at length. `make stress` runs them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenarios import boundaries, callers, daemons, output, scarcity, storm, stubborn

pytestmark = pytest.mark.timeout(900)
ENVIRONMENTS = pytest.mark.parametrize("cleared", [False, True], ids=["marked", "cleared"])
MIB = 1024 * 1024


def test_a_minute_of_a_hundred_kills_a_second(tmp_path: Path) -> None:
    storm.kill_storm(tmp_path, instances=50, kills=6000)


def test_false_is_never_running_in_a_thousand_lives(tmp_path: Path) -> None:
    boundaries.false_is_never_running(tmp_path, lives=1000)


def test_exits_around_start_seconds(tmp_path: Path) -> None:
    offsets = [step / 1000 for step in range(-20, 21)]
    boundaries.exits_around_start_seconds(tmp_path, lives=50, offsets=offsets)


def test_ends_around_the_connection_timeout(tmp_path: Path) -> None:
    boundaries.ends_around_connection_timeout(tmp_path, lives=10, offsets=(-0.02, -0.01, 0, 0.01, 0.02))


@ENVIRONMENTS
def test_stop_ends_the_stubborn(tmp_path: Path, cleared: bool) -> None:
    stubborn.stop_ends_all(tmp_path, cleared=cleared, copies=12)


@ENVIRONMENTS
def test_crashes_are_cleared_away(tmp_path: Path, cleared: bool) -> None:
    stubborn.a_crash_is_cleared_away(tmp_path, cleared=cleared, copies=4, crashes=25)


def test_a_second_signal_waits_for_nobody(tmp_path: Path) -> None:
    stubborn.a_second_signal_hurries(tmp_path, copies=12)


def test_the_daemon_is_killed_at_fifty_points(tmp_path: Path) -> None:
    daemons.killed_at_random(tmp_path, instances=50, rounds=50)


def test_the_daemon_is_killed_and_started_at_once(tmp_path: Path) -> None:
    daemons.killed_and_started_at_once(tmp_path, instances=50, rounds=25)


@pytest.mark.parametrize("seconds", [4, 10])
def test_the_daemon_stands_still(tmp_path: Path, seconds: int) -> None:
    daemons.stopped_for_a_while(tmp_path, seconds=seconds)


def test_floods(tmp_path: Path) -> None:
    output.floods(tmp_path, children=10, size=40 * MIB)


def test_the_last_words_of_a_thousand_lives(tmp_path: Path) -> None:
    output.last_words_before_exit(tmp_path, instances=50, rounds=20)


def test_the_last_words_of_a_thousand_that_are_asked_to_end(tmp_path: Path) -> None:
    output.last_words_when_asked_to_end(tmp_path, instances=50, rounds=19)


def test_a_full_disk_again_and_again(tmp_path: Path) -> None:
    output.disk_full(tmp_path, rounds=20)


@pytest.mark.parametrize("where", ["hub", "control"])
def test_descriptors_run_out(tmp_path: Path, where: str) -> None:
    scarcity.descriptors_run_out(tmp_path, where, nofile=256, connections=1000)


def test_forks_fail_again_and_again(tmp_path: Path) -> None:
    scarcity.fork_fails(tmp_path, rounds=20)


def test_callers_are_answered_whatever_is_killed(tmp_path: Path) -> None:
    callers.are_answered(tmp_path, kills=200)
