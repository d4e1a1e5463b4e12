"""Several instances of one provider: each lives for itself, and calls go to whoever is there."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.house import eventually, house

WHO = """
import os
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient

class Who(SocketIOProviderClient):
    async def pid(self):
        return os.getpid()
"""
PROVIDERS = {"who": {"class": "who.Who", "instances": 3}}


def test_each_instance_is_called_by_its_name_and_all_by_the_providers(tmp_path: Path) -> None:
    with house(tmp_path, PROVIDERS, {"who.py": WHO}) as h:
        pids = {name: h.until(name, "RUNNING")["pid"] for name in ("who#1", "who#2", "who#3")}

        assert len(set(pids.values())) == 3
        assert {name: h.invoke(name.replace("#", "%23"), "pid", {}) for name in pids} == pids
        assert h.invoke("who", "pid", {}) in pids.values()
        assert h.ctl("status", "who").stdout.count("RUNNING") == 3


def test_the_loss_of_one_is_no_error_while_others_are_there(tmp_path: Path) -> None:
    with house(tmp_path, PROVIDERS, {"who.py": WHO}) as h:
        pids = [h.until(name, "RUNNING")["pid"] for name in ("who#1", "who#2", "who#3")]
        assert h.ctl("stop", "who#2").returncode == 0
        os.kill(pids[0], signal.SIGKILL)

        # The loss may be seen only after the call was sent to it.
        assert h.invoke("who", "pid", {}, idempotent=True) not in pids[:2]
        eventually(lambda: (view := h.view("who#1"))["state"] == "RUNNING" and view["generation"] == 2)
        assert h.view("who#2")["state"] == "STOPPED"
        assert h.view("who#3")["pid"] == pids[2]


def test_their_output_is_kept_apart_and_shown_together(tmp_path: Path) -> None:
    speak = {"command": ["sh", "-c", "echo here; sleep 1000"], "instances": 2, "stop": {"timeout": 1}}
    with house(tmp_path, {"speaker": speak}) as h:
        eventually(lambda: h.ctl("logs", "speaker").stdout.count("here") == 2)
        assert h.ctl("logs", "speaker#2").stdout == "here\n"
        assert sorted(path.name for path in (tmp_path / "logs").iterdir()) == [
            "speaker#1.log",
            "speaker#2.log",
        ]
