"""How a provider stays connected: waiting for the hub, coming back after a loss, and being refused."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from gleitzeit_extensions import link
from gleitzeit_extensions.connection import Refused
from gleitzeit_extensions.context import LAUNCH, Launch
from gleitzeit_extensions.link import Orphaned
from gleitzeit_extensions.protocol import MAX_FRAME, CallError
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient
from gleitzeit_extensions.transport import Lost
from tests.sdk.fake_hub import PATIENCE, FakeHub, a_hub
from tests.sdk.subjects import a_child, serving

pytestmark = pytest.mark.anyio

NOWHERE = "http://127.0.0.1:1"


class Thing(SocketIOProviderClient):
    """Remembers how its connection went."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("thing", **kwargs)
        self.story: list[str] = []
        self.began = asyncio.Event()
        self.ended = asyncio.Event()

    async def on_connected(self) -> None:
        self.story.append("connected")

    async def on_disconnected(self) -> None:
        self.story.append("disconnected")

    async def wait(self) -> None:
        self.began.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.set()


@contextmanager
def launched(**fields: Any) -> Iterator[None]:
    """As if the daemon had started what is made in here."""
    told = {"name": "thing", "instance": "thing", "server_url": NOWHERE, "token": "secret"}
    token = LAUNCH.set(Launch(**(told | fields)))
    try:
        yield
    finally:
        LAUNCH.reset(token)


def refusal(code: str, message: str) -> Any:
    return lambda told: {"ok": False, "error": CallError(code, message).wire()}


