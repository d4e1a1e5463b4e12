"""An extension as a provider: its methods are called, its models routed, and it is asked how it is."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from typing import Any

from gleitzeit_extensions import threads
from gleitzeit_extensions.catalog.meta import ExtensionMeta
from gleitzeit_extensions.context import LAUNCH
from gleitzeit_extensions.exceptions import ExtensionServiceError
from gleitzeit_extensions.extensions import where
from gleitzeit_extensions.extensions.running import Running
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient
from gleitzeit_extensions.waiting import ended

log = logging.getLogger("gleitzeit")

SETTING_UP = "its setup() has not returned yet"


class ExtensionProvider(SocketIOProviderClient):
    """Serves the methods of an extension from the moment that its `setup()` has returned.

    It registers at once, as not ready: a setup has the time of a start, as models take long to load. It ends
    when its `start()` fails; one that returns is fine.
    """

    def __init__(self, extension: Any, meta: ExtensionMeta, **given: Any) -> None:
        """`given`: what a SocketIOProviderClient takes; what it leaves open, the extension declares."""
        launch = LAUNCH.get()
        described = (launch.description if launch else "") or meta.description
        declared = {
            "name": launch.name if launch else meta.name,
            "provider_type": launch.type if launch else "extension",
            "description": described,
            "metadata": {"extension": meta.name, "version": meta.version},
            "models": [model.name for model in meta.models],
            "capabilities": capabilities(meta),
        }
        super().__init__(**declared | given)
        self.__gleitzeit_subject__ = extension
        self.__running = Running(self.name, extension)
        self.__failure: ExtensionServiceError | None = None

    async def run(self) -> None:
        """As of any provider; raises ExtensionServiceError when its `setup()` or `start()` failed."""
        await self.not_ready(SETTING_UP)
        life = asyncio.create_task(self.__live())
        try:
            await super().run()
        finally:
            try:
                await self.__running.stop()
            except ExtensionServiceError as exc:
                log.warning("%s", exc)
            await ended(life)
        if self.__failure:
            raise self.__failure

    async def get_health_status(self) -> dict[str, Any]:
        """What its `health_check()` says."""
        return await self.__running.health()

    async def discover_models(self) -> list[str]:
        """What its `get_models()` says."""
        return await self.__asked("get_models", self.models)

    async def __live(self) -> None:
        try:
            await self.__running.setup()
            # A service may know only now what it serves.
            self.models = await self.__asked("get_models", self.models)
            own = await self.__asked("get_capabilities", [])
            self.capabilities = list(dict.fromkeys([*own, *self.capabilities]))
            await self.ready()
            self.__running.start()
            await self.__running.started()
        except ExtensionServiceError as exc:
            if not self.__running.is_stopping:
                self.__failure = exc
                await self.stop()

    async def __asked(self, name: str, otherwise: list[str]) -> list[str]:
        extension = self.__gleitzeit_subject__
        own = getattr(extension, name, None)
        try:
            return otherwise if own is None else _names(await threads.call(own))
        except (Exception, SystemExit) as exc:  # an author may raise anything
            sentence = f'{name}() of "{self.name}" failed: {where.told(exc, extension, name)}'
            raise ExtensionServiceError(self.name, sentence) from exc


def capabilities(meta: ExtensionMeta) -> list[str]:
    """Its own, and those of its models."""
    words = (*meta.capabilities, *(word for model in meta.models for word in model.capabilities))
    return list(dict.fromkeys(words))


def _names(given: Any) -> list[str]:
    """Of a list of names, or of models that have one each; a mapping has them for keys."""
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise TypeError(f"a list of names is needed, not a {type(given).__name__}")
    return [_name(item) for item in given]


def _name(item: Any) -> str:
    name = item.get("name") if isinstance(item, Mapping) else getattr(item, "name", item)
    if not isinstance(name, str):
        raise TypeError(f"a name is needed for each, not a {type(name).__name__}")
    return name
