"""Whoever speaks no HTTP, or bad HTTP, harms nobody but itself."""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack

import pytest

from tests.control.asking import connected
from tests.control.conftest import Ask
from tests.house import House, eventually

NOT_HTTP = {
    "nothing": b"",
    "garbage": bytes(range(256)) * 100,
    "a greeting of TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "half a line": b"GET /v1/sta",
    "half a head": b"GET /v1/status HTTP/1.1\r\nHost: d\r\n",
    "an unknown version": b"GET /livez HTTP/9.9\r\nHost: d\r\n\r\n",
    "a line without end": b"GET /" + b"x" * 100_000,
    "a header without end": b"GET /livez HTTP/1.1\r\nHost: " + b"x" * 100_000,
    "headers without end": b"GET /livez HTTP/1.1\r\n" + b"A: b\r\n" * 20_000,
    "a header without a colon": b"GET /livez HTTP/1.1\r\nHost\r\n\r\n",
    "a NUL in a header": b"GET /livez HTTP/1.1\r\nHost: \0\r\n\r\n",
    "a length that is none": b"POST /v1/stop HTTP/1.1\r\nHost: d\r\nContent-Length: x\r\n\r\n",
    "two lengths": b"POST /v1/stop HTTP/1.1\r\nHost: d\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
    "a length beyond all": b"POST /v1/stop HTTP/1.1\r\nHost: d\r\nContent-Length: 999999999999\r\n\r\n{",
    "less than its length": b'POST /v1/stop HTTP/1.1\r\nHost: d\r\nContent-Length: 100\r\n\r\n{"names"',
    "chunks that are none": b"POST /v1/stop HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "a gzip that is none": (
        b"POST /v1/stop HTTP/1.1\r\nHost: d\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd"
    ),
    "an upgrade": b"GET /v1/status HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    "a proxy's request": b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\n\r\n",
}


@pytest.mark.parametrize("sent", NOT_HTTP.values(), ids=NOT_HTTP)
@pytest.mark.parametrize("waits", [False, True], ids=["and leaves", "and listens"])
def test_who_speaks_badly_harms_nobody(daemon: House, request_: Ask, sent: bytes, waits: bool) -> None:
    with connected(str(daemon.socket)) as stream:
        try:
            stream.sendall(sent)
            if waits:
                stream.shutdown(socket.SHUT_WR)
                while stream.recv(65536):
                    pass
        except (BrokenPipeError, ConnectionResetError):
            pass  # The daemon has hung up, as it may.

    assert request_("GET", "/livez").body == b"ok\n"
    assert [daemon.view(name)["state"] for name in ("probe", "sleeper")] == ["RUNNING", "RUNNING"]


def test_a_mistake_in_http_is_told_as_such(daemon: House) -> None:
    with connected(str(daemon.socket)) as stream:
        stream.sendall(b"what?\r\n\r\n")

        assert stream.recv(100).startswith(b"HTTP/1.0 400 ")


def test_who_only_holds_connections_keeps_nobody_out(daemon: House, request_: Ask) -> None:
    with ExitStack() as held:
        for _ in range(200):
            held.enter_context(connected(str(daemon.socket))).sendall(b"GET /v1/st")
        assert request_("GET", "/v1/status").status == 200

    pid = daemon.daemon.pid
    eventually(lambda: len(os.listdir(f"/proc/{pid}/fd")) < 100, "what was held is closed")


def test_a_reader_that_does_not_read_holds_up_nobody(daemon: House, request_: Ask) -> None:
    with connected(str(daemon.socket)) as stream:
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stream.sendall(b"GET /v1/status HTTP/1.1\r\nHost: d\r\n\r\n" * 500)

        assert request_("GET", "/v1/status").status == 200


def test_requests_may_follow_each_other_on_one_connection(daemon: House) -> None:
    with connected(str(daemon.socket)) as stream:
        stream.sendall(b"GET /livez HTTP/1.1\r\nHost: d\r\n\r\n" * 2)
        received = b""
        while received.count(b"ok\n") < 2:
            received += stream.recv(65536)

    assert received.count(b"HTTP/1.1 200 OK") == 2
