"""Ends that come at a bad moment: during the start, during the end, and with nobody there to read."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gleitzeit_extensions.protocol import CallError
from tests.house import eventually, house

SLEEPER = {"command": ["sleep", "1000"], "start_seconds": 0.01}


def test_a_signal_during_the_start_leaves_nothing(tmp_path: Path) -> None:
    providers = {f"sleeper{number}": SLEEPER for number in range(25)}
    with house(tmp_path, providers, started=False) as h:
        with h.printed.open("wb") as printed:
            h.daemon = subprocess.Popen(
                [sys.executable, "-m", "gleitzeitd", "--config", str(h.config)],
                env=h.environment,
                stdout=printed,
                stderr=printed,
            )
        eventually(h.left_behind)
        assert h.stop(signal.SIGTERM) == 0
        assert h.left_behind() == []
        assert not h.socket.exists()


def test_nothing_is_started_while_the_daemon_stops(tmp_path: Path) -> None:
    stubborn = {
        "command": ["sh", "-c", 'trap "" TERM; while :; do sleep 1000; done'],
        "start_seconds": 0.2,
        "stop": {"timeout": "1h"},
    }
    with house(tmp_path, {"stubborn": stubborn, "sleeper": SLEEPER}) as h:
        h.until("stubborn", "RUNNING")
        h.daemon.send_signal(signal.SIGTERM)
        h.until("stubborn", "STOPPING")
        with pytest.raises(CallError, match="the daemon is stopping"):
            h.client.post("/v1/start", {"names": ["sleeper"]})
        assert h.stop(signal.SIGTERM) == 0


def test_a_log_that_nobody_reads_holds_nobody_up(tmp_path: Path) -> None:
    restless = {"command": "true", "restart": {"initial": 0.001, "max_delay": 0.001, "intensity": 0}}
    providers = {"restless": {**restless, "max_retry_attempts": 0}, "sleeper": SLEEPER}
    unread, end = os.pipe()
    fcntl.fcntl(end, fcntl.F_SETPIPE_SZ, 4096)
    with house(tmp_path, providers, started=False) as h:
        h.daemon = subprocess.Popen(
            [sys.executable, "-m", "gleitzeitd", "--config", str(h.config)], env=h.environment, stderr=end
        )
        os.close(end)
        # Each restart is some lines of log; the pipe holds 4 KiB.
        eventually(h.is_ready)
        eventually(lambda: h.view("restless")["restarts"] > 60)
        assert h.view("sleeper")["state"] == "RUNNING"
        assert h.stop(signal.SIGTERM) == 0
        os.close(unread)


def test_who_hid_from_its_provider_does_not_outlive_the_daemon(tmp_path: Path) -> None:
    seconds = f"98765{os.getpid()}"
    script = f"env -i setsid sleep {seconds} & exec sleep 1000"
    with house(tmp_path, {"family": {"command": ["sh", "-c", script], "start_seconds": 0.2}}) as h:
        h.until("family", "RUNNING")
        assert _runs(seconds)
        assert h.stop() == 0
        assert not _runs(seconds)


def _runs(argument: str) -> bool:
    def words(pid: str) -> bytes:
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return b""

    return any(words(pid) == b"sleep\0" + argument.encode() + b"\0" for pid in os.listdir("/proc"))
