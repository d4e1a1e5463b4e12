"""The life of one process: every way from one state to the next.

Pure and total: `step` has an answer to any event in any state. Nothing here starts a process, reads a
clock or waits; a deadline is a field, and `Elapsed` says that it has passed.
"""

from __future__ import annotations

from dataclasses import replace

from gleitzeitd.core import starting
from gleitzeitd.core.ending import (
    ASKED,
    exited,
    fail,
    forgiven,
    hasten,
    hold,
    outgrow,
    press,
    rest,
    settle,
    stop,
    terminate,
)
from gleitzeitd.core.events import (
    Checked,
    Disconnected,
    Drained,
    Elapsed,
    Event,
    Exited,
    Fact,
    Failed,
    Gone,
    Held,
    Opened,
    Outgrew,
    Registered,
    Remain,
    Renew,
    Restart,
    Retire,
    Revise,
    Said,
    Spawned,
    SpawnFailed,
    Start,
    Stop,
)
from gleitzeitd.core.process import Phase, Process, State
from gleitzeitd.core.starting import RECONNECT_TIME, Step, run, spawn, wait


def step(process: Process, event: Event, now: float) -> Step:
    """What the process is after `event`, and what is to be done."""
    match event:
        case Start():
            return _want_up(process, now)
        case Stop(hurries):
            return _want_down(process, hurries, now)
        case Restart():
            return _want_another(_pardoned(process), "restart was asked for", now)
        case Renew(reason):
            runs = process.state in (State.STARTING, State.RUNNING)
            return _want_another(process, reason, now) if runs else (process, ())
        case Revise(reason):
            return _want_another(_pardoned(process), reason, now) if process.wanted else (process, ())
        case Retire(drain_timeout, reason):
            return _want_gone(process, drain_timeout, reason, now)
        case Held(reason):
            return _held(process, reason), ()
        case Opened():
            return _opened(process, now)
        case Elapsed():
            if process.deadline is None or now < process.deadline:
                return process, ()
            return _elapsed(replace(process, deadline=None), now)
        case _ if event.generation != process.generation or not process.is_alive:
            return process, ()
        case _:
            return _found(process, event, now)


def _found(process: Process, fact: Fact, now: float) -> Step:
    """What a fact about the present life changes."""
    match fact:
        case Spawned(_, pid):
            return replace(process, pid=pid), ()
        case SpawnFailed(_, reason, mistake):
            return settle(replace(process, failure=reason), now, mistake=mistake)
        case Registered(_, ready):
            return starting.registered(process, ready, now)
        case Said(_, ready, reason):
            return starting.said(process, ready, reason, now)
        case Checked(_, ready, reason):
            return starting.checked(process, ready, reason, now)
        case Disconnected():
            # Without its connection nobody is left to drain.
            alone, _ = starting.disconnected(process, now)
            return terminate(alone, now) if process.phase is Phase.DRAINING else (alone, ())
        case Failed(_, reason):
            # What has yet to become ready has its own bound.
            return fail(process, reason, now) if process.state is State.RUNNING else (process, ())
        case Outgrew(_, reason):
            return outgrow(process, reason, now)
        case Drained():
            return terminate(process, now) if process.phase is Phase.DRAINING else (process, ())
        case Exited(_, end):
            return exited(process, end, now), ()
        case Remain(_, what):
            lost = process.state is State.LOST
            return replace(process, reason=f"survives SIGKILL: {what}") if lost else process, ()
        case Gone():
            return settle(process, now)


def _want_up(process: Process, now: float) -> Step:
    match process.state:
        case State.STARTING | State.RUNNING:
            return process, ()
        case State.WAITING:
            return _pardoned(process), ()
        case State.STOPPING | State.LOST:
            return replace(_pardoned(process), wanted=True, afresh=True), ()
        case _:
            return wait(forgiven(process), now)


def _want_down(process: Process, hurries: bool, now: float, reason: str = ASKED) -> Step:
    match process.state:
        case State.STARTING | State.RUNNING:
            return hold(process, now)
        case State.STOPPING | State.LOST if process.wanted:
            return replace(process, wanted=False, afresh=False, reason=reason), ()
        case State.STOPPING | State.LOST:
            return press(process, now) if hurries else (hasten(process, now), ())
        case State.STOPPED:
            return process, ()
        case _:
            return rest(replace(process, wanted=False), State.STOPPED, "", now), ()


def _want_gone(process: Process, drain_timeout: float, reason: str, now: float) -> Step:
    """Down, and nobody who depends on it has to stop before: another is there for them."""
    if process.state in (State.STARTING, State.RUNNING):
        return stop(replace(process, wanted=False, reason=reason), now, drain_timeout)
    return _want_down(process, False, now, reason)


def _want_another(process: Process, reason: str, now: float) -> Step:
    match process.state:
        case State.STARTING | State.RUNNING:
            return stop(replace(process, afresh=True, reason=reason), now)
        case _:
            return _want_up(process, now)


def _pardoned(process: Process) -> Process:
    """With clean books for the next life, as a person asked for it; this one still has its reason."""
    return replace(forgiven(process), reason=process.reason)


def _held(process: Process, reason: str) -> Process:
    waits = process.state is State.WAITING or process.phase is Phase.HELD
    return replace(process, reason=reason) if waits else process


def _opened(process: Process, now: float) -> Step:
    if process.state is State.WAITING:
        return spawn(process, now, has_slot=True)
    return press(process, now) if process.phase is Phase.HELD else (process, ())


def _elapsed(process: Process, now: float) -> Step:
    match process.state:
        case State.BACKOFF | State.FATAL:
            return wait(replace(process, restarts=process.restarts + 1), now)
        case State.STARTING if late := starting.overdue(process):
            return fail(process, late, now)
        case State.STARTING:
            return run(process, now)
        case State.RUNNING:
            return fail(process, f"lost its connection for {RECONNECT_TIME:g} s", now)
        case State.STOPPING | State.LOST:
            return press(process, now)
        case _:
            return process, ()
