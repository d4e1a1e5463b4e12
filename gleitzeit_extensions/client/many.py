"""Many calls by one client: `batch` of both."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from gleitzeit_extensions.batch.lines import Misfit, demand_a_call
from gleitzeit_extensions.batch.pump import AHEAD, pumped
from gleitzeit_extensions.client.errors import ClientError, InvalidRequest
from gleitzeit_extensions.client.request import GRACE, Request

CallOfMany = Mapping[str, Any]
"""`{provider | model | capability | target, method, args?, timeout?, idempotent?, key?, session?}`."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one call."""

    index: int
    """Which one it was, from 0."""
    call: CallOfMany
    result: Any = None
    error: ClientError | None = None
    """Why there is no result."""


def request(call: CallOfMany) -> Request:
    """Raises InvalidRequest for what is no call."""
    try:
        demand_a_call(call)
        body = json.dumps(dict(call), allow_nan=False).encode()
    except (Misfit, TypeError, ValueError, RecursionError) as exc:
        raise InvalidRequest("invalid_request", f"this is no call: {exc}") from exc
    timeout = call.get("timeout")
    patience = timeout + GRACE if isinstance(timeout, int | float) else None
    is_repeatable = bool(call.get("idempotent") or call.get("key"))
    return Request("POST", "/v1/invoke", body, patience, is_repeatable)


async def outcomes(
    calls: Iterable[CallOfMany] | AsyncIterable[CallOfMany],
    ask: Callable[[Request], Awaitable[Any]],
    concurrency: int,
    ordered: bool,
) -> AsyncIterator[Outcome]:
    async def made(numbered: tuple[int, CallOfMany]) -> Outcome:
        index, call = numbered
        try:
            return Outcome(index, call, (await ask(request(call)))["result"])
        except ClientError as exc:
            return Outcome(index, call, error=exc)

    async with pumped(_numbered(calls), made, concurrency, ordered) as found:
        async for outcome in found:
            yield outcome


async def _numbered(
    calls: Iterable[CallOfMany] | AsyncIterable[CallOfMany],
) -> AsyncIterator[tuple[int, CallOfMany]]:
    if isinstance(calls, AsyncIterable):
        index = 0
        async for call in calls:
            yield index, call
            index += 1
    else:
        for numbered in enumerate(calls):
            yield numbered


def outcomes_by_threads(
    calls: Iterable[CallOfMany], ask: Callable[[Request], Any], concurrency: int, ordered: bool
) -> Iterator[Outcome]:
    def made(index: int, call: CallOfMany) -> Outcome:
        try:
            return Outcome(index, call, ask(request(call))["result"])
        except ClientError as exc:
            return Outcome(index, call, error=exc)

    left, waiting, running = enumerate(calls), deque[Future[Outcome]](), set[Future[Outcome]]()
    with ThreadPoolExecutor(concurrency, "gleitzeit-batch") as pool:
        try:
            while True:
                while len(running) < concurrency and len(waiting) < concurrency * AHEAD:
                    if (following := next(left, None)) is None:
                        break
                    waiting.append(pool.submit(made, *following))
                    running.add(waiting[-1])
                if not waiting:
                    return
                done, running = wait(running, return_when=FIRST_COMPLETED)
                if ordered:
                    while waiting and waiting[0].done():
                        yield waiting.popleft().result()
                else:
                    for future in done:
                        waiting.remove(future)
                        yield future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
