"""A process that gives up what it does not need: files beyond some directories, TCP, memory, and its life
without its parent.

For Linux. The kernel's Landlock judges by the file that is opened in the end, so neither `..` nor a symbolic
link leads around it, whoever changes them and when.
"""

from __future__ import annotations

import ctypes
import os
import signal
import struct
from collections.abc import Iterable
from pathlib import Path

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
"""System calls, the same on every architecture."""

VERSION_FLAG, PATH_BENEATH = 1, 1
SET_DEATH_SIGNAL, SET_NO_NEW_PRIVILEGES = 1, 38

READ = 1 << 2 | 1 << 3
"""Files are read and directories listed."""

WRITE = READ | 1 << 1 | 1 << 4 | 1 << 5 | 1 << 7 | 1 << 8
"""Files and directories come, change and go, too."""

EVERYTHING = (1 << 13) - 1
"""What the first version can forbid."""

TRUNCATE, TRUNCATE_SINCE = 1 << 14, 3
TCP, TCP_SINCE = 0b11, 4


def version() -> int:
    """Of Landlock in this kernel; 0 where there is none."""
    found: int = _libc().syscall(CREATE_RULESET, None, 0, VERSION_FLAG)
    return max(0, found)


def confine(readable: Iterable[Path], writable: Iterable[Path]) -> bool:
    """Let this thread, and those it starts, open files only beneath these directories, and nothing by TCP.

    For ever. False where the kernel cannot.
    """
    known = version()
    if not known:
        return False
    libc = _libc()
    more = TRUNCATE if known >= TRUNCATE_SINCE else 0
    has_net = known >= TCP_SINCE
    rules = struct.pack("QQ", EVERYTHING | more, TCP) if has_net else struct.pack("Q", EVERYTHING)
    ruleset = _checked(libc.syscall(CREATE_RULESET, rules, len(rules), 0))
    try:
        for rights, places in ((READ, readable), (WRITE | more, writable)):
            for place in places:
                _allow(libc, ruleset, place, rights)
        _checked(libc.prctl(SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0))
        _checked(libc.syscall(RESTRICT_SELF, ruleset, 0))
    finally:
        os.close(ruleset)
    return True


def die_with_parent(parent: int) -> None:
    """Be killed when the thread that started this process ends, whose process is `parent`."""
    _checked(_libc().prctl(SET_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0))
    if os.getppid() != parent:
        os._exit(1)


def _allow(libc: ctypes.CDLL, ruleset: int, place: Path, rights: int) -> None:
    place_fd = os.open(place, os.O_PATH | os.O_CLOEXEC)
    try:
        rule = struct.pack("=Qi", rights, place_fd)
        _checked(libc.syscall(ADD_RULE, ruleset, PATH_BENEATH, rule, 0))
    finally:
        os.close(place_fd)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
