"""What both clients send, and what they make of what a daemon says that says what it is told."""

from __future__ import annotations

import asyncio
import json
import pickle
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gleitzeit_extensions.client import (
    Capability,
    Client,
    ClientError,
    Conflict,
    ContentFiltered,
    ContextTooLong,
    DeadlineExceeded,
    Forbidden,
    InstanceLost,
    InvalidRequest,
    Model,
    NoInstance,
    NotFound,
    Overloaded,
    Provider,
    ProviderFailed,
    RateLimited,
    Stalled,
    Stream,
    SyncClient,
    SyncStream,
    TooLarge,
    Unauthenticated,
    Unavailable,
    Unreachable,
)
from gleitzeit_extensions.client import request as client_request
from gleitzeit_extensions.client.place import Place
from gleitzeit_extensions.protocol import CODES, CallError
from tests.ctl.fake_daemon import FakeDaemon, Script, chunk, fake_daemon, ndjson, read_request, reply, says
from tests.sdk.daemons import asynchronously, certificate, synchronously, tcp_server
from tests.sdk.test_imports import HEAVY, loaded

Do = Callable[..., Any]
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(params=[synchronously, asynchronously], ids=["SyncClient", "Client"])
def do(request: pytest.FixtureRequest) -> Do:
    """Makes calls with one of the two clients."""
    found: Do = request.param
    return found


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeDaemon]:
    """The daemon of this machine."""
    with fake_daemon(tmp_path) as daemon:
        monkeypatch.setenv("GLEITZEIT_SOCKET", daemon.path)
        daemon.answers(reply({"result": 8}))
        yield daemon


def refuses(code: str, **detail: Any) -> Any:
    error = {"code": code, "message": "it said no", "retryable": False, "detail": detail}
    return reply({"error": error}, CODES[code].http)


def test_a_call_is_its_name_its_method_and_its_arguments(daemon: FakeDaemon, do: Do) -> None:
    assert do(lambda c: c.invoke("calculator", "add", a=5, b=3)) == 8

    (asked,) = daemon.requests
    assert (asked.method, asked.target) == ("POST", "/v1/invoke")
    assert asked.body == {"target": "calculator", "method": "add", "args": {"a": 5, "b": 3}}


@pytest.mark.parametrize("name", ["self", "target", "method", "args", "more", "timeout", "key", "model"])
def test_an_argument_may_have_any_name(daemon: FakeDaemon, do: Do, name: str) -> None:
    do(lambda c: c.invoke("a", "m", {"x-y": 1}, **{name: 2}))

    assert daemon.requests[0].body["args"] == {"x-y": 1, name: 2}


@pytest.mark.parametrize(
    ("target", "field"),
    [(Provider("p#2"), "provider"), (Model("gpt-4"), "model"), (Capability("text"), "capability")],
)
def test_a_name_can_be_said_to_be_one_thing_only(daemon: FakeDaemon, do: Do, target: str, field: str) -> None:
    do(lambda c: c.invoke(target, "m"))

    assert daemon.requests[0].body == {field: str(target), "method": "m", "args": {}}


def test_options_are_of_a_view_and_of_it_alone(daemon: FakeDaemon, do: Do) -> None:
    def both(client: Any) -> Any:
        view = client.with_options(timeout=2.5, idempotent=True, key="order-17", session="ada")
        assert client.with_options() is not client
        return view.invoke("a", "m")

    do(both)
    do(lambda c: (c.with_options(timeout=1), c.invoke("a", "m"))[1])

    options = {"timeout": 2.5, "idempotent": True, "key": "order-17", "session": "ada"}
    assert daemon.requests[0].body == {"target": "a", "method": "m", "args": {}, **options}
    assert daemon.requests[1].body == {"target": "a", "method": "m", "args": {}}


