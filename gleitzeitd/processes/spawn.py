"""The start of one process: its pipes, what it reads, and the launcher where it becomes somebody else."""

from __future__ import annotations

import contextlib
import marshal
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from gleitzeitd.processes import launcher
from gleitzeitd.processes.containment import descriptors, limits, strays
from gleitzeitd.processes.environment import helper_environment
from gleitzeitd.processes.launch import Launch


@dataclass(frozen=True, slots=True)
class Spawned:
    popen: subprocess.Popen[bytes]
    stdout: int
    stderr: int


def spawn(launch: Launch, cgroup: str | None = None) -> Spawned:
    """Start it; the successful exec is confirmed (Popen waits for it). Raises OSError when that fails.

    `cgroup`: the file by which the launcher, when there has to be one, enters its cgroup.
    """
    with contextlib.ExitStack() as opened:
        stdin = opened.enter_context(_readable(launch.stdin))
        on_failure = opened.enter_context(contextlib.ExitStack())
        stdout, its_stdout = _pipe(opened, on_failure)
        stderr, its_stderr = _pipe(opened, on_failure)
        descriptors.keep_reserve(its_stderr)
        started = _plain if launch.is_plain and cgroup is None else _launched
        with started(launch, cgroup) as (argv, env, cwd, kept):
            popen = subprocess.Popen(
                argv,
                stdin=stdin,
                stdout=its_stdout,
                stderr=its_stderr,
                env={**env, strays.MARKER: launch.marker},
                cwd=cwd,
                umask=-1 if launch.identity.umask is None else launch.identity.umask,
                start_new_session=True,
                pass_fds=kept,
            )
        on_failure.pop_all()
    return Spawned(popen, stdout, stderr)


def _pipe(opened: contextlib.ExitStack, on_failure: contextlib.ExitStack) -> tuple[int, int]:
    """Our end and the program's."""
    ours, theirs = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    on_failure.callback(os.close, ours)
    opened.callback(os.close, theirs)
    # Only our end is to be non-blocking: a program does not expect EAGAIN from its own output.
    os.set_blocking(theirs, True)
    return ours, theirs


_Start = tuple[tuple[str, ...], dict[str, str], str | None, tuple[int, ...]]


@contextlib.contextmanager
def _plain(launch: Launch, _cgroup: str | None) -> Iterator[_Start]:
    yield launch.argv, dict(launch.env), launch.cwd, ()


@contextlib.contextmanager
def _launched(launch: Launch, cgroup: str | None) -> Iterator[_Start]:
    """The launcher, and the file with its orders."""
    who = launch.identity
    orders = (
        list(launch.argv),
        {**launch.env, strays.MARKER: launch.marker},
        launch.cwd,
        cgroup,
        any(limits.settings(launch.limits)),
        launch.limits.nofile,
        who.nice,
        who.user,
        who.group,
        list(launch.given),
    )
    if not launch.argv or any("\0" in word for word in launch.argv):
        raise ValueError("no program, or a NUL in its arguments")
    with _readable(marshal.dumps(orders)) as file:
        argv = (sys.executable, "-I", "-S", launcher.__file__, str(file))
        yield argv, helper_environment(os.environ), None, (file,)


@contextlib.contextmanager
def _readable(content: bytes) -> Iterator[int]:
    """A descriptor that `content` can be read from: a file in memory, so that nobody waits for a reader."""
    if not content:
        yield subprocess.DEVNULL
        return
    file = os.memfd_create("launch", os.MFD_CLOEXEC)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(file, view) :]
        os.lseek(file, 0, os.SEEK_SET)
        yield file
    finally:
        os.close(file)
