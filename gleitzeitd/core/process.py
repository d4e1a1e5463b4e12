"""The life of one process: every state it can be in and every way from one to the next.

Pure and total: `step` has an answer to any event in any state. Nothing here starts a process, reads a
clock or waits; a deadline is a field, and `Elapsed` says that it has passed.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from enum import StrEnum

from gleitzeitd.core.events import (
    Disconnected,
    Drain,
    Drained,
    Effect,
    Elapsed,
    End,
    Event,
    Exited,
    Failed,
    Gone,
    Kill,
    Ready,
    Restart,
    Spawn,
    Spawned,
    SpawnFailed,
    Start,
    Stop,
    Terminate,
)
from gleitzeitd.core.spec import Policy, Rules

RECONNECT_TIME = 5.0
"""Seconds that a provider may live without its connection before it is replaced."""
REPLACE_GRACE = 2.0
"""Seconds between SIGTERM and SIGKILL for a process that failed: there is nothing to finish."""
SPAWN_PAUSE = 0.5
"""Seconds at least between two spawns when the first one failed."""
KILL_AGAIN = 1.0
"""Seconds after which what survived SIGKILL is killed again."""
MISTAKES = frozenset({78, 126, 127})
"""Exit statuses that say the configuration is wrong: EX_CONFIG of sysexits.h, and a shell's two for a
command that cannot be executed or found."""


class State(StrEnum):
    STOPPED = "STOPPED"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    BACKOFF = "BACKOFF"
    STOPPING = "STOPPING"
    EXITED = "EXITED"
    FATAL = "FATAL"


MEANING = {
    State.STOPPED: "not wanted now, and nothing of it is left",
    State.STARTING: "spawned, not ready yet",
    State.RUNNING: "ready",
    State.BACKOFF: "failed; the next attempt has a time",
    State.STOPPING: "draining, then asked to end, then killed, until nothing of it is left",
    State.EXITED: "ended by itself and, by its policy, not restarted",
    State.FATAL: "a limit was reached, or a mistake only a human can mend",
}
AT_REST = frozenset({State.STOPPED, State.EXITED, State.FATAL})
"""The states that nothing but a want leaves."""


class Phase(StrEnum):
    """How far a STOPPING process has been pressed."""

    NONE = "none"
    DRAINING = "draining"
    TERMINATING = "terminating"
    KILLING = "killing"


@dataclass(frozen=True, slots=True)
class Process:
    """One instance: what it is, what is wanted of it, and what its past decides about its future."""

    name: str
    rules: Rules
    state: State = State.STOPPED
    wanted: bool = False
    since: float = 0.0
    deadline: float | None = None
    generation: int = 0
    pid: int | None = None
    reason: str = ""
    phase: Phase = Phase.NONE
    afresh: bool = False
    """The life that is being ended makes room for one that a person asked for."""
    ready_at: float | None = None
    """When this life became RUNNING first."""
    connected: bool = False
    end: End | None = None
    failure: str = ""
    """Why we are ending it, when it was for failing."""
    attempts: int = 0
    """Starts in a row that never became ready."""
    row: int = 0
    """Restarts in a row."""
    doublings: int = 0
    failures: tuple[float, ...] = ()
    restarts: int = 0
    """Restarts ever, for show."""

    @property
    def is_alive(self) -> bool:
        return self.state in (State.STARTING, State.RUNNING, State.STOPPING)


Step = tuple[Process, tuple[Effect, ...]]


def step(process: Process, event: Event, now: float) -> Step:
    """What the process is after `event`, and what is to be done."""
    match event:
        case Start():
            return _want_up(process, now)
        case Stop():
            return _want_down(process, now)
        case Restart():
            return _want_another(process, now)
        case Elapsed():
            if process.deadline is None or now < process.deadline:
                return process, ()
            return _elapsed(replace(process, deadline=None), now)
        case _ if event.generation != process.generation or not process.is_alive:
            return process, ()
        case Spawned(_, pid):
            return replace(process, pid=pid), ()
        case SpawnFailed(_, reason, mistake):
            return _settle(replace(process, failure=reason), now, mistake=mistake)
        case Ready():
            return _ready(process, now)
        case Disconnected():
            return _disconnected(process, now)
        case Failed(_, reason):
            return _fail(process, reason, now)
        case Drained():
            return _terminate(process, now) if process.phase is Phase.DRAINING else (process, ())
        case Exited(_, end):
            return _exited(process, end, now), ()
        case Gone():
            return _settle(process, now)


def _want_up(process: Process, now: float) -> Step:
    match process.state:
        case State.STARTING | State.RUNNING:
            return process, ()
        case State.STOPPING:
            # A life that is being replaced for failing keeps its place in the backoff.
            return replace(process, wanted=True, afresh=process.afresh or not process.wanted), ()
        case _:
            return _spawn(_forgiven(process), now)


def _want_down(process: Process, now: float) -> Step:
    match process.state:
        case State.STARTING | State.RUNNING:
            return _stop(replace(process, wanted=False, reason="stop was asked for"), now)
        case State.STOPPING if process.wanted:
            return replace(process, wanted=False, afresh=False), ()
        case State.STOPPING:
            return _press(process, now)
        case State.STOPPED:
            return process, ()
        case _:
            return _rest(replace(process, wanted=False), State.STOPPED, "", now), ()


def _want_another(process: Process, now: float) -> Step:
    match process.state:
        case State.STARTING | State.RUNNING:
            return _stop(replace(process, afresh=True, reason="restart was asked for"), now)
        case State.STOPPING:
            return replace(process, wanted=True, afresh=True), ()
        case _:
            return _spawn(_forgiven(process), now)


def _elapsed(process: Process, now: float) -> Step:
    match process.state:
        case State.BACKOFF:
            return _spawn(replace(process, restarts=process.restarts + 1), now)
        case State.STARTING if process.rules.registers:
            return _fail(process, f"did not register within {process.rules.connection_timeout:g} s", now)
        case State.STARTING:
            return _ready(process, now)
        case State.RUNNING:
            return _fail(process, f"lost its connection for {RECONNECT_TIME:g} s", now)
        case State.STOPPING:
            return _press(process, now)
        case _:
            return process, ()


def _spawn(process: Process, now: float) -> Step:
    generation = process.generation + 1
    rules = process.rules
    started = Process(
        name=process.name,
        rules=rules,
        state=State.STARTING,
        wanted=True,
        since=now,
        deadline=now + (rules.connection_timeout if rules.registers else rules.start_seconds),
        generation=generation,
        reason=process.reason,
        attempts=process.attempts,
        row=process.row,
        doublings=process.doublings,
        failures=process.failures,
        restarts=process.restarts,
    )
    return started, (Spawn(generation),)


def _ready(process: Process, now: float) -> Step:
    match process.state:
        case State.STARTING:
            return replace(
                process,
                state=State.RUNNING,
                since=now,
                deadline=None,
                ready_at=now,
                connected=process.rules.registers,
                attempts=0,
                reason="",
            ), ()
        case State.RUNNING:
            return replace(process, connected=True, deadline=None, reason=""), ()
        case _:
            return process, ()


def _disconnected(process: Process, now: float) -> Step:
    if process.phase is Phase.DRAINING:
        return _terminate(process, now)  # Nobody is left to drain.
    if process.state is not State.RUNNING or not process.connected:
        return process, ()
    lost = replace(process, connected=False, reason="its connection is lost")
    if process.rules.policy is Policy.NEVER:
        return lost, ()
    return replace(lost, deadline=now + RECONNECT_TIME), ()


def _fail(process: Process, reason: str, now: float) -> Step:
    """End a life that is of no use, without drain: there is nothing it could finish."""
    match process.state:
        case State.STARTING:
            pass
        case State.RUNNING if process.rules.policy is not Policy.NEVER:
            pass
        case _:
            return process, ()
    failed = replace(process, failure=reason, reason=reason)
    return _terminate(_stopping(failed, now), now, REPLACE_GRACE)


def _stop(process: Process, now: float) -> Step:
    if process.state is State.RUNNING and process.connected:
        draining = replace(
            _stopping(process, now), phase=Phase.DRAINING, deadline=now + process.rules.drain_timeout
        )
        return draining, (Drain(process.generation),)
    return _terminate(_stopping(process, now), now)


def _stopping(process: Process, now: float) -> Process:
    return replace(process, state=State.STOPPING, since=now, deadline=None)


def _terminate(process: Process, now: float, grace: float | None = None) -> Step:
    wait = process.rules.stop_timeout if grace is None else grace
    return replace(process, phase=Phase.TERMINATING, deadline=now + wait), (Terminate(process.generation),)


def _press(process: Process, now: float) -> Step:
    """The next harder way to end it."""
    if process.phase is Phase.DRAINING:
        return _terminate(process, now)
    return replace(process, phase=Phase.KILLING, deadline=now + KILL_AGAIN), (Kill(process.generation),)


def _exited(process: Process, end: End, now: float) -> Process:
    """The process has ended; it is STOPPING until what it started is gone as well."""
    ended = process if process.state is State.STOPPING else replace(_stopping(process, now), reason=str(end))
    return replace(ended, phase=Phase.KILLING, end=end, deadline=now + KILL_AGAIN, connected=False)


def _settle(process: Process, now: float, mistake: bool = False) -> Step:
    """Nothing of the life is left: decide what comes next."""
    if not process.wanted:
        return _rest(process, State.STOPPED, "", now), ()
    if process.afresh:
        return _spawn(_forgiven(process), now)
    reason = process.failure or str(process.end or "ended")
    mistake = mistake or (not process.failure and process.end is not None and process.end.code in MISTAKES)
    return _after_failure(process, reason, mistake, now)


def _after_failure(process: Process, reason: str, mistake: bool, now: float) -> Step:
    rules = process.rules
    succeeded = not process.failure and process.end is not None and process.end.code == 0
    if mistake:
        return _rest(process, State.FATAL, reason, now), ()
    if rules.policy is Policy.NEVER or (rules.policy is Policy.ON_FAILURE and succeeded):
        return _rest(process, State.EXITED, reason, now), ()
    counted = _counted(process, now)
    if rules.max_retry_attempts and counted.attempts >= rules.max_retry_attempts:
        times = f"{counted.attempts} starts in a row that never became ready"
        return _rest(counted, State.FATAL, f"gave up after {times}: {reason}", now), ()
    if rules.intensity and len(counted.failures) > rules.intensity:
        times = f"{len(counted.failures)} failures within {rules.period:g} s"
        return _rest(counted, State.FATAL, f"gave up after {times}: {reason}", now), ()
    return _again(replace(counted, reason=reason), now)


def _counted(process: Process, now: float) -> Process:
    """The process with this failure in its books."""
    rules = process.rules
    recent = tuple(at for at in process.failures if now - at < rules.period)
    lasted = process.ready_at is not None and now - process.ready_at >= rules.reset_after
    return replace(
        process,
        failures=(*recent, now) if rules.intensity else (),
        attempts=process.attempts + (process.ready_at is None),
        row=0 if lasted else process.row,
        doublings=0 if lasted else process.doublings,
    )


def _again(process: Process, now: float) -> Step:
    """Start again: at once after a first crash of what had been RUNNING, else after a growing delay."""
    next_in_row = replace(process, row=process.row + 1)
    at_once = process.row == 0 and process.ready_at is not None
    lived = process.end is not None
    if lived and (at_once or process.rules.initial == 0):
        return _spawn(replace(next_in_row, restarts=process.restarts + 1), now)
    waiting = replace(next_in_row, doublings=process.doublings + 1)
    return replace(_rest(waiting, State.BACKOFF, process.reason, now), deadline=now + _delay(process)), ()


def _delay(process: Process) -> float:
    """Seconds before the next attempt: doubling, capped, spread by 20 % either way.

    The spread comes from name and generation, so that the function stays pure and neighbours differ.
    """
    rules = process.rules
    # A spawn that fails takes no time at all: without any delay it would be tried without end.
    initial = rules.initial if process.end is not None else max(rules.initial, SPAWN_PAUSE)
    exact = min(max(rules.max_delay, initial), initial * 2.0 ** min(process.doublings, 60))
    spread = zlib.crc32(f"{process.name}:{process.generation}".encode()) / 0xFFFFFFFF
    return exact * (0.8 + 0.4 * spread)


def _rest(process: Process, state: State, reason: str, now: float) -> Process:
    """A process that is not alive, in the given state."""
    return replace(
        process,
        state=state,
        since=now,
        deadline=None,
        pid=None,
        phase=Phase.NONE,
        afresh=False,
        connected=False,
        reason=reason,
    )


def _forgiven(process: Process) -> Process:
    """A life that a person asked for starts with clean books."""
    return replace(process, attempts=0, row=0, doublings=0, failures=(), reason="")
