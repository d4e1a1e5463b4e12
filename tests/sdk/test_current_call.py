"""What comes with a call beside its arguments: the model it is for, its key, its deadline."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from gleitzeit_extensions import current_call
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient
from tests.sdk.fake_hub import FakeHub
from tests.sdk.subjects import serving

pytestmark = pytest.mark.anyio


class Models(SocketIOProviderClient):
    def __init__(self, hub: FakeHub) -> None:
        super().__init__("models", server_url=hub.url)

    async def asks(self, prompt: str, model: str = "own") -> Any:
        return [prompt, model]

    async def takes_all(self, **options: Any) -> Any:
        return options

    async def hidden(self, **options: Any) -> Any:
        return options

    hidden.__signature__ = "nobody knows"  # type: ignore[attr-defined]

    async def does_not_care(self, prompt: str) -> Any:
        return prompt

    async def stream(self, prompt: str, model: str = "own") -> AsyncIterator[str]:
        yield f"{model}: {prompt}"

    async def tokens(self, prompt: str, **options: Any) -> AsyncIterator[str]:
        yield f"{options['model']}: {prompt}"

    async def about(self) -> Any:
        return self._about()

    def about_in_a_thread(self) -> Any:
        return self._about()

    @staticmethod
    def _about() -> Any:
        call = current_call()
        assert call
        assert call.seconds_left is None or 0 < call.seconds_left <= 5
        with pytest.raises(FrozenInstanceError):
            call.key = ""  # type: ignore[misc]
        return [call.method, call.model, call.key, call.attempt, call.seconds_left is None]


class Open(SocketIOProviderClient):
    """As the tutorial's: decides by itself, and one method is there for all."""

    async def invoke(self, method: str, **kwargs: Any) -> Any:
        return await super().invoke(method, **kwargs) if method == "known" else kwargs

    async def known(self, a: int) -> int:
        return a


@pytest.mark.parametrize(
    ("method", "args", "result"),
    [
        ("asks", {"prompt": "p"}, ["p", "llama3"]),
        ("asks", {"prompt": "p", "model": "fast"}, ["p", "llama3"]),
        ("takes_all", {"prompt": "p"}, {"prompt": "p", "model": "llama3"}),
        ("does_not_care", {"prompt": "p"}, "p"),
        ("hidden", {"model": "fast"}, {"model": "llama3"}),
        ("hidden", {}, {}),
    ],
)
async def test_the_hub_s_name_of_the_model_reaches_a_method_that_takes_one(
    hub: FakeHub, method: str, args: dict[str, Any], result: Any
) -> None:
    async with serving(Models(hub), hub):
        assert (await hub.call(method, args, model="llama3"))["result"] == result


async def test_without_a_model_the_arguments_stay_as_they_are(hub: FakeHub) -> None:
    async with serving(Models(hub), hub):
        assert (await hub.call("asks", {"prompt": "p"}))["result"] == ["p", "own"]
        assert (await hub.call("asks", {"prompt": "p", "model": "m"}))["result"] == ["p", "m"]


@pytest.mark.parametrize("method", ["stream", "generate", "tokens"])
async def test_a_stream_gets_the_model_likewise(hub: FakeHub, method: str) -> None:
    async with serving(Models(hub), hub):
        assert (await hub.stream(method, {"prompt": "p"}, model="llama3"))[0] == ["llama3: p"]


async def test_an_invoke_of_the_author_s_own_gets_the_model_but_not_for_a_method_without(
    hub: FakeHub,
) -> None:
    async with serving(Open("open", server_url=hub.url), hub):
        assert (await hub.call("generate", {"a": 1}, model="m"))["result"] == {"a": 1, "model": "m"}
        assert (await hub.call("known", {"a": 1}, model="m"))["result"] == 1


@pytest.mark.parametrize("method", ["about", "about_in_a_thread"])
async def test_a_method_can_ask_what_call_it_is(hub: FakeHub, method: str) -> None:
    async with serving(Models(hub), hub):
        bare = (await hub.call(method))["result"]
        full = (await hub.call(method, model="m", key="k", attempt=2, deadline_ms=5000))["result"]

    assert bare == [method, "", "", 1, True]
    assert full == [method, "m", "k", 2, False]
    assert current_call() is None
