"""Ours, as its users start it: one providers.yaml and `gleitzeitd`."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.supervisor import DEFAULTS, ROTATED, ROTATED_AT, Settings, Supervisor
from gleitzeit_extensions.places import token_file
from gleitzeit_extensions.version import VERSION
from gleitzeitctl.client import Client


class Gleitzeit(Supervisor):
    name = "gleitzeitd"
    period = 0.5

    def __init__(self, home: Path, settings: Settings = DEFAULTS) -> None:
        super().__init__(home, settings)
        self.config = home / "providers.yaml"
        self.url = f"http://localhost:{free_port()}"
        self.socket = home / "gleitzeitd.sock"
        self.token = Path(token_file(str(self.socket)))

    @classmethod
    def is_available(cls) -> bool:
        return script("gleitzeitd").exists()

    @classmethod
    def version(cls) -> str:
        return f"gleitzeitd {VERSION}"

    def configure(self, children: Mapping[str, Sequence[str]]) -> None:
        settings = self._settings()
        self.write(
            {name: {"type": "tool", "command": list(argv), **settings} for name, argv in children.items()}
        )

    def _settings(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if self.settings.prompt:
            found |= {"restart": {"initial": 0, "intensity": 0}, "start_seconds": 0}
        if self.settings.keep_logs:
            found |= {"logs": {"size": ROTATED_AT, "files": ROTATED}}
        if self.settings.grace is not None:
            found |= {"stop": {"timeout": self.settings.grace}}
        return found

    def write(self, providers: Mapping[str, Mapping[str, Any]]) -> None:
        """Write a providers.yaml. JSON is YAML."""
        document = {"global": {"default_server_url": self.url}, "providers": providers}
        self.save(self.config, json.dumps(document, indent=1))

    def env(self) -> dict[str, str]:
        # everything that it keeps lies in its home, whoever runs the benchmarks
        folders = {f"{what}_DIRECTORY": str(self.home / what.lower()) for what in ("STATE", "LOGS")}
        return super().env() | folders

    def start_command(self) -> list[str]:
        return [
            str(script("gleitzeitd")),
            "--config",
            str(self.config),
            "--socket",
            str(self.socket),
        ]

    def status_command(self) -> list[str]:
        return self._ctl("status")

    def stop_command(self) -> list[str]:
        return self._ctl("stop", "all")

    def follow_command(self, name: str) -> list[str]:
        return self._ctl("logs", name, "-f")

    def reload_command(self) -> list[str]:
        return self._ctl("reload")

    def _ctl(self, *words: str) -> list[str]:
        return [str(script("gleitzeitctl")), "--socket", str(self.socket), *words]

    def ask_status(self) -> bool:
        Client(str(self.socket)).get("/v1/status")
        return True

    def log(self, name: str) -> Path:
        return self.home / "logs" / f"{name}.log"


def script(name: str) -> Path:
    """A console script of the environment that runs the benchmarks."""
    return Path(sys.executable).with_name(name)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
