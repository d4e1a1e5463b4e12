"""`Client`: calls from a program that has an event loop. aiohttp is loaded with the first call."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from gleitzeit_extensions.client import answer as answers
from gleitzeit_extensions.client.many import CallOfMany, Outcome
from gleitzeit_extensions.client.place import Place
from gleitzeit_extensions.client.request import Optioned, Request, health_of, look
from gleitzeit_extensions.client.sessions import Sessions

if TYPE_CHECKING:
    from aiohttp import ClientResponse


class Client(Optioned):
    """Asks one daemon; any number of tasks of one event loop may share it.

    Without `url` that is the daemon of this machine. With it, `token` or `$GLEITZEIT_TOKEN` is shown to it,
    and an https one has to prove itself to the authorities of the system, of `$SSL_CERT_FILE`, or of the file
    `verify`. Every method raises a ClientError when it fails. To cancel the task cancels the call.
    """

    def __init__(
        self, url: str | None = None, *, token: str | None = None, verify: str | None = None
    ) -> None:
        self._sessions = Sessions(Place.find(url, token, verify))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections, and so cancel what is under way."""
        await self._sessions.close()

    async def invoke(
        self, target: str, method: str, args: Mapping[str, Any] | None = None, /, **more: Any
    ) -> Any:
        """The result of a call; the arguments are `args` and whatever is given by name."""
        return (await self._ask(self._call("/v1/invoke", target, method, args, more)))["result"]

    def stream(
        self, target: str, method: str, args: Mapping[str, Any] | None = None, /, **more: Any
    ) -> Stream:
        """The items of a streamed answer. The call begins with the first, or with `async with`."""
        return Stream(self._sessions, self._call("/v1/stream", target, method, args, more))

    def batch(
        self,
        calls: Iterable[CallOfMany] | AsyncIterable[CallOfMany],
        *,
        concurrency: int = 16,
        ordered: bool = True,
    ) -> AsyncIterator[Outcome]:
        """What becomes of each of many calls: in their order, or as they are answered.

        A call is an object as in `POST /v1/invoke`. They are taken as there is room for them; one that fails
        has its `error`, and ends nothing. To leave the loop, with `aclose`, cancels those under way.
        """
        from gleitzeit_extensions.client.many_tasks import outcomes

        return outcomes(calls, self._ask, concurrency, ordered)

    async def providers(self) -> list[dict[str, Any]]:
        """Every provider with its models, capabilities and methods."""
        return list((await self._ask(look("/v1/providers")))["providers"])

    async def models(self) -> list[dict[str, Any]]:
        """Every model that can be called: `{name, providers, aliases, pattern}`."""
        return list((await self._ask(look("/v1/models")))["models"])

    async def health(self, name: str) -> dict[str, Any]:
        """How a provider is, asked now: `{name, state, healthy, health, instances}`."""
        return dict(await self._ask(health_of(name)))

    async def route(self, target: str) -> dict[str, Any]:
        """Who would be given a call now, in order, and why: see `GET /v1/route`."""
        return dict(await self._ask(self._route(target)))

    async def _ask(self, request: Request) -> Any:
        async with self._sessions.minding(request), await self._sessions.ask(request) as response:
            return answers.read(response.status, await response.read(), str(self._sessions.place))


class Stream(AsyncIterator[Any]):
    """A streamed answer being read. Closing it, or letting go of it, before its end cancels the call."""

    def __init__(self, sessions: Sessions, request: Request) -> None:
        self._sessions = sessions
        self._request = request
        self._lines = answers.Lines()
        self._response: ClientResponse | None = None
        self._is_over = False

    async def __aenter__(self) -> Self:
        self._response = self._response or await self._begun()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        # The loop may be over by now, and the connection with it.
        with suppress(RuntimeError):
            self.close()

    async def __anext__(self) -> Any:
        if self._is_over:
            raise StopAsyncIteration
        try:
            response = self._response = self._response or await self._begun()
            while not self._lines:
                async with self._sessions.minding(self._request):
                    piece = await response.content.readany()
                self._lines.feed(piece)
            return self._lines.item()
        except answers.Ended:
            # What is left is the mark of its end: the connection may be used again.
            await response.read()
            self._is_over = True
            raise StopAsyncIteration from None
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Hang up, which cancels what is still under way."""
        if self._response is not None and not self._is_over:
            self._response.close()
        self._is_over = True

    async def _begun(self) -> ClientResponse:
        async with self._sessions.minding(self._request):
            response = await self._sessions.ask(self._request)
            if response.status >= 400:
                async with response:
                    answers.read(response.status, await response.read(), str(self._sessions.place))
        return response
