"""Whether a process died for want of memory, as far as one can know."""

from __future__ import annotations

import re
import time
from functools import lru_cache

BY_GROUP = "out of memory: the kernel killed processes of it"
PERHAPS = "perhaps out of memory: the kernel has killed for want of memory since it was started"


def kills() -> int:
    """How many processes the kernel killed for want of memory on this machine, ever."""
    with open("/proc/vmstat", "rb") as file:
        counted = re.search(rb"^oom_kill (\d+)", file.read(), re.MULTILINE)
    return int(counted[1]) if counted else 0


def kills_lately() -> int:
    """The same, at most a second old: the kernel adds it up over all CPUs, and many may start at once."""
    return _kills_at(int(time.monotonic()))


@lru_cache(maxsize=1)
def _kills_at(_second: int) -> int:
    return kills()
