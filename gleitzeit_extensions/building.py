"""Makes a provider of its class and its `config:`.

The name reaches the class only where its constructor asks for it, since a class may bring its own; the
base class takes it from the launch context.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from gleitzeit_extensions import authors, settings
from gleitzeit_extensions.authors import Misconfigured
from gleitzeit_extensions.context import LAUNCH, Launch
from gleitzeit_extensions.failures import own_words
from gleitzeit_extensions.methods import CalledAlike
from gleitzeit_extensions.plain import Unfit
from gleitzeit_extensions.registration import methods_of
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient


class CannotMake(Exception):
    """The constructor failed in a way that may pass, such as a server that is down; the text says where."""


MISTAKES = (
    *(ArithmeticError, AttributeError, ImportError, LookupError, NameError, SyntaxError, TypeError),
    ValueError,
)
"""What an author's code raises again the next time."""


def failed(error: BaseException) -> type[Misconfigured] | type[CannotMake]:
    """What it means that a constructor raised `error`."""
    may_pass = isinstance(error, Exception) and not isinstance(error, MISTAKES)
    return CannotMake if may_pass else Misconfigured


def build(
    cls: type[SocketIOProviderClient], config: dict[str, Any], launch: Launch, roots: list[str]
) -> SocketIOProviderClient:
    """The provider; raises `Misconfigured`, or `CannotMake` where another try may succeed."""
    if missing := authors.left_abstract(cls):
        at = authors.written(cls)
        sentence = f"it does not write what is abstract: {', '.join(missing)}"
        raise Misconfigured(f"cannot make {cls.__name__}: {sentence}{f' ({at})' if at else ''}")
    keywords = _keywords(cls, config, launch)
    token = LAUNCH.set(launch)
    try:
        provider = cls(**keywords)
    except Exception as exc:  # an author's constructor may do anything
        words = str(exc) if isinstance(exc, (ValueError, TypeError, ImportError)) else own_words(exc)
        raise failed(exc)(f"cannot make {cls.__name__}: {words}{_at(exc, cls, roots)}") from exc
    finally:
        LAUNCH.reset(token)
    check(provider, launch)
    return provider


def check(provider: SocketIOProviderClient, launch: Launch) -> None:
    """Raises `Misconfigured` for one that means another than the config, or has two methods of one name."""
    _agrees(provider, type(provider), launch)
    check_names(provider)


def check_names(provider: SocketIOProviderClient) -> None:
    """Raises `Misconfigured` where two of its methods are to be called by one name."""
    try:
        methods_of(provider)
    except CalledAlike as exc:
        raise Misconfigured(f"cannot make {type(provider).__name__}: {exc}") from exc


OF_THE_DAEMON = ("name", "server_url")
"""Keys of `config:` that the daemon knows better."""


def check_keys(cls: type[SocketIOProviderClient], given: Iterable[str]) -> None:
    """Raises `Misconfigured` for a key of `config:` that its constructor does not take, or that it lacks."""
    keys = [key for key in given if key not in OF_THE_DAEMON]
    parameters = inspect.signature(cls).parameters
    named, takes_any = _named(cls), _takes_any(cls) and not cls.checks_config
    if cls.checks_config:
        named = settings.names(cls)
    at = _defined(cls)
    for key in keys:
        if key not in named and not takes_any:
            near = get_close_matches(key, named, n=1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            takes = ", ".join(sorted(named)) or "nothing"
            raise Misconfigured(f"config.{key}: {cls.__name__} does not take it{hint}; it takes {takes}{at}")
    for name in _named(cls):
        if parameters[name].default is inspect.Parameter.empty and name not in (*keys, *OF_THE_DAEMON):
            raise Misconfigured(f"cannot make {cls.__name__}: config.{name} is required{at}")


def _keywords(cls: type[SocketIOProviderClient], config: dict[str, Any], launch: Launch) -> dict[str, Any]:
    """What the constructor is called with."""
    check_keys(cls, config)
    named = _named(cls)
    keywords = {key: value for key, value in config.items() if key not in OF_THE_DAEMON}
    if "name" in named:
        keywords["name"] = launch.name
    if "server_url" in named or _takes_any(cls):
        keywords["server_url"] = launch.server_url
    return _fitted(cls, keywords) if cls.checks_config else keywords


def _named(cls: type) -> list[str]:
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [name for name, one in inspect.signature(cls).parameters.items() if one.kind in by_name]


def _takes_any(cls: type) -> bool:
    return any(one.kind is one.VAR_KEYWORD for one in inspect.signature(cls).parameters.values())


def _defined(cls: type) -> str:
    where = authors.definition(cls)
    return f" ({where})" if where else ""


def _fitted(cls: type, keywords: dict[str, Any]) -> dict[str, Any]:
    """The keywords as the hints want them. What does not fit is not shown: it may be a secret."""
    try:
        return settings.fitted(cls, keywords)
    except Unfit as exc:
        raise Misconfigured(f"config.{exc.wanted}{_defined(cls)}") from exc


def _at(error: BaseException, cls: type, roots: list[str]) -> str:
    where = authors.place(error, roots) or authors.definition(cls)
    return f" ({where})" if where else ""


def _agrees(provider: SocketIOProviderClient, cls: type, launch: Launch) -> None:
    """A class that brings a name or an address of its own must mean the same as the config."""
    name = getattr(provider, "name", None)
    if name is None:
        raise Misconfigured(
            f"{cls.__name__}.__init__ does not call super().__init__() ({authors.definition(cls)})"
        )
    if name != launch.name:
        raise Misconfigured(
            f'{cls.__name__} calls itself "{name}", but the config calls it "{launch.name}": '
            f'name the block "{name}", or let the class take its name from there'
        )
    if provider.server_url.rstrip("/") != launch.server_url.rstrip("/"):
        raise Misconfigured(
            f"{cls.__name__} wants the hub at {provider.server_url}, "
            f"but this daemon's is at {launch.server_url}: leave server_url out of the class"
        )
