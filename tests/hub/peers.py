"""A real hub on a real socket, and peers that speak `gz/1` to it as a stock Socket.IO client would."""

from __future__ import annotations

import asyncio
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import aiohttp
import anyio
import socketio
from aiohttp import web

from gleitzeit_extensions.protocol import CLIENTS, PROVIDERS, CallError
from gleitzeitd.core.process import State
from gleitzeitd.core.spec import ClassTarget, CommandTarget, Routing, Rules, Spec
from gleitzeitd.core.standing import Standing
from gleitzeitd.hub.access.entrance import HERE, Terms
from gleitzeitd.hub.access.tokens import Tokens
from gleitzeitd.hub.patience import Limits
from gleitzeitd.hub.registry import Facts
from gleitzeitd.hub.server import Hub

LOCAL = "the local token"
LIMITS = Limits()
PATIENCE = 10.0
RUNNING = Standing(State.RUNNING, True, None, "", registers=True, generation=1)
STARTING = Standing(State.STARTING, True, None, "", registers=True, generation=1)


def spec(name: str = "tool", **routing: Any) -> Spec:
    return Spec(name, "tool", ClassTarget("m.C"), routing=Routing(**routing))


def twins(**routing: Any) -> Spec:
    """A provider with two instances."""
    return replace(spec(**routing), instances=2)


def command(name: str = "tool") -> Spec:
    return Spec(name, "tool", CommandTarget(("sleep", "inf")), Rules(registers=False))


class Site:
    """The hub, what it said of its providers, and the peers connected to it."""

    def __init__(self, hub: Hub, path: str, port: int, facts: list[tuple[Any, ...]]) -> None:
        self.hub = hub
        self.path = path
        self.port = port
        self.facts = facts
        self.peers: list[socketio.AsyncClient] = []
        self.refusals: list[Any] = []

    async def peer(self, namespace: str, token: object = LOCAL, proto: int = 1, *, tcp: bool = False) -> Peer:
        client = socketio.AsyncClient(
            reconnection=False,
            handle_sigint=False,
            http_session=aiohttp.ClientSession(connector=None if tcp else aiohttp.UnixConnector(self.path)),
        )
        peer = Peer(client, namespace)
        self.peers.append(client)
        client.on("connect_error", self.refusals.append, namespace=namespace)
        await client.connect(
            f"http://127.0.0.1:{self.port}" if tcp else "http://hub",
            auth={"proto": proto, "token": token},
            namespaces=[namespace],
            transports=["websocket"],
            wait_timeout=10,
        )
        return peer

    def token(self, instance: str = "tool", generation: int = 1) -> str:
        """Of a life that is about to begin."""
        spec = self.hub.registry.spec(instance)
        assert spec is not None
        return self.hub.registry.expect(spec, instance, generation)

    def waiting(self, name: str = "tool") -> int:
        """How many calls wait for a provider."""
        return self.hub.registry.waiting().get(name, 0)

    async def provider(
        self, instance: str = "tool", *, tcp: bool = False, standing: Standing | None = None, **offer: Any
    ) -> Peer:
        """An instance of the daemon's own when the name is configured, else an external provider."""
        spec = self.hub.registry.spec(instance)
        token = self.token(instance) if spec else LOCAL
        if standing is not None:
            self.hub.registry.stands(instance, standing)
        peer = await self.peer(PROVIDERS, token, tcp=tcp)
        answer = await peer.register(name=spec.name if spec else instance, **offer)
        assert answer["ok"], answer
        return peer

    async def caller(self) -> Peer:
        return await self.peer(CLIENTS)


class Peer:
    """One connection; what arrives waits in a queue by its event."""

    def __init__(self, client: Any, namespace: str) -> None:
        self.client = client
        self.namespace = namespace
        self.arrived: dict[str, asyncio.Queue[Any]] = {}
        client.on("*", self._take, namespace=namespace)

    async def _take(self, event: str, data: Any = None) -> None:
        self.arrived.setdefault(event, asyncio.Queue()).put_nowait(data)

    async def next(self, event: str) -> Any:
        """The next `event` that arrives."""
        with anyio.fail_after(PATIENCE):
            return await self.arrived.setdefault(event, asyncio.Queue()).get()

    async def say(self, event: str, data: Any) -> None:
        await self.client.emit(event, data, namespace=self.namespace)

    async def register(self, **offer: Any) -> Any:
        return await self.client.call("register", offer, namespace=self.namespace, timeout=PATIENCE)

    async def ask(
        self, number: str = "1", provider: str | None = None, method: str = "add", **more: Any
    ) -> None:
        """Call the provider `tool`, unless something else is named."""
        if provider is not None or not more.keys() & {"model", "capability", "target"}:
            more["provider"] = provider or "tool"
        await self.say("invoke", {"id": number, "method": method, **more})

    async def answer(self) -> Any:
        """The result of a call; an error is raised."""
        result = await self.next("result")
        if not result["ok"]:
            raise CallError.read(result["error"])
        return result["result"]

    async def reply(self, result: Any) -> Any:
        """Answer the next call with `result`; the call."""
        invoke = await self.next("invoke")
        await self.say("result", {"id": invoke["id"], "ok": True, "result": result})
        return invoke

    async def refuse(self, code: str, message: str = "no", **detail: Any) -> Any:
        """Answer the next call with an error; the call."""
        invoke = await self.next("invoke")
        error = CallError(code, message, detail).wire()
        await self.say("result", {"id": invoke["id"], "ok": False, "error": error})
        return invoke

    async def failure(self) -> CallError:
        """The error that the next call ends with."""
        try:
            answer = await self.answer()
        except CallError as exc:
            return exc
        raise AssertionError(f"it was answered: {answer!r}")

    async def leave(self) -> None:
        await self.client.disconnect()


@asynccontextmanager
async def site(
    *specs: Spec,
    owns: bool = True,
    patience: Limits = LIMITS,
    app: web.Application | None = None,
    terms: Terms = HERE,
) -> AsyncIterator[Site]:
    """A hub for the given providers; `owns` answers whether a process belongs to an instance."""
    facts: list[tuple[Any, ...]] = []
    tell = Facts(
        registered=lambda *fact: facts.append(("registered", *fact)),
        said=lambda *fact: facts.append(("said", *fact)),
        disconnected=lambda *fact: facts.append(("disconnected", *fact)),
        drained=lambda *fact: facts.append(("drained", *fact)),
        failed=lambda *fact: facts.append(("failed", *fact)),
        stuck=lambda *fact: facts.append(("stuck", *fact)),
        owns=lambda *_: owns,
    )
    hub = Hub(specs, frozenset({"off"}), Tokens(LOCAL), tell, patience)
    for instance in (name for one in specs for name in one.instance_names):
        hub.registry.stands(instance, RUNNING)
    with tempfile.TemporaryDirectory() as directory:
        path = f"{directory}/hub.sock"
        unix, tcp = socket.socket(socket.AF_UNIX), socket.create_server(("127.0.0.1", 0))
        unix.bind(path)
        port = tcp.getsockname()[1]
        async with anyio.create_task_group() as tasks:
            await tasks.start(hub.run, [unix, tcp], app or web.Application(), terms)
            built = Site(hub, path, port, facts)
            try:
                yield built
            finally:
                for client in built.peers:
                    await client.disconnect()
                    await client.eio.http.close()
                tasks.cancel_scope.cancel()


async def until(ask: Any) -> None:
    """Wait until `ask()` is true."""
    with anyio.fail_after(PATIENCE):
        while not ask():  # noqa: ASYNC110 - the hub has nothing to wait on for a test
            await anyio.sleep(0.005)
