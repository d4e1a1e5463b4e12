"""An extension as a provider: what of it can be called, and how its life is the provider's."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from gleitzeit_extensions.catalog.meta import ExtensionMeta, Model
from gleitzeit_extensions.decorators import handler
from gleitzeit_extensions.exceptions import ExtensionServiceError
from gleitzeit_extensions.extensions.provider import SETTING_UP, ExtensionProvider
from gleitzeit_extensions.tools import tool
from tests.sdk.fake_hub import PATIENCE, FakeHub
from tests.sdk.subjects import serving

pytestmark = pytest.mark.anyio

META = ExtensionMeta(
    "library",
    "Lends books",
    "2.0.0",
    models=(Model("reader-1", ("text", "vision")), Model("reader-2", ("text",))),
    capabilities=("lending",),
)


class Library:
    """Whatever an extension may have."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.may_open = asyncio.Event()
        self.may_open.set()
        self.breaks = asyncio.Event()

    async def setup(self) -> None:
        self.said.append("setup")
        await self.may_open.wait()

    async def start(self) -> None:
        self.said.append("start")
        await self.breaks.wait()
        raise ValueError("the roof is down")

    def stop(self) -> None:
        self.said.append("stop")

    def health_check(self) -> dict[str, Any]:
        return {"healthy": True, "books": 3}

    async def lend(self, title: str, days: int = 14) -> str:
        """Lend a book."""
        return f"{title} for {days} days"

    @tool(name="search")
    def _search(self, words: str) -> list[str]:
        return [words]

    async def stream(self, title: str) -> Any:
        for word in title.split():
            yield word


def provider(hub: FakeHub, extension: object) -> ExtensionProvider:
    return ExtensionProvider(extension, META, server_url=hub.url)


async def ready(hub: FakeHub) -> None:
    def may_be_called() -> bool:
        return any(event == "ready" or (event == "register" and data["ready"]) for event, data in hub.heard)

    await hub.until(may_be_called, "it may be called")


async def test_it_tells_what_the_extension_declares(hub: FakeHub) -> None:
    async with serving(provider(hub, Library()), hub):
        told = await hub.seen("register")

    assert (told["name"], told["type"], told["description"]) == ("library", "extension", "Lends books")
    assert told["models"] == ["reader-1", "reader-2"]
    assert told["capabilities"] == ["lending", "text", "vision"]
    assert told["metadata"] == {"extension": "library", "version": "2.0.0"}
    assert [one["name"] for one in told["methods"]] == ["lend", "search", "stream"]
    assert told["closed"]


async def test_its_methods_are_called_and_not_those_of_its_life(hub: FakeHub) -> None:
    async with serving(provider(hub, Library()), hub):
        await ready(hub)
        assert (await hub.call("lend", {"title": "Emma"}))["result"] == "Emma for 14 days"
        assert (await hub.call("search", {"words": "Emma"}))["result"] == ["Emma"]
        items, _ = await hub.stream("stream", {"title": "Mansfield Park"})
        assert items == ["Mansfield", "Park"]
        for method in ("setup", "start", "stop", "health_check", "_search", "get_models"):
            assert (await hub.fails(method)).code == "not_found.method"
        assert (
            'cannot call "lend" of "library": it takes no titel'
            in (await hub.fails("lend", {"titel": "Emma"})).message
        )


async def test_decorators_may_stand_above_a_staticmethod_or_below(hub: FakeHub) -> None:
    class Static:
        @handler("above")
        @staticmethod
        def _above() -> str:
            return "above"

        @classmethod
        @handler("below")
        def _below(cls) -> str:
            return "below"

    async with serving(provider(hub, Static()), hub):
        await ready(hub)
        for name in ("above", "below"):
            assert (await hub.call(name))["result"] == name


async def test_it_takes_calls_when_its_setup_has_returned(hub: FakeHub) -> None:
    library = Library()
    library.may_open.clear()
    async with serving(provider(hub, library), hub):
        assert (await hub.seen("register"))["ready"] is False
        assert (await hub.seen("not_ready"))["reason"] == SETTING_UP
        assert library.said == ["setup"]
        library.may_open.set()
        await hub.seen("ready")

    assert library.said == ["setup", "start", "stop"]


async def test_a_start_that_fails_ends_the_provider(hub: FakeHub) -> None:
    library = Library()
    served = provider(hub, library)
    running = asyncio.create_task(served.run())
    await ready(hub)
    library.breaks.set()

    with pytest.raises(ExtensionServiceError) as told:
        await asyncio.wait_for(running, PATIENCE)
    line = Library.start.__code__.co_firstlineno + 3
    assert str(told.value) == (
        f'start() of "library" failed: {__file__}:{line}: ValueError: the roof is down'
    )
    assert library.said == ["setup", "start", "stop"]


