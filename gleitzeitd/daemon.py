"""The one room that wires the parts: each wing gets the callbacks it needs of the others."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import structlog

from gleitzeit_extensions import places
from gleitzeit_extensions.version import VERSION
from gleitzeitd import listening, premises
from gleitzeitd.certificate import Certificate
from gleitzeitd.config.history import History
from gleitzeitd.config.watch import watch_config
from gleitzeitd.control.events import Journal
from gleitzeitd.control.reload import Reload
from gleitzeitd.control.server import About, Control
from gleitzeitd.core import events
from gleitzeitd.core.errors import OccupiedError
from gleitzeitd.core.events import End
from gleitzeitd.core.plan import Action, Plan
from gleitzeitd.core.process import Process
from gleitzeitd.core.spec import House
from gleitzeitd.core.standing import Standing
from gleitzeitd.hub.access.entrance import Terms
from gleitzeitd.hub.access.keeper import Keeper
from gleitzeitd.hub.access.tokens import Tokens, new_token
from gleitzeitd.hub.registry import Facts
from gleitzeitd.hub.server import Hub
from gleitzeitd.launches import Launches
from gleitzeitd.listening import ANEW, Kept
from gleitzeitd.processes.callbacks import Callbacks
from gleitzeitd.processes.containment.enclosure import enclosure
from gleitzeitd.processes.containment.predecessor import clear_predecessor
from gleitzeitd.processes.renewal import Renewal
from gleitzeitd.processes.supervisor import Supervisor
from gleitzeitd.service import Service
from gleitzeitd.systemd import Manager

log = structlog.get_logger("gleitzeitd")


AGAIN = 1.0
"""Seconds until what helps goes on after a mistake of ours in it."""


class Daemon:
    """One daemon on one house."""

    def __init__(
        self,
        house: House,
        control: str,
        *,
        search_here: bool = False,
        manager: Manager = Manager(),  # noqa: B008 - it is frozen
        kept: Kept = ANEW,
    ) -> None:
        """`control`: its control socket's path; `search_here`: the current directory may have classes;
        `manager`: whoever wants to be told how it is; `kept`: the sockets of its life before."""
        house = replace(house, transient=premises.transient(control))
        self.house = house
        self.control_path = control
        self.search_here = search_here
        self._kept = kept
        self.token = new_token()
        self.about = About(os.path.abspath(house.path), control, (), 0.0)
        self.journal = Journal()
        self.tokens = Tokens(self.token)
        self.hub = Hub(house.specs, house.disabled, self.tokens, self._facts())
        self.launches = Launches(house, control, self.hub.registry.expect, search_here=search_here)
        logs, slots = premises.logs_directory(), house.parallel_starts
        self.about.logs = str(logs)
        self.supervisor = Supervisor(house.specs, logs, self._callbacks(), slots)
        self._service = Service(manager, self.supervisor, control)
        history = History(Path(places.state_directory(), "history"), self.about.config)
        self.reload = Reload(
            house,
            history,
            self.supervisor,
            self.hub.know,
            self._applied,
            lambda: self.renewal.look(),
            self.journal.house,
        )
        self.renewal = Renewal(
            self.supervisor,
            lambda: self.reload.house.specs,
            lambda: [failure.wanted for failure in self.reload.failures.values()],
            self.launches.python_path,
            self._source_changed,
        )

    async def run(self) -> None:
        """Bind everything, start the providers, serve until a signal or a shutdown. Raises OccupiedError."""
        with self.hold():
            await self.serve()

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Hold the lock, the sockets and the token file. Raises OccupiedError."""
        with contextlib.ExitStack() as held:
            held.enter_context(premises.lock(self.control_path))
            record = premises.record(self.control_path)
            clear_predecessor(record)
            self._enclosure = held.enter_context(enclosure(record, self.house.specs))
            self._control = held.enter_context(self._unix(self.control_path, 0o660, group=True))
            premises.clear_transient(self.house.transient)
            self._keeper = self._named_tokens()
            files = self.house.tls
            self._certificate = None if files is None else Certificate(files, self.journal.house)
            tls = None if self._certificate is None else self._certificate.context
            host = urlsplit(self.house.server_url).hostname or "localhost"
            self._terms = Terms(host, self.house.max_connections, tls)
            tcp = listening.tcp_sockets(self.house.server_url, self._kept)
            for one in tcp:
                held.enter_context(one)
            unix = held.enter_context(self._unix(places.hub_socket(self.control_path), 0o666))
            self._kept.drop_the_rest()
            held.enter_context(premises.token_file(self.control_path, self.token))
            self.about.hub = tuple(_url(one, "https" if tls else "http") for one in tcp)
            self.launches.hub_url = self.about.hub[0]
            self._listening = [unix, *tcp]
            yield

    def _unix(self, path: str, mode: int, group: bool = False) -> AbstractContextManager[socket.socket]:
        return listening.unix_socket(path, mode, group, self._kept)

    def _named_tokens(self) -> Keeper:
        """Those that were made before, and who makes more. Raises OccupiedError."""
        path = premises.tokens_file(self.control_path)
        text = premises.read_kept(path)
        try:
            return Keeper(self.tokens, text, partial(premises.keep, path), self.hub.revoked)
        except ValueError as exc:
            way_out = "mend it, or move it away and make the tokens anew"
            raise OccupiedError(f"{path} is damaged: {way_out} ({exc})") from exc

    async def serve(self) -> None:
        """Run what is held, until a signal or a shutdown."""
        async with anyio.create_task_group() as tasks:
            # Heard before the first spawn and until the last socket is closed.
            await tasks.start(self._hear)
            await self._serve()
            tasks.cancel_scope.cancel()

    async def _serve(self) -> None:
        self.about.started = anyio.current_time()
        for name, instance in self.supervisor.instances.items():
            self.hub.registry.stands(name, Standing.of(instance.process))
        async with anyio.create_task_group() as tasks:
            control = Control(self.supervisor, self.hub, self.about, self.reload, self._keeper, self.journal)
            await tasks.start(self.hub.run, self._listening, control.app(), self._terms)
            tasks.start_soon(self._keeper.run)
            await tasks.start(control.run, self._control)
            await tasks.start(self.supervisor.run, self._enclosure)
            tasks.start_soon(_kept_up, self._service.feed_the_watchdog)
            tasks.start_soon(_kept_up, self._service.report)
            await self._serve_until_shutdown()
            self.about.state = "stopping"
            log.info("daemon stops")
            self.journal.house("the daemon stops")
            tasks.start_soon(self._service.take_time)
            # Who is being stopped already keeps the time that it has.
            self.supervisor.stop_all(hurries=False)
            await self.supervisor.until(self.supervisor.at_rest)
            tasks.cancel_scope.cancel()

    async def _serve_until_shutdown(self) -> None:
        """Changes that are under way then are given up, and everything stops as it is."""
        async with anyio.create_task_group() as tasks:
            await tasks.start(self.reload.changes.run)
            self.about.state = "running"
            hub = self.about.hub[0]
            log.info("daemon runs", config=self.about.config, control=self.control_path, hub=hub)
            self._service.is_ready()
            self.journal.house(f"the daemon runs, version {VERSION}")
            if self.house.auto_start:
                for name in self.supervisor.instances:
                    self.supervisor.tell(name, events.Start())
            tasks.start_soon(_kept_up, self.reload.run)
            watch = partial(watch_config, self.about.config, self.reload.stir, self.reload.save)
            tasks.start_soon(_kept_up, watch)
            tasks.start_soon(_kept_up, self.renewal.run)
            if self._certificate:
                tasks.start_soon(_kept_up, self._certificate.run)
            await self.about.shutdown.wait()
            tasks.cancel_scope.cancel()

    def _applied(self, plan: Plan) -> None:
        """What is wanted is that plan's house from now on."""
        with self._service.reloading():
            self.hub.registry.disable(plan.house.disabled)
            changed = plan.of(Action.ADDED, Action.RESTART)
            self._enclosure.enforce(step.spec for step in changed if step.spec is not None)
            self.renewal.look()

    def _source_changed(self, provider: str) -> None:
        log.info("source changed", name=provider)
        self.reload.renew(provider)

    async def _hear(self, *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """SIGHUP reloads, unless it says that the terminal is gone. The first other one stops; each further
        one presses harder."""
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
            task_status.started()
            async for number in signals:
                if number is signal.SIGHUP and not self.search_here:
                    self.reload.ask()
                    continue
                if self.about.shutdown.is_set():
                    self.supervisor.stop_all(hurries=True)
                self.about.shutdown.set()

    # What the processes need of the hub.
    def _callbacks(self) -> Callbacks:
        return Callbacks(
            launch=self.launches.launch,
            drain=self.hub.drain,
            changed=self._changed,
            exited=self._exited,
            retired=self.hub.registry.retire,
            noted=self.journal.life,
            forgotten=self.hub.registry.forget,
        )

    def _changed(self, before: Process, after: Process, leads: bool) -> None:
        if leads:
            self.renewal.follow(before, after)
        standing = Standing.of(after)
        if standing != Standing.of(before):
            self.hub.registry.stands(after.name, standing, leads=leads)

    def _exited(self, name: str, generation: int, end: End, lines: list[str]) -> None:
        self.hub.registry.exited(name, generation, str(end), {"exit_status": end.code, "stderr": lines})

    # What the hub needs of the processes.
    def _facts(self) -> Facts:
        tell = self._tell
        return Facts(
            registered=lambda name, generation, ready: tell(name, events.Registered(generation, ready)),
            said=lambda name, generation, ready, reason: tell(name, events.Said(generation, ready, reason)),
            disconnected=lambda name, generation: tell(name, events.Disconnected(generation)),
            drained=lambda name, generation: tell(name, events.Drained(generation)),
            failed=lambda name, generation, reason: tell(name, events.Failed(generation, reason)),
            # Other calls of its may be in good hands: those end before it does.
            stuck=lambda name, generation, reason: tell(name, events.Outgrew(generation, reason)),
            owns=self._owns,
        )

    def _tell(self, name: str, event: events.Event) -> None:
        # The hub is made before the supervisor, and tells it nothing before both run.
        self.supervisor.tell(name, event)

    def _owns(self, name: str, generation: int, pid: int) -> bool:
        leader = self.supervisor.pid(name, generation)
        with contextlib.suppress(ProcessLookupError):
            return leader is not None and (pid == leader or os.getsid(pid) == leader)
        return False


async def _kept_up(run: Callable[[], Awaitable[None]]) -> None:
    """The providers must not pay with their lives for a mistake of ours in what only helps them."""
    while True:
        try:
            await run()
        except Exception:
            log.exception("internal error")
        await anyio.sleep(AGAIN)


def _url(bound: socket.socket, scheme: str) -> str:
    host, port = bound.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if bound.family == socket.AF_INET6 else f"{scheme}://{host}:{port}"
