"""How a provider is: each instance asked now over its connection, or as its own checks found it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import anyio

from gleitzeit_extensions.protocol import CallError
from gleitzeitd.control.views import BEST_FIRST, of_life
from gleitzeitd.core.process import State
from gleitzeitd.core.verdict import Verdict
from gleitzeitd.hub.health import Health, is_healthy
from gleitzeitd.hub.registration import Registration
from gleitzeitd.hub.server import Hub
from gleitzeitd.processes.instance import Instance
from gleitzeitd.processes.supervisor import Supervisor


@dataclass(slots=True)
class Patient:
    """One instance, or one that others started, and what is found out about it."""

    name: str
    state: State
    registers: bool
    reason: str = ""
    registration: Registration | None = None
    verdict: Verdict | None = None
    health: dict[str, Any] = field(default_factory=dict)
    healthy: bool | None = None
    latency: float | None = None
    """Seconds that it took to say so, where it was asked now."""
    error: CallError | None = None

    @property
    def can_be_told(self) -> bool:
        runs_unasked = self.state is State.RUNNING and not self.registers
        return self.registration is not None or runs_unasked

    async def examine(self, health: Health) -> None:
        if self.registration is not None:
            asked = anyio.current_time()
            try:
                self._found(dict(await health.ask(self.registration)))
                self.latency = anyio.current_time() - asked
                return
            except CallError as exc:
                self.error = exc
        if self.verdict is not None and self.verdict.good is not None:
            self.error = None
            because = {"error": self.verdict.reason} if self.verdict.reason else {}
            self._found({"healthy": self.verdict.good, **because})
        elif self.error is not None:
            self._found({"healthy": False, "error": self.error.message})
        elif self.state is State.RUNNING and self.registers:
            self._found({"healthy": False, "error": "it is not connected to the hub"})
        elif self.reason:
            self.health = {"error": self.reason}

    def _found(self, health: dict[str, Any]) -> None:
        self.health, self.healthy = health, is_healthy(health)

    def view(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "state": self.state,
            "healthy": self.healthy,
            "latency": self.latency,
            "health": self.health,
        }


async def health(supervisor: Supervisor, hub: Hub, name: str) -> dict[str, Any]:
    """The health of a provider, or of one instance of it. Raises CallError when nobody can tell."""
    hub.registry.demand(name)  # Says what is wrong with the name.
    patients = sorted(_patients(supervisor, hub, name), key=lambda one: BEST_FIRST.index(one.state))
    if not any(patient.can_be_told for patient in patients):
        state, reason = (patients[0].state, patients[0].reason) if patients else (State.STOPPED, "")
        because = f": {reason}" if reason else ""
        raise CallError("no_instance", f'"{name}" is {state} and not connected to the hub{because}')
    async with anyio.create_task_group() as asking:
        for patient in patients:
            asking.start_soon(patient.examine, hub.health)
    if len(patients) == 1 and patients[0].error is not None:
        raise patients[0].error
    return _together(name, patients)


def _patients(supervisor: Supervisor, hub: Hub, name: str) -> list[Patient]:
    own = [i for i in supervisor.instances.values() if name in (i.name, i.spec.name)]
    if own:
        return [_patient(instance, hub.registry.registrations(instance.name)) for instance in own]
    return [
        Patient(registration.name, State.RUNNING, True, registration=registration)
        for registration in hub.registry.registrations(name)
    ]


def _patient(instance: Instance, connected: list[Registration]) -> Patient:
    process, registrations = instance.process, of_life(instance.process, connected)
    return Patient(
        instance.name,
        process.state,
        process.rules.registers,
        process.reason,
        registrations[0] if registrations else None,
        instance.health,
    )


def _together(name: str, patients: list[Patient]) -> dict[str, Any]:
    """One that runs and is ill says more than all that are well."""
    told = [patient for patient in patients if patient.healthy is not None]
    shown = next((patient for patient in told if not patient.healthy), told[0] if told else patients[0])
    return {
        "name": name,
        "state": patients[0].state,
        "healthy": shown.healthy,
        "latency": shown.latency,
        "health": shown.health,
        "instances": sorted((patient.view() for patient in patients), key=_number),
    }


def _number(view: dict[str, Any]) -> int:
    return int(view["name"].rpartition("#")[2]) if "#" in view["name"] else 0
