"""A server that speaks MongoDB's protocol, since MongoDB's own comes from no package index: SecantusDB.

It keeps its documents in WiredTiger, as MongoDB does, in a temporary directory; it can be killed and started
again.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pymongo
from pymongo.errors import PyMongoError

from tests.services.ports import free_port

SERVER = Path(__file__).parents[2] / "build/services/bin/secantusd-py"
PASSWORD = "pass-word-of-mongo"
UP_WITHIN = 30.0


class Mongo:
    """`admin` may do anything, `reader` only read."""

    def __init__(self, home: Path) -> None:
        self.home, self.port = home, free_port()
        self.url = f"mongodb://admin:{PASSWORD}@127.0.0.1:{self.port}/"
        self._server: subprocess.Popen[bytes] | None = None

    def make(self) -> None:
        """Users are made while nobody has to be one."""
        self._start()
        with _client(self.port, UP_WITHIN) as client:
            client["admin"].command("createUser", "admin", pwd=PASSWORD, roles=["root"])
            client["admin"].command(
                "createUser", "reader", pwd=PASSWORD, roles=[{"role": "read", "db": "shop"}]
            )
        assert self._server
        self._server.terminate()
        self._server.wait(UP_WITHIN)

    def start(self) -> None:
        self._start("--auth")

    def kill(self) -> None:
        if self._server:
            self._server.kill()
            self._server.wait()
            self._server = None

    def _start(self, *more: str) -> None:
        argv = [str(SERVER), "--host", "127.0.0.1", "--port", str(self.port), "--cache-size", "64M"]
        with (self.home / "log").open("ab") as log:
            self._server = subprocess.Popen(
                [*argv, "--storage-path", str(self.home / "data"), "--sync-on-commit", *more],
                stdout=log,
                stderr=log,
                cwd=self.home,
                start_new_session=True,
            )
        deadline = time.monotonic() + UP_WITHIN
        while not self._answers():
            if time.monotonic() > deadline or self._server.poll() is not None:
                raise AssertionError(f"SecantusDB does not come up: {(self.home / 'log').read_text()}")
            time.sleep(0.05)

    def _answers(self) -> bool:
        with _client(self.port, within=0.1) as client:
            try:
                client["admin"].command("hello")
            except PyMongoError:
                return False
            return True


def _client(port: int, within: float) -> pymongo.MongoClient[dict[str, Any]]:
    return pymongo.MongoClient(f"mongodb://127.0.0.1:{port}/", serverSelectionTimeoutMS=int(within * 1000))


@contextmanager
def mongo() -> Iterator[Mongo]:
    home = Path(tempfile.mkdtemp(prefix="gleitzeit-mongo-"))
    server = Mongo(home)
    try:
        server.make()
        server.start()
        yield server
    finally:
        server.kill()
        shutil.rmtree(home)