def test_what_json_has_no_words_for_is_refused_before_it_is_sent(daemon: FakeDaemon, do: Do) -> None:
    for wrong in (float("nan"), object(), {1, 2}):
        with pytest.raises(InvalidRequest, match='the arguments for "a" m cannot be sent as JSON'):
            do(lambda c, wrong=wrong: c.invoke("a", "m", x=wrong))
    with pytest.raises(InvalidRequest, match="a call needs the name of whom to call, not 3"):
        do(lambda c: c.invoke(3, "m"))
    with pytest.raises(TooLarge, match="more than the 16,777,216 that one message may have"):
        do(lambda c: c.invoke("a", "m", text="x" * 2**24))
    assert daemon.requests == []


@pytest.mark.parametrize(
    ("code", "kinds"),
    [
        ("invalid_request", [InvalidRequest]),
        ("unauthenticated", [Unauthenticated, Forbidden]),
        ("forbidden", [Forbidden]),
        ("not_found.provider", [NotFound]),
        ("not_found.model", [NotFound]),
        ("conflict", [Conflict]),
        ("too_large", [TooLarge, InvalidRequest]),
        ("context_too_long", [ContextTooLong, InvalidRequest]),
        ("content_filtered", [ContentFiltered, InvalidRequest]),
        ("rate_limited", [RateLimited]),
        ("overloaded", [Overloaded, Unavailable]),
        ("no_instance", [NoInstance, Unavailable]),
        ("unavailable", [Unavailable]),
        ("deadline_exceeded", [DeadlineExceeded]),
        ("stalled", [Stalled, DeadlineExceeded]),
        ("instance_lost", [InstanceLost]),
        ("provider_error", [ProviderFailed]),
        ("internal", [ClientError]),
    ],
)
def test_each_error_is_of_the_class_made_for_it(
    daemon: FakeDaemon, do: Do, code: str, kinds: list[type[ClientError]]
) -> None:
    daemon.answers(refuses(code))

    with pytest.raises(ClientError, match="it said no") as raised:
        do(lambda c: c.invoke("a", "m"))

    error = raised.value
    assert type(error) is kinds[0]
    assert all(isinstance(error, kind) for kind in [*kinds, ClientError, CallError])
    assert (error.code, error.retryable) == (code, CODES[code].retryable)
    assert error.retry_after is None


def test_an_error_says_what_a_program_can_use(daemon: FakeDaemon, do: Do) -> None:
    daemon.answers(refuses("rate_limited", retry_after=1.5))
    with pytest.raises(RateLimited) as limited:
        do(lambda c: c.invoke("a", "m"))
    daemon.answers(refuses("instance_lost", exit_status=-9, stderr=["out of", "memory"]))
    with pytest.raises(InstanceLost) as lost:
        do(lambda c: list(c.stream("a", "m")) if do is synchronously else c.stream("a", "m"))

    assert limited.value.retry_after == 1.5
    assert (lost.value.exit_status, lost.value.stderr) == (-9, ("out of", "memory"))


@pytest.mark.parametrize("error", [RateLimited("rate_limited", "no", {"retry_after": 1}), Unreachable("x")])
def test_an_error_survives_the_way_between_processes(error: ClientError) -> None:
    copied = pickle.loads(pickle.dumps(error))

    assert type(copied) is type(error)
    assert copied.wire() == error.wire()


