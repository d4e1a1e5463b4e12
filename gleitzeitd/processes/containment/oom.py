"""Whether a process died for want of memory, as far as one can know."""

from __future__ import annotations

import contextlib
import re
import time
from functools import lru_cache

BY_GROUP = "out of memory: the kernel killed processes of it"
PERHAPS = "perhaps out of memory: the kernel has killed for want of memory since it was started"


def kills() -> int:
    """How many processes the kernel killed for want of memory on this machine, ever; 0 if it does not say."""
    # With ProcSubset=pid there is no such file.
    with contextlib.suppress(OSError), open("/proc/vmstat", "rb") as file:
        if counted := re.search(rb"^oom_kill (\d+)", file.read(), re.MULTILINE):
            return int(counted[1])
    return 0


def kills_lately() -> int:
    """The same, at most a second old: the kernel adds it up over all CPUs, and many may start at once."""
    return _kills_at(int(time.monotonic()))


@lru_cache(maxsize=1)
def _kills_at(_second: int) -> int:
    return kills()
