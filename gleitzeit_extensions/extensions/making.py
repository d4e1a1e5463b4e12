"""Makes the instance of an extension: a decorated class gets keywords, the service of a manifest one dict."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from gleitzeit_extensions import config_loader
from gleitzeit_extensions.catalog.meta import Found, Style
from gleitzeit_extensions.config_loader import ConfigBasedExtension
from gleitzeit_extensions.exceptions import (
    ExtensionConfigError,
    ExtensionError,
    ExtensionLoadError,
    ExtensionValidationError,
)
from gleitzeit_extensions.extensions import where

OPTIONAL = ("setup", "start", "stop", "health_check")
"""The methods that we call if they are there, without an argument."""


class NotMade(ExtensionLoadError):
    """Its constructor raised `raised`."""

    def __init__(self, extension_name: str, sentence: str, raised: BaseException) -> None:
        super().__init__(extension_name, sentence)
        self.raised = raised


def make(cls: type, found: Found, values: Mapping[str, Any]) -> Any:
    """The instance of a class that passed `check`; raises an ExtensionLoadError with the author's line."""
    token = config_loader.MAKING.set(found.meta)
    try:
        if found.style is Style.CONFIG:
            instance = cls(dict.fromkeys(found.meta.config) | dict(values))
        else:
            instance = cls(**_keywords(cls, found, values))
    except (KeyboardInterrupt, ExtensionError):
        raise
    except BaseException as exc:  # an author's constructor may do anything, such as sys.exit()
        sentence = f'cannot make {cls.__name__} of "{found.meta.name}": {where.told(exc, cls)}'
        raise NotMade(found.meta.name, sentence, exc) from exc
    finally:
        config_loader.MAKING.reset(token)
    if isinstance(instance, ConfigBasedExtension) and not hasattr(instance, "config"):
        at = where.of(cls, "__init__")
        sentence = f"{at}: {cls.__name__}.__init__ does not call super().__init__(config)"
        raise ExtensionValidationError(found.meta.name, sentence, [sentence])
    return instance


def refuse_unknown(cls: type, found: Found, given: Iterable[str]) -> None:
    """Raises ExtensionConfigError for the names of values that the extension neither declares nor takes."""
    parameters = _parameters(cls) if found.style is Style.DECORATOR else {}
    if any(one.kind is one.VAR_KEYWORD for one in parameters.values()):
        return
    names = list(
        dict.fromkeys([*found.meta.config, *(name for name, one in parameters.items() if _is_named(one))])
    )
    wrong = [f"it does not take {name}{_hint(name, names)}" for name in given if name not in names]
    if wrong:
        takes = ", ".join(names) or "nothing"
        sentence = f'"{found.meta.name}" ({found.where}): {"; ".join(wrong)}; it takes {takes}'
        raise ExtensionConfigError(found.meta.name, sentence)


def _keywords(cls: type, found: Found, values: Mapping[str, Any]) -> dict[str, Any]:
    name, parameters = found.meta.name, _parameters(cls)
    named = {key: one for key, one in parameters.items() if _is_named(one)}
    takes_any = any(one.kind is one.VAR_KEYWORD for one in parameters.values())
    if not takes_any and (untaken := [key for key in values if key not in named]):
        sentence = (
            f"{where.of(cls, '__init__')}: {cls.__name__} declares {', '.join(untaken)}, "
            "which its __init__ does not take: add it there, or **kwargs"
        )
        raise ExtensionValidationError(name, sentence, [sentence])
    needed = [key for key, one in named.items() if one.default is one.empty and key not in values]
    if missing := [key for key in needed if key not in found.meta.config]:
        wanted = " and ".join(missing)
        at = where.of(cls, "__init__")
        sentence = f'"{name}" needs {wanted} ({at}): give it, or declare it as a config_field'
        raise ExtensionConfigError(name, sentence)
    return {**dict.fromkeys(needed), **values}


def check(cls: object, name: str) -> None:
    """A class whose methods we can call."""
    if not isinstance(cls, type):
        sentence = f'the target of "{name}" is a {type(cls).__name__}, not a class'
        raise ExtensionValidationError(name, sentence, [sentence])
    mistakes = [mistake for method in OPTIONAL if (mistake := _mistake(cls, method))]
    if left := sorted(getattr(cls, "__abstractmethods__", ())):
        mistakes.append(f"{where.of(cls)}: {cls.__name__} leaves {', '.join(left)} abstract")
    if mistakes:
        raise ExtensionValidationError(name, f'"{name}" cannot be loaded: {"; ".join(mistakes)}', mistakes)


def _mistake(cls: type, method: str) -> str | None:
    found = inspect.getattr_static(cls, method, None)
    if found is None:
        return None
    function = getattr(cls, method)
    if not callable(function):
        return f"{where.of(cls)}: {method} of {cls.__name__} is a {type(function).__name__}, not a method"
    if inspect.isasyncgenfunction(function):
        return f"{where.of(cls, method)}: {method}() of {cls.__name__} yields: it is awaited once"
    bound = () if isinstance(found, staticmethod | classmethod) else (None,)
    try:
        inspect.signature(function).bind(*bound)
    except TypeError:
        takes = inspect.signature(function)
        return f"{where.of(cls, method)}: {method}{takes} of {cls.__name__} is called without arguments"
    except ValueError:  # made by C: it has no signature
        return None
    return None


def _parameters(cls: type) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(cls).parameters
    except (ValueError, TypeError):  # made by C
        return {}


def _is_named(one: inspect.Parameter) -> bool:
    return one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)


def _hint(name: str, names: list[str]) -> str:
    near = get_close_matches(name, names, n=1)
    return f" (did you mean {near[0]}?)" if near else ""
