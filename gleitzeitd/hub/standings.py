"""How each supervised instance stands, by the supervisor's word, and so whether a call may wait for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from gleitzeitd.core.routing import Standing, why_not_wait
from gleitzeitd.core.spec import Spec


class Standings:
    """Knows the instances by their names, and the providers too: a provider's name means all of its own."""

    def __init__(self, specs: Iterable[Spec]) -> None:
        self._specs: dict[str, Spec] = {}
        self._standings: dict[str, Standing] = {}
        self._offering: set[str] = set()
        for spec in specs:
            self.know(spec)

    def know(self, spec: Spec) -> None:
        """A provider, as it is wanted from now on."""
        if spec.name in self._specs:
            self._forget_names(spec.name)
        self._specs |= dict.fromkeys((spec.name, *spec.instance_names), spec)

    def forget(self, provider: str) -> None:
        """Nothing is left of a provider."""
        for name in self._forget_names(provider):
            self._standings.pop(name, None)
        self._offering.discard(provider)

    def _forget_names(self, provider: str) -> list[str]:
        names = [name for name, spec in self._specs.items() if spec.name == provider]
        for name in names:
            del self._specs[name]
        return names

    def __setitem__(self, instance: str, standing: Standing) -> None:
        self._standings[instance] = standing

    @property
    def names(self) -> Iterable[str]:
        """Every name that calls may be addressed to."""
        return self._specs

    def spec(self, name: str) -> Spec | None:
        """The spec of a provider, or of the provider that an instance is one of."""
        return self._specs.get(name)

    def offers(self, provider: str) -> None:
        """It has registered, so it is no command that offers nothing, whatever becomes of its connection."""
        self._offering.add(provider)

    def why_not(self, name: str, deadline: float) -> str | None:
        """None when a call to `name` may wait until `deadline`; else the sentence that says why not."""
        return why_not_wait(name, self._of(name), deadline)

    def reason(self, name: str) -> str:
        """Why those that could answer a call to `name` are not ready; nothing when that is not known."""
        standings = self._of(name).values()
        reasons = [standing.reason for standing in standings if standing.reason]
        states = [standing.state for standing in standings]
        return next(iter(reasons), f"it is {states[0]} and not connected" if states else "")

    def _of(self, name: str) -> Mapping[str, Standing]:
        spec = self._specs.get(name)
        if spec is None:
            return {}
        instances = spec.instance_names if name == spec.name else (name,)
        known = {instance: self._standings[instance] for instance in instances if instance in self._standings}
        if spec.name not in self._offering:
            return known
        return {instance: replace(standing, registers=True) for instance, standing in known.items()}
