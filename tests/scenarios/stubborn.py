"""Children that do not want to end, and what they leave behind when they do."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.house import PYTHON, House, house
from tests.observer import Observer, observed
from tests.scenarios.common import AT_ONCE, all_are, becomes, room, views

GRACE = 0.3
KINDS = {
    "ignores": ["ignore"],
    "closes": ["ignore", "close"],
    "group": ["child"],
    "doublefork": ["orphan"],
    "setsid": ["orphan", "setsid"],
    "silent": ["orphan", "setsid", "close"],
    "holds": ["orphan", "setsid", "hold"],
    "subreaper": ["ignore", "subreap", "orphan", "setsid"],
}
"""What the leader does, and the grandchild that it may have."""
STUBBORN = """
import ctypes, os, signal, sys

number, cleared, *manners = sys.argv[1:]
environment = {} if cleared == "cleared" else dict(os.environ)

def ignore():
    for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)

def sleep(environment):
    # What is ignored stays ignored in the new program.
    os.execve("/bin/sleep", ["sleep", number], environment)

def close():
    os.closerange(0, 100)

if "subreap" in manners:
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
if ("orphan" in manners or "child" in manners) and os.fork() == 0:
    if "orphan" in manners and os.fork() > 0:
        os._exit(0)
    if "setsid" in manners:
        os.setsid()
    if "hold" not in manners:
        close()
    ignore()
    sleep(environment)
if "orphan" in manners:
    os.wait()
if "ignore" in manners:
    ignore()
if "close" in manners:
    close()
sleep(dict(os.environ))
"""


def family(number: str) -> list[int]:
    """The pids of all that sleeps for this number of seconds, which nobody else does."""

    def words(pid: str) -> bytes:
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return b""

    wanted = b"sleep\0" + number.encode() + b"\0"
    return [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and words(pid) == wanted]


class Families:
    """One instance of every kind, known by the seconds that its processes sleep."""

    def __init__(self, *, cleared: bool, copies: int) -> None:
        names = {f"{kind}{copy}": manners for copy in range(copies) for kind, manners in KINDS.items()}
        self.numbers = {name: f"9{os.getpid()}{index:04}" for index, name in enumerate(names)}
        self.sizes = {
            name: 1 + ("orphan" in manners or "child" in manners) for name, manners in names.items()
        }
        environment = "cleared" if cleared else "inherited"
        self.providers: dict[str, dict[str, Any]] = {
            name: {
                "command": [*PYTHON, "stubborn.py", self.numbers[name], environment, *manners],
                "cwd": ".",
                "start_seconds": 0,
                "stop": {"timeout": GRACE},
                **AT_ONCE,
            }
            for name, manners in names.items()
        }

    def left(self) -> dict[str, list[int]]:
        return {name: pids for name, number in self.numbers.items() if (pids := family(number))}

    def there(self) -> dict[str, int]:
        return {name: len(pids) for name, pids in self.left().items()}


@contextmanager
def stubborn_house(root: Path, families: Families) -> Iterator[tuple[House, Observer]]:
    try:
        with (
            house(root, families.providers, {"stubborn.py": STUBBORN}) as h,
            observed(h, room(len(families.sizes))) as seen,
        ):
            becomes(families.there, families.sizes, "the processes of each")
            yield h, seen
    finally:
        for pids in families.left().values():
            for pid in pids:
                # One that has just died by itself must not hide the failure that led here.
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def stop_ends_all(root: Path, *, cleared: bool, copies: int = 1) -> None:
    """Within grace and two seconds nothing is left of any of them, and STOPPED is not said before."""
    families = Families(cleared=cleared, copies=copies)
    with stubborn_house(root, families) as (h, _):
        h.client.post("/v1/stop", {"names": ["all"], "timeout": GRACE + 2}, 20)
        states = {name: view["state"] for name, view in views(h).items()}
        assert (families.left(), set(states.values())) == ({}, {"STOPPED"})


def a_crash_is_cleared_away(root: Path, *, cleared: bool, copies: int = 1, crashes: int = 1) -> None:
    """What a killed leader leaves is gone before the next generation starts."""
    families = Families(cleared=cleared, copies=copies)
    with stubborn_house(root, families) as (h, _):
        for life in range(2, crashes + 2):
            for view in views(h).values():
                os.kill(view["pid"], signal.SIGKILL)
            all_are(h, "RUNNING", life=life)
            becomes(families.there, families.sizes, "the processes of each")


def a_second_signal_hurries(root: Path, *, copies: int = 1) -> None:
    """Two SIGTERMs to the daemon: nobody waits for the hour that the stubborn ask for."""
    families = Families(cleared=False, copies=copies)
    for block in families.providers.values():
        block["stop"] = {"timeout": "1h"}
    with stubborn_house(root, families) as (h, _):
        h.daemon.send_signal(signal.SIGTERM)
        all_are(h, "STOPPING", ["ignores0", "subreaper0"])
        assert h.stop(signal.SIGTERM) == 0
        assert (families.left(), h.left_behind()) == ({}, [])
