"""Too much output, and too little room, under an outside observer.

The same at length: tests/stress.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenarios import output, scarcity


def test_floods_are_kept_to_the_byte(tmp_path: Path) -> None:
    """Seen to fail on a daemon that lost a byte of each write."""
    output.floods(tmp_path, children=10, size=1024 * 1024)


def test_the_last_words_before_an_exit_are_kept(tmp_path: Path) -> None:
    """Seen to fail on a daemon that read no more after the exit."""
    output.last_words_before_exit(tmp_path, instances=20, rounds=1)


def test_the_last_words_of_those_asked_to_end_are_kept(tmp_path: Path) -> None:
    output.last_words_when_asked_to_end(tmp_path, instances=10, rounds=1)


def test_a_full_disk_holds_nobody_and_is_accounted_for(tmp_path: Path) -> None:
    """Seen to fail on daemons that did not count what was lost, and that counted the log's own framing."""
    output.disk_full(tmp_path)


@pytest.mark.parametrize("where", ["hub", "control"])
def test_status_is_answered_when_descriptors_run_out(tmp_path: Path, where: str) -> None:
    """Seen to fail on a daemon without descriptors in reserve."""
    scarcity.descriptors_run_out(tmp_path, where, nofile=128, connections=200)


def test_a_fork_that_fails_is_a_failure_with_a_deadline(tmp_path: Path) -> None:
    """Seen to fail on daemons that died of EAGAIN, and that stayed in BACKOFF for ever after it (I4)."""
    scarcity.fork_fails(tmp_path)
