"""A daemon that was killed: what it had started dies, by its guardian or when the next one starts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import anyio
import pytest

from gleitzeitd.processes.containment import cgroup, guardian, strays
from gleitzeitd.processes.containment.guard import guard
from gleitzeitd.processes.containment.marker import marker, own_start
from gleitzeitd.processes.containment.predecessor import clear_predecessor
from gleitzeitd.processes.containment.record import Record
from tests.house import eventually
from tests.processes.enclosed import alive, numbers
from tests.processes.waiting import eventually_here

DAEMON = f"""
import sys
sys.path.insert(0, {os.getcwd()!r})
import anyio, os
from pathlib import Path
from gleitzeitd.processes.containment import strays
from gleitzeitd.processes.child import Child, Launch
from gleitzeitd.processes.containment.enclosure import Enclosure, enclosure
from gleitzeitd.processes.containment.guard import guard
from gleitzeitd.processes.containment.marker import marker

here, guarded, grouped = Path(sys.argv[1]), sys.argv[2] == "guarded", sys.argv[3] == "cgroup"
env = {{"PATH": os.environ["PATH"]}}
forget = "env -i PATH=$PATH setsid"
scripts = (
    "trap '' TERM INT HUP; echo $$ >>pids; while :; do sleep 1000; done",
    f"{{forget}} sh -c 'echo $$ >>pids; sleep 1000; :' & echo $$ >>pids; wait",
    "exec env -i PATH=$PATH sh -c 'sleep 1000 & echo $! >>pids; echo $$ >>pids; wait'",
    "(setsid sh -c 'echo $$ >>pids; sleep 1000' &); exec <&- >&- 2>&-; echo $$ >>pids; sleep 1000",
)

async def live(child):
    await child.exited()
    await child.clear()

async def main():
    strays.become_subreaper()
    siblings = set()
    with enclosure(here / "record", []) as full:
        used = full if grouped else Enclosure(None, full.record, full.nofile)
        async with anyio.create_task_group() as tasks:
            if guarded:
                await tasks.start(guard, full.record, siblings)
                (here / "guardian").write_text(str(*siblings))
            children = [
                Child(Launch(("sh", "-c", script), env, marker("p", number), str(here)), siblings, used)
                for number, script in enumerate(scripts)
            ]
            async with anyio.create_task_group() as lives:
                for child in children:
                    lives.start_soon(live, child)
                await anyio.to_thread.run_sync(sys.stdin.read)
                for child in children:
                    child.kill()
            tasks.cancel_scope.cancel()

