"""What leads where in the life of a process: asked of `step` itself, for one process of each kind."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from gleitzeitd.core.ending import KILL_AGAIN, LOST_AFTER
from gleitzeitd.core.events import (
    Checked,
    Disconnected,
    Drained,
    Effect,
    Elapsed,
    End,
    Event,
    Exited,
    Failed,
    Gone,
    Opened,
    Outgrew,
    Registered,
    Renew,
    Restart,
    Retire,
    Revise,
    Said,
    SpawnFailed,
    Start,
    Stop,
)
from gleitzeitd.core.life import step
from gleitzeitd.core.process import Need, Process, State
from gleitzeitd.core.spec import Policy, Rules

CLASS, COMMAND, CHECKED = Rules(), Rules(registers=False), Rules(checked=True)
NEVER, ON_FAILURE = Rules(policy=Policy.NEVER), Rules(policy=Policy.ON_FAILURE)
SPAWNED = (Start(), Opened())
UP = (*SPAWNED, Registered(1))
STOPPED = (*UP, Stop())
FAILED = Exited(1, End(1))
SURVIVED: tuple[Event, ...] = (Elapsed(),) * round(LOST_AFTER / KILL_AGAIN)

WHEN: dict[Event, str] = {
    Start(): "start",
    Restart(): "restart",
    Renew("its schedule"): "`restart_schedule`",
    Revise("its settings"): "its settings change",
    Stop(): "stop",
    Retire(600.0): "another takes its place",
    Opened(): "the gate opens",
    Elapsed(): "its time is over",
    Registered(1): "it registers",
    Said(1, True): "it says that it is ready",
    Said(1, False): "it says that it is not ready",
    Checked(1, True): "its ready check passes",
    Checked(1, False): "its ready check fails",
    Disconnected(1): "its connection is lost",
    Failed(1, "its health"): "its health checks fail",
    Outgrew(1, "its memory"): "it uses more than it may",
    Drained(1): "its calls have ended",
    FAILED: "it ends by itself",
}
"""What may happen. What follows when nothing is left of a life stands in a table of its own."""
DOES = {
    "Spawn": "spawn",
    "Drain": "let its calls end",
    "Terminate": "ask it to end",
    "Kill": "kill all of it",
    "Examine": "find out what remains",
}
LACKS = {
    Need.REGISTRATION: "not connected",
    Need.WORD: "not ready by its own word",
    Need.CHECK: "ready check not passed",
}


def after(*events: Event, rules: Rules = CLASS) -> Process:
    """The process to which all that happened, with no pause but those that `Elapsed` ends."""
    process, now = Process("p", rules), 0.0
    for event in events:
        now = process.deadline or now if isinstance(event, Elapsed) else now
        process, _ = step(process, event, now)
    return process


PROCESSES = (
    after(),
    after(Start()),
    after(*SPAWNED),
    after(*SPAWNED, Registered(1, ready=False)),
    after(*UP, rules=CHECKED),
    after(*SPAWNED, rules=COMMAND),
    after(*UP),
    after(*UP, Disconnected(1)),
    after(*UP, Said(1, False)),
    after(*UP, Checked(1, True), Checked(1, False), rules=CHECKED),
    after(*SPAWNED, FAILED, Gone(1)),
    after(*STOPPED),
    after(*STOPPED, Opened()),
    after(*STOPPED, Opened(), Drained(1)),
    after(*STOPPED, *[Stop()] * 3),
    after(*STOPPED, FAILED, *SURVIVED[1:]),
    after(*UP, FAILED, Gone(1), rules=NEVER),
    after(*SPAWNED, FAILED, Gone(1), rules=Rules(max_retry_attempts=1)),
    after(*STOPPED, FAILED, *SURVIVED),
)
"""One of each kind that differs in what may come next, in the order of their states."""
ENDINGS = {
    "stop was asked for": after(*STOPPED, FAILED),
    "another took its place": after(*UP, Retire(600.0), FAILED),
    "start or restart was asked for during the stop": after(*STOPPED, Start(), FAILED),
    "its settings changed": after(*UP, Revise("its settings"), FAILED),
    "the first failure in a row, after a life that became RUNNING": after(*UP, FAILED),
    "another failure": after(*UP, FAILED, Gone(1), Registered(2), Exited(2, End(1))),
    "a failure before it became RUNNING": after(*SPAWNED, FAILED),
    "the spawn failed": after(*SPAWNED, SpawnFailed(1, "no memory", mistake=False)),
    "a failure that reaches a limit": after(*SPAWNED, FAILED, rules=Rules(max_retry_attempts=1)),
    "a mistake, as exit status 78, 126 or 127": after(*UP, Exited(1, End(78))),
    "exit status 0 under `on-failure`": after(*UP, Exited(1, End(0)), rules=ON_FAILURE),
    "any end but a mistake under `never`": after(*UP, FAILED, rules=NEVER),
}


def ways() -> Iterator[tuple[str, str, str, str]]:
    """From where, when, to where, and what is done. Equal ways are one row; no change is none."""
    for state in State:
        kinds = [process for process in PROCESSES if process.state is state]
        sources = defaultdict[tuple[str, str, str], list[str]](list)
        for event, when in WHEN.items():
            for process in kinds:
                now = process.deadline if isinstance(event, Elapsed) else None
                changed, effects = step(process, event, now or process.since)
                if effects or shown(changed) != shown(process):
                    sources[when, shown(changed), does(effects)].append(kind(process))
        whens = defaultdict[tuple[str, str, str], list[str]](list)
        for (when, target, done), found in sources.items():
            source = str(state) if len(found) == len(kinds) else f"{state} ({'; '.join(found)})"
            whens[source, target, done].append(when)
        for (source, target, done), told in whens.items():
            yield source, ", ".join(told), target, done


def kind(process: Process) -> str:
    """What distinguishes two processes in the same state."""
    if process.state is State.STOPPING:
        killed_at, deadline = process.killed_at, process.deadline
        survives = killed_at is not None and deadline is not None and deadline - killed_at >= LOST_AFTER
        return f"{process.phase} for {LOST_AFTER:g} s" if survives else str(process.phase)
    if process.missing:
        return " and ".join(LACKS[need] for need in sorted(process.missing))
    return "ready" if process.is_ready else "only time is missing"


def shown(process: Process) -> str:
    """The state, as far as others see it."""
    if process.state is State.STOPPING:
        return f"STOPPING ({process.phase})"
    unready = process.state is State.RUNNING and not process.is_ready
    return "RUNNING (not ready)" if unready else str(process.state)


def does(effects: tuple[Effect, ...]) -> str:
    return ", ".join(DOES[type(effect).__name__] for effect in effects)


def endings() -> Iterator[tuple[str, str, str]]:
    """What a life leads to once nothing is left of it."""
    for what, process in ENDINGS.items():
        rested, effects = step(process, Gone(process.generation), process.since)
        yield what, _fate(rested), does(effects)


def _fate(process: Process) -> str:
    if process.state is not State.FATAL:
        return str(process.state)
    tried_again = process.deadline is not None
    return "FATAL, tried again every `retry_fatal_every`" if tried_again else "FATAL, until it is started"
