"""Streams: whatever the author made them of, they keep to their credit and end exactly once."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any, ClassVar

import pytest

from gleitzeit_extensions import outlet
from gleitzeit_extensions.protocol import MAX_FRAME, WINDOW, CallError, cost
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient
from tests.sdk.fake_hub import PATIENCE, FakeHub
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

    async def for_ever(self, first: int = 1) -> AsyncIterator[int]:
        try:
            for n in range(first):
                yield n
            await asyncio.Event().wait()
        finally:
            self.closed.set()

    async def breaks(self, after: int) -> AsyncIterator[Any]:
        for n in range(after):
            yield n
        raise ValueError("broken in the middle")

    async def sized(self, sizes: list[int]) -> AsyncIterator[str]:
        for size in sizes:
            yield "x" * size

    async def given(self, items: list[Any]) -> AsyncIterator[Any]:
        for item in items:
            yield item

    async def odd(self) -> AsyncIterator[Any]:
        try:
            yield 1
            yield object()
        finally:
            self.closed.set()

    async def large(self) -> AsyncIterator[Any]:
        yield "x" * MAX_FRAME


class Open(Calculator):
    """An open class whose stream wants to know by which name it was called."""

    async def stream(self, method: str, prompt: str) -> AsyncIterator[str]:
        yield f"{method}: {prompt}"


@pytest.fixture
def no_pause_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames go when they are full, or at the end; time never sends one."""
    monkeypatch.setattr(outlet, "PAUSE", 3600.0)


def chunks(hub: FakeHub) -> list[Any]:
    return [data for name, data in hub.heard if name == "chunk"]


@pytest.mark.usefixtures("no_pause_ends")
async def test_the_first_item_goes_alone_and_the_next_ones_together(hub: FakeHub) -> None:
    async with serving(Streams(hub), hub):
        _, end = await hub.stream("stream")

    assert chunks(hub) == [
        {"id": "c1", "seq": 0, "d": [{"n": 0}]},
        {"id": "c1", "seq": 1, "d": [{"n": 1}, {"n": 2}]},
    ]
    assert end == {"id": "c1", "seq": 2}


@pytest.mark.usefixtures("no_pause_ends")
async def test_a_frame_is_full_with_32_items(hub: FakeHub) -> None:
    async with serving(Streams(hub), hub):
        items, _ = await hub.stream("stream", {"n": 70})

    assert [len(chunk["d"]) for chunk in chunks(hub)] == [1, 32, 32, 5]
    assert items == [{"n": n} for n in range(70)]


@pytest.mark.usefixtures("no_pause_ends")
async def test_a_frame_of_several_items_costs_one_credit(hub: FakeHub) -> None:
    async with serving(Streams(hub), hub):
        await hub.stream("sized", {"sizes": [1, *[1000] * 20, 16300, 20, 50, 40_000, 10]})

    sizes = [len(json.dumps(chunk, separators=(",", ":"))) for chunk in chunks(hub)]
    assert [len(chunk["d"]) for chunk in chunks(hub)] == [1, 16, 4, 2, 1, 1, 1]
    assert [cost(size) for size in sizes] == [1, 1, 1, 1, 1, 3, 1]


async def test_an_item_does_not_wait_for_others_that_may_never_come(hub: FakeHub) -> None:
    async with serving(Streams(hub), hub):
        id = await hub.invoke("for_ever", {"first": 3}, stream=True)
        await hub.until(lambda: hub.items(id) == [0, 1, 2], "three items")
        await hub.tell("cancel", {"id": id})


@pytest.mark.usefixtures("no_pause_ends")
async def test_what_waits_for_more_is_sent_before_an_error(hub: FakeHub) -> None:
    async with serving(Streams(hub), hub):
        items, end = await hub.stream("breaks", {"after": 3})

    assert (items, end["seq"]) == ([0, 1, 2], 2)
    assert end["error"]["message"] == "ValueError: broken in the middle"


async def test_items_and_ids_arrive_as_they_are(hub: FakeHub) -> None:
    id = 'a "quoted" ü\u2028'
    odd = ['"', "ü \n \u2028", 1e300, 10**50, {"": [None, True]}]
    async with serving(Streams(hub), hub):
        await hub.tell("invoke", {"id": id, "method": "given", "args": {"items": odd}, "stream": True})
        await hub.seen("end", id=id)

    assert hub.items(id) == odd


