"""What an extension says about itself, in either style: decorators on a class, or a manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

FIRST_VERSION = "1.0.0"
NAME = r"^[^\W_][\w.-]*$"
"""What an extension may be called: a word of letters, digits, `.`, `-` and `_`."""
NOTHING: Mapping[str, Any] = MappingProxyType({})


class FieldType(StrEnum):
    """What a value of a configuration may be; a secret is a string that is never shown."""

    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    LIST = "list"
    OBJECT = "object"
    SECRET = "secret"


@dataclass(frozen=True, slots=True, repr=False)
class ConfigField:
    """One value that an extension is configured with."""

    name: str
    type: FieldType = FieldType.STRING
    required: bool = False
    default: Any = None
    """None: there is none."""
    env_var: str | None = None
    """The variable that it is read from where nobody gives it."""
    description: str = ""
    min: float | None = None
    """The least number, or the least length of a string or list."""
    max: float | None = None
    choices: tuple[Any, ...] = ()
    """The only values; empty: any."""

    def __repr__(self) -> str:
        """All of it but a secret's values."""
        said = {one.name: getattr(self, one.name) for one in fields(self)}
        if self.type is FieldType.SECRET:
            said |= {key: "********" for key in ("default", "choices") if said[key]}
        return f"ConfigField({', '.join(f'{key}={value!r}' for key, value in said.items())})"


@dataclass(frozen=True, slots=True)
class Model:
    """A model that an extension serves."""

    name: str
    capabilities: tuple[str, ...] = ()
    max_tokens: int | None = None
    cost_per_token: float | None = None
    metadata: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    """Whatever else the author wrote."""


@dataclass(frozen=True, slots=True)
class ExtensionMeta:
    """What an extension declares, in the order in which it was written."""

    name: str
    description: str = ""
    version: str = FIRST_VERSION
    author: str = ""
    models: tuple[Model, ...] = ()
    capabilities: tuple[str, ...] = ()
    dependencies: tuple[str, ...] = ()
    """Requirements as pip takes them (PEP 508)."""
    config: Mapping[str, ConfigField] = field(default_factory=lambda: NOTHING)


class Style(StrEnum):
    """How an extension was written."""

    DECORATOR = "decorator"
    CONFIG = "config"


@dataclass(frozen=True, slots=True)
class Found:
    """An extension that lies in one of the search paths."""

    meta: ExtensionMeta
    style: Style
    path: Path
    """Where it declares itself: the module, or the manifest."""
    line: int
    home: Path
    """The directory or single file that is all of it."""
    target: str
    """DECORATOR: the class's name in the module at `path`. CONFIG: `module.ClassName`, relative to `home`."""

    target_line: int
    """Where `target` is written."""

    @property
    def where(self) -> str:
        return f"{self.path}:{self.line}"

    @property
    def target_where(self) -> str:
        return f"{self.path}:{self.target_line}"
