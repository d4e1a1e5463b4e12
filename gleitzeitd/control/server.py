"""The control API: which request does what. `docs/control-api.md` is its specification."""

from __future__ import annotations

import asyncio
import os
import platform
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import anyio
import structlog
from aiohttp import web

from gleitzeit_extensions.protocol import BACKLOG, MAX_FRAME, PROTO, CallError
from gleitzeit_extensions.version import VERSION
from gleitzeitd.control import views
from gleitzeitd.control.bodies import body_of, flag_of, names_of, seconds_of
from gleitzeitd.control.calls import CallRoutes
from gleitzeitd.control.config import ConfigRoutes
from gleitzeitd.control.events import EventRoutes, Journal
from gleitzeitd.control.exposition import MetricsRoute
from gleitzeitd.control.health import health
from gleitzeitd.control.jsonlines import JsonLines, told
from gleitzeitd.control.logs import Tail, files
from gleitzeitd.control.monitor import Monitor, every_of, used
from gleitzeitd.control.names import selected
from gleitzeitd.control.offers import OfferRoutes, offering
from gleitzeitd.control.peers import rights
from gleitzeitd.control.reload import Reload
from gleitzeitd.control.steering import ORDERS, roll, steer
from gleitzeitd.control.stories import stories
from gleitzeitd.control.tokens import TokenRoutes
from gleitzeitd.control.transient import TransientRoutes
from gleitzeitd.hub.access.door import Door
from gleitzeitd.hub.access.idle import Idle
from gleitzeitd.hub.access.keeper import Keeper
from gleitzeitd.hub.access.manners import conversations
from gleitzeitd.hub.access.refusals import refused
from gleitzeitd.hub.server import Hub
from gleitzeitd.processes.supervisor import Supervisor
from gleitzeitd.processes.usage import Usages

