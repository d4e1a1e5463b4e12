"""`GleitzeitCluster`: the providers of a daemon, and the extensions of this program, asked as one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gleitzeit_extensions.extensions.manager import ExtensionManager

DAEMON_SECONDS = 5.0


class GleitzeitCluster:
    """Nothing is opened, started or looked up before it is asked.

    Without `url` the daemon is the one of this machine; see gleitzeit_extensions.client.Client for both.
    """

    def __init__(self, url: str | None = None, *, token: str | None = None) -> None:
        self.extension_manager: ExtensionManager | None = None
        self._url, self._token = url, token

    def set_extension_manager(self, manager: ExtensionManager) -> None:
        self.extension_manager = manager

    async def start(self) -> None:
        """Start the loaded extensions; one that fails is logged, and does not hold up the others."""
        if self.extension_manager:
            await self.extension_manager.start_all_extensions()

    async def stop(self) -> None:
        """Stop the extensions. The daemon is nobody's to stop here."""
        if self.extension_manager:
            await self.extension_manager.stop_all_extensions()

    async def find_provider_for_model(self, model: str) -> str | None:
        """Who serves `model`: a provider of the daemon, when one answers and has it; else an extension.

        Raises Unreachable when `url` was given and no daemon is there.
        """
        provider = await self._of_the_daemon(model)
        if provider is None and self.extension_manager:
            return self.extension_manager.find_extension_for_model(model)
        return provider

    async def _of_the_daemon(self, model: str) -> str | None:
        from gleitzeit_extensions.client import Client, ClientError, Model, Unreachable

        try:
            async with asyncio.timeout(DAEMON_SECONDS), Client(self._url, token=self._token) as client:
                route: dict[str, Any] = await client.route(Model(model))
        except Unreachable:
            if self._url is not None:  # a daemon that was named is meant
                raise
            return None
        except (ClientError, TimeoutError):  # it has none, or does not say
            return None
        return next((str(one["provider"]) for one in route["candidates"]), None)
