"""A Redis server of its own for a test, in a temporary directory; it can be killed and started again."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.services.ports import free_port

PASSWORD = "pass-word-of-redis"
UP_WITHIN = 20.0


class Redis:
    """`admin` may do anything; what is written is on the disk before it is answered."""

    def __init__(self, home: Path) -> None:
        self.home, self.port = home, free_port()
        self.url = f"redis://admin:{PASSWORD}@127.0.0.1:{self.port}/0"
        self._server: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        config = self.home / "redis.conf"
        config.write_text(
            f"bind 127.0.0.1\nport {self.port}\ndir {self.home}\n"
            'appendonly yes\nappendfsync no\nsave ""\n'
            f"user default off\nuser admin on >{PASSWORD} ~* &* +@all\n"
        )
        with (self.home / "log").open("ab") as log:
            self._server = subprocess.Popen(
                ["redis-server", config], stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + UP_WITHIN
        while self.ask("PING") != "PONG":
            if time.monotonic() > deadline or self._server.poll() is not None:
                raise AssertionError(f"Redis does not come up: {(self.home / 'log').read_text()}")
            time.sleep(0.02)

    def ask(self, *words: str) -> str:
        """By Redis's own client."""
        command = [
            "redis-cli",
            "-p",
            str(self.port),
            "--user",
            "admin",
            "--pass",
            PASSWORD,
            "--no-auth-warning",
        ]
        return subprocess.run([*command, *words], check=False, capture_output=True, text=True).stdout.strip()

    def kill(self) -> None:
        if self._server:
            self._server.kill()
            self._server.wait()
            self._server = None

    def freeze(self) -> None:
        assert self._server
        self._server.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._server
        self._server.send_signal(signal.SIGCONT)


@contextmanager
def redis() -> Iterator[Redis]:
    home = Path(tempfile.mkdtemp(prefix="gleitzeit-redis-"))
    server = Redis(home)
    try:
        server.start()
        yield server
    finally:
        server.kill()
        shutil.rmtree(home)
