"""How much memory the processes of an instance have resident, and who is told when that is too much.

Pages that several of them share are counted for each: the proportional share of `smaps_rollup` would cost a
walk through all page tables at each look, and another user's processes do not show it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

import anyio

from gleitzeitd.processes.containment import strays

_PAGE = os.sysconf("SC_PAGE_SIZE")


def resident(pids: Iterable[int]) -> int:
    """Bytes that the living ones of them have resident."""
    return sum(map(_resident, pids))


def _resident(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            return int(file.read().split()[1]) * _PAGE
    except OSError:
        return 0


def family(leader: int) -> list[int]:
    """A process and all that descend from it. What lost its parent is not found from here."""
    return [leader, *(stat.pid for stat in strays.descendants((leader,)))]


async def watch_memory(
    limit: int, pids: Callable[[], Iterable[int]], told: Callable[[int], None], every: float = 2.0
) -> None:
    """Look until cancelled; tell how much it is whenever it was above the limit the look before, too.

    Between its fork and its exec a child counts for as much as its parent: one look is no proof.
    """
    was_above = False
    while True:
        await anyio.sleep(every)
        total = resident(pids())
        if was_above and total > limit:
            told(total)
        was_above = total > limit
