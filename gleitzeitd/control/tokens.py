"""Named tokens over HTTP, for the owner: made, listed and revoked."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from gleitzeit_extensions.protocol import CallError
from gleitzeitd.control.bodies import body_of
from gleitzeitd.control.peers import rights
from gleitzeitd.hub.access.crowd import GUEST
from gleitzeitd.hub.access.keeper import Keeper
from gleitzeitd.hub.access.scopes import Scope

MOST_SCOPES = 100
LONGEST = 10 * 365 * 86400.0
"""Seconds: what is to last for longer than ten years need not expire."""
HIGHEST_RATE = 1e6


class TokenRoutes:
    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/tokens", self._list),
            web.post("/v1/tokens", self._create),
            web.delete("/v1/tokens/{name}", self._revoke),
        ]

    async def _list(self, request: web.Request) -> web.Response:
        rights(request).demand_own()
        return web.json_response({"tokens": [named.view() for named in self._keeper.all()]})

    async def _create(self, request: web.Request) -> web.Response:
        rights(request).demand_own()
        body = await body_of(request)
        name = body.get("name")
        if not isinstance(name, str):
            raise CallError("invalid_request", "`name` must be a string")
        lasts, rate = _number(body, "expires_in", LONGEST), _number(body, "rate", HIGHEST_RATE)
        named, token = await self._keeper.create(name, _scopes(body), lasts, rate)
        headers = {"Cache-Control": "no-store"}
        return web.json_response({"token": token, **named.view()}, status=201, headers=headers)

    async def _revoke(self, request: web.Request) -> web.Response:
        rights(request).demand_own()
        if guest := request.get(GUEST):
            # Who revokes the token that they came with is still to be answered.
            guest.grants.clear()
        await self._keeper.revoke(request.match_info["name"])
        return web.json_response({})


def _scopes(body: dict[str, Any]) -> tuple[Scope, ...]:
    given = body.get("scopes")
    if not isinstance(given, list) or not all(isinstance(scope, str) for scope in given):
        raise CallError("invalid_request", '`scopes` must be a list such as ["invoke:calculator", "observe"]')
    if not 0 < len(given) <= MOST_SCOPES:
        raise CallError("invalid_request", f"a token has 1 to {MOST_SCOPES} scopes: {len(given)} are given")
    return tuple(dict.fromkeys(map(Scope.read, given)))


def _number(body: dict[str, Any], key: str, most: float) -> float | None:
    """A positive number, or nothing. Raises CallError `invalid_request`."""
    value = body.get(key)
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value <= most:
        raise CallError("invalid_request", f"`{key}` must be a number above 0 and at most {most:g}")
    return float(value)