anyio.run(main)
"""
SIZE = 7
"""Processes that write their pids down."""


class Ended:
    """A daemon with children of its own, silent ones that do not want to end."""

    def __init__(self, here: Path, guarded: str, grouped: str) -> None:
        self.here = here
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-c", DAEMON, str(here), guarded, grouped], stdin=subprocess.PIPE
        )
        eventually(lambda: len(self.pids()) == SIZE and self.recorded() == 4, "all of it lives")

    def pids(self) -> list[int]:
        return numbers(self.here / "pids")

    def recorded(self) -> int:
        return (self.here / "record").read_text().count("\n+")

    def guardian(self) -> int:
        return int((self.here / "guardian").read_text())

    def living(self) -> list[int]:
        return [pid for pid in self.pids() if alive(pid)]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Callable[[str, str], Ended]]:
    begun = list[Ended]()

    def begin(guarded: str, grouped: str) -> Ended:
        if grouped == "cgroup":
            try:
                cgroup.make(cgroup.own_directory()).rmdir()
            except cgroup.Unavailable as exc:
                pytest.skip(f"needs cgroup v2 and the right to make cgroups: {exc}")
        begun.append(Ended(tmp_path, guarded, grouped))
        return begun[-1]

    yield begin
    for one in begun:
        one.kill()
        clear_predecessor(one.here / "record")
        for pid in one.living():
            os.kill(pid, signal.SIGKILL)


both = pytest.mark.parametrize("grouped", ["cgroup", "without a cgroup"])


@both
def test_nobody_outlives_a_killed_daemon(daemon: Callable[[str, str], Ended], grouped: str) -> None:
    """Silent ones, which no broken pipe ends. Broken once by a guardian that always went."""
    it = daemon("guarded", grouped)
    assert len(it.living()) == SIZE
    it.kill()

    eventually(lambda: not alive(it.guardian()), "the guardian is done")
    assert it.living() == []
    assert not groups_of(it.process.pid).exists()


@both
def test_the_next_daemon_ends_what_the_one_before_left(
    daemon: Callable[[str, str], Ended], grouped: str
) -> None:
    """Broken once by looking for the mark alone: who had cleared its environment stayed."""
    it = daemon("alone", grouped)
    it.kill()
    assert len(it.living()) == SIZE

    assert clear_predecessor(it.here / "record") >= SIZE
    assert it.living() == []
    assert not groups_of(it.process.pid).exists()


def test_a_farewell_sends_the_guardian_home_and_leaves_no_record(
    daemon: Callable[[str, str], Ended],
) -> None:
    it = daemon("guarded", "without a cgroup")
    it.process.communicate(timeout=20)

    assert it.process.returncode == 0
    assert not alive(it.guardian())
    assert not (it.here / "record").exists()
    assert not groups_of(it.process.pid).exists()


def resident(status: str) -> int:
    """KiB, by the status of a process in /proc."""
    return int(status.partition("VmRSS:")[2].split()[0])


def bare() -> int:
    """KiB that an interpreter has that imports nothing: it is another in each version of Python."""
    shows = (sys.executable, "-I", "-S", "-c", "print(open('/proc/self/status').read())")
    return resident(subprocess.run(shows, capture_output=True, text=True, check=True).stdout)


def test_a_guardian_is_small_and_hears_no_signal(daemon: Callable[[str, str], Ended]) -> None:
    """Broken once by importing dataclasses: 3 MB more than a bare interpreter has."""
    it = daemon("guarded", "without a cgroup")
    pid = it.guardian()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(pid, number)
    stat = strays.Stat.of(pid)

    assert resident(Path(f"/proc/{pid}/status").read_text()) < bare() + 2 * 1024
    assert stat is not None
    assert stat.session == pid
    assert sorted(os.listdir(f"/proc/{pid}/fd")) == ["0", "1", "2"]
    it.kill()
    eventually(lambda: not it.living(), "it ended all of it all the same")


@pytest.mark.anyio
async def test_a_guardian_has_nothing_of_the_daemons_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken once by leaving it out: whoever ran as the daemon's user read the daemon's keys there."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-daemon")
    siblings = set[int]()
    with Record(tmp_path / "record") as record:
        async with anyio.create_task_group() as tasks:
            await tasks.start(guard, record, siblings)
            (pid,) = siblings
            seen = await anyio.Path(f"/proc/{pid}/environ").read_bytes()
            tasks.cancel_scope.cancel()

    names = {line.partition(b"=")[0].decode() for line in seen.split(b"\0") if line}
    assert {name for name in names if not name.startswith("LC_")} <= {"LANG", "LD_LIBRARY_PATH"}


def groups_of(pid: int) -> Path:
    return cgroup.own_directory() / f"{cgroup.PREFIX}{pid}"


@pytest.mark.anyio
async def test_a_guardian_that_dies_is_replaced(tmp_path: Path) -> None:
    """And one that the daemon's own cleaning up would see is one of its siblings."""
    siblings = set[int]()
    with Record(tmp_path / "record") as record:
        async with anyio.create_task_group() as tasks:
            await tasks.start(guard, record, siblings)
            (first,) = siblings
            assert strays.adopted(siblings) == []
            os.kill(first, signal.SIGKILL)
            (second,) = await eventually_here(lambda: siblings - {first})
            tasks.cancel_scope.cancel()
    assert siblings == set()
    assert not alive(first)
    assert not alive(second)


@contextmanager
def sleeper(mark: str) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, strays.MARKER: mark}
    with subprocess.Popen(["sleep", "1000"], env=environment, start_new_session=True) as process:
        eventually(lambda: guardian._carries(process.pid, b"GLEITZEIT_INSTANCE"), "its exec has happened")
        try:
            yield process
        finally:
            process.kill()


def is_alive(process: subprocess.Popen[bytes]) -> bool:
    # A signal that was sent would have been received before this one, and end it.
    process.terminate()
    return process.wait(20) == -signal.SIGTERM


def record_of(path: Path, pid: int, started: int, *lines: str, boot: str | None = None) -> Path:
    first = f"{boot or guardian.boot()} {pid} {started} \n"
    path.write_text(first + "".join(f"{line}\n" for line in lines))
    return path


DEAD = 2**22 + 1
"""No pid on any machine."""


def test_nothing_of_a_living_daemon_is_touched(tmp_path: Path) -> None:
    with sleeper(marker("p", 1)) as process:
        record = record_of(tmp_path / "record", os.getpid(), own_start())
        assert clear_predecessor(record) == 0
        assert is_alive(process)


