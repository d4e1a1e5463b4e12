"""Much output, last output, and output that there is no room for."""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.house import PYTHON, House, eventually, house
from tests.invariants import MIB, Bounds
from tests.kept import entries, kept, misplaced
from tests.observer import observed
from tests.scenarios.common import SLEEPER, all_are, becomes, only_legal, room, views

WITNESS = {"witness": SLEEPER}
"""One that stays: the others may have come and gone before the observer first looks."""
WORDS = 600
"""Lines that somebody says last: more than one read of a pipe takes, less than it holds."""
FLOOD = """
import os, sys

size, wrote, said = int(sys.argv[1]), 0, {1: 0, 2: 0}
plain = [b"x" * 90] * 300
odd = [b"\\0\\xff\\xfe not text\\n", b"long " * 8000]
while wrote < size:
    for descriptor, lines in ((1, plain), (2, plain), (1, odd)):
        numbered = enumerate(lines, said[descriptor])
        view = memoryview(b"".join(b"#%d %s\\n" % each for each in numbered))
        said[descriptor] += len(lines)
        while view:
            count = os.write(descriptor, view)
            wrote += count
            view = view[count:]
with open("part." + sys.argv[2], "w") as file:
    file.write("%d %d %d" % (wrote, said[1], said[2]))
os.rename("part." + sys.argv[2], "wrote." + sys.argv[2])
"""
GASP = f"""
import os, signal, sys

def gasp(*_):
    for number in range({WORDS}):
        os.write(1, b"%d last word %d\\n" % (os.getpid(), number))
    os._exit(0)

if sys.argv[1] == "exit":
    gasp()
signal.signal(signal.SIGTERM, gasp)
open("armed." + sys.argv[2] + "." + str(os.getpid()), "w").close()
while True:
    signal.pause()
"""
WIDTH = 80
PATIENT = f"""
import os, time

def say(word):
    os.write(1, b"%-{WIDTH}s\\n" % word)

def until(word):
    while not os.path.exists(word):
        time.sleep(0.005)

said = 0
for word, count in (("fits", 100), ("full", 20000)):
    until(word)
    for _ in range(count):
        say(word.encode())
    said += count
    open("said." + word, "w").close()
until("again")
while not os.path.exists("enough"):
    say(b"again")
    said += 1
    time.sleep(0.005)
with open("wrote.part", "w") as file:
    file.write(str(said * {WIDTH + 1}))
os.rename("wrote.part", "wrote")
time.sleep(1000)
"""


def floods(root: Path, *, children: int, size: int) -> None:
    """Everything is kept, each line once and in its place, and meanwhile the daemon answers."""
    providers = {
        f"flood{number}": {
            "command": [*PYTHON, "flood.py", str(size), f"flood{number}"],
            "cwd": ".",
            "restart": {"policy": "never"},
            "start_seconds": 0,
        }
        for number in range(children)
    }
    bounds = Bounds(rss=150 * MIB + children * 4 * MIB, passing=600)
    with house(root, providers | WITNESS, {"flood.py": FLOOD}) as h, observed(h, bounds):
        for name in providers:
            eventually((root / f"wrote.{name}").exists, f"{name} has written all")
        all_are(h, "EXITED", providers)
        for name in providers:
            wrote, out, err = map(int, (root / f"wrote.{name}").read_text().split())
            balanced(h, name, wrote)
            gaps = h.view(name)["dropped_output"] > 0
            assert misplaced(_logs(h), name, {"stdout": out, "stderr": err}, gaps=gaps) == []


def balanced(h: House, name: str, wrote: int, width: int | None = None) -> None:
    """I5. What was printed last may still be on its way to the file."""

    def accounted() -> int | None:
        with contextlib.suppress(FileNotFoundError):  # It was just renamed.
            return kept(_logs(h), name, width=width) + int(h.view(name)["dropped_output"])
        return None

    becomes(accounted, wrote, f"I5: bytes of {name} that are kept, or counted as dropped")


def _logs(h: House) -> Path:
    return Path(h.environment["LOGS_DIRECTORY"])


def last_words_before_exit(root: Path, *, instances: int, rounds: int) -> None:
    """Six hundred lines and at once the end, without a farewell to the C library."""
    providers = {f"gasp{number}": _gasping("exit", f"gasp{number}") for number in range(instances)}
    with house(root, providers | WITNESS, {"gasp.py": GASP}) as h, observed(h, room(instances)):
        for round_ in range(1, rounds + 1):
            all_are(h, "EXITED", providers, life=round_)
            if round_ < rounds:
                h.client.post("/v1/start", {"names": list(providers), "wait": False})
        for name in providers:
            _all_was_kept(h, name, rounds)


