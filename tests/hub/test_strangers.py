"""Who has shown no token costs the hub little: no memory, no time and no log."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import ssl
import struct
import subprocess
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import psutil
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from gleitzeit_extensions.protocol import CLIENTS, MAX_FRAME, PROVIDERS
from gleitzeitd.hub.access import crowd, idle
from gleitzeitd.hub.access.door import Door
from gleitzeitd.hub.access.entrance import Terms
from gleitzeitd.hub.wire.websocket import MOST_OF_A_STRANGER
from tests.hub.peers import LOCAL, PATIENCE, Site, site, until
from tests.hub.raw import nothing_is_left, raw

pytestmark = pytest.mark.anyio
HANDSHAKE = (
    "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OTAxMjM0NQ==\r\n"
    "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
)
FRAME_OF_A_MESSAGE = b"\x81\xff" + struct.pack("!Q", MAX_FRAME) + bytes(4)
"""The beginning of a text of 16 MiB, masked with zeros."""


@asynccontextmanager
async def shaken(hub: Site) -> AsyncIterator[tuple[bytes, asyncio.StreamReader, asyncio.StreamWriter]]:
    """A WebSocket of bare bytes, with what the hub agreed to."""
    reader, writer = await asyncio.open_unix_connection(hub.path)
    writer.write(HANDSHAKE.encode())
    async with asyncio.timeout(PATIENCE):
        agreed = await reader.readuntil(b"\r\n\r\n")
    yield agreed, reader, writer
    writer.close()


async def flood(writer: asyncio.StreamWriter) -> int:
    """How much of a message could be sent until the hub hung up."""
    sent = 0
    with suppress(OSError):
        writer.write(FRAME_OF_A_MESSAGE)
        while sent < MAX_FRAME - 1:
            writer.write(b"x" * 16384)
            await writer.drain()
            sent += 16384
    return sent


async def test_of_who_has_shown_no_token_little_is_read() -> None:
    """Seen to fail with the library alone: each of thousands had 16 MiB kept for 10 s."""
    async with site() as hub:
        with capture_logs() as logs:
            for _ in range(3):
                async with shaken(hub) as (_, _, writer), asyncio.timeout(PATIENCE):
                    assert await flood(writer) < 2**20, "what fits into the sockets' buffers"
            await until(lambda: hub.hub.meter.refusals() == {"too_large": 3})
        assert len(logs) == 1
        await nothing_is_left(hub, 0)


async def test_little_is_read_of_who_does_not_read_us_either(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken once by counting from the end of the handshake: that waits for who takes nothing."""
    monkeypatch.setattr("aiohttp.http_writer.StreamWriter.drain", lambda _: asyncio.sleep(1000))
    async with site() as hub, shaken(hub) as (_, _, writer), asyncio.timeout(PATIENCE):
        assert await flood(writer) < 2**20


async def test_who_is_in_may_send_all_that_a_message_may_have() -> None:
    async with site() as hub, raw(hub) as peer:
        await peer.enter(PROVIDERS)
        await peer.say(PROVIDERS, "nothing", "x" * (MOST_OF_A_STRANGER * 10))
        assert 'there is no event \\"nothing\\"' in await peer.until(f'42{PROVIDERS},["error"')


async def test_nothing_is_compressed() -> None:
    """Of 16 KiB a stranger could make 16 MiB for us to unpack."""
    async with site() as hub, shaken(hub) as (agreed, _, _):
        assert b" 101 " in agreed
        assert b"permessage-deflate" not in agreed


async def test_many_who_speak_no_socket_io_are_one_line_in_the_log() -> None:
    """Broken once by a line for each: whoever could connect filled the disk."""
    async with site() as hub:
        with capture_logs() as logs:
            for number in range(5):
                async with raw(hub) as peer:
                    await peer.send(f"4 garbage {number}")
                    await peer.closed()
        assert hub.hub.meter.refusals() == {"protocol": 5}
        assert [line["event"] for line in logs] == ["refused"]


