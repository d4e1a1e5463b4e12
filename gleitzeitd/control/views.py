"""The daemon's state as the control API shows it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gleitzeitd.core.process import Process, State
from gleitzeitd.hub.health import is_healthy
from gleitzeitd.hub.registration import Registration
from gleitzeitd.hub.server import Hub
from gleitzeitd.processes.supervisor import Instance, Supervisor

View = dict[str, Any]


def instances(supervisor: Supervisor, hub: Hub, now: float) -> Iterator[View]:
    """Every instance of this daemon, then those that others started."""
    for instance in supervisor.instances.values():
        yield _supervised(instance, hub.registry.registrations(instance.spec.name), now)
    for registration in hub.registry.registrations():
        if registration.is_external:
            yield _external(registration, now)


def _supervised(instance: Instance, registrations: list[Registration], now: float) -> View:
    process, spec = instance.process, instance.spec
    waiting = process.state is State.BACKOFF and process.deadline is not None
    return {
        "name": spec.name,
        "provider": spec.name,
        "type": spec.type,
        "kind": spec.kind,
        "state": process.state,
        "ready": _is_ready(process, registrations),
        "pid": process.pid,
        "uptime": now - process.since if process.is_alive else None,
        "restarts": process.restarts,
        "generation": process.generation,
        "in_flight": sum(len(registration.calls) for registration in registrations),
        "health": _health(registrations),
        "reason": process.reason,
        "next_in": max(0.0, (process.deadline or now) - now) if waiting else None,
    }


def _is_ready(process: Process, registrations: list[Registration]) -> bool:
    if process.state is not State.RUNNING:
        return False
    return not process.rules.registers or any(registration.is_ready for registration in registrations)


def _external(registration: Registration, now: float) -> View:
    return {
        "name": registration.name,
        "provider": registration.name,
        "type": registration.offer.type,
        "kind": "external",
        "state": State.RUNNING,
        "ready": registration.is_ready,
        "pid": registration.pid,
        "uptime": now - registration.since,
        "restarts": 0,
        "generation": 0,
        "in_flight": len(registration.calls),
        "health": _health([registration]),
        "reason": "",
        "next_in": None,
    }


def _health(registrations: list[Registration]) -> str | None:
    for registration in registrations:
        if registration.health is not None:
            if not is_healthy(registration.health):
                return "unhealthy"
            return "degraded" if registration.health.get("status") == "degraded" else "healthy"
    return None


def providers(supervisor: Supervisor, hub: Hub) -> Iterator[View]:
    """Every provider with what it offers, as far as that is known."""
    for instance in supervisor.instances.values():
        connected = hub.registry.registrations(instance.spec.name)
        described = {"description": instance.spec.description, "type": instance.spec.type}
        yield {
            **_offer(instance.spec.name, connected),
            "kind": instance.spec.kind,
            "state": instance.process.state,
            "ready": _is_ready(instance.process, connected),
            **{key: value for key, value in described.items() if value},
        }
    for registration in hub.registry.registrations():
        if registration.is_external:
            yield {
                **_offer(registration.name, [registration]),
                "kind": "external",
                "state": State.RUNNING,
                "ready": registration.is_ready,
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
