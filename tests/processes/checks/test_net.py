"""Checks over the network against real servers, the worst ones too."""

from __future__ import annotations

import asyncio
import errno
import gc
import logging
import os
import resource
import socket
import ssl
import subprocess
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import anyio
import pytest

from gleitzeitd.core.spec import Check, CheckKind
from gleitzeitd.core.verdict import Outcome
from gleitzeitd.processes.checks import http as checks_http
from gleitzeitd.processes.checks import net
from gleitzeitd.processes.checks import tcp as checks_tcp
from gleitzeitd.processes.checks.lookup import Address, Lookup
from gleitzeitd.processes.checks.net import open_socket
from gleitzeitd.processes.containment import descriptors
from tests.processes.checks.serving import Server, serving
from tests.processes.waiting import eventually_here

pytestmark = pytest.mark.anyio

AskBy = Callable[[Check, Lookup], Awaitable[Outcome]]

LONG = 20.0
"""Seconds for what has to answer."""
SHORT = 0.05
"""Seconds for what never will."""


async def get(url: str, within: float = LONG) -> Outcome:
    return await checks_http.get(Check(CheckKind.HTTP, url=url, timeout=within), Lookup())


async def connect(host: str, port: int, within: float = LONG) -> Outcome:
    check = Check(CheckKind.TCP, host=host, port=port, timeout=within)
    return await checks_tcp.connect(check, Lookup())


def at(server: Server, path: str = "/healthz") -> str:
    return f"http://127.0.0.1:{server.port}{path}"


