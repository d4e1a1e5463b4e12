"""Who is connected and how each provider stands: the hub's memory, and the one writer of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from gleitzeit_extensions.protocol import MAX_FRAME, PROTO, WINDOW, CallError, Wire
from gleitzeitd.core.process import ALIVE, State
from gleitzeitd.core.spec import Routing, Spec
from gleitzeitd.core.standing import Standing
from gleitzeitd.core.targets import By, Target
from gleitzeitd.hub.access.credentials import Origin
from gleitzeitd.hub.access.naming import demand_name
from gleitzeitd.hub.access.tokens import Grant, Tokens
from gleitzeitd.hub.calls import LostError
from gleitzeitd.hub.directory import Directory
from gleitzeitd.hub.line import Line
from gleitzeitd.hub.offers import Offer
from gleitzeitd.hub.registration import Emit, Registration

EVIDENCE_TIME = 0.25
"""Seconds that the calls of a lost connection wait for the process' exit status, to be told with it."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Whom the hub tells what it found out about a generation of an instance."""

    registered: Callable[[str, int, bool], None]
    """Whether it is ready, by its own word."""
    said: Callable[[str, int, bool, str], None]
    """The same, whenever it says so later, and why it is not."""
    disconnected: Callable[[str, int], None]
    drained: Callable[[str, int], None]
    failed: Callable[[str, int, str], None]
    stuck: Callable[[str, int, str], None]
    """It answers, but does not end what it was told to end."""
    owns: Callable[[str, int, int], bool]
    """Whether a pid belongs to a generation of an instance."""


@dataclass(slots=True)
class Life:
    """One generation of an instance, from before its spawn to its end."""

    spec: Spec
    """What it was started with, and has taken over since."""
    standing: Standing
    last: Registration | None = None
    """Its connection before this one."""


