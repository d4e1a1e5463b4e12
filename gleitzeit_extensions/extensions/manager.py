"""`ExtensionManager`: finds, loads, starts, watches and stops the extensions of one program.

It keeps everything it knows in itself: two managers know nothing of each other.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gleitzeit_extensions.exceptions import (
    ExtensionConfigError,
    ExtensionError,
    ExtensionServiceError,
)
from gleitzeit_extensions.extensions import health
from gleitzeit_extensions.extensions.info import ExtensionInfo
from gleitzeit_extensions.extensions.loading import Loaded, load
from gleitzeit_extensions.extensions.running import Running
from gleitzeit_extensions.extensions.shelf import Shelf

log = logging.getLogger("gleitzeit")

DEFAULT_PATHS = ("extensions/",)

Place = str | os.PathLike[str]


class ExtensionManager:
    """The extensions of `cluster`, or of a program that has none.

    What is started belongs to the event loop that started it; stop it there.
    """

    def __init__(self, cluster: Any = None) -> None:
        self.cluster: Any = None
        self._paths: list[Path] = []
        self._shelf = Shelf({})
        self._warned: set[str] = set()
        self._loaded: dict[str, Loaded] = {}
        self._running: dict[str, Running] = {}
        self._failed: dict[str, ExtensionServiceError] = {}
        """Those whose setup() failed, until they are started again."""
        self._health: dict[str, dict[str, Any]] = {}
        if cluster is not None:
            self.attach_to_cluster(cluster)

    def attach_to_cluster(self, cluster: Any) -> None:
        """Have `cluster` ask this manager which extension serves a model."""
        self.cluster = cluster
        if hasattr(cluster, "set_extension_manager"):
            cluster.set_extension_manager(self)

    # Finding

    def discover_extensions(self, paths: Iterable[Place] | Place | None = None) -> list[str]:
        """Look into `paths`, and again into those of before; gives the names found in `paths`.

        Without paths that is `extensions/`. A path that does not exist holds nothing. What cannot be used is
        in `problems`, and harms nothing else.
        """
        given = DEFAULT_PATHS if paths is None else [paths] if isinstance(paths, str | os.PathLike) else paths
        places = [Path(path).expanduser().resolve() for path in given]
        self._paths += [place for place in dict.fromkeys(places) if place not in self._paths]
        self._shelf = Shelf.of(self._paths)
        for sentence in self.problems:
            if sentence not in self._warned:
                self._warned.add(sentence)
                log.warning("%s", sentence)
        return [
            name
            for name, found in self._shelf.found.items()
            if any(found.path.is_relative_to(place) for place in places)
        ]

    @property
    def problems(self) -> tuple[str, ...]:
        """What the search paths hold that cannot be used: a sentence each, with file and line."""
        return tuple(trouble.sentence for trouble in self._shelf.troubles)

    def list_available(self) -> dict[str, ExtensionInfo]:
        """Every extension that can be loaded, or is."""
        on_shelf = {name: ExtensionInfo.of(found) for name, found in self._shelf.found.items()}
        return on_shelf | self.list_loaded()

    # Loading

    def load_extension(self, name: str, **config: Any) -> Any:
        """The instance of that extension; made once, of `config`, the environment and its defaults.

        One that is loaded already is given as it is; to ask for other values then is an ExtensionConfigError.
        Raises ExtensionNotFound; ExtensionDependencyError, ExtensionConfigError, ExtensionValidationError, or
        the ExtensionLoadError that they all are.
        """
        if name not in self._loaded:
            if not self._paths:
                self.discover_extensions()
            self._loaded[name] = load(self._shelf.take(name), config)
        elif config and config != self._loaded[name].given:
            sentence = (
                f'"{name}" is loaded already, with other values: first manager.unload_extension("{name}")'
            )
            raise ExtensionConfigError(name, sentence)
        return self._loaded[name].instance

    def list_loaded(self) -> dict[str, ExtensionInfo]:
        return {name: ExtensionInfo.of(one.found, one.instance) for name, one in self._loaded.items()}

    def is_loaded(self, name: str) -> bool:
        return name in self._loaded

    def unload_extension(self, name: str) -> None:
        """Forget the instance and its modules. Raises ExtensionError while it runs."""
        if name in self._running:
            raise ExtensionError(name, f'"{name}" is running: first await manager.stop_extension("{name}")')
        if loaded := self._loaded.pop(name, None):
            loaded.modules.forget()
            self._health.pop(name, None)
            self._failed.pop(name, None)

    # Running

    async def start_extension(self, name: str) -> None:
        """Run its setup() to the end, then its start() beside everything else; nothing if it runs already.

        Raises ExtensionServiceError when setup() fails. A failure of start() is logged, and in `health`.
        """
        if name not in self._loaded:
            raise ExtensionError(name, f'"{name}" is not loaded: first manager.load_extension("{name}")')
        while (running := self._running.get(name)) is not None:
            if running.is_well:
                return await running.setup()  # wait with whoever began it
            await self._ended(name, running)
        running = self._running[name] = Running(name, self._loaded[name].instance)
        self._failed.pop(name, None)
        try:
            await running.setup()
        except BaseException as exc:
            if isinstance(exc, ExtensionServiceError):
                self._failed[name] = exc
            if not running.is_stopping:
                self._forget(name, running)
            raise
        running.start()

    async def stop_extension(self, name: str) -> None:
        """Run its stop(), and end what is left of its start(); nothing if it does not run.

        Raises ExtensionServiceError when its stop() failed, or when something of it will not end.
        """
        if running := self._running.get(name):
            try:
                await running.stop()
            finally:
                self._forget(name, running)

    async def start_all_extensions(self) -> None:
        """Start all that are loaded, side by side. One that fails is logged, and holds up no other."""
        async with asyncio.TaskGroup() as group:
            for name in self._loaded:
                group.create_task(_logged(self.start_extension(name)))

    async def stop_all_extensions(self) -> None:
        """Stop all that run, the last one started first. One that fails is logged; the others are stopped."""
        for name in reversed(list(self._running)):
            await _logged(self.stop_extension(name))

    # Telling

    def get_extension_info(self, name: str) -> dict[str, Any]:
        """All there is to say about it; of an unknown one `{"name", "found": False}`.

        `health` is there once it is loaded: asked now, but for an async health_check() while a loop runs.
        Then it is what the last `await check_health(name)` gave.
        """
        info = self.list_available().get(name)
        if info is None:
            return {"name": name, "found": False}
        running = self._running.get(name)
        told = info.as_dict() | {"running": running is not None and running.is_well}
        if error := self._error(name):
            told["error"] = str(error)
        if info.loaded and (now := self._health_now(name)) is not None:
            told["health"] = now
        return told

    async def check_health(self, name: str) -> dict[str, Any]:
        """`{"healthy": bool, ...}`: what its health_check() says; unhealthy, too, when its start failed.

        Raises ExtensionError when it is not loaded.
        """
        if name not in self._loaded:
            raise ExtensionError(name, f'"{name}" is not loaded: first manager.load_extension("{name}")')
        told = await health.ask(self._loaded[name].instance)
        if error := self._error(name):
            told = {**told, "healthy": False, "error": str(error)}
        self._health[name] = told
        return told

    def get_models_for_extension(self, name: str) -> list[dict[str, Any]]:
        """Its models, with at least `name`, `capabilities`, `max_tokens` and `cost_per_token`."""
        info = self.list_available().get(name)
        return info.models if info else []

    def find_extension_for_model(self, model: str) -> str | None:
        """The first extension that declares the model, loaded or not.

        What its get_models() says instead is known to the daemon alone, where it runs as a provider.
        """
        for name, info in self.list_available().items():
            if any(one.name == model for one in info.meta.models):
                return name
        return None

    def get_summary(self) -> dict[str, Any]:
        """How many there are, `available_extensions`, `loaded_extensions`, `running_services`; and which.

        `extensions` is `{total, by_type: {decorator, config}, extensions: {name: {type, version, models,
        capabilities, loaded}}}`, `problems` the sentences of what cannot be used.
        """
        available = self.list_available()
        types = Counter(info.type for info in available.values())
        return {
            "available_extensions": len(available),
            "loaded_extensions": len(self._loaded),
            "running_services": sum(running.is_well for running in self._running.values()),
            "problems": list(self.problems),
            "extensions": {
                "total": len(available),
                "by_type": {"decorator": types["decorator"], "config": types["config"]},
                "extensions": {name: _summary(info) for name, info in available.items()},
            },
        }

    def _health_now(self, name: str) -> dict[str, Any] | None:
        instance = self._loaded[name].instance
        if error := self._error(name):
            return {"healthy": False, "error": str(error)}
        if not health.is_async(instance):
            return health.ask_now(instance)
        if not _in_a_loop():
            return asyncio.run(self.check_health(name))
        return self._health.get(name)

    def _error(self, name: str) -> ExtensionServiceError | None:
        """Why it does not run though it was started."""
        running = self._running.get(name)
        return running.error if running else self._failed.get(name)

    async def _ended(self, name: str, running: Running) -> None:
        """What failed, or is being stopped, is over before the next life begins."""
        try:
            await running.stop()
        except ExtensionServiceError as exc:
            log.warning("%s", exc)
        finally:
            self._forget(name, running)

    def _forget(self, name: str, running: Running) -> None:
        if self._running.get(name) is running:
            del self._running[name]


async def _logged(work: Any) -> None:
    try:
        await work
    except ExtensionServiceError as exc:
        log.error("%s", exc)


def _in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _summary(info: ExtensionInfo) -> dict[str, Any]:
    return {
        "type": info.type,
        "version": info.meta.version,
        "models": [model.name for model in info.meta.models],
        "capabilities": list(info.meta.capabilities),
        "loaded": info.loaded,
    }