log = structlog.get_logger("gleitzeitd")
RESERVE = 16
"""Descriptors that even the control socket leaves to the daemon itself, for its files and pipes."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class About:
    """What the daemon says of itself."""

    config: str
    control: str
    hub: tuple[str, ...]
    started: float
    logs: str = ""
    """The directory of what providers print."""
    state: str = "starting"
    shutdown: anyio.Event = field(default_factory=anyio.Event)


class Control:
    def __init__(
        self, supervisor: Supervisor, hub: Hub, about: About, reload: Reload, keeper: Keeper, journal: Journal
    ) -> None:
        self._supervisor = supervisor
        self._hub = hub
        self._about = about
        self._usages = Usages()
        self._reload = reload
        self._calls = CallRoutes(hub)
        self._tokens = TokenRoutes(keeper)
        self._config = ConfigRoutes(reload, supervisor, self._demand_running)
        self._events = EventRoutes(journal, supervisor)
        self._transient = TransientRoutes(reload, supervisor, self._demand_running)
        self._idle = Idle()

    async def run(
        self, listening: socket.socket, *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED
    ) -> None:
        """Serve on the listening socket until cancelled."""
        # A caller that hangs up cancels what it asked for.
        runner = web.AppRunner(self.app(), handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        door = Door.of(listening, RESERVE, partial(self._idle.shed, runner))
        serve = asyncio.get_running_loop().create_server
        server = await serve(conversations(runner.server), sock=door, backlog=BACKLOG)
        try:
            task_status.started()
            await anyio.sleep_forever()
        finally:
            # not waited for, which would last until the last connection has ended by itself
            server.close()
            with anyio.move_on_after(2, shield=True):
                await runner.cleanup()

    def app(self) -> web.Application:
        """What answers the API's requests, for a server of its own."""
        app = web.Application(middlewares=[self._count, _errors], client_max_size=MAX_FRAME)
        app.add_routes(self._routes())
        app.on_response_prepare.append(_sign)
        return app

    @web.middleware
    async def _count(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        with self._idle.without(request.protocol):
            return await handler(request)

    def _routes(self) -> list[web.RouteDef]:
        steering = [web.post(f"/v1/{action}", self._steer) for action in ORDERS]
        return [
            web.get("/livez", self._livez),
            web.get("/readyz", self._readyz),
            *MetricsRoute(self._supervisor, self._hub).routes(),
            web.get("/v1/version", self._version),
            web.get("/v1/status", self._status),
            web.get("/v1/monitor", self._monitor),
            *steering,
            web.get("/v1/logs", self._logs),
            web.get("/v1/logs/files", self._log_files),
            web.get("/v1/why", self._why),
            web.get("/v1/providers", self._providers),
            web.get("/v1/providers/{name}/health", self._health),
            *self._calls.routes(),
            *OfferRoutes(self._hub).routes(),
            *self._config.routes(),
            *self._transient.routes(),
            *self._events.routes(),
            *self._tokens.routes(),
            web.post("/v1/shutdown", self._shutdown),
        ]

    async def _livez(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        ready = self._about.state == "running"
        return web.Response(text="ok\n" if ready else f"{self._about.state}\n", status=200 if ready else 503)

    async def _version(self, request: web.Request) -> web.Response:
        rights(request).demand_look()
        return web.json_response(
            {"version": VERSION, "proto": PROTO, "python": platform.python_version(), "pid": os.getpid()}
        )

    async def _status(self, request: web.Request) -> web.Response:
        rights(request).demand_look()
        now = anyio.current_time()
        found = list(views.instances(self._supervisor, self._hub, now))
        if names := request.query.getall("name", []):
            found = selected(found, names, self._hub.registry.demand)
        else:
            self._usages.forget_all_but(view["pid"] for view in found)
        found = [view | used(self._usages, view["pid"]) for view in found]
        return web.json_response({"daemon": self._daemon(now), "instances": found})

    def _daemon(self, now: float) -> dict[str, Any]:
        """What the daemon says of itself."""
        about = self._about
        return {
            "version": VERSION,
            "pid": os.getpid(),
            "state": about.state,
            "uptime": now - about.started,
            "config": about.config,
            "problems": list(self._reload.problems),
            "after_daemon_restart": [f"global.{key}" for key in self._reload.later],
            "refused": self._reload.is_refused,
            "changing": [change.provider for change in self._reload.changes.under_way],
            "failures": [{"name": name, "reason": f.reason} for name, f in self._reload.failures.items()],
            "not_kept": self._reload.unkept,
            "control": about.control,
            "hub": about.hub,
        }

    async def _monitor(self, request: web.Request) -> web.StreamResponse:
        rights(request).demand_look()
        every, names = every_of(request.query.get("every", "1")), request.query.getall("name", [])
        monitor = Monitor(self._supervisor, self._hub, self._daemon, names)
        async with JsonLines.answering(request) as lines:
            await monitor.send(lines.write, every)
        return lines.response

    def _demand_running(self) -> None:
        if self._about.state != "running":
            raise CallError("no_instance", f"the daemon is {self._about.state}")

    async def _steer(self, request: web.Request) -> web.Response:
        rights(request).demand_operate()
        action = request.path.rpartition("/")[2]
        body = await body_of(request)
        names, timeout, rolling = names_of(body), seconds_of(body), flag_of(body, "rolling")
        self._demand_running()
        patience = timeout if body.get("wait", True) is not False else None
        if action == "restart" and rolling:
            results = await roll(self._supervisor, self._reload.changes, names, patience=patience)
        else:
            results = await steer(self._supervisor, action, names, patience=patience)
        return web.json_response({"results": results})

    async def _logs(self, request: web.Request) -> web.StreamResponse:
        rights(request).demand_look()
        tail = Tail.read(self._supervisor, request.query)
        async with JsonLines.answering(request) as lines:
            await tail.send(lines.write)
        return lines.response

    async def _log_files(self, request: web.Request) -> web.Response:
        rights(request).demand_look()
        names = request.query.getall("name", ["all"])
        return told(files(self._supervisor, names, self._about.logs))

    async def _why(self, request: web.Request) -> web.Response:
        rights(request).demand_look()
        now = anyio.current_time()
        failures = {name: failure.reason for name, failure in self._reload.failures.items()}
        names = request.query.getall("name", ["all"])
        told = stories(self._supervisor, self._hub, failures, names, now)
        return web.json_response({"instances": told})

    async def _providers(self, request: web.Request) -> web.Response:
        rights(request).demand_offers()
        found = views.providers(self._supervisor, self._hub)
        return told({"providers": offering(self._hub, found, request)})

    async def _health(self, request: web.Request) -> web.Response:
        rights(request).demand_look()
        return told(await health(self._supervisor, self._hub, request.match_info["name"]))

    async def _shutdown(self, request: web.Request) -> web.Response:
        rights(request).demand_own()
        self._about.shutdown.set()
        return web.json_response({}, status=202)


async def _sign(_: web.Request, response: web.StreamResponse) -> None:
    """Whoever does not understand an answer sees whether that may be for its age."""
    response.headers["Server"] = f"gleitzeitd/{VERSION}"


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every failure is the one envelope; ours are logged."""
    try:
        return await handler(request)
    except CallError as exc:
        return refused(exc)
    except web.HTTPMethodNotAllowed as exc:
        allowed = ", ".join(sorted(exc.allowed_methods))
        sentence = f"{request.method} {request.path}: {exc.reason}: it takes {allowed}"
        error = CallError("invalid_request", sentence)
        return web.json_response({"error": error.wire()}, status=exc.status, headers={"Allow": allowed})
    except web.HTTPException as exc:
        error = CallError("invalid_request", f"{request.method} {request.path}: {exc.reason}")
        return web.json_response({"error": error.wire()}, status=exc.status)
    except ConnectionResetError:
        raise
    except Exception as exc:
        # The edge of the daemon: one request's mistake of ours must not take the connection's others with it.
        log.exception("request failed", path=request.path)
        error = CallError("internal", f"{type(exc).__name__} in the daemon: see its log")
        return web.json_response({"error": error.wire()}, status=500)