class Registry:
    def __init__(
        self,
        specs: Iterable[Spec],
        disabled: frozenset[str],
        tokens: Tokens,
        facts: Facts,
        hang_up: Callable[[Grant], None],
    ) -> None:
        """`hang_up` closes every connection of a generation that is over."""
        self.directory = Directory(specs, disabled)
        self.line = Line(self.directory, self.answered)
        self.tokens = tokens
        self.facts = facts
        self._hang_up = hang_up
        self._lives: dict[Grant, Life] = {}
        self._of: dict[Grant, dict[str, Registration]] = {}
        self._lost: dict[Grant, list[Registration]] = {}

    # What is asked.
    @property
    def specs(self) -> Mapping[str, Spec]:
        """The providers that are wanted."""
        return self.directory.specs

    def spec(self, name: str) -> Spec | None:
        """The spec of a provider, or of the provider that an instance is one of; None for an external one."""
        return self.directory.spec(name)

    def is_provider(self, name: str) -> bool:
        """Whether there is a provider of that name: one that is wanted, or one that is connected."""
        return self.directory.is_provider(name)

    def waiting(self) -> Mapping[str, int]:
        """How many calls wait for each provider; those that several may answer wait for the first of them."""
        return {name: self.line.waiting.get(name, 0) for name in self.directory.providers}

    def spec_of(self, grant: Grant) -> Spec | None:
        """What a generation was started with; None for an external provider."""
        life = self._lives.get(grant)
        return life.spec if life else None

    def standing(self, registration: Registration) -> Standing | None:
        """How the life stands that it is the connection of; None for an external provider."""
        life = self._lives.get(registration.grant)
        return life.standing if life else None

    def routing(self, name: str) -> Routing:
        return self.directory.routing(name)

    def registrations(self, name: str | None = None) -> list[Registration]:
        """All connections, a provider's, or those of one instance; the newest life comes first."""
        return self.directory.registrations(name)

    def registration(self, sid: str) -> Registration | None:
        return self.directory.registration(sid)

    def demand(self, name: str) -> None:
        """Raises CallError `not_found.provider` or `no_instance` when there is nobody of that name."""
        target = Target(By.PROVIDER, name)
        if self.line.routes.to(target).resolution is None:
            raise self.directory.missing(target)

    def catalogue(self) -> Wire:
        """Every model and capability, and who offers it:
        `{models: [{name, providers, aliases, pattern}], capabilities: [{name, providers}]}`."""
        return self.directory.catalogue()

    # What providers do.
    def offer(self, sid: str, grant: Grant, data: object) -> Offer:
        """What this connection offers, when it may. Raises CallError."""
        offer = Offer.read(data)
        demand_name(offer.name, grant, self.spec_of(grant), is_ours=offer.name in self.specs)
        earlier = self.registration(sid)
        if earlier is not None:
            raise CallError("conflict", f'this connection is registered as "{earlier.name}" already')
        return offer

    def register(self, sid: str, grant: Grant, origin: Origin, offer: Offer, emit: Emit) -> Mapping[str, Any]:
        """Take a registration in; the acknowledgement."""
        life = self._lives.get(grant)
        routing = life.spec.routing if life else self.routing(offer.name)
        registration = Registration(sid, offer, grant, origin, routing, emit)
        if life is not None:
            _heed(registration, life.standing)
            if life.last is not None:
                registration.remember(life.last)
        self._of.setdefault(grant, {})[sid] = registration
        self.directory.add(registration)
        self.line.changed(offer.name)
        if grant.instance is not None:
            self.facts.registered(grant.instance, grant.generation, offer.ready)
        return {"ok": True, "session": sid, "proto": PROTO, "max_frame": MAX_FRAME, "window": WINDOW}

    def of(self, grant: Grant) -> list[Registration]:
        """The connections of a generation."""
        return [*self._of.get(grant, {}).values()] if grant.instance is not None else []

    def update(self, registration: Registration, data: object) -> None:
        """Raises CallError."""
        registration.offer = registration.offer.updated(data)
        self.directory.heard(registration)
        self.line.changed(registration.name)

    def set_ready(self, registration: Registration, ready: bool, reason: str = "") -> None:
        """It said whether it is to be called."""
        registration.ready, registration.why_not_ready = ready, reason
        self.line.stands(registration.name)
        if registration.grant.instance is not None:
            self.facts.said(registration.grant.instance, registration.grant.generation, ready, reason)

    def set_degraded(self, registration: Registration, degraded: bool) -> None:
        if registration.degraded is not degraded:
            registration.degraded = degraded
            self.line.stands(registration.name)

    def answered(self, registration: Registration) -> None:
        """One of its calls is over."""
        self.line.freed(registration)
        if registration.draining and not registration.calls:
            self._tell_drained(registration.grant)

    def disconnected(self, sid: str, *, on_purpose: bool = False) -> None:
        """The connection is over. Its calls are lost; they wait a moment for the evidence."""
        registration = self._forget(sid)
        if registration is None:
            return
        grant = registration.grant
        if grant.instance is not None:
            self.facts.disconnected(grant.instance, grant.generation)
        if grant.instance is None or on_purpose:
            _lose(registration, "it left" if on_purpose else "its connection was lost", {})
        else:
            self._lost.setdefault(grant, []).append(registration)
            asyncio.get_running_loop().call_later(EVIDENCE_TIME, self._give_up, grant)

    def _give_up(self, grant: Grant) -> None:
        """The process seems to live on without its connection: there will be no evidence."""
        for registration in self._lost.pop(grant, []):
            _lose(registration, "its connection was lost", {})

    def _forget(self, sid: str) -> Registration | None:
        registration = self.directory.remove(sid)
        if registration is not None:
            del self._of[registration.grant][sid]
            if not self._of[registration.grant]:
                del self._of[registration.grant]
            if life := self._lives.get(registration.grant):
                life.last = registration
            self.line.changed(registration.name)
        return registration

    # What the supervisor says.
    def know(self, spec: Spec) -> list[Registration]:
        """A provider, new or as it is wanted from now on; external ones of its name, who have to leave."""
        self.directory.know(spec)
        for life in self._lives.values():
            if life.spec.name == spec.name:
                life.spec = replace(life.spec, routing=spec.routing, health=spec.health)
        registrations = self.registrations(spec.name)
        for registration in registrations:
            registration.heed(spec.routing)
        self.line.changed(spec.name)
        return [one for one in registrations if one.is_external and not one.grant.may_join(spec.name)]

    def forget(self, provider: str) -> None:
        """Nothing is left of a provider, and nobody wants it."""
        self.directory.forget(provider)
        self.line.changed(provider)

    def retire(self, instance: str) -> None:
        """Nobody has that name any more: what still answers to it is at its last calls."""
        if provider := self.directory.retire(instance):
            self.line.changed(provider)

    def disable(self, providers: frozenset[str]) -> None:
        """Those that stand in the file and are not wanted."""
        if providers != self.directory.disabled:
            self.directory.disabled = providers
            self.line.renamed()

    def expect(self, spec: Spec, instance: str, generation: int) -> str:
        """A generation is about to be spawned: its token."""
        grant = Grant(instance, generation)
        starting = Standing(State.STARTING, True, None, "", spec.rules.registers, not spec.rules.checked)
        self._lives[grant] = Life(spec, replace(starting, generation=generation))
        return self.tokens.issue(instance, generation)

    def stands(self, instance: str, standing: Standing, *, leads: bool = True) -> None:
        """How a life of an instance stands now; `leads`: it is the one that calls wait for."""
        grant = Grant(instance, standing.generation)
        if life := self._lives.get(grant):
            life.standing = standing
            for registration in self.of(grant):
                _heed(registration, standing)
        if standing.state not in ALIVE:
            self._end(grant)
        if leads:
            self.directory.standings[instance] = standing
        if spec := self.spec(instance):
            self.line.stands(spec.name)

    def _end(self, grant: Grant) -> None:
        self._lives.pop(grant, None)
        self.tokens.revoke(grant)

    def exited(self, instance: str, generation: int, how: str, evidence: Mapping[str, Any]) -> None:
        """The process of a generation is over: whatever was with it is lost."""
        grant = Grant(instance, generation)
        self._end(grant)
        for registration in self.of(grant):
            self._forget(registration.sid)
            _lose(registration, how, evidence)
        for registration in self._lost.pop(grant, []):
            _lose(registration, how, evidence)
        # Whoever kept a connection open could register on it again, though its token is good no more.
        self._hang_up(grant)

    def drain(self, instance: str, generation: int) -> list[Registration]:
        """Give the generation no more calls; the registrations that are to be told."""
        grant = Grant(instance, generation)
        draining = self.of(grant)
        for registration in draining:
            registration.draining = True
        if not any(registration.calls for registration in draining):
            self._tell_drained(grant)
        return draining

    def _tell_drained(self, grant: Grant) -> None:
        if grant.instance is not None:
            self.facts.drained(grant.instance, grant.generation)


def _heed(registration: Registration, standing: Standing) -> None:
    registration.draining = registration.draining or standing.state is State.STOPPING
    registration.fit = standing.fit


def _lose(registration: Registration, how: str, evidence: Mapping[str, Any]) -> None:
    sentence = f'"{registration.instance}" was lost during the call: {how}'
    registration.fail_all(LostError("instance_lost", sentence, dict(evidence)))
