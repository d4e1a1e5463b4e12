"""The rules about what this machine has, and what a daemon with our rights may do."""

from __future__ import annotations

import grp
import os
import pwd
import resource
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from gleitzeitd.config.block import Block, hint
from gleitzeitd.config.place import Problem
from gleitzeitd.config.written import as_written

LARGEST_ID = 2**32 - 2
"""The one above means none (chown(2))."""


def accounts(blocks: Iterable[Block]) -> Iterator[Problem]:
    """Of all blocks at once, since many may name the same account, which is looked up once."""
    users, groups = cache(_wrong_user), cache(_wrong_group)
    for block in blocks:
        for key, wrong_with in (("user", users), ("group", groups)):
            wanted = _account(block.get(key))
            if wanted is not None and (sentence := wrong_with(wanted)):
                shown = str(block.shown((key,), wanted))
                # What was like a secret would tell of it.
                yield block.problem((key,), sentence if shown == wanted else f'there is no {key} "{shown}"')


def _wrong_user(wanted: str) -> str | None:
    uid = _uid(wanted)
    if uid is None:
        return f'there is no user "{wanted}"{hint(wanted, [entry.pw_name for entry in pwd.getpwall()])}'
    if os.geteuid() not in (0, uid):
        return "only a daemon that runs as root can run a provider as another user"
    return None


def _wrong_group(wanted: str) -> str | None:
    gid = _gid(wanted)
    if gid is None:
        return f'there is no group "{wanted}"{hint(wanted, [entry.gr_name for entry in grp.getgrall()])}'
    if os.geteuid() != 0 and gid != os.getegid():
        return "only a daemon that runs as root can run a provider with another group"
    return None


def nice(block: Block) -> Iterator[Problem]:
    wanted = block.get("nice")
    if isinstance(wanted, int) and -20 <= wanted < 0 and os.geteuid() != 0:
        yield block.problem(("nice",), "only a daemon that runs as root can go below 0")


def nofile(blocks: Iterable[Block]) -> Iterator[Problem]:
    wants = [(block, block.section("limits").get("nofile")) for block in blocks]
    files = [(block, wanted) for block, wanted in wants if isinstance(wanted, int)]
    most = _most_files() if files else 0
    for block, wanted in files:
        if wanted > most:
            shown = as_written(block.shown(("limits", "nofile"), wanted))
            most_told = f"must be at most {most}, which is all that this daemon can give"
            sentence = f"{most_told}, not {shown}"
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
