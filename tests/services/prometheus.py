"""A Prometheus of its own for a test, in a temporary directory."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import urlopen

from tests.services.ports import free_port


class Prometheus:
    def __init__(self, url: str) -> None:
        self._url = url

    def ask(self, query: str) -> list[dict[str, Any]]:
        """What a query answers now; nothing as long as it is starting. A wrong one raises HTTPError."""
        try:
            with urlopen(f"{self._url}/api/v1/query?{urlencode({'query': query})}", timeout=10) as answer:
                return json.load(answer)["data"]["result"]  # type: ignore[no-any-return]
        except HTTPError as exc:
            if exc.code == 503:
                return []
            raise
        except URLError:
            return []


@contextmanager
def prometheus(home: Path, config: str) -> Iterator[Prometheus]:
    (home / "prometheus.yml").write_text(config)
    address = f"127.0.0.1:{free_port()}"
    words = ["--config.file=prometheus.yml", "--storage.tsdb.path=data", f"--web.listen-address={address}"]
    with (home / "log").open("wb") as log:
        server = subprocess.Popen(["prometheus", *words], cwd=home, stdout=log, stderr=log)
    try:
        yield Prometheus(f"http://{address}")
    finally:
        server.terminate()
        with suppress(subprocess.TimeoutExpired):
            server.wait(20)
        server.kill()
        server.wait()
