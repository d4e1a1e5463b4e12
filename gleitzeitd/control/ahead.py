"""The config file read while its save has yet to settle: most of the time it is all there at once."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

import anyio
import structlog
from anyio import to_thread

from gleitzeitd.config.load import load
from gleitzeitd.core.errors import ConfigError
from gleitzeitd.core.spec import House

log = structlog.get_logger("gleitzeitd")
Made = TypeVar("Made")
Given = TypeVarTuple("Given")


class Ahead:
    def __init__(self, path: str, transient: str, is_new: Callable[[], bool]) -> None:
        """`transient`: as in House; `is_new`: whether there is something else to take over."""
        self._path, self._transient = path, transient
        self._is_new = is_new
        self._begun = anyio.Event()
        self._turn = anyio.Lock()
        self._found: House | None = None

    def begin(self) -> None:
        """Read what is there now."""
        self._begun.set()

    async def run(self) -> None:
        """Read whenever that is begun, until cancelled."""
        while True:
            await self._begun.wait()
            async with self._turn:
                self._begun = anyio.Event()
                # What is wrong with it now may be mended by the rest of the save.
                self._found = await off_the_loop(self._if_valid)

    def _if_valid(self) -> House | None:
        try:
            return _load(self._path, self._transient) if self._is_new() else None
        except ConfigError:
            # It is read again when the save has settled, and told then.
            return None

    async def read(self, mark: bytes) -> House:
        """What the file of that mark wants. Raises ConfigError."""
        async with self._turn:
            found, self._found = self._found, None
            if found is not None and found.mark == mark:
                return found
            return await off_the_loop(_load, self._path, self._transient)


async def off_the_loop(function: Callable[[*Given], Made], *given: *Given) -> Made:
    """What the function makes, in a thread. A daemon that ends does not wait for a disk that hangs."""
    return await to_thread.run_sync(function, *given, abandon_on_cancel=True)


def _load(path: str, transient: str) -> House:
    # A search for garbage among all that this makes would hold up the loop for 40 ms.
    gc.disable()
    try:
        return load(path, transient)
    except ConfigError:
        raise
    except Exception as exc:
        log.exception("internal error", config=path)
        sentence = f"{path}: an internal error: {type(exc).__name__}: see the daemon's log, and report it"
        raise ConfigError((sentence,)) from exc
    finally:
        gc.enable()
