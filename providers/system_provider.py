"""The machine it runs on: commands that its config allows, and what psutil tells."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any, Literal

from gleitzeit_extensions import (
    CallError,
    InvalidRequest,
    SocketIOProviderClient,
    current_call,
    idempotent,
)
from providers.system_commands import INHERITED, Command, Late, Running, running

Item = dict[str, Any]
Given = dict[str, str | int | float]
PIECE = 64 * 1024
"""Bytes that are read at once."""
MOST_PROCESSES = 1000
LATE = 0.5
"""Seconds in which is read what a command printed whose watcher was killed."""


class SystemProvider(SocketIOProviderClient):
    """Runs commands that the config allows, without a shell, and tells how the machine is."""

    checks_config = True

    def __init__(
        self,
        commands: dict[str, list[str]] | None = None,
        timeout: float = 30.0,
        max_output: int = 1024 * 1024,
        max_memory: int = 0,
        cwd: str | None = None,
        env: dict[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        """Without `commands` nothing can be run.

        Args:
            commands: What may be run: a name, and the program with its arguments as a list, in which
                `{name}` stands for what the caller gives. It stays one argument, and cannot become an option.
            timeout: Seconds that a command may take; the call's own deadline may be sooner.
            max_output: Bytes of stdout, and as many of stderr, that are kept; the rest is thrown away.
            max_memory: Bytes of address space that each process of a command may have; 0 for no limit.
            cwd: The directory in which commands run; else the provider's own.
            env: Variables for commands, beside PATH, HOME, USER, TMPDIR, language and time zone.
        """
        kwargs.setdefault("provider_type", "tool")
        kwargs.setdefault("capabilities", ["system"])
        kwargs.setdefault("description", "Runs allowed commands, and tells how the machine is")
        super().__init__(**kwargs)
        for key, value in {"timeout": timeout, "max_output": max_output}.items():
            if not value > 0:
                raise ValueError(f"config.{key} is {value}: it is more than 0")
        if max_memory < 0:
            raise ValueError(f"config.max_memory is {max_memory}: it is 0, for no limit, or more")
        self._timeout, self._max_output = timeout, max_output
        self._limits = {"AS": max_memory} if max_memory else {}
        if cwd is not None and not os.path.isdir(cwd):
            raise ValueError(f"config.cwd: there is no directory {cwd}")
        self._cwd = cwd
        own = {name: os.environ[name] for name in INHERITED if name in os.environ}
        self._environment = own | (env or {})
        self._commands = {
            name: Command.read(name, words, self._environment.get("PATH"))
            for name, words in (commands or {}).items()
        }

    @idempotent
    async def commands(self) -> list[Item]:
        """What may be run: `[{name, words, parameters}]`."""
        return [
            {"name": one.name, "words": list(one.words), "parameters": one.parameters}
            for one in self._commands.values()
        ]

    async def execute(self, command: str, arguments: Given | None = None, stdin: str = "") -> Item:
        """Run a command to its end: `{exit_code or signal, stdout, stderr, truncated, seconds}`.

        Args:
            command: The name of one that the config allows.
            arguments: A value for each of its parameters.
            stdin: What it can read.
        """
        began = time.monotonic()
        kept = {"stdout": bytearray(), "stderr": bytearray()}
        truncated = False
        async with self._started(command, arguments, stdin) as it:
            async with aclosing(_output(it)) as pieces:
                async for stream, data in pieces:
                    room = self._max_output - len(kept[stream])
                    kept[stream] += data[: max(room, 0)]
                    truncated = truncated or len(data) > room
            end = await it.ended()
        said = {stream: bytes(data).decode(errors="replace") for stream, data in kept.items()}
        return {**end, **said, "truncated": truncated, "seconds": round(time.monotonic() - began, 3)}

    async def stream(
        self, command: str, arguments: Given | None = None, stdin: str = ""
    ) -> AsyncIterator[Item]:
        """Run a command, and give its output as it comes: `{stream, text, done}`.

        The last item is done, with `exit_code` or `signal`. After `max_output` bytes no more comes.

        Args:
            command: The name of one that the config allows.
            arguments: A value for each of its parameters.
            stdin: What it can read.
        """
        import codecs

        left = {"stdout": self._max_output, "stderr": self._max_output}
        decoders = {stream: codecs.getincrementaldecoder("utf-8")("replace") for stream in left}
        truncated = False
        async with self._started(command, arguments, stdin) as it:
            async with aclosing(_output(it)) as pieces:
                async for stream, data in pieces:
                    text = decoders[stream].decode(data[: left[stream]])
                    truncated = truncated or len(data) > left[stream]
                    left[stream] = max(left[stream] - len(data), 0)
                    if text:
                        yield {"stream": stream, "text": text, "done": False}
            end = await it.ended()
        yield {"stream": "stdout", "text": "", "done": True, **end, "truncated": truncated}

    @idempotent
    def processes(
        self,
        sort: Literal["memory", "cpu", "pid"] = "memory",
        name: str = "",
        limit: int = 50,
        offset: int = 0,
    ) -> Item:
        """What runs: `{processes: [{pid, name, user, status, memory, cpu_seconds, started}], total}`.

        Command lines are not shown, since many hold secrets.

        Args:
            sort: By resident memory or CPU time, the largest first, or by pid.
            name: Only those whose name has this in it.
            limit: How many at most, up to 1000.
            offset: How many to leave out, for the next page.
        """
        if limit < 1 or offset < 0:
            raise InvalidRequest("limit is 1 or more, and offset 0 or more")
        found = _processes(name)
        order = {"memory": "memory", "cpu": "cpu_seconds", "pid": "pid"}[sort]
        found.sort(key=lambda one: one[order] or 0, reverse=sort != "pid")
        return {"processes": found[offset : offset + min(limit, MOST_PROCESSES)], "total": len(found)}

    @idempotent
    def cpu(self) -> Item:
        """The processors: `{count, used, load}`; used in percent of each, load over 1, 5, 15 minutes."""
        import psutil

        used = psutil.cpu_percent(interval=0.1, percpu=True)
        return {"count": len(used), "used": used, "load": list(os.getloadavg())}

    @idempotent
    def memory(self) -> Item:
        """Memory and swap in bytes: `{total, available, used, swap_total, swap_used}`."""
        import psutil

        ram, swap = psutil.virtual_memory(), psutil.swap_memory()
        told = {"total": ram.total, "available": ram.available, "used": ram.used}
        return {**told, "swap_total": swap.total, "swap_used": swap.used}

    @idempotent
    def disks(self) -> list[Item]:
        """File systems on disks: `[{path, device, type, total, used, free}]`, in bytes."""
        return _disks()

    @idempotent
    def network(self) -> list[Item]:
        """Network interfaces: `[{name, up, addresses, sent, received}]`, in bytes since they were set up."""
        return _network()

    @asynccontextmanager
    async def _started(self, name: str, arguments: Given | None, stdin: str) -> AsyncIterator[Running]:
        """The command, until its time is over; at the end nothing of it is left."""
        command = self._commands.get(name)
        if command is None:
            allowed = ", ".join(self._commands) or "nothing, as its config has no `commands`"
            raise InvalidRequest(f'"{self.name}" does not run "{name:.100}": it may run {allowed}')
        argv = command.argv(arguments or {})
        call = current_call()
        left = call.seconds_left if call else None
        seconds = self._timeout if left is None else min(self._timeout, left)
        try:
            async with running(argv, self._environment, self._cwd, self._limits, seconds) as it:
                feeding = asyncio.ensure_future(_feed(it, stdin))
                try:
                    yield it
                finally:
                    feeding.cancel()
        except Late as exc:
            sentence = f'"{name}" took longer than {seconds:g} s, and was ended with all that it started'
            raise CallError("deadline_exceeded", sentence) from exc


async def _feed(it: Running, text: str) -> None:
    assert it.process.stdin is not None
    with suppress(ConnectionError):  # it need not read
        it.process.stdin.write(text.encode(errors="replace"))
        await it.process.stdin.drain()
        it.process.stdin.close()


async def _output(it: Running) -> AsyncGenerator[tuple[str, bytes]]:
    """What it prints, `stdout` and `stderr` as they come."""
    pieces: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue(4)

    async def read(name: str, stream: asyncio.StreamReader) -> None:
        while data := await stream.read(PIECE):
            await pieces.put((name, data))
        await pieces.put((name, b""))

    async def give_up() -> None:
        """Its watcher was killed: somebody may have its output for ever."""
        if not await it.told():
            await asyncio.sleep(LATE)
            await pieces.put(("", b""))

    assert it.process.stdout is not None
    assert it.process.stderr is not None
    readers = [
        asyncio.ensure_future(read("stdout", it.process.stdout)),
        asyncio.ensure_future(read("stderr", it.process.stderr)),
        asyncio.ensure_future(give_up()),
    ]
    try:
        left = 2
        while left:
            name, data = await pieces.get()
            if data:
                yield name, data
            else:
                left -= 1 if name else left
    finally:
        for reader in readers:
            reader.cancel()
        await asyncio.wait(readers)


def _processes(name: str) -> list[Item]:
    import psutil

    wanted = ["pid", "name", "username", "status", "memory_info", "cpu_times", "create_time"]
    found = []
    for process in psutil.process_iter(wanted):
        info: Mapping[str, Any] = process.info
        if name.lower() in (info["name"] or "").lower():
            memory, cpu = info["memory_info"], info["cpu_times"]
            found.append(
                {
                    "pid": info["pid"],
                    "name": info["name"],
                    "user": info["username"],
                    "status": info["status"],
                    "memory": memory.rss if memory else None,
                    "cpu_seconds": round(cpu.user + cpu.system, 2) if cpu else None,
                    "started": info["create_time"],
                }
            )
    return found


def _disks() -> list[Item]:
    import psutil

    found = []
    for part in psutil.disk_partitions(all=False):
        with suppress(OSError):  # of another user, or gone meanwhile
            usage = psutil.disk_usage(part.mountpoint)
            described = {"path": part.mountpoint, "device": part.device, "type": part.fstype}
            found.append({**described, "total": usage.total, "used": usage.used, "free": usage.free})
    return found


def _network() -> list[Item]:
    import psutil

    addresses, counters = psutil.net_if_addrs(), psutil.net_io_counters(pernic=True)
    return [
        {
            "name": name,
            "up": stats.isup,
            "addresses": [one.address for one in addresses.get(name, ())],
            "sent": counters[name].bytes_sent if name in counters else None,
            "received": counters[name].bytes_recv if name in counters else None,
        }
        for name, stats in psutil.net_if_stats().items()
    ]