def test_nobody_there_is_said_with_the_way_out(do: Do, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("GLEITZEIT_SOCKET", f"{tmp_path}/none.sock")

    with pytest.raises(Unreachable, match=r"none\.sock: nobody listens there: start it with") as raised:
        do(lambda c: c.models())
    assert raised.value.code == "unreachable"
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:9: nobody listens there"):
        do(lambda c: c.models(), "http://127.0.0.1:9")


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://x", "http://", "http://h:port", "http://h/path"])
def test_an_address_that_is_none_is_refused_at_once(url: str) -> None:
    for client in (Client, SyncClient):
        with pytest.raises(InvalidRequest, match="write it as https://HOST:PORT"):
            client(url)


@pytest.mark.parametrize("raw", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{"])
def test_a_daemon_that_leaves_is_an_error_and_not_an_answer(daemon: FakeDaemon, do: Do, raw: bytes) -> None:
    daemon.answers(says(raw))

    with pytest.raises(Unreachable, match="closed the connection before its answer was whole: the call may"):
        do(lambda c: c.invoke("a", "m"))


@pytest.mark.parametrize("raw", [b"SSH-2.0\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n<htm>"])
def test_what_is_no_daemon_is_not_taken_for_one(daemon: FakeDaemon, do: Do, raw: bytes) -> None:
    daemon.answers(says(raw))

    with pytest.raises(Unreachable):
        do(lambda c: c.invoke("a", "m"))


@pytest.mark.parametrize(
    ("act", "sentence"),
    [
        (lambda c: c.with_options(timeout="5").invoke("a", "m"), "timeout takes seconds as a number above 0"),
        (lambda c: c.with_options(timeout=0).invoke("a", "m"), "timeout takes seconds as a number above 0"),
        (lambda c: c.with_options(timeout=float("nan")).invoke("a", "m"), "timeout takes seconds"),
        (lambda c: c.invoke("a", "m", [1, 2]), '"a" m takes its arguments by name, not as a list'),
        (lambda c: c.invoke("a", "m", [("b", 1)]), '"a" m takes its arguments by name, not as a list'),
        (lambda c: c.invoke("a", ""), 'a call of "a" needs the name of a method'),
        (lambda c: c.invoke("a", None), 'a call of "a" needs the name of a method'),
    ],
    ids=["text", "zero", "nan", "list", "pairs", "no method", "None"],
)
def test_what_cannot_be_meant_is_refused_before_it_is_sent(
    daemon: FakeDaemon, do: Do, act: Do, sentence: str
) -> None:
    with pytest.raises(InvalidRequest, match=sentence):
        do(act)
    assert daemon.requests == []


def test_http_to_a_port_that_speaks_tls_is_guessed(do: Do, tmp_path: Path) -> None:
    key, trusted = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(trusted, key)
    with tcp_server(context) as server, pytest.raises(Unreachable, match="does it speak https"):
        do(lambda c: c.invoke("a", "m"), server.url.replace("https", "http"))


def test_a_daemon_that_hangs_is_not_waited_for_beyond_the_call_s_own_time(
    daemon: FakeDaemon, do: Do, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_request, "GRACE", 0.1)
    daemon.answers(daemon.hang)

    with pytest.raises(DeadlineExceeded, match="did not answer in time"):
        do(lambda c: c.with_options(timeout=0.1).invoke("a", "m"))


def test_a_stream_is_its_items(daemon: FakeDaemon, do: Do) -> None:
    daemon.answers(ndjson({"item": 1}, {"item": "zwölf"}, {"item": None}, {"end": {"frames": 2}}))

    assert do(lambda c: c.stream("a", "m", prompt="x")) == [1, "zwölf", None]
    (asked,) = daemon.requests
    assert (asked.target, asked.body["args"]) == ("/v1/stream", {"prompt": "x"})


def test_lines_may_be_cut_anywhere_and_be_large(daemon: FakeDaemon, do: Do) -> None:
    large = "x" * 300_000
    line = chunk({"item": large}).split(b"\r\n", 1)[1][:-2]
    pieces = [line[:1], line[1:200_000], line[200_000:] + b'{"item"', b': 2}\n{"end": {"frames": 1}}\n']
    daemon.answers(says(CHUNKED + b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces) + b"0\r\n\r\n"))

    assert do(lambda c: c.stream("a", "m")) == [large, 2]


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(b"0\r\n\r\n", id="ended without a word"),
        pytest.param(b"", id="cut between two lines"),
        pytest.param(b"f\r\n{", id="cut inside of a line"),
        pytest.param(b"3\r\n{]\n\r\n0\r\n\r\n", id="not JSON"),
        pytest.param(b"3\r\n{}\n\r\n0\r\n\r\n", id="not a line of a stream"),
    ],
)
def test_a_stream_is_never_silently_short(daemon: FakeDaemon, do: Do, end: bytes) -> None:
    daemon.answers(says(CHUNKED + chunk({"item": 1}) + end))

    with pytest.raises(ClientError) as raised:
        do(lambda c: c.stream("a", "m"))
    assert raised.value.code in ("protocol", "unreachable")


