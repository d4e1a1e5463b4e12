"""start, stop and restart: say what is wanted, and wait until it is true."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import anyio

from gleitzeitd.control.evidence import evidence_against, evidence_of, reason_of
from gleitzeitd.control.names import chosen, providers_of
from gleitzeitd.core.events import Event, Restart, Start, Stop
from gleitzeitd.core.gates import is_up
from gleitzeitd.core.outlook import outlook
from gleitzeitd.core.process import AT_REST, Process, State
from gleitzeitd.processes.changes import Change, Changes
from gleitzeitd.processes.instance import Instance
from gleitzeitd.processes.supervisor import Supervisor

TAKEN_UP = 0.5
"""Seconds in which a want is taken up, so that who does not wait is told what it changed at once."""
View = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Order:
    """A want, and how one sees that it came true or never will."""

    want: Event
    aside: Event
    """What is wanted of those that go along."""
    true: Callable[[Process, Process], bool]
    """Whether it is so, of the process now and as it was before."""
    vain: Callable[[Process, Process], bool]
    along: Callable[[Supervisor, list[str]], list[str]]
    """The providers that go along with these instances, in the order in which they go."""


def _came_up(now: Process, before: Process) -> bool:
    return now.state is State.RUNNING or (_did_its_work(now) and _is_of_this_attempt(now, before))


def _came_up_anew(now: Process, before: Process) -> bool:
    return _came_up(now, before) and now.generation > before.generation


def _did_its_work(process: Process) -> bool:
    return process.state is State.EXITED and is_up(process)


def _gave_up(now: Process, before: Process) -> bool:
    return now.state in AT_REST and (_is_of_this_attempt(now, before) or now.state is State.STOPPED)


def _is_of_this_attempt(now: Process, before: Process) -> bool:
    """Whether its rest came of the start: of a new life, or of one that was starting already."""
    return now.generation > before.generation or before.state not in AT_REST


def _with_what_they_need(supervisor: Supervisor, names: list[str]) -> list[str]:
    """What they need and is down goes up first."""
    providers = dict.fromkeys(supervisor.instances[name].spec.name for name in names)
    needed = reversed(supervisor.order.needed(providers))
    return [name for name in needed if all(_is_down(i.process) for i in supervisor.of(name))]


def _is_down(process: Process) -> bool:
    return not process.wanted or (process.state in AT_REST and not is_up(process))


def _with_dependents(supervisor: Supervisor, names: list[str]) -> list[str]:
    """Who needs them goes down first, where all of a provider goes down."""
    dependents = reversed(supervisor.order.dependents(providers_of(supervisor, names)))
    return [name for name in dependents if any(i.process.state not in AT_REST for i in supervisor.of(name))]


ORDERS = {
    "start": Order(Start(), Start(), _came_up, _gave_up, _with_what_they_need),
    "stop": Order(
        Stop(),
        Stop(hurries=False),
        lambda now, _: now.state is State.STOPPED,
        lambda now, _: now.state is State.LOST,
        _with_dependents,
    ),
    "restart": Order(Restart(), Start(), _came_up_anew, _gave_up, _with_what_they_need),
}


async def steer(
    supervisor: Supervisor, action: str, names: Iterable[str], *, patience: float | None
) -> list[View]:
    """Say what is wanted and wait for it, at most `patience` seconds; one result an instance.

    A stop takes along, and lists first, who depends on what is stopped; a start what it depends on, where
    that is down. Without patience the wish alone is a success. Raises CallError, before anything is done,
    for an unknown name.
    """
    order = ORDERS[action]
    asked = chosen(supervisor, names)
    along = chosen(supervisor, order.along(supervisor, asked))
    going = list(dict.fromkeys([*along, *asked]))
    before = {name: supervisor.instances[name].process for name in going}
    for name in going:
        supervisor.tell(name, order.want if name in asked else order.aside)

    def settled(name: str) -> bool:
        if name not in supervisor.instances:
            return True
        now = supervisor.instances[name].process
        return supervisor.is_idle and (order.true(now, before[name]) or order.vain(now, before[name]))

    if patience is None:
        with anyio.move_on_after(TAKEN_UP):
            await supervisor.until(lambda: supervisor.is_idle)
    else:
        with anyio.move_on_after(patience):
            await supervisor.until(lambda: all(settled(name) for name in going))
    return [
        _result(supervisor, name, order, before[name], patience is not None, settled(name)) for name in going
    ]


async def roll(
    supervisor: Supervisor, changes: Changes, names: Iterable[str], *, patience: float | None
) -> list[View]:
    """Replace all lives of these providers, each with a new one that is ready first where that can be.

    What is down is started. Raises CallError for an unknown name.
    """
    asked = chosen(supervisor, names)
    down = [name for name in asked if not supervisor.instances[name].process.wanted]
    providers = dict.fromkeys(supervisor.instances[name].spec.name for name in asked if name not in down)
    begun = [change for provider in providers if (change := changes.renew(provider))]
    deadline = math.inf if patience is None else anyio.current_time() + patience
    results = await steer(supervisor, "start", down, patience=patience) if down else []
    if patience is not None:
        with anyio.CancelScope(deadline=deadline):
            for change in begun:
                await change.done.wait()
    return results + [
        _rolled(instance, change, patience is not None)
        for change in begun
        for instance in supervisor.of(change.provider)
        if instance.name not in down
    ]


def _rolled(instance: Instance, change: Change, waited: bool) -> View:
    result = _told(instance)
    if not waited or (change.done.is_set() and not change.failure):
        return {**result, "ok": True}
    if change.done.is_set():
        evidence = evidence_against(change, [instance])
        return {
            **result,
            "ok": False,
            "reason": f"the new life failed: {change.failure}",
            "evidence": evidence,
        }
    return _late(instance, result)


def _result(
    supervisor: Supervisor, name: str, order: Order, before: Process, waited: bool, settled: bool
) -> View:
    if name not in supervisor.instances:
        gone = {"name": name, "state": State.STOPPED, "pid": None, "reason": "it was taken out of the config"}
        return {**gone, "ok": order is ORDERS["stop"]}
    instance = supervisor.instances[name]
    result = _told(instance)
    if not waited or order.true(instance.process, before):
        return {**result, "ok": True}
    if not settled:
        return _late(instance, result)
    return {**result, "ok": False, "evidence": evidence_of(instance, instance.process.generation)}


def _told(instance: Instance) -> View:
    process = instance.process
    return {"name": instance.name, "state": process.state, "pid": process.pid, "reason": reason_of(process)}


def _late(instance: Instance, result: View) -> View:
    """Not so yet, and what it comes to by itself."""
    process = instance.process
    evidence = evidence_of(instance, process.generation) if process.wanted else []
    late = {"ok": False, "code": "deadline_exceeded", "evidence": evidence}
    return {**result, **late, "next": outlook(process, anyio.current_time())}
