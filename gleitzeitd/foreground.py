"""The daemon as someone at a terminal sees it: providers' output with their names, and what to try."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shlex
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import anyio

from gleitzeit_extensions import places
from gleitzeitd.core.process import State
from gleitzeitd.daemon import Daemon
from gleitzeitd.hub.registration import Registration
from gleitzeitd.processes.logs.follower import Follower
from gleitzeitd.processes.logs.output import Output
from gleitzeitd.processes.supervisor import Supervisor

STDOUT = 1
COLOURS = (36, 32, 35, 33, 34, 96, 92, 95, 93, 94)
"""ANSI foreground colours that are readable on dark and on light."""
_COLOUR = re.compile(r"(\x1b\[[0-9;]*m)")


async def run(daemon: Daemon) -> None:
    with daemon.hold():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_show_output, daemon)
            tasks.start_soon(_show_hints, daemon)
            await daemon.serve()
            tasks.cancel_scope.cancel()


async def _show_output(daemon: Daemon) -> None:
    coloured = sys.stdout is not None and sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    follower = Follower()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_follow, daemon.supervisor, follower)
        while True:
            records, missed = await follower.take()
            names = {name: at for at, name in enumerate(daemon.supervisor.instances)}
            width = max(map(len, names), default=0)
            lines = list[str]()
            for record in records:
                prefix = _prefix(record.instance.ljust(width), names.get(record.instance, 0), coloured)
                lines.append(f"{prefix} {_printable(record.shown())}")
            if missed:
                lines.append(f"({missed} bytes were too fast for this terminal: see gleitzeit logs)")
            await _say("\n".join(lines))


async def _follow(supervisor: Supervisor, follower: Follower) -> None:
    """Follow the output of all instances, also of those that come with a reload."""
    followed = dict[Output, ExitStack]()
    while True:
        wanted = _outputs(supervisor)
        for output in followed.keys() - wanted:
            followed.pop(output).close()
        for output in wanted - followed.keys():
            followed[output] = ExitStack()
            followed[output].enter_context(output.followed(follower))
        await supervisor.until(lambda: _outputs(supervisor) != followed.keys())


def _outputs(supervisor: Supervisor) -> set[Output]:
    return {instance.output for instance in supervisor.instances.values()}


async def _say(text: str) -> None:
    """Print without the daemon waiting for a terminal that is paused, or failing with one that is gone."""
    printed = anyio.Event()
    loop = asyncio.get_running_loop()

    def show() -> None:
        with contextlib.suppress(OSError):
            data = memoryview(f"{text}\n".encode("utf-8", "backslashreplace"))
            while data:
                data = data[os.write(STDOUT, data) :]
        with contextlib.suppress(RuntimeError):  # The loop is over.
            loop.call_soon_threadsafe(printed.set)

    # A daemon thread: the interpreter does not wait for it at its end.
    threading.Thread(target=show, name="terminal", daemon=True).start()
    await printed.wait()


def _prefix(name: str, at: int, coloured: bool) -> str:
    return f"\x1b[{COLOURS[at % len(COLOURS)]}m{name} |\x1b[0m" if coloured else f"{name} |"


def _printable(line: str) -> str:
    """The line without what would move the cursor or change the terminal; its colours are left."""
    parts = _COLOUR.split(line.rstrip("\r"))
    return "".join(part if _COLOUR.fullmatch(part) else _tamed(part) for part in parts)


def _tamed(text: str) -> str:
    return "".join(char if char.isprintable() or char == "\t" else "\ufffd" for char in text)


async def _show_hints(daemon: Daemon) -> None:
    """Once every provider had its chance to come up, say what can be tried."""
    underway = (State.STOPPED, State.WAITING, State.STARTING)
    await daemon.supervisor.until(lambda: daemon.supervisor.is_idle and daemon.about.state == "running")
    await daemon.supervisor.until(
        lambda: all(i.process.state not in underway for i in daemon.supervisor.instances.values())
    )
    if daemon.about.state != "running":
        return
    program = _program(daemon)
    names, registry = daemon.supervisor.order.instances, daemon.hub.registry
    registrations = [found for name in names for found in registry.registrations(name)]
    examples = [example for example in map(_example, registrations) if example]
    commands = ["status", *examples, "providers list", "logs -f"][:3]
    lines = ["", "Try, in another terminal:", *(f"  {program} {command}" for command in commands), ""]
    await _say("\n".join(lines))


def _program(daemon: Daemon) -> str:
    """How the command line is called from here."""
    beside = os.path.join(os.path.dirname(sys.executable), "gleitzeit")
    if not os.path.exists(beside):
        program = f"{shlex.quote(sys.executable)} -m gleitzeitctl"
    elif (found := shutil.which("gleitzeit")) and os.path.samefile(found, beside):
        program = "gleitzeit"
    else:
        program = shlex.quote(os.path.relpath(beside))
    usual = places.control_socket() == daemon.control_path
    return program if usual else f"{program} --socket {shlex.quote(daemon.control_path)}"


def _example(registration: Registration) -> str | None:
    """The example call that a provider gives of itself in its metadata, as a command."""
    offer = registration.offer
    example = offer.metadata.get("example")
    if not isinstance(example, dict) or not isinstance(example.get("method"), str):
        return None
    verb = "stream" if example.get("stream") else "invoke"
    words = [offer.name, example["method"], *_pairs(example.get("args"))]
    return f"providers {verb} {shlex.join(words)}"


def _pairs(args: object) -> Iterator[str]:
    """Arguments as the command line takes them: `a=5`."""
    for key, value in args.items() if isinstance(args, dict) else ():
        yield f"{key}={value if isinstance(value, str) else json.dumps(value)}"
