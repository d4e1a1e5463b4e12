"""What can be called, and where a call would go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from aiohttp import web

from gleitzeit_extensions.protocol import CallError, Wire
from gleitzeitd.control.names import is_pattern
from gleitzeitd.control.peers import Rights, rights
from gleitzeitd.core.targets import By, Target
from gleitzeitd.hub.server import Hub

KINDS = ", ".join(f"`{by}`" for by in By)


class OfferRoutes:
    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/v1/models", self._models), web.get("/v1/route", self._route)]

    async def _models(self, request: web.Request) -> web.Response:
        asking = rights(request)
        asking.demand_offers()
        return web.json_response(_visible(self._hub.registry.catalogue(), asking))

    async def _route(self, request: web.Request) -> web.Response:
        asking = rights(request)
        asking.demand_offers()
        target = _target(request)
        asking.demand_see(target.name)
        explained = self._hub.router.explain(target, request.query.get("session", ""), asking.may_see)
        return web.json_response(explained)


def offering(hub: Hub, found: Iterable[Wire], request: web.Request) -> list[Wire]:
    """Of the providers found those that the query asks for, as far as the asker may know of them: each `name`
    is a pattern for providers, or whatever can be called; each `model` is a model.

    Raises CallError `not_found.*` for a name that nobody has.
    """
    asking = rights(request)
    visible = [view for view in found if asking.may_see(view["name"])]
    wanted = [Target(By.TARGET, name) for name in request.query.getall("name", [])]
    wanted += [Target(By.MODEL, name) for name in request.query.getall("model", [])]
    if not wanted:
        return visible
    there = [view["name"] for view in visible]
    meant = {name for target in wanted for name in _meant(hub, target, there, asking)}
    return [view for view in visible if view["name"] in meant]


def _meant(hub: Hub, target: Target, there: list[str], asking: Rights) -> Iterator[str]:
    """The providers that could be given a call for the target."""
    if is_pattern(target.name):
        fitting = [name for name in there if fnmatchcase(name, target.name)]
        if not fitting:
            sentence = f'there is no provider like "{target.name}": see "gleitzeitctl providers list"'
            raise CallError("not_found.provider", sentence)
        yield from fitting
        return
    asking.demand_see(target.name)
    route = hub.registry.line.routes.to(target)
    if route.resolution is not None:
        yield from route.resolution.providers
    elif not route.undecided:
        raise hub.registry.directory.missing(target, asking.may_see)


def _visible(catalogue: Wire, asking: Rights) -> Wire:
    """What may be called by whoever asks: a model by its name, or by another one that it has."""
    models = [
        {**model, "aliases": [alias for alias in model["aliases"] if asking.may_see(alias)]}
        for model in catalogue["models"]
    ]
    return {
        "models": [model for model in models if model["aliases"] or asking.may_see(model["name"])],
        "capabilities": [one for one in catalogue["capabilities"] if asking.may_see(one["name"])],
    }


def _target(request: web.Request) -> Target:
    named = [Target(by, name) for by in By for name in request.query.getall(by, [])]
    if len(named) != 1 or not named[0].name:
        raise CallError("invalid_request", f"a route is of one name: give one of {KINDS}")
    return named[0]
