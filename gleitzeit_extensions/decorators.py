"""The decorators that make a class an extension, in any order, and the one that publishes a method.

    @extension(name="weather", description="Tells the weather")
    @config_field("api_key", field_type="secret", required=True, env_var="WEATHER_API_KEY")
    class Weather:
        def __init__(self, api_key: str) -> None: ...

What they say is kept on the class itself and nowhere else; a class that inherits from it is no extension.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from gleitzeit_extensions.catalog import parts
from gleitzeit_extensions.catalog.meta import FIRST_VERSION, ExtensionMeta
from gleitzeit_extensions.catalog.parts import Head, Part
from gleitzeit_extensions.exceptions import ExtensionValidationError
from gleitzeit_extensions.tools import EVENT

PARTS = "__gleitzeit_parts__"

Class = TypeVar("Class", bound=type)
Method = TypeVar("Method", bound=Callable[..., Any])


def extension(
    name: str, description: str = "", version: str = FIRST_VERSION, author: str = ""
) -> Callable[[Class], Class]:
    """Make the class an extension of this name."""
    return _says(lambda: parts.extension(name, description, version, author))


def requires(*requirements: str) -> Callable[[Class], Class]:
    """Packages that it needs, as pip takes them: `"requests>=2.0"` (PEP 508)."""
    return _says(lambda: parts.requires(*requirements))


def model(
    name: str,
    capabilities: Sequence[str] | None = None,
    max_tokens: int | None = None,
    cost_per_token: float | None = None,
    **extra: Any,
) -> Callable[[Class], Class]:
    """A model that it serves; calls for it are routed here. `extra` is kept as the model's metadata."""
    return _says(lambda: parts.model(name, capabilities, max_tokens, cost_per_token, **extra))


def capability(*names: str) -> Callable[[Class], Class]:
    """What it can do, in words that calls are routed by."""
    return _says(lambda: parts.capability(*names))


def config_field(
    name: str,
    field_type: str = "string",
    required: bool = False,
    default: Any = None,
    env_var: str | None = None,
    description: str = "",
    **extra: Any,
) -> Callable[[Class], Class]:
    """A value that its constructor is called with.

    `field_type`: string, integer, number, boolean, list, object, or secret (a string that is never shown).
    `env_var`: where it is read from when nobody gives it. `extra`: `min` and `max` of a number or length, and
    `choices`, a list of the only values.
    """
    said = {"required": required, "default": default, "env_var": env_var, "description": description} | extra
    return _says(lambda: parts.config_field(name, field_type, **said))


def handler(event_name: str) -> Callable[[Method], Method]:
    """Have the method called under this name, even if its own begins with an underscore."""
    name: object = event_name  # a bare @handler hands over the method
    if not isinstance(name, str) or not name.strip():
        raise _invalid("", f"@handler needs the name that is called, not {event_name!r:.60}")

    def mark(method: Method) -> Method:
        setattr(getattr(method, "__func__", method), EVENT, event_name)  # of a staticmethod, its function
        return method

    return mark


def is_extension(cls: object) -> bool:
    return isinstance(cls, type) and any(isinstance(part, Head) for part in _parts(cls))


def get_extension_meta(cls: type) -> ExtensionMeta:
    """What the decorators of this very class say. Raises ExtensionValidationError when it is no extension."""
    try:
        return parts.assemble(_parts(cls))
    except ValueError as exc:
        raise _invalid(cls.__name__, f"{cls.__name__}: {exc}") from exc


def get_extension_handlers(cls: type) -> dict[str, Callable[..., Any]]:
    """The methods with a `@handler`, by the names under which they are called."""
    return {getattr(function, EVENT): function for function in _functions(cls) if hasattr(function, EVENT)}


def _functions(cls: type) -> Iterator[Callable[..., Any]]:
    import inspect

    return (function for _, function in inspect.getmembers(cls, callable))


def _parts(cls: type) -> tuple[Part, ...]:
    own: tuple[Part, ...] = vars(cls).get(PARTS, ())
    return own


def _says(make: Callable[[], Part]) -> Callable[[Class], Class]:
    try:
        part = make()
    except (ValueError, TypeError) as exc:
        raise _invalid("", str(exc)) from exc

    def add(cls: Class) -> Class:
        if not isinstance(cls, type):
            raise _invalid(
                "", f"this decorator is for a class, and {getattr(cls, '__name__', cls)!r:.60} is none"
            )
        # Python applies the lowest decorator first: each one stands above what is there.
        setattr(cls, PARTS, (part, *_parts(cls)))
        return cls

    return add


def _invalid(name: str, sentence: str) -> ExtensionValidationError:
    return ExtensionValidationError(name, sentence, [sentence])
