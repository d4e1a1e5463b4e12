"""Descriptors are kept in reserve: clients cannot take the last ones."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import pytest
from socketio.exceptions import ConnectionError as Refused
from structlog.testing import capture_logs

from gleitzeit_extensions.protocol import CLIENTS
from gleitzeitd.hub.access.door import Door
from tests.hub.peers import PATIENCE, site, spec

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _not_warned_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Door, "_warned_at", float("-inf"))


def pretend_a_limit_of(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))


def lowest_free() -> int:
    number = os.dup(0)
    os.close(number)
    return number


@contextmanager
def taken(up_to: int) -> Iterator[None]:
    """All descriptors up to that number."""
    numbers = [os.dup(0)]
    while numbers[-1] < up_to:
        numbers.append(os.dup(0))
    try:
        yield
    finally:
        for number in numbers:
            os.close(number)


def connect(door: Door) -> socket.socket:
    return socket.create_connection(door.getsockname(), timeout=PATIENCE)


@pytest.mark.parametrize(("limit", "last"), [(1024, 895), (80, 59)])
def test_a_client_that_would_take_of_the_reserve_is_turned_away(
    limit: int, last: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen to fail with a reserve one larger and one smaller."""
    pretend_a_limit_of(limit, monkeypatch)
    with Door.of(socket.create_server(("127.0.0.1", 0))) as door, connect(door) as client:
        with taken(last), pytest.raises(ConnectionAbortedError) as turned_away:
            door.accept()
        assert client.recv(1) == b"", turned_away
        with connect(door), taken(last - 1):
            accepted, _ = door.accept()
            with accepted:
                assert accepted.fileno() == last


def test_many_refusals_are_one_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_a_limit_of(4, monkeypatch)
    with capture_logs() as said, Door.of(socket.create_server(("127.0.0.1", 0))) as door:
        for _ in range(20):
            with connect(door), pytest.raises(ConnectionAbortedError):
                door.accept()
    (line,) = said
    assert (line["log_level"], line["limit"]) == ("warning", 4)


async def test_the_hub_has_such_a_door(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_a_limit_of(4, monkeypatch)
    async with site(spec()) as hub:
        for tcp in (True, False):
            with pytest.raises(Refused):
                await hub.peer(CLIENTS, tcp=tcp)


async def test_descriptors_that_are_used_up_are_said_once_and_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Seen to fail with a plain socket: asyncio says so as often as its backlog is long, each second."""
    monkeypatch.setattr("asyncio.constants.ACCEPT_RETRY_DELAY", 0.0)
    loop = asyncio.get_running_loop()
    failed, served = asyncio.Event(), asyncio.Event()
    reports: list[Any] = []

    class Greeting(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            transport.close()
            served.set()

    def report(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        reports.append(context["message"])
        failed.set()

    loop.set_exception_handler(report)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    door = Door.of(socket.create_server(("127.0.0.1", 0)))
    async with await loop.create_server(Greeting, sock=door, backlog=1024):
        with connect(door), anyio.fail_after(PATIENCE):
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free(), hard))
                await failed.wait()
                assert reports == ["socket.accept() out of system resource"]
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            await served.wait()
