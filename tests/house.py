"""A real daemon on a file of the test's own, steered as a user would: the end-to-end tests' one tool.

Nothing here asks the daemon what it can ask the system: `left_behind` reads /proc.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from gleitzeitctl.client import Client
from tests.warm import Forked, run, warm

T = TypeVar("T")
PATIENCE = 20.0
"""Seconds after which a fact that has not come true is a failure."""
PYTHON = (sys.executable, "-SE")
"""Runs a script that needs the standard library alone. `python3` may be a shell script that looks for Python,
and takes four times as long."""


def eventually(ask: Callable[[], T | None], what: str = "") -> T:
    """The first true answer of `ask`, which is asked again and again until its deadline."""
    deadline = time.monotonic() + PATIENCE
    pause = 0.005
    while not (answer := ask()):
        if time.monotonic() > deadline:
            raise AssertionError(f"never came true: {what or ask}; last answer: {answer!r}")
        time.sleep(pause)
        # What takes long costs the machine little, and what is quick is seen at once.
        pause = min(pause * 1.3, 0.05)
    return answer


class House:
    """A directory with files, and the daemon that runs on it."""

    def __init__(self, root: Path, config: str, foreground: bool) -> None:
        self.root = root
        self.config = root / "providers.yaml"
        self.config.write_text(config)
        self.socket = root / "run" / "gleitzeitd.sock"
        self.environment = {
            **os.environ,
            "GLEITZEIT_SOCKET": str(self.socket),
            "LOGS_DIRECTORY": str(root / "logs"),
            "STATE_DIRECTORY": str(root / "state"),
        }
        self.environment.pop("GLEITZEIT_CONFIG", None)
        self.client = Client(str(self.socket))
        self.foreground = foreground
        self.printed = root / "printed"

    def start(self) -> None:
        with self.printed.open("ab") as printed:
            self.daemon = self._started(printed.fileno())
        eventually(self.is_ready, "the daemon is ready")

    def _started(self, printed: int) -> subprocess.Popen[bytes] | Forked:
        """In the foreground it is a process of its own, else a fork of the warm one."""
        if not self.foreground:
            args = ["--config", str(self.config)]
            return warm().start("gleitzeitd", args, self.root, self.environment, printed, printed)
        return subprocess.Popen(
            [sys.executable, "-m", "gleitzeitctl", "serve", "--provider-config", str(self.config)],
            env=self.environment,
            cwd=self.root,
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=printed,
        )

    def is_ready(self) -> bool:
        if self.daemon.poll() is not None:
            raise AssertionError(f"the daemon ended with {self.daemon.returncode}: {self.said()}")
        with suppress(OSError), socket.socket(socket.AF_UNIX) as line:
            line.settimeout(PATIENCE)
            line.connect(str(self.socket))
            line.sendall(b"GET /readyz HTTP/1.0\r\n\r\n")
            return b" 200 " in line.recv(100)
        return False

    def stop(self, *signals: signal.Signals) -> int:
        for number in signals or (signal.SIGTERM,):
            self.daemon.send_signal(number)
        return self.daemon.wait(PATIENCE)

    def end(self) -> None:
        """Stop it, whatever a failed test left of it. Raises TimeoutExpired when it had to be killed."""
        if self.daemon.poll() is not None:
            return
        try:
            # One that a test has stopped ends only when it goes on.
            self.stop(signal.SIGTERM, signal.SIGCONT)
        except subprocess.TimeoutExpired:
            self.daemon.kill()
            self.daemon.wait(PATIENCE)
            raise

    def said(self) -> str:
        """All that the daemon printed."""
        return self.printed.read_text(errors="replace")

    def ctl(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the command line, and wait for its end."""
        return run("gleitzeitctl", words, self.root, self.environment)

    def view(self, name: str) -> Mapping[str, Any]:
        """The instance as `status` shows it."""
        (found,) = self.client.get("/v1/status", [("name", name)])["instances"]
        return found  # type: ignore[no-any-return]

    def until(self, name: str, state: str) -> Mapping[str, Any]:
        """Wait until the instance is in that state."""
        return eventually(
            lambda: view if (view := self.view(name))["state"] == state else None,
            f"{name} is {state}; the daemon said:\n{self.said()[-2000:]}",
        )

    def invoke(self, provider: str, method: str, args: Mapping[str, Any], **more: Any) -> Any:
        """The result of a call. Raises CallError."""
        body = {"method": method, "args": dict(args), **more}
        return self.client.post(f"/v1/providers/{provider}/invoke", body, 60)["result"]

    def left_behind(self) -> list[int]:
        """The pids of all that carries the mark of this daemon in its environment."""
        mark = f"GLEITZEIT_INSTANCE={self.daemon.pid}:".encode()
        return [pid for pid in _pids() if mark in _environment(pid)]


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _environment(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


@contextmanager
def house(
    root: Path,
    providers: Mapping[str, Any] | str,
    files: Mapping[str, str] | None = None,
    *,
    settings: Mapping[str, Any] | None = None,
    foreground: bool = False,
    started: bool = True,
) -> Iterator[House]:
    """A running daemon; `files` lie beside its config. At the end it is stopped, and has left nothing."""
    for name, text in (files or {}).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    common = {"default_server_url": "http://localhost:0", **(settings or {})}
    if not isinstance(providers, str):
        # JSON is YAML.
        providers = json.dumps({"global": common, "providers": providers})
    built = House(root, providers, foreground)
    try:
        if started:
            built.start()
        yield built
    finally:
        if hasattr(built, "daemon"):
            built.end()
            assert built.left_behind() == []