async def test_it_waits_for_a_hub_that_is_not_there_yet_and_says_so_once(
    hub: FakeHub, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    await hub.stop()
    attempts: asyncio.Queue[int] = asyncio.Queue()

    def pause(failures: int) -> float:
        attempts.put_nowait(failures)
        return 0.001

    monkeypatch.setattr(link, "pause", pause)
    thing = Thing(server_url=hub.url)

    with caplog.at_level(logging.INFO, "gleitzeit"):
        running = asyncio.create_task(thing.run())
        assert [await attempts.get() for _ in range(4)] == [0, 1, 2, 3]
        await hub.start()
        await hub.seen("register")
        await thing.stop()
        await running

    said = [record.getMessage() for record in caplog.records]
    assert said[0] == f"waiting for the hub at {hub.url} (Connection refused)"
    assert said.count(said[0]) == 1


@pytest.mark.parametrize(("failures", "bound"), [(0, 0.05), (1, 0.1), (5, 1.6), (7, 5.0), (10_000, 5.0)])
async def test_the_pause_between_attempts_grows_to_a_bound(failures: int, bound: float) -> None:
    pauses = [link.pause(failures) for _ in range(200)]

    assert bound / 2 < max(pauses) <= bound
    assert min(pauses) < bound / 2


async def test_it_comes_back_after_a_loss_and_nothing_of_before_goes_on(hub: FakeHub) -> None:
    thing = Thing(server_url=hub.url)
    async with serving(thing, hub):
        id = await hub.invoke("wait")
        await thing.began.wait()
        before = thing.provider_id
        await hub.stop()
        await asyncio.wait_for(thing.ended.wait(), PATIENCE)
        await hub.start()
        await hub.seen("register", nth=2)
        await hub.tell("health", {"id": "again"})
        await hub.seen("health", id="again")

        assert thing.provider_id not in (None, before)
    assert not [data for name, data in hub.heard if name == "result" and data["id"] == id]


async def test_a_kick_by_the_hub_is_a_loss_too(hub: FakeHub) -> None:
    thing = Thing(server_url=hub.url)
    async with serving(thing, hub):
        await hub.kick()
        await hub.seen("register", nth=2)

    assert thing.story[:2] == ["connected", "disconnected"]


A_HUB = """
import asyncio
from tests.sdk.fake_hub import FakeHub

async def main():
    hub = FakeHub()
    hub.ping = 0.2
    await hub.start()
    print(hub.url, flush=True)
    await hub.seen("register")
    await hub.invoke("large")
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_a_hub_that_freezes_in_the_middle_of_an_answer_is_lost_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The Engine.IO client would wait for its stuck write, and never see that the pings have stopped."""
    monkeypatch.setattr("gleitzeit_extensions.transport.CLOSE_TIMEOUT", 0.1)
    lost = asyncio.Event()

    class Large(SocketIOProviderClient):
        async def large(self) -> str:
            frozen.process.send_signal(signal.SIGSTOP)
            return "x" * (MAX_FRAME - 100)

        async def on_disconnected(self) -> None:
            lost.set()

    async with a_child(sys.executable, "-c", A_HUB) as frozen:
        await frozen.says("http://")
        provider = Large("large", server_url=frozen.text)
        running = asyncio.create_task(provider.run())
        await asyncio.wait_for(lost.wait(), PATIENCE)
        await provider.stop()
        await running


async def test_a_hook_that_fails_or_hangs_does_no_harm(
    hub: FakeHub, caplog: pytest.LogCaptureFixture
) -> None:
    class Hooked(SocketIOProviderClient):
        async def on_connected(self) -> None:
            await asyncio.Event().wait()

        async def on_disconnected(self) -> None:
            raise ValueError("in the hook")

    hooked = Hooked("hooked", server_url=hub.url)
    async with serving(hooked, hub):
        await hub.kick()
        await hub.seen("register", nth=2)

    line = Hooked.on_disconnected.__code__.co_firstlineno + 1
    assert f"on_disconnected() failed: ValueError: in the hook ({__file__}:{line})" in caplog.text


async def test_a_goodbye_hook_that_hangs_does_not_keep_it(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "GOODBYE_TIMEOUT", 0.01)

    class Hooked(SocketIOProviderClient):
        async def on_disconnected(self) -> None:
            await asyncio.Event().wait()

    async with serving(Hooked("hooked", server_url=hub.url), hub):
        await hub.kick()
        await hub.seen("register", nth=2)


async def test_assigned_lists_are_told(hub: FakeHub) -> None:
    thing = Thing(server_url=hub.url)
    async with serving(thing, hub):
        thing.models = ["a"]
        thing.capabilities = ["c"]
        assert await hub.seen("update") == {"models": ["a"], "capabilities": ["c"]}

        await thing.update_models(["b"])
        assert await hub.seen("update", models=["b"]) == {"models": ["b"]}


async def test_models_assigned_in_a_thread_are_told(hub: FakeHub) -> None:
    class Learns(SocketIOProviderClient):
        def learn(self) -> None:
            self.models = ["learned"]

    async with serving(Learns("learns", server_url=hub.url), hub):
        await hub.call("learn")

        assert await hub.seen("update") == {"models": ["learned"]}


async def test_models_assigned_while_it_registers_are_told(hub: FakeHub) -> None:
    thing = Thing(server_url=hub.url)

    def answer(told: Any) -> Any:
        thing.models = ["meanwhile"]
        return {"ok": True, "session": "s", "proto": 1}

    hub.answer = answer
    async with serving(thing, hub):
        assert await hub.seen("update") == {"models": ["meanwhile"]}


async def test_metadata_that_is_not_json_ends_run_with_a_sentence(hub: FakeHub) -> None:
    with pytest.raises(
        Refused, match=r'what "thing" tells about itself is not JSON: register.metadata.x is a bytes'
    ):
        await Thing(server_url=hub.url, metadata={"x": b"1"}).run()


async def test_by_hand_a_wrong_token_is_logged_once_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    async with a_hub(token="right") as hub:
        thing = Thing(server_url=hub.url)
        running = asyncio.create_task(thing.run())
        await hub.seen("refused", nth=3)
        hub.token = None
        await hub.seen("register")
        await thing.stop()
        await running

    sentence = 'the hub refused "thing": the token is not the one of this daemon'
    assert caplog.text.count(sentence) == 1


async def test_the_token_file_is_read_anew_at_each_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLEITZEIT_SOCKET", str(tmp_path / "gleitzeitd.sock"))
    (tmp_path / "token").write_text("old\n")
    async with a_hub(token="new") as hub:
        thing = Thing(server_url=hub.url)
        running = asyncio.create_task(thing.run())
        await hub.seen("refused")
        (tmp_path / "token").write_text("new\n")
        await hub.seen("register")
        await thing.stop()
        await running

    assert hub.auths[-1]["token"] == "new"


@pytest.mark.parametrize("token", ["two\nlines", "caf\u00e9", "\x00"])
async def test_what_cannot_be_a_token_ends_run_with_a_sentence(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv("GLEITZEIT_SOCKET", str(tmp_path / "gleitzeitd.sock"))
    (tmp_path / "token").write_text(token)
    with pytest.raises(ValueError, match="no token has") as of_file:
        await asyncio.wait_for(Thing(server_url=hub.url).run(), PATIENCE)
    with monkeypatch.context() as patched:
        patched.setattr("os.environ", {"GLEITZEIT_TOKEN": token})  # the system's takes no NUL
        with pytest.raises(ValueError, match="no token has") as of_variable:
            await asyncio.wait_for(Thing(server_url=hub.url).run(), PATIENCE)

    assert str(of_file.value).startswith(f"{tmp_path}/token is not a token")
    assert str(of_variable.value).startswith("$GLEITZEIT_TOKEN is not a token")
    assert not hub.auths


async def test_this_machine_s_token_is_not_sent_to_another_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLEITZEIT_SOCKET", str(tmp_path / "gleitzeitd.sock"))
    (tmp_path / "token").write_text("secret\n")
    async with a_hub() as hub:
        thing = Thing(server_url=f"http://{os.uname().nodename}:{hub.port}")
        monkeypatch.setattr("gleitzeit_extensions.transport.CONNECT_TIMEOUT", 0.5)
        monkeypatch.setattr("aiohttp.ClientSession.ws_connect", _to(hub))
        async with serving(thing, hub):
            assert hub.auths[-1]["token"] == ""


def _to(hub: FakeHub) -> Any:
    """`ws_connect` of aiohttp, but every host is the hub."""
    import aiohttp

    connect = aiohttp.ClientSession.ws_connect

    def connect_there(self: Any, url: str, **kwargs: Any) -> Any:
        return connect(self, f"ws://127.0.0.1:{hub.port}/socket.io/?{url.split('?')[1]}", **kwargs)

    return connect_there


async def test_by_hand_a_forbidden_name_ends_run_with_one_sentence(hub: FakeHub) -> None:
    hub.answer = refusal("forbidden", 'this token may not register "thing"')

    with pytest.raises(Refused) as caught:
        await Thing(server_url=hub.url).run()

    assert str(caught.value) == 'the hub refused "thing": this token may not register "thing"'


async def test_a_hub_of_another_version_is_told(hub: FakeHub) -> None:
    hub.answer = lambda told: {"ok": True, "session": "s", "proto": 2}

    with pytest.raises(Refused, match="it speaks gz/2, not gz/1: install the same version"):
        await Thing(server_url=hub.url).run()


async def test_an_answer_that_makes_no_sense_is_tried_again(
    hub: FakeHub, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gleitzeit")
    hub.answer = lambda told: "yes"
    thing = Thing(server_url=hub.url)
    running = asyncio.create_task(thing.run())
    await hub.seen("register", nth=2)
    await thing.stop()
    await running

    assert "the hub answered register with 'yes'" in caplog.text


async def test_a_conflict_passes(hub: FakeHub) -> None:
    hub.answer = refusal("conflict", "the instance is connected already")
    thing = Thing(server_url=hub.url)
    running = asyncio.create_task(thing.run())
    await hub.seen("register", nth=2)
    hub.answer = None
    await hub.seen("register", nth=3)
    await thing.stop()
    await running


async def test_under_the_daemon_every_refusal_is_final(hub: FakeHub) -> None:
    hub.token = "right"
    with launched(server_url=hub.url):
        thing = Thing()

    with pytest.raises(Refused, match="the token is not the one of this daemon"):
        await thing.run()
    assert len(hub.auths) == 1


async def test_under_the_daemon_it_uses_the_unix_socket_and_the_token_it_was_given(tmp_path: Path) -> None:
    hub = FakeHub(token="secret")
    await hub.start(tmp_path / "hub.sock")
    with launched(hub_socket=str(tmp_path / "hub.sock")):
        thing = Thing()
    async with serving(thing, hub):
        assert hub.auths == [{"proto": 1, "token": "secret"}]
    await hub.stop()


async def test_a_provider_whose_daemon_is_gone_ends(caplog: pytest.LogCaptureFixture) -> None:
    with launched(parent=1 if os.getppid() != 1 else 2):
        thing = Thing()

    with pytest.raises(Orphaned, match=r'the daemon \(pid \d\) is gone: "thing" ends'):
        await thing.run()


async def test_models_are_discovered_before_it_registers_when_the_daemon_wants_it(hub: FakeHub) -> None:
    class Discovers(Thing):
        async def discover_models(self) -> list[str]:
            await asyncio.sleep(0.2)  # longer than a registration takes
            return ["found"]

    with launched(server_url=hub.url, auto_discover_models=True):
        thing = Discovers()
    async with serving(thing, hub):
        assert (await hub.seen("register"))["models"] == ["found"]


@pytest.mark.parametrize("given", [RuntimeError("upstream is down"), "gpt-4", None])
async def test_a_failed_discovery_is_not_fatal(
    hub: FakeHub, given: Any, caplog: pytest.LogCaptureFixture
) -> None:
    class Discovers(Thing):
        async def discover_models(self) -> Any:
            if isinstance(given, Exception):
                raise given
            return given

    with launched(server_url=hub.url, auto_discover_models=True):
        thing = Discovers(models=["known"])
    async with serving(thing, hub):
        assert (await hub.seen("register"))["models"] == ["known"]
    assert '"thing" could not discover its models' in caplog.text
    line = Discovers.discover_models.__code__.co_firstlineno
    if isinstance(given, Exception):
        assert f"RuntimeError: upstream is down ({__file__}:{line + 2})" in caplog.text
    else:
        assert f"TypeError: models is a list of strings, not {given!r} (test_link.py:{line})" in caplog.text


async def test_a_slow_discovery_does_not_hold_up_the_registration(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gleitzeit_extensions.link.DISCOVERY_TIMEOUT", 0.01)
    found = asyncio.Event()

    class Discovers(Thing):
        async def discover_models(self) -> list[str]:
            await found.wait()
            return ["late"]

    with launched(server_url=hub.url, auto_discover_models=True):
        thing = Discovers(models=["known"])
    async with serving(thing, hub):
        assert (await hub.seen("register"))["models"] == ["known"]
        found.set()
        assert await hub.seen("update") == {"models": ["late"]}


async def test_connect_alone_serves_until_disconnect(hub: FakeHub) -> None:
    thing = Thing(server_url=hub.url)
    await thing.connect()
    await thing.connect()

    assert thing.connected
    assert (await hub.fails("nope")).code == "not_found.method"
    await thing.disconnect()
    await thing.disconnect()
    assert not thing.connected
    assert thing.story == ["connected", "disconnected"]


async def test_connect_alone_raises_when_there_is_no_hub() -> None:
    with pytest.raises(Lost, match="Connection refused"):
        await Thing(server_url=NOWHERE).connect()


async def test_something_else_at_the_address_is_not_a_hub() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Lost):
            await Thing(server_url=f"http://127.0.0.1:{port}").connect()


async def test_another_websocket_at_the_address_is_not_a_hub() -> None:
    async def answer(request: web.Request) -> web.WebSocketResponse:
        response = web.WebSocketResponse()
        await response.prepare(request)
        await response.send_str("hello")
        return response

    app = web.Application()
    app.router.add_get("/socket.io/", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    with pytest.raises(Lost, match="what answers there is not a hub"):
        await Thing(server_url=f"http://127.0.0.1:{runner.addresses[0][1]}").connect()
    await runner.cleanup()


async def test_run_ends_while_it_waits_for_a_hub() -> None:
    thing = Thing(server_url=NOWHERE)
    running = asyncio.create_task(thing.run())
    await asyncio.sleep(0)
    await thing.stop()

    assert running.done()


async def test_run_twice_at_once_is_an_error(hub: FakeHub) -> None:
    thing = Thing(server_url=hub.url)
    async with serving(thing, hub):
        with pytest.raises(RuntimeError, match='"thing" is running already'):
            await thing.run()


async def test_a_cancelled_run_leaves_cleanly(hub: FakeHub) -> None:
    running = asyncio.create_task(Thing(server_url=hub.url).run())
    await hub.seen("register")
    running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running
    await hub.seen("bye")


async def test_a_provider_can_be_run_again(hub: FakeHub) -> None:
    thing = Thing(server_url=hub.url)
    async with serving(thing, hub):
        pass
    async with serving(thing, hub):
        await hub.seen("register", nth=2)


async def test_models_are_looked_up_again_and_again_and_only_what_changed_is_told(hub: FakeHub) -> None:
    class Discovers(Thing):
        discovery_interval = 0.01
        looks = 0

        async def discover_models(self) -> list[str]:
            self.looks += 1
            return ["a"] if self.looks < 4 else ["a", "b"]

    with launched(server_url=hub.url, auto_discover_models=True):
        thing = Discovers()
    async with serving(thing, hub):
        assert await hub.seen("update") == {"models": ["a", "b"]}
        assert (await hub.seen("register"))["models"] == ["a"]


async def test_a_discovery_that_goes_on_failing_says_so_once_until_it_has_worked(
    hub: FakeHub, caplog: pytest.LogCaptureFixture
) -> None:
    class Discovers(Thing):
        discovery_interval = 0.01
        looks = 0

        async def discover_models(self) -> list[str]:
            self.looks += 1
            if self.looks in (4, 8):
                return [f"m{self.looks}"]
            raise RuntimeError("upstream is down")

    with launched(server_url=hub.url, auto_discover_models=True):
        thing = Discovers()
    async with serving(thing, hub):
        await hub.seen("update", models=["m8"])

    assert caplog.text.count("upstream is down") in (2, 3)  # it may have looked once more


async def test_fifty_providers_whose_hub_restarts_spread_out_and_come_back(
    anyio_backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "FIRST_DELAY", 1.0)
    times: list[float] = []

    def answer(told: Any) -> Any:
        times.append(time.monotonic())
        return {"ok": True, "session": "s", "proto": 1}

    async with a_hub(answer=answer) as hub:
        things = [Thing(server_url=hub.url) for _ in range(50)]
        running = [asyncio.create_task(thing.run()) for thing in things]
        await hub.seen("register", nth=50)
        await hub.stop()
        await hub.start()
        await hub.seen("register", nth=100)

        again = sorted(times[50:])
        assert again[-1] - again[0] > 0.5  # a busy machine can only spread them more
        await asyncio.gather(*(thing.stop() for thing in things))
        await asyncio.gather(*running)
    assert len(times) == 100
