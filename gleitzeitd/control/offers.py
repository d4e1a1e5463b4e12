"""What can be called, and where a call would go."""

from __future__ import annotations

from aiohttp import web

from gleitzeit_extensions.protocol import CallError
from gleitzeitd.control.peers import rights
from gleitzeitd.core.targets import By, Target
from gleitzeitd.hub.server import Hub

KINDS = ", ".join(f"`{by}`" for by in By)


class OfferRoutes:
    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/v1/models", self._models), web.get("/v1/route", self._route)]

    async def _models(self, request: web.Request) -> web.Response:
        rights(request).demand_look()
        return web.json_response(self._hub.registry.catalogue())

    async def _route(self, request: web.Request) -> web.Response:
        rights(request).demand_look()
        explained = self._hub.router.explain(_target(request), request.query.get("session", ""))
        return web.json_response(explained)


def _target(request: web.Request) -> Target:
    named = [Target(by, name) for by in By for name in request.query.getall(by, [])]
    if len(named) != 1 or not named[0].name:
        raise CallError("invalid_request", f"a route is of one name: give one of {KINDS}")
    return named[0]
