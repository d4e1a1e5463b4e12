"""Places below a root, and the way to them: one component after the other, and never through a link.

A path that was found good may lead elsewhere a moment later. So nothing is opened by its whole path: each
component is opened below the open directory before it, with O_NOFOLLOW, and there is no `..`. Whatever is
renamed or linked meanwhile, the way cannot leave the root.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from gleitzeit_extensions import CallError, InvalidRequest, Unavailable

OURS = ".gleitzeit-"
"""How the names of files begin that are being written."""

LONGEST_PATH = 4096
"""Bytes of a path, as Linux has it (PATH_MAX)."""

LONGEST_NAME = 255
"""Bytes of a component (NAME_MAX)."""

DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW
REGULAR = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY

KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link"}

_REFUSED = {
    errno.ENOENT: "is not there, or its directory is not",
    errno.EEXIST: "is there already",
    errno.ENOTDIR: "is no directory, or leads through what is none",
    errno.EISDIR: "is a directory",
    errno.ENOTEMPTY: "is a directory with something in it; `recursive` deletes that, too",
    errno.ENAMETOOLONG: "has too long a name",
    errno.ELOOP: "is a symbolic link, and links are not followed",
    errno.EXDEV: "is on another disk: read it there and write it here",
    errno.EINVAL: "cannot be moved below itself, or has a name that this disk does not take",
    errno.ENXIO: "is no regular file",
}
_SHORT = {
    errno.ENOSPC: "there is no space left on its disk",
    errno.EDQUOT: "the quota of the provider's user is used up",
}
_PASSING = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN)


@dataclass(frozen=True, slots=True)
class Place:
    """What a caller's path says: the name of a root, and the names on the way from there."""

    root: str
    parts: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "/".join((self.root, *self.parts))

    def below(self, name: str) -> Place:
        return Place(self.root, (*self.parts, name))


class Roots:
    """The directories that may be used, by the names that paths begin with."""

    def __init__(self, given: Mapping[str, str] | Sequence[str]) -> None:
        named = dict(given) if isinstance(given, Mapping) else _named(given)
        if not named:
            raise ValueError("roots is empty: name the directories that may be used")
        for name, path in named.items():
            if _fault(name):
                raise ValueError(f'a root cannot be called "{name}": it is a name without /')
            if not path.startswith("/"):
                raise ValueError(f'the root "{name}" is "{path}": write the whole path, from /')
        self._paths = named

    @property
    def names(self) -> list[str]:
        return sorted(self._paths)

    def place(self, path: str) -> Place:
        """What the path says, without a look at any disk. Raises InvalidRequest."""
        root, *parts = path.removesuffix("/").split("/")
        if fault := _unwritable(path, LONGEST_PATH) or next(filter(None, map(_fault, (root, *parts))), ""):
            raise InvalidRequest(f"the path {path[:200]!a} {fault}")
        if root not in self._paths:
            raise InvalidRequest(
                f'the path "{path:.200}" begins with none of the roots: {", ".join(self.names)}'
            )
        return Place(root, tuple(parts))

    @contextmanager
    def directory(self, place: Place) -> Iterator[int]:
        """A descriptor of the directory, which does for what is below it, but not for listing."""
        handle = self._root(place.root)
        try:
            for part in place.parts:
                below = os.open(part, DIRECTORY, dir_fd=handle)
                os.close(handle)
                handle = below
            yield handle
        finally:
            os.close(handle)

    @contextmanager
    def parent(self, place: Place) -> Iterator[tuple[int, str]]:
        """The directory that a place is in, and its name there."""
        if not place.parts:
            raise InvalidRequest(f'"{place}" is a root: name something in it')
        with self.directory(Place(place.root, place.parts[:-1])) as directory:
            yield directory, place.parts[-1]

    def _root(self, name: str) -> int:
        # Its path is the administrator's word, so links on it are followed; anew each time, as
        # `current -> release-3` changes.
        try:
            return os.open(self._paths[name], os.O_PATH | os.O_DIRECTORY)
        except OSError as exc:
            raise Unavailable(f'the root "{name}" cannot be opened: {exc.strerror}') from exc

    def fault(self) -> str:
        """What is wrong with the roots just now."""
        for name in self._paths:
            try:
                os.close(self._root(name))
            except Unavailable as exc:
                return exc.message
        return ""


@contextmanager
def told(place: object) -> Iterator[None]:
    """Have a failure of the system's said in a sentence about that place."""
    try:
        yield
    except OSError as exc:
        raise _sentence(place, exc) from exc


def _sentence(place: object, exc: OSError) -> CallError:
    code = exc.errno or 0
    if code == errno.EFBIG:
        return CallError("too_large", f'"{place}" would have more bytes than it may, and is as it was')
    if code == errno.EMLINK:
        return InvalidRequest(f'"{place}": {exc.strerror}')
    if code in _SHORT:
        words = f'"{place}" cannot be written, and is as it was: {_SHORT[code]}'
        return CallError("provider_error", words, {"type": "OSError"})
    if code in _REFUSED:
        return InvalidRequest(f'"{place}" {_REFUSED[code]}')
    if code in _PASSING:
        return CallError("overloaded", f'"{place}" cannot be opened now: {exc.strerror}')
    words = f'"{place}": the provider cannot do that: {exc.strerror}'
    return CallError("provider_error", words, {"type": type(exc).__name__})


def opened(directory: int, name: str, flags: int, mode: int = 0o666) -> int:
    """A regular file in the directory. What is none is not even opened: that alone may have an effect."""
    try:
        require_file(os.stat(name, dir_fd=directory, follow_symlinks=False))
    except FileNotFoundError:
        if not flags & os.O_CREAT:
            raise
    handle = os.open(name, flags | REGULAR, mode, dir_fd=directory)
    try:
        require_file(os.fstat(handle))
    except OSError:
        os.close(handle)
        raise
    return handle


def listable(directory: int, name: str = ".") -> int:
    """A descriptor of a directory in the directory, whose names can be read."""
    return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=directory)


def kind(status: os.stat_result) -> str:
    return KINDS.get(stat.S_IFMT(status.st_mode), "other")


def require_file(status: os.stat_result) -> None:
    codes = {"file": 0, "directory": errno.EISDIR, "link": errno.ELOOP, "other": errno.ENXIO}
    if code := codes[kind(status)]:
        raise OSError(code, os.strerror(code))


def is_shown(name: str) -> bool:
    """Whether callers can name it: neither half-written by us, nor without a form in UTF-8."""
    return not _fault(name)


def _fault(name: str) -> str:
    """What is wrong with a component of a path."""
    if name in ("", ".", "..") or "/" in name:
        return "has an empty name, a . or a .. in it: write it like root/directory/file"
    if name.startswith(OURS):
        return f"has a name that begins with {OURS}, as only half-written files do"
    return _unwritable(name, LONGEST_NAME)


def _unwritable(text: str, longest: int) -> str:
    try:
        length = len(text.encode())
    except UnicodeEncodeError:
        return "is no Unicode text"
    if "\0" in text:
        return "has a NUL character in it"
    return f"has a name or a length of more than {longest} bytes" if length > longest else ""


def _named(paths: Sequence[str]) -> dict[str, str]:
    named = {os.path.basename(path.rstrip("/")): path for path in paths}
    if len(named) < len(paths):
        raise ValueError("two roots have the same last name: write them as name: path")
    return named
