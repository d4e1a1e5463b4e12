"""`SyncClient`: calls from a program without an event loop. Without a thread, too, and without aiohttp."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Self

from gleitzeit_extensions.client import answer as answers
from gleitzeit_extensions.client.many import CallOfMany, Outcome
from gleitzeit_extensions.client.place import Place
from gleitzeit_extensions.client.request import Optioned, Request, health_of, look
from gleitzeit_extensions.client.wires import Exchange, Wires


class SyncClient(Optioned):
    """Asks one daemon; threads may share it. Make one after a fork, not before.

    Without `url` that is the daemon of this machine. With it, `token` or `$GLEITZEIT_TOKEN` is shown to it,
    and an https one has to prove itself to the authorities of the system, of `$SSL_CERT_FILE`, or of the file
    `verify`. Every method raises a ClientError when it fails.
    """

    def __init__(
        self, url: str | None = None, *, token: str | None = None, verify: str | None = None
    ) -> None:
        self._wires = Wires(Place.find(url, token, verify))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections that are kept for the next call."""
        self._wires.close()

    def invoke(self, target: str, method: str, args: Mapping[str, Any] | None = None, /, **more: Any) -> Any:
        """The result of a call; the arguments are `args` and whatever is given by name."""
        return self._ask(self._call("/v1/invoke", target, method, args, more))["result"]

    def stream(
        self, target: str, method: str, args: Mapping[str, Any] | None = None, /, **more: Any
    ) -> SyncStream:
        """The items of a streamed answer. The call begins with the first, or with `with`."""
        return SyncStream(self._wires, self._call("/v1/stream", target, method, args, more))

    def batch(
        self, calls: Iterable[CallOfMany], *, concurrency: int = 16, ordered: bool = True
    ) -> Iterator[Outcome]:
        """What becomes of each of many calls: in their order, or as they are answered; see `Client.batch`."""
        from gleitzeit_extensions.client.many_threads import outcomes

        return outcomes(calls, self._ask, concurrency, ordered)

    def providers(self) -> list[dict[str, Any]]:
        """Every provider with its models, capabilities and methods."""
        return list(self._ask(look("/v1/providers"))["providers"])

    def models(self) -> list[dict[str, Any]]:
        """Every model that can be called: `{name, providers, aliases, pattern}`."""
        return list(self._ask(look("/v1/models"))["models"])

    def health(self, name: str) -> dict[str, Any]:
        """How a provider is, asked now: `{name, state, healthy, health, instances}`."""
        return dict(self._ask(health_of(name)))

    def route(self, target: str) -> dict[str, Any]:
        """Who would be given a call now, in order, and why: see `GET /v1/route`."""
        return dict(self._ask(self._route(target)))

    def _ask(self, request: Request) -> Any:
        exchange = self._wires.ask(request)
        return answers.read(exchange.status, exchange.rest(), str(self._wires.place))


class SyncStream(Iterator[Any]):
    """A streamed answer being read. Closing it, or letting go of it, before its end cancels the call."""

    def __init__(self, wires: Wires, request: Request) -> None:
        self._begin = partial(wires.ask, request)
        self._where = str(wires.place)
        self._lines = answers.Lines()
        self._exchange: Exchange | None = None
        self._is_over = False

    def __enter__(self) -> Self:
        self._exchange = self._exchange or self._begun()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def __next__(self) -> Any:
        if self._is_over:
            raise StopIteration
        try:
            exchange = self._exchange = self._exchange or self._begun()
            while not self._lines:
                self._lines.feed(exchange.piece())
            return self._lines.item()
        except answers.Ended:
            exchange.rest()
            self._is_over = True
            raise StopIteration from None
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Hang up, which cancels what is still under way."""
        if self._exchange is not None and not self._is_over:
            self._exchange.close()
        self._is_over = True

    def _begun(self) -> Exchange:
        exchange = self._begin()
        if exchange.status >= 400:
            answers.read(exchange.status, exchange.rest(), self._where)
        return exchange
