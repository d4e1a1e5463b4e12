"""HTTP over a Unix socket, on a connection that is kept open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from socket import AF_UNIX, socket


@contextmanager
def connected(path: Path, patience: float) -> Iterator[HTTPConnection]:
    """A connection to who listens at `path`; each answer may take so many seconds."""
    connection = HTTPConnection("localhost", timeout=patience)
    connection.auto_open = 0  # one that is closed is not to be opened anew, to a port
    connection.sock = socket(AF_UNIX)
    try:
        connection.sock.settimeout(patience)
        connection.sock.connect(str(path))
        yield connection
    finally:
        connection.close()
