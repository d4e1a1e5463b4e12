"""The supervisors in Python that people use today, as they come out of the box but for what is measured."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from xmlrpc.client import dumps

from benchmarks.install import printed, program, python_peers
from benchmarks.server import PATIENCE
from benchmarks.supervisor import ROTATED, ROTATED_AT, Supervisor
from benchmarks.unix import connected

Keys = dict[str, object]


class Supervisord(Supervisor):
    name = "supervisord"
    period = 1.0

    @classmethod
    def is_available(cls) -> bool:
        python_peers()
        return True

    @classmethod
    def version(cls) -> str:
        return f"supervisor {printed(program('supervisord'), '--version')}"

    def configure(self, children: Mapping[str, Sequence[str]]) -> None:
        socket = self.home / "s.sock"
        sections: dict[str, Keys] = {
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
            command: Keys = {"command": shlex.join(argv), "autorestart": "true"}
            sections[f"program:{name}"] = command | self._settings(name)
        self.save(self.home / "s.conf", _ini(sections))

    def _settings(self, name: str) -> Keys:
        keys: Keys = {}
        if self.settings.prompt:
            keys |= {"startsecs": 0, "startretries": 1_000_000}
        if self.settings.keep_logs:
            keys |= {
                "stdout_logfile": self.log(name),
                "stdout_logfile_maxbytes": ROTATED_AT,
                "stdout_logfile_backups": ROTATED,
            }
        if self.settings.grace is not None:
            keys |= {"stopwaitsecs": self.settings.grace}
        return keys

    def start_command(self) -> list[str]:
        return [str(program("supervisord")), "-c", str(self.home / "s.conf")]

    def status_command(self) -> list[str]:
        return self._ctl("status")

    def stop_command(self) -> list[str]:
        return self._ctl("stop", "all")

    def follow_command(self, name: str) -> list[str]:
        return self._ctl("tail", "-f", name)

    def reload_command(self) -> list[str]:
        return self._ctl("update")

    def _ctl(self, *words: str) -> list[str]:
        return [str(program("supervisorctl")), "-c", str(self.home / "s.conf"), *words]

    def ask_status(self) -> bool:
        asked = dumps((), "supervisor.getAllProcessInfo").encode()
        with connected(self.home / "s.sock", PATIENCE) as connection:
            connection.request("POST", "/RPC2", asked, {"Content-Type": "text/xml"})
            connection.getresponse().read()
        return True


class Circus(Supervisor):
    name = "circus"
    period = 5.0

    @classmethod
    def is_available(cls) -> bool:
        python_peers()
        return True

    @classmethod
    def version(cls) -> str:
        return f"circus {printed(program('circusd'), '--version')}"

    def configure(self, children: Mapping[str, Sequence[str]]) -> None:
        circus: Keys = {"endpoint": f"ipc://{self.home}/e", "pubsub_endpoint": f"ipc://{self.home}/p"}
        sections = {"circus": circus | ({"check_delay": 0.1} if self.settings.prompt else {})}
        for name, argv in children.items():
            command: Keys = {"cmd": argv[0], "args": shlex.join(argv[1:]), "numprocesses": 1}
            sections[f"watcher:{name}"] = command | self._settings(name)
        self.save(self.home / "circus.ini", _ini(sections))

    def _settings(self, name: str) -> Keys:
        keys: Keys = {}
        if self.settings.keep_logs:
            keys |= {
                "stdout_stream.class": "FileStream",
                "stdout_stream.filename": self.log(name),
                "stdout_stream.max_bytes": ROTATED_AT,
                "stdout_stream.backup_count": ROTATED,
            }
        if self.settings.grace is not None:
            keys |= {"graceful_timeout": self.settings.grace}
        return keys

    def start_command(self) -> list[str]:
        return [str(program("circusd")), str(self.home / "circus.ini")]

    def status_command(self) -> list[str]:
        return self._ctl("status")

    def stop_command(self) -> list[str]:
        return self._ctl("--timeout", "60", "stop", "--waiting")

    def reload_command(self) -> list[str]:
        return self._ctl("--timeout", "60", "reloadconfig")

    def _ctl(self, *words: str) -> list[str]:
        return [str(program("circusctl")), "--endpoint", f"ipc://{self.home}/e", *words]


def _ini(sections: Mapping[str, Mapping[str, object]]) -> str:
    lines = []
    for section, keys in sections.items():
        lines += [f"[{section}]", *(f"{key}={value}" for key, value in keys.items())]
    return "\n".join(lines) + "\n"
