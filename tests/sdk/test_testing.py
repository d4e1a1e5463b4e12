"""The kit for authors: their provider in the test's process, at a real hub that leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from gleitzeit_extensions import InvalidRequest, SocketIOProviderClient, client
from gleitzeit_extensions.client import Client, Model, SyncClient
from gleitzeit_extensions.connection import Refused
from gleitzeit_extensions.exceptions import ExtensionServiceError
from gleitzeit_extensions.testing import extension, served, serving
from tests.warm import ROOT

PATIENCE = 10.0


class Desk(SocketIOProviderClient):
    """Whatever an author may want to test."""

    began: asyncio.Event
    ended: asyncio.Event

    async def add(self, a: int, b: int) -> int:
        return a + b

    async def count(self, to: int = 3) -> AsyncIterator[int]:
        for number in range(to):
            yield number

    async def fail(self) -> None:
        raise ZeroDivisionError("nothing left to share")

    async def refuse(self) -> None:
        raise InvalidRequest("a desk has four legs")

    async def wait(self) -> None:
        self.began, self.ended = asyncio.Event(), asyncio.Event()
        self.began.set()
        await self._forever()

    async def drip(self) -> AsyncIterator[int]:
        self.ended = asyncio.Event()
        try:
            yield 1
            await asyncio.Event().wait()
        finally:
            self.ended.set()

    async def _forever(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.set()

    async def get_health_status(self) -> dict[str, Any]:
        return {"healthy": True, "legs": 4}


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.asyncio
async def test_a_provider_is_called_through_a_real_hub() -> None:
    async with serving(Desk(name="desk", models=["oak"])) as client:
        assert await client.invoke("desk", "add", a=1, b=2) == 3
        assert await client.invoke(Model("oak"), "add", a=1, b=2) == 3
        assert [one["name"] for one in await client.providers()] == ["desk"]
        assert (await client.health("desk"))["health"] == {"healthy": True, "legs": 4}
        assert [one["name"] for one in await client.models()] == ["oak"]


@pytest.mark.asyncio
async def test_a_stream_is_read_and_one_that_is_left_is_cancelled() -> None:
    desk = Desk(name="desk")
    async with serving(desk) as client:
        assert [item async for item in client.stream("desk", "count", to=4)] == [0, 1, 2, 3]
        async with client.stream("desk", "drip") as items:
            assert await anext(items) == 1
        await asyncio.wait_for(desk.ended.wait(), PATIENCE)


@pytest.mark.asyncio
async def test_a_call_that_is_cancelled_ends_in_the_provider() -> None:
    desk = Desk(name="desk")
    async with serving(desk) as client:
        call = asyncio.create_task(client.invoke("desk", "wait"))
        while not hasattr(desk, "began"):  # noqa: ASYNC110 - the provider makes the event
            await asyncio.sleep(0.005)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.wait_for(desk.ended.wait(), PATIENCE)


@pytest.mark.asyncio
async def test_errors_are_those_that_a_caller_sees() -> None:
    async with serving(Desk(name="desk")) as hub:
        with pytest.raises(client.ProviderFailed, match="ZeroDivisionError: nothing left to share"):
            await hub.invoke("desk", "fail")
        with pytest.raises(client.InvalidRequest, match="a desk has four legs"):
            await hub.invoke("desk", "refuse")
        with pytest.raises(client.InvalidRequest, match="a must be a whole number"):
            await hub.invoke("desk", "add", a="one", b=2)
        with pytest.raises(client.NotFound, match="it has add, count"):
            await hub.invoke("desk", "cuont")


@pytest.mark.asyncio
async def test_what_failed_is_logged_with_the_line_of_the_author(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(Desk(name="desk")) as client:
        with suppress(Exception):
            await client.invoke("desk", "fail")

    assert 'raise ZeroDivisionError("nothing left to share")' in caplog.text


def test_a_test_without_a_loop_has_a_plain_client(capfd: pytest.CaptureFixture[str]) -> None:
    with capture_logs(), served(Desk(name="desk")) as client:
        assert client.invoke("desk", "add", a=1, b=2) == 3
        assert list(client.stream("desk", "count")) == [0, 1, 2]

    assert capfd.readouterr() == ("", "")


def test_what_needs_the_loop_is_made_in_it() -> None:
    def make() -> Desk:
        asyncio.get_running_loop()  # raises without one
        return Desk(name="desk")

    with served(make) as client:
        assert client.invoke("desk", "add", a=1, b=2) == 3


@pytest.mark.asyncio
async def test_nothing_is_left_when_it_ends() -> None:
    desk = Desk(name="desk", server_url="http://test")
    async with serving(desk):
        pass  # what is imported with the first is kept open
    before, threads = descriptors(), threading.active_count()

    async with serving(desk) as client:
        stuck = asyncio.create_task(client.invoke("desk", "wait"))
        while not hasattr(desk, "began"):  # noqa: ASYNC110 - the provider makes the event
            await asyncio.sleep(0.005)
    with pytest.raises(Exception, match=r"closed|lost"):
        await stuck

    assert desk.ended.is_set()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert (descriptors(), threading.active_count()) == (before, threads)
    assert (desk.server_url, desk.connected) == ("http://test", False)


def test_a_thread_and_its_sockets_end_with_the_test() -> None:
    with served(Desk(name="desk")):
        pass
    before = descriptors(), threading.active_count()

    with served(Desk(name="desk")) as client:
        client.invoke("desk", "add", a=1, b=2)

    assert (descriptors(), threading.active_count()) == before


@pytest.mark.asyncio
async def test_what_the_test_raises_comes_out_as_it_is() -> None:
    with pytest.raises(LookupError, match="of the test"):
        async with serving(Desk(name="desk")):
            raise LookupError("of the test")
    with pytest.raises(LookupError, match="of the test"), served(Desk(name="desk")):
        raise LookupError("of the test")


@pytest.mark.asyncio
async def test_a_provider_that_the_hub_does_not_want_fails_with_its_sentence() -> None:
    with pytest.raises(Refused, match="a b"):
        async with serving(Desk(name="a b")):
            raise AssertionError("it was served")
    with pytest.raises(Refused, match="a b"), served(Desk(name="a b")):
        raise AssertionError("it was served")
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.asyncio
async def test_what_a_provider_tells_of_itself_later_reaches_the_hub() -> None:
    desk = Desk(name="desk")
    async with serving(desk) as client:
        await desk.update_models(["pine"])
        async with asyncio.timeout(PATIENCE):
            while not await client.models():  # noqa: ASYNC110 - the hub is what is asked
                await asyncio.sleep(0.005)
        assert await client.invoke(Model("pine"), "add", a=1, b=2) == 3


AUTHORS_TEST = """
import pytest
from gleitzeit_extensions import SocketIOProviderClient

