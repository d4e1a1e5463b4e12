"""What the benchmarks may kill, and what they can see of processes."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator

import pytest

from benchmarks.deaths import gone, kill_tick
from benchmarks.proc import cpu_ns, descendants, stat, usage


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def test_a_process_that_is_not_a_tick_is_never_killed(sleeper: subprocess.Popen[bytes]) -> None:
    kill_tick(sleeper.pid)
    time.sleep(0.05)
    assert sleeper.poll() is None


def test_a_descendant_is_seen_with_its_name(sleeper: subprocess.Popen[bytes]) -> None:
    assert dict(descendants([os.getpid()]))[sleeper.pid].comm == "sleep"


def test_a_supervisor_costs_what_it_and_its_helpers_cost(sleeper: subprocess.Popen[bytes]) -> None:
    cost = usage([os.getpid()])
    assert cost.processes >= 2
    assert cost.rss_mb > cost.pss_mb > 1
    assert cpu_ns(os.getpid()) > 0


def test_the_end_of_a_process_is_waited_for(sleeper: subprocess.Popen[bytes]) -> None:
    assert not gone([sleeper.pid], timeout=0.01)
    sleeper.kill()
    assert gone([sleeper.pid], timeout=5)
    sleeper.wait()
    assert stat(sleeper.pid) is None