def last_words_when_asked_to_end(root: Path, *, instances: int, rounds: int) -> None:
    """Six hundred lines in the handler of SIGTERM."""
    providers = {f"gasp{number}": _gasping("wait", f"gasp{number}") for number in range(instances)}
    with house(root, providers, {"gasp.py": GASP}) as h, observed(h, room(instances)):
        for _ in range(rounds):
            eventually(lambda: _are_armed(h), "all have their handler")
            h.client.post("/v1/stop", {"names": ["all"]}, 60)
            all_are(h, "STOPPED")
            h.client.post("/v1/start", {"names": ["all"], "wait": False})
        eventually(lambda: _are_armed(h), "all have their handler")
        h.client.post("/v1/stop", {"names": ["all"]}, 60)
        for name in providers:
            _all_was_kept(h, name, rounds + 1)
        only_legal(h)


def _are_armed(h: House) -> bool:
    return all(
        view["pid"] is not None and (h.root / f"armed.{name}.{view['pid']}").exists()
        for name, view in views(h).items()
    )


def _gasping(how: str, name: str) -> dict[str, object]:
    block = {"command": [*PYTHON, "gasp.py", how, name], "cwd": ".", "start_seconds": 0}
    return {**block, "restart": {"policy": "never"}}


def _all_was_kept(h: House, name: str, lives: int) -> None:
    becomes(
        lambda: _complete(h, name), (lives, {}), f"lives of {name} with all their words, and the torn ones"
    )


def _complete(h: House, name: str) -> tuple[int, dict[str, str]]:
    """How many lives have all of their last words in the log, and what the others have."""
    words = defaultdict[str, list[int]](list)
    for entry in entries(_logs(h), name):
        pid, *_, number = entry.text.decode().split()
        words[pid].append(int(number))
    torn = {pid: f"{len(said)} lines" for pid, said in words.items() if said != list(range(WORDS))}
    return len(words) - len(torn), torn


@contextmanager
def small_disk(path: Path, size: int) -> Iterator[Path]:
    """A file system of that many bytes at `path`. Skips the test where nobody may mount one."""
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "gleitzeit-test", str(path)]
    if (tried := subprocess.run(mount, capture_output=True, text=True, check=False)).returncode:
        pytest.skip(f"needs a file system of its own, which only root may mount: {tried.stderr.strip()}")
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


def fill(disk: Path) -> Path:
    """A file that takes all the room there is."""
    ballast = disk / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        for _ in itertools.count():
            file.write(bytes(os.sysconf("SC_PAGE_SIZE")))
    return ballast


def disk_full(root: Path, *, rounds: int = 1) -> None:
    """The child is not held, what is lost is counted to the byte, and with room comes the log again."""
    for round_ in range(rounds):
        with small_disk(root / f"disk{round_}", 4 * MIB) as disk:
            _disk_full(root / f"house{round_}", disk)


def _disk_full(root: Path, disk: Path) -> None:
    root.mkdir()
    patient = {"command": [*PYTHON, "patient.py"], "cwd": ".", "start_seconds": 0}
    with house(root, {"patient": patient}, {"patient.py": PATIENT}, started=False) as h:
        h.environment["LOGS_DIRECTORY"] = str(disk)
        h.start()
        with observed(h):
            pid = h.until("patient", "RUNNING")["pid"]
            _say(h, "fits")
            becomes(lambda: kept(disk, "patient"), 100 * (WIDTH + 1), "what is kept of what fits")
            ballast = fill(disk)
            _say(h, "full")
            eventually(lambda: h.view("patient")["dropped_output"] > 0, "what does not fit is counted")
            ballast.unlink()
            (h.root / "again").touch()
            eventually(lambda: _last(disk).startswith(b"again"), "with room the log goes on")
            (h.root / "enough").touch()
            eventually((h.root / "wrote").exists, "the child has counted")
            balanced(h, "patient", int((h.root / "wrote").read_text()), WIDTH)
            assert (h.view("patient")["pid"], h.view("patient")["restarts"]) == (pid, 0)
        assert "Traceback" not in h.said()


def _say(h: House, word: str) -> None:
    (h.root / word).touch()
    eventually((h.root / f"said.{word}").exists, f'the child has said what is to be said when "{word}"')


def _last(disk: Path) -> bytes:
    *_, last = (entry.text for entry in entries(disk, "patient"))
    return last
