"""A daemon that says what it is told to: one script for each connection to its Unix socket."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Script = Callable[[socket.socket], None]
"""What is done with a connection once its request has been read. Afterwards the connection is closed."""


@dataclass(frozen=True)
class Request:
    method: str
    target: str
    body: Any = None


@dataclass
class FakeDaemon:
    path: str
    listener: socket.socket
    scripts: list[Script] = field(default_factory=list)
    listens: bool = True
    """Does it read the request before it answers?"""
    requests: list[Request] = field(default_factory=list)
    was_asked: threading.Event = field(default_factory=threading.Event)
    was_left: threading.Event = field(default_factory=threading.Event)
    is_over: threading.Event = field(default_factory=threading.Event)

    def answers(self, *scripts: Script) -> None:
        """The scripts of the coming connections; the last is used for all that follow."""
        self.scripts = list(scripts)

    def serve(self) -> None:
        with suppress(OSError):  # the listener was shut down
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self.attend, args=(connection,), daemon=True).start()

    def attend(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            if self.listens:
                self.requests.append(read_request(connection))
            script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
            self.was_asked.set()
            script(connection)

    def hang(self, connection: socket.socket) -> None:
        self.is_over.wait()

    def watch_the_caller_leave(self, connection: socket.socket) -> None:
        if connection.recv(1) == b"":
            self.was_left.set()

    def flood(self, connection: socket.socket) -> None:
        """Log lines without end, until nobody takes them."""
        time = "2126-11-23T05:00:00.000000000Z"
        record = {"instance": "a", "time": time, "stream": "stdout", "line": "x" * 1000, "partial": False}
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not self.is_over.is_set():
            connection.sendall(chunk(record))


def read_request(connection: socket.socket) -> Request:
    with connection.makefile("rb") as stream:
        if not (first := stream.readline().decode()):
            raise ConnectionResetError("somebody only looked whether anybody is there")
        method, target, _ = first.split()
        headers = {}
        while line := stream.readline().decode().strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        body = stream.read(int(headers.get("content-length", 0)))
    return Request(method, target, json.loads(body) if body else None)


def says(raw: bytes) -> Script:
    """Exactly these bytes, then the end."""
    return lambda connection: connection.sendall(raw)


def reply(value: Any, status: int = 200) -> Script:
    body = json.dumps(value).encode()
    return says(f"HTTP/1.1 {status} Said\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)


def refusal(code: str, message: str, status: int) -> Script:
    error = {"code": code, "message": message, "retryable": False, "detail": {}}
    return reply({"error": error}, status)


def ndjson(*values: Any, end: bytes = b"0\r\n\r\n") -> Script:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return says(head + b"".join(map(chunk, values)) + end)


def chunk(value: Any) -> bytes:
    line = json.dumps(value).encode() + b"\n"
    return b"%x\r\n%s\r\n" % (len(line), line)


@contextmanager
def fake_daemon(directory: Path) -> Iterator[FakeDaemon]:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path := str(directory / "d.sock"))
        listener.listen()
        daemon = FakeDaemon(path, listener, [reply({})])
        thread = threading.Thread(target=daemon.serve, daemon=True)
        thread.start()
        try:
            yield daemon
        finally:
            daemon.is_over.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
