"""Changes to one directory: a file is there as a whole or as it was, also when the power fails."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event

from providers.file_roots import OURS, listable, opened, require_file

MOST_SWEPT = 10_000
"""Directories that are remembered to be free of what a killed provider left."""

DEEPEST = 100
"""Directories within each other that are gone down."""

LOCKED_WITHIN = 5.0
"""Seconds that another one may take to append to the same file."""

_TEMPORARY = re.compile(re.escape(OURS) + "[0-9a-f]{16}")
_NO_FSYNC = (errno.EINVAL, errno.ENOTSUP)
_LOOK_AGAIN = 0.02
_TRIES = 5
_RENAME_NOREPLACE = 1  # linux/fs.h


class Writer:
    """Writes files. What one that was killed left half-written goes with the first write beside it."""

    def __init__(self, largest: int) -> None:
        """`largest`: bytes that a file may have."""
        self._largest = largest
        self._swept = set[tuple[int, int]]()

    def replace(
        self, directory: int, name: str, data: bytes, mode: int | None, *, overwrite: bool, create: bool
    ) -> os.stat_result:
        """Have the file hold `data`; `mode`: its rights, else those of the one it replaces."""
        self._check(len(data))
        self._sweep(directory)
        try:
            old = os.stat(name, dir_fd=directory, follow_symlinks=False)
        except FileNotFoundError:
            if not create:
                raise
        else:
            require_file(old)
            mode = stat.S_IMODE(old.st_mode) & 0o777 if mode is None else mode
        with _temporary(directory, 0o666 if mode is None else 0o600) as (handle, temporary):
            _write_all(handle, data)
            if mode is not None:
                os.fchmod(handle, mode)
            os.fsync(handle)
            rename(directory, temporary, directory, name, overwrite=overwrite)
            keep(directory)
            return os.fstat(handle)

    def append(self, directory: int, name: str, data: bytes, *, create: bool) -> os.stat_result:
        """Add to the end of a file; when that fails half-way, it is as it was."""
        self._check(len(data))
        with _appendable(directory, name, os.O_CREAT if create else 0) as handle:
            before = os.fstat(handle)
            if before.st_nlink > 1:
                # The other one may be outside of the root.
                raise OSError(errno.EMLINK, "it has another name, too (a hard link): write it as a whole")
            self._check(before.st_size + len(data))
            try:
                _write_all(handle, data)
                os.fsync(handle)
            except OSError:
                os.ftruncate(handle, before.st_size)
                raise
            return os.fstat(handle)

    def _check(self, size: int) -> None:
        if size > self._largest:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))

    def _sweep(self, directory: int) -> None:
        status = os.fstat(directory)
        here = (status.st_dev, status.st_ino)
        if here in self._swept:
            return
        if len(self._swept) >= MOST_SWEPT:
            self._swept.clear()
        with suppress(PermissionError):
            handle = listable(directory)
            try:
                for name in os.listdir(handle):
                    if _TEMPORARY.fullmatch(name):
                        _remove_left(directory, name)
            finally:
                os.close(handle)
        self._swept.add(here)


def rename(source: int, name: str, target: int, new: str, *, overwrite: bool) -> None:
    """Rename within two directories; without `overwrite` never onto what is there."""
    if overwrite:
        os.rename(name, new, src_dir_fd=source, dst_dir_fd=target)
        return
    code = _renameat2(source, name, target, new)
    if code in (errno.EINVAL, errno.ENOSYS):
        # A disk or a libc that cannot do it at once: somebody may come between the look and the deed.
        with suppress(FileNotFoundError):
            os.stat(new, dir_fd=target, follow_symlinks=False)
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        os.rename(name, new, src_dir_fd=source, dst_dir_fd=target)
    elif code:
        raise OSError(code, os.strerror(code))


def remove(directory: int, name: str, *, recursive: bool, stopped: Event, depth: int = 0) -> int:
    """Delete what has that name, and with `recursive` what is in it; how much that was. Follows no link."""
    if not stat.S_ISDIR(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode):
        os.unlink(name, dir_fd=directory)
        return 1
    count = 0
    if recursive:
        if depth == DEEPEST:
            raise OSError(errno.EMLINK, f"more than {DEEPEST} directories are within each other")
        handle = listable(directory, name)
        try:
            for inner in os.listdir(handle):
                if stopped.is_set():
                    return count
                count += remove(handle, inner, recursive=True, stopped=stopped, depth=depth + 1)
        finally:
            os.close(handle)
    os.rmdir(name, dir_fd=directory)
    return count + 1


def keep(directory: int) -> None:
    """Have the names in the directory outlive a power failure, where its rights and its disk let us."""
    with suppress(PermissionError):
        handle = listable(directory)
        try:
            os.fsync(handle)
        except OSError as exc:
            if exc.errno not in _NO_FSYNC:
                raise
        finally:
            os.close(handle)


@contextmanager
def _appendable(directory: int, name: str, create: int) -> Iterator[int]:
    """The file, locked among those who append; not one whose name has been given to another meanwhile."""
    for _ in range(_TRIES):
        handle = opened(directory, name, os.O_WRONLY | os.O_APPEND | create)
        try:
            _lock(handle)
            if os.fstat(handle).st_nlink:
                yield handle
                return
        finally:
            os.close(handle)
    raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))


@contextmanager
def _temporary(directory: int, mode: int) -> Iterator[tuple[int, str]]:
    """A new file that nobody else has; locked as long as it is written, and gone unless it was renamed."""
    handle, name = _created(directory, mode)
    try:
        yield handle, name
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=directory)
        raise
    finally:
        os.close(handle)


def _created(directory: int, mode: int) -> tuple[int, str]:
    for _ in range(_TRIES):
        name = OURS + secrets.token_hex(8)
        handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode, dir_fd=directory)
        # Another instance may just be sweeping, and take it for one that was left.
        with suppress(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(handle).st_nlink:
                return handle, name
        os.close(handle)
    raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))


def _remove_left(directory: int, name: str) -> None:
    """Delete it unless somebody writes it: a lock ends with its holder."""
    with suppress(OSError):
        handle = opened(directory, name, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(name, dir_fd=directory)
        finally:
            os.close(handle)


def _lock(handle: int) -> None:
    """Have the file for oneself among those who append to it, unless one of them takes too long."""
    give_up = time.monotonic() + LOCKED_WITHIN
    while True:
        try:
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > give_up:
                raise
        time.sleep(_LOOK_AGAIN)


def _write_all(handle: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(handle, left) :]


def _renameat2(source: int, name: str, target: int, new: str) -> int:
    """Rename unless there is something; the number of the error, or 0 (rename(2))."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):
        return errno.ENOSYS
    done = libc.renameat2(source, os.fsencode(name), target, os.fsencode(new), _RENAME_NOREPLACE)
    return ctypes.get_errno() if done else 0