pytest_plugins = ["gleitzeit_extensions.testing"]

class Adder(SocketIOProviderClient):
    async def add(self, a: int, b: int) -> int:
        return a // b

def test_it_adds(serve):
    client = serve(Adder(name="adder"))
    assert client.invoke("adder", "add", a=2, b=2) == 1

def test_it_fails(serve):
    serve(Adder(name="adder")).invoke("adder", "add", a=2, b=0)
"""


def test_the_fixture_serves_and_a_failure_shows_the_authors_line(tmp_path: Path) -> None:
    (tmp_path / "test_adder.py").write_text(AUTHORS_TEST)

    line = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_adder.py"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)

    assert "1 failed, 1 passed" in done.stdout
    assert "ProviderFailed: ZeroDivisionError" in done.stdout
    assert "test_adder.py" in done.stdout.partition("Captured log call")[2]
    assert "return a // b" in done.stdout.partition("Captured log call")[2]


def test_the_kit_needs_no_pytest() -> None:
    script = "import sys, gleitzeit_extensions.testing as t; assert t.served and 'pytest' not in sys.modules"

    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, timeout=60).returncode == 0


@pytest.fixture
async def desk_of_a_fixture() -> AsyncIterator[Client]:
    async with serving(Desk(name="desk")) as client:
        yield client


@pytest.fixture
def plain_desk() -> Iterator[SyncClient]:
    with served(Desk(name="desk")) as client:
        yield client


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_fixture_may_serve(desk_of_a_fixture: Client, anyio_backend: str) -> None:
    assert await desk_of_a_fixture.invoke("desk", "add", a=1, b=2) == 3


def test_a_plain_fixture_may_serve(plain_desk: SyncClient) -> None:
    assert plain_desk.invoke("desk", "add", a=1, b=2) == 3


DECORATED = """
import asyncio
from gleitzeit_extensions.decorators import config_field, extension, model

@extension(name="shop")
@model("goods", capabilities=["selling"])
@config_field("price", "integer", required=True)
class Shop:
    is_open = False

    def __init__(self, price: int) -> None:
        self.price = price

    async def setup(self) -> None:
        await asyncio.sleep(0.1)
        self.is_open = True

    async def stop(self) -> None:
        open("closed", "w").close()

    async def sell(self, pieces: int) -> int:
        assert self.is_open
        return pieces * self.price
"""
MANIFEST = """
name: shop
description: Sells
models: [goods]
config:
  price: {type: integer, required: true}
service: {class_path: shop.Shop}
"""
SERVICE = """
import asyncio
from gleitzeit_extensions.config_loader import ConfigBasedExtension

class Shop(ConfigBasedExtension):
    is_open = False

    async def setup(self):
        await asyncio.sleep(0.1)
        self.is_open = True

    async def stop(self):
        open("closed", "w").close()

    async def sell(self, pieces: int) -> int:
        assert self.is_open
        return pieces * self.config["price"]
"""


@pytest.mark.parametrize(
    "files",
    [{"shop.py": DECORATED}, {"extension.yaml": MANIFEST, "shop.py": SERVICE}],
    ids=["class", "manifest"],
)
def test_an_extension_is_served_from_its_setup_to_its_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in files.items():
        (tmp_path / name).write_text(text)

    with served(extension("shop", tmp_path, price=3)) as client:
        assert client.invoke(Model("goods"), "sell", pieces=2) == 6
        assert not (tmp_path / "closed").exists()

    assert (tmp_path / "closed").exists()


def test_an_extension_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(DECORATED)

    with pytest.raises(Exception, match="price"), served(extension("shop", tmp_path)):
        raise AssertionError("it was served")
    with pytest.raises(Exception, match="did you mean"), served(extension("shp", tmp_path)):
        raise AssertionError("it was served")


def test_a_setup_that_fails_fails_the_test_before_it_begins(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(DECORATED.replace("self.is_open = True", "raise OSError('no key')"))

    with pytest.raises(ExtensionServiceError, match="no key"), served(extension("shop", tmp_path, price=3)):
        raise AssertionError("it was served")


class Tidy(Desk):
    is_tidied = False

    async def run(self) -> None:
        await super().run()
        await asyncio.sleep(0.05)
        self.is_tidied = True


def test_a_run_of_the_authors_comes_to_its_end() -> None:
    tidy = Tidy(name="desk")

    with served(tidy) as client:
        assert client.invoke("desk", "add", a=1, b=2) == 3

    assert tidy.is_tidied
