"""Calls over HTTP: one answer, or a stream of JSON lines."""

from __future__ import annotations

from aiohttp import web

from gleitzeit_extensions.protocol import CallError
from gleitzeitd.control.bodies import body_of
from gleitzeitd.control.jsonlines import JsonLines, encoded
from gleitzeitd.control.peers import Role, demand
from gleitzeitd.hub.callers import read_request
from gleitzeitd.hub.calls import Request
from gleitzeitd.hub.server import Hub


class CallRoutes:
    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/providers/{name}/invoke", self._invoke),
            web.post("/v1/providers/{name}/stream", self._stream),
        ]

    async def _invoke(self, request: web.Request) -> web.Response:
        asked = await _request(request)
        text = encoded({"result": await self._hub.router.invoke(asked)})
        return web.Response(text=text, content_type="application/json")

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        asked = await _request(request)
        async with self._hub.router.stream(asked) as reading:
            # The first frame decides the status: until then an error is a plain one.
            items = await reading.frame()
            async with JsonLines.answering(request) as lines:
                try:
                    while items is not None:
                        for item in items:
                            await lines.write({"item": item})
                        items = await reading.frame()
                    await lines.write({"end": {"frames": reading.frames}})
                except CallError as exc:
                    await lines.write({"error": exc.wire()})
        return lines.response


async def _request(request: web.Request) -> Request:
    demand(request, Role.OPERATOR)
    return read_request(await body_of(request), request.match_info["name"])
