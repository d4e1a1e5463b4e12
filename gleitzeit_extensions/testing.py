"""For the tests of a provider: it runs in the test's own process, at a real hub that is made for it.

`serving` is for tests that are coroutines, `served` for all others; with `pytest_plugins =
["gleitzeit_extensions.testing"]` the latter is the fixture `serve`. `docs/testing.md` shows how. The daemon
is imported when the first provider is served, and no process is started.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from gleitzeit_extensions.client import Client, SyncClient
from gleitzeit_extensions.context import Launch
from gleitzeit_extensions.link import Link
from gleitzeit_extensions.methods import subject_of
from gleitzeit_extensions.socketio_provider_client import DEFAULT_SERVER_URL, SocketIOProviderClient
from gleitzeit_extensions.waiting import ended, first

if TYPE_CHECKING:
    from aiohttp import web

    from gleitzeitd.hub.server import Hub

LINK = "_SocketIOProviderClient__link"
"""Where a provider has its connection."""

PING = "AsyncSocket._send_ping"
"""What the library calls the task that keeps a connection alive."""

PATIENCE = 10.0
"""Seconds that a `run()` of the author's may take to end after the provider was stopped."""

POLL = 0.005
"""Seconds between two looks at whether an extension has been set up."""

Served = SocketIOProviderClient | Callable[[], SocketIOProviderClient]
"""A provider, or what makes one where it has to be made in the loop that it runs in."""


class Address(NamedTuple):
    url: str
    token: str


@asynccontextmanager
async def serving(provider: Served) -> AsyncIterator[Client]:
    """Serve the provider in this event loop; a client of the hub that it is registered with.

    Its registration, its arguments and errors, streams and cancelling are all as they are under a daemon.
    What fails in it is logged with its traceback, which pytest shows below a test that failed. Raises
    ConnectionError when the hub does not want the provider.
    """
    async with _site(provider) as address, Client(address.url, token=address.token) as client:
        yield client


@contextmanager
def served(provider: Served) -> Iterator[SyncClient]:
    """The same for a test without an event loop: the provider runs in that of a thread."""
    from anyio.from_thread import start_blocking_portal

    with (
        start_blocking_portal("asyncio") as portal,
        portal.wrap_async_context_manager(_site(provider)) as address,
        SyncClient(address.url, token=address.token) as client,
    ):
        yield client


def extension(name: str, directory: str | Path, **config: Any) -> Served:
    """The extension of that name in that directory, to be served as a daemon would: by its own rules.

    `config` is what its block in a providers.yaml would give it.
    """

    def make() -> SocketIOProviderClient:
        from gleitzeit_extensions.extensions import hosting

        return hosting.make(name, [str(directory)], config, Launch(name, name, DEFAULT_SERVER_URL))

    return make


@asynccontextmanager
async def _site(provider: Served) -> AsyncIterator[Address]:
    """A hub, and the provider registered with it. Only this machine can reach it, and only with its token."""
    made = provider if isinstance(provider, SocketIOProviderClient) else provider()
    token = secrets.token_hex(32)
    with _logs(), socket.create_server(("127.0.0.1", 0)) as listening:
        address = Address(f"http://127.0.0.1:{listening.getsockname()[1]}", token)
        async with _running_hub(listening, token) as hub, _registered(made, hub, address):
            yield address


@asynccontextmanager
async def _running_hub(listening: socket.socket, token: str) -> AsyncIterator[Hub]:
    (hub, app), ready, others = _made(token), asyncio.Event(), _pings()

    async def run() -> None:
        from anyio import create_task_group

        async with create_task_group() as tasks:
            await tasks.start(hub.run, [listening], app)
            ready.set()

    # A task of its own: pytest may run the two halves of a fixture in different ones.
    running = asyncio.create_task(run())
    try:
        await first(ready.wait(), asyncio.wait([running]))
        if running.done():
            running.result()
        yield hub
    finally:
        await ended(running, *(_pings() - others))


def _pings() -> set[asyncio.Task[Any]]:
    """Those of Engine.IO, which sleep on for a while when their connection is over."""
    return {task for task in asyncio.all_tasks() if PING in repr(task.get_coro())}


