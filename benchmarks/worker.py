"""The other side of `programs.work`: a program that does on its connection what it reads on its stdin."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

Work = Callable[..., Awaitable[dict[str, Any]]]


async def serve(works: Mapping[str, Work]) -> None:
    """Say `ready`, then read lines `WORK NUMBER ...` to the end, and answer each with its figures."""
    print("ready", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        name, *numbers = line.split()
        print(json.dumps(await works[name](*map(int, numbers))), flush=True)


def place() -> dict[str, Any]:
    """Where it is to connect: JSON, the program's one argument."""
    found: dict[str, Any] = json.loads(sys.argv[1])
    return found
