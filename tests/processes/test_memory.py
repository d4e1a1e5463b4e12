"""How much real processes have resident, and when that is too much."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import anyio
import pytest
from anyio.lowlevel import checkpoint

from gleitzeitd.processes.containment.strays import Stat
from gleitzeitd.processes.memory import family, resident, watch_memory
from tests.house import eventually

pytestmark = pytest.mark.anyio

MEGABYTE = 1_000_000
NOBODY = 2**22 + 1


@contextmanager
def large(megabytes: int) -> Iterator[int]:
    """A process that has so much resident, and little else."""
    script = f"kept = b'x' * {megabytes * MEGABYTE}; print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-ISc", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
        process.kill()


def test_what_is_touched_counts() -> None:
    with large(1) as small, large(51) as big:
        assert 45 * MEGABYTE < resident([big]) - resident([small]) < 55 * MEGABYTE
        assert resident([small, big]) == resident([small]) + resident([big])


def test_who_is_gone_or_dead_has_nothing() -> None:
    with subprocess.Popen(["true"]) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert resident([process.pid, NOBODY]) == 0


FAMILY = """
import subprocess, threading
def keep():
    subprocess.run(["sh", "-c", "setsid sh -c 'sleep 1000 & wait' & wait"])
threading.Thread(target=keep).start()
"""


def test_a_family_is_all_that_descend_in_whatever_session() -> None:
    with subprocess.Popen([sys.executable, "-ISc", FAMILY]) as process:
        try:
            # Python, a shell, a shell in another session, and a sleep.
            eventually(lambda: len(family(process.pid)) == 4 and len(sessions(process.pid)) == 2)
        finally:
            for pid in family(process.pid):
                os.kill(pid, signal.SIGKILL)
    assert family(NOBODY) == [NOBODY]


def sessions(leader: int) -> set[int]:
    return {stat.session for pid in family(leader) if (stat := Stat.of(pid)) is not None}


class Sizes:
    """An instance whose size, counted in pages of this process, is another one at each look."""

    def __init__(self, *looks: int) -> None:
        self._looks = iter(looks)
        self.is_over = anyio.Event()

    def __call__(self) -> list[int]:
        for size in self._looks:
            return [os.getpid()] * size
        self.is_over.set()
        return []


async def told(*looks: int) -> int:
    """How often an instance was told to be larger than two of this process."""
    sizes, heard = Sizes(*looks), list[int]()
    # This process does not become half as large or twice as large meanwhile.
    limit = int(2.5 * resident([os.getpid()]))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch_memory, limit, sizes, heard.append, 0)
        with anyio.fail_after(20):
            await sizes.is_over.wait()
        tasks.cancel_scope.cancel()
    assert all(total > limit for total in heard)
    return len(heard)


async def test_who_stays_within_its_limit_is_left_alone() -> None:
    assert await told(1, 2, 2, 1, 0) == 0


async def test_who_stays_above_its_limit_is_told_of_until_it_ends() -> None:
    assert await told(1, 4, 4, 4, 1) == 2


async def test_one_look_is_no_proof() -> None:
    """Broken once by telling at once: a fork that was about to execute another program counted twice."""
    assert await told(4, 1, 4, 1, 4) == 0


async def test_it_waits_between_two_looks() -> None:
    looks = list[int]()

    def look() -> list[int]:
        looks.append(1)
        return []

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch_memory, 1, look, lambda _: None, 1000.0)
        for _ in range(50):
            await checkpoint()
        tasks.cancel_scope.cancel()
    assert looks == []
