"""How many files may be open: more for the daemon than it was given, and none of that for its children."""

from __future__ import annotations

import contextlib
import errno
import os
import resource

RESERVE = 64
"""Descriptors that no child may take, so that the control socket answers when there are no more."""
MOST = 524_288
"""Some machines allow a billion, and programs that go through all of them take that long."""


def raise_own_limit() -> int:
    """Let this process open as many files as it may; the soft limit it was started with."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return soft


def give_back_limit(pid: int, soft: int) -> None:
    """Let a process that was just spawned have the soft limit that this one was started with.

    It is set from outside, right after the exec: a launcher would cost every plain spawn an interpreter,
    and to lower our own limit for the moment of the spawn would forbid us the descriptors above it.
    """
    # One that has become another user's keeps what it was given.
    with contextlib.suppress(ProcessLookupError, PermissionError, ValueError):
        _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))


def keep_reserve(newest: int) -> None:
    """Raise OSError (EMFILE) when a descriptor that was just opened is one of the last."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    # The lowest free number is taken first, so all below this one are in use.
    if soft != resource.RLIM_INFINITY and newest >= soft - RESERVE:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
