"""A provider that neither ends nor answers: it is found out, its calls go elsewhere, and it is replaced."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.house import eventually, house

PAIR = """
import asyncio, os
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient
class Pair(SocketIOProviderClient):
    async def who(self, marker):
        open(f"{marker}.{os.getpid()}", "w").close()
        await asyncio.sleep(0.5)
        return os.getpid()
"""
DETECTED = 10.0
"""Seconds within which a frozen provider is out of routing, as is promised."""
LEEWAY = 3.0
"""Seconds that a busy machine may take for the rest."""


def test_the_calls_of_a_frozen_instance_move_to_the_other_and_it_is_replaced(tmp_path: Path) -> None:
    """Seen to fail with pings of twice the length."""
    block = {"class": "pair.Pair", "instances": 2}
    with house(tmp_path, {"pair": block}, {"pair.py": PAIR}) as h, ThreadPoolExecutor() as threads:
        frozen, other = (h.until(name, "RUNNING")["pid"] for name in ("pair#1", "pair#2"))
        arguments = {"marker": str(tmp_path / "began")}

        def ask() -> int:
            return int(h.invoke("pair", "who", arguments, idempotent=True, timeout=60))

        calls = [threads.submit(ask) for _ in range(2)]
        eventually(lambda: (tmp_path / f"began.{frozen}").exists(), "the call has begun")
        os.kill(frozen, signal.SIGSTOP)
        stopped = time.monotonic()
        assert [call.result() for call in calls] == [other, other]
        assert time.monotonic() - stopped < DETECTED + LEEWAY
        successor = eventually(
            lambda: view if (view := h.view("pair#1"))["pid"] not in (frozen, None) else None,
            "it is replaced",
        )
        assert successor["restarts"] == 1
        assert "lost its connection" in h.ctl("why", "pair#1").stdout
