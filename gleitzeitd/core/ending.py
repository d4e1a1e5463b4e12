"""How a life ends, by itself, by us or by both, and what follows once nothing of it is left. Pure."""

from __future__ import annotations

from dataclasses import replace

from gleitzeitd.core.backoff import (
    counted,
    delay,
    excess,
    is_first_crash,
    is_mistake,
    knows_no_delay,
    succeeded,
)
from gleitzeitd.core.events import Drain, End, Examine, Kill, Terminate
from gleitzeitd.core.process import Phase, Process, State
from gleitzeitd.core.spec import Policy
from gleitzeitd.core.starting import Step, spawn, wait

REPLACE_GRACE = 2.0
"""Seconds between SIGTERM and SIGKILL for a process that failed: there is nothing to finish."""
KILL_AGAIN = 1.0
"""Seconds after which what survived SIGKILL is killed again."""
LOST_AFTER = 5.0
"""Seconds after the first SIGKILL when what still remains is called LOST."""

ASKED = "stop was asked for"


def hold(process: Process, now: float) -> Step:
    """A stop that waits, at the gate, until those who depend on it have stopped."""
    return replace(stopping(process, now), phase=Phase.HELD, wanted=False, reason=ASKED), ()


def stop(process: Process, now: float, drain_timeout: float | None = None) -> Step:
    """End it gently: what is in flight may finish, then it is asked to end."""
    ending = stopping(process, now)
    if not process.connected:
        return terminate(ending, now)
    timeout = process.rules.drain_timeout if drain_timeout is None else drain_timeout
    draining = replace(ending, phase=Phase.DRAINING, deadline=now + timeout)
    return draining, (Drain(process.generation, timeout),)


def hasten(process: Process, now: float) -> Process:
    """One that has long to drain, because it was replaced, has no longer than any other that is stopped."""
    if process.phase is not Phase.DRAINING or process.deadline is None:
        return process
    return replace(process, deadline=min(process.deadline, now + process.rules.drain_timeout))


def fail(process: Process, reason: str, now: float) -> Step:
    """End a life that is of no use, without drain: there is nothing it could finish."""
    if not _may_fail(process):
        return process, ()
    failed = replace(process, failure=reason, reason=reason)
    return terminate(stopping(failed, now), now, REPLACE_GRACE)


def outgrow(process: Process, reason: str, now: float) -> Step:
    """End a life that takes too much, but works: what is in flight may finish."""
    if not _may_fail(process):
        return process, ()
    return stop(replace(process, failure=reason, reason=reason), now)


def _may_fail(process: Process) -> bool:
    """Under `never` what is wrong with a RUNNING process only shows."""
    never = process.rules.policy is Policy.NEVER
    return process.state is State.STARTING or (process.state is State.RUNNING and not never)


def stopping(process: Process, now: float) -> Process:
    return replace(process, state=State.STOPPING, since=now, deadline=None, has_slot=False)


def terminate(process: Process, now: float, grace: float | None = None) -> Step:
    wait_for = process.rules.stop_timeout if grace is None else grace
    pressed = replace(process, phase=Phase.TERMINATING, deadline=now + wait_for)
    return pressed, (Terminate(process.generation),)


def press(process: Process, now: float) -> Step:
    """The next harder way to end it."""
    generation = process.generation
    match process.phase:
        case Phase.HELD:
            return stop(replace(process, reason=ASKED), now)
        case Phase.DRAINING:
            return terminate(process, now)
        case _:
            killed = _killing(process, now)
    if killed.killed_at is None or now - killed.killed_at < LOST_AFTER:
        return killed, (Kill(generation),)
    if killed.state is not State.LOST:
        killed = replace(killed, state=State.LOST, since=now, reason="something of it survives SIGKILL")
    return killed, (Kill(generation), Examine(generation))


def _killing(process: Process, now: float) -> Process:
    first = now if process.killed_at is None else process.killed_at
    return replace(process, phase=Phase.KILLING, deadline=now + KILL_AGAIN, killed_at=first)


def exited(process: Process, end: End, now: float) -> Process:
    """The process has ended; it is STOPPING until what it started is gone as well."""
    if process.state in (State.STOPPING, State.LOST):
        ended = process
    else:
        ended = replace(stopping(process, now), reason=str(end))
    return replace(_killing(ended, now), end=process.end or end, connected=False)


def settle(process: Process, now: float, *, mistake: bool = False) -> Step:
    """Nothing of the life is left: decide what comes next."""
    if not process.wanted:
        return rest(process, State.STOPPED, "", now), ()
    if process.afresh:
        return wait(process, now)
    return _after_failure(process, mistake or is_mistake(process), now)


def _after_failure(process: Process, mistake: bool, now: float) -> Step:
    policy = process.rules.policy
    reason = process.failure or str(process.end or "ended")
    if mistake:
        return rest(process, State.FATAL, reason, now), ()
    if policy is Policy.NEVER or (policy is Policy.ON_FAILURE and succeeded(process)):
        return rest(process, State.EXITED, reason, now), ()
    booked = replace(counted(process, now), reason=reason)
    if too_many := excess(booked):
        return _give_up(booked, f"gave up after {too_many}: {reason}", now), ()
    return _again(booked, now)


def _give_up(process: Process, reason: str, now: float) -> Process:
    """A limit is reached. It is tried again now and then: what was at fault may have mended itself."""
    every = process.rules.retry_fatal_every
    return replace(rest(process, State.FATAL, reason, now), deadline=now + every if every else None)


def _again(process: Process, now: float) -> Step:
    """Start again: at once after a first crash of what had been RUNNING, else after a growing delay."""
    again = replace(process, row=process.row + 1, restarts=process.restarts + 1)
    if is_first_crash(process):
        return spawn(again, now)
    if knows_no_delay(process):
        return wait(again, now)
    later = replace(process, row=process.row + 1, doublings=process.doublings + 1)
    return replace(rest(later, State.BACKOFF, process.reason, now), deadline=now + delay(process)), ()


def rest(process: Process, state: State, reason: str, now: float) -> Process:
    """A process of which nothing is there, in the given state."""
    at_rest = replace(process, state=state, since=now, deadline=None, pid=None, reason=reason)
    return replace(
        at_rest, phase=Phase.NONE, afresh=False, connected=False, missing=frozenset(), has_slot=False
    )


def forgiven(process: Process) -> Process:
    """A life that a person asked for starts with clean books."""
    return replace(process, attempts=0, row=0, doublings=0, failures=(), reason="")
