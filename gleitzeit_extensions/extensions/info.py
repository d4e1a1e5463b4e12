"""What a manager tells of an extension."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from gleitzeit_extensions.catalog.meta import ExtensionMeta, Found, Model, Style

Class: TypeAlias = type


@dataclass(frozen=True, slots=True)
class ExtensionInfo:
    """An extension as it was when the manager was asked."""

    name: str
    type: str
    """`decorator` or `config`."""
    meta: ExtensionMeta
    extension_class: Class | None
    """None before it is loaded: until then none of its code has run."""
    config_file: Path | None
    """The extension.yaml, if it has one."""
    loaded: bool
    instance: Any = None

    @classmethod
    def of(cls, found: Found, instance: Any = None) -> ExtensionInfo:
        return cls(
            name=found.meta.name,
            type=str(found.style),
            meta=found.meta,
            extension_class=None if instance is None else instance.__class__,
            config_file=found.path if found.style is Style.CONFIG else None,
            loaded=instance is not None,
            instance=instance,
        )

    @property
    def models(self) -> list[dict[str, Any]]:
        """One `{name, capabilities, max_tokens, cost_per_token, ...what else the author wrote}` each."""
        return [_model(model) for model in self.meta.models]

    def as_dict(self) -> dict[str, Any]:
        meta = self.meta
        return {
            "name": self.name,
            "type": self.type,
            "version": meta.version,
            "description": meta.description,
            "author": meta.author,
            "models": self.models,
            "capabilities": list(meta.capabilities),
            "dependencies": list(meta.dependencies),
            "loaded": self.loaded,
        }


def _model(model: Model) -> dict[str, Any]:
    more: Mapping[str, Any] = model.metadata
    return {
        **more,
        "name": model.name,
        "capabilities": list(model.capabilities),
        "max_tokens": model.max_tokens,
        "cost_per_token": model.cost_per_token,
    }
