"""moto's server, which answers as S3 does, with one empty bucket."""

from __future__ import annotations

import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.services.ports import free_port

PYTHON = Path(__file__).parents[2] / "build/services/bin/python"
UP_WITHIN = 30.0
BUCKET = "things"


class S3:
    """It keeps objects in memory: after a kill they are gone, and the bucket is made again."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._server: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        argv = [str(PYTHON), "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        self._server = subprocess.Popen(
            argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        deadline = time.monotonic() + UP_WITHIN
        while not self._makes_a_bucket():
            if time.monotonic() > deadline or self._server.poll() is not None:
                raise AssertionError("moto's server does not come up: run `make test-services`")
            time.sleep(0.05)

    def _makes_a_bucket(self) -> bool:
        with suppress(OSError):
            request = urllib.request.Request(f"{self.url}/{BUCKET}", method="PUT")
            with urllib.request.urlopen(request, timeout=5) as answer:
                return bool(answer.status == 200)
        return False

    def kill(self) -> None:
        assert self._server
        self._server.kill()
        self._server.wait()
        self._server = None

    def is_running(self) -> bool:
        return self._server is not None


@contextmanager
def s3() -> Iterator[S3]:
    server = S3()
    try:
        server.start()
        yield server
    finally:
        if server.is_running():
            server.kill()
