"""Providers that stand in no file of people's: each has one that goes with the daemon, beside its socket.

So they are checked, planned, told and reloaded as all others are.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import anyio
from aiohttp import web

from gleitzeit_extensions.protocol import CallError
from gleitzeitd.control.ahead import off_the_loop
from gleitzeitd.control.bodies import body_of, flag_of
from gleitzeitd.control.peers import rights
from gleitzeitd.control.reload import Reload, Reloaded
from gleitzeitd.control.transient_files import hide, names, path_of, text, write
from gleitzeitd.core.spec import NAME_RULE, TRANSIENT, is_name
from gleitzeitd.processes.supervisor import Supervisor

MOST = 1000
PATIENCE = 60.0
"""Seconds that one that is removed has to end; it goes on ending without anybody who waits."""
MOST_NAMES = 20
LARGEST = 2**18
"""Bytes of one: it is read anew with every save of the config."""


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
        name, block, is_dry = body.get("name"), body.get("block"), flag_of(body, "dry_run")
        if not isinstance(name, str) or not is_name(name):
            raise CallError("invalid_request", f"`name` must be a provider's name: {NAME_RULE}")
        if not isinstance(block, dict):
            raise CallError("invalid_request", "`block` must be an object: what would stand in the file")
        self._demand_running()
        async with self._turn:
            with _in_words():
                await self._add(name, block, is_dry)
        return web.json_response({"name": name}, status=200 if is_dry else 201)

    async def _add(self, name: str, block: dict[str, Any], is_dry: bool) -> None:
        self._demand_free(name)
        content = await off_the_loop(text, name, block)
        if len(content) > LARGEST:
            raise CallError("too_large", f"the block is larger than the {LARGEST // 2**10} KiB it may have")
        path = self._path(name)
        is_kept = False
        try:
            await off_the_loop(write, path, content)
            _demand_good(await self._reload.reload(dry=True), name, path)
            if not is_dry:
                _demand_good(await self._reload.reload(), name, path)
                is_kept = True
        finally:
            if not is_kept:
                await self._take_back(path)

    async def _take_back(self, path: str) -> None:
        with anyio.CancelScope(shield=True):
            with suppress(FileNotFoundError):
                os.unlink(path)
            # a save of the config may have come in between, and taken it over
            await self._reload.reload(again=False)

    def _demand_free(self, name: str) -> None:
        house = self._reload.house
        if spec := house.by_name.get(name):
            before = f'it was started before: "gleitzeitctl remove {name}" takes it away'
            raise _taken(name, before if spec.where == TRANSIENT else f"it stands in {spec.where}")
        if name in house.disabled:
            raise _taken(name, f'it stands in {house.path}, disabled: "gleitzeitctl config enable {name}"')
        if name in self._supervisor.order.instances:
            raise _taken(name, "what had it before is still ending")
        if len(names(house.transient)) >= MOST:
            raise CallError("overloaded", f"there are {MOST} of them already: remove some")

    async def _remove(self, request: web.Request) -> web.Response:
        rights(request).demand_own()
        name = request.match_info["name"]
        self._demand_running()
        async with self._turn:
            with _in_words():
                await self._take_out(name)
        with anyio.move_on_after(PATIENCE):
            await self._supervisor.until(lambda: not self._supervisor.of(name))
        return web.json_response({"name": name, "gone": not self._supervisor.of(name)})

    async def _take_out(self, name: str) -> None:
        spec = self._reload.house.by_name.get(name)
        if spec is None or spec.where != TRANSIENT:
            raise self._not_ours(name)
        path = self._path(name)
        hidden = hide(path)
        is_out = False
        try:
            reloaded = await self._reload.reload()
            is_out = not reloaded.is_refused
        finally:
            with suppress(FileNotFoundError):  # somebody had taken it away by hand
                os.unlink(hidden) if is_out else os.rename(hidden, path)
        if not is_out:
            what = f'"{name}" cannot be taken away, as the config is refused then'
            way_out = f'mend that first; "gleitzeitctl stop {name}" stops it meanwhile'
            raise CallError("invalid_request", "\n".join([f"{what}: {way_out}", *reloaded.problems]))

    def _not_ours(self, name: str) -> CallError:
        if spec := self._reload.house.by_name.get(name):
            return CallError("conflict", f'"{name}" stands in {spec.where}: take it out there')
        if name in self._reload.house.disabled:
            place = self._reload.house.path
            return CallError("conflict", f'"{name}" stands in {place}, disabled: take it out there')
        found = names(self._reload.house.transient)
        more = [f"and {len(found) - MOST_NAMES} more"] if len(found) > MOST_NAMES else []
        there = ", ".join([*found[:MOST_NAMES], *more]) or "none"
        sentence = f'there is no provider "{name:.100}" that was started by run or add: there are {there}'
        return CallError("not_found.provider", sentence)

    def _path(self, name: str) -> str:
        return path_of(self._reload.house.transient, name)


@contextmanager
def _in_words() -> Iterator[None]:
    """A full disk is no mistake of ours."""
    try:
        yield
    except OSError as exc:
        raise CallError("internal", f"the files of what is run cannot be changed: {exc}") from exc


def _taken(name: str, why: str) -> CallError:
    return CallError("conflict", f'there is a provider "{name}" already: {why}')


def _demand_good(tried: Reloaded, name: str, path: str) -> None:
    """Raises CallError for what is wrong with this provider, or with all that it would be a part of."""
    if tried.is_refused:
        first = "nothing can be added as long as the config is refused: mend it first"
        raise CallError("invalid_request", "\n".join([first, *tried.problems]))
    if tried.plan is None:
        return  # A save that came in between had it taken over.
    if name in tried.plan.house.disabled:
        raise CallError("invalid_request", "enabled: must be true for what is to run now")
    step = next((one for one in tried.plan.steps if one.name == name), None)
    if step and step.mistakes:
        raise CallError("invalid_request", "\n".join(_here(one, path, name) for one in step.mistakes))


def _here(problem: str, path: str, name: str) -> str:
    """Without the place in a file that nobody wrote."""
    return re.sub(rf"^{re.escape(path)}:\d+:\d+: (providers\.{re.escape(name)}[.:] ?)?", "", problem)
