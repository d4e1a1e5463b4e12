"""Open files: more for the daemon, the usual for its children, and some that nobody takes."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
from collections.abc import Iterator

import pytest

from gleitzeitd.core.spec import Identity, Limits
from gleitzeitd.processes.child import Child, Launch
from gleitzeitd.processes.containment import descriptors
from gleitzeitd.processes.containment.enclosure import Enclosure
from tests.processes.enclosed import ENVIRONMENT, lives
from tests.processes.waiting import eventually_here

pytestmark = pytest.mark.anyio


@pytest.fixture
def soft() -> Iterator[int]:
    """We were started with a soft limit that is below the hard one."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1000, before[1]))
    yield 1000
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def test_the_daemon_may_open_more_and_its_children_what_it_could(soft: int) -> None:
    """Broken once by letting them inherit ours: programs that use select() die of large numbers."""
    assert descriptors.raise_own_limit() == soft
    ours, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert ours == min(hard, descriptors.MOST) > soft

    launch = Launch(("sleep", "1000"), ENVIRONMENT, "1:1:p:1")
    async with lives(launch, Enclosure(nofile=soft)) as child:
        assert resource.prlimit(child.pid, resource.RLIMIT_NOFILE) == (soft, hard)


async def test_a_limit_of_its_own_is_not_overwritten(soft: int) -> None:
    launch = Launch(("sleep", "1000"), ENVIRONMENT, "1:1:p:1", limits=Limits(nofile=77))
    async with lives(launch, Enclosure(nofile=soft)) as child:
        await eventually_here(lambda: resource.prlimit(child.pid, resource.RLIMIT_NOFILE) == (77, 77))


@pytest.mark.parametrize("identity", [Identity(), Identity(nice=1)], ids=["plain", "launcher"])
async def test_the_last_descriptors_are_not_for_children(soft: int, identity: Identity) -> None:
    """Broken once by taking what there was: nothing was left to answer with."""
    launch = Launch(("true",), ENVIRONMENT, "1:1:p:1", stdin=b"secret", identity=identity)
    with contextlib.ExitStack() as taken:
        while (newest := os.open("/dev/null", os.O_RDONLY)) < soft - descriptors.RESERVE - 2:
            taken.callback(os.close, newest)
        taken.callback(os.close, newest)
        before, siblings = len(os.listdir("/proc/self/fd")), set[int]()
        with pytest.raises(OSError, match="Too many open files") as refused:
            Child(launch, siblings)

        assert refused.value.errno == errno.EMFILE
        assert len(os.listdir("/proc/self/fd")) == before
        assert siblings == set()
        with contextlib.ExitStack() as left:
            for _ in range(descriptors.RESERVE):
                left.callback(os.close, os.open("/dev/null", os.O_RDONLY))
    async with lives(launch):
        pass
