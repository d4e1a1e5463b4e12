"""Keeps a provider connected with its MCP server, and has it told of the server's tools as they change."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING

from gleitzeit_extensions import SocketIOProviderClient
from gleitzeit_extensions.link import SETTLED, pause
from gleitzeit_extensions.version import VERSION
from gleitzeit_extensions.waiting import ended, first
from providers.mcp_answers import is_severed, without_secrets
from providers.mcp_http import Site
from providers.mcp_stdio import Child

if TYPE_CHECKING:
    from mcp import Client
    from mcp.client import IncomingMessage

log = logging.getLogger("gleitzeit")

ANSWERS_WITHIN = 30.0
"""Seconds that a server at a URL has to say what it can do, before it is asked anew."""

RELIST_PAUSE = 1.0
"""Seconds between two looks at the tools of a server that changes them all the time."""


class Lost(Exception):
    """The connection is over; the text says how."""


class Keeper:
    """One connection after the other; `client` is None while there is none.

    `publish` is awaited with each client that is connected, and again when its tools have changed.
    """

    def __init__(
        self,
        provider: SocketIOProviderClient,
        new_server: Callable[[], Child | Site],
        publish: Callable[[Client], Awaitable[None]],
    ) -> None:
        self._provider, self._new_server, self._publish = provider, new_server, publish
        self.server = new_server()
        self.client: Client | None = None
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Connect anew whenever a server at a URL is lost; raises `Lost` when it was a child of ours."""
        await self._provider.not_ready(f"{self.server.title} has not answered yet")
        failures, said = 0, ""
        while True:
            began = time.monotonic()
            try:
                await self._connected()
            except Exception as exc:  # whatever the SDK or the server came up with, the connection is over
                why = f"{self.server.title} {self.server.end or words_of(exc)}"
                if isinstance(self.server, Child):
                    raise Lost(why) from exc
            if why != said:
                log.warning("%s; it is tried again and again", why)
            said = why
            await self._provider.not_ready(why)
            failures = 0 if time.monotonic() - began > SETTLED else failures + 1
            await asyncio.sleep(pause(failures))
            self.server = self._new_server()

    async def _connected(self) -> None:
        # It takes half a second, in which the hub would hear nothing.
        await asyncio.to_thread(import_module, "mcp.client.streamable_http")
        from mcp import Client
        from mcp_types import Implementation

        us = Implementation(name="gleitzeit", version=VERSION)
        server = self.server
        # How long a program may take to come up, only its user knows: `start_timeout` says it.
        patience = ANSWERS_WITHIN if isinstance(server, Site) else None
        async with (
            _answering(patience) as limit,
            Client(server.opened(), cache=None, message_handler=self._heard, client_info=us) as client,
        ):
            await self._publish(client)
            limit.reschedule(None)
            self.client = client
            await self._provider.ready()
            listening = asyncio.create_task(self._listen(client))
            try:
                await self._follow_changes(client)
            finally:
                self.client = None
                # At once: to take leave of the server may last seconds.
                await self._provider.not_ready(f"{server.title} {server.end or 'is gone'}")
                await ended(listening)

    async def _follow_changes(self, client: Client) -> None:
        """Publish the tools whenever they change, until the server is lost."""
        server = self.server
        while True:
            await first(server.lost.wait(), self._changed.wait())
            if server.lost.is_set():
                raise Lost(server.end)
            self._changed.clear()
            await self._publish(client)
            await first(server.lost.wait(), asyncio.sleep(RELIST_PAUSE))

    async def _listen(self, client: Client) -> None:
        """Have a server of 2026 say when its tools change; older ones do it by themselves."""
        from mcp.client.subscriptions import SubscriptionLost
        from mcp_types.version import MODERN_PROTOCOL_VERSIONS

        tools = client.server_capabilities.tools
        if client.protocol_version not in MODERN_PROTOCOL_VERSIONS or not (tools and tools.list_changed):
            return
        try:
            while True:
                async with client.listen(tools_list_changed=True) as changes:
                    async for _ in changes:
                        pass  # each of them comes to `_heard`
                await asyncio.sleep(RELIST_PAUSE)
                self._changed.set()  # what may have changed meanwhile
        except Exception as exc:  # others' validators read what a server sends, and raise anything
            if isinstance(exc, SubscriptionLost) or is_severed(exc):
                self.server.lose("ended the connection")
            else:
                log.warning("%s does not say when its tools change: it %s", self.server.title, words_of(exc))

    async def _heard(self, message: IncomingMessage) -> None:
        from mcp_types import ToolListChangedNotification

        if isinstance(message, ToolListChangedNotification):
            self._changed.set()


@asynccontextmanager
async def _answering(patience: float | None) -> AsyncIterator[asyncio.Timeout]:
    """Raises `Lost` after `patience` seconds, unless it is rescheduled."""
    try:
        async with asyncio.timeout(patience) as limit:
            yield limit
    except TimeoutError as exc:
        if not limit.expired():
            raise
        raise Lost(f"it answers nothing within {patience:g} s") from exc


def words_of(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    words = without_secrets(" ".join(str(error).split()))
    return f"cannot be used: {words[:300] or type(error).__name__}"
