"""The file and the sources change while calls are in flight, while something ends, and after a failure."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gleitzeit_extensions.protocol import CallError
from tests.house import House, eventually, house
from tests.scenarios.common import becomes, views
from tests.scenarios.saves import beside, failures, reload
from tests.scenarios.subjects import FILES, argv, sleeper, subject, text

Submit = Callable[..., Future[Any]]
STUBBORN = "trap 'while ! test -e let-go; do sleep 0.01; done; exit 0' TERM; while :; do sleep 0.01; done\n"
"""Ends when it is let go."""
NAMES = {1: ["x"], 2: ["x#1", "x#2"]}
MINE = """
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient

class Mine(SocketIOProviderClient):
    def get(self):
        return "mine"
"""


@contextmanager
def calling(h: House) -> Iterator[Submit]:
    """Makes calls that nobody waits for as yet: each by provider, method and arguments."""

    def invoke(name: str, method: str, args: dict[str, Any]) -> Any:
        while True:
            try:
                return h.invoke(name.replace("#", "%23"), method, args, timeout=20)
            except CallError as exc:
                # Another has the last place in the queue.
                if exc.code != "overloaded":
                    raise

    with ThreadPoolExecutor(8) as pool:
        try:
            yield lambda name, method, **args: pool.submit(invoke, name, method, args)
        finally:
            # Whatever a failed test left waiting.
            (h.root / "let-go").touch()


def in_flight(h: House, name: str, calls: int = 1) -> None:
    becomes(lambda: views(h)[name]["in_flight"], calls, f"calls of {name}")


def opened(h: House, path: Path) -> int:
    """How often the daemon has a file open."""
    held = Path(f"/proc/{h.daemon.pid}/fd")
    return [os.readlink(fd) for fd in held.iterdir() if fd.is_symlink()].count(str(path))


def test_a_source_may_be_saved_as_its_provider_goes(tmp_path: Path) -> None:
    """All are made of one file: one goes at once, one takes its time, and by one that stays it is seen that a
    save was told."""

    def made_of_it(script: str) -> dict[str, Any]:
        return {"command": ["sh", "-c", script, "source"], "cwd": ".", "start_seconds": 0.2, "watch": True}

    stays = made_of_it("exec sleep $(cat source)")
    blocks = {"gone": made_of_it("exec sleep 1000"), "going": made_of_it(STUBBORN), "stays": stays}
    with house(tmp_path, text(blocks), {"source": "1000"}) as h:
        for name in blocks:
            h.until(name, "RUNNING")
        h.config.write_text(text({"stays": stays}))
        (tmp_path / "source").write_text("1001")
        becomes(lambda: list(views(h)), ["stays", "going"], "instances")
        (tmp_path / "source").write_text("1002")
        becomes(lambda: argv(h.view("stays")["pid"]), ["sleep", "1002"], "what runs")

        assert h.view("going")["state"] == "STOPPING"
        (tmp_path / "let-go").touch()
        becomes(lambda: list(views(h)), ["stays"], "instances")
        assert "Traceback" not in h.said()


def test_the_daemon_may_lose_its_directory(tmp_path: Path) -> None:
    blocks = {"one": sleeper(cwd="/")}
    gone = tmp_path / "gone"
    gone.mkdir()
    with house(tmp_path, text(blocks), started=False) as h:
        h.root = gone
        h.start()
        h.root = tmp_path
        h.until("one", "RUNNING")
        gone.rmdir()
        for name in ("two", "three"):
            blocks[name] = sleeper(cwd="/")
            h.config.write_text(text(blocks))
            becomes(lambda: list(views(h)), list(blocks), "instances")
            h.until(name, "RUNNING")
        assert "Traceback" not in h.said()


def test_a_name_may_come_back_while_its_last_calls_are_in_flight(tmp_path: Path) -> None:
    two = text({"x": subject(1, instances=2)})
    with house(tmp_path, two, FILES) as h, calling(h) as submit:
        old = h.until("x#2", "RUNNING")["pid"]
        h.until("x#1", "RUNNING")
        long = submit("x#2", "hold", until="let-go")
        in_flight(h, "x#2")
        h.config.write_text(text({"x": subject(1)}))
        assert reload(h)["results"][0]["ok"]
        h.config.write_text(two)
        assert reload(h)["results"][0]["ok"]
        new = h.until("x#2", "RUNNING")

        assert h.invoke("x%232", "get", {}) == 1
        (left,) = beside(h, "x#2")
        assert (left["role"], left["pid"], left["in_flight"]) == ("leaving", old, 1)
        assert (new["generation"], left["generation"]) == (2, 1)
        assert opened(h, tmp_path / "logs" / "x#2.log") == 1
        (tmp_path / "let-go").touch()
        assert long.result(20) == 1
        eventually(lambda: not beside(h, "x#2"))
        assert opened(h, tmp_path / "logs" / "x#2.log") == 1
        assert (h.view("x#2")["pid"], h.view("x#2")["state"]) == (new["pid"], "RUNNING")


def test_who_is_at_its_last_calls_is_seen_and_can_be_stopped(tmp_path: Path) -> None:
    """One by its provider's name, the other with the daemon; both would have ten minutes."""

    def blocks(instances: int) -> str:
        block = subject(1, instances=instances, stop={"drain_timeout": 0.1, "timeout": 0.1})
        return text({"x": block, "y": block})

    with house(tmp_path, blocks(2), FILES) as h, calling(h) as submit:
        known = {name: h.until(name, "RUNNING")["pid"] for name in ("x#2", "y#2")}
        long = {name: submit(name, "hold", until="never") for name in known}
        for name in known:
            in_flight(h, name)
        h.config.write_text(blocks(1))
        assert all(result["ok"] for result in reload(h)["results"])
        becomes(lambda: set(views(h)), {"x", "y", "x#2", "y#2"}, "instances")
        for name, pid in known.items():
            assert (h.view(name)["state"], h.view(name)["pid"]) == ("STOPPING", pid)
        assert "x#2" in h.ctl("status").stdout

        h.client.post("/v1/stop", {"names": ["x"]}, 30)
        with pytest.raises(CallError) as failure:
            long["x#2"].result(10)
        assert failure.value.code == "instance_lost"
        becomes(lambda: list(views(h)), ["x", "y", "y#2"], "instances")
        assert h.view("y#2")["in_flight"] == 1
        began = time.monotonic()
        assert h.stop() == 0
        assert time.monotonic() - began < 5
        with pytest.raises(CallError):
            long["y#2"].result(10)


