"""The way to everything that calls name: who can answer it now, and who may come.

A route is put together once and kept until something that it is made of changes, so that most calls cost one
look-up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

from gleitzeitd.core.routing import pick
from gleitzeitd.core.spec import Strategy
from gleitzeitd.core.targets import By, How, Offering, Resolution, Target, resolve, undecided
from gleitzeitd.hub.directory import Directory
from gleitzeitd.hub.offers import Offer
from gleitzeitd.hub.registration import Registration
from gleitzeitd.hub.wish import Wish

MOST = 1000
"""Routes that are kept; more are put together anew."""


@dataclass(frozen=True, slots=True)
class Route:
    """The way to one target."""

    target: Target
    resolution: Resolution | None
    """None: nobody is known to offer it."""
    lead: str
    """The provider that comes first: by its strategy calls are given, and in its name they wait."""
    places: tuple[Registration, ...] = ()
    """The connections that can answer."""
    hopes: tuple[str, ...] = ()
    """The providers and instances that may come and answer."""
    undecided: tuple[str, ...] = ()
    """The providers that have not said what they offer."""
    strategy: Strategy = Strategy.LEAST_BUSY
    limit: int = 0
    """Calls that may wait in the name of `lead`."""
    is_mixed: bool = False
    """Not all of `places` say that they have the same methods."""

    @property
    def models(self) -> Mapping[str, str]:
        """By provider the name of the model there; "" where the call is for none."""
        return self.resolution.models if self.resolution else {}

    def concerns(self, provider: str) -> bool:
        return provider in self.models or provider in self.undecided

    def choose(self, wish: Wish, now: float, random: Random) -> Registration | None:
        """The best that can take it now. One that was tried already only when no other can;
        one that is avoided only when no other could, be it after a while. A method that nobody has is
        anybody's, who will say so."""
        places = self._having(wish.method) if self.is_mixed and wish.method else self.places
        if wish.avoided:
            others = tuple(place for place in places if place not in wish.avoided)
            places = others if any(place.is_well(now) for place in others) else places
        free = [registration for registration in places if registration.has_room(now)]
        if wish.tried and len(free) > 1:
            free = [registration for registration in free if registration not in wish.tried] or free
        return pick(free, self.strategy, wish.session, random) if free else None

    def _having(self, method: str) -> tuple[Registration, ...]:
        return tuple(place for place in self.places if place.offer.may_have(method)) or self.places


class Routes:
    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._routes: dict[Target, Route] = {}

    def to(self, target: Target) -> Route:
        route = self._routes.get(target)
        if route is None:
            route = self._make(target)
            if len(self._routes) >= MOST:
                self._routes.clear()
            self._routes[target] = route
        return route

    def clear(self) -> None:
        """Names mean something else than they did."""
        self._routes.clear()

    def __contains__(self, target: Target) -> bool:
        return target in self._routes

    def changed(self, provider: str) -> None:
        """Something of a provider did: what it offers, who is connected, or how it is to be called."""
        offering, owners = self._directory.offering(provider), self._directory.standings.owners
        for target, route in [*self._routes.items()]:
            if route.concerns(provider) or (offering and _may_answer(target, route, offering, owners)):
                del self._routes[target]

    def _make(self, target: Target) -> Route:
        directory, owners = self._directory, self._directory.standings.owners
        offerings = [*directory.offerings]
        named = target
        if target.by is By.TARGET and directory.is_reserved(target.name):
            named = Target(By.PROVIDER, target.name)
        if named.by is By.PROVIDER:
            # The others need not be looked at.
            own = directory.offering(owners.get(target.name, target.name))
            offerings = [own] if own else []
        resolution = resolve(named, offerings, owners)
        if resolution is None:
            waiting = undecided(named, offerings)
            lead = next(iter(waiting), "")
            return Route(target, None, lead, undecided=waiting, limit=self._limit(waiting))
        lead = min(resolution.providers, key=lambda name: (directory.routing(name).priority, name))
        places = tuple(r for name in resolution.providers for r in self._places(resolution, name))
        return Route(
            target,
            resolution,
            lead,
            places,
            tuple(hope for name in resolution.providers for hope in self._hopes(resolution, name)),
            (),
            directory.routing(lead).strategy,
            self._limit(resolution.providers),
            len({place.offer.method_names if place.offer.closed else None for place in places}) > 1,
        )

    def _limit(self, providers: tuple[str, ...]) -> int:
        return max((self._directory.routing(name).queue for name in providers), default=0)

    def _places(self, resolution: Resolution, provider: str) -> list[Registration]:
        if resolution.how is How.INSTANCE:
            return self._directory.registrations(resolution.target.name)
        has = self._offers(resolution, provider)
        return [r for r in self._directory.registrations(provider) if has(r.offer)]

    def _hopes(self, resolution: Resolution, provider: str) -> list[str]:
        if resolution.how in (How.INSTANCE, How.PROVIDER):
            return [resolution.target.name]
        has, said = self._offers(resolution, provider), self._directory.said
        instances = self._directory.standings.instances(provider)
        # Of what never said anything the rest is a fair guess: instances are alike.
        hopes = [name for name in instances if (offer := said(provider, name)) is None or has(offer)]
        return [provider] if len(hopes) == len(instances) else hopes

    def _offers(self, resolution: Resolution, provider: str) -> Callable[[Offer], bool]:
        """Whether a connection of that provider can answer."""
        model = resolution.models[provider]
        match resolution.how:
            case How.MODEL:
                return lambda offer: model in offer.models
            case How.WILDCARD:
                return lambda offer: resolution.pattern in offer.models
            case How.CAPABILITY:
                return lambda offer: resolution.target.name in offer.capabilities
            case How.ALIAS if self._is_offered(model, provider):
                return lambda offer: _has_model(offer, model)
            case _:
                # The config file gives it that model, whether or not it says so itself.
                return lambda offer: True

    def _is_offered(self, model: str, provider: str) -> bool:
        offering = self._directory.offering(provider)
        return offering is not None and _matches(offering.models, model)


def _may_answer(target: Target, route: Route, offering: Offering, owners: Mapping[str, str]) -> bool:
    """Whether a provider that is not on a route may be from now on."""
    if target.by is By.PROVIDER:
        return offering.provider in (target.name, owners.get(target.name))
    if route.resolution is None and not offering.is_known:
        return True
    found = resolve(target, (offering,), owners)
    return found is not None and offering.provider in found.models


def _has_model(offer: Offer, model: str) -> bool:
    return _matches(offer.models, model)


def _matches(models: tuple[str, ...], model: str) -> bool:
    return resolve(Target(By.MODEL, model), (Offering("", models),), {}) is not None
