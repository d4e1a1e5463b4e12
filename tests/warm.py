"""A process that has imported all that our programs need, and forks for each of them: they start in a moment.

What a start of its own would show, such as what is imported and when, is for tests with a real process.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 30.0
PROGRAMS = ("gleitzeitd.logging", "gleitzeitd", "gleitzeit_extensions.protocol", "gleitzeitctl")
"""What is imported. How the daemon logs decides what else is: it comes first."""
LATE = (
    "typer._click.decorators",
    "anyio._backends._asyncio",
    "anyio._core._signals",
    "encodings.idna",
    "encodings.utf_8_sig",
    "engineio.async_drivers.aiohttp",
    "pydantic.type_adapter",
)
"""What they import only when they run, each time anew unless it is there."""


class Forked:
    """One such process, with the part of subprocess.Popen that the tests use."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self.returncode: int | None = None
        self.pid = int(self._next(PATIENCE))

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            try:
                self.returncode = int(self._next(timeout))
            except TimeoutError:
                raise subprocess.TimeoutExpired(f"forked {self.pid}", timeout or 0.0) from None
            self._line.close()
        return self.returncode

    def poll(self) -> int | None:
        if self.returncode is None and select.select([self._line], [], [], 0)[0]:
            self.wait()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _next(self, timeout: float | None) -> bytes:
        self._line.settimeout(timeout)
        if said := self._line.recv(100):
            return said
        raise AssertionError("the warm process has ended: what it printed says why")


class Warm:
    """The forking process as its user sees it."""

    def __init__(self) -> None:
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            # It is nobody's child: there are tests that look at all that their process has.
            subprocess.run(
                [sys.executable, "-m", "tests.warm", str(theirs.fileno())],
                check=True,
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )

    def start(
        self, module: str, args: Sequence[str], cwd: Path, env: dict[str, str], out: int, err: int
    ) -> Forked:
        order = json.dumps({"module": module, "args": args, "cwd": str(cwd), "env": env}).encode()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            socket.send_fds(self._line, [order], [out, err, theirs.fileno()])
        return Forked(ours)


@cache
def warm() -> Warm:
    """The one of this process; it ends when nobody can give it orders any more."""
    return Warm()


def run(module: str, args: Sequence[str], cwd: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """One program of the warm process, from its start to its end."""
    with open(os.memfd_create("out"), "w+b") as out, open(os.memfd_create("err"), "w+b") as err:
        status = warm().start(module, args, cwd, env, out.fileno(), err.fileno()).wait(PATIENCE)
        for file in (out, err):
            file.seek(0)
        return subprocess.CompletedProcess(args, status, *(_text(file.read()) for file in (out, err)))


def _text(raw: bytes) -> str:
    """What providers print need be no text."""
    return raw.decode(errors="surrogateescape")


# What follows runs in the forking process.


def serve(line: socket.socket) -> None:
    """Fork for each order, and tell how each fork ended, until nobody gives any orders."""
    watched: dict[int, tuple[int, socket.socket]] = {}
    while True:
        ready, _, _ = select.select([line.fileno(), *watched], [], [])
        for handle in [one for one in ready if one in watched]:
            pid, teller = watched.pop(handle)
            _, status = os.waitpid(pid, 0)
            os.close(handle)
            with teller:
                tell(teller, os.waitstatus_to_exitcode(status))
        if line.fileno() in ready:
            order, fds, _, _ = socket.recv_fds(line, 1_000_000, 3)
            if not order:
                return
            pid = os.fork()
            if pid == 0:
                become(json.loads(order), *fds[:2])
            teller = socket.socket(fileno=fds[2])
            for fd in fds[:2]:
                os.close(fd)
            tell(teller, pid)
            watched[os.pidfd_open(pid)] = pid, teller


def tell(teller: socket.socket, number: int) -> None:
    # Nobody may want to know any more.
    with suppress(BrokenPipeError):
        teller.send(str(number).encode())


def become(order: Any, out: int, err: int) -> NoReturn:
    """What a process started with these words would be."""
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.closerange(3, 1000)
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    time.tzset()
    sys.argv = [str(ROOT / order["module"].replace(".", "/") / "__main__.py"), *order["args"]]
    main = import_module(f"{order['module']}.{'app' if order['module'] == 'gleitzeitctl' else 'main'}").main
    status = main()
    sys.stdout.flush()
    # To take apart all that was imported takes longer than most commands.
    os._exit(status)


def import_all() -> None:
    for name in PROGRAMS:
        for module in walk_packages(getattr(import_module(name), "__path__", ()), f"{name}."):
            if not module.name.endswith("__main__"):
                import_module(module.name)
    for name in LATE:
        import_module(name)


if __name__ == "__main__":
    if os.fork():
        os._exit(0)
    import_all()
    gc.freeze()
    serve(socket.socket(fileno=int(sys.argv[1])))
