"""Keeps a provider connected: connects, registers, waits for the loss, and tries again until told to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import signal
import time

from gleitzeit_extensions import hooks, output
from gleitzeit_extensions.connection import Connection, Refused
from gleitzeit_extensions.context import Launch
from gleitzeit_extensions.discovery import Discovery
from gleitzeit_extensions.signals import Signals
from gleitzeit_extensions.sio import SocketIO
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient
from gleitzeit_extensions.transport import Lost
from gleitzeit_extensions.waiting import ended, first

log = logging.getLogger("gleitzeit")

FIRST_DELAY, LONGEST_DELAY = 0.05, 5.0
SETTLED = 5.0
"""Seconds that a connection must last before the delays begin anew."""
DISCOVERY_TIMEOUT = 5.0
"""Seconds that a registration waits for the models; what is found later is told later."""
GOODBYE_TIMEOUT = 2.0
"""Seconds that `on_disconnected()` may take before the next attempt, or the end."""

PASSING = frozenset({"conflict"})
"""Refusals that pass by themselves: the hub may not have seen yet that our last connection is gone."""


class Orphaned(RuntimeError):
    """The daemon that started this provider is no more."""


def pause(failures: int) -> float:
    """Seconds before the next attempt: anywhere up to a bound that doubles, so that not all come at once."""
    return random.uniform(0, min(LONGEST_DELAY, FIRST_DELAY * 2 ** min(failures, 16)))


class Link:
    """The one connection of a provider, and the loop that renews it."""

    def __init__(self, provider: SocketIOProviderClient, launch: Launch | None) -> None:
        self._provider = provider
        self._launch = launch
        self._connection: Connection | None = None
        self._runner: asyncio.Task[object] | None = None
        self._stopping = asyncio.Event()
        self._over = asyncio.Event()
        self._said: str | None = None
        wanted = launch is not None and launch.auto_discover_models
        self._discovery = Discovery(provider) if wanted else None

    @property
    def session(self) -> str | None:
        return self._connection.session if self._connection else None

    @property
    def sio(self) -> SocketIO | None:
        return self._connection.transport.sio if self._connection else None

    def refresh(self) -> None:
        if self._connection:
            self._connection.refresh()

    async def connect(self) -> None:
        """Connect and register once; nothing to do when connected already."""
        if self.session:
            return
        await self.disconnect()
        connection = self._connection = Connection(self._provider, self._launch)
        try:
            await connection.open()
        except BaseException:
            self._connection = None
            raise
        log.info('"%s" is connected to the hub at %s', self._provider.name, self._hub)
        self._said = None
        await first(hooks.call(self._provider.on_connected), connection.transport.lost.wait())

    async def disconnect(self) -> None:
        if connection := self._connection:
            await connection.close()
            self._connection = None
            await first(hooks.call(self._provider.on_disconnected), asyncio.sleep(GOODBYE_TIMEOUT))

    async def run(self) -> None:
        if self._runner:
            raise RuntimeError(f'"{self._provider.name}" is running already')
        self._runner, self._stopping, self._over = asyncio.current_task(), asyncio.Event(), asyncio.Event()
        # the terminal's Ctrl-C is the daemon's business
        signals = [signal.SIGTERM] if self._launch else [signal.SIGTERM, signal.SIGINT]
        if not self._launch:
            output.set_up_alone()
        try:
            with Signals(signals, self._stopping.set) as received:
                await self._serve()
        except Refused as exc:
            # Its cause says nothing more than its sentence: without it an author sees only their own lines.
            raise exc from None
        finally:
            self._runner = None
            self._over.set()
        # Raised in a task it breaks the loop: the last of several providers does so for all.
        if received.first == signal.SIGINT and received.is_last:
            raise KeyboardInterrupt

    async def stop(self) -> None:
        if not self._runner:
            await self.disconnect()
            return
        self._stopping.set()
        me = asyncio.current_task()
        if me is not self._runner and not (self._connection and self._connection.owns(me)):
            await self._over.wait()

    async def _serve(self) -> None:
        discovering = asyncio.create_task(self._discovery.run()) if self._discovery else None
        keeping = asyncio.create_task(self._keep_connected())
        try:
            await first(self._stopping.wait(), asyncio.wait([keeping]))
        finally:
            await ended(keeping, *([discovering] if discovering else []))
            await self.disconnect()
        if not keeping.cancelled():
            keeping.result()

    async def _keep_connected(self) -> None:
        if self._discovery:
            await first(self._discovery.looked.wait(), asyncio.sleep(DISCOVERY_TIMEOUT))
        failures = 0
        while True:
            began = time.monotonic()
            try:
                await self.connect()
                await self._until_lost()
            except Lost as exc:
                self._say_once(logging.INFO, f"waiting for the hub at {self._hub} ({exc})")
            except Refused as exc:
                if self._is_final(exc):
                    raise
                self._say_once(logging.ERROR, str(exc))
            else:
                failures = 0 if time.monotonic() - began > SETTLED else failures
            self._look_for_the_daemon()
            await asyncio.sleep(pause(failures))
            failures += 1

    async def _until_lost(self) -> None:
        if self._connection:
            await self._connection.transport.lost.wait()
            log.warning("the connection to the hub at %s is lost", self._hub)
            await self.disconnect()

    def _is_final(self, refusal: Refused) -> bool:
        if refusal.error.meaning.retryable or refusal.error.code in PASSING:
            return False
        if self._launch:
            return True
        return refusal.at_register and refusal.error.code != "unauthenticated"

    def _look_for_the_daemon(self) -> None:
        parent = self._launch and self._launch.parent
        if parent and os.getppid() != parent:
            raise Orphaned(f'the daemon (pid {parent}) is gone: "{self._provider.name}" ends')

    def _say_once(self, level: int, sentence: str) -> None:
        if sentence != self._said:
            log.log(level, sentence)
            self._said = sentence

    @property
    def _hub(self) -> str:
        return (self._launch and self._launch.hub_socket) or self._provider.server_url
