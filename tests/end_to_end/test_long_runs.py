"""What tests/stress/test_calls.py does for minutes, for a moment: losses, abandoned streams, returns."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenarios import abandoned, losses, readers, returns

IN_EITHER_WAY = pytest.mark.parametrize("way", list(readers.WAYS))


def test_calls_survive_kills_frozen_instances_and_edits(tmp_path: Path) -> None:
    weather = losses.Weather(
        seconds=4, pace=30, pace_of_others=15, kill_every=1.2, freeze_every=2.1, edit_every=1.1
    )
    losses.calls_survive(tmp_path, weather)


def test_abandoned_streams_leave_nothing(tmp_path: Path) -> None:
    abandoned.leave_nothing(tmp_path, streams=120)


def test_external_providers_come_back_to_the_next_daemon_a_few_at_a_time(tmp_path: Path) -> None:
    returns.all_come_back(tmp_path, providers=20, processes=1, rounds=1)


@IN_EITHER_WAY
def test_a_reader_that_stops_costs_a_window_and_nobody_waits_for_it(tmp_path: Path, way: str) -> None:
    readers.stopped_ones_cost_a_window(tmp_path, way, readers=2)


def test_a_killed_caller_has_its_provider_s_coroutine_cancelled(tmp_path: Path) -> None:
    readers.killed_ones_are_cancelled(tmp_path, calls=2)
