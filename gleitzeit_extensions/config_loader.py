"""`ConfigBasedExtension`: what the service of an extension.yaml inherits from."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from gleitzeit_extensions.catalog.meta import ExtensionMeta

MAKING: ContextVar[ExtensionMeta | None] = ContextVar("gleitzeit_extension", default=None)
"""What the manifest says of the extension that is being made."""


class ConfigBasedExtension:
    """Override what you need: each of the methods is optional, and may be plain or async.

    `config` is what the manifest's `config:` came to: defaults, the environment, and what the program gave.
    `name` and `meta` are the manifest's. Made by hand, it is called `config["name"]` or after its class, and
    `meta` is None.
    """

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        self.config: dict[str, Any] = dict(config or {})
        self.meta: ExtensionMeta | None = MAKING.get()
        self.name: str = self.meta.name if self.meta else str(self.config.get("name") or type(self).__name__)

    async def setup(self) -> None:
        """Runs once, before anything is asked of it."""

    async def start(self) -> None:
        """Runs beside everything else; may serve for ever, or return."""

    async def stop(self) -> None:
        """Let go of what setup() and start() took."""

    def health_check(self) -> Any:
        """`{"healthy": bool, ...}`; or a coroutine of that, where it is overridden with `async def`."""
        return {"healthy": True, "provider": self.name}

    def get_models(self) -> list[str]:
        """The names of its models: those of the manifest.

        A daemon asks for them when setup() has returned; an ExtensionManager goes by the manifest.
        """
        return [model.name for model in self.meta.models] if self.meta else []

    def get_capabilities(self) -> list[str]:
        """Its capabilities: those of the manifest."""
        return list(self.meta.capabilities) if self.meta else []
