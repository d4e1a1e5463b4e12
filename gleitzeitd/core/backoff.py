"""What a failure leads to: how it is counted, when it is too many, how long the next start waits. Pure."""

from __future__ import annotations

import zlib
from dataclasses import replace

from gleitzeitd.core.process import Process

SPAWN_PAUSE = 0.5
"""Seconds at least between two spawns when the first one failed."""
MISTAKES = frozenset({78, 126, 127})
"""Exit statuses that say the configuration is wrong: EX_CONFIG of sysexits.h, and a shell's two for a
command that cannot be executed or found."""


def is_mistake(process: Process) -> bool:
    """Whether its end says that only a human can mend it."""
    return not process.failure and process.end is not None and process.end.code in MISTAKES


def succeeded(process: Process) -> bool:
    return not process.failure and process.end is not None and process.end.code == 0


def counted(process: Process, now: float) -> Process:
    """The process with this failure in its books."""
    rules = process.rules
    recent = tuple(at for at in process.failures if now - at < rules.period)
    lasted = process.ready_at is not None and now - process.ready_at >= rules.reset_after
    return replace(
        process,
        failures=(*recent, now)[-rules.intensity - 1 :] if rules.intensity else (),
        attempts=process.attempts + (process.ready_at is None),
        row=0 if lasted else process.row,
        doublings=0 if lasted else process.doublings,
    )


def excess(process: Process) -> str:
    """Which limit is reached, as `3 starts in a row that never became ready`; nothing when none is."""
    rules = process.rules
    if rules.max_retry_attempts and process.attempts >= rules.max_retry_attempts:
        return f"{process.attempts} starts in a row that never became ready"
    if rules.intensity and len(process.failures) > rules.intensity:
        return f"{len(process.failures)} failures within {rules.period:g} s"
    return ""


def is_first_crash(process: Process) -> bool:
    """Whether a process that had become RUNNING ended, with no other failure lately: it is due at once."""
    return process.end is not None and process.row == 0 and process.ready_at is not None


def knows_no_delay(process: Process) -> bool:
    """Whether its rules want no delay. A spawn that fails takes no time at all: it has one all the same."""
    return process.end is not None and process.rules.initial == 0


def delay(process: Process) -> float:
    """Seconds before the next attempt: doubling, capped, spread by 20 % either way.

    The spread comes from name and generation, so that the function stays pure and neighbours differ.
    """
    rules = process.rules
    # A spawn that fails takes no time at all: without any delay it would be tried without end.
    initial = rules.initial if process.end is not None else max(rules.initial, SPAWN_PAUSE)
    exact = min(max(rules.max_delay, initial), initial * 2.0 ** min(process.doublings, 60))
    spread = zlib.crc32(f"{process.name}:{process.generation}".encode()) / 0xFFFFFFFF
    return exact * (0.8 + 0.4 * spread)
