"""Asks connected providers how they are: on request, and at intervals."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import anyio

from gleitzeit_extensions.protocol import CallError
from gleitzeitd.core.spec import Check
from gleitzeitd.hub.registration import Registration
from gleitzeitd.hub.registry import Registry

TIMEOUT = 5.0
"""Seconds that a provider has to say how it is, when somebody asks on request."""


@dataclass(slots=True)
class Question:
    """What a provider was asked, and by how many who still wait for it."""

    answer: asyncio.Future[Mapping[str, Any]]
    askers: int = 0


class Health:
    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._asked: dict[Registration, Question] = {}

    def answer(self, registration: Registration, data: Mapping[str, Any]) -> None:
        """Take a `health` event."""
        asked = self._asked.pop(registration, None)
        if asked is None or asked.answer.done():
            return
        health = data.get("health")
        if data.get("ok") is True and isinstance(health, dict):
            asked.answer.set_result(health)
        else:
            asked.answer.set_exception(CallError.read(data.get("error")))

    def forget(self, registration: Registration) -> None:
        """The provider is gone: whoever asked it is told."""
        asked = self._asked.pop(registration, None)
        if asked is not None and not asked.answer.done():
            sentence = f'"{registration.instance}" is not connected any more'
            asked.answer.set_exception(CallError("no_instance", sentence))

    async def ask(self, registration: Registration, patience: float = TIMEOUT) -> Mapping[str, Any]:
        """What the provider says, asked now; checks never overlap: who comes meanwhile shares the answer.

        Raises CallError.
        """
        asked = self._asked.setdefault(registration, Question(asyncio.get_running_loop().create_future()))
        asked.askers += 1
        try:
            with anyio.move_on_after(patience):
                if asked.askers == 1:
                    await registration.emit("health", {"id": registration.sid})
                registration.health = await asyncio.shield(asked.answer)
                return registration.health
        finally:
            asked.askers -= 1
            # An error that comes so late is nobody's.
            if not asked.askers and self._asked.get(registration) is asked:
                del self._asked[registration]
        sentence = f'"{registration.instance}" did not say how it is within {patience:g} s'
        raise CallError("deadline_exceeded", sentence)

    async def watch(self, registration: Registration, check: Check) -> None:
        """Ask at intervals. So many failures in a row fail the instance; `degraded` only ends its calls."""
        failures = successes = 0
        has_been_ready = False
        while True:
            await anyio.sleep(check.interval)
            has_been_ready = has_been_ready or registration.is_ready
            # What still comes up, or says that it is not to be used, is no failure yet.
            if not (has_been_ready and registration.ready):
                failures = 0
                continue
            health, reason = await self._found(registration, check)
            failures = failures + 1 if reason else 0
            is_degraded = health.get("status") == "degraded"
            successes = 0 if reason or is_degraded else successes + 1
            if is_degraded or successes >= check.successes:
                self._registry.set_degraded(registration, is_degraded)
            if failures >= check.failures and registration.grant.instance is not None:
                said = f"{failures} health checks in a row failed: {reason}"
                self._registry.facts.failed(registration.grant.instance, registration.grant.generation, said)

    async def _found(self, registration: Registration, check: Check) -> tuple[Mapping[str, Any], str]:
        """What it says, or that it says nothing, and what is wrong with that."""
        try:
            health = await self.ask(registration, check.timeout)
        except CallError as exc:
            registration.health = {"healthy": False, "error": exc.message}
            return registration.health, exc.message
        reason = "" if is_healthy(health) else str(health.get("error") or "it says it is not healthy")
        return health, reason


def is_healthy(health: Mapping[str, Any]) -> bool:
    return health.get("healthy") is not False
