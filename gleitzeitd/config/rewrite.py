"""A file's bytes replaced at once or not at all, with the rights of whoever asks for it.

What goes wrong (a full disk, a kill, another editor that was quicker) leaves the file as it was. A symbolic
link stays one: what it points to is replaced. Mode and, where allowed, owner stay.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from gleitzeitd.core.errors import GleitzeitError

_HELD = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_DRAFT = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_REASONS = {
    errno.EACCES: "you may not write it: ask as its owner or as root",
    errno.EPERM: "you may not write it: ask as its owner or as root",
    errno.EROFS: "its file system is read-only",
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "your quota of the disk is used up",
    errno.ENXIO: "it is no regular file",
    errno.EBUSY: "it is mounted as a file of its own: edit it where it comes from",
}


class RewriteError(GleitzeitError):
    """The file could not be replaced and is what it was."""


def held(path: str) -> bytes | None:
    """What the file holds; None when there is none. Raises RewriteError for what could not be replaced."""
    with _in_words(path):
        return _held(os.path.realpath(path))


def replace(path: str, was: bytes | None, new: bytes, like: str | None = None) -> None:
    """Replace the file that holds `was`, or make the one that is not there (None), with the mode and owner
    of the file `like`, if that is there. Raises RewriteError."""
    target = os.path.realpath(path)
    with _in_words(path), _draft(target, new, _model(like or target)) as draft:
        if _held(target) != was:
            raise RewriteError(f"{path}: was changed by someone else at the same time: try it again")
        os.rename(draft, target)
        _settle(target)


def _model(path: str) -> os.stat_result | None:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found if stat.S_ISREG(found.st_mode) else None


@contextmanager
def _draft(target: str, new: bytes, model: os.stat_result | None) -> Iterator[str]:
    """A file beside the target with all of its new bytes; gone afterwards, unless it was renamed."""
    directory, name = os.path.split(target)
    # not *.yaml: the daemon reads those
    path = os.path.join(directory, f".{name}.{secrets.token_hex(4)}.new")
    # without a model it is for its owner and group: it may come to hold secrets
    descriptor = os.open(path, _DRAFT, 0o600 if model else 0o640)
    try:
        with open(descriptor, "wb") as file:
            file.write(new)
            file.flush()
            if model:
                _own(descriptor, model)
            os.fsync(descriptor)
        yield path
    finally:
        with suppress(FileNotFoundError):
            os.unlink(path)


def _own(descriptor: int, model: os.stat_result) -> None:
    # the group alone may be given by those who are in it
    for uid in (model.st_uid, -1):
        with suppress(PermissionError):
            os.fchown(descriptor, uid, model.st_gid)
            break
    os.fchmod(descriptor, stat.S_IMODE(model.st_mode))


def _held(path: str) -> bytes | None:
    """What is there now; refused unless it may be written, as an editor would."""
    try:
        with open(os.open(path, _HELD), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise OSError(errno.ENXIO, os.strerror(errno.ENXIO))
            return file.read()
    except FileNotFoundError:
        return None


def _settle(path: str) -> None:
    """See that the new name is on the disk; the file is replaced even where that can't be had."""
    with suppress(OSError):
        directory = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


@contextmanager
def _in_words(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        reason = _REASONS.get(exc.errno or 0, exc.strerror)
        raise RewriteError(f"{path}: cannot be changed: {reason}") from exc
