"""`Client.batch`: many calls by tasks."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from typing import Any

from gleitzeit_extensions.batch.pump import pumped
from gleitzeit_extensions.client.errors import ClientError
from gleitzeit_extensions.client.many import CallOfMany, Outcome, request
from gleitzeit_extensions.client.request import Request


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
