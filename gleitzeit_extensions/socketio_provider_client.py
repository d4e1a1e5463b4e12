"""The class that a provider's author inherits from.

Its public methods are what can be called; `run()` serves them until it is stopped. Importing this module is
cheap: the connection, and with it asyncio, aiohttp and socketio, are loaded by `run()` or `connect()`.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from gleitzeit_extensions import threads
from gleitzeit_extensions.context import LAUNCH, Launch
from gleitzeit_extensions.methods import OFFERED, Method, UnknownMethod, methods_of, subject_of
from gleitzeit_extensions.offered import Offered
from gleitzeit_extensions.protocol import CallError

if TYPE_CHECKING:
    from gleitzeit_extensions.link import Link
    from gleitzeit_extensions.sio import SocketIO

DEFAULT_SERVER_URL = "http://localhost:8000"


class SocketIOProviderClient:
    """A provider: subclass it, write methods, and call `run()`.

    What a subclass leaves open, the daemon fills in when it starts the provider; by hand, `name` is needed.
    Keywords that are not known here are kept in `config`.
    """

    # Names with two underscores, since a subclass may well have a `_link` or `_models` of its own.
    __launch: Launch | None = None
    __link: Link | None = None
    __why_not_ready: str | None = None

    checks_config: bool = False
    """Whether `config:` may have only what the constructor names, of the types that it hints."""

    discovery_interval: float = 300.0
    """Seconds between two looks for models with `auto_discover_models`; 0: only the one at the start."""

    def __init__(
        self,
        name: str | None = None,
        provider_type: str | None = None,
        server_url: str | None = None,
        models: Iterable[str] | None = None,
        capabilities: Iterable[str] | None = None,
        description: str = "",
        metadata: dict[str, Any] | None = None,
        **config: Any,
    ) -> None:
        launch = self.__launch = LAUNCH.get()
        self.name = _name(name or (launch and launch.name), type(self))
        self.provider_type = provider_type or (launch and launch.type) or "unknown"
        self.server_url = _url(server_url or (launch and launch.server_url), self.name)
        self.models = models if models is not None else []
        self.capabilities = capabilities if capabilities is not None else []
        self.description = description or (launch.description if launch else "")
        self.metadata = dict(metadata or {})
        self.config = config

    @property
    def models(self) -> list[str]:
        """The models it serves; assigning a list tells the hub."""
        return self.__models

    @models.setter
    def models(self, models: Iterable[str]) -> None:
        self.__models = _strings("models", models)
        self.__tell()

    @property
    def capabilities(self) -> list[str]:
        """What it can do, in words that calls are routed by; assigning a list tells the hub."""
        return self.__capabilities

    @capabilities.setter
    def capabilities(self, capabilities: Iterable[str]) -> None:
        self.__capabilities = _strings("capabilities", capabilities)
        self.__tell()

    @property
    def connected(self) -> bool:
        """Whether the hub knows this provider now."""
        return self.provider_id is not None

    @property
    def provider_id(self) -> str | None:
        """The hub's name for this registration; None while there is none."""
        return self.__link.session if self.__link else None

    @property
    def sio(self) -> SocketIO | None:
        """The Socket.IO client of the present connection."""
        return self.__link.sio if self.__link else None

    async def invoke(self, method: str, **kwargs: Any) -> Any:
        """Call the public method of that name. Override it to decide at run time what can be called."""
        known, subject = methods_of(self, SocketIOProviderClient), subject_of(self)
        if method not in known:
            raise UnknownMethod(self.name, method, list(known))
        if isinstance(offered := known[method], Offered):
            return await offered.call(kwargs)
        if known[method].streams:
            raise CallError(
                "invalid_request", f'"{method}" of "{self.name}" gives a stream: call it with stream'
            )
        called = getattr(subject, known[method].attribute)
        return await threads.call(called, **known[method].checked(self.name, kwargs))

    def stream(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        """Override as an async generator: each item it yields is sent within 5 ms, as the caller reads."""
        raise NotImplementedError(f'"{self.name}" does not stream: {type(self).__name__} has no stream()')

    async def generate(self, *args: Any, **kwargs: Any) -> Any:
        """Override to answer a prompt."""
        raise NotImplementedError(f'"{self.name}" does not generate: {type(self).__name__} has no generate()')

    async def get_tools(self) -> list[dict[str, Any]]:
        """What can be called: a list of `{name, description, parameters, returns?, stream, idempotent}`.

        `parameters` is a JSON Schema of an object, `returns` one of the result, or of an item of the stream.
        """
        known = methods_of(self, SocketIOProviderClient)
        return [method.entry for method in known.values()]

    @property
    def why_not_ready(self) -> str | None:
        """The reason that was given to `not_ready()`; None while it may be called."""
        return self.__why_not_ready

    async def not_ready(self, reason: str = "not ready") -> None:
        """Have calls wait, or go elsewhere, until `ready()`: as weights are loaded, or an upstream is down.

        May be used at any time and from any thread; said before it connects, it holds from its registration
        on. `reason` is shown in `status`.
        """
        self.__why_not_ready = reason
        self.__tell()

    async def ready(self) -> None:
        """Take calls again."""
        self.__why_not_ready = None
        self.__tell()

    async def get_health_status(self) -> dict[str, Any]:
        """Override to say how it is: `{"healthy": bool, ...}`; `"status": "degraded"` means: no calls now."""
        return {"healthy": True}

    async def discover_models(self) -> list[str]:
        """Override to look up what can be served.

        With `auto_discover_models` it runs at the start and then every `discovery_interval` seconds.
        """
        return self.models

    async def on_connected(self) -> None:
        """Runs after each registration with the hub."""

    async def on_disconnected(self) -> None:
        """Runs after each end of a connection."""

    async def update_models(self, models: Iterable[str]) -> None:
        self.models = list(models)

    async def update_capabilities(self, capabilities: Iterable[str]) -> None:
        self.capabilities = list(capabilities)

    async def update_methods(self, methods: Iterable[Method]) -> None:
        """Have these methods from now on, instead of all that the class declares, and tell the hub."""
        setattr(self, OFFERED, {method.name: method for method in methods})
        self.__tell()

    async def connect(self) -> None:
        """Connect and register once, or raise; `run()` does this for you, again and again."""
        await self.__linked().connect()

    async def disconnect(self) -> None:
        """Say goodbye and end the connection, if there is one."""
        if self.__link:
            await self.__link.disconnect()

    async def run(self) -> None:
        """Serve until `stop()` or a signal; reconnects whenever the hub is gone.

        Ctrl-C ends it cleanly and is then raised as KeyboardInterrupt; SIGTERM ends it cleanly and returns. A
        second signal ends the process at once. A script that runs it with `&` has it ignore Ctrl-C, as shells
        have it. Raises an error with the hub's sentence when the hub refuses the provider for good.
        """
        await self.__linked().run()

    async def stop(self) -> None:
        """End `run()`, or the connection. May be called at any time, and again."""
        if self.__link:
            await self.__link.stop()

    def __linked(self) -> Link:
        if self.__link is None:
            from gleitzeit_extensions.link import Link

            self.__link = Link(self, self.__launch)
        return self.__link

    def __tell(self) -> None:
        if self.__link:
            self.__link.refresh()


def _name(name: object, cls: type) -> str:
    if isinstance(name, str) and name:
        return name
    if name:
        raise TypeError(f"the name of a provider is a string, not a {type(name).__name__}")
    raise TypeError(f'{cls.__name__} needs a name: {cls.__name__}(name="...")')


def _url(given: object, name: str) -> str:
    url = given or os.environ.get("GLEITZEIT_HUB_URL") or DEFAULT_SERVER_URL
    parts = urlsplit(str(url))
    if parts.scheme in ("http", "https", "ws", "wss") and parts.netloc:
        return str(url)
    raise ValueError(f'the server_url {url!r} of "{name}" is not a URL: write it like {DEFAULT_SERVER_URL}')


def _strings(what: str, given: object) -> list[str]:
    if isinstance(given, Iterable) and not isinstance(given, str):
        strings = list(given)
        if all(isinstance(string, str) for string in strings):
            return strings
    raise TypeError(f"{what} is a list of strings, not {given!r:.100}")
