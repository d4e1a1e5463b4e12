"""pm2, as it comes out of the box but for what is measured. What its users start leaves a daemon behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress

from benchmarks.deaths import gone
from benchmarks.install import NODE, node_peers, printed, program
from benchmarks.proc import stat
from benchmarks.server import PATIENCE
from benchmarks.supervisor import Supervisor


class Pm2(Supervisor):
    name = "pm2"
    period = 0.5

    @classmethod
    def is_available(cls) -> bool:
        node_peers()
        return program("pm2").exists()

    @classmethod
    def version(cls) -> str:
        package = json.loads((NODE / "node_modules" / "pm2" / "package.json").read_text())
        return f"pm2 {package['version']} (Node {printed('node', '--version').lstrip('v')})"

    def env(self) -> dict[str, str]:
        return super().env() | {"PM2_HOME": str(self.home / "pm2"), "PM2_DISCRETE_MODE": "true"}

    def configure(self, children: Mapping[str, Sequence[str]]) -> None:
        apps = [
            {
                "name": name,
                "script": argv[0],
                "args": list(argv[1:]),
                "interpreter": "none",
                "exec_mode": "fork",
                "cwd": str(self.home),
                **self._settings(name),
            }
            for name, argv in children.items()
        ]
        (self.home / "apps.json").write_text(json.dumps({"apps": apps}))

    def _settings(self, name: str) -> dict[str, object]:
        keys: dict[str, object] = {}
        if self.settings.prompt:
            keys |= {"max_restarts": 1_000_000}
        if self.settings.keep_logs:  # its rotation is another package
            keys |= {"out_file": str(self.log(name)), "merge_logs": True}
        if self.settings.grace is not None:
            keys |= {"kill_timeout": self.settings.grace * 1000}
        return keys

    def start_command(self) -> list[str]:
        return self._ctl("start", str(self.home / "apps.json"))

    def status_command(self) -> list[str]:
        return self._ctl("ls")

    def stop_command(self) -> list[str]:
        return self._ctl("stop", "all")

    def follow_command(self, name: str) -> list[str]:
        return self._ctl("logs", name, "--raw")

    def _ctl(self, *words: str) -> list[str]:
        return [str(program("pm2")), *words]

    def roots(self) -> list[int]:
        with suppress(FileNotFoundError, ValueError):
            daemon = int((self.home / "pm2" / "pm2.pid").read_text())
            return [daemon] if stat(daemon) else []
        return super().roots()

    def end(self) -> None:
        """Ask its daemon itself: the start of Node for `pm2 kill` is not to be measured as its end."""
        self._signal(self.roots(), signal.SIGTERM)

    def stop(self) -> None:
        if not self.process:
            return
        self._await_start(self.process)
        daemon = self.roots()
        self.end()
        # the children that a killed daemon leaves are for the house to kill
        if not gone(daemon, PATIENCE):
            self._signal(daemon, signal.SIGKILL)

    def _await_start(self, start: subprocess.Popen[bytes]) -> None:
        """Its first command ends once it has started its daemon; by force when it does not."""
        try:
            start.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            start.kill()
            start.wait()

    def _signal(self, pids: Sequence[int], number: signal.Signals) -> None:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
