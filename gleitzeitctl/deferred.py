"""Puts off imports that a library makes at its top for what most runs of it never use.

While `deferred` is entered, something stands in for each module that it names. What is promised with it
imports the real module when it is used; whatever else is asked for, at once. So only the moment changes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any


class StandIn(ModuleType):
    """Serves `import name` and `from name import promised` instead of the module."""

    def __init__(self, name: str, promised: tuple[str, ...]) -> None:
        super().__init__(name)
        for attribute in promised:
            setattr(self, attribute, Promise(name, attribute))

    def __getattr__(self, attribute: str) -> Any:
        # the import system asks for __path__ and the like, and may well find none
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        return getattr(_real(self.__name__), attribute)


class Promise:
    """A function or class that may be called or asked for its attributes, and is imported then."""

    def __init__(self, module: str, name: str) -> None:
        self._where = module, name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._kept()(*args, **kwargs)

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._kept(), attribute)

    def _kept(self) -> Any:
        module, name = self._where
        return getattr(_real(module), name)


@contextmanager
def deferred(modules: Mapping[str, tuple[str, ...]]) -> Iterator[None]:
    """Put off `modules` (name -> what is promised with it) unless they are imported already."""
    stand_ins = {
        name: StandIn(name, promised) for name, promised in modules.items() if name not in sys.modules
    }
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name, stand_in in stand_ins.items():
            if sys.modules.get(name) is stand_in:
                del sys.modules[name]


def _real(name: str) -> ModuleType:
    if isinstance(sys.modules.get(name), StandIn):
        del sys.modules[name]
    return import_module(name)
