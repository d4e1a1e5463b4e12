"""The calls that run in this provider: each one a task, and each one answered exactly once.

Knows nothing of sockets: it is handed `send`. What may be sent is in `frames`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from gleitzeit_extensions import authors, failures, frames, outlet, streams, threads
from gleitzeit_extensions.call import Call
from gleitzeit_extensions.current import CURRENT
from gleitzeit_extensions.frames import Encoded
from gleitzeit_extensions.methods import Method
from gleitzeit_extensions.models import takes_model, with_model
from gleitzeit_extensions.offered import Offered
from gleitzeit_extensions.protocol import CANCEL_GRACE, MAX_FRAME, WINDOW, CallError, Wire
from gleitzeit_extensions.registration import methods_of
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient

log = logging.getLogger("gleitzeit")

ARGUMENTS_OF_INVOKE = ("method", "self")

THREAD_GRACE = 0.05
"""Seconds that a thread has to return after its call was ended, before the hub is told that it lingers."""

Send = Callable[[str, Wire | Encoded], Awaitable[None]]


class Calls:
    """The table of running calls of one connection."""

    def __init__(self, provider: SocketIOProviderClient, send: Send) -> None:
        self.limit = MAX_FRAME
        self.window = WINDOW
        self._provider = provider
        self._send = send
        self._running: dict[str, Call] = {}
        self._refusal: CallError | None = None
        self._has_ended = False
        self._is_over = False
        """Nobody waits for threads any more."""

    @property
    def are_running(self) -> bool:
        return bool(self._running)

    def invoke(self, data: Any) -> None:
        call = Call.read(data, self.window)
        if call.id in self._running:
            raise CallError("protocol", f"a call with the id {call.id} is running already")
        call.verdict = call.verdict or self._refusal
        self._running[call.id] = call
        call.task = asyncio.create_task(self._serve(call), name=f"{self._provider.name}.{call.method}")

    def cancel(self, data: Any) -> None:
        match data:
            case {"id": str(id)}:
                call = self._running.get(id)
                if call and call.verdict is None:
                    why = f": {data['reason']}" if data.get("reason") else ""
                    call.end(CallError("cancelled", f'the call of "{call.method}" was cancelled{why}'))
            case _:
                raise CallError("protocol", f"a cancel needs a string id, not {data!r:.200}")

    def credit(self, data: Any) -> None:
        match data:
            case {"id": str(id), "n": int(credits)}:
                if call := self._running.get(id):
                    call.credit.grant(credits)
            case _:
                raise CallError("protocol", f"a credit needs a string id and a number n, not {data!r:.200}")

    def refuse(self) -> None:
        """Take no new calls, because the provider is about to end."""
        self._refusal = CallError(
            "no_instance", f'"{self._provider.name}" is stopping and takes no new calls'
        )

    async def end(self, grace: float) -> None:
        """Let what runs finish within `grace` seconds, then end it; a coroutine that will not end is left."""
        if self._has_ended:
            return
        self._has_ended = True
        self.refuse()
        await self._until_idle(grace)
        self._is_over = True
        for call in self._others():
            sentence = f'"{self._provider.name}" was stopped while "{call.method}" ran'
            call.end(CallError("instance_lost", sentence))
        await self._until_idle(CANCEL_GRACE)
        for call in self._others():
            log.warning('"%s" goes on after it was cancelled', call.method)

    def owns(self, task: asyncio.Task[Any] | None) -> bool:
        return any(call.task is task for call in self._running.values())

    async def _until_idle(self, seconds: float) -> None:
        if seconds > 0 and (tasks := [call.task for call in self._others() if call.task]):
            await asyncio.wait(tasks, timeout=seconds)

    def _others(self) -> list[Call]:
        """The running calls but for the one that is asking: a method may stop its own provider."""
        return [call for call in self._running.values() if call.task is not asyncio.current_task()]

    async def _serve(self, call: Call) -> None:
        call.has_begun = True
        CURRENT.set(call.about)
        threads.RUNNING.set(call.threads)
        result = None
        try:
            result = await self._run(call)
        except asyncio.CancelledError as exc:
            # without a verdict and uncancelled, it is the author's own: a task that the method waited for
            call.verdict = call.verdict or failures.failure(exc)
        except KeyboardInterrupt:
            raise
        except BaseException as exc:  # an author may raise anything, and what is not answered hangs
            call.verdict = call.verdict or self._failed(call, exc)
        if call.threads and not self._is_over:
            await self._until_threads_return(call)
        self._running.pop(call.id, None)
        await self._answer(call, result)

    async def _until_threads_return(self, call: Call) -> None:
        """Keep the slot of a call that was ended while a thread of it runs, which cannot be interrupted."""
        try:
            await asyncio.wait(call.threads, timeout=THREAD_GRACE)
            if call.threads:
                await self._send("lingers", {"id": call.id})
                await asyncio.wait(call.threads)
        except asyncio.CancelledError:
            log.warning('"%s" goes on in its thread', call.method)  # the connection is about to end

    async def _run(self, call: Call) -> Encoded | None:
        if call.verdict is not None:
            raise call.verdict
        try:
            async with asyncio.timeout(call.patience) as limit:
                return await (self._stream(call) if call.stream else self._result(call))
        except TimeoutError as exc:
            if not limit.expired():
                raise
            raise CallError("deadline_exceeded", f'"{call.method}" did not end before its deadline') from exc

    async def _result(self, call: Call) -> Encoded:
        chosen = methods_of(self._provider).get(call.method)
        result = await (chosen.call(call.args) if isinstance(chosen, Offered) else self._invoked(call))
        what = f'the result of "{call.method}"{_at(chosen)}'
        return frames.encoded({"id": call.id, "ok": True, "result": result}, "result", what, self.limit)

    async def _invoked(self, call: Call) -> Any:
        _free_of_ours(call.args)
        is_taken = bool(call.about.model) and takes_model(self._provider, call.method)
        args = with_model(call.args, call.about.model, is_taken)
        return await threads.call(self._provider.invoke, call.method, **args)

    async def _stream(self, call: Call) -> None:
        known = methods_of(self._provider)
        chosen = known.get(call.method)
        if not isinstance(chosen, Offered):
            _free_of_ours(call.args)
        at = _at(chosen if chosen and chosen.streams else known.get("stream"))
        async with (
            outlet.opened(call, self.limit, self._send, at) as out,
            streams.opened(self._provider, call.method, call.args, call.about.model) as items,
        ):
            async for item in items:
                await out.put(item)

    def _failed(self, call: Call, error: BaseException) -> CallError:
        failure = failures.failure(error)
        if failure is error:  # it was raised for the caller
            return failure
        trace = error if log.isEnabledFor(logging.DEBUG) else None
        where = authors.place(error, [])
        said = f"{failure.message}{f' ({where})' if where else ''}"
        log.warning('"%s" failed: %s', call.method, said, exc_info=trace)
        return failure

    async def _answer(self, call: Call, result: Encoded | None) -> None:
        error = None if call.verdict is None else failures.envelope(call.verdict, self.limit)
        if call.stream:
            await self._send("end", {"id": call.id, "seq": call.frames} | ({"error": error} if error else {}))
        elif error or result is None:
            await self._send("result", {"id": call.id, "ok": False, "error": error})
        else:
            await self._send("result", result)


def _free_of_ours(args: dict[str, Any]) -> None:
    for name in ARGUMENTS_OF_INVOKE:
        if name in args:
            sentence = f'an argument cannot be called "{name}": invoke({name}, ...) has it already'
            raise CallError("invalid_request", sentence)


def _at(method: Method | None) -> str:
    """Where it is written, for who wonders what it gave."""
    return f" ({method.where})" if method and method.where else ""
