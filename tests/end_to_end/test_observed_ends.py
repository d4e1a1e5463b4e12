"""Ends under an outside observer: of children that do not want to, and of the daemon itself.

The same at length: tests/stress.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenarios import daemons, stubborn

ENVIRONMENTS = pytest.mark.parametrize("cleared", [False, True], ids=["marked", "cleared"])


@ENVIRONMENTS
def test_stop_ends_the_stubborn_and_all_they_started(tmp_path: Path, cleared: bool) -> None:
    """Seen to fail on daemons that never sent SIGKILL, and that cleared nothing away after an exit."""
    stubborn.stop_ends_all(tmp_path, cleared=cleared)


@ENVIRONMENTS
def test_what_a_crash_left_is_gone_before_the_next_life(tmp_path: Path, cleared: bool) -> None:
    """Seen to fail on daemons that cleared nothing away after an exit (I1), and reaped no orphans (I6)."""
    stubborn.a_crash_is_cleared_away(tmp_path, cleared=cleared)


def test_a_second_signal_waits_for_nobody(tmp_path: Path) -> None:
    """Seen to fail on a daemon that took no notice of the second signal."""
    stubborn.a_second_signal_hurries(tmp_path)


def test_a_killed_daemon_leaves_nothing_and_the_next_starts_nothing_twice(tmp_path: Path) -> None:
    """Seen to fail on a daemon without a guardian."""
    daemons.killed_at_random(tmp_path, instances=10, rounds=2)


def test_a_daemon_that_is_started_at_once_after_a_kill_finds_nobody_there(tmp_path: Path) -> None:
    """Seen to fail on a daemon without a guardian (I1)."""
    daemons.killed_and_started_at_once(tmp_path, instances=10, rounds=2)


def test_a_daemon_that_stood_still_fails_nobody(tmp_path: Path) -> None:
    """Seen to fail on a daemon that looked at deadlines before it looked for exits."""
    daemons.stopped_for_a_while(tmp_path, seconds=1.5)
