"""Commands that a config allows: what callers may put into them, and running one without a shell."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio

from gleitzeit_extensions import CallError, InvalidRequest

COMMANDER = Path(__file__).with_name("system_commander.py")
LONGEST_ARGUMENT = 100_000
"""Bytes; the kernel takes 128 KiB (MAX_ARG_STRLEN, execve(2))."""
ENDED_WITHIN = 10.0
"""Seconds that the end of a command may take; then it is left to the daemon."""
INHERITED = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "GLEITZEIT_INSTANCE")
"""Variables of the provider's that a command has; by the last one, which is no secret, the daemon finds
what might be left of it."""

_PLACE = re.compile(r"\{(\w+)\}")


class Refused(InvalidRequest):
    """A command that is not allowed, or not like this."""


@dataclass(frozen=True, slots=True)
class Command:
    """What may be run: `{name}` in a word stands for what the caller gives."""

    name: str
    words: tuple[str, ...]

    @classmethod
    def read(cls, name: str, words: Sequence[str], path: str | None) -> Command:
        """Raises ValueError for one that cannot run; `path`: where programs are (PATH)."""
        if not words or not words[0]:
            raise ValueError(
                f'config.commands.{name} is empty: write a list, such as [df, -h, --, "{{path}}"]'
            )
        if _PLACE.search(words[0]):
            raise ValueError(f"config.commands.{name}: the program is fixed, and cannot be {words[0]}")
        if shutil.which(words[0], path=path) is None:
            raise ValueError(f"config.commands.{name}: there is no program {words[0]}")
        return cls(name, tuple(words))

    @property
    def parameters(self) -> list[str]:
        return list(dict.fromkeys(place for word in self.words for place in _PLACE.findall(word)))

    def argv(self, given: Mapping[str, str | int | float]) -> list[str]:
        """The words with what was given in them. Each stays one word, and none becomes an option."""
        if set(given) != set(self.parameters):
            takes = ", ".join(self.parameters) or "no arguments"
            raise Refused(f'"{self.name}" takes {takes}, not {", ".join(given) or "none"}')
        values = {name: _as_text(name, value) for name, value in given.items()}
        argv: list[str] = []
        has_dashes = False
        for word in self.words:
            made = _PLACE.sub(lambda place: values[place[1]], word)
            if made.startswith("-") and not word.startswith("-") and not has_dashes:
                raise Refused(f'an argument of "{self.name}" begins with -, which would make it an option')
            # The -- of `nice -- rm {path}` is for nice: a fixed word behind it may be a program with options.
            has_dashes = word == "--" or (has_dashes and bool(_PLACE.search(word)))
            argv.append(made)
        return argv


def _as_text(name: str, value: str | int | float) -> str:
    text = str(value)
    try:
        size = len(os.fsencode(text))
    except UnicodeEncodeError as exc:
        raise Refused(f"{name} holds half a character") from exc
    if "\0" in text or size > LONGEST_ARGUMENT:
        raise Refused(f"{name} has a zero byte, or more than {LONGEST_ARGUMENT:,} bytes")
    return text


class Late(Exception):
    """It took longer than it may."""


@dataclass(slots=True)
class Running:
    """A command on its way."""

    process: asyncio.subprocess.Process
    report: int
    lifeline: int
    """As long as this descriptor is open, it may live; -1 when it is closed."""
    is_late: bool = False
    _told: bytes | None = None

    async def told(self) -> bytes:
        """What is said once nothing of the command is left; empty when its watcher was killed."""
        if self._told is None:
            await anyio.wait_readable(self.report)
            self._told = os.read(self.report, 1000)
        return self._told

    async def ended(self) -> dict[str, int]:
        """`{exit_code}` or `{signal}`. Raises Late, and CallError for one that could not be run."""
        told = json.loads(await self.told() or b"{}")
        if "error" in told:
            raise CallError("provider_error", f"the command cannot be run: {told['error']}")
        if "signal" in told:
            return {"signal": told["signal"]}
        if "exit" in told:
            return {"exit_code": told["exit"]}
        if self.is_late:
            raise Late
        raise CallError("provider_error", "the command was killed together with what watches over it")

    def end(self, *, is_late: bool = False) -> None:
        """Have it killed, with all that it started."""
        if self.lifeline >= 0:
            os.close(self.lifeline)
            self.lifeline, self.is_late = -1, is_late


@asynccontextmanager
async def running(
    argv: Sequence[str],
    environment: Mapping[str, str],
    cwd: str | None,
    limits: Mapping[str, int],
    seconds: float,
) -> AsyncIterator[Running]:
    """The command, for so many seconds; at the end of the block nothing is left of it and what it started."""
    theirs, ours = os.pipe()
    report, reports = os.pipe()
    try:
        process = await _spawn(argv, environment, cwd, limits, (theirs, reports))
    except BaseException:
        os.close(ours)
        os.close(report)
        raise
    finally:
        os.close(theirs)
        os.close(reports)
    it = Running(process, report, ours)
    # No scope around the block, which may be that of a stream: its reader has a task of its own, which a
    # timeout would cancel while it does something else.
    timer = asyncio.get_running_loop().call_later(seconds, lambda: it.end(is_late=True))
    try:
        yield it
    finally:
        timer.cancel()
        it.end()
        with anyio.CancelScope(shield=True), anyio.move_on_after(ENDED_WITHIN):
            # asyncio tells nobody of its end as long as something that it printed is unread.
            if await it.told():
                await process.communicate()
            else:
                # Somebody may hold its pipes for ever. There is no other way to let go of ours.
                vars(process)["_transport"].close()
        os.close(report)


async def _spawn(
    argv: Sequence[str],
    environment: Mapping[str, str],
    cwd: str | None,
    limits: Mapping[str, int],
    descriptors: tuple[int, int],
) -> asyncio.subprocess.Process:
    watcher = [sys.executable, "-IS", str(COMMANDER), *map(str, descriptors), json.dumps(dict(limits))]
    try:
        return await asyncio.create_subprocess_exec(
            *watcher,
            *argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=dict(environment),
            cwd=cwd,
            # A signal to the provider's group is not for the command: it ends by its lifeline.
            start_new_session=True,
            pass_fds=descriptors,
        )
    except OSError as exc:
        raise CallError("provider_error", f"the command cannot be run: {exc.strerror}") from exc
