"""Readiness and liveness of what cannot be asked over a connection, and the story that `why` tells of it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gleitzeit_extensions.protocol import CallError
from tests.house import eventually, house

EXEC = {"kind": "exec", "interval": 0.05, "timeout": 5, "failures": 2}
REGISTERS = """
import asyncio, os
import socketio

async def main():
    sio = socketio.AsyncClient()
    auth = {"token": os.environ["GLEITZEIT_TOKEN"], "proto": 1}
    @sio.on("invoke", namespace="/providers")
    async def invoke(call):
        await sio.emit("result", {"id": call["id"], "ok": True, "result": "hello"}, namespace="/providers")
    await sio.connect(
        os.environ["GLEITZEIT_HUB_URL"], auth=auth, namespaces=["/providers"], transports=["websocket"]
    )
    print(await sio.call("register", {"name": "stranger", "proto": 1}, namespace="/providers"), flush=True)
    await sio.wait()

asyncio.run(main())
"""


def test_a_start_that_never_gets_ready_says_what_its_check_found(tmp_path: Path) -> None:
    never = {
        "command": "sleep 1000",
        "ready": {"kind": "tcp", "port": 1, "interval": 0.05},
        "start_timeout": 0.3,
        "max_retry_attempts": 1,
    }
    with house(tmp_path, {"never": never}) as h:
        reason = h.until("never", "FATAL")["reason"]
        assert "was not ready within 0.3 s: connect to 127.0.0.1:1: Connection refused" in reason
        assert "now=RUNNING" not in h.said()


def test_what_fails_its_health_checks_is_replaced_and_why_tells_it(tmp_path: Path) -> None:
    alive = tmp_path / "alive"
    alive.touch()
    sick = {
        "command": "sleep 1000",
        "start_seconds": 0.01,
        "health": {**EXEC, "command": ["sh", "-c", f"test -e {alive} || {{ echo no pulse; exit 3; }}"]},
    }
    with house(tmp_path, {"sick": sick}) as h:
        eventually(lambda: h.view("sick")["health"] == "healthy")
        alive.unlink()
        eventually(lambda: h.view("sick")["generation"] == 2)

        story = h.ctl("why", "sick")

        assert story.returncode == 0
        assert '2 health checks in a row failed: check "sh": exited with 3: no pulse' in story.stdout
        assert "a health check failed" in story.stdout


def test_a_failing_ready_check_takes_it_out_of_routing_and_kills_nobody(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    ready.touch()
    calculator = {
        "class": "providers.calculator_provider.CalculatorProvider",
        "ready": {**EXEC, "failures": 1, "command": f"test -e {ready}"},
    }
    with house(tmp_path, {"calculator": calculator}) as h:
        pid = h.until("calculator", "RUNNING")["pid"]
        ready.unlink()
        eventually(lambda: not h.view("calculator")["ready"])
        with pytest.raises(CallError) as refused:
            h.invoke("calculator", "add", {"a": 1, "b": 2}, timeout=0.1)
        assert refused.value.code == "deadline_exceeded"

        ready.touch()
        eventually(lambda: h.view("calculator")["ready"])

        assert h.invoke("calculator", "add", {"a": 1, "b": 2})["result"] == 3
        assert h.view("calculator")["pid"] == pid


def test_a_command_registers_by_what_its_environment_tells_it(tmp_path: Path) -> None:
    stranger = {
        "command": [sys.executable, "stranger.py"],
        "cwd": str(tmp_path),
        "ready": {"kind": "provider"},
    }
    with house(tmp_path, {"stranger": stranger}, {"stranger.py": REGISTERS}) as h:
        h.until("stranger", "RUNNING")
        assert h.invoke("stranger", "anything", {}) == "hello"
