"""What an author's class gets from its base class, without any hub."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gleitzeit_extensions.context import LAUNCH, Launch
from gleitzeit_extensions.protocol import CallError
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient

pytestmark = pytest.mark.anyio


class Tools(SocketIOProviderClient):
    async def add(self, a: float, b: float = 1) -> float:
        """The sum.

        More about it.
        """
        return a + b

    def thread(self) -> str:
        return threading.current_thread().name

    async def words(self) -> AsyncIterator[str]:
        yield "word"

    @staticmethod
    def fixed() -> int:
        return 7

    async def _private(self) -> None: ...

    async def setup(self) -> None: ...

    async def start(self) -> None: ...

    async def health_check(self) -> None: ...

    async def on_connected(self) -> None: ...


def tools(**kwargs: Any) -> Tools:
    return Tools(name="tools", **kwargs)


async def test_what_is_left_out_has_a_sensible_value() -> None:
    provider = SocketIOProviderClient("thing")

    assert provider.name == "thing"
    assert provider.provider_type == "unknown"
    assert provider.server_url == "http://localhost:8000"
    assert provider.models == provider.capabilities == []
    assert provider.metadata == provider.config == {}
    assert provider.description == ""
    assert not provider.connected
    assert (provider.provider_id, provider.sio) == (None, None)


async def test_unknown_keywords_are_kept_in_config() -> None:
    assert tools(max_retries=3, api_key="x").config == {"max_retries": 3, "api_key": "x"}


async def test_without_a_daemon_a_name_is_needed() -> None:
    with pytest.raises(TypeError, match=r'Tools needs a name: Tools\(name="..."\)'):
        Tools()


async def test_what_the_class_leaves_open_comes_from_the_daemon() -> None:
    launch = Launch(
        name="n", instance="n#2", server_url="http://hub:1", type="llm", description="from the config"
    )
    token = LAUNCH.set(launch)
    try:
        provider, named = Tools(), Tools(name="own", provider_type="tool", description="own words")
    finally:
        LAUNCH.reset(token)

    assert (provider.name, provider.provider_type, provider.server_url) == ("n", "llm", "http://hub:1")
    assert provider.description == "from the config"
    assert (named.name, named.provider_type, named.description) == ("own", "tool", "own words")


@pytest.mark.parametrize("url", ["localhost:8000", "hub", "ftp://hub", "http://"])
async def test_a_server_url_that_is_none_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(ValueError, match="is not a URL: write it like http://localhost:8000"):
        tools(server_url=url)


@pytest.mark.parametrize("models", ["gpt-4", 5, [1, 2]])
async def test_models_are_a_list_of_strings(models: Any) -> None:
    with pytest.raises(TypeError, match="models is a list of strings"):
        tools(models=models)


async def test_invoke_calls_the_method_of_that_name() -> None:
    assert await tools().invoke("add", a=2, b=3) == 5
    assert await tools().invoke("fixed") == 7


async def test_a_plain_method_runs_in_a_thread() -> None:
    assert await tools().invoke("thread") != threading.current_thread().name


async def test_an_unknown_method_is_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(CallError, match=r'"tools" has no method "ad" \(did you mean add\?\)') as caught:
        await tools().invoke("ad")

    assert caught.value.code == "not_found.method"
    assert caught.value.detail == {"methods": ["add", "thread", "words", "fixed"]}


@pytest.mark.parametrize(
    "name",
    [
        *("_private", "__init__", "setup", "start", "stop", "health_check", "run", "connect", "invoke"),
        *("on_connected", "generate", "stream", "get_tools", "name", "update_models"),
    ],
)
async def test_the_life_of_a_provider_cannot_be_called_from_outside(name: str) -> None:
    with pytest.raises(CallError, match=f'has no method "{name}"'):
        await tools().invoke(name)


async def test_wrong_arguments_are_told_before_the_method_runs() -> None:
    with pytest.raises(
        CallError, match=r'cannot call "add" of "tools": a is missing; it takes a, b=1'
    ) as caught:
        await tools().invoke("add", b=3)
    assert caught.value.code == "invalid_request"

    with pytest.raises(CallError, match="it takes no c; it takes a, b=1"):
        await tools().invoke("add", a=1, c=3)


async def test_a_stream_cannot_be_had_as_one_answer() -> None:
    with pytest.raises(CallError, match='"words" of "tools" gives a stream: call it with stream'):
        await tools().invoke("words")


async def test_what_a_class_does_not_have_says_so() -> None:
    with pytest.raises(NotImplementedError, match=r"Tools has no stream\(\)"):
        tools().stream(prompt="x")
    with pytest.raises(NotImplementedError, match=r"Tools has no generate\(\)"):
        await tools().generate(prompt="x")


async def test_the_tools_are_the_public_methods() -> None:
    add, *_ = await tools().get_tools()

    assert (add["name"], add["description"]) == ("add", "The sum.")
    assert add["parameters"]["properties"] == {"a": {"type": "number"}, "b": {"type": "number", "default": 1}}


async def test_a_method_that_a_subclass_takes_away_is_gone() -> None:
    class Fewer(Tools):
        add = None  # type: ignore[assignment]

    with pytest.raises(CallError, match='no method "add"'):
        await Fewer(name="fewer").invoke("add", a=1)


async def test_methods_of_a_mixin_count_as_the_class_own() -> None:
    class Mixin:
        async def hello(self) -> str:
            return "hello"

    class Mixed(Mixin, SocketIOProviderClient): ...

    assert await Mixed(name="mixed").invoke("hello") == "hello"


async def test_a_class_may_have_private_attributes_of_any_name() -> None:
    class Database(SocketIOProviderClient):
        def __init__(self, **kwargs: Any) -> None:
            self.models = ["set", "early"]
            super().__init__(models=["m"], **kwargs)
            self._link = self._connection = self._launch = self._calls = self._session = None

    database = Database(name="db")
    await database.stop()

    assert database.models == ["m"]


async def test_stop_without_a_run_does_nothing_however_often() -> None:
    provider = tools()

    await provider.stop()
    await provider.stop()
    await provider.disconnect()
