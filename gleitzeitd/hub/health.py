"""Asks connected providers how they are: on request, and at intervals."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import anyio

from gleitzeit_extensions.protocol import CallError
from gleitzeitd.hub.registration import Registration
from gleitzeitd.hub.registry import Registry

TIMEOUT = 5.0
"""Seconds that a provider has to say how it is."""
FAILURES = 3
"""Failed checks in a row after which the instance has failed."""


class Health:
    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._asked: dict[Registration, asyncio.Future[Mapping[str, Any]]] = {}

    def answer(self, registration: Registration, data: Mapping[str, Any]) -> None:
        """Take a `health` event."""
        asked = self._asked.pop(registration, None)
        if asked is None or asked.done():
            return
        health = data.get("health")
        if data.get("ok") is True and isinstance(health, dict):
            asked.set_result(health)
        else:
            asked.set_exception(CallError.read(data.get("error")))

    def forget(self, registration: Registration) -> None:
        """The provider is gone: whoever asked it is told."""
        asked = self._asked.pop(registration, None)
        if asked is not None and not asked.done():
            asked.set_exception(CallError("no_instance", f'"{registration.name}" is not connected any more'))

    async def ask(self, registration: Registration) -> Mapping[str, Any]:
        """What the provider says, asked now; checks never overlap: who comes meanwhile shares the answer.

        Raises CallError.
        """
        asked = self._asked.get(registration)
        if asked is None:
            asked = self._asked[registration] = asyncio.get_running_loop().create_future()
            await registration.emit("health", {"id": registration.sid})
        with anyio.move_on_after(TIMEOUT):
            registration.health = await asyncio.shield(asked)
            return registration.health
        self._asked.pop(registration, None)
        raise CallError(
            "deadline_exceeded", f'"{registration.name}" did not say how it is within {TIMEOUT:g} s'
        )

    async def watch(self, registration: Registration, interval: float) -> None:
        """Ask at intervals. Three failures in a row fail the instance; `degraded` only ends its calls."""
        failures = 0
        while True:
            await anyio.sleep(interval)
            try:
                health = await self.ask(registration)
                reason = "" if is_healthy(health) else str(health.get("error") or "it says it is not healthy")
            except CallError as exc:
                health, reason = {}, exc.message
            failures = failures + 1 if reason else 0
            self._registry.set_degraded(registration, health.get("status") == "degraded")
            if failures >= FAILURES and registration.grant.instance is not None:
                said = f"{failures} health checks in a row failed: {reason}"
                self._registry.facts.failed(registration.grant.instance, registration.grant.generation, said)


def is_healthy(health: Mapping[str, Any]) -> bool:
    return health.get("healthy") is not False
