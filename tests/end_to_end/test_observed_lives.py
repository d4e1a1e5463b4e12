"""Lives under an outside observer: taken at random, and ended at the moments that decide.

The same at length: tests/stress.
"""

from __future__ import annotations

from pathlib import Path

from tests.scenarios import boundaries, storm


def test_a_storm_of_kills_is_answered_life_for_life(tmp_path: Path) -> None:
    """Seen to fail on daemons that missed the exit of a third life (I3), counted a restart twice, and
    leaked a descriptor with every child (I6)."""
    storm.kill_storm(tmp_path, instances=20, kills=120)


def test_false_is_never_running_in_thirty_lives(tmp_path: Path) -> None:
    """Seen to fail on a daemon that took the spawn for readiness."""
    boundaries.false_is_never_running(tmp_path, lives=30)


def test_exits_around_start_seconds_lead_only_where_there_is_a_way(tmp_path: Path) -> None:
    """Seen to fail on a daemon whose log left out the start of the next life, and on one that took the
    spawn for readiness."""
    offsets = (boundaries.EARLY, -0.01, -0.003, -0.001, 0, 0.001, 0.003, 0.01)
    boundaries.exits_around_start_seconds(tmp_path, lives=6, offsets=offsets)


def test_ends_around_the_connection_timeout_are_never_running(tmp_path: Path) -> None:
    """Seen to fail on a daemon that took the spawn for readiness."""
    boundaries.ends_around_connection_timeout(tmp_path, lives=1, offsets=(-0.01, 0.01))
