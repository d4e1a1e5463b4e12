"""Carries one request to an answer: what programs ask the hub for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from gleitzeit_extensions.protocol import CallError, Wire
from gleitzeitd.core.targets import Target
from gleitzeitd.hub import clock
from gleitzeitd.hub.attempts import Attempts
from gleitzeitd.hub.calls import Answer, Request, anything
from gleitzeitd.hub.desk import Desk, Post, named
from gleitzeitd.hub.explanation import explanation
from gleitzeitd.hub.keys import Keys, Start
from gleitzeitd.hub.meter import Meter
from gleitzeitd.hub.reading import Reading
from gleitzeitd.hub.registry import Registry


class Router:
    def __init__(self, registry: Registry, post: Post, meter: Meter, start: Start) -> None:
        """`start(function, *arguments)`: as a task of the hub's."""
        self.registry = registry
        self._desk = Desk(registry, post, meter)
        self._keys = Keys(start)

    async def invoke(self, request: Request) -> Any:
        """The result. Raises CallError."""
        if request.key:
            return await self._keys.answer(request, self._invoke)
        return await self._invoke(request)

    def stream(self, request: Request) -> Reading:
        """The answer in frames; use it with `async with`."""
        return Reading(self._desk, request)

    def explain(self, target: Target, session: str = "", may_see: Callable[[str], bool] = anything) -> Wire:
        """Who would be given a call, and of everybody else why not, for who may know of the names that
        `may_see` says. Raises CallError `not_found.*`."""
        return explanation(self.registry, target, session, may_see, clock.now())

    def forget(self, caller: str) -> None:
        """Whoever has that name from now on is somebody else."""
        self._keys.forget(caller)

    async def _invoke(self, request: Request) -> Any:
        began = clock.now()
        timeout = request.timeout or self.registry.routing(self._lead(request)).timeout
        attempts = Attempts(self._desk, request, began + timeout, streamed=False)
        code = "cancelled"
        try:
            async with asyncio.timeout_at(began + timeout):
                result = await self._answer(attempts, began + timeout)
                code = "ok"
                return result
        except TimeoutError:
            code = "deadline_exceeded"
            sentence = f"{named(request)} had no answer within {timeout:g} s"
            if not attempts.number:
                sentence = self._desk.why_late(request, timeout)
            raise CallError(code, sentence) from None
        except CallError as exc:
            code = exc.code
            raise
        finally:
            now = clock.now()
            self._desk.meter.ended(attempts.provider, "invoke", code, now - began, attempts.instance, now)

    async def _answer(self, attempts: Attempts, deadline: float) -> Any:
        while True:
            call = Answer(self._desk.next_id(), deadline)
            try:
                await attempts.begin(call, deadline)
                result = await call.answer()
            except CallError as exc:
                await attempts.failed(exc)
            except BaseException:
                # Whatever it is, be it a mistake of ours: the slot is not to stay taken.
                attempts.leave()
                raise
            else:
                attempts.answered()
                return result

    def _lead(self, request: Request) -> str:
        """The provider whose settings hold for the request."""
        return self.registry.line.routes.to(request.target).lead
