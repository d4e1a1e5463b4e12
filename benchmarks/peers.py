"""The supervisors that people use today, each as it comes out of the box."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from benchmarks.install import NODE, node_peers, program, python_peers
from benchmarks.proc import gone
from benchmarks.supervisor import PATIENCE, Supervisor


class Supervisord(Supervisor):
    name = "supervisord"
    period = 1.0

    @classmethod
    def is_available(cls) -> bool:
        python_peers()
        return True

    @classmethod
    def version(cls) -> str:
        return f"supervisor {_printed(program('supervisord'), '--version')}"

    def configure(self, children: Mapping[str, Sequence[str]]) -> None:
        socket = self.home / "s.sock"
        sections: dict[str, dict[str, object]] = {
            "supervisord": {
                "nodaemon": "true",
                "logfile": self.home / "s.log",
                "pidfile": self.home / "s.pid",
                "childlogdir": self.home,
            },
            "unix_http_server": {"file": socket},
            "rpcinterface:supervisor": {
                "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
            },
            "supervisorctl": {"serverurl": f"unix://{socket}"},
        }
        for name, argv in children.items():
            sections[f"program:{name}"] = {"command": shlex.join(argv), "autorestart": "true"}
        _write_ini(self.home / "s.conf", sections)

    def start_command(self) -> list[str]:
        return [str(program("supervisord")), "-c", str(self.home / "s.conf")]

    def status_command(self) -> list[str]:
        return [str(program("supervisorctl")), "-c", str(self.home / "s.conf"), "status"]


class Circus(Supervisor):
    name = "circus"
    period = 5.0

    @classmethod
    def is_available(cls) -> bool:
        python_peers()
        return True

    @classmethod
    def version(cls) -> str:
        return f"circus {_printed(program('circusd'), '--version')}"

    def configure(self, children: Mapping[str, Sequence[str]]) -> None:
        sections: dict[str, dict[str, object]] = {
            "circus": {"endpoint": f"ipc://{self.home}/e", "pubsub_endpoint": f"ipc://{self.home}/p"}
        }
        for name, argv in children.items():
            sections[f"watcher:{name}"] = {"cmd": argv[0], "args": shlex.join(argv[1:]), "numprocesses": 1}
        _write_ini(self.home / "circus.ini", sections)

    def start_command(self) -> list[str]:
        return [str(program("circusd")), str(self.home / "circus.ini")]

    def status_command(self) -> list[str]:
        return [str(program("circusctl")), "--endpoint", f"ipc://{self.home}/e", "status"]


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
        return f"pm2 {package['version']} (Node {_printed('node', '--version').lstrip('v')})"

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
            }
            for name, argv in children.items()
        ]
        (self.home / "apps.json").write_text(json.dumps({"apps": apps}))

    def start_command(self) -> list[str]:
        return [str(program("pm2")), "start", str(self.home / "apps.json")]

    def status_command(self) -> list[str]:
        return [str(program("pm2")), "ls"]

    def roots(self) -> list[int]:
        # what was started has left a daemon behind and is gone
        with suppress(FileNotFoundError, ValueError):
            return [int((self.home / "pm2" / "pm2.pid").read_text())]
        return super().roots()

    def stop(self) -> None:
        if self.process:
            self.process.wait(PATIENCE)
            daemon = self.roots()
            argv = [str(program("pm2")), "kill"]
            subprocess.run(argv, env=self.env(), cwd=self.home, capture_output=True, stdin=subprocess.DEVNULL)
            gone(daemon, PATIENCE)


def _write_ini(path: Path, sections: Mapping[str, Mapping[str, object]]) -> None:
    lines = []
    for section, keys in sections.items():
        lines += [f"[{section}]", *(f"{key}={value}" for key, value in keys.items())]
    path.write_text("\n".join(lines) + "\n")


def _printed(*argv: str | Path) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()
