"""How each supervised instance stands, by the supervisor's word, and so whether a call may wait for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from gleitzeitd.core.process import State
from gleitzeitd.core.spec import Spec
from gleitzeitd.core.standing import Standing, is_due, why_not_wait

COMING = frozenset({State.WAITING, State.STARTING})


class Standings:
    """Knows the instances by their names, and the providers too: a provider's name means all of its own.

    Those are the instances that somebody said something of: while they change, the config may name others.
    """

    def __init__(self, specs: Iterable[Spec]) -> None:
        self._specs: dict[str, Spec] = {}
        self._owners: dict[str, str] = {}
        self._standings: dict[str, dict[str, Standing]] = {}
        self._offering: set[str] = set()
        for spec in specs:
            self.know(spec)

    def know(self, spec: Spec) -> None:
        """A provider, new or as it is wanted from now on."""
        self._specs[spec.name] = spec
        self._standings.setdefault(spec.name, {})
        self._owners |= dict.fromkeys(spec.instance_names, spec.name)

    def retire(self, instance: str) -> None:
        """Nobody has that name any more."""
        if provider := self._owners.pop(instance, None):
            self._standings[provider].pop(instance, None)

    def forget(self, provider: str) -> None:
        """Nothing is left of a provider."""
        for instance in [name for name, owner in self._owners.items() if owner == provider]:
            self.retire(instance)
        self._specs.pop(provider, None)
        self._standings.pop(provider, None)
        self._offering.discard(provider)

    def __setitem__(self, instance: str, standing: Standing) -> None:
        if provider := self._owners.get(instance):
            self._standings[provider][instance] = standing

    @property
    def names(self) -> Iterable[str]:
        """Every name that calls may be addressed to."""
        return self._specs.keys() | self._owners.keys()

    @property
    def owners(self) -> Mapping[str, str]:
        """The provider that each instance is one of."""
        return self._owners

    def instances(self, provider: str) -> Mapping[str, Standing]:
        """How each instance of a provider stands that something was said of."""
        return self._standings.get(provider, {})

    def is_coming(self, name: str, deadline: float) -> bool:
        """Whether an instance of that provider, or of that name, comes up and may be there in time."""
        return any(
            standing.state in COMING or is_due(standing, deadline) for standing in self._of(name).values()
        )

    def spec(self, name: str) -> Spec | None:
        """The spec of a provider, or of the provider that an instance is one of."""
        return self._specs.get(name) or self._specs.get(self._owners.get(name, ""))

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
        provider = name if name in self._specs else self._owners.get(name, "")
        own = self._standings.get(provider, {})
        known = own if name == provider else {name: own[name]} if name in own else {}
        if provider not in self._offering:
            return known
        return {instance: replace(standing, registers=True) for instance, standing in known.items()}