async def test_a_setup_that_fails_ends_it_too(hub: FakeHub) -> None:
    class Broken(Library):
        def setup(self) -> Any:
            raise ConnectionError("no shelf")

    broken = Broken()
    with pytest.raises(ExtensionServiceError, match=r"setup\(\) of .*test_extension_provider.py:\d+: Conn"):
        await asyncio.wait_for(provider(hub, broken).run(), PATIENCE)
    assert broken.said == []


async def test_one_that_is_stopped_during_its_setup_has_not_failed(hub: FakeHub) -> None:
    library = Library()
    library.may_open.clear()
    async with serving(provider(hub, library), hub):
        await hub.seen("not_ready")

    assert library.said == ["setup"]


async def test_one_whose_start_returns_goes_on(hub: FakeHub) -> None:
    class Brief(Library):
        async def start(self) -> None: ...

    async with serving(provider(hub, Brief()), hub):
        await ready(hub)
        assert (await hub.call("lend", {"title": "Emma", "days": 1}))["ok"]


async def test_a_bare_class_will_do(hub: FakeHub) -> None:
    class Bare:
        def hello(self) -> str:
            return "hello"

    async with serving(provider(hub, Bare()), hub):
        await ready(hub)
        assert (await hub.call("hello"))["result"] == "hello"
        await hub.tell("health", {"id": 1})
        assert (await hub.seen("health"))["health"] == {"healthy": True}


async def test_its_health_check_says_how_it_is(hub: FakeHub) -> None:
    async with serving(provider(hub, Library()), hub):
        await hub.tell("health", {"id": 1})

        assert (await hub.seen("health"))["health"] == {"healthy": True, "books": 3}


@pytest.mark.parametrize("given", ["fine", {"books": {1, b"x"}}])
async def test_a_health_check_that_gives_nonsense_is_told_with_its_line(hub: FakeHub, given: Any) -> None:
    class Vague(Library):
        def health_check(self) -> Any:
            return given

    async with serving(provider(hub, Vague()), hub):
        await hub.tell("health", {"id": 1})
        told = await hub.seen("health")

    assert "get_health_status" not in str(told)
    assert f"test_extension_provider.py:{Vague.health_check.__code__.co_firstlineno}" in str(told)


async def test_what_it_serves_may_be_known_after_its_setup(hub: FakeHub) -> None:
    class Late(Library):
        async def get_models(self) -> list[str]:
            return ["reader-3"]

        def get_capabilities(self) -> list[str]:
            return ["reading"]

    async with serving(provider(hub, Late()), hub):

        def told(key: str, value: object) -> bool:
            return any(isinstance(data, dict) and data.get(key) == value for _, data in hub.heard)

        await hub.until(lambda: told("models", ["reader-3"]), "its models")
        words = ["reading", "lending", "text", "vision"]
        await hub.until(lambda: told("capabilities", words), "its capabilities")


async def test_a_method_that_is_called_invoke_is_one_like_others(hub: FakeHub) -> None:
    class Deciding:
        def invoke(self, x: int) -> int:
            return x

        def other(self) -> str:
            return "other"

    async with serving(provider(hub, Deciding()), hub):
        assert (await hub.seen("register"))["closed"]
        await ready(hub)
        assert (await hub.call("invoke", {"x": 1}))["result"] == 1
        assert (await hub.call("other"))["result"] == "other"


@pytest.mark.parametrize("given", [[{"id": "reader"}], [None], "reader"])
async def test_what_names_no_model_is_a_failure_with_its_line(hub: FakeHub, given: Any) -> None:
    class Vague(Library):
        def get_models(self) -> Any:
            return given

    line = Vague.get_models.__code__.co_firstlineno
    with pytest.raises(ExtensionServiceError, match=rf"get_models\(\) .*provider.py:{line}: TypeError: a "):
        await asyncio.wait_for(provider(hub, Vague()).run(), PATIENCE)


async def test_a_stop_that_fails_is_logged_and_hurts_nobody(
    hub: FakeHub, caplog: pytest.LogCaptureFixture
) -> None:
    class Stubborn(Library):
        def stop(self) -> None:
            raise RuntimeError("still reading")

    with caplog.at_level(logging.WARNING, "gleitzeit"):
        async with serving(provider(hub, Stubborn()), hub):
            await ready(hub)

    assert "RuntimeError: still reading" in caplog.text
