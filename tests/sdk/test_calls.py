"""A provider that serves a hub: what it registers as, and how each call is answered."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from gleitzeit_extensions import frames
from gleitzeit_extensions.calls import Calls
from gleitzeit_extensions.protocol import MAX_FRAME, CallError
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient
from tests.sdk.fake_hub import PATIENCE, FakeHub, a_hub
from tests.sdk.subjects import Calculator, serving

pytestmark = pytest.mark.anyio


@dataclass
class Pair:
    a: Any
    b: Any


class Model(BaseModel):
    a: int


class Colour(Enum):
    RED = "red"


class Busy(SocketIOProviderClient):
    """Methods that take their time, fail, and give what cannot be sent."""

    def __init__(self, hub: FakeHub, **kwargs: Any) -> None:
        super().__init__(name="busy", server_url=hub.url, **kwargs)
        self.begun = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.may_end = threading.Event()

    async def add(self, a: float, b: float) -> float:
        """The sum of two numbers."""
        return a + b

    async def wait(self) -> None:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()

    async def swallow(self) -> str:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
        return "never mind"

    def block(self, size: int = 0) -> str:
        self.may_end.wait(PATIENCE)
        return "x" * size or "done"

    async def length(self, text: str) -> int:
        return len(text)

    async def fail(self, kind: str) -> None:
        raise {
            "value": ValueError("no such thing"),
            "empty": RuntimeError(),
            "call": CallError("conflict", "no", {"x": 1}),
        }[kind]

    async def own_cancel(self) -> None:
        raise asyncio.CancelledError

    async def own_timeout(self) -> None:
        raise TimeoutError("upstream is slow")

    async def odd(self) -> Any:
        return {"rows": [{"when": object()}]}

    async def nan(self) -> float:
        return float("nan")

    async def keys(self) -> Any:
        return {(1, 2): 3}

    async def round(self) -> Any:
        self_made: list[Any] = []
        self_made.append(self_made)
        return self_made

    async def large(self, size: int) -> str:
        return "x" * size

    def stop_iteration(self) -> None:
        raise StopIteration(3)


@contextmanager
def released(busy: Busy) -> Iterator[None]:
    """The threads that still wait at the end are let go."""
    try:
        yield
    finally:
        busy.may_end.set()


async def test_it_registers_as_what_it_is(hub: FakeHub) -> None:
    busy = Busy(
        hub, provider_type="tool", models=["m"], capabilities=["c"], description="d", metadata={"k": 1}
    )

    async with serving(busy, hub):
        told = await hub.seen("register")

        assert busy.connected
        assert busy.provider_id == hub.sids[-1]
        assert busy.sio is not None
    assert told["methods"][0] == {
        "name": "add",
        "description": "The sum of two numbers.",
        "parameters": {
            "type": "object",
            "properties": {"a": {"type": "number"}, "b": {"type": "number"}},
            "required": ["a", "b"],
            "additionalProperties": False,
        },
        "returns": {"type": "number"},
        "stream": False,
        "idempotent": False,
    }
    assert len(told.pop("methods")) == 14
    assert told == {
        "name": "busy",
        "type": "tool",
        "description": "d",
        "models": ["m"],
        "capabilities": ["c"],
        "closed": True,
        "ready": True,
        "metadata": {"k": 1},
    }
    assert not busy.connected
    assert ("bye", {}) in hub.heard


async def test_a_class_with_its_own_invoke_is_open(hub: FakeHub) -> None:
    async with serving(Calculator(server_url=hub.url), hub):
        told = await hub.seen("register")

        assert (told["closed"], told["methods"]) == (False, [])
        assert (await hub.call("add", {"a": 5, "b": 3}))["result"]["expression"] == "5 + 3 = 8"
        assert (await hub.fails("nope")).message == "ValueError: Unknown method: nope"


async def test_it_authenticates_with_version_and_token(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLEITZEIT_TOKEN", "t")

    async with serving(Busy(hub), hub):
        assert hub.auths == [{"proto": 1, "token": "t"}]


async def test_a_call_is_answered_with_its_result(hub: FakeHub) -> None:
    async with serving(Busy(hub), hub):
        assert await hub.call("add", {"a": 1, "b": 2}) == {"id": "c1", "ok": True, "result": 3}


async def test_an_unknown_method_is_not_found(hub: FakeHub) -> None:
    async with serving(Busy(hub), hub):
        error = await hub.fails("addd")

    assert error.code == "not_found.method"
    assert "did you mean add?" in error.message


@pytest.mark.parametrize("name", ["method", "self"])
async def test_an_argument_that_collides_with_invoke_is_refused_by_name(hub: FakeHub, name: str) -> None:
    async with serving(Calculator(server_url=hub.url), hub):
        error = await hub.fails("add", {"a": 1, name: "x"})

    assert error.code == "invalid_request"
    assert f'an argument cannot be called "{name}"' in error.message


async def test_arguments_that_are_no_object_are_refused(hub: FakeHub) -> None:
    async with serving(Busy(hub), hub):
        error = await hub.fails("add", [1, 2])

    assert error.code == "invalid_request"
    assert 'the arguments of "add" must be an object with names, not a list' in error.message


async def test_an_exception_travels_in_its_own_words(hub: FakeHub) -> None:
    async with serving(Busy(hub), hub):
        error, wordless = (
            await hub.fails("fail", {"kind": "value"}),
            await hub.fails("fail", {"kind": "empty"}),
        )

    assert error.wire() == {
        "code": "provider_error",
        "message": "ValueError: no such thing",
        "retryable": False,
        "detail": {"type": "ValueError"},
    }
    assert wordless.message == "RuntimeError"


async def test_a_call_error_goes_through_as_it_is(hub: FakeHub) -> None:
    async with serving(Busy(hub), hub):
        error = await hub.fails("fail", {"kind": "call"})

    assert (error.code, error.message, error.detail) == ("conflict", "no", {"x": 1})


async def test_a_cancellation_of_the_author_is_an_exception_like_others(hub: FakeHub) -> None:
    async with serving(Busy(hub), hub):
        error = await hub.fails("own_cancel")

    assert (error.code, error.detail) == ("provider_error", {"type": "CancelledError"})


async def test_a_stop_iteration_from_a_thread_is_answered_too(hub: FakeHub) -> None:
    async with serving(Busy(hub), hub):
        assert "StopIteration(3)" in (await hub.fails("stop_iteration")).message


@pytest.mark.parametrize(
    ("method", "reason"),
    [
        ("odd", "result.rows[0].when is an object"),
        ("nan", "result is nan"),
        ("keys", "result has the key (1, 2), which is a tuple"),
        ("round", "Circular reference detected"),
    ],
)
async def test_a_result_that_is_not_json_is_named(hub: FakeHub, method: str, reason: str) -> None:
    async with serving(Busy(hub), hub):
        error = await hub.fails(method)

    assert error.code == "provider_error"
    place = f"test_calls.py:{getattr(Busy, method).__code__.co_firstlineno}"
    assert error.message == f'the result of "{method}" ({place}) is not JSON: {reason}'


async def test_a_result_with_a_coroutine_in_it_says_what_is_missing(hub: FakeHub) -> None:
    async def asleep() -> None: ...

    later = asleep()

    class Hasty(SocketIOProviderClient):
        async def hurry(self) -> Any:
            return {"later": later}

    async with serving(Hasty("hasty", server_url=hub.url), hub):
        error = await hub.fails("hurry")
    later.close()

    assert error.message.endswith(
        "not JSON: result.later is a coroutine (asleep); write await in front of it"
    )


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (b"x", "result is a bytes; send it as text, such as base64"),
        (Pair(1, object()), "result.b is an object"),
        (Pair, "result is a type"),
    ],
)
def test_what_is_no_json_comes_with_the_way_out(value: object, words: str) -> None:
    assert frames.offence(value, "result") == words


@pytest.mark.parametrize(
    ("value", "json"),
    [
        (Pair(1, Pair(2, None)), '{"a":1,"b":{"a":2,"b":null}}'),
        ([Model(a=1)], '[{"a":1}]'),
        ({"of": {1}}, '{"of":[1]}'),
        (datetime(2026, 1, 2, 3, tzinfo=UTC), '"2026-01-02T03:00:00+00:00"'),
        (Path("/a"), '"/a"'),
        (Decimal("1.10"), '"1.10"'),
        (Colour.RED, '"red"'),
    ],
)
def test_what_type_hints_promise_has_a_form_in_json(value: object, json: str) -> None:
    assert frames.text(value, "result", "it") == json


def test_a_thing_that_holds_itself_is_told_and_ends() -> None:
    pair = Pair(1, None)
    pair.b = pair
    with pytest.raises(CallError, match="Circular reference"):
        frames.text(pair, "result", "it")


async def test_a_result_that_is_too_large_is_refused_before_it_is_sent(hub: FakeHub) -> None:
    async with serving(Busy(hub), hub):
        error = await hub.fails("large", {"size": MAX_FRAME})
        fits = await hub.call("large", {"size": MAX_FRAME - 100})

    assert error.code == "too_large"
    assert f"more than the {MAX_FRAME:,} that one message may have" in error.message
    assert error.detail["limit"] == MAX_FRAME
    assert len(fits["result"]) == MAX_FRAME - 100


async def test_arguments_may_be_as_large(hub: FakeHub) -> None:
    async with serving(Busy(hub), hub):
        assert (await hub.call("length", {"text": "x" * (MAX_FRAME - 100)}))["result"] == MAX_FRAME - 100


async def test_the_hub_may_set_a_smaller_limit(anyio_backend: str) -> None:
    ack = {"ok": True, "session": "s", "proto": 1, "max_frame": 1000, "window": 64}
    async with a_hub(answer=lambda told: ack) as hub, serving(Busy(hub), hub):
        error = await hub.fails("large", {"size": 1000})

    assert (error.code, error.detail["limit"]) == ("too_large", 1000)


async def test_cancel_reaches_the_coroutine_and_is_answered(hub: FakeHub) -> None:
    busy = Busy(hub)
    async with serving(busy, hub):
        id = await hub.invoke("wait")
        await busy.begun.wait()
        await hub.tell("cancel", {"id": id, "reason": "client_gone"})
        answer = await hub.seen("result", id=id)

    assert busy.cancelled.is_set()
    assert answer["error"]["code"] == "cancelled"
    assert "client_gone" in answer["error"]["message"]
    assert not [data for name, data in hub.heard if name == "lingers"]


async def test_a_cancel_that_comes_with_its_invoke_is_answered_too(hub: FakeHub) -> None:
    async with serving(Busy(hub), hub):
        id = await hub.invoke("wait")
        await hub.tell("cancel", {"id": id, "reason": "client_gone"})
        answer = await hub.seen("result", id=id)

    assert answer["error"]["code"] == "cancelled"


async def test_a_cancel_before_the_first_step_is_answered(hub: FakeHub) -> None:
    answers: list[Any] = []

    async def send(event: str, payload: Any) -> None:
        answers.append((event, payload["id"], payload["error"]["code"]))

    busy = Busy(hub)
    calls = Calls(busy, send)
    calls.invoke({"id": "c", "method": "wait"})
    calls.cancel({"id": "c"})
    await calls.end(PATIENCE)

    assert answers == [("result", "c", "cancelled")]
    assert not busy.begun.is_set()


async def test_a_coroutine_that_swallows_the_cancel_still_ends_as_cancelled(hub: FakeHub) -> None:
    busy = Busy(hub)
    async with serving(busy, hub):
        id = await hub.invoke("swallow")
        await busy.begun.wait()
        await hub.tell("cancel", {"id": id})
        answer = await hub.seen("result", id=id)

    assert (answer["ok"], answer["error"]["code"]) == (False, "cancelled")


async def test_a_cancelled_thread_lingers_and_is_answered_when_it_has_returned(hub: FakeHub) -> None:
    busy = Busy(hub)
    async with serving(busy, hub):
        with released(busy):
            id = await hub.invoke("block")
            await hub.tell("cancel", {"id": id})
            assert await hub.seen("lingers") == {"id": id}
            await hub.tell("cancel", {"id": id})  # it changes nothing to be told again
            await hub.call("add", {"a": 1, "b": 1})
            assert not [data for name, data in hub.heard if name == "result" and data["id"] == id]
        answer = await hub.seen("result", id=id)

    assert answer["error"]["code"] == "cancelled"


async def test_a_thread_that_does_not_return_in_time_lingers_too(hub: FakeHub) -> None:
    busy = Busy(hub)
    async with serving(busy, hub):
        with released(busy):
            id = await hub.invoke("block", deadline_ms=1)
            await hub.seen("lingers", id=id)
        answer = await hub.seen("result", id=id)

    assert answer["error"]["code"] == "deadline_exceeded"


async def test_a_call_for_which_no_thread_can_be_started_goes_elsewhere(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async with serving(Busy(hub), hub):
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", none_left)
            error = await hub.fails("block")

    assert (error.code, error.message) == (
        "overloaded",
        'no thread can be started for "block": can\'t start new thread',
    )
    assert not [name for name, _ in hub.heard if name == "lingers"]


async def test_a_lost_connection_does_not_wait_for_a_thread(hub: FakeHub) -> None:
    busy = Busy(hub)
    async with serving(busy, hub):
        with released(busy):
            id = await hub.invoke("block")
            await hub.tell("cancel", {"id": id})
            await hub.seen("lingers", id=id)
            await hub.kick()
            await hub.seen("register", nth=2)

            assert not busy.may_end.is_set()


async def test_a_call_does_not_outlive_its_deadline(hub: FakeHub) -> None:
    busy = Busy(hub)
    async with serving(busy, hub):
        error = await hub.fails("wait", deadline_ms=1)

    assert busy.cancelled.is_set()
    assert error.code == "deadline_exceeded"


async def test_calls_run_side_by_side(hub: FakeHub) -> None:
    busy = Busy(hub)
    async with serving(busy, hub):
        with released(busy):
            blocked = [await hub.invoke("block") for _ in range(50)]
            assert (await hub.call("add", {"a": 1, "b": 1}))["result"] == 2
        for id in blocked:
            assert (await hub.seen("result", id=id))["result"] == "done"


async def test_after_drain_new_calls_are_refused_and_old_ones_finish(hub: FakeHub) -> None:
    busy = Busy(hub)
    async with serving(busy, hub):
        with released(busy):
            running = await hub.invoke("block")
            await hub.tell("drain", {"deadline_ms": 5000})
            error = await hub.fails("add", {"a": 1, "b": 1})
        old = await hub.seen("result", id=running)

    assert (error.code, error.message) == ("no_instance", '"busy" is stopping and takes no new calls')
    assert error.meaning.retryable
    assert old["result"] == "done"


async def test_stopping_takes_no_new_calls_lets_running_ones_finish_and_then_says_bye(hub: FakeHub) -> None:
    busy = Busy(hub)
    async with serving(busy, hub):
        with released(busy):
            running = await hub.invoke("block")
            stopping = asyncio.create_task(busy.stop())
            assert await hub.seen("not_ready") == {"reason": "stopping"}
            assert (await hub.fails("add", {"a": 1, "b": 1})).code == "no_instance"
        await stopping

    assert (await hub.seen("result", id=running))["result"] == "done"
    assert [name for name, _ in hub.heard][1:5] == ["not_ready", "result", "result", "bye"]


async def test_answers_that_are_still_on_their_way_arrive_before_it_leaves(hub: FakeHub) -> None:
    busy, size = Busy(hub), 4_000_000
    async with serving(busy, hub):
        with released(busy):
            running = [await hub.invoke("block", {"size": size}) for _ in range(5)]
            stopping = asyncio.create_task(busy.stop())
            await hub.seen("not_ready")
        await stopping

    assert [len((await hub.seen("result", id=id))["result"]) for id in running] == [size] * 5


async def test_a_call_that_outlasts_the_grace_is_answered_as_lost(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gleitzeit_extensions.connection.STOP_GRACE", 0.05)
    busy = Busy(hub)
    async with serving(busy, hub):
        running = await hub.invoke("wait")
        await busy.begun.wait()

    answer = await hub.seen("result", id=running)
    assert busy.cancelled.is_set()
    assert answer["error"]["code"] == "instance_lost"


async def test_a_method_may_stop_its_own_provider(hub: FakeHub) -> None:
    class Last(SocketIOProviderClient):
        async def finish(self) -> str:
            await self.stop()
            return "goodbye"

    provider = Last(name="last", server_url=hub.url)
    running = asyncio.create_task(provider.run())
    await hub.seen("register")

    assert (await hub.call("finish"))["result"] == "goodbye"
    await asyncio.wait_for(running, PATIENCE)


@pytest.mark.parametrize(
    ("event", "data"),
    [
        ("invoke", {"method": "add"}),
        ("invoke", {"id": 1, "method": "add"}),
        ("invoke", "add"),
        ("invoke", None),
        ("cancel", {}),
        ("cancel", [1]),
        ("credit", {"id": "x"}),
        ("credit", {"id": "x", "n": "many"}),
        ("health", {}),
        ("dance", {}),
    ],
)
async def test_what_cannot_be_understood_is_complained_about_and_survived(
    hub: FakeHub, event: str, data: Any
) -> None:
    async with serving(Busy(hub), hub):
        await hub.tell(event, data)
        complaint = await hub.seen("error")

        assert complaint["code"] == "protocol"
        assert event in complaint["message"]
        assert (await hub.call("add", {"a": 1, "b": 1}))["ok"]


async def test_late_cancels_credits_and_complaints_are_survived(hub: FakeHub) -> None:
    async with serving(Busy(hub), hub):
        await hub.tell("cancel", {"id": "gone", "reason": "late"})
        await hub.tell("credit", {"id": "gone", "n": 5})
        await hub.tell("error", {"code": "protocol", "message": "what was that"})

        assert (await hub.call("add", {"a": 1, "b": 1}))["ok"]
    assert not [data for name, data in hub.heard if name == "error"]


async def test_the_same_id_twice_is_complained_about_and_answered_once(hub: FakeHub) -> None:
    busy = Busy(hub)
    async with serving(busy, hub):
        with released(busy):
            id = await hub.invoke("block")
            await hub.tell("invoke", {"id": id, "method": "block", "args": {}, "stream": False})
            assert "is running already" in (await hub.seen("error"))["message"]
        await hub.seen("result", id=id)
        await hub.call("add", {"a": 1, "b": 1})

    assert len([1 for name, data in hub.heard if name == "result" and data["id"] == id]) == 1
