"""The daemon as PID 1, as in a container: it reaps what its providers leave, and SIGTERM ends all of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house import House, eventually

LEAVES = "for n in 1 2 3; do sh -c 'sleep 0.2 &'; done; exec sleep 1000"
"""Its grandchildren lose their parent, and end later: somebody has to reap them."""


class Container(House):
    def _started(self, printed: int) -> subprocess.Popen[bytes]:
        words = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", "--"]
        return subprocess.Popen(
            [*words, sys.executable, "-m", "gleitzeitd", "--config", str(self.config)],
            env=self.environment,
            cwd=self.root,
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=printed,
        )

    @property
    def first(self) -> int:
        """The daemon, by its number out here."""
        children = Path(f"/proc/{self.daemon.pid}/task/{self.daemon.pid}/children").read_text()
        return int(children.split()[0])


@pytest.fixture
def c(tmp_path: Path) -> Iterator[Container]:
    if os.geteuid() != 0:
        pytest.skip("namespaces of processes take root")
    config = f"""
global: {{default_server_url: "http://localhost:0"}}
providers:
  leaves: {{command: [sh, -c, "{LEAVES}"], start_seconds: 0}}
  calculator: {{type: tool, class: providers.calculator_provider.CalculatorProvider}}
"""
    made = Container(tmp_path, config, foreground=True)
    made.start()
    try:
        yield made
    finally:
        made.daemon.kill()
        made.daemon.wait(20)


def states(first: int) -> list[str]:
    """Of its children: `Z` for one that nobody reaped."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and f"\t{first}\n" in (entry / "status").read_text():
                found.append((entry / "stat").read_text().rpartition(") ")[2][0])
        except OSError:
            continue
    return found


def test_it_reaps_and_it_ends(c: Container) -> None:
    assert b"NSpid" in Path(f"/proc/{c.first}/status").read_bytes()
    inside = Path(f"/proc/{c.first}/status").read_text().partition("NSpid:")[2].split("\n")[0].split()
    assert inside[-1] == "1"

    c.until("calculator", "RUNNING")
    assert c.invoke("calculator", "add", {"a": 1, "b": 2})["result"] == 3
    c.until("leaves", "RUNNING")
    eventually(lambda: "Z" not in states(c.first) and sleeping(c.first) == 1, "the orphans are reaped")

    first = c.first
    os.kill(first, signal.SIGTERM)
    assert c.daemon.wait(20) == 0
    assert "Traceback" not in c.said()


def sleeping(first: int) -> int:
    """How many `sleep` there are in there."""
    namespace = os.readlink(f"/proc/{first}/ns/pid")
    count = 0
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "comm").read_text() == "sleep\n":
                count += os.readlink(entry / "ns" / "pid") == namespace
        except OSError:
            continue
    return count
