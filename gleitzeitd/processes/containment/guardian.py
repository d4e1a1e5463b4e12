"""Ends what a daemon leaves when it is killed. Run by path, as a process of its own; also used as a module.

It waits for the daemon's end of a pair of sockets to be closed. A daemon that ends in order writes a
farewell before; of one that did not, everything is killed that is in its cgroups, carries its mark, is in a
recorded session or descends from any of these, until nothing is left.

It imports next to nothing of the standard library and nothing of ours: it waits for years in little memory,
and what it needs must be there when the rest was replaced by an upgrade meanwhile.
"""

from __future__ import annotations

# `signal` itself would make enums of them all, and is a tenth of this process.
import _signal as signal  # type: ignore[import-not-found]
import errno
import os
import sys
import time

PATIENCE = 10.0
"""Seconds until what does not die is given up; it is looked for again when the next daemon starts."""
PAUSE = 0.02
READY = b"!"
"""Said when no signal ends it any more."""
FAREWELL = b"."
GONE = (FileNotFoundError, ProcessLookupError, PermissionError)
"""Errors by which a process is not there, or hidden from us. By any other nothing is known of it."""
SHORT = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
Place = tuple[int, int, int, bool]
"""Parent, session and start time of a process, and whether it is alive: it may be a zombie."""


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    pid, started, record = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    if _last_word() != FAREWELL and _is_over(pid, started):
        cgroups, leaders = read(record, pid, started)
        end(pid, started, leaders, cgroups or sys.argv[4], is_at_once=True)


def _last_word() -> bytes:
    """What the daemon says at its end; nothing when it was killed."""
    try:
        os.write(0, READY)
        return os.read(0, 1)
    except OSError:
        return b""  # It was killed before it had read that we are ready.


def _is_over(pid: int, started: int) -> bool:
    """Whether the daemon is dead: its files are closed a moment before it is."""
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up:
        try:
            if not is_alive(pid, started):
                return True
        except OSError:
            pass  # We lack the means to know.
        time.sleep(PAUSE)
    return False


def is_alive(pid: int, started: int) -> bool:
    """Raises OSError when that cannot be known."""
    place = _place(pid)
    return place is not None and place[2] == started and place[3]


def boot() -> str:
    """Which start of the machine this is: pids and start times are of one start only."""
    with open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip()


def author(record: str) -> tuple[int, int] | None:
    """Pid and start time of the daemon that wrote it, when that was since the machine was started."""
    try:
        with open(record) as file:
            words = file.readline().split()
        return (int(words[1]), int(words[2])) if words[0] == boot() else None
    except (OSError, ValueError, IndexError):
        return None


def read(record: str, pid: int, started: int) -> tuple[str, dict[int, int]]:
    """The directory of cgroups that this daemon recorded, and its leaders with their start times."""
    leaders = dict[int, int]()
    if author(record) != (pid, started):
        return "", leaders
    with open(record, errors="surrogateescape") as file:
        cgroups = [*file.readline().rstrip("\n").split(" ", 3), ""][3]
        for line in file:
            # The last line may have been written half, as any other when the disk was full.
            if line.endswith("\n"):
                _note(line, leaders)
    return cgroups, leaders


def _note(line: str, leaders: dict[int, int]) -> None:
    """What a line says. One that cannot be read says nothing."""
    words = line[1:].split()
    try:
        if line[0] == "-":
            leaders.pop(int(words[0]), None)
        elif line[0] == "+":
            leaders[int(words[0])] = int(words[1])
    except (ValueError, IndexError):
        return


