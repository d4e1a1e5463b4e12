"""The scenarios of tests/end_to_end/test_long_runs.py at length. `make stress` runs them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenarios import abandoned, losses, readers, returns

pytestmark = pytest.mark.timeout(3600)


def test_three_hundred_calls_a_second_for_ten_minutes_survive_kills_and_edits(
    tmp_path: Path, share: float
) -> None:
    weather = losses.Weather(
        seconds=max(600 * share, 15),
        pace=300,
        pace_of_others=30,
        kill_every=1,
        freeze_every=20 if share > 0.1 else 7,
        edit_every=10 if share > 0.1 else 4,
    )
    losses.calls_survive(tmp_path, weather)


def test_a_hundred_thousand_abandoned_streams_leave_nothing(tmp_path: Path, share: float) -> None:
    abandoned.leave_nothing(tmp_path, streams=int(100_000 * share))


def test_five_hundred_external_providers_come_back_to_each_next_daemon(tmp_path: Path, share: float) -> None:
    returns.all_come_back(tmp_path, providers=500, processes=4, rounds=3 if share > 0.1 else 1)


@pytest.mark.parametrize("way", list(readers.WAYS))
def test_thirty_readers_that_stop_cost_a_window_each(tmp_path: Path, way: str) -> None:
    readers.stopped_ones_cost_a_window(tmp_path, way, readers=30)


def test_killed_callers_have_their_coroutines_cancelled(tmp_path: Path) -> None:
    readers.killed_ones_are_cancelled(tmp_path, calls=30)
