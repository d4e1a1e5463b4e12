"""Who may start and who may stop now: by what depends on what, and by how many start at once. Pure.

A WAITING instance is held until what its provider needs is ready; a STOPPING one may be held until those
that need it, and are being stopped as well, are gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from gleitzeitd.core.backoff import succeeded
from gleitzeitd.core.events import Gate, Held, Opened
from gleitzeitd.core.process import AT_REST, Phase, Process, State
from gleitzeitd.core.spec import Spec
from gleitzeitd.core.starting import has_to_prove_itself

NOT_COMING = AT_REST | {State.LOST}
"""The states of what will not come up by itself, and of which nothing is left that we could end."""
Processes = Mapping[str, Process]
"""Every instance by its name."""


@dataclass(frozen=True, slots=True)
class Order:
    """What depends on what, by the names of providers."""

    instances: Mapping[str, tuple[str, ...]]
    needs: Mapping[str, tuple[str, ...]]
    slots: int = 8

    @classmethod
    def of(cls, specs: Iterable[Spec], slots: int) -> Order:
        known = tuple(specs)
        names = {spec.name: spec.instance_names for spec in known}
        return cls(names, {spec.name: spec.depends_on for spec in known}, slots)

    def dependents(self, providers: Iterable[str]) -> list[str]:
        """All that need one of the providers, directly or not, nearest first; without these themselves."""
        return _closure(providers, lambda name: (d for d, needs in self.needs.items() if name in needs))

    def needed(self, providers: Iterable[str]) -> list[str]:
        """All that the providers need, directly or not, nearest first; without these themselves."""
        return _closure(providers, lambda name: self.needs.get(name, ()))

    def gates(self, at_gate: Mapping[str, str], processes: Processes) -> Iterator[tuple[str, Gate]]:
        """What the gate tells each instance that is there (its name, its provider), longest waiting first."""
        free = self.slots - sum(process.has_slot for process in processes.values())
        plain = self.slots  # So many at a time, so that a boot of hundreds leaves the rest room to breathe.
        for name in sorted(at_gate, key=lambda name: processes[name].since):
            process, provider = processes[name], at_gate[name]
            reason = self._why_held(provider, process, processes)
            if reason or process.state is not State.WAITING:
                yield name, Held(reason) if reason else Opened()
            elif not has_to_prove_itself(process.rules):
                plain -= 1
                if plain >= 0:
                    yield name, Opened()
            elif free > 0:
                free -= 1
                yield name, Opened()
            else:
                yield name, Held(f"waits for one of {self.slots} start slots")

    def _why_held(self, provider: str, process: Process, processes: Processes) -> str:
        if process.state is State.WAITING:
            missing = [n for n in self.needs.get(provider, ()) if not self._is_up(n, processes)]
            return f"waits for {' and '.join(self._shown(n, processes) for n in missing)}" if missing else ""
        ending = [d for d in self.dependents([provider]) if self._is_ending(d, processes)]
        return f"waits until {', '.join(ending)} stopped" if ending else ""

    def _is_up(self, provider: str, processes: Processes) -> bool:
        """Whether one of its instances is of use, or has done what it was started for."""
        return any(is_up(processes[name]) for name in self.instances.get(provider, ()))

    def _is_ending(self, provider: str, processes: Processes) -> bool:
        own = [processes[name] for name in self.instances.get(provider, ())]
        # What survives SIGKILL must not hold up the others for ever.
        return any(process.state not in NOT_COMING and not process.wanted for process in own)

    def _shown(self, provider: str, processes: Processes) -> str:
        """Its name, with its state where it will not come up by itself."""
        states = dict.fromkeys(processes[name].state for name in self.instances.get(provider, ()))
        return f"{provider} ({', '.join(states)})" if NOT_COMING.issuperset(states) else provider


def is_up(process: Process) -> bool:
    return process.is_ready or (process.state is State.EXITED and succeeded(process))


def is_at_gate(process: Process) -> bool:
    return process.state is State.WAITING or process.phase is Phase.HELD


def _closure(names: Iterable[str], beside: Callable[[str], Iterable[str]]) -> list[str]:
    first = list(names)
    found = dict.fromkeys(first)
    queue = list(first)
    for name in queue:
        for other in beside(name):
            if other not in found:
                found[other] = None
                queue.append(other)
    return [name for name in found if name not in first]
