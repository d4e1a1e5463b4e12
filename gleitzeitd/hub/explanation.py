"""Why a call would go where it would: every candidate with its rank, or with the reason why it has none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

from gleitzeit_extensions.protocol import Wire
from gleitzeitd.core.breaker import Circuit, circuit, is_open, opens_at
from gleitzeitd.core.process import State
from gleitzeitd.core.routing import ranked
from gleitzeitd.core.spec import Strategy
from gleitzeitd.core.standing import Standing
from gleitzeitd.core.targets import Target
from gleitzeitd.hub.registration import Registration
from gleitzeitd.hub.registry import Registry
from gleitzeitd.hub.routes import Route

BY_CHANCE = (Strategy.RANDOM, Strategy.WEIGHTED)


def explanation(
    registry: Registry, target: Target, session: str, may_see: Callable[[str], bool], now: float
) -> Wire:
    """What `gleitzeitctl route` shows. Raises CallError `not_found.*` and `no_instance`."""
    route = registry.line.routes.to(target)
    if route.resolution is None and not route.undecided:
        raise registry.directory.missing(target, may_see)
    free = [registration for registration in route.places if registration.has_room(now)]
    ranks = {one: at for at, one in enumerate(ranked(free, route.strategy, session, Random()), 1)}
    order = sorted(route.places, key=lambda one: ranks.get(one, len(ranks) + 1))
    return {
        "target": {"by": str(target.by), "name": target.name},
        "how": str(route.resolution.how) if route.resolution else "undecided",
        "pattern": route.resolution.pattern if route.resolution else "",
        "model": dict(route.models),
        "strategy": str(route.strategy),
        "waiting": registry.line.queued(target),
        "candidates": [
            *(_connected(registry, route, one, ranks.get(one), now) for one in order),
            *_absent(registry, route),
        ],
    }


def _connected(registry: Registry, route: Route, one: Registration, rank: int | None, now: float) -> Wire:
    standing = registry.standing(one)
    return {
        "instance": one.instance,
        "provider": one.name,
        "taken": rank == 1,
        "rank": rank,
        "reason": _chosen(route, one, rank) if rank else hindrance(one, now),
        "calls": one.load,
        "slots": one.slots,
        "latency": one.latency or None,
        "priority": one.priority,
        "weight": one.weight,
        "state": str(standing.state if standing else State.RUNNING),
        "breaker": str(circuit(one.breaker, now)),
        "model": route.models[one.name],
    }


def _chosen(route: Route, one: Registration, rank: int) -> str:
    first = min(place.priority for place in route.places)
    if len(route.places) == 1:
        return "it is the only one"
    if one.priority > first and rank > 1:
        return f"its priority is {one.priority}: it is for when those of {first} can take none"
    if route.strategy in BY_CHANCE:
        return f"it may be chosen by {route.strategy}"
    return f"it is number {rank} by {route.strategy}" if rank > 1 else f"it is the best by {route.strategy}"


def hindrance(one: Registration, now: float) -> str:
    """Why a connected instance can take no call now; "" when it can."""
    return ailment(one, now) or _busyness(one)


def ailment(one: Registration, now: float) -> str:
    """Why it is given no calls though it may have free slots; "" when it is."""
    if one.draining:
        return "it is draining: it ends once its calls have"
    if not one.ready:
        return f"it says that it is not ready{f': {one.why_not_ready}' if one.why_not_ready else ''}"
    if one.degraded:
        return "it says that it is degraded"
    if not one.fit:
        return "its ready check has not passed"
    if is_open(one.breaker, now):
        failed = f" after: {one.trouble.message}" if one.trouble else ""
        if circuit(one.breaker, now) is Circuit.HALF_OPEN:
            return f"one call is trying whether it is well again{failed}"
        return f"its breaker is open for another {opens_at(one.breaker) - now:.1f} s{failed}"
    return ""


def _busyness(one: Registration) -> str:
    if one.load < one.slots:
        return ""
    cancelled = sum(call.given_up_at is not None for call in one.calls.values())
    by = f", {cancelled} of them by calls that were cancelled and go on" if cancelled else ""
    return f"all of its slots ({one.slots}) are taken{by}"


def _absent(registry: Registry, route: Route) -> Iterator[Wire]:
    """The instances that could answer if they were connected."""
    connected = {registration.instance for registration in route.places}
    standings = registry.directory.standings
    for provider in route.resolution.providers if route.resolution else route.undecided:
        for instance, standing in standings.instances(provider).items():
            if instance not in connected and _is_meant(registry, route, provider, instance):
                yield _not_connected(registry, route, provider, instance, standing)


def _is_meant(registry: Registry, route: Route, provider: str, instance: str) -> bool:
    return route.resolution is None or instance in route.hopes or provider in route.hopes


def _not_connected(
    registry: Registry, route: Route, provider: str, instance: str, standing: Standing
) -> Wire:
    routing = registry.routing(provider)
    because = f": {standing.reason}" if standing.reason else ""
    return {
        "instance": instance,
        "provider": provider,
        "taken": False,
        "rank": None,
        "reason": f"it is {standing.state} and not connected{because}",
        "calls": 0,
        "slots": routing.concurrency,
        "latency": None,
        "priority": routing.priority,
        "weight": routing.weight,
        "state": str(standing.state),
        "breaker": str(Circuit.CLOSED),
        "model": route.models.get(provider, ""),
    }