def end(
    pid: int, started: int, leaders: dict[int, int], cgroups: str = "", is_at_once: bool = False
) -> tuple[int, list[int]]:
    """Kill everything of a dead daemon until nothing is left; how many were killed, and who did not die.

    `is_at_once`: the daemon has just died, so that no number in its record is somebody else's yet.
    """
    mark = b"GLEITZEIT_INSTANCE=%d:%d:" % (pid, started)
    known = dict[int, int]()
    sure = set(leaders) if is_at_once else set[int]()
    left = dict[int, int]()
    quiet, give_up = 0, time.monotonic() + PATIENCE
    while quiet < 2:  # A child that was being spawned gets its mark only with its exec.
        if quiet == 0 and time.monotonic() > give_up:
            return len(known), list(left)
        try:
            known.update(_inside(cgroups))
            _kill_groups(cgroups)
            left = _family(mark, leaders, known, sure)
        except OSError:
            quiet = -1  # Not all of them can be seen now.
        known.update(left)
        for found, born in left.items():
            _kill(found, born)
        quiet = 0 if left else quiet + 1
        time.sleep(PAUSE)
    _remove_groups(cgroups)
    return len(known), []


def _family(mark: bytes, leaders: dict[int, int], known: dict[int, int], sure: set[int]) -> dict[int, int]:
    """Whoever of the daemon's is alive, with its start time. Raises OSError.

    `sure` are the sessions that are certainly the daemon's; it grows.
    """
    places = {pid: place for pid in _pids() if (place := _place(pid)) is not None}
    family = {
        pid: place[2] for pid, place in places.items() if known.get(pid) == place[2] or _carries(pid, mark)
    }
    sure.update(_sessions(leaders, places, family))
    for pid, (_, session, started, _) in places.items():
        if session in sure and _is_as_recorded(session, leaders, places):
            family[pid] = started
    grew = True
    while grew:
        below = {p: at[2] for p, at in places.items() if at[0] in family and p not in family}
        family.update(below)
        grew = bool(below)
    family.pop(os.getpid(), None)
    return {pid: started for pid, started in family.items() if places[pid][3]}


def _sessions(leaders: dict[int, int], places: dict[int, Place], family: dict[int, int]) -> set[int]:
    """The recorded sessions that still are the daemon's: their leader is there, or one of the family is in
    it. In one without either the number may have been given to a stranger, who has died as well."""
    theirs = {places[pid][1] for pid in family}
    return {
        leader
        for leader, started in leaders.items()
        if leader in theirs or (leader in places and places[leader][2] == started)
    }


def _is_as_recorded(session: int, leaders: dict[int, int], places: dict[int, Place]) -> bool:
    """Whether its leader, if it is there, dead or alive, is the one that was recorded."""
    return session not in places or places[session][2] == leaders[session]


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _place(pid: int) -> Place | None:
    """None when it is not there. Raises OSError."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except GONE:
        return None
    return int(fields[1]), int(fields[3]), int(fields[19]), fields[0] not in (b"Z", b"X")


def _carries(pid: int, mark: bytes) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return b"\0" + mark in b"\0" + file.read()
    except OSError as exc:
        if exc.errno in SHORT:
            raise
        return False


def _kill(pid: int, started: int) -> None:
    """SIGKILL to exactly this process: never to one that was given its number since."""
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return
    try:
        if is_alive(pid, started):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
    except OSError:
        pass  # It is gone, or has become another user's.
    finally:
        os.close(handle)


def _groups(cgroups: str) -> list[str]:
    """The cgroups of lives; the leaf in which the daemon was may have its guardian in it."""
    if not cgroups or not os.path.isdir(cgroups):
        return []
    return [f"{cgroups}/{name}" for name in os.listdir(cgroups) if ":" in name]


def _inside(cgroups: str) -> dict[int, int]:
    found = dict[int, int]()
    for group in _groups(cgroups):
        try:
            with open(f"{group}/cgroup.procs") as file:
                pids = [int(word) for word in file.read().split()]
        except OSError:
            continue
        found.update((pid, place[2]) for pid in pids if (place := _place(pid)) is not None and place[3])
    return found


def _kill_groups(cgroups: str) -> None:
    for group in _groups(cgroups):
        try:
            with open(f"{group}/cgroup.kill", "w") as file:
                file.write("1")
        except OSError:
            continue  # It was removed meanwhile.


def _remove_groups(cgroups: str) -> None:
    """Take away what is empty; what is not, the next daemon looks at."""
    if not cgroups:
        return
    for directory, _, _ in os.walk(cgroups, topdown=False):
        try:
            os.rmdir(directory)
        except OSError:
            continue


if __name__ == "__main__":
    main()