async def test_a_plain_generator_runs_and_ends_in_one_thread(hub: FakeHub) -> None:
    class Database(Streams):
        threads: ClassVar[list[int]] = []

        def rows(self, n: int) -> Iterator[int]:
            try:
                for row in range(n):
                    self.threads.append(threading.get_ident())
                    yield row
            finally:
                self.threads.append(threading.get_ident())

    database = Database(hub)
    async with serving(database, hub):
        assert (await hub.stream("rows", {"n": 5}))[0] == [0, 1, 2, 3, 4]

    assert len(database.threads) == 6
    assert len(set(database.threads)) == 1
    assert database.threads[0] != threading.get_ident()


async def test_a_plain_generator_that_is_cancelled_lingers_until_it_is_closed(hub: FakeHub) -> None:
    may_go, closed = threading.Event(), threading.Event()

    class Slow(Streams):
        def rows(self) -> Iterator[int]:
            try:
                yield 0
                may_go.wait(PATIENCE)
                yield 1
            finally:
                closed.set()

    async with serving(Slow(hub), hub):
        id = await hub.invoke("rows", stream=True)
        await hub.seen("chunk", id=id)
        await hub.tell("cancel", {"id": id})
        await hub.seen("lingers", id=id)
        assert not [data for name, data in hub.heard if name == "end"]
        may_go.set()
        end = await hub.seen("end", id=id)

        assert closed.is_set()
    assert (end["seq"], end["error"]["code"]) == (1, "cancelled")


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
        ("letters", {}, "invalid_request", "word is missing; it takes word"),
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
        id = await hub.invoke("stream", {"n": 1000}, stream=True, credit=2)
        await hub.seen("chunk", id=id, nth=2)
        await hub.call("add", {"a": 1, "b": 1})  # what was under way has arrived by now
        assert len(chunks(hub)) == 2
        # one frame is filled in advance, and one item waits for room
        assert streams.yielded <= len(hub.items(id)) + outlet.MOST_ITEMS + 1

        await hub.tell("credit", {"id": id, "n": 3})
        await hub.seen("chunk", id=id, nth=5)
        await hub.call("add", {"a": 1, "b": 1})
        assert len(chunks(hub)) == 5
        assert streams.yielded <= len(hub.items(id)) + outlet.MOST_ITEMS + 1

        await hub.tell("credit", {"id": id, "n": 1000})
        await hub.seen("end", id=id)
        assert len(hub.items(id)) == 1000


async def test_a_large_item_costs_more_credit(hub: FakeHub) -> None:
    async with serving(Streams(hub), hub):
        id = await hub.invoke("sized", {"sizes": [40_000, 40_000, 1]}, stream=True, credit=5)
        await hub.seen("chunk", id=id)
        await hub.call("add", {"a": 1, "b": 1})
        assert len(chunks(hub)) == 1

        await hub.tell("credit", {"id": id, "n": 2})
        assert (await hub.seen("end", id=id))["seq"] == 3


async def test_an_item_that_no_window_has_room_for_needs_half_of_one(hub: FakeHub) -> None:
    async with serving(Streams(hub), hub):
        id = await hub.invoke("sized", {"sizes": [3_000_000]}, stream=True, credit=WINDOW // 2 - 1)
        await hub.call("add", {"a": 1, "b": 1})
        assert not chunks(hub)

        await hub.tell("credit", {"id": id, "n": 1})
        await hub.seen("end", id=id)
        assert len(hub.items(id)[0]) == 3_000_000


async def test_without_a_word_about_credit_the_window_is_the_usual_one(hub: FakeHub) -> None:
    async with serving(Streams(hub), hub):
        id = await hub.invoke("stream", {"n": (WINDOW + 9) * outlet.MOST_ITEMS}, stream=True)
        await hub.seen("chunk", id=id, nth=WINDOW)
        await hub.call("add", {"a": 1, "b": 1})

        assert len(chunks(hub)) == WINDOW
        await hub.tell("cancel", {"id": id})
        await hub.seen("end", id=id)


async def test_an_exception_ends_the_stream_after_what_was_sent(hub: FakeHub) -> None:
    async with serving(Streams(hub), hub):
        items, end = await hub.stream("breaks", {"after": 1})

    assert items == [0]
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
    at = f"test_streams.py:{Streams.odd.__code__.co_firstlineno}"
    assert end["error"]["message"] == f'item 1 of "odd" ({at}) is not JSON: item is an object'


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
