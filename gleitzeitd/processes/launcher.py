"""Becomes who an instance is to be, and then its program. Run by path, as a process of its own.

What has to happen between fork and exec happens here and not in a `preexec_fn`, which would run in a copy
of the daemon, with all its threads' locks. It knows only the standard library's smallest modules, for it
stands in the way of every such start. Its orders come in a file in memory, as environment and arguments
may be secret; they are marshalled, which needs no import, by the same interpreter. The environment of the
program is among them, so that no LD_PRELOAD meant for the program is loaded while this is still root.

On failure it says one sentence on stderr and exits with 78, which is known as a mistake in the config.
"""

from __future__ import annotations

import errno
import grp
import marshal
import os
import pwd
import resource
import signal
import sys

MISTAKE = 78  # EX_CONFIG of sysexits.h


class Refused(Exception):
    """What cannot be done, as a sentence."""


def main() -> None:
    try:
        _obey(int(sys.argv[1]))
    except Refused as exc:
        os.write(2, f"{exc}\n".encode(errors="backslashreplace"))
        sys.exit(MISTAKE)


def _obey(orders: int) -> None:
    with os.fdopen(orders, "rb") as file:
        argv, env, cwd, cgroup, is_limited, nofile, nice, user, group, given = marshal.load(file)
    _enter(cgroup, is_limited)
    _limit(nofile)
    _be_nice(nice)
    # From here on nothing may be imported: the interpreter's files may not be for the user to read.
    own = _become(user, group)
    _go_to(cwd)
    # Python ignores these two, and what is ignored stays so after an exec.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    _execute(argv, env | {name: value for name, value in own.items() if name not in given})


def _enter(cgroup: str | None, is_limited: bool) -> None:
    """Enter the cgroup before there is anything that could stay outside."""
    if cgroup is not None:
        try:
            with open(cgroup, "w") as procs:
                procs.write("0")
        except OSError as exc:
            # It is found by its session and its mark then, like everywhere without cgroups.
            if is_limited:
                why = f"its limits are not enforced: the cgroup cannot be entered: {exc.strerror}"
                os.write(2, f"{why}\n".encode(errors="backslashreplace"))


def _limit(nofile: int | None) -> None:
    if nofile is None:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (nofile, nofile))
    except (ValueError, OSError) as exc:
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        raise Refused(f"cannot set limits.nofile to {nofile}: the hard limit is {hard}") from exc


def _be_nice(nice: int | None) -> None:
    if nice is None:
        return
    try:
        os.setpriority(os.PRIO_PROCESS, 0, nice)
    except OSError as exc:
        raise Refused(f"cannot set nice to {nice}: {exc.strerror}") from exc


def _become(user: str | None, group: str | None) -> dict[str, str]:
    """Be that user and that group for good; the variables that say so."""
    entry = None if user is None else _entry(user)
    gid = os.getgid() if entry is None else entry.pw_gid
    if group is not None:
        gid = _gid(group)
    uid = os.getuid() if entry is None else entry.pw_uid
    # Who is it already needs no right to become it.
    is_it = (uid, gid) == (os.geteuid(), os.getegid()) and uid != 0
    if not is_it and (user is not None or group is not None):
        groups = [gid] if entry is None else os.getgrouplist(entry.pw_name, gid)
        whom = f'user "{user}"' if user is not None else f'group "{group}"'
        _change(uid, gid, groups, whom)
    if entry is None:
        return {}
    return {"HOME": entry.pw_dir, "USER": entry.pw_name, "LOGNAME": entry.pw_name}


def _entry(user: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwuid(int(user)) if user.isdigit() else pwd.getpwnam(user)
    except (KeyError, OverflowError):
        raise Refused(f'there is no user "{user}"') from None


def _gid(group: str) -> int:
    if group.isdigit():
        return int(group)
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise Refused(f'there is no group "{group}"') from None


def _change(uid: int, gid: int, groups: list[int], whom: str) -> None:
    try:
        os.setgroups(groups)
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    except (OSError, OverflowError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else str(exc)
        raise Refused(f"cannot run as {whom}: {why}") from exc
    is_changed = os.getresuid() == (uid,) * 3 and os.getresgid() == (gid,) * 3
    if not is_changed or set(os.getgroups()) != set(groups) or (uid != 0 and _is_root_again()):
        raise Refused(f"cannot run as {whom}: the kernel kept more rights than that")


def _is_root_again() -> bool:
    try:
        os.setuid(0)
    except OSError:
        return False
    return True


def _go_to(cwd: str | None) -> None:
    """Go there as whom it runs: root may enter what the program could not."""
    if cwd is None:
        return
    try:
        os.chdir(cwd)
    except FileNotFoundError:
        raise Refused(f'there is no directory "{cwd}"') from None
    except OSError as exc:
        raise Refused(f'cannot enter the directory "{cwd}": {exc.strerror}') from exc


def _execute(argv: list[str], env: dict[str, str]) -> None:
    """As os.execvpe does, which would import something."""
    program, why = argv[0], errno.ENOENT
    places = [""] if "/" in program else env.get("PATH", os.defpath).split(":")
    for place in places:
        try:
            os.execve(f"{place}/{program}" if place else program, argv, env)
        except OSError as exc:
            # One that may not be executed is told rather than that there is none elsewhere.
            if exc.errno not in (errno.ENOENT, errno.ENOTDIR):
                why = exc.errno or why
    raise Refused(_sentence(program, why))


def _sentence(program: str, why: int) -> str:
    if why == errno.ENOENT:
        return f'there is no program "{program}"'
    if why == errno.EACCES:
        return f'"{program}" may not be executed'
    if why == errno.ENOEXEC:
        return f'"{program}" is not a program: its first line may lack "#!"'
    return f'"{program}" cannot be started: {os.strerror(why)}'


if __name__ == "__main__":
    main()
