"""What is under way: one `Call` for each time a request is written to a provider, until it is answered."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gleitzeit_extensions.protocol import WINDOW, CallError, cost, may_send
from gleitzeitd.core.targets import Target


def anything(_: str) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Request:
    """What a caller asks for. `timeout` is in seconds; None means the provider's own."""

    target: Target
    method: str
    args: Mapping[str, Any] = field(default_factory=dict)
    timeout: float | None = None
    idempotent: bool = False
    session: str = ""
    """What the strategy `sticky` sticks to."""
    key: str = ""
    """Whatever has the same key and caller is the same request."""
    caller: str = ""
    """Who asks."""
    may_see: Callable[[str], bool] = anything
    """Whether they may know of the provider, model or capability of that name."""

    def __str__(self) -> str:
        return f"{self.target} {self.method}"


class LostError(CallError):
    """The instance went away while a call was with it."""


class Call(ABC):
    """One answer that is awaited. Its slot is taken until the provider answers or is lost."""

    stream = False

    def __init__(self, number: str, deadline: float) -> None:
        self.id = number
        self.deadline = deadline
        self.given_up_at: float | None = None
        """When the provider was told to end it; by the loop's clock."""
        self.lingers = False
        """It cannot be interrupted, by the provider's word."""

    @abstractmethod
    def result(self, data: Mapping[str, Any]) -> None:
        """Take a `result`, after which nothing more comes."""

    @abstractmethod
    def end(self, data: Mapping[str, Any]) -> None:
        """Take an `end`, after which nothing more comes."""

    @abstractmethod
    def fail(self, error: CallError) -> None:
        """There will be no answer, or no more of it."""

    @abstractmethod
    def abandon(self) -> None:
        """Nobody waits any more."""


class Answer(Call):
    """A call with one result."""

    def __init__(self, number: str, deadline: float) -> None:
        super().__init__(number, deadline)
        self._answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def answer(self) -> Any:
        """The result. Raises CallError."""
        return await self._answer

    def result(self, data: Mapping[str, Any]) -> None:
        if data.get("ok") is not True:
            self.fail(CallError.read(data.get("error")))
        elif not self._answer.done():
            self._answer.set_result(data.get("result"))

    def end(self, data: Mapping[str, Any]) -> None:
        self.fail(CallError("protocol", "an `end` came where a result was asked for"))

    def fail(self, error: CallError) -> None:
        if not self._answer.done():
            self._answer.set_exception(error)

    def abandon(self) -> None:
        self._answer.cancel()


class Stream(Call):
    """The frames of a streamed answer, in order, never more than were granted."""

    stream = True

    def __init__(self, number: str, deadline: float) -> None:
        super().__init__(number, deadline)
        self._frames: deque[tuple[list[Any], int]] = deque()
        self._error: CallError | None = None
        self._ended = False
        self._abandoned = False
        self._news = asyncio.Event()
        self._left = WINDOW
        self._taken = 0
        self.grant: Callable[[int], None] | None = None
        """Tells the provider how many more credits it has."""
        self.price = 0
        """Credits that the last frame cost which was taken."""
        self.arrived = 0

    async def frame(self) -> list[Any] | None:
        """The next frame's items; None at the end. Raises CallError."""
        while not self._frames:
            if self._error is not None:
                raise self._error
            if self._ended:
                return None
            self._news.clear()
            await self._news.wait()
        items, self.price = self._frames.popleft()
        self._taken += self.price
        if self._taken >= WINDOW // 2:
            self._give_back()
        return items

    def _give_back(self) -> None:
        if self.grant is None or self._is_over:
            return
        self._left += self._taken
        self.grant(self._taken)
        self._taken = 0

    @property
    def _is_over(self) -> bool:
        return self._abandoned or self._ended or self._error is not None

    def chunk(self, data: Mapping[str, Any], size: int) -> None:
        """Take a `chunk` of so many bytes. Raises CallError when the provider breaks the protocol."""
        if self._is_over:
            return
        if data.get("seq") != self.arrived:
            sentence = f"the provider sent frame {data.get('seq')!r:.100} where {self.arrived} was due"
            raise CallError("protocol", sentence)
        price = cost(size)
        if not may_send(self._left, price):
            sentence = f"the provider sent more than it had credits for: {price} needed, {self._left} left"
            raise CallError("protocol", sentence)
        items = data.get("d")
        if not isinstance(items, list):
            raise CallError("protocol", "a chunk has no list `d`")
        self.arrived += 1
        self._left -= price
        self._frames.append((items, price))
        self._news.set()

    def end(self, data: Mapping[str, Any]) -> None:
        """Take the `end`: an error, or a count that shows that nothing is missing."""
        if data.get("error") is not None:
            self.fail(CallError.read(data["error"]))
        elif data.get("seq") != self.arrived:
            self.fail(
                CallError(
                    "protocol", f"the stream ended after {data.get('seq')!r:.100} frames, {self.arrived} came"
                )
            )
        self._ended = True
        self._news.set()

    def result(self, data: Mapping[str, Any]) -> None:
        """A provider may refuse a stream with a `result`."""
        no_stream = {"code": "protocol", "message": "a result came where a stream was asked for"}
        self.end({"error": data.get("error") or no_stream})

    def fail(self, error: CallError) -> None:
        if not self._ended and self._error is None:
            self._error = error
            self._news.set()

    def abandon(self) -> None:
        self._abandoned = True
        self._frames.clear()