class _Link(Link):
    """One that says when it is made, and what the author does then is done."""

    def __init__(self, provider: SocketIOProviderClient, address: Address) -> None:
        super().__init__(provider, Launch(provider.name, provider.name, address.url, token=address.token))
        self.made = asyncio.Event()

    async def connect(self) -> None:
        await super().connect()
        self.made.set()


@asynccontextmanager
async def _registered(provider: SocketIOProviderClient, hub: Hub, address: Address) -> AsyncIterator[None]:
    """Its whole life, as its `run()` has it."""
    elsewhere, provider.server_url = provider.server_url, address.url
    link = _Link(provider, address)
    setattr(provider, LINK, link)
    running = asyncio.create_task(provider.run())
    try:
        await first(_until_up(provider, hub, link), asyncio.wait([running]))
        if running.done():
            running.result()
            raise RuntimeError(f'run() of "{provider.name}" returned before anybody could call it')
        yield
    finally:
        try:
            await provider.stop()
            await asyncio.wait([running], timeout=PATIENCE)
        finally:
            await ended(running)
            setattr(provider, LINK, None)
            provider.server_url = elsewhere
    if not running.cancelled():
        running.result()


async def _until_up(provider: SocketIOProviderClient, hub: Hub, link: _Link) -> None:
    """A provider may mean to be called later; but an extension's `setup()` has to return first."""
    await link.made.wait()
    if subject_of(provider) is not provider:
        while not any(one.is_ready for one in hub.registry.registrations(provider.name)):  # noqa: ASYNC110
            await asyncio.sleep(POLL)


def _made(token: str) -> tuple[Hub, web.Application]:
    """A hub of no daemon, and the API that clients speak to it. Nothing of it touches the disk."""
    from gleitzeitd.config.history import History
    from gleitzeitd.control.events import Journal
    from gleitzeitd.control.reload import Reload
    from gleitzeitd.control.server import About, Control
    from gleitzeitd.core.spec import House
    from gleitzeitd.hub.access.keeper import Keeper
    from gleitzeitd.hub.access.tokens import Tokens
    from gleitzeitd.hub.registry import Facts
    from gleitzeitd.hub.server import Hub
    from gleitzeitd.processes.callbacks import Callbacks
    from gleitzeitd.processes.launch import Launch as Spawn
    from gleitzeitd.processes.supervisor import Supervisor

    def nothing(*_: object) -> None:
        """It supervises nobody, so it has nobody to tell."""

    def never(*_: object) -> Spawn:
        raise AssertionError("a test's hub starts no process")

    tokens, nowhere = Tokens(token), Path("/dev/null")
    facts = Facts(nothing, nothing, nothing, nothing, nothing, nothing, owns=lambda *_: False)
    hub = Hub((), frozenset(), tokens, facts)
    callbacks = Callbacks(never, nothing, nothing, nothing, nothing, nothing, nothing)
    supervisor = Supervisor((), nowhere, callbacks)
    reload = Reload(House(str(nowhere), ()), History(nowhere, ""), supervisor, nothing, nothing, lambda: None)
    about = About("", "", (), 0.0, state="running")
    return hub, Control(
        supervisor, hub, about, reload, Keeper(tokens, None, nothing, hub.revoked), Journal()
    ).app()


@contextmanager
def _logs() -> Iterator[None]:
    """What fails in the provider is logged with its traceback, and what the hub says is logged like it."""
    import structlog

    log = logging.getLogger("gleitzeit")
    level, before = log.level, structlog.get_config()
    log.setLevel(logging.DEBUG)
    # It would print to stdout otherwise, where a test may look for what the provider prints.
    structlog.configure(
        processors=[
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["event"]),
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    try:
        yield
    finally:
        log.setLevel(level)
        structlog.configure(**before)


if "pytest" in sys.modules:
    # As a plugin of pytest's: whoever has no pytest needs none.
    import pytest

    @pytest.fixture
    def serve() -> Iterator[Callable[[Served], SyncClient]]:
        """Serves the provider that it is given until the test ends, and gives a client to call it with."""
        with ExitStack() as stack:

            def start(provider: Served) -> SyncClient:
                running: AbstractContextManager[SyncClient] = served(provider)
                return stack.enter_context(running)

            yield start
