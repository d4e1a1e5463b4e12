"""The client against daemons that answer well, badly, late or not at all."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from gleitzeit_extensions.protocol import CallError
from gleitzeitctl import client as client_module
from gleitzeitctl import wire
from gleitzeitctl.client import Client, provider
from gleitzeitctl.complaint import Complaint
from tests.ctl.fake_daemon import FakeDaemon, Request, ndjson, refusal, reply, says

SOON = 0.05
"""Patience with a daemon that is known never to answer."""

FULL = {"word": "Gleitzeit", "accent": "é", "long": "x" * 200_000}


@pytest.fixture
def client(daemon: FakeDaemon) -> Client:
    return Client(daemon.path)


def framed(body: bytes) -> list[Any]:
    """One body in every framing that HTTP/1.1 knows."""
    half = len(body) // 2
    chunks = b"".join(b"%X;why=not\r\n%s\r\n" % (len(part), part) for part in (body[:half], body[half:]))
    return [
        pytest.param(b"Content-Length: %d\r\n\r\n%s" % (len(body), body), id="length"),
        pytest.param(
            b"transfer-encoding:Chunked\r\n\r\n" + chunks + b"0\r\nTrailer: x\r\n\r\n", id="chunked"
        ),
        pytest.param(b"\r\n" + body, id="until the end"),
    ]


@pytest.mark.parametrize("rest", framed(json.dumps(FULL).encode()))
def test_an_answer_is_read_in_every_framing(daemon: FakeDaemon, client: Client, rest: bytes) -> None:
    daemon.answers(says(b"HTTP/1.1 200 OK\r\n" + rest))

    assert client.get("/v1/status") == FULL


def test_a_request_says_everything(daemon: FakeDaemon, client: Client) -> None:
    client.get("/v1/status", [("name", "a b"), ("name", "c&d")])
    client.post(provider("a/b#2", "invoke"), {"method": "é"})

    assert daemon.requests == [
        Request("GET", "/v1/status?name=a+b&name=c%26d"),
        Request("POST", "/v1/providers/a%2Fb%232/invoke", {"method": "é"}),
    ]


def test_lines_are_read_as_they_come_and_across_chunks(daemon: FakeDaemon, client: Client) -> None:
    daemon.answers(
        says(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            b'A\r\n{"a":1}\n\n\n\r\n4\r\n{"a"\r\n9\r\n:2}\n{"a":\r\n2\r\n3}\r\n0\r\n\r\n'
        )
    )

    assert list(client.follow("/v1/logs")) == [{"a": 1}, {"a": 2}, {"a": 3}]


def test_a_line_is_given_before_the_next_has_come(daemon: FakeDaemon, client: Client) -> None:
    def one_then_hang(connection: socket.socket) -> None:
        ndjson({"a": 1}, end=b"")(connection)
        daemon.hang(connection)

    daemon.answers(one_then_hang)

    assert next(client.follow("/v1/logs")) == {"a": 1}


def test_an_error_of_the_daemon_keeps_its_words(daemon: FakeDaemon, client: Client) -> None:
    daemon.answers(refusal("not_found.provider", 'there is no provider "x"', 404))

    with pytest.raises(CallError, match='there is no provider "x"') as caught:
        client.get("/v1/status")
    assert caught.value.meaning.exit == 4


def test_an_answer_counts_though_the_request_was_not_read(daemon: FakeDaemon, client: Client) -> None:
    daemon.listens = False
    daemon.answers(refusal("too_large", "17 MiB are too many", 413))

    with pytest.raises(CallError, match="17 MiB are too many"):
        client.post("/v1/providers/a/invoke", {"args": "x" * 17_000_000})


@pytest.mark.parametrize(
    ("answer", "exit", "sentence"),
    [
        pytest.param(b"", 3, "closed the connection", id="nothing"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Le", 3, "closed the connection", id="half a head"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", 3, "closed the", id="half a body"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{", 3, "closed the", id="half a chunk"
        ),
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n", 3, "another program's socket", id="another protocol"),
        pytest.param(b"\x00" * 100_000, 3, "another program's socket", id="endless line"),
        pytest.param(b"ICY 200 OK\r\nContent-Length: 2\r\n\r\n{}", 3, "another program's", id="not HTTP"),
        pytest.param(b"HTTP/1.1 abc\r\n\r\n", 3, "another program's socket", id="no status"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", 3, "another program's", id="bad length"
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
            3,
            "another program's",
            id="bad chunk",
        ),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\n<html>", 3, "another program's", id="not JSON"),
    ],
)
def test_a_broken_answer_is_one_sentence(
    daemon: FakeDaemon, client: Client, answer: bytes, exit: int, sentence: str
) -> None:
    daemon.answers(says(answer))

    with pytest.raises(Complaint, match=sentence) as caught:
        client.get("/v1/status")
    assert caught.value.exit == exit
    assert daemon.path in str(caught.value)


def test_an_error_without_an_envelope_says_what_came(daemon: FakeDaemon, client: Client) -> None:
    daemon.answers(says(b"HTTP/1.1 404 Not Found\r\nContent-Length: 14\r\n\r\n404: Not Found"))

    with pytest.raises(CallError, match=r"answered 404 to GET /v1/new: 404: Not Found"):
        client.get("/v1/new")


def test_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(Complaint, match=r'no daemon at .*nobody\.sock: start it with "gl') as caught:
        Client(str(tmp_path / "nobody.sock")).get("/v1/status")
    assert caught.value.exit == 3


def test_a_socket_that_a_dead_daemon_left(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path := str(tmp_path / "d.sock"))

    with pytest.raises(Complaint, match="one that an earlier daemon left: start it with"):
        Client(path).get("/v1/status")


def test_a_file_that_is_no_socket(tmp_path: Path) -> None:
    (tmp_path / "providers.yaml").touch()

    with pytest.raises(Complaint, match=r"no daemon at .*providers\.yaml: what is there is no socket"):
        Client(str(tmp_path / "providers.yaml")).get("/v1/status")


def test_a_path_that_is_too_long_for_a_socket() -> None:
    with pytest.raises(Complaint, match="longer than the 107 bytes") as caught:
        Client(f"/tmp/{'x' * 200}").get("/v1/status")
    assert caught.value.exit == 2


def test_a_socket_that_may_not_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str, timeout: float | None) -> socket.socket:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(wire, "connect", refuse)

    with pytest.raises(Complaint, match='ask to be added to the group "gleitzeit"') as caught:
        Client("/run/d.sock").get("/v1/status")
    assert caught.value.exit == 8


def test_a_daemon_that_hangs_is_not_waited_for(daemon: FakeDaemon, client: Client) -> None:
    daemon.answers(daemon.hang)

    with pytest.raises(Complaint, match=r"did not answer within 0\.05 s") as caught:
        client.get("/v1/status", patience=SOON)
    assert caught.value.exit == 7


def test_a_daemon_that_lets_nobody_in_is_not_waited_for(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as waits:
        listener.bind(path := str(tmp_path / "d.sock"))
        listener.listen(0)
        waits.connect(path)  # and now its queue is full

        with pytest.raises(Complaint, match="did not answer") as caught:
            Client(path).get("/v1/status", patience=SOON)
    assert caught.value.exit == 7


def test_a_long_call_is_waited_for_while_the_daemon_lives(
    daemon: FakeDaemon, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "SILENCE", SOON)

    def after_three_checks(connection: socket.socket) -> None:
        while len(daemon.requests) < 4 and not daemon.is_over.is_set():
            daemon.is_over.wait(0.001)
        reply({"result": 1})(connection)

    daemon.answers(after_three_checks, says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))

    assert client.post("/v1/providers/a/invoke", {}, patience=None) == {"result": 1}
    assert daemon.requests[1:4] == [Request("GET", "/livez")] * 3


def test_a_long_call_ends_when_the_daemon_hangs(
    daemon: FakeDaemon, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "SILENCE", SOON)
    monkeypatch.setattr(client_module, "PATIENCE", SOON)
    daemon.answers(daemon.hang)

    with pytest.raises(Complaint, match="did not answer") as caught:
        client.post("/v1/providers/a/invoke", {}, patience=None)
    assert caught.value.exit == 7
