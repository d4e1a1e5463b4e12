"""Calls over HTTP: one answer, or a stream of JSON lines."""

from __future__ import annotations

import structlog
from aiohttp import web

from gleitzeit_extensions.protocol import CallError
from gleitzeitd.control.bodies import body_of
from gleitzeitd.control.jsonlines import JsonLines, encoded
from gleitzeitd.control.peers import rights
from gleitzeitd.core.targets import By, Target
from gleitzeitd.hub.calls import Request
from gleitzeitd.hub.requests import read_request
from gleitzeitd.hub.server import Hub

log = structlog.get_logger("gleitzeitd")
KEY = "Idempotency-Key"


class CallRoutes:
    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/invoke", self._invoke),
            web.post("/v1/stream", self._stream),
            web.post("/v1/providers/{name}/invoke", self._invoke),
            web.post("/v1/providers/{name}/stream", self._stream),
        ]

    async def _invoke(self, request: web.Request) -> web.Response:
        asked = await _request(request)
        whole = encoded({"result": await self._hub.router.invoke(asked)})
        return web.Response(body=whole, content_type="application/json", charset="utf-8")

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        asked = await _request(request)
        async with self._hub.router.stream(asked) as reading:
            # The first frame decides the status: until then an error is a plain one.
            items = await reading.frame()
            async with JsonLines.answering(request) as lines:
                try:
                    while items is not None:
                        await lines.write(*({"item": item} for item in items))
                        items = await reading.frame()
                    await lines.write({"end": {"frames": reading.frames}})
                except CallError as exc:
                    await lines.write({"error": exc.wire()})
                except ConnectionError:
                    raise
                except Exception as exc:
                    # Too late for a status: the reader must not take what came for all of it.
                    log.exception("request failed", path=request.path)
                    error = CallError("internal", f"{type(exc).__name__} in the daemon: see its log")
                    await lines.write({"error": error.wire()})
        return lines.response


async def _request(request: web.Request) -> Request:
    """What is asked for: a provider in the path, or whatever the body names."""
    asking = rights(request)
    if asking.visitor is None:
        # Who may call nothing is not listened to at all.
        asking.demand_operate()
    body = await body_of(request)
    if (key := request.headers.get(KEY)) is not None and body.setdefault("key", key) != key:
        raise CallError("invalid_request", f"the header {KEY} and the body's `key` differ: one is enough")
    name = request.match_info.get("name")
    target = None if name is None else Target(By.PROVIDER, name)
    asked = read_request(body, target, asking.caller, asking.may_see)
    asking.demand_invoke(asked.target.name)
    return asked
