"""start, stop and restart: say what is wanted, and wait until it is true."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import anyio

from gleitzeit_extensions.protocol import CallError
from gleitzeitd.core.events import Event, Restart, Start, Stop
from gleitzeitd.core.process import AT_REST, Process, State
from gleitzeitd.processes.supervisor import Supervisor


@dataclass(frozen=True, slots=True)
class Order:
    """A want, and how one sees that it came true or never will."""

    want: Event
    true: Callable[[Process, Process], bool]
    """Whether it is so, of the process now and as it was before."""
    vain: Callable[[Process, Process], bool]


def _came_up(now: Process, before: Process) -> bool:
    return now.state is State.RUNNING


def _gave_up(now: Process, before: Process) -> bool:
    return now.state in AT_REST and (now.generation > before.generation or now.state is State.STOPPED)


ORDERS = {
    "start": Order(Start(), _came_up, _gave_up),
    "stop": Order(Stop(), lambda now, _: now.state is State.STOPPED, lambda *_: False),
    "restart": Order(
        Restart(),
        lambda now, before: _came_up(now, before) and now.generation > before.generation,
        _gave_up,
    ),
}


async def steer(
    supervisor: Supervisor, action: str, names: Iterable[str], *, patience: float | None
) -> list[dict[str, Any]]:
    """Say what is wanted and wait for it, at most `patience` seconds; one result a name, in their order.

    Without patience the wish alone is a success. Raises CallError, before anything is done, for an unknown
    name.
    """
    chosen = _chosen(supervisor, list(names))
    order = ORDERS[action]
    before = {name: supervisor.instances[name].process for name in chosen}
    for name in chosen:
        supervisor.tell(name, order.want)

    def settled(name: str) -> bool:
        now = supervisor.instances[name].process
        return supervisor.is_idle and (order.true(now, before[name]) or order.vain(now, before[name]))

    if patience is not None:
        with anyio.move_on_after(patience):
            await supervisor.until(lambda: all(settled(name) for name in chosen))
    return [
        _result(supervisor, name, order, before[name], patience is not None, settled(name)) for name in chosen
    ]


def not_ours(supervisor: Supervisor, name: str) -> str:
    """What to say to someone who named a provider that this daemon does not run."""
    known = ", ".join(supervisor.instances) or "none"
    hint = "an external one is stopped, and has its output, where it was started"
    return f'this daemon runs no provider "{name}": it runs {known} ({hint})'


def _chosen(supervisor: Supervisor, names: list[str]) -> list[str]:
    if names == ["all"]:
        return list(supervisor.instances)
    for name in names:
        if name not in supervisor.instances:
            raise CallError("not_found.provider", not_ours(supervisor, name))
    return list(dict.fromkeys(names))


def _result(
    supervisor: Supervisor, name: str, order: Order, before: Process, waited: bool, settled: bool
) -> dict[str, Any]:
    now = supervisor.instances[name].process
    result = {"name": name, "state": now.state, "pid": now.pid, "reason": now.reason}
    if not waited or order.true(now, before):
        return {**result, "ok": True}
    return {**result, "ok": False} if settled else {**result, "ok": False, "code": "deadline_exceeded"}
