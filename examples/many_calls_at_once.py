"""Many calls at once, at most some at a time, each tried again where that may help.

python examples/many_calls_at_once.py 100
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from gleitzeit_extensions.client import Client, ClientError

AT_A_TIME = 16
ATTEMPTS = 5


async def root(client: Client, number: int) -> Any:
    """The square root of the number."""
    # What is idempotent may be asked again, whatever became of the first attempt.
    client = client.with_options(idempotent=True)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return (await client.invoke("calculator", "sqrt", x=number))["result"]
        except ClientError as exc:
            if not exc.retryable or attempt == ATTEMPTS:
                raise
            await asyncio.sleep(exc.retry_after or 0.1 * 2**attempt)
    raise AssertionError("the last attempt returned or raised")


async def main(count: int) -> None:
    turns = asyncio.Semaphore(AT_A_TIME)

    async def one(number: int) -> float:
        async with turns:
            return float(await root(client, number))

    async with Client() as client, asyncio.TaskGroup() as tasks:
        roots = [tasks.create_task(one(number)) for number in range(count)]
    print(f"the roots of 0 to {count - 1} sum up to {sum(root.result() for root in roots):.3f}")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
