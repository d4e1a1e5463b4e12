"""The part of the API that is about the config file: reload it, and what was applied before."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import anyio
from aiohttp import web
from anyio import to_thread

from gleitzeit_extensions.protocol import CallError
from gleitzeitd.control.bodies import body_of, flag_of, seconds_of
from gleitzeitd.control.evidence import evidence_against, pending
from gleitzeitd.control.peers import rights
from gleitzeitd.control.reload import Reload, Reloaded
from gleitzeitd.core.plan import Plan
from gleitzeitd.processes.changes import Change
from gleitzeitd.processes.supervisor import Supervisor

View = dict[str, Any]


class ConfigRoutes:
    def __init__(self, reload: Reload, supervisor: Supervisor, demand_running: Callable[[], None]) -> None:
        """`demand_running` raises CallError while the daemon may not change anything."""
        self._supervisor = supervisor
        self._reload = reload
        self._demand_running = demand_running
        self._history = reload.history

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/reload", self._post_reload),
            web.get("/v1/config/history", self._versions),
            web.get("/v1/config/history/{number}", self._version),
        ]

    @property
    def _path(self) -> str:
        """Whoever asks is somewhere else."""
        return os.path.abspath(self._reload.house.path)

    async def _post_reload(self, request: web.Request) -> web.Response:
        rights(request).demand_operate()
        body = await body_of(request)
        timeout, dry = seconds_of(body), flag_of(body, "dry_run")
        self._demand_running()
        reloaded = await self._reload.reload(dry=dry)
        if body.get("wait", True) is not False:
            with anyio.move_on_after(timeout):
                for change in reloaded.changes:
                    await change.done.wait()
        return web.json_response(_view(reloaded, self._path, self._supervisor))

    async def _versions(self, request: web.Request) -> web.Response:
        rights(request).demand_look()
        found = await to_thread.run_sync(self._history.versions)
        mark = self._reload.house.saved_mark.hex()
        current = next((version.number for version in found if version.fingerprint == mark), None)
        versions = [
            {
                "number": version.number,
                "time": version.time,
                "summary": version.summary,
                "current": version.number == current,
            }
            for version in found
        ]
        but_for = [*self._reload.kept, *self._reload.failures]
        return web.json_response({"config": self._path, "versions": versions, "but_for": but_for})

    async def _version(self, request: web.Request) -> web.Response:
        # The files are shown as they are, and may hold secrets.
        rights(request).demand_own()
        number = request.match_info["number"]
        is_number = number.isascii() and number.isdecimal() and len(number) < 18
        version = await to_thread.run_sync(self._history.get, int(number)) if is_number else None
        if version is None:
            sentence = f'there is no version {number[:40]!r}: see "gleitzeitctl config history"'
            raise CallError("invalid_request", sentence)
        shown = {"number": version.number, "time": version.time, "config": version.config}
        return web.json_response({**shown, "files": dict(version.files)})


def _view(reloaded: Reloaded, path: str, supervisor: Supervisor) -> View:
    """What a reload came to so far."""
    return {
        "config": path,
        "changed": reloaded.plan is not None and not reloaded.plan.is_empty,
        "refused": reloaded.is_refused,
        "problems": list(reloaded.problems),
        "plan": _plan(reloaded.plan) if reloaded.plan else None,
        "results": results(reloaded.changes, supervisor),
    }


def _plan(plan: Plan) -> View:
    steps = [
        {
            "name": step.name,
            "action": step.action,
            "keys": list(step.keys),
            "update": str(step.spec.update) if step.spec and step.action == "restart" else None,
            "mistakes": list(step.mistakes),
        }
        for step in plan.steps
    ]
    return {"providers": steps, "global": list(plan.live), "after_daemon_restart": list(plan.later)}


def results(changes: Sequence[Change], supervisor: Supervisor) -> list[View]:
    return [_result(change, supervisor) for change in changes]


def _result(change: Change, supervisor: Supervisor) -> View:
    is_done = change.done.is_set()
    evidence = evidence_against(change, supervisor.of(change.provider)) if change.failure else []
    return {
        "name": change.provider,
        "action": change.action,
        "done": is_done,
        "ok": is_done and not change.failure,
        "undone": change.is_undone,
        "reason": change.failure if is_done else pending(change, supervisor),
        "evidence": evidence,
    }
