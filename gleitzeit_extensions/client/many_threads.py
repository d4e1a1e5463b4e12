"""`SyncClient.batch`: many calls by threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

from gleitzeit_extensions.client.errors import ClientError
from gleitzeit_extensions.client.many import CallOfMany, Outcome, request
from gleitzeit_extensions.client.request import Request

AHEAD = 8
"""How many times as many as are under way may wait for one before them, where order is kept."""


def outcomes(
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
