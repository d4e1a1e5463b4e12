"""Whatever a request holds, it is answered in words, soon, and without a mistake of ours."""

from __future__ import annotations

import json
import os
from contextlib import suppress

import pytest

from gleitzeit_extensions import places
from tests.control.asking import connected
from tests.control.conftest import Ask
from tests.house import House, eventually

DEEP = b"[" * 100_000
BODIES = {
    "deep lists": b'{"names":' + DEEP + b"]" * 100_000 + b"}",
    "deep objects": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "lists without an end": b'{"names":' + DEEP,
    "a huge number": b'{"names":["x"],"timeout":1' + b"0" * 5000 + b"}",
    "a number beyond all": b'{"names":["x"],"timeout":1e999}',
    "no number": b'{"names":["x"],"timeout":NaN}',
    "keys said twice": b'{"names":["all"],"names":["x"],"method":"a","method":"b"}',
    "what is no UTF-8": b'{"names":["\xff\xfe"],"method":"\xff"}',
    "half a character": b'{"names":["\\ud800"],"method":"\\ud800"}',
    "NUL": b'{"names":["\\u0000"],"method":"\\u0000"}',
    "a name of a megabyte": b'{"names":["' + b"x" * 2**20 + b'"]}',
    "many names": json.dumps({"names": ["x"] * 100_000}).encode(),
    "a pattern of many stars": json.dumps({"names": ["*a" * 5000] * 10}).encode(),
    "nothing": b"",
    "no object": b"null",
}
STEERED = [
    "/v1/start",
    "/v1/stop",
    "/v1/restart",
    "/v1/invoke",
    "/v1/stream",
    "/v1/providers/probe/invoke",
    "/v1/tokens",
]
ASKED = [
    "/v1/logs?n={}",
    "/v1/logs?n=1&name={}",
    "/v1/logs?n=1&since={}",
    "/v1/logs?n=1&stream={}",
    "/v1/logs/files?name={}",
    "/v1/why?name={}",
    "/v1/status?name={}",
    "/v1/monitor?name=nobody&every={}",
    "/v1/config/history/{}",
    "/v1/events?n={}",
    "/v1/route?provider={}",
    "/v1/providers/{}/health",
    "/v1/{}",
]
VALUES = [
    *("-1", "1e999", "9" * 400, "nan", "%00", "%ff", "%ed%a0%80", "..%2f..%2fetc%2fpasswd", "%0d%0aX:%20y"),
    *("x" * 7000, "*" * 3000, "%5b" * 1000, "%25s", "{0.__class__}"),
]


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_body_is_refused_in_words(daemon: House, request_: Ask, body: bytes) -> None:
    for path in STEERED:
        answer = request_("POST", path, body)
        assert answer.status in (400, 404, 413), (path, answer)
        assert set(answer.json) == {"error"}
        assert len(answer.body) < 2**16, "it is not repeated in full"
    assert "request failed" not in daemon.said()


@pytest.mark.parametrize("value", VALUES, ids=lambda value: str(value)[:12])
def test_a_question_is_refused_in_words(daemon: House, request_: Ask, value: str) -> None:
    for path in ASKED:
        answer = request_("GET", path.replace("{}", value))
        assert answer.status < 500, (path, answer)
        if answer.status >= 400:
            assert set(answer.json) == {"error"}
            assert b"Traceback" not in answer.body
    assert "request failed" not in daemon.said()


def test_nothing_is_left_of_a_thousand_who_speak_badly(daemon: House, request_: Ask) -> None:
    """Neither descriptors nor much memory, and who speaks well is answered meanwhile."""
    pid = daemon.daemon.pid
    before, held = len(os.listdir(f"/proc/{pid}/fd")), resident(pid)
    for number in range(1000):
        with connected(str(daemon.socket)) as stream, suppress(BrokenPipeError, ConnectionResetError):
            stream.sendall(
                b"POST /v1/stop HTTP/1.1\r\nHost: d\r\nContent-Length: 16000000\r\n\r\n" + b"[" * 60_000
            )
        if number % 100 == 0:
            assert request_("GET", "/v1/status").status == 200

    eventually(lambda: len(os.listdir(f"/proc/{pid}/fd")) <= before, "all of them are closed")
    assert resident(pid) < held + 40_000


def test_what_peers_send_wrong_is_no_line_in_the_log(daemon: House) -> None:
    """Broken once by a line of 8 KiB for each WebSocket that asked for a protocol of its own."""
    before, hub = len(daemon.said()), places.hub_socket(str(daemon.socket))
    asked = {
        b"GET /v1/status HTTP/1.1": b"A: \0",
        b"POST /nowhere HTTP/1.1": b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnone",
        b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1": b"Upgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: MDEyMzQ1Njc4OTAxMjM0NQ==\r\nSec-WebSocket-Protocol: mine",
    }
    for path in (str(daemon.socket), hub):
        for line, head in asked.items():
            with connected(path) as stream:
                stream.sendall(line + b"\r\nHost: localhost\r\n" + head + b"\r\n\r\n")
                assert stream.recv(100).startswith(b"HTTP/1.")
    with connected(hub) as stream:
        stream.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nOrigin: http://the-last-one\r\n\r\n")
        eventually(lambda: "the-last-one" in daemon.said(), "all of it is said")
    assert "aiohttp" not in daemon.said()[before:]


def test_a_line_without_an_end_is_not_kept(daemon: House, request_: Ask) -> None:
    pid = daemon.daemon.pid
    held, sent = resident(pid), 0
    with connected(str(daemon.socket)) as stream, suppress(BrokenPipeError, ConnectionResetError):
        stream.sendall(b"GET /")
        while sent < 2**30:
            sent += stream.send(b"x" * 2**16)
    assert sent < 2**26, "it is refused long before a gigabyte"
    assert resident(pid) < held + 40_000
    assert request_("GET", "/livez").status == 200


def resident(pid: int) -> int:
    """KiB of memory."""
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))