def status(line: str, *headers: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {line}", *headers, "Content-Length: 0", "", ""]).encode()


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.fixture
def complaints(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """What asyncio and aiohttp say about what was not closed or not asked for. It has to be nothing."""
    with caplog.at_level(logging.WARNING):
        yield
        gc.collect()
    said = [*caplog.get_records("call"), *caplog.records]
    assert [record.getMessage() for record in said] == []


@contextmanager
def closed_port() -> Iterator[int]:
    """A port that is certainly nobody's: bound, and not listening."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@contextmanager
def full_backlog(host: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """A listener that takes nobody, with its queue full: the kernel drops whoever comes."""
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind((host, port))
        listener.listen(0)
        first.connect(listener.getsockname())
        second.setblocking(False)
        second.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


# http.


@pytest.mark.parametrize(
    ("line", "ok"),
    [
        ("200 OK", True),
        ("204 No Content", True),
        ("399 Odd", True),
        ("400 Bad Request", False),
        ("503 Service Unavailable", False),
        ("600 Beyond", False),
    ],
)
async def test_a_status_from_200_to_399_is_a_success(line: str, ok: bool) -> None:
    async with serving(status(line)) as server:
        assert (await get(at(server))).ok is ok


async def test_a_failure_names_the_url_and_the_status() -> None:
    async with serving(status("503 whatever it says")) as server:
        outcome = await get(at(server))

    assert outcome.reason == f"GET http://127.0.0.1:{server.port}/healthz: 503 Service Unavailable"
    assert 0 < outcome.seconds < LONG


async def test_a_redirect_is_an_answer_and_nobody_follows_it() -> None:
    async with serving(b"") as elsewhere:
        moved = status("302 Found", f"Location: {at(elsewhere)}", "Set-Cookie: a=b")
        async with serving(moved) as server:
            assert (await get(at(server))).ok
    assert elsewhere.connections == 0


async def test_no_secret_of_the_url_shows_in_a_reason() -> None:
    async with serving(status("500 Internal Server Error")) as server:
        url = f"http://user:pass@127.0.0.1:{server.port}/h?token=4711#4712"
        outcome = await get(url)

    assert outcome.reason == f"GET http://127.0.0.1:{server.port}/h: 500 Internal Server Error"
    assert b"GET /h?token=4711 HTTP/1.1" in server.requests[0]
    assert b"\r\nAuthorization: Basic " in server.requests[0]


@pytest.mark.parametrize(
    "url",
    [
        "http://u:4711@[::1/?k=4711",
        "http://u:4711@127.0.0.1:70000/?k=4711",
        "http://u:4711@127.0.0.1:x/?k=4711",
        "http://u:4711@/?k=4711",
        "http://u:4711@a..b/?k=4711",
        "http://u:4711@" + "a" * 70 + "/?k=4711",
        "ftp://u:4711@127.0.0.1/?k=4711",
        "//u:4711@127.0.0.1?k=4711",
        "",
    ],
)
async def test_a_url_that_cannot_be_asked_is_a_failure_that_keeps_its_secrets(url: str) -> None:
    outcome = await get(url)

    assert outcome.ok is False
    assert outcome.reason.startswith("GET ")
    assert "4711" not in outcome.reason


async def test_no_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with closed_port() as port:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
        async with serving(status("200 OK")) as server:
            assert (await get(at(server))).ok


@pytest.mark.usefixtures("complaints")
async def test_no_connection_is_kept() -> None:
    before = open_descriptors()
    async with serving(status("200 OK", "Connection: keep-alive")) as server:
        for _ in range(3):
            assert (await get(at(server))).ok
        await eventually_here(lambda: server.hung_up == 3)
    assert server.connections == 3
    assert all(b"\r\nConnection: close\r\n" in request for request in server.requests)
    await eventually_here(lambda: open_descriptors() == before)


@pytest.mark.usefixtures("complaints")
async def test_who_takes_the_request_and_never_answers_has_failed() -> None:
    async with serving(b"") as server:
        outcome = await get(at(server), 0.5)
        await eventually_here(lambda: server.hung_up == 1)

    assert outcome.reason == f"GET {at(server)}: no answer within 0.5 s"


ENDLESS = {
    "headers": (b"HTTP/1.1 200 OK\r\n", b"A: b\r\n" * 100),
    "one header": (b"HTTP/1.1 200 OK\r\nA: ", b"b" * 10_000),
    "a status line": (b"HTTP/1.1 200 ", b"b" * 10_000),
    "interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "garbage": (b"\0\xff", b"\0\xff\r\n" * 1000),
}


@pytest.mark.usefixtures("complaints")
@pytest.mark.parametrize(("answer", "again"), ENDLESS.values(), ids=ENDLESS)
async def test_an_answer_that_never_begins_is_a_failure(answer: bytes, again: bytes) -> None:
    async with serving(answer, again) as server:
        outcome = await get(at(server), 1.0)
        await eventually_here(lambda: server.hung_up == 1)

    assert outcome.ok is False
    assert outcome.reason in (
        f"GET {at(server)}: the answer is not HTTP",
        f"GET {at(server)}: no answer within 1 s",
    )


@pytest.mark.usefixtures("complaints")
async def test_a_body_without_end_is_not_waited_for() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n"
    async with serving(answer, b"x" * 100_000) as server:
        assert (await get(at(server))).ok
        await eventually_here(lambda: server.hung_up == 1)


async def test_who_hangs_up_without_an_answer_has_failed() -> None:
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as listening:
        url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/"
        outcome = await get(url)

    # Whether it closes before or after it got the request is a matter of luck.
    said = ("it closed the connection without an answer", "Connection reset by peer", "Broken pipe")
    assert outcome.reason in {f"GET {url}: {words}" for words in said}


async def test_who_refuses_has_failed() -> None:
    with closed_port() as port:
        assert (await get(f"http://127.0.0.1:{port}/")).reason == (
            f"GET http://127.0.0.1:{port}/: Connection refused"
        )


def self_signed(path: Path) -> None:
    """A certificate that was signed with its own key, and the key beside it."""
    making = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    parts = ["-subj", "/CN=localhost", "-keyout", str(path.with_suffix(".key")), "-out", str(path)]
    subprocess.run([*making, *parts], capture_output=True, check=True)


async def test_a_certificate_that_nobody_vouches_for_is_a_failure(tmp_path: Path) -> None:
    certificate = tmp_path / "certificate.pem"
    self_signed(certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))

    async def never(*_: Any) -> None:
        raise AssertionError("it was asked")

    async with await asyncio.start_server(never, "127.0.0.1", 0, ssl=context) as listening:
        url = f"https://127.0.0.1:{listening.sockets[0].getsockname()[1]}/"
        outcome = await get(url)

    assert outcome.ok is False
    assert outcome.reason.startswith(f"GET {url}: its certificate is not accepted: self")


@pytest.mark.usefixtures("complaints")
async def test_a_check_that_is_cancelled_leaves_nothing_open() -> None:
    before = open_descriptors()
    async with serving(b"") as server:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(get, at(server))
            await eventually_here(lambda: server.requests)
            tasks.cancel_scope.cancel()
        await eventually_here(lambda: server.hung_up == 1)
    await eventually_here(lambda: open_descriptors() == before)


# tcp.


async def test_a_connection_is_a_success_and_is_closed() -> None:
    before = open_descriptors()
    async with serving(b"") as server:
        assert (await connect("127.0.0.1", server.port)).ok
        await eventually_here(lambda: server.hung_up == 1)
    await eventually_here(lambda: open_descriptors() == before)


class Ambiguous(Lookup):
    """Every name stands for 127.0.0.2 first."""

    places = ("127.0.0.2", "127.0.0.1")

    async def addresses(self, host: str, port: int) -> list[Address]:
        places = [await Lookup.addresses(self, place, port) for place in self.places]
        return [address for found in places for address in found]


class Local(Ambiguous):
    """As localhost is."""

    places = ("::1", "127.0.0.1")


@pytest.mark.parametrize("ask", [checks_http.get, checks_tcp.connect])
async def test_of_the_addresses_of_a_name_one_that_answers_is_enough(
    ask: Callable[[Check, Lookup], Awaitable[Outcome]],
) -> None:
    """As localhost is ::1 too. Broken once by trying one after the other: the stalled one took it all."""
    async with serving(status("200 OK")) as server:
        check = Check(host="a.test", port=server.port, url=f"http://a.test:{server.port}/", timeout=LONG)
        assert (await ask(check, Ambiguous())).ok
        with full_backlog("127.0.0.2", server.port):
            assert (await ask(check, Ambiguous())).ok


async def test_a_refused_connection_is_a_failure() -> None:
    with closed_port() as port:
        outcome = await connect("127.0.0.1", port)
        assert outcome.reason == f"connect to 127.0.0.1:{port}: Connection refused"
        named = await connect("localhost", port)
        assert named.reason.startswith(f"connect to localhost:{port}: ")
        assert named.ok is False


async def test_an_address_of_ipv6_is_shown_in_brackets() -> None:
    assert (await connect("::1", 1)).reason.startswith("connect to [::1]:1: ")


@pytest.mark.usefixtures("complaints")
async def test_a_listener_whose_queue_is_full_has_failed() -> None:
    before = open_descriptors()
    with full_backlog() as port:
        reason = f"connect to 127.0.0.1:{port}: no answer within {SHORT:g} s"
        assert (await connect("127.0.0.1", port, SHORT)).reason == reason
        url = f"http://127.0.0.1:{port}/"
        assert (await get(url, SHORT)).reason == f"GET {url}: no answer within {SHORT:g} s"
    assert open_descriptors() == before


BOTH = pytest.mark.parametrize(
    ("how", "ask"), [(checks_http, checks_http.get), (checks_tcp, checks_tcp.connect)], ids=["http", "tcp"]
)


def place(port: int, host: str = "127.0.0.1") -> Check:
    return Check(host=host, port=port, url=f"http://{host}:{port}/", timeout=LONG)


@pytest.mark.usefixtures("complaints")
@BOTH
async def test_who_reaches_nobody_but_itself_is_refused(
    monkeypatch: pytest.MonkeyPatch, how: ModuleType, ask: AskBy
) -> None:
    """Broken once by trusting in the connection: a closed port may be chosen as ours."""
    with closed_port() as port:
        pass

    def open_there(address: Address) -> socket.socket:
        opened = open_socket(address)
        opened.bind(address[4])
        return opened

    monkeypatch.setattr(how, "open_socket", open_there)
    outcome = await ask(place(port), Lookup())

    assert outcome.ok is False
    assert outcome.reason.endswith(": Connection refused")


@BOTH
@pytest.mark.parametrize(
    ("has_source", "ok", "said"),
    [(True, None, "Cannot assign requested address"), (False, False, "Network is unreachable")],
)
async def test_when_no_port_of_ours_is_left_nobody_has_failed(
    monkeypatch: pytest.MonkeyPatch, how: ModuleType, ask: AskBy, has_source: bool, ok: bool | None, said: str
) -> None:
    """Broken once by calling it a failure. That we have no address like ::1 is none of our lacks."""
    reuse = socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket() as first:
        first.setsockopt(*reuse)
        first.bind(("127.0.0.1", 0))
        first.connect(listening.getsockname())

        def open_same(address: Address) -> socket.socket:
            opened = open_socket(address)
            opened.setsockopt(*reuse)
            opened.bind(first.getsockname())
            return opened

        monkeypatch.setattr(how, "open_socket", open_same)
        if not has_source:
            monkeypatch.setattr(net, "_has_source", lambda *_: False)
        outcome = await ask(place(listening.getsockname()[1]), Lookup())

    assert outcome.ok is ok
    assert outcome.reason.endswith(f": {said}")


@BOTH
@pytest.mark.parametrize(
    ("number", "ok", "said"),
    [
        (errno.EMFILE, None, ["Too many open files"]),
        (errno.ENETUNREACH, False, ["Network is unreachable", "Connection refused"]),
    ],
)
async def test_of_several_errors_one_is_told_and_a_lack_of_ours_before_others(
    monkeypatch: pytest.MonkeyPatch,
    how: ModuleType,
    ask: AskBy,
    number: int,
    ok: bool | None,
    said: list[str],
) -> None:
    """Broken once by asking the one error that stands for them: it has no number."""

    def open_one(address: Address) -> socket.socket:
        if address[4][0] == "::1":
            raise OSError(number, os.strerror(number))
        return open_socket(address)

    monkeypatch.setattr(how, "open_socket", open_one)
    with closed_port() as port:
        outcome = await ask(place(port, "a.test"), Local())

    assert outcome.ok is ok
    assert outcome.reason.partition(f":{port}")[2].lstrip("/: ") in said


@pytest.mark.parametrize("port", [-1, 70000])
async def test_a_port_that_cannot_be_is_a_failure(port: int) -> None:
    assert (await connect("127.0.0.1", port)).ok is False


@pytest.mark.usefixtures("complaints")
@pytest.mark.parametrize("ask", [checks_http.get, checks_tcp.connect])
async def test_when_only_the_reserve_of_descriptors_is_left_nobody_has_failed(
    monkeypatch: pytest.MonkeyPatch, ask: Callable[[Check, Lookup], Awaitable[Outcome]]
) -> None:
    """Broken once by calling it a failure: all that is well would be restarted."""
    before = open_descriptors()
    monkeypatch.setattr(descriptors, "RESERVE", resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    outcome = await ask(Check(host="127.0.0.1", port=1, url="http://127.0.0.1:1/", timeout=LONG), Lookup())

    assert outcome.ok is None
    assert outcome.reason.endswith(": Too many open files")
    assert open_descriptors() == before


# Names.


class Stalled:
    """A name server that answers only when it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._answers = threading.Event()
        self._real = socket.getaddrinfo
        self.asked = list[str]()
        monkeypatch.setattr(socket, "getaddrinfo", self._getaddrinfo)

    def _getaddrinfo(self, host: str, port: int, *args: Any, **more: Any) -> Any:
        if more.get("flags", 0) & socket.AI_NUMERICHOST:
            return self._real(host, port, *args, **more)
        self.asked.append(host)
        assert self._answers.wait(LONG)
        if host == "nobody.test":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return self._real("127.0.0.1", port, *args, **more)

    def answer(self) -> None:
        self._answers.set()


@pytest.fixture
def stalled(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stalled]:
    server = Stalled(monkeypatch)
    yield server
    server.answer()


def looking_up() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("look up ")]


async def test_a_stalled_name_server_holds_up_no_check_beyond_its_deadline(stalled: Stalled) -> None:
    """Broken once by the loop's own executor: each check of the same name took one more of its threads."""
    lookup = Lookup()
    check = Check(host="a.test", port=1, url="http://a.test:1/", timeout=SHORT)
    for _ in range(3):
        asked = [await checks_http.get(check, lookup), await checks_tcp.connect(check, lookup)]
        assert [outcome.reason for outcome in asked] == [
            "GET http://a.test:1/: no answer within 0.05 s",
            "connect to a.test:1: no answer within 0.05 s",
        ]

    assert stalled.asked == ["a.test"]
    (thread,) = looking_up()
    # At the end of the daemon nobody waits for it.
    assert thread.daemon
    stalled.answer()
    await eventually_here(lambda: not looking_up())


async def test_whoever_asks_for_a_name_meanwhile_shares_the_answer(stalled: Stalled) -> None:
    lookup, outcomes = Lookup(), list[Outcome]()
    async with serving(status("200 OK")) as server:
        url = Check(CheckKind.HTTP, url=f"http://a.test:{server.port}/", timeout=LONG)
        place = Check(CheckKind.TCP, host="a.test", port=server.port, timeout=LONG)

        async def ask(check: Check) -> None:
            how = checks_http.get if check is url else checks_tcp.connect
            outcomes.append(await how(check, lookup))

        async with anyio.create_task_group() as tasks:
            for check in (url, place, url):
                tasks.start_soon(ask, check)
            await eventually_here(lambda: stalled.asked)
            stalled.answer()

        assert [outcome.ok for outcome in outcomes] == [True] * 3
        assert stalled.asked == ["a.test"]
        # What was found is not kept: an address may change.
        assert (await checks_tcp.connect(place, lookup)).ok
        assert stalled.asked == ["a.test", "a.test"]


async def test_a_name_that_nobody_has_is_a_failure_in_words(stalled: Stalled) -> None:
    stalled.answer()

    assert (await connect("nobody.test", 1)).reason == "connect to nobody.test:1: Name or service not known"
    assert (await get("http://nobody.test/")).reason == "GET http://nobody.test/: Name or service not known"


async def test_when_there_is_no_thread_to_be_had_nobody_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", none_left)
    outcome = await connect("a.test", 1)

    assert outcome.ok is None
    assert outcome.reason == "connect to a.test:1: Resource temporarily unavailable"


async def test_a_loop_that_ended_does_not_wait_for_a_look_up(stalled: Stalled) -> None:
    async def ask() -> str:
        return (await connect("a.test", 1, SHORT)).reason

    ended = await anyio.to_thread.run_sync(asyncio.run, ask())

    assert ended == "connect to a.test:1: no answer within 0.05 s"
