"""The rules about what this machine has, and what a daemon with our rights may do."""

from __future__ import annotations

import grp
import os
import pwd
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gleitzeitd.config.block import Block, hint
from gleitzeitd.config.document import Problem
from gleitzeitd.config.written import as_written

LARGEST_ID = 2**32 - 2
"""The one above means none (chown(2))."""


def user(block: Block) -> Iterator[Problem]:
    wanted = _account(block.get("user"))
    if wanted is None:
        return
    uid = _uid(wanted)
    if uid is None:
        known = [entry.pw_name for entry in pwd.getpwall()]
        yield block.problem(("user",), f'there is no user "{wanted}"{hint(wanted, known)}')
    elif os.geteuid() not in (0, uid):
        sentence = "only a daemon that runs as root can run a provider as another user"
        yield block.problem(("user",), sentence)


def group(block: Block) -> Iterator[Problem]:
    wanted = _account(block.get("group"))
    if wanted is None:
        return
    gid = _gid(wanted)
    if gid is None:
        known = [entry.gr_name for entry in grp.getgrall()]
        yield block.problem(("group",), f'there is no group "{wanted}"{hint(wanted, known)}')
    elif os.geteuid() != 0 and gid != os.getegid():
        sentence = "only a daemon that runs as root can run a provider with another group"
        yield block.problem(("group",), sentence)


def nice(block: Block) -> Iterator[Problem]:
    wanted = block.get("nice")
    if isinstance(wanted, int) and -20 <= wanted < 0 and os.geteuid() != 0:
        yield block.problem(("nice",), "only a daemon that runs as root can go below 0")


def nofile(block: Block) -> Iterator[Problem]:
    wanted = block.section("limits").get("nofile")
    if isinstance(wanted, int) and wanted > (most := _most_files()):
        sentence = f"must be at most {most}, which is all that this daemon can give, not {as_written(wanted)}"
        yield block.problem(("limits", "nofile"), sentence)


def _account(value: Any) -> str | None:
    """A user or a group as it was written; None for what is neither name nor number."""
    is_one = isinstance(value, str | int) and not isinstance(value, bool)
    return as_written(value) if is_one else None


def _uid(user: str) -> int | None:
    """Only an account tells the home and the groups, so a number has to have one too."""
    try:
        return (pwd.getpwuid(int(user)) if _is_number(user) else pwd.getpwnam(user)).pw_uid
    except (KeyError, ValueError):
        return None


def _gid(group: str) -> int | None:
    try:
        gid = int(group) if _is_number(group) else grp.getgrnam(group).gr_gid
    except (KeyError, ValueError):
        return None
    return gid if gid <= LARGEST_ID else None


def _is_number(account: str) -> bool:
    return account.isascii() and account.isdecimal()


def _most_files() -> int:
    """Above the hard limit root may go, but only as far as the kernel does."""
    most = int(Path("/proc/sys/fs/nr_open").read_text())
    if os.geteuid() == 0:
        return most
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return most if hard == resource.RLIM_INFINITY else hard
