"""The bytes and the text of a file, read from whatever somebody put in its place."""

from __future__ import annotations

import os
import stat

from gleitzeitd.core.errors import ConfigError


class UnreadableError(ConfigError):
    """There is no such file, or it may not be read: another time, or to somebody else, it may be there."""


LARGEST = 8 * 1024 * 1024
"""Bytes that a file of settings or variables may have."""


def read_text(path: str, largest: int = LARGEST) -> str:
    """The text at `path`. Raises ConfigError when it is no regular file, too large, or not UTF-8."""
    return decoded(path, read_bytes(path, largest))


def read_bytes(path: str, largest: int = LARGEST) -> bytes:
    """What is at `path`. Raises ConfigError when it is no regular file, or too large."""
    try:
        # A FIFO in the file's place must not hold the daemon.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise _irregular(path)
            raw = _read(descriptor, largest + 1)
        finally:
            os.close(descriptor)
    except FileNotFoundError as exc:
        raise UnreadableError((f"{path}: there is no such file",)) from exc
    except OSError as exc:
        if _is_socket(path):
            raise _irregular(path) from exc
        raise UnreadableError((f"{path}: cannot be read: {exc.strerror}",)) from exc
    except ValueError as exc:
        raise ConfigError((f"{path}: this cannot be the name of a file",)) from exc
    if len(raw) > largest:
        raise ConfigError((f"{path}: is larger than the {_size(largest)} that it may have",))
    return raw


def decoded(path: str, raw: bytes) -> str:
    """The text that these bytes of the file are. Raises ConfigError with the place of what is not UTF-8."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = raw.count(b"\n", 0, exc.start) + 1
        raise ConfigError(
            (f"{path}:{line}:1: byte {exc.start} is not UTF-8: save the file as UTF-8",)
        ) from exc


def _read(descriptor: int, most: int) -> bytes:
    parts = list[bytes]()
    while most > 0 and (part := os.read(descriptor, most)):
        parts.append(part)
        most -= len(part)
    return b"".join(parts)


def _irregular(path: str) -> ConfigError:
    return ConfigError((f"{path}: this is not a regular file: name a file of text",))


def _is_socket(path: str) -> bool:
    """The one kind of file that cannot even be opened."""
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError:
        return False


def _size(size: int) -> str:
    return f"{size // 2**20} MiB" if size >= 2**20 else f"{size // 2**10} KiB"