async def answered(port: int, asked: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(asked)
    answer = b""
    # what was not read of the question resets the connection
    with suppress(ConnectionError):
        async with asyncio.timeout(PATIENCE):
            while more := await reader.read(65536):
                answer += more
    writer.close()
    return answer


@pytest.mark.parametrize(
    "asked",
    [
        b"what?\r\n\r\n",
        b"GET /" + b"x" * 100_000,
        b"GET / HTTP/1.1\r\nHost: localhost\r\nA: " + b"x" * 100_000,
        b"GET / HTTP/1.1\r\nHost: \0\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 20_000,
    ],
)
async def test_what_is_no_http_is_answered_in_the_envelope_and_without_internals(
    asked: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Seen to fail with the library alone: it tells its version and Python's, and what it stumbled over."""
    async with site() as hub:
        head, _, body = (await answered(hub.port, asked)).partition(b"\r\n\r\n")
    assert caplog.records == [], "nor is it worth a line"
    assert head.startswith(b"HTTP/1.0 400 ")
    assert b"ython" not in head
    assert b"aiohttp" not in head
    assert json.loads(body)["error"]["code"] == "invalid_request"
    assert b"bytearray" not in body


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "OPTIONS", "TRACE"])
async def test_no_way_of_asking_is_a_line_in_the_log_each_time(
    method: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Broken once by handing all of them to the library."""
    asked = f"{method} /socket.io/?EIO=4&transport=websocket HTTP/1.0\r\nHost: localhost\r\n\r\n"
    async with site() as hub:
        with capture_logs() as logs:
            assert b" 405 " in await answered(hub.port, asked.encode())
    assert logs == []
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_a_body_that_cannot_be_unpacked_is_no_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Broken once: it is read after the answer, where aiohttp calls it unhandled."""
    asked = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnone"
    async with site() as hub:
        assert b" 404 " in await answered(hub.port, asked)
    assert caplog.records == []


async def test_a_mistake_of_ours_is_told_to_the_log_and_not_to_who_asked(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail(_: web.Request) -> web.Response:
        raise ValueError("of ours")

    app = web.Application()
    app.router.add_get("/", fail)
    async with site(app=app) as hub:
        answer = await answered(hub.port, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert b" 500 " in answer
    assert b"of ours" not in answer
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == ["of ours"]


async def test_who_hangs_up_at_once_is_no_line_in_the_log() -> None:
    """Broken once by a traceback for each, as of a mistake of ours."""
    async with site() as hub:
        with capture_logs() as logs:
            for _ in range(20):
                with socket.socket(socket.AF_UNIX) as peer:
                    peer.connect(hub.path)
                    peer.sendall(HANDSHAKE.encode())
                await asyncio.sleep(0)
            await nothing_is_left(hub, 0)
            await until(lambda: not hub.hub._entrance.crowd._guests)
        assert logs == []


@pytest.fixture
def runners(monkeypatch: pytest.MonkeyPatch) -> list[web.AppRunner]:
    """Of hubs that look for who is idle when a test does."""
    found: list[web.AppRunner] = []

    async def by_hand(_: idle.Idle, runner: web.AppRunner) -> None:
        found.append(runner)

    monkeypatch.setattr(idle.Idle, "sweep", by_hand)
    return found


async def test_who_asks_now_and_then_stays(runners: list[web.AppRunner]) -> None:
    async with site() as hub:
        reader, writer = await asyncio.open_connection("127.0.0.1", hub.port)
        among = hub.hub._entrance.crowd.idle
        for _ in range(3):
            writer.write(b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b" 404 " in await reader.readuntil(b"\r\n\r\n")
            among._look(runners[0])
        # what is on its way to who reads is waited for once more
        hung_up = asyncio.create_task(reader.read())
        async with asyncio.timeout(PATIENCE):
            while not hung_up.done():
                among._look(runners[0])
                await asyncio.sleep(0.01)
        writer.close()


@asynccontextmanager
async def answered_at_length(
    runners: list[web.AppRunner],
) -> AsyncIterator[tuple[asyncio.StreamReader, idle.Idle, web.AppRunner]]:
    """Who has asked for more than the kernel takes, and read no more than where it begins."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=bytes(LARGE))

    app = web.Application()
    app.router.add_get("/", answer)
    async with site(app=app) as hub:
        reader, writer = await asyncio.open_connection("127.0.0.1", hub.port, limit=2**16)
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        among = hub.hub._entrance.crowd.idle
        await until(lambda: not among._asking)
        yield reader, among, runners[0]
        writer.close()


async def test_who_reads_no_answer_is_not_waited_for(runners: list[web.AppRunner]) -> None:
    """Broken once by closing only: that waits, and a descriptor is held, until the last byte is read."""
    async with answered_at_length(runners) as (_, among, runner):
        assert runner.server is not None
        async with asyncio.timeout(PATIENCE):
            while runner.server.connections:
                among._look(runner)
                await asyncio.sleep(0.1)


async def test_who_reads_an_answer_slowly_is_let_finish(runners: list[web.AppRunner]) -> None:
    """Broken once by hanging up after a while, whatever had been read meanwhile."""
    async with answered_at_length(runners) as (reader, among, runner):
        for _ in range(LARGE // 2**20):
            left = unread(runner)
            among._look(runner)
            await reader.readexactly(2**20)
            await until(lambda left=left: not left or unread(runner) < left)


def test_who_has_left_already_has_nothing_to_read() -> None:
    """Of TLS the HTTP server hears so only in the loop's next round."""
    with socket.socket() as left:
        pass
    transport: Any = SimpleNamespace(get_extra_info=lambda _: left)
    assert idle._unread(transport) == 0


LARGE = 16 * 2**20


def unread(runner: web.AppRunner) -> int:
    """Bytes that wait for the one connection."""
    assert runner.server is not None
    (one,) = runner.server.connections
    assert one.transport is not None, "it was hung up on"
    return idle._unread(one.transport)


async def test_who_asks_nothing_is_counted_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken once by counting requests alone: who sent none was let in until descriptors ran out."""
    monkeypatch.setattr(crowd, "SPARE", 3)
    monkeypatch.setattr(Door, "_warned_at", float("-inf"))
    async with site(terms=Terms(most=2)) as hub:
        with capture_logs() as logs, ExitStack() as held:
            while not logs and (before := open_at(hub.port)) < 50:
                held.enter_context(socket.create_connection(("127.0.0.1", hub.port))).send(b"GET / HTT")
                # of all that come at once, as many are let in as the backlog holds
                await until(lambda before=before: logs or open_at(hub.port) > before)
            await until(lambda: open_at(hub.port) <= 5)
            # the idle made room: who comes now is let in
            await hub.peer(CLIENTS, LOCAL, tcp=True)
        assert {line["event"] for line in logs} == {"connections are refused: there are too many"}
        assert len(logs) == 1


async def test_who_comes_by_the_unix_socket_takes_no_room_of_others_and_gives_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Broken once by counting all: more providers than `max_connections`, and nobody else got in."""
    monkeypatch.setattr(crowd, "SPARE", 3)
    async with site(terms=Terms(most=2)) as hub:
        for _ in range(6):
            await hub.peer(CLIENTS)
        silent = socket.socket(socket.AF_UNIX)
        silent.connect(hub.path)
        await hub.peer(CLIENTS, LOCAL, tcp=True)

        with silent, ExitStack() as held:
            for _ in range(20):
                held.enter_context(socket.create_connection(("127.0.0.1", hub.port)))
                await asyncio.sleep(0.01)
            silent.setblocking(False)
            with pytest.raises(BlockingIOError):
                silent.recv(1)


async def test_who_does_not_end_a_tls_handshake_is_counted_as_well(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Broken once by counting whom the HTTP server knows."""
    monkeypatch.setattr(crowd, "SPARE", 3)
    monkeypatch.setattr(Door, "_warned_at", float("-inf"))
    async with site(terms=Terms(most=2, tls=certified(tmp_path))) as hub:
        with capture_logs() as logs, ExitStack() as held:
            for _ in range(5):
                held.enter_context(socket.create_connection(("127.0.0.1", hub.port)))
            await until(lambda: open_at(hub.port) == 5)
            reader, writer = await asyncio.open_connection("127.0.0.1", hub.port)
            with anyio.fail_after(PATIENCE):
                assert await reader.read() == b""
            writer.close()
        assert {line["event"] for line in logs} == {"connections are refused: there are too many"}


def certified(directory: Path) -> ssl.SSLContext:
    key, pem = directory / "key", directory / "pem"
    words = ["-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-keyout", str(key), "-out", str(pem)]
    subprocess.run(["openssl", "req", "-x509", *words], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key)
    return context


def open_at(port: int) -> int:
    """Connections that the hub holds at its port."""
    own = psutil.Process().net_connections("tcp")
    return sum(one.laddr[1] == port and one.status == psutil.CONN_ESTABLISHED for one in own)