def test_calls_that_wait_go_to_whoever_is_there_next(tmp_path: Path) -> None:
    def blocks(instances: int) -> str:
        return text({"x": subject(1, instances=instances, routing={"concurrency": 1, "queue": 2})})

    with house(tmp_path, blocks(1), FILES) as h, calling(h) as submit:
        held = list[Future[Any]]()
        for before, after in ((1, 2), (2, 1)):
            for name in NAMES[before]:
                h.until(name, "RUNNING")
                held.append(submit(name, "hold", until="let-go"))
                in_flight(h, name)
            waiting = [submit("x", "get") for _ in range(2)]
            eventually(lambda: is_full(h, "x"))
            h.config.write_text(blocks(after))
            assert reload(h)["results"][0]["ok"]
            assert [call.result(20) for call in waiting] == [1, 1]
            assert not any(call.done() for call in held)
        (tmp_path / "let-go").touch()
        assert [call.result(20) for call in held] == [1, 1, 1]


def is_full(h: House, provider: str) -> bool:
    """Whether as many calls wait as may."""
    with pytest.raises(CallError) as failure:
        h.invoke(provider, "get", {}, timeout=0.02)
    return failure.value.code == "overloaded"


def test_the_failure_of_one_of_several_is_reported_and_the_others_are_as_wanted(tmp_path: Path) -> None:
    script = 'case "$GLEITZEIT_INSTANCE" in *x#1:*) echo no licence >&2; exit 5;; esac; exec sleep 1000'

    def blocks(value: str) -> str:
        block = {"command": ["sh", "-c", script], "instances": 3, "env": {"VALUE": value}}
        return text(
            {"x": {**block, "start_seconds": 0.3, "max_retry_attempts": 1, "restart": {"initial": 0}}}
        )

    with house(tmp_path, blocks("old")) as h:
        generation = h.until("x#1", "FATAL")["generation"]
        for name in ("x#2", "x#3"):
            h.until(name, "RUNNING")
        h.config.write_text(blocks("new"))
        (result,) = reload(h)["results"]
        assert (result["name"], result["ok"], result["undone"]) == ("x", False, False)
        assert "no licence" in result["reason"]
        for name in ("x#2", "x#3"):
            assert b"VALUE=new" in Path(f"/proc/{h.view(name)['pid']}/environ").read_bytes().split(b"\0")
        assert h.until("x#1", "FATAL")["generation"] > generation


