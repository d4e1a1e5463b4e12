"""Loads one extension: requirements, configuration, modules, class, instance, in this order.

So none of its code runs before it is known that it can.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

from gleitzeit_extensions.catalog import fields, requirements
from gleitzeit_extensions.catalog.meta import ExtensionMeta, Found, Style
from gleitzeit_extensions.exceptions import (
    ExtensionDependencyError,
    ExtensionLoadError,
    ExtensionValidationError,
)
from gleitzeit_extensions.extensions import making, where
from gleitzeit_extensions.extensions.modules import Modules


@dataclass(frozen=True)
class Loaded:
    """An extension in this program; `modules.forget()` ends its stay."""

    found: Found
    given: Mapping[str, Any] = field(repr=False)
    """It may have secrets."""
    instance: Any
    modules: Modules

    @property
    def meta(self) -> ExtensionMeta:
        return self.found.meta


def load(found: Found, given: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> Loaded:
    """The extension made with `given`, the environment and its defaults; raises an ExtensionLoadError."""
    meta = found.meta
    require(found)
    values = fields.resolve(meta, given, os.environ if environ is None else environ)
    more = {name: value for name, value in given.items() if name not in meta.config}
    modules = Modules(found.home)
    try:
        cls = class_of(found, modules)
        making.refuse_unknown(cls, found, more)
        instance = making.make(cls, found, values | more)
    except BaseException:
        modules.forget()
        raise
    return Loaded(found, dict(given), instance, modules)


def require(found: Found) -> None:
    """Raises ExtensionDependencyError where a package that it needs is missing, or of another version."""
    if unmet := requirements.unmet(found.meta.dependencies):
        name = found.meta.name
        sentence = f'"{name}" ({found.where}) {"; ".join(one.sentence for one in unmet)}'
        raise ExtensionDependencyError(name, sentence, [one.requirement for one in unmet])


def class_of(found: Found, modules: Modules) -> Any:
    """What the extension names as its class; raises an ExtensionLoadError where we could not work with it."""
    name, target = found.meta.name, found.target
    if found.style is Style.DECORATOR:
        module = imported(name, found.path, modules)
    else:
        wanted, _, target = found.target.rpartition(".")
        module = imported(name, wanted, modules)
    cls = getattr(module, target, None)
    if cls is None:
        names = [key for key, value in vars(module).items() if isinstance(value, type)]
        near = get_close_matches(target, names, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        sentence = f'{found.target_where}: "{name}": {module.__file__} has no class {target}{hint}'
        raise ExtensionValidationError(name, sentence, [sentence])
    making.check(cls, name)
    return cls


def imported(name: str, module: Path | str, modules: Modules) -> ModuleType:
    """The module of a file, or of a dotted name beside it; raises ExtensionLoadError."""
    try:
        return modules.of_file(module) if isinstance(module, Path) else modules.named(module)
    except KeyboardInterrupt:
        raise
    except BaseException as exc:  # what an author's module does when it is imported, nobody knows
        told = modules.plain(where.told(exc, root=modules.directory)) + modules.hint(exc)
        raise ExtensionLoadError(name, f'cannot import {module} of "{name}": {told}') from exc
