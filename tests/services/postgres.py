"""A PostgreSQL server of its own for a test, in a temporary directory."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from tests.services.ports import free_port

BIN = Path("/usr/lib/postgresql/15/bin")
PASSWORD = "pass-word-of-postgres"

NOBODY = "nobody" if os.geteuid() == 0 else None
"""Neither server runs as root."""

UP_WITHIN = 30.0


class Postgres:
    """Its database is `postgres`; `admin` is a superuser, and so is all that the tests use."""

    def __init__(self, home: Path) -> None:
        self._home, self._data, self.port = home, home / "data", free_port()
        self.url = f"postgresql://admin:{PASSWORD}@127.0.0.1:{self.port}/postgres"
        self._server: subprocess.Popen[bytes] | None = None

    def make(self) -> None:
        secret = self._home / "secret"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        how: list[str | Path] = [
            "-D",
            self._data,
            "-U",
            "admin",
            "-E",
            "UTF8",
            "--auth=scram-sha-256",
            f"--pwfile={secret}",
        ]
        subprocess.run(
            [BIN / "initdb", *how, "--no-sync", "--locale=C.UTF-8"],
            check=True,
            capture_output=True,
            user=NOBODY,
        )

    def start(self) -> None:
        settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "shared_buffers": "16MB",
            "max_connections": 20,
            "lc_messages": "C",
        }
        options: list[str] = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        with (self._home / "log").open("ab") as log:
            self._server = subprocess.Popen(
                [BIN / "postgres", "-D", self._data, *options],
                stdout=log,
                stderr=log,
                start_new_session=True,
                user=NOBODY,
            )
        deadline = time.monotonic() + UP_WITHIN
        while subprocess.run(
            [BIN / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)], check=False
        ).returncode:
            if time.monotonic() > deadline or self._server.poll() is not None:
                raise AssertionError(f"PostgreSQL does not come up: {(self._home / 'log').read_text()}")
            time.sleep(0.05)

    def kill(self) -> None:
        assert self._server
        # Each backend has a group of its own, and may be too busy to notice that the postmaster is gone.
        backends = psutil.Process(self._server.pid).children()
        self._server.kill()
        for backend in backends:
            with suppress(psutil.NoSuchProcess):
                backend.kill()
        psutil.wait_procs(backends, UP_WITHIN)
        self._server.wait()
        self._server = None

    def is_running(self) -> bool:
        return self._server is not None


@contextmanager
def postgres() -> Iterator[Postgres]:
    home = Path(tempfile.mkdtemp(prefix="gleitzeit-postgres-"))
    home.chmod(0o777)
    server = Postgres(home)
    try:
        server.make()
        server.start()
        yield server
    finally:
        if server.is_running():
            server.kill()
        shutil.rmtree(home)
