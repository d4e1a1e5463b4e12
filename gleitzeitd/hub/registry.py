"""Who is connected and how each provider stands: the hub's memory, and the one writer of it."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from gleitzeit_extensions.protocol import MAX_FRAME, PROTO, WINDOW, CallError
from gleitzeitd.core.process import ALIVE, State
from gleitzeitd.core.routing import Standing
from gleitzeitd.core.spec import NAME_RULE, Routing, Spec, is_name
from gleitzeitd.hub.calls import Call, LostError
from gleitzeitd.hub.line import Line
from gleitzeitd.hub.registration import Emit, Offer, Registration
from gleitzeitd.hub.standings import Standings
from gleitzeitd.hub.tokens import Grant, Tokens

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
    owns: Callable[[str, int, int], bool]
    """Whether a pid belongs to a generation of an instance."""


@dataclass(slots=True)
class Life:
    """One generation of an instance, from before its spawn to its end."""

    spec: Spec
    """What it was started with, and has taken over since."""
    standing: Standing


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
        self.specs = {spec.name: spec for spec in specs}
        self.tokens = tokens
        self.facts = facts
        self._hang_up = hang_up
        self._disabled = disabled
        self._standings = Standings(self.specs.values())
        self._lives: dict[Grant, Life] = {}
        self._lines: dict[str, Line] = {}
        self._connected: dict[str, Registration] = {}
        self._lost: dict[Grant, list[Registration]] = {}

    # What is asked.
    def spec(self, name: str) -> Spec | None:
        """The spec of a provider, or of the provider that an instance is one of; None for an external one."""
        return self._standings.spec(name)

    def spec_of(self, grant: Grant) -> Spec | None:
        """What a generation was started with; None for an external provider."""
        life = self._lives.get(grant)
        return life.spec if life else None

    def routing(self, name: str) -> Routing:
        spec = self.spec(name)
        return spec.routing if spec else Routing()

    def registrations(self, name: str | None = None) -> list[Registration]:
        """All connections, a provider's, or those of one instance; the newest life comes first."""
        found = (r for r in self._connected.values() if name in (None, r.name, r.instance))
        return sorted(found, key=lambda registration: -registration.grant.generation)

    def registration(self, sid: str) -> Registration | None:
        return self._connected.get(sid)

    def line(self, name: str) -> Line:
        """Where calls for a provider, or for one instance of it, wait.

        Raises CallError `not_found.provider`, `no_instance`.
        """
        spec = self.spec(name)
        provider = spec.name if spec else name
        if provider in self._lines:
            return self._lines[provider]
        if spec is None and name in self._disabled:
            raise CallError("no_instance", f'"{name}" is disabled in the config file')
        if spec is None:
            names = {*self._standings.names, *(r.name for r in self.registrations())}
            close = difflib.get_close_matches(name, names, n=1)
            hint = f' (did you mean "{close[0]}"?)' if close else ': see "gleitzeitctl providers list"'
            raise CallError("not_found.provider", f'there is no provider "{name}"{hint}')
        return self._make_line(provider)

    def _make_line(self, provider: str) -> Line:
        def why_not(call: Call, address: str) -> CallError | None:
            if provider not in self.specs and line.registrations:
                return None  # External, and busy.
            sentence = self._standings.why_not(address, call.deadline)
            return CallError("no_instance", sentence) if sentence else None

        line = self._lines[provider] = Line(provider, self.routing(provider).queue, why_not)
        return line

    def why_late(self, name: str) -> str:
        """Why nobody could take a call to `name`; nothing when those who could were only busy."""
        own = self.registrations(name)
        if any(registration.is_ready and not registration.draining for registration in own):
            return ""
        if any(registration.degraded for registration in own):
            return "it says that it is degraded"
        return self._standings.reason(name) or "it says that it is not ready"

    # What providers do.
    def offer(self, sid: str, grant: Grant, data: object) -> Offer:
        """What this connection offers, when it may. Raises CallError."""
        offer = Offer.read(data)
        self._permit(offer.name, grant)
        earlier = self._connected.get(sid)
        if earlier is not None:
            raise CallError("conflict", f'this connection is registered as "{earlier.name}" already')
        return offer

    def register(
        self, sid: str, grant: Grant, pid: int | None, offer: Offer, emit: Emit
    ) -> Mapping[str, Any]:
        """Take a registration in; the acknowledgement."""
        life = self._lives.get(grant)
        routing = life.spec.routing if life else self.routing(offer.name)
        registration = Registration(sid, offer, grant, pid, routing.concurrency, emit)
        if life is not None:
            _heed(registration, life.standing)
        self._connected[sid] = registration
        line = self._lines.get(offer.name) or self._make_line(offer.name)
        line.registrations.append(registration)
        line.fill()
        if grant.instance is not None:
            self._standings.offers(offer.name)
            self.facts.registered(grant.instance, grant.generation, offer.ready)
        return {"ok": True, "session": sid, "proto": PROTO, "max_frame": MAX_FRAME, "window": WINDOW}

    def _permit(self, name: str, grant: Grant) -> None:
        spec = self.spec_of(grant)
        if grant.instance is not None and spec is None:
            raise CallError("protocol", "the life that this token was for has ended")
        if spec is not None and name != spec.name:
            raise CallError(
                "forbidden",
                f'this process is "{spec.name}" in the config file but registers as "{name}"',
            )
        if not is_name(name):
            raise CallError("invalid_request", f"a provider's name is made of {NAME_RULE}")
        if spec is None and name in self.specs:
            raise CallError("forbidden", f'"{name}" is run by this daemon: disable it or choose another name')

    def of(self, grant: Grant) -> list[Registration]:
        """The connections of a generation."""
        return [r for r in self._connected.values() if grant.instance is not None and r.grant == grant]

    def update(self, registration: Registration, data: object) -> None:
        """Raises CallError."""
        registration.offer = registration.offer.updated(data)

    def set_ready(self, registration: Registration, ready: bool, reason: str = "") -> None:
        """It said whether it is to be called."""
        registration.ready = ready
        self._freed(registration)
        if registration.grant.instance is not None:
            self.facts.said(registration.grant.instance, registration.grant.generation, ready, reason)

    def set_degraded(self, registration: Registration, degraded: bool) -> None:
        registration.degraded = degraded
        self._freed(registration)

    def answered(self, registration: Registration) -> None:
        """One of its calls is over."""
        self._freed(registration)
        if registration.draining and not registration.calls:
            self._tell_drained(registration.grant)

    def _freed(self, registration: Registration) -> None:
        if line := self._lines.get(registration.name):
            line.fill()

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
        registration = self._connected.pop(sid, None)
        if registration is not None:
            line = self._lines[registration.name]
            line.registrations.remove(registration)
            if registration.name in self.specs:
                line.reconsider()
            elif not line.registrations:
                line.reconsider()
                del self._lines[registration.name]
        return registration

    # What the supervisor says.
    def know(self, spec: Spec) -> list[Registration]:
        """A provider, new or as it is wanted from now on; external ones of its name, who have to leave."""
        self.specs[spec.name] = spec
        self._standings.know(spec)
        for grant, life in self._lives.items():
            if life.spec.name == spec.name:
                life.spec = replace(life.spec, routing=spec.routing, health=spec.health)
                for registration in self.of(grant):
                    registration.slots = spec.routing.concurrency
        if line := self._lines.get(spec.name):
            line.limit = spec.routing.queue
            line.reconsider()
        return [registration for registration in self.registrations(spec.name) if registration.is_external]

    def forget(self, provider: str) -> None:
        """Nothing is left of a provider, and nobody wants it."""
        self.specs.pop(provider, None)
        self._standings.forget(provider)
        if line := self._lines.get(provider):
            line.reconsider()
            if not line.registrations:
                del self._lines[provider]

    def retire(self, instance: str) -> None:
        """Nobody has that name any more: what still answers to it is at its last calls."""
        spec = self.spec(instance)
        self._standings.retire(instance)
        if spec is not None and (line := self._lines.get(spec.name)):
            line.reconsider()

    def disable(self, providers: frozenset[str]) -> None:
        """Those that stand in the file and are not wanted."""
        self._disabled = providers

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
            self._standings[instance] = standing
        spec = self.spec(instance)
        if spec is not None and (line := self._lines.get(spec.name)):
            line.reconsider()

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
