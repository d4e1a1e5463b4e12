"""Providers are killed at random under callers: nobody hangs, and what may be repeated never fails."""

from __future__ import annotations

from pathlib import Path

from tests.scenarios import callers


def test_callers_get_results_whatever_is_killed(tmp_path: Path) -> None:
    callers.are_answered(tmp_path, kills=7)
