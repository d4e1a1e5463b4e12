"""The daemon's state as the control API shows it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gleitzeitd.core.process import Process, State
from gleitzeitd.hub.access.tokens import Grant
from gleitzeitd.hub.explanation import ailment
from gleitzeitd.hub.health import is_healthy
from gleitzeitd.hub.registration import Registration
from gleitzeitd.hub.server import Hub
from gleitzeitd.processes.instance import Instance
from gleitzeitd.processes.supervisor import Supervisor

View = dict[str, Any]
BEST_FIRST = (
    State.RUNNING,
    State.STARTING,
    State.WAITING,
    State.BACKOFF,
    State.STOPPING,
    State.LOST,
    State.FATAL,
    State.EXITED,
    State.STOPPED,
)


def instances(supervisor: Supervisor, hub: Hub, now: float) -> Iterator[View]:
    """Every instance of this daemon, then those that others started."""
    for instance in supervisor.instances.values():
        registrations, beside = hub.registry.registrations(instance.name), supervisor.beside(instance.name)
        yield _supervised(instance, registrations, beside, now)
    for instance in supervisor.retired():
        yield _supervised(instance, hub.registry.registrations(instance.name), [], now)
    for registration in hub.registry.registrations():
        if registration.is_external:
            yield _external(registration, now)


def _supervised(
    instance: Instance, registrations: list[Registration], beside: list[Instance], now: float
) -> View:
    process, spec, own = instance.process, instance.spec, of_life(instance.process, registrations)
    return {
        "name": instance.name,
        "provider": spec.name,
        "type": spec.type,
        "kind": spec.kind,
        "source": spec.where,
        "state": process.state,
        "ready": is_ready(process, own),
        "pid": process.pid,
        "uptime": now - process.since if process.is_alive else None,
        "restarts": process.restarts,
        "generation": process.generation,
        "in_flight": _calls(own),
        "health": _health(own) or _checked(instance),
        "reason": process.reason or ailment_of(own, now),
        "next_in": next_in(process, now),
        "dropped_output": instance.output.lost,
        "beside": [_beside(other, registrations) for other in beside],
    }


def _beside(other: Instance, registrations: list[Registration]) -> View:
    """One that comes to take the place of an instance, or that had it and ends its calls."""
    process = other.process
    return {
        "role": other.role.name.lower(),
        "state": process.state,
        "pid": process.pid,
        "generation": process.generation,
        "in_flight": _calls(of_life(process, registrations)),
        "reason": process.reason,
    }


def of_life(process: Process, registrations: list[Registration]) -> list[Registration]:
    """Those of the life that an instance has now."""
    its = Grant(process.name, process.generation)
    return [found for found in registrations if found.grant == its]


def _calls(registrations: list[Registration]) -> int:
    return sum(len(registration.calls) for registration in registrations)


def next_in(process: Process, now: float) -> float | None:
    """Seconds until it is tried again by itself."""
    if process.state not in (State.BACKOFF, State.FATAL) or process.deadline is None:
        return None
    return max(0.0, process.deadline - now)


def is_ready(process: Process, registrations: list[Registration]) -> bool:
    """What has registered is called over its connection, whether or not it had to register."""
    connected = any(registration.is_ready for registration in registrations)
    return process.is_ready and (connected if registrations else not process.rules.registers)


def _external(registration: Registration, now: float) -> View:
    return {
        "name": registration.name,
        "provider": registration.name,
        "type": registration.offer.type,
        "kind": "external",
        "source": None,
        "state": State.RUNNING,
        "ready": registration.is_ready,
        "pid": registration.origin.pid,
        "uptime": now - registration.since,
        "restarts": 0,
        "generation": 0,
        "in_flight": len(registration.calls),
        "health": _health([registration]),
        "reason": ailment_of([registration], now),
        "next_in": None,
        "dropped_output": 0,
        "beside": [],
    }


def ailment_of(registrations: list[Registration], now: float) -> str:
    """Why those that are connected are given no calls; nothing when one of them is."""
    ailments = [ailment(registration, now) for registration in registrations if not registration.draining]
    return ailments[0] if ailments and all(ailments) else ""


def _checked(instance: Instance) -> str | None:
    """What the checks of a program that is not asked itself come to."""
    if instance.health is None or instance.health.good is None:
        return None
    return "healthy" if instance.health.good else "unhealthy"


def _health(registrations: list[Registration]) -> str | None:
    for registration in registrations:
        if registration.health is not None:
            if not is_healthy(registration.health):
                return "unhealthy"
            return "degraded" if registration.health.get("status") == "degraded" else "healthy"
    return None


def providers(supervisor: Supervisor, hub: Hub) -> Iterator[View]:
    """Every provider with what it offers, as far as that is known; its state is that of its best instance."""
    for name in supervisor.order.instances:
        own = supervisor.of(name)
        best = min(own, key=lambda instance: BEST_FIRST.index(instance.process.state))
        connected = hub.registry.registrations(name)
        described = {"description": best.spec.description, "type": best.spec.type}
        yield {
            **_offer(name, connected),
            "kind": best.spec.kind,
            "state": best.process.state,
            "ready": any(is_ready(i.process, of_life(i.process, connected)) for i in own),
            "instances": len(own),
            **{key: value for key, value in described.items() if value},
        }
    for registration in hub.registry.registrations():
        if registration.is_external:
            yield {
                **_offer(registration.name, [registration]),
                "kind": "external",
                "state": State.RUNNING,
                "ready": registration.is_ready,
                "instances": 1,
            }


def _offer(name: str, registrations: list[Registration]) -> View:
    offer = registrations[0].offer if registrations else None
    return {
        "name": name,
        "type": offer.type if offer else "",
        "description": offer.description if offer else "",
        "models": list(offer.models) if offer else [],
        "capabilities": list(offer.capabilities) if offer else [],
        "methods": list(offer.methods) if offer else [],
    }
