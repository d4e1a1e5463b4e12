"""The check that is a connection: who takes it is well."""

from __future__ import annotations

import asyncio
from functools import partial

import anyio

from gleitzeitd.core.spec import Check
from gleitzeitd.core.verdict import Outcome
from gleitzeitd.processes.checks.lookup import Address, Lookup
from gleitzeitd.processes.checks.net import open_socket, within
from gleitzeitd.processes.checks.shortage import is_shortage


async def connect(check: Check, lookup: Lookup) -> Outcome:
    """One connection, closed as soon as it is there."""
    host = f"[{check.host}]" if ":" in check.host else check.host
    attempt = partial(_attempt, check.host, check.port, lookup)
    return await within(check.timeout, f"connect to {host}:{check.port}", attempt)


async def _attempt(host: str, port: int, lookup: Lookup) -> str:
    """To all addresses at once: the first one that takes it ends the others. Raises OSError."""
    failures = list[OSError]()

    async def connect_to(address: Address) -> None:
        try:
            with open_socket(address) as connection:
                await asyncio.get_running_loop().sock_connect(connection, address[4])
        except OSError as exc:
            failures.append(exc)
        else:
            attempts.cancel_scope.cancel()

    addresses = await lookup.addresses(host, port)
    async with anyio.create_task_group() as attempts:
        for address in addresses:
            attempts.start_soon(connect_to, address)
    if len(failures) == len(addresses):
        # Whom we lacked the means to ask could have been well.
        raise next(filter(is_shortage, failures), failures[-1])
    return ""