def test_what_came_before_an_error_is_delivered_first(daemon: FakeDaemon) -> None:
    error = {"code": "provider_error", "message": "out of numbers", "retryable": False, "detail": {}}
    daemon.answers(ndjson({"item": 1}, {"item": 2}, {"error": error}))
    came = []

    def read() -> None:
        with SyncClient() as client:
            for item in client.stream("a", "m"):
                came.append(item)  # noqa: PERF402 - what came is to be seen although it fails

    with pytest.raises(ProviderFailed, match="out of numbers"):
        read()
    assert came == [1, 2]


def test_a_stream_that_was_closed_has_no_more_items(daemon: FakeDaemon) -> None:
    daemon.answers(ndjson({"item": 1}, {"item": 2}, {"end": {"frames": 1}}))
    with SyncClient() as client, client.stream("a", "m") as items:
        assert next(items) == 1
        items.close()

        assert list(items) == []


def test_a_token_goes_with_each_call_to_another_machine(do: Do, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLEITZEIT_TOKEN", "of the environment")
    with tcp_server() as server:
        assert do(lambda c: c.invoke("a", "m", x=1), server.url, token="mine") == {"x": 1}
        do(lambda c: c.invoke("a", "m", x=1), server.url)

    assert server.tokens == ["Bearer mine", "Bearer of the environment"]


def test_a_daemon_behind_tls_must_prove_itself(
    do: Do, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, trusted = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(trusted, key)
    with tcp_server(context) as server:
        with pytest.raises(Unreachable, match=r"(?i)certificate.verify.failed.*verify= or \$SSL_CERT_FILE"):
            do(lambda c: c.invoke("a", "m"), server.url)
        assert do(lambda c: c.invoke("a", "m", x=1), server.url, verify=str(trusted)) == {"x": 1}
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        assert do(lambda c: c.invoke("a", "m", x=2), server.url) == {"x": 2}
    with pytest.raises(InvalidRequest, match=r"cannot read the authorities in /none\.pem"):
        do(lambda c: c.models(), "https://x", verify="/none.pem")


def test_a_client_that_was_closed_says_so(daemon: FakeDaemon) -> None:
    client = SyncClient()
    client.close()
    client.close()

    with pytest.raises(Unreachable, match="has been closed"):
        client.models()
    assert daemon.requests == []


def test_connections_are_used_again(do: Do) -> None:
    def sync_calls(client: SyncClient) -> Any:
        return [client.invoke("a", "m", x=x)["x"] for x in range(5)]

    async def calls(client: Client) -> Any:
        return [(await client.with_options(timeout=9).invoke("a", "m", x=x))["x"] for x in range(5)]

    with tcp_server() as server:
        assert do(sync_calls if do is synchronously else calls, server.url) == [0, 1, 2, 3, 4]
        assert server.connections == 1


def test_a_connection_that_was_closed_meanwhile_is_replaced(do: Do) -> None:
    def sync_calls(client: SyncClient) -> Any:
        client.invoke("a", "m")
        assert server.has_hung_up.wait(5)
        return client.invoke("a", "m", x=2)

    async def calls(client: Client) -> Any:
        await client.invoke("a", "m")
        await asyncio.to_thread(server.has_hung_up.wait, 5)
        return await client.invoke("a", "m", x=2)

    with tcp_server() as server:
        server.hangs_up = True
        assert do(sync_calls if do is synchronously else calls, server.url) == {"x": 2}
        assert server.connections == 2


def test_the_synchronous_client_loads_no_loop_and_no_http_library() -> None:
    code = "from gleitzeit_extensions.client import SyncClient, Client; SyncClient(); Client()"

    assert loaded(code).isdisjoint(HEAVY | {"asyncio", "concurrent"})


def test_a_token_is_taken_as_it_stands_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen to fail: the end of the line was an error that printed the token."""
    monkeypatch.setenv("GLEITZEIT_TOKEN", "gz_secret\n")
    for token in (None, " gz_secret\n"):
        assert Place.find("http://h", token, None).headers == {"Authorization": "Bearer gz_secret"}


def test_a_token_that_cannot_be_one_is_refused_and_not_repeated() -> None:
    with pytest.raises(InvalidRequest, match="the token has a character that no token has") as refused:
        Place.find("http://h", "gz_sec\nret", None)
    assert "sec" not in str(refused.value)


Act = Callable[[Any], Any]


def in_turn(*acts: Act) -> Act:
    """The calls made one after the other by one client; it comes to the last, which may be a stream."""

    def act(client: Any) -> Any:
        if isinstance(client, Client):
            return _in_turn(client, *acts)
        return [list(made) if isinstance(made := act(client), SyncStream) else made for act in acts][-1]

    return act


async def _in_turn(client: Client, *acts: Act) -> Any:
    for act in acts:
        made = act(client)
        answer = [item async for item in made] if isinstance(made, Stream) else await made
    return answer


def first(client: Any) -> Any:
    return client.invoke("a", "first")


def answers_once(connection: socket.socket) -> None:
    """One request; the next is taken, too, but then it leaves."""
    reply({"result": 1})(connection)
    read_request(connection)


@pytest.mark.parametrize(
    ("act", "script", "answer"),
    [
        (lambda c: c.models(), reply({"models": []}), []),
        (lambda c: c.with_options(idempotent=True).invoke("a", "m"), reply({"result": 2}), 2),
        (lambda c: c.with_options(key="17").invoke("a", "m"), reply({"result": 2}), 2),
        (lambda c: c.with_options(key="17").stream("a", "m"), ndjson({"item": 3}, {"end": {}}), [3]),
    ],
    ids=["a look", "idempotent", "with a key", "a stream"],
)
def test_what_may_be_repeated_is_sent_again_when_a_kept_connection_was_closed(
    daemon: FakeDaemon, do: Do, act: Act, script: Script, answer: Any
) -> None:
    daemon.answers(answers_once, script)

    assert do(in_turn(first, act)) == answer
    assert len(daemon.requests) == 2


@pytest.mark.parametrize("call", ["invoke", "stream"])
def test_a_call_that_may_have_begun_is_never_sent_again(daemon: FakeDaemon, do: Do, call: str) -> None:
    daemon.answers(answers_once, reply({"result": 2}))

    with pytest.raises(Unreachable, match="the call may have begun"):
        do(in_turn(first, lambda c: getattr(c, call)("a", "m")))
    assert len(daemon.requests) == 1


def test_a_call_is_sent_again_but_once(daemon: FakeDaemon, do: Do) -> None:
    daemon.answers(answers_once, says(b""), reply({"result": 2}))

    with pytest.raises(Unreachable):
        do(in_turn(first, lambda c: c.with_options(idempotent=True).invoke("a", "m")))
    assert len(daemon.requests) == 2


def test_a_new_connection_that_is_closed_is_not_tried_again(daemon: FakeDaemon, do: Do) -> None:
    daemon.answers(says(b""), reply({"result": 2}))

    with pytest.raises(Unreachable):
        do(lambda c: c.with_options(idempotent=True).invoke("a", "m"))
    assert len(daemon.requests) == 1


@pytest.mark.parametrize("is_asynchronous", [False, True], ids=["SyncClient", "Client"])
def test_a_daemon_that_was_restarted_between_two_calls_gets_the_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_asynchronous: bool
) -> None:
    """Also where the loop stood still in between: it has not heard yet that the connections are closed."""
    monkeypatch.setenv("GLEITZEIT_SOCKET", f"{tmp_path}/d.sock")

    is_over, has_left = threading.Event(), threading.Event()

    def answers_and_stays(connection: socket.socket) -> None:
        reply({"result": 1})(connection)
        is_over.wait(5)
        connection.close()
        has_left.set()

    with asyncio.Runner() as runner:
        client: Any = Client() if is_asynchronous else SyncClient()

        def call() -> Any:
            made = client.invoke("a", "m")
            return runner.run(made) if is_asynchronous else made

        with fake_daemon(tmp_path) as before:
            before.answers(answers_and_stays)
            assert call() == 1
            is_over.set()
            assert has_left.wait(5)
        Path(before.path).unlink()
        with fake_daemon(tmp_path) as after:
            after.answers(reply({"result": 2}))
            assert call() == 2
        made = client.close()
        if is_asynchronous:
            runner.run(made)


def trickles(connection: socket.socket) -> None:
    """An answer that is never silent for long, and takes long."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(1000):
        connection.sendall(b" ")
        time.sleep(0.02)


def trickles_its_head(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    for _ in range(1000):
        connection.sendall(b"x")
        time.sleep(0.02)


def streams_without_end(connection: socket.socket) -> None:
    connection.sendall(CHUNKED)
    while True:
        connection.sendall(chunk({"item": 1}))
        time.sleep(0.02)


@pytest.mark.parametrize("script", [trickles, trickles_its_head, streams_without_end])
def test_the_time_of_a_call_is_for_the_whole_of_its_answer(
    daemon: FakeDaemon, do: Do, monkeypatch: pytest.MonkeyPatch, script: Script
) -> None:
    monkeypatch.setattr(client_request, "GRACE", 0.1)
    daemon.answers(script)
    call = "stream" if script is streams_without_end else "invoke"
    began = time.monotonic()

    with pytest.raises(DeadlineExceeded, match="did not answer in time"):
        do(lambda c: getattr(c.with_options(timeout=0.1), call)("a", "m"))
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "look",
    [lambda c: c.models(), lambda c: c.providers(), lambda c: c.route("a"), lambda c: c.health("a")],
    ids=["models", "providers", "route", "health"],
)
def test_a_look_does_not_wait_for_ever_for_a_daemon_that_hangs(
    daemon: FakeDaemon, do: Do, monkeypatch: pytest.MonkeyPatch, look: Act
) -> None:
    monkeypatch.setattr(client_request, "LOOK_UP", 0.1)
    daemon.answers(daemon.hang)

    with pytest.raises(DeadlineExceeded, match="did not answer in time"):
        do(look)


@pytest.mark.parametrize("call", ["invoke", "stream"])
def test_a_call_without_a_time_is_not_waited_for_when_the_daemon_hangs(
    daemon: FakeDaemon, do: Do, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    monkeypatch.setattr(client_request, "SILENCE", 0.1)
    monkeypatch.setattr(client_request, "LOOK_UP", 0.1)
    daemon.answers(daemon.hang)

    with pytest.raises(DeadlineExceeded, match="did not answer in time"):
        do(lambda c: getattr(c, call)("a", "m"))
    assert [asked.target for asked in daemon.requests] == [f"/v1/{call}", "/livez"]


@pytest.mark.parametrize("call", ["invoke", "stream"])
def test_a_call_without_a_time_is_waited_for_as_long_as_the_daemon_lives(
    daemon: FakeDaemon, do: Do, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    monkeypatch.setattr(client_request, "SILENCE", 0.05)

    def takes_its_time(connection: socket.socket) -> None:
        while len(daemon.requests) < 3:
            time.sleep(0.01)
        (reply({"result": 1}) if call == "invoke" else ndjson({"item": 1}, {"end": {}}))(connection)

    daemon.answers(takes_its_time, reply({"status": "ok"}))

    assert do(lambda c: getattr(c, call)("a", "m")) in (1, [1])
    assert [asked.target for asked in daemon.requests[:3]] == [f"/v1/{call}", "/livez", "/livez"]


def test_an_answer_that_is_the_last_of_its_connection_is_read_to_its_end(daemon: FakeDaemon, do: Do) -> None:
    large = json.dumps({"result": "x" * 500_000}).encode()
    daemon.answers(says(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + large))

    assert do(in_turn(first, lambda c: c.invoke("a", "m"))) == "x" * 500_000
    assert len(daemon.requests) == 2
