"""Whether the classes and extensions of a house can be imported, found out elsewhere: never in this process.

Also whether they take what their blocks give, of which no value leaves this process.
Each child is as the daemon would start it: its interpreter, directories, environment and user. What the
module prints goes nowhere, and all that it may have started ends with it.
"""

from __future__ import annotations

import grp
import json
import os
import pwd
import signal
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from subprocess import DEVNULL
from typing import Any

import anyio
from anyio.abc import Process

from gleitzeitd.core.errors import GleitzeitError
from gleitzeitd.core.spec import ClassTarget, CommandTarget, ExtensionTarget, Identity, Spec

PATIENCE = 30.0
"""Seconds that one import may take."""
AT_ONCE = 4
LONGEST_ANSWER = 64 * 1024

Hosted = ClassTarget | ExtensionTarget

Environment = Callable[[Spec], Mapping[str, str]]
"""What a child of this provider has. Raises GleitzeitError when that cannot be told."""

_CHILD = """
import json, os, sys
order = json.loads(sys.stdin.buffer.readline())
held, answer, nothing = os.dup(0), os.dup(1), os.open(os.devnull, os.O_RDWR)
os.register_at_fork(after_in_child=lambda: os.close(answer))
for descriptor in 0, 1, 2:
    os.dup2(nothing, descriptor)
try:
    from gleitzeit_extensions import authors, building, loading
    if order["extension"]:
        from gleitzeit_extensions.extensions import hosting
except ImportError as exc:
    mistake = f"{sys.executable} cannot import gleitzeit_extensions ({exc}): pip install gleitzeitd there"
else:
    try:
        loading.use_path(order["directories"])
        if order["extension"]:
            hosting.find(**order["extension"])
        else:
            building.check_keys(loading.load(order["class"], order["directories"]), order["given"])
        mistake = None
    except authors.Misconfigured as exc:
        mistake, cause = str(exc), exc.__cause__
        if isinstance(cause, ModuleNotFoundError) and cause.name and mistake.startswith("cannot import"):
            package = cause.name.partition(".")[0]
            mistake += f": pip install {package}, or have `python` name an interpreter that has it"
os.write(answer, json.dumps({"mistake": mistake}).encode() + b"\\n")
os.read(held, 1)
os._exit(0)
"""
# os.register_at_fork: what the module forks must not keep the answer open.
# os.read: its number is that of the group until all of that has been killed.
# os._exit: neither a thread nor an exit handler of the module may hold it.


async def failures(
    specs: Sequence[Spec], directories: Sequence[str], environment: Environment
) -> dict[str, str]:
    """The sentence for each provider whose class or extension cannot be imported.

    `directories` are those that each looks in after its own `python_path`.
    """
    found, limiter = dict[str, str](), anyio.CapacityLimiter(AT_ONCE)

    async def examine(spec: Spec, target: Hosted) -> None:
        async with limiter:
            if mistake := await _mistake(spec, target, directories, environment):
                found[spec.name] = mistake

    async with anyio.create_task_group() as tasks:
        for spec in specs:
            if not isinstance(spec.target, CommandTarget):
                tasks.start_soon(examine, spec, spec.target)
    return found


async def _mistake(
    spec: Spec, target: Hosted, directories: Sequence[str], environment: Environment
) -> str | None:
    interpreter = spec.python or sys.executable
    looked_in = list(dict.fromkeys((*spec.python_path, *directories)))
    order = json.dumps({**_order(target, spec.config), "directories": looked_in})
    try:
        child = await anyio.open_process(
            [interpreter, "-P", "-c", _CHILD],
            env=environment(spec),
            cwd=spec.cwd,
            stderr=DEVNULL,
            start_new_session=True,
            **_identity(spec.identity),
        )
    except OSError as exc:
        return f"cannot run {exc.filename or interpreter}: {exc.strerror}"
    except GleitzeitError as exc:
        return str(exc)
    try:
        with anyio.fail_after(PATIENCE):
            answer = await _answer(child, order)
            if not answer:
                await child.wait()
    except TimeoutError:
        return f"cannot import {_called(target)}: it takes more than {PATIENCE:g} s"
    finally:
        await _end(child)
    return _read(answer, target, interpreter, child.returncode)


def _order(target: Hosted, config: Iterable[str]) -> Mapping[str, Any]:
    match target:
        case ClassTarget(path=path):
            return {"class": path, "given": [*config], "extension": None}
        case ExtensionTarget(name=name, paths=paths):
            return {"class": None, "extension": {"name": name, "paths": paths, "given": [*config]}}


def _called(target: Hosted) -> str:
    return target.path if isinstance(target, ClassTarget) else f'the extension "{target.name}"'


def _identity(identity: Identity) -> dict[str, Any]:
    """Who the child is to be, where this process may become another; a group comes with no other of ours."""
    if os.geteuid() != 0 or (identity.user is None and identity.group is None):
        return {}
    user = None if identity.user is None else _user(identity.user)
    own = os.getgid() if user is None else user.pw_gid
    gid = own if identity.group is None else _gid(identity.group)
    groups = [gid] if user is None else os.getgrouplist(user.pw_name, gid)
    return {"user": os.getuid() if user is None else user.pw_uid, "group": gid, "extra_groups": groups}


def _user(user: str) -> pwd.struct_passwd:
    return pwd.getpwuid(int(user)) if user.isdecimal() else pwd.getpwnam(user)


def _gid(group: str) -> int:
    return int(group) if group.isdecimal() else grp.getgrnam(group).gr_gid


async def _answer(child: Process, order: str) -> bytes:
    assert child.stdin is not None
    assert child.stdout is not None
    answer = b""
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
        await child.stdin.send(order.encode() + b"\n")
    with suppress(anyio.EndOfStream):
        while len(answer) <= LONGEST_ANSWER and not answer.endswith(b"\n"):
            answer += await child.stdout.receive()
    return answer


async def _end(child: Process) -> None:
    """End it and what it started, also when somebody at the terminal has had enough.

    What gave an answer waits for this.
    """
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    with anyio.CancelScope(shield=True):
        await child.aclose()


def _read(answer: bytes, target: Hosted, interpreter: str, status: int | None) -> str | None:
    try:
        mistake = json.loads(answer)["mistake"]
    except (ValueError, KeyError, TypeError):
        return f"cannot import {_called(target)}: {interpreter} ended with status {status} over it"
    return None if mistake is None else str(mistake)
