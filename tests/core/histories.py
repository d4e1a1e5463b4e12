"""Lives told as data: what is told when, and what the process is then."""

from __future__ import annotations

from gleitzeitd.core.events import (
    Checked,
    Effect,
    Elapsed,
    End,
    Event,
    Exited,
    Gone,
    Opened,
    Registered,
    Spawned,
    Start,
)
from gleitzeitd.core.life import step
from gleitzeitd.core.process import Process, State
from gleitzeitd.core.spec import Rules

CLASS = Rules()
COMMAND = Rules(registers=False)
CHECKED = Rules(registers=False, checked=True)

Told = tuple[float, Event]
Happened = tuple[State, *tuple[Effect, ...]]


def play(process: Process, *told: Told) -> Process:
    """The process after all that."""
    for now, event in told:
        process, _ = step(process, event, now)
    return process


def history(process: Process, *told: Told) -> list[Happened]:
    """The state and the effects after each event."""
    happened = list[Happened]()
    for now, event in told:
        process, effects = step(process, event, now)
        happened.append((process.state, *effects))
    return happened


def new(rules: Rules, name: str = "p") -> Process:
    return Process(name, rules)


def started(rules: Rules, at: float = 0.0, name: str = "p") -> Process:
    """A process in its first life, which nothing is known of but its pid."""
    return play(new(rules, name), (at, Start()), (at, Opened()), (at, Spawned(1, 100)))


def up(rules: Rules, at: float = 0.0) -> Process:
    """A process that became RUNNING in its first life."""
    return ready(started(rules, at), at)


def ready(process: Process, now: float) -> Process:
    """The process after its next life began and brought the evidence that its rules ask for, if it may."""
    if process.state is State.WAITING:
        process = play(process, (now, Opened()))
    if process.state is not State.STARTING:
        return process
    rules, generation = process.rules, process.generation
    if rules.registers:
        process = play(process, (now, Registered(generation)))
    if rules.checked:
        process = play(process, (now, Checked(generation, True)))
    return play(process, (max(now, process.deadline or now), Elapsed()))


def ended(process: Process, now: float, code: int = 1) -> Process:
    """The process after its present life ended and nothing of it is left."""
    return play(process, (now, Exited(process.generation, End(code))), (now, Gone(process.generation)))


def retried(process: Process) -> Process:
    """The process after its pause is over and the gate let it go on."""
    assert process.deadline is not None
    return play(process, (process.deadline, Elapsed()), (process.deadline, Opened()))


def backed_off(rules: Rules) -> Process:
    return ended(started(rules), 1)


def fatal(rules: Rules) -> Process:
    """A process that only a human can mend."""
    return ended(started(rules), 1, 78)
