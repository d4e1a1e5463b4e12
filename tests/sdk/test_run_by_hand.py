"""A provider's file that somebody runs: real processes, real signals."""

from __future__ import annotations

import signal
import sys
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from tests.sdk.fake_hub import FakeHub
from tests.sdk.subjects import Child, a_child, write

pytestmark = pytest.mark.anyio

MAIN = """
import asyncio, os, signal, time

class Mine(SocketIOProviderClient):
    async def wait(self):
        print("begun")
        try:
            await asyncio.Event().wait()
        finally:
            print("cancelled")

    def hang(self):
        print("begun")
        time.sleep(60)

async def main():
    provider = Mine("mine", server_url=os.environ["URL"])
    try:
        await provider.run()
        print("returned")
    except KeyboardInterrupt:
        print("stopping")
        await provider.stop()
        print("goodbye")
    print(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)

if __name__ == "__main__":
    asyncio.run(main())
"""


def mine(tmp_path: Path, url: str, text: str = MAIN, **env: str) -> AbstractAsyncContextManager[Child]:
    write(tmp_path, mine=text)
    return a_child(sys.executable, "mine.py", cwd=tmp_path, env={"URL": url, **env})


async def served(child: Child, hub: FakeHub) -> None:
    await hub.seen("register")
    await child.says("is connected to the hub")


async def test_ctrl_c_runs_the_file_s_own_except_block_after_a_clean_stop(
    hub: FakeHub, tmp_path: Path
) -> None:
    async with mine(tmp_path, hub.url) as child:
        await served(child, hub)
        child.process.send_signal(signal.SIGINT)

        assert await child.ended() == 0
        await hub.seen("bye")
        assert child.lines[-3:] == ["stopping", "goodbye", "True"]
        assert "Traceback" not in child.text


async def test_sigterm_lets_run_return(hub: FakeHub, tmp_path: Path) -> None:
    async with mine(tmp_path, hub.url) as child:
        await served(child, hub)
        child.process.send_signal(signal.SIGTERM)

        assert await child.ended() == 0
        await hub.seen("bye")
        assert child.lines[-2:] == ["returned", "True"]


async def test_ctrl_c_while_it_waits_for_the_hub_ends_it_at_once(tmp_path: Path) -> None:
    async with mine(tmp_path, "http://127.0.0.1:1") as child:
        await child.says("waiting for the hub at http://127.0.0.1:1 (Connection refused)")
        child.process.send_signal(signal.SIGINT)

        assert await child.ended() == 0
        assert "goodbye" in child.lines
        assert child.text.count("waiting for the hub") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_second_signal_ends_it_at_once(hub: FakeHub, tmp_path: Path, number: signal.Signals) -> None:
    async with mine(tmp_path, hub.url) as child:
        await served(child, hub)
        await hub.invoke("wait")
        await child.says("begun")
        child.process.send_signal(number)
        await hub.seen("not_ready")
        child.process.send_signal(number)

        assert await child.ended() == -number
        assert "cancelled" not in child.lines


async def test_a_thread_that_hangs_does_not_keep_it(hub: FakeHub, tmp_path: Path) -> None:
    async with mine(tmp_path, hub.url) as child:
        await served(child, hub)
        id = await hub.invoke("hang")
        await child.says("begun")
        child.process.send_signal(signal.SIGTERM)

        assert await child.ended() == 0
        assert (await hub.seen("result", id=id))["error"]["code"] == "instance_lost"


async def test_an_ignored_sigint_stays_ignored(hub: FakeHub, tmp_path: Path) -> None:
    text = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n" + MAIN
    async with mine(tmp_path, hub.url, text) as child:
        await served(child, hub)
        child.process.send_signal(signal.SIGINT)
        assert (await hub.fails("nope")).code == "not_found.method"
        child.process.send_signal(signal.SIGTERM)

        assert await child.ended() == 0
        assert "returned" in child.lines


async def test_it_comes_back_when_the_hub_does(hub: FakeHub, tmp_path: Path) -> None:
    async with mine(tmp_path, hub.url) as child:
        await served(child, hub)
        await hub.stop()
        await child.says("is lost")
        await hub.start()
        await hub.seen("register", nth=2)


async def test_run_works_in_a_thread_of_its_own_too(hub: FakeHub, tmp_path: Path) -> None:
    text = MAIN.replace(
        "    asyncio.run(main())",
        "    import threading\n"
        "    threading.Thread(target=asyncio.run, args=(main(),), daemon=True).start()\n"
        "    time.sleep(60)",
    )
    async with mine(tmp_path, hub.url, text) as child:
        await served(child, hub)


LOGS = """
import logging, asyncio, os
SET_UP
class Mine(SocketIOProviderClient):
    async def on_connected(self):
        logging.getLogger("mine").debug("a detail")
        logging.getLogger("mine").info("a fact")
        await self.stop()

asyncio.run(Mine("mine", server_url=os.environ["URL"]).run())
"""


@pytest.mark.parametrize(
    ("level", "set_up", "lines"),
    [
        ("", "", ["INFO mine: a fact"]),
        ("debug", "", ["DEBUG mine: a detail", "INFO mine: a fact"]),
        ("ERROR", "", []),
        ("nonsense", "", ["INFO mine: a fact"]),
        (
            "ERROR",
            "logging.basicConfig(level=logging.DEBUG, format='%(message)s!')",
            ["a detail!", "a fact!"],
        ),
    ],
)
async def test_log_level_is_honoured_unless_the_file_sets_up_logging_itself(
    hub: FakeHub, tmp_path: Path, level: str, set_up: str, lines: list[str]
) -> None:
    async with mine(tmp_path, hub.url, LOGS.replace("SET_UP", set_up), LOG_LEVEL=level) as child:
        assert await child.ended() == 0

    assert [
        line for line in child.lines if "mine:" in line or (line.endswith("!") and line.startswith("a "))
    ] == lines


async def test_what_is_logged_holds_no_payload(hub: FakeHub, tmp_path: Path) -> None:
    async with mine(tmp_path, hub.url, LOG_LEVEL="DEBUG") as child:
        await served(child, hub)
        await hub.fails("nope", {"prompt": "a secret prompt"})
        child.process.send_signal(signal.SIGTERM)
        await child.ended()

    assert "secret prompt" not in child.text


async def test_many_providers_in_one_process_stop_on_one_signal(hub: FakeHub, tmp_path: Path) -> None:
    text = """
import asyncio, os
async def main():
    a, b = (SocketIOProviderClient(name, server_url=os.environ["URL"]) for name in "ab")
    async with asyncio.TaskGroup() as group:
        group.create_task(a.run())
        group.create_task(b.run())
asyncio.run(main())
"""
    async with mine(tmp_path, hub.url, text) as child:
        await child.says('"a" is connected')
        await child.says('"b" is connected')
        child.process.send_signal(signal.SIGTERM)

        assert await child.ended() == 0
    await hub.seen("bye", nth=2)
