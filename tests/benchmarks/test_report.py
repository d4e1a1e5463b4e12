"""From measurements to the table in the README."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import intake, report, respawn
from benchmarks.run import BENCHMARKS
from benchmarks.stats import Goal, Limit, Line, Plan, Row


def test_a_ratio_is_ours_divided_by_theirs() -> None:
    assert Line("respawn", "ms", 2.0, "pm2", 8.0).ratio == 0.25


def test_a_goal_is_a_bound_for_the_ratio() -> None:
    at_most, at_least = Goal(1.0, "no slower"), Goal(0.8, "0.8 of its speed", at_least=True)
    assert [at_most.is_met_by(1.0), at_most.is_met_by(1.01)] == [True, False]
    assert [at_least.is_met_by(0.8), at_least.is_met_by(0.79)] == [True, False]


def test_a_limit_is_a_bound_for_ours_whatever_theirs_is() -> None:
    lines = [Line("stop", "ms", ours, "circus", 0.0, Limit(50)) for ours in (50.0, 50.1)]
    assert [line.is_met for line in lines] == [True, False]
    assert report.cells(lines[1]) == ("stop", "50.1 ms", "circus 0 ms", "", "≤ 50 ms", "**no**")


def test_a_limit_may_be_the_least() -> None:
    lines = [Line("tokens", "/s", ours, "one stream", 1.0, Limit(200, at_least=True)) for ours in (200, 199)]
    assert [line.is_met for line in lines] == [True, False]
    assert report.goal(lines[0]) == "≥ 200/s"


def test_what_is_lost_once_counts_though_the_median_is_nothing() -> None:
    rows: list[Row] = [{"name": "gleitzeitd", "lost": lost} for lost in (0, 100, 0)]
    rows += [{"name": peer, "lost": 0} for peer in ("circus", "pm2")]
    [line] = [line for line in intake.lines(rows) if line.metric.startswith("lost")]
    assert (line.ours, line.theirs, line.is_met) == (100, 0, False)


def test_figures_show_the_digits_that_count() -> None:
    shown = [report.figure(value, "ms") for value in (1010.7, 23.84, 0.8, 1.0)]
    assert shown == ["1,011 ms", "23.8 ms", "0.8 ms", "1 ms"]
    assert report.figure(0.005) == "0.005"
    assert report.figure(None) == "not measured"


def test_the_median_of_all_rounds_is_compared() -> None:
    rows: list[Row] = [
        {"name": "gleitzeitd", "ms": [1.0, 3.0]},
        {"name": "pm2", "ms": [4.0]},
        {"name": "gleitzeitd", "ms": [2.0]},
    ]
    [line] = [line for line in respawn.lines(rows) if line.peer == "pm2" and line.goal]
    assert (line.ours, line.theirs, line.is_met) == (2.0, 4.0, True)


def test_every_benchmark_can_tell_that_nothing_was_measured() -> None:
    for benchmark in BENCHMARKS.values():
        assert {line.is_met for line in benchmark.lines([])} == {None}


def test_a_missed_goal_is_seen() -> None:
    table = report.table([Line("boot", "ms", 20.0, "supervisord", 10.0, Goal(1.0, "faster"))])
    assert table.splitlines()[-1] == "| boot | 20 ms | supervisord 10 ms | 2 | ≤ 1 (faster) | **no** |"


def test_only_the_block_between_the_marks_is_replaced() -> None:
    text = "# Head\n<!-- benchmarks -->\nold\n<!-- end benchmarks -->\ntail\n"
    new = report.replace_block(text, "| new |")
    assert new == "# Head\n<!-- benchmarks -->\n| new |\n<!-- end benchmarks -->\ntail\n"


def test_a_file_without_the_marks_is_left_alone() -> None:
    with pytest.raises(SystemExit, match="no block"):
        report.replace_block("# Head\n", "| new |")


def test_rows_are_kept_as_they_were(tmp_path: Path) -> None:
    rows: list[Row] = [{"name": "pm2", "ms": [1.5, 2.5]}, {"name": "circus", "ms": [3.0]}]
    report.keep(tmp_path / "results" / "respawn.jsonl", rows)
    assert report.kept(tmp_path / "results" / "respawn.jsonl") == rows


def test_a_plan_leaves_out_what_is_absent_or_not_asked_for() -> None:
    assert not Plan(absent=("pm2",)).wants("pm2")
    assert not Plan(only=("circus",)).wants("pm2")
    assert Plan().wants("pm2")