def test_another_daemon_with_the_same_number_is_not_the_one_that_lives(tmp_path: Path) -> None:
    """Broken once by a mark without the start time: it killed the new one's children."""
    before = own_start() - 1
    with sleeper(marker("p", 1)) as ours, sleeper(f"{os.getpid()}:{before}:p:1") as left:
        record = record_of(tmp_path / "record", os.getpid(), before)
        assert clear_predecessor(record) == 1
        assert left.wait(20) == -signal.SIGKILL
        assert is_alive(ours)


def test_what_was_written_before_the_machine_started_means_nothing(tmp_path: Path) -> None:
    with sleeper(f"{DEAD}:5:p:1") as process:
        record = record_of(tmp_path / "record", DEAD, 5, boot="another")
        assert clear_predecessor(record) == 0
        assert is_alive(process)


def test_a_forged_record_kills_no_stranger(tmp_path: Path) -> None:
    """It points at somebody who has that number now. Broken once by not comparing the start times."""
    with sleeper("") as stranger:
        stat = strays.Stat.of(stranger.pid)
        assert stat is not None
        lines = (
            f"+{stat.pid} {stat.started - 1}",
            f"+{DEAD + 1} 7",
            "-nonsense",
            "half",
            "+12+345 99",
            "+7",
            "",
        )
        assert clear_predecessor(record_of(tmp_path / "record", DEAD, 5, *lines)) == 0
        assert is_alive(stranger)


@pytest.mark.parametrize("is_at_once", [True, False])
def test_a_session_without_its_leader_is_trusted_only_at_once(tmp_path: Path, is_at_once: bool) -> None:
    """Days later its number may be that of a stranger, who has died as well. Broken once by trusting it."""
    script = f"echo $$ $(cut -d' ' -f22 /proc/$$/stat) >{tmp_path}/leader; sleep 1000 & echo $!"
    with subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        stranger = int(process.stdout.readline())
        process.wait(20)
        pid, started = map(int, (tmp_path / "leader").read_text().split())
        try:
            ended, left = guardian.end(DEAD, 5, {pid: started}, is_at_once=is_at_once)
            assert (ended, left, alive(stranger)) == (int(is_at_once), [], not is_at_once)
        finally:
            if alive(stranger):
                os.kill(stranger, signal.SIGKILL)


@pytest.mark.anyio
async def test_a_guardian_stays_when_something_is_left(tmp_path: Path) -> None:
    """Broken once by a farewell all the same."""
    siblings = set[int]()
    with Record(tmp_path / "record") as record:
        async with anyio.create_task_group() as tasks:
            await tasks.start(partial(guard, is_clear=lambda: False), record, siblings)
            (pid,) = siblings
            tasks.cancel_scope.cancel()
    # It would have gone already: nothing waits for its end.
    assert alive(pid)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)  # noqa: ASYNC222 - it was killed


def test_half_a_record_is_an_error_before_it_replaces_a_whole_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "record").write_text("whole")
    monkeypatch.setattr(os, "write", lambda _, content: len(content) - 1)
    with pytest.raises(OSError, match="No space"):
        Record(tmp_path / "record")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["whole"]


def test_half_a_line_does_not_take_the_next_one_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    with sleeper("") as one, sleeper("") as two, Record(tmp_path / "record") as record:
        monkeypatch.setattr(os, "write", lambda file, content: write(file, content[:3]))
        record.spawned(one.pid)
        monkeypatch.undo()
        record.spawned(two.pid)
        _, leaders = guardian.read(str(record.path), os.getpid(), own_start())
        assert list(leaders) == [two.pid]


@pytest.mark.parametrize("content", ["", "nonsense", "a b c d\n", "\0" * 100])
def test_a_record_that_is_none_is_no_mistake_of_ours(tmp_path: Path, content: str) -> None:
    (tmp_path / "record").write_text(content)

    assert clear_predecessor(tmp_path / "record") == 0
    assert clear_predecessor(tmp_path / "no record") == 0


def test_a_record_keeps_the_living_and_is_for_nobody_else(tmp_path: Path) -> None:
    with (
        sleeper("") as one,
        sleeper("") as two,
        Record(tmp_path / "record", tmp_path / "a b") as record,
    ):
        assert os.stat(record.path).st_mode & 0o777 == 0o600
        for _ in range(2000):
            record.spawned(one.pid)
            record.cleared(one.pid)
        record.spawned(two.pid)
        with record.path.open("a") as file:
            file.write("+99 1")  # Half a line: the daemon was killed meanwhile.
        stat = strays.Stat.of(two.pid)
        assert stat is not None
        found = guardian.read(str(record.path), os.getpid(), own_start())
        assert found == (str(tmp_path / "a b"), {two.pid: stat.started})
        assert record.path.read_text().count("\n") < 2100
