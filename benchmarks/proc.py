"""What /proc tells about processes: what they are, who started them and what they cost."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

TICK = "tick"
GONE = (FileNotFoundError, ProcessLookupError)


class Stat(NamedTuple):
    comm: str
    state: str
    parent: int


def stat(pid: int) -> Stat | None:
    """What `pid` is, or None when there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except GONE:
        return None
    end = text.rindex(")")
    state, parent = text[end + 2 :].split()[:2]
    return Stat(text[text.index("(") + 1 : end], state, int(parent))


def descendants(roots: Iterable[int]) -> Iterator[tuple[int, Stat]]:
    children: dict[int, list[tuple[int, Stat]]] = defaultdict(list)
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (is_ := stat(int(entry))):
            children[is_.parent].append((int(entry), is_))
    todo = list(roots)
    while todo:
        for pid, is_ in children[todo.pop()]:
            yield pid, is_
            todo.append(pid)


def ticks(roots: Iterable[int]) -> list[int]:
    """The benchmarks' children among what `roots` have started."""
    return [pid for pid, is_ in descendants(roots) if is_.comm == TICK]


class Usage(NamedTuple):
    """What processes hold and have used up to now."""

    processes: int
    rss_mb: float
    pss_mb: float
    cpu_s: float
    switches: int


def usage(roots: Iterable[int]) -> Usage:
    """The cost of a supervisor: of the roots and all they started, without the benchmarks' children."""
    roots = list(roots)
    own = roots + [pid for pid, is_ in descendants(roots) if is_.comm != TICK and is_.state != "Z"]
    costs = [_cost(pid) for pid in own]
    return Usage(
        len(costs),
        sum(cost.rss_mb for cost in costs),
        sum(cost.pss_mb for cost in costs),
        sum(cost.cpu_s for cost in costs),
        sum(cost.switches for cost in costs),
    )


def _cost(pid: int) -> Usage:
    try:
        memory = _fields(f"/proc/{pid}/smaps_rollup")
        tasks = [_fields(f"/proc/{pid}/task/{task}/status") for task in os.listdir(f"/proc/{pid}/task")]
    except GONE:
        return Usage(0, 0.0, 0.0, 0.0, 0)
    switches = sum(task["voluntary_ctxt_switches"] + task["nonvoluntary_ctxt_switches"] for task in tasks)
    return Usage(1, memory["Rss"] / 1024, memory["Pss"] / 1024, cpu_ns(pid) / 1e9, switches)


def _fields(path: str) -> dict[str, int]:
    lines = (line.partition(":") for line in Path(path).read_text().splitlines())
    return {
        key: int(value.split()[0])
        for key, _, value in lines
        if value.split()[:1] and value.split()[0].isdigit()
    }


def cpu_ns(pid: int) -> int:
    """The processor time of all threads of `pid`, to the nanosecond."""
    total = 0
    with suppress(*GONE):
        for task in os.listdir(f"/proc/{pid}/task"):
            total += int(Path(f"/proc/{pid}/task/{task}/schedstat").read_text().split()[0])
    return total


def is_tick(pid: int) -> bool:
    return (is_ := stat(pid)) is not None and is_.comm == TICK and is_.state != "Z"
