"""What a daemon holds while it runs, beside its sockets: its directory, the lock on it and the local token.

All are made with their final mode, and never through a link that somebody else may have laid.
"""

from __future__ import annotations

import contextlib
import fcntl
import grp
import hashlib
import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

from gleitzeit_extensions import places
from gleitzeitd.core.errors import OccupiedError


def logs_directory() -> Path:
    """Where providers' output is kept, made if need be. Raises OccupiedError."""
    path = places.logs_directory()
    make_directory(path, 0o750)
    return Path(path)


def make_directory(path: str, mode: int) -> None:
    """A directory that nobody else can change, made if need be. Raises OccupiedError."""
    with explained(f"cannot use the directory {path}"):
        for parent in reversed(Path(path).parents):
            _make(str(parent), 0o755)
        _make(path, mode)
        found = os.lstat(path)
        above = _open_above(path)
    if not stat.S_ISDIR(found.st_mode):
        raise OccupiedError(f"{path} is not a directory")
    if _is_of_others(found) or found.st_mode & stat.S_IWOTH or _is_shared(found):
        raise OccupiedError(f"{path} can be changed by other users: choose a directory of the daemon's own")
    if above is not None:
        raise OccupiedError(f"{path} can be replaced by other users, who may change {above}: choose another")


def _make(path: str, mode: int) -> None:
    # a chmod afterwards would follow a link that somebody put there meanwhile
    before = os.umask(0o777 & ~mode)
    try:
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, mode)
    finally:
        os.umask(before)


def _open_above(path: str) -> Path | None:
    """The directory above `path` by which anybody could put another one in its place.

    Whoever else owns one above is trusted, as who says where has chosen it: in a container it may be anyone.
    """
    is_below_open = False
    for above in reversed(Path(os.path.realpath(path)).parents):
        found = os.stat(above)
        is_open = bool(found.st_mode & stat.S_IWOTH)
        is_sticky = bool(found.st_mode & stat.S_ISVTX)
        # in a place for all, anybody may have laid it there, and whose it is may move what it holds
        if (is_open and not is_sticky) or (is_below_open and _is_of_others(found)):
            return above
        is_below_open = is_open
    return None


def _is_of_others(found: os.stat_result) -> bool:
    return found.st_uid not in (0, os.geteuid())


def _is_shared(found: os.stat_result) -> bool:
    """Whether a group may change it that has more members than ourselves; root's has none but root."""
    if not found.st_mode & stat.S_IWGRP or found.st_gid == 0:
        return False
    return found.st_gid != os.getegid() or bool(_members(found.st_gid) - {_name(os.geteuid())})


def _members(group: int) -> set[str]:
    # who has it as the first group is not in its list
    members = {user.pw_name for user in pwd.getpwall() if user.pw_gid == group}
    with contextlib.suppress(KeyError):
        members.update(grp.getgrgid(group).gr_mem)
    return members


def _name(user: int) -> str | None:
    # in a container, users may have none
    with contextlib.suppress(KeyError):
        return pwd.getpwuid(user).pw_name
    return None


def _open(path: str, flags: int, mode: int) -> int:
    descriptor = os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    os.fchmod(descriptor, mode)  # open honours the umask.
    return descriptor


def record(control: str) -> Path:
    """Where it is written down who lives, for whoever comes after a daemon that was killed."""
    return Path(os.path.dirname(control), "children")


def transient(control: str) -> str:
    """The directory of what is run without standing in a file of the config, for as long as a daemon runs."""
    return os.path.join(os.path.dirname(control), "transient")


def clear_transient(path: str) -> None:
    """Make that directory, and empty it. Hold the lock. Raises OccupiedError."""
    make_directory(path, 0o700)
    with explained(f"cannot clear {path}"):
        for entry in os.scandir(path):
            os.unlink(entry.path)


@contextlib.contextmanager
def lock(control: str) -> Iterator[None]:
    """Be the only daemon in the directory of this control socket. Raises OccupiedError."""
    run = os.path.dirname(control)
    # Children of other users must get to the hub's socket, which only root has; below /tmp nobody else need.
    make_directory(run, 0o711 if os.geteuid() == 0 else 0o700)
    path = os.path.join(run, "lock")
    with explained(f"cannot lock {path}"):
        descriptor = _open(path, os.O_RDWR, 0o600)
    with os.fdopen(descriptor, "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OccupiedError(
                f"a daemon (pid {file.read().strip() or 'unknown'}) runs at {control} already: "
                "stop it, or choose another place with --socket"
            ) from None
        with explained(f"cannot write {path}"):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield


def give_to_group(path: str) -> None:
    """To those who may operate the daemon, where there is such a group and we may."""
    with contextlib.suppress(KeyError, PermissionError):
        os.chown(path, -1, grp.getgrnam(places.GROUP).gr_gid, follow_symlinks=False)


@contextlib.contextmanager
def token_file(control: str, token: str) -> Iterator[None]:
    """The local token, where programs of this user and of the group find it."""
    path = places.token_file(control)
    draft = f"{path}.{os.getpid()}"
    with explained(f"cannot write {path}"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(draft)
        with open(_open(draft, os.O_WRONLY | os.O_EXCL, 0o640), "w") as file:
            file.write(token + "\n")
        give_to_group(draft)
        os.rename(draft, path)
    try:
        yield
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def tokens_file(control: str) -> Path:
    """Where named tokens are kept, apart for each control socket: a daemon knows nothing of what another one
    of its user writes. The directory is made if need be. Raises OccupiedError."""
    state = places.state_directory()
    make_directory(state, 0o750)
    directory = os.path.join(state, "tokens")
    make_directory(directory, 0o700)
    name = hashlib.sha256(os.fsencode(os.path.abspath(control))).hexdigest()[:16]
    return Path(directory, f"{name}.json")


def read_kept(path: Path) -> str | None:
    """What was kept; None when nothing ever was. Raises OccupiedError."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as exc:
        raise OccupiedError(f"cannot read {path}: {exc}") from exc


def keep(path: Path, text: str) -> None:
    """Write a file that only this user may read, all of it or nothing. Raises OSError."""
    draft = f"{path}.draft"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(draft)
    with open(_open(draft, os.O_WRONLY | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.rename(draft, path)


@contextlib.contextmanager
def explained(what: str) -> Iterator[None]:
    """What the system refuses is an OccupiedError."""
    try:
        yield
    except OSError as exc:
        raise OccupiedError(f"{what}: {exc.strerror or exc}") from exc
