"""Streams: whatever the author made them of, they keep to their credit and end exactly once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from gleitzeit_extensions.protocol import MAX_FRAME, WINDOW, CallError
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient
from tests.sdk.fake_hub import FakeHub
from tests.sdk.subjects import Calculator, serving

pytestmark = pytest.mark.anyio


class Streams(SocketIOProviderClient):
    def __init__(self, hub: FakeHub) -> None:
        super().__init__(name="streams", server_url=hub.url)
        self.closed = asyncio.Event()
        self.yielded = 0

    async def stream(self, **kwargs: Any) -> AsyncIterator[Any]:
        """The main one."""
        try:
            for n in range(kwargs.get("n", 3)):
                self.yielded += 1
                yield {"n": n}
        finally:
            self.closed.set()

    async def add(self, a: int, b: int) -> int:
        return a + b

    async def letters(self, word: str) -> AsyncIterator[str]:
        for letter in word:
            yield letter

    def blocking(self, n: int) -> Iterator[int]:
        yield from range(n)

    async def for_ever(self) -> AsyncIterator[int]:
        try:
            yield 0
            await asyncio.Event().wait()
        finally:
            self.closed.set()

    async def breaks(self) -> AsyncIterator[Any]:
        yield 1
        raise ValueError("broken in the middle")

    async def odd(self) -> AsyncIterator[Any]:
        try:
            yield 1
            yield {1, 2}
        finally:
            self.closed.set()

    async def large(self) -> AsyncIterator[Any]:
        yield "x" * MAX_FRAME


class Open(Calculator):
    """An open class whose stream wants to know by which name it was called."""

    async def stream(self, method: str, prompt: str) -> AsyncIterator[str]:
        yield f"{method}: {prompt}"


async def test_items_come_one_a_frame_numbered_from_zero_and_then_the_end(hub: FakeHub) -> None:
    async with serving(Streams(hub), hub):
        items, end = await hub.stream("stream")

    chunks = [data for name, data in hub.heard if name == "chunk"]
    assert items == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert chunks[0] == {"id": "c1", "seq": 0, "d": [{"n": 0}]}
    assert [chunk["seq"] for chunk in chunks] == [0, 1, 2]
    assert end == {"id": "c1", "seq": 3}


async def test_generate_streams_too(hub: FakeHub) -> None:
    async with serving(Streams(hub), hub):
        assert len((await hub.stream("generate", {"n": 2}))[0]) == 2


async def test_another_public_generator_is_streamed_by_its_name(hub: FakeHub) -> None:
    async with serving(Streams(hub), hub):
        assert (await hub.stream("letters", {"word": "abc"}))[0] == ["a", "b", "c"]


async def test_a_plain_generator_is_streamed_from_its_thread(hub: FakeHub) -> None:
    async with serving(Streams(hub), hub):
        assert (await hub.stream("blocking", {"n": 3}))[0] == [0, 1, 2]


async def test_an_open_class_streams_any_name_and_is_told_it_when_it_asks(hub: FakeHub) -> None:
    async with serving(Open(server_url=hub.url), hub):
        assert (await hub.stream("tell", {"prompt": "x"}))[0] == ["tell: x"]


@pytest.mark.parametrize(
    ("method", "args", "code", "sentence"),
    [
        ("add", {"a": 1, "b": 2}, "invalid_request", '"add" of "streams" gives one answer, not a stream'),
        ("nope", {}, "not_found.method", 'has no method "nope"'),
        ("letters", {}, "invalid_request", "missing a required argument: 'word'"),
        ("stream", {"method": "x"}, "invalid_request", 'an argument cannot be called "method"'),
    ],
)
async def test_a_stream_that_cannot_be_ends_with_the_reason(
    hub: FakeHub, method: str, args: dict[str, Any], code: str, sentence: str
) -> None:
    async with serving(Streams(hub), hub):
        _, end = await hub.stream(method, args)

    error = CallError.read(end["error"])
    assert (error.code, end["seq"]) == (code, 0)
    assert sentence in error.message


async def test_a_class_without_a_stream_says_so(hub: FakeHub) -> None:
    async with serving(Calculator(server_url=hub.url), hub):
        _, end = await hub.stream("generate")

    assert end["error"]["code"] == "not_found.method"
    assert end["error"]["message"] == '"calculator" does not stream: its class Calculator has no stream()'


async def test_a_stream_asked_for_as_one_answer_is_refused(hub: FakeHub) -> None:
    async with serving(Streams(hub), hub):
        assert (await hub.fails("letters", {"word": "x"})).code == "invalid_request"


async def test_no_frame_is_sent_without_credit(hub: FakeHub) -> None:
    streams = Streams(hub)
    async with serving(streams, hub):
        id = await hub.invoke("stream", {"n": 10}, stream=True, credit=2)
        await hub.seen("chunk", id=id, nth=2)
        await hub.call("add", {"a": 1, "b": 1})  # what was under way has arrived by now
        assert len(hub.items(id)) == 2
        assert streams.yielded <= 3

        await hub.tell("credit", {"id": id, "n": 3})
        await hub.seen("chunk", id=id, nth=5)
        await hub.call("add", {"a": 1, "b": 1})
        assert len(hub.items(id)) == 5

        await hub.tell("credit", {"id": id, "n": 100})
        assert (await hub.seen("end", id=id))["seq"] == 10


async def test_without_a_word_about_credit_the_window_is_the_usual_one(hub: FakeHub) -> None:
    async with serving(Streams(hub), hub):
        id = await hub.invoke("stream", {"n": WINDOW + 9}, stream=True)
        await hub.seen("chunk", id=id, nth=WINDOW)
        await hub.call("add", {"a": 1, "b": 1})

        assert len(hub.items(id)) == WINDOW
        await hub.tell("cancel", {"id": id})
        await hub.seen("end", id=id)


async def test_an_exception_ends_the_stream_after_what_was_sent(hub: FakeHub) -> None:
    async with serving(Streams(hub), hub):
        items, end = await hub.stream("breaks")

    assert items == [1]
    assert end["seq"] == 1
    assert end["error"]["message"] == "ValueError: broken in the middle"


@pytest.mark.parametrize("credit", [0, 1, WINDOW])
async def test_cancel_closes_the_generator_wherever_it_waits(hub: FakeHub, credit: int) -> None:
    streams = Streams(hub)
    async with serving(streams, hub):
        id = await hub.invoke("for_ever", stream=True, credit=credit)
        if credit:
            await hub.seen("chunk", id=id)
        await hub.call("add", {"a": 1, "b": 1})
        await hub.tell("cancel", {"id": id, "reason": "client_gone"})
        end = await hub.seen("end", id=id)

    assert streams.closed.is_set()
    assert end["error"]["code"] == "cancelled"


async def test_a_lost_connection_closes_the_generator(hub: FakeHub) -> None:
    streams = Streams(hub)
    async with serving(streams, hub):
        id = await hub.invoke("for_ever", stream=True, credit=5)
        await hub.seen("chunk", id=id)
        await hub.kick()
        await hub.seen("register", nth=2)

        assert streams.closed.is_set()


async def test_an_item_that_is_not_json_ends_the_stream_and_closes_it(hub: FakeHub) -> None:
    streams = Streams(hub)
    async with serving(streams, hub):
        items, end = await hub.stream("odd")

    assert items == [1]
    assert streams.closed.is_set()
    assert end["error"]["message"] == 'item 1 of "odd" is not JSON: d[0] is a set'


async def test_an_item_that_is_too_large_is_refused(hub: FakeHub) -> None:
    async with serving(Streams(hub), hub):
        _, end = await hub.stream("large")

    assert end["error"]["code"] == "too_large"


async def test_a_stream_does_not_outlive_its_deadline(hub: FakeHub) -> None:
    async with serving(Streams(hub), hub):
        items, end = await hub.stream("for_ever", deadline_ms=1)

    assert items == [0]
    assert end["error"]["code"] == "deadline_exceeded"


@pytest.mark.parametrize("given", [5, "text", {"a": 1}, None])
async def test_a_stream_made_of_something_else_is_told(hub: FakeHub, given: Any) -> None:
    class Wrong(SocketIOProviderClient):
        def stream(self, **kwargs: Any) -> Any:
            return given

    async with serving(Wrong("wrong", server_url=hub.url), hub):
        _, end = await hub.stream("stream")

    assert f"gave a {type(given).__name__}: an async generator is needed" in end["error"]["message"]


async def test_a_list_or_a_coroutine_for_a_stream_will_do(hub: FakeHub) -> None:
    class Handy(SocketIOProviderClient):
        async def stream(self, **kwargs: Any) -> Any:  # type: ignore[override]
            return [1, 2, 3]

    async with serving(Handy("handy", server_url=hub.url), hub):
        assert (await hub.stream("stream"))[0] == [1, 2, 3]
