"""Providers that stand in no file of people's: each has one that goes with the daemon, beside its socket.

So they are checked, planned, told and reloaded as all others are.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable

import anyio
from aiohttp import web

from gleitzeit_extensions.protocol import CallError
from gleitzeitd.control.ahead import off_the_loop
from gleitzeitd.control.bodies import body_of
from gleitzeitd.control.peers import rights
from gleitzeitd.control.reload import Reload
from gleitzeitd.processes.supervisor import Supervisor

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
"""It is the name of a file, too."""
MOST = 1000
PATIENCE = 60.0
"""Seconds that one that is removed has to end; it goes on ending without anybody who waits."""


class TransientRoutes:
    def __init__(self, reload: Reload, supervisor: Supervisor, demand_running: Callable[[], None]) -> None:
        """`demand_running` raises CallError while the daemon may not change anything."""
        self._reload, self._supervisor = reload, supervisor
        self._demand_running = demand_running
        self._turn = anyio.Lock()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/run", self._run),
            web.delete("/v1/transient/{name}", self._remove),
        ]

    async def _run(self, request: web.Request) -> web.Response:
        rights(request).demand_own()
        body = await body_of(request)
        name, block = body.get("name"), body.get("block")
        if not isinstance(name, str) or not NAME.fullmatch(name):
            sentence = "`name` must be a name: letters, digits and _ . - and at most 100 of them"
            raise CallError("invalid_request", sentence)
        if not isinstance(block, dict):
            raise CallError("invalid_request", "`block` must be an object: what would stand in the file")
        self._demand_running()
        async with self._turn:
            await self._add(name, json.dumps({"providers": {name: block}}))
        return web.json_response({"name": name}, status=201)

    async def _add(self, name: str, text: str) -> None:
        self._demand_free(name)
        path = self._path(name)
        await off_the_loop(_write, path, text)
        try:
            tried = await self._reload.reload(dry=True)
            step = tried.plan and next((one for one in tried.plan.steps if one.name == name), None)
            problems = tried.problems if tried.is_refused else step.mistakes if step else ()
            if problems:
                raise CallError("invalid_request", "\n".join(_here(one, path, name) for one in problems))
        except BaseException:
            await off_the_loop(os.unlink, path)
            raise
        await self._reload.reload()

    def _demand_free(self, name: str) -> None:
        house = self._reload.house
        if _is_there(self._path(name)):
            raise _taken(name, f'it was started before: "gleitzeitctl remove {name}" takes it away')
        if spec := house.by_name.get(name):
            raise _taken(name, f"it stands in {spec.where}")
        if name in house.disabled:
            raise _taken(name, f'it stands in {house.path}, disabled: "gleitzeitctl config enable {name}"')
        if name in self._supervisor.order.instances:
            raise _taken(name, "what had it before is still ending")
        if len(os.listdir(house.transient)) >= MOST:
            raise CallError("conflict", f"there are {MOST} of them already: remove some")

    async def _remove(self, request: web.Request) -> web.Response:
        rights(request).demand_own()
        name = request.match_info["name"]
        self._demand_running()
        async with self._turn:
            path = self._path(name)
            if not NAME.fullmatch(name) or not _is_there(path):
                raise self._not_ours(name)
            await off_the_loop(os.unlink, path)
            await self._reload.reload()
        with anyio.move_on_after(PATIENCE):
            await self._supervisor.until(lambda: not self._supervisor.of(name))
        return web.json_response({"name": name, "gone": not self._supervisor.of(name)})

    def _not_ours(self, name: str) -> CallError:
        if spec := self._reload.house.by_name.get(name):
            file = spec.where.rpartition(":")[0]
            return CallError(
                "conflict", f'"{name}" stands in {spec.where}: take it out there', {"file": file}
            )
        started = ", ".join(sorted(os.listdir(self._reload.house.transient))).replace(".yaml", "") or "none"
        sentence = f'there is no provider "{name:.100}" that was started by run or add: there are {started}'
        return CallError("not_found.provider", sentence)

    def _path(self, name: str) -> str:
        return os.path.join(self._reload.house.transient, f"{name}.yaml")


def _is_there(path: str) -> bool:
    return os.path.lexists(path)


def _taken(name: str, why: str) -> CallError:
    return CallError("conflict", f'there is a provider "{name}" already: {why}')


def _here(problem: str, path: str, name: str) -> str:
    """Without the place in a file that nobody wrote."""
    return re.sub(rf"^{re.escape(path)}:\d+:\d+: (providers\.{re.escape(name)}[.:] ?)?", "", problem)


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with open(descriptor, "w") as file:
        file.write(text)
