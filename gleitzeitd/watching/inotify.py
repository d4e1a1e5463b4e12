"""What the kernel tells of directories: inotify(7), which the standard library does not have.

By this nobody wakes up before something happens. The libraries for it wait in a thread, which has to wake up
many times a second to see whether it shall end.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from contextlib import suppress
from functools import cache

import anyio

from gleitzeitd.watching.places import Names, Places

_CLOSE_WRITE, _ATTRIB = 0x8, 0x4
_MOVED_FROM, _MOVED_TO, _CREATE, _DELETE = 0x40, 0x80, 0x100, 0x200
_DELETE_SELF, _MOVE_SELF = 0x400, 0x800
_MASK_ADD = 0x20000000
_ITSELF = _DELETE_SELF | _MOVE_SELF | _MASK_ADD
# Not IN_MODIFY: a save ends when the file is closed, and a log in the same directory is never closed.
_ENTRIES = _CLOSE_WRITE | _ATTRIB | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE
_OVERFLOWN = -1
_HEAD = struct.Struct("iIII")
_MOUTHFUL = 64 * 1024
_BREATH = 0.005
"""Seconds after events that matter to nobody: a busy directory wakes us up 200 times a second at most."""

_USED_UP = {
    errno.ENOSPC: "the watches of this user are used up: raise fs.inotify.max_user_watches",
    errno.EMFILE: "descriptors are used up: raise fs.inotify.max_user_instances, or nofile",
}


class Inotify:
    """One descriptor for any number of places. Raises OSError when the kernel has none left."""

    def __init__(self) -> None:
        self._watched: dict[int, Names] = {}
        self._descriptor = _checked(_libc().inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))

    def close(self) -> None:
        os.close(self._descriptor)

    def watch(self, places: Places) -> None:
        """Tell of these places from now on, and of no others. What has vanished meanwhile is left out.

        Raises OSError when a watch cannot be had.
        """
        fresh: dict[int, Names] = {}
        for path, names in places.items():
            with suppress(FileNotFoundError, NotADirectoryError):
                if number := self._add(path, names):
                    fresh[number] = fresh.get(number, Names()) | names
        for number in self._watched.keys() - fresh.keys():
            # It fails for what has been removed: the kernel has forgotten that by itself.
            _libc().inotify_rm_watch(self._descriptor, number)
        self._watched = fresh

    def _add(self, path: str, names: Names) -> int:
        mask = _ITSELF | (_ENTRIES if names else 0)
        try:
            return _checked(_libc().inotify_add_watch(self._descriptor, os.fsencode(path), mask))
        except PermissionError as exc:
            # A directory that may be passed but not read, or a file that may not be read as yet.
            if any(names.exact) or names.endings:
                raise PermissionError(exc.errno, f"{path} may not be read") from exc
            return 0

    async def news(self) -> None:
        """Wait until something happened to a name that matters."""
        await anyio.wait_readable(self._descriptor)
        while not self._has_news():
            await anyio.sleep(_BREATH)
            await anyio.wait_readable(self._descriptor)

    def _has_news(self) -> bool:
        raw, at = os.read(self._descriptor, _MOUTHFUL), 0
        while at < len(raw):
            number, _, _, length = _HEAD.unpack_from(raw, at)
            at += _HEAD.size + length
            name = raw[at - length : at].rstrip(b"\0")
            if number == _OVERFLOWN or self._matters(number, os.fsdecode(name)):
                return True
        return False

    def _matters(self, number: int, name: str) -> bool:
        """Without a name it is about the watched thing itself."""
        names = self._watched.get(number)
        return names is not None and (not name or name in names)


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(answer: int) -> int:
    if answer < 0:
        code = ctypes.get_errno()
        raise OSError(code, _USED_UP.get(code) or os.strerror(code))
    return answer
