"""A PostgreSQL with pgvector of the test's own, from the package pgserver; it can be killed and restarted."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SERVICES = ROOT / "build/services/lib"
PASSWORD = "pass word"
UNPRIVILEGED = "nobody"
WITHIN = 30.0


class Server:
    """On a port of its own; `url` stays the same when it is started again."""

    def __init__(self, place: Path) -> None:
        (self._bin,) = SERVICES.glob("python*/site-packages/pgserver/pginstall/bin")
        self._place, self._port = place, _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"postgresql://tester:{PASSWORD.replace(' ', '%20')}@127.0.0.1:{self._port}/postgres"

    def prepare(self) -> None:
        secret = self._place / "password"
        secret.write_text(PASSWORD)
        # In a locale of the usual kind, so that an order that depends on it shows.
        options = [
            "--username=tester",
            "--auth=scram-sha-256",
            f"--pwfile={secret}",
            "--no-sync",
            "--encoding=UTF8",
        ]
        command: list[str | Path] = [
            self._bin / "initdb",
            "-D",
            self._place / "data",
            "--locale=C.UTF-8",
            *options,
        ]
        secret.chmod(0o644)
        subprocess.run(command, check=True, capture_output=True, user=_user(), cwd=self._place)

    def start(self) -> None:
        settings = {
            "port": self._port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
        }
        options = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        with (self._place / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._bin / "postgres", "-D", self._place / "data", *options],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                user=_user(),
                cwd=self._place,
                start_new_session=True,
            )
        ends = time.monotonic() + WITHIN
        while subprocess.run(
            [self._bin / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self._port)]
        ).returncode:
            assert self._process.poll() is None, (self._place / "log").read_text()
            assert time.monotonic() < ends, (self._place / "log").read_text()
            time.sleep(0.02)

    def kill(self) -> None:
        """As `kill -9` of the server and all of its processes."""
        if self._process:
            # The first must not answer the end of another with a new one.
            self._process.send_signal(signal.SIGSTOP)
            children = _children(self._process.pid)
            self._process.kill()
            for child in children:
                _end(child)
            self._process.wait()
            self._process = None


@contextmanager
def pgserver() -> Iterator[Server]:
    place = Path(tempfile.mkdtemp(prefix="gleitzeit-pg-"))
    try:
        if user := _user():
            shutil.chown(place, user)
        server = Server(place)
        server.prepare()
        server.start()
        try:
            yield server
        finally:
            server.kill()
    finally:
        shutil.rmtree(place)


def _children(pid: int) -> list[int]:
    """Each has a session of its own, so the group does not have them."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _end(pid: int) -> None:
    """It may have ended by itself; it is gone when this returns."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    ends = time.monotonic() + WITHIN
    while Path(f"/proc/{pid}/stat").exists() and not _is_zombie(pid):
        assert time.monotonic() < ends, f"{pid} does not end"
        time.sleep(0.005)


def _is_zombie(pid: int) -> bool:
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return True


def _user() -> str | None:
    """PostgreSQL refuses root."""
    return UNPRIVILEGED if os.geteuid() == 0 else None


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port
