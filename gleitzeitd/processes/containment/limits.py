"""Which limits a cgroup enforces, and what is said about those that it cannot enforce here."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import structlog

from gleitzeitd.core.spec import Limits, Spec
from gleitzeitd.processes.containment import cgroup

log = structlog.get_logger("gleitzeitd")
PERIOD = 100_000
"""Microseconds over which the use of CPUs is measured: the kernel's own."""
CONTROLLERS = {"memory": "memory", "processes": "pids", "cpu": "cpu"}
"""Which controller enforces a limit."""


def settings(limits: Limits) -> Iterator[tuple[str, str]]:
    """The files of a cgroup that say these limits, and what has to be in them."""
    if limits.memory is not None:
        yield "memory.max", str(limits.memory)
        # Half of a program that was killed is of no use to anybody.
        yield "memory.oom.group", "1"
    if limits.processes is not None:
        yield "pids.max", str(limits.processes)
    if limits.cpu is not None:
        yield "cpu.max", f"{max(1000, round(limits.cpu * PERIOD))} {PERIOD}"


def enforce(specs: Iterable[Spec], home: Path | None, why_none: str = "") -> None:
    """Have the kernel enforce what the specs want; say once for each limit where that cannot be.

    `home` is the daemon's directory of cgroups, or None and why there is none. The daemon moves into a leaf
    of its own when the kernel wants that: only a cgroup without processes may distribute resources.
    """
    wanted = [(spec, limit) for spec in specs for limit in _wanted(spec.limits)]
    refused = {
        controller: why_none if home is None else enable(home, controller)
        for controller in dict.fromkeys(CONTROLLERS[limit] for _, limit in wanted)
    }
    for spec, limit in wanted:
        if why := refused[CONTROLLERS[limit]]:
            log.warning(f'limits.{limit} of "{spec.name}" is not enforced here: {why}')


def _wanted(limits: Limits) -> Iterator[str]:
    return (limit for limit in CONTROLLERS if getattr(limits, limit) is not None)


def enable(home: Path, controller: str) -> str:
    """Let the cgroups in `home` have a controller; why that cannot be, or nothing."""
    if controller not in words(home.parent / "cgroup.controllers"):
        return f"the cgroup {home.parent} has no {controller} controller (systemd: Delegate=yes)"
    try:
        if controller not in words(home.parent / "cgroup.subtree_control"):
            _enable_above(home, controller)
        cgroup.write(home / "cgroup.subtree_control", f"+{controller}")
    except OSError as exc:
        return f"the {controller} controller of the cgroup {home.parent} cannot be used: {exc.strerror}"
    return ""


def _enable_above(home: Path, controller: str) -> None:
    try:
        cgroup.write(home.parent / "cgroup.subtree_control", f"+{controller}")
    except OSError:
        leaf = home / cgroup.DAEMON
        leaf.mkdir(exist_ok=True)
        cgroup.write(leaf / "cgroup.procs", str(os.getpid()))
        cgroup.write(home.parent / "cgroup.subtree_control", f"+{controller}")


def release(home: Path) -> None:
    """Leave the leaf again, so that it can be removed; the cgroup above is then as it was."""
    if not (home / cgroup.DAEMON).exists():
        return
    for directory in (home, home.parent):
        for controller in words(home / "cgroup.controllers"):
            with contextlib.suppress(OSError):
                cgroup.write(directory / "cgroup.subtree_control", f"-{controller}")
    with contextlib.suppress(OSError):
        cgroup.write(home.parent / "cgroup.procs", str(os.getpid()))


def words(path: Path) -> list[str]:
    """Those in a file; none when it cannot be read."""
    with contextlib.suppress(OSError):
        return path.read_text().split()
    return []