def test_what_is_taken_out_is_started_by_nobody(tmp_path: Path) -> None:
    stays = sleeper()
    slow = {"command": ["sh", "-c", STUBBORN], "cwd": ".", "start_seconds": 0.2}
    with house(tmp_path, text({"gone": slow, "stays": stays})) as h:
        h.until("gone", "RUNNING")
        h.config.write_text(text({"stays": stays}))
        eventually(lambda: h.view("gone")["state"] == "STOPPING")
        orders = (("start", "all", False), ("restart", "gone", False), ("restart", "all", True))
        for action, name, rolling in orders:
            body = {"names": [name], "wait": False}
            h.client.post(f"/v1/{action}", {**body, "rolling": True} if rolling else body, 30)
        (tmp_path / "let-go").touch()
        becomes(lambda: list(views(h)), ["stays"], "instances")
        eventually(lambda: "name=gone was=STOPPING now=STOPPED" in h.said(), "its end is told")
        assert h.said().count("name=gone was=STOPPED now=STARTING") == 1
        eventually(lambda: len(h.left_behind()) == 1, "what stays is between two lives, being restarted")


def test_a_failure_is_over_when_the_old_settings_or_the_source_are_put_right(tmp_path: Path) -> None:
    """A restart of what goes on meanwhile mends nothing."""
    old, new = (text({"x": {"class": f"mine.{name}"}}) for name in ("Mine", "Nope"))
    with house(tmp_path, old, {"mine.py": MINE}) as h:
        pid = h.until("x", "RUNNING")["pid"]
        h.config.write_text(new)
        assert reload(h)["results"][0]["undone"]
        assert "Nope" in failures(h)["x"]
        h.config.write_text(old)
        reload(h)
        assert failures(h) == {}
        assert h.view("x")["pid"] == pid

        h.config.write_text(new)
        assert reload(h)["results"][0]["undone"]
        (result,) = h.client.post("/v1/restart", {"names": ["x"], "rolling": True}, 30)["results"]
        assert result["ok"]
        assert "Nope" in failures(h)["x"]
        assert h.invoke("x", "get", {}) == "mine"
        (tmp_path / "mine.py").write_text(MINE.replace("Mine(", "Nope(").replace("mine", "mended"))
        eventually(lambda: h.invoke("x", "get", {}) == "mended", "the mended one answers")
        eventually(lambda: not failures(h))


def test_an_order_that_was_sent_in_half_before_the_end_starts_nothing(tmp_path: Path) -> None:
    slow = {"command": ["sh", "-c", STUBBORN], "cwd": ".", "start_seconds": 0.2}
    body = json.dumps({"names": ["quick"], "wait": False}).encode()
    head = (
        "POST /v1/start HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n"
        f"Expect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with (
        house(tmp_path, text({"quick": sleeper(), "slow": slow})) as h,
        socket.socket(socket.AF_UNIX) as asking,
    ):
        for name in ("quick", "slow"):
            h.until(name, "RUNNING")
        asking.settimeout(20)
        asking.connect(str(h.socket))
        asking.sendall(head.encode())
        assert b"100 Continue" in asking.recv(4096)
        h.daemon.send_signal(signal.SIGTERM)
        h.until("quick", "STOPPED")
        asking.sendall(body)
        answer = asking.recv(4096)
        (tmp_path / "let-go").touch()
        assert h.daemon.wait(10) == 0
        assert b"the daemon is stopping" in answer
        assert h.said().count("name=quick was=STOPPED now=STARTING") == 1
