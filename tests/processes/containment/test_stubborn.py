"""Children of every kind that does not want to end: nothing of any is left, with cgroups and without."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import anyio
import pytest

from gleitzeitd.processes.child import Child, Launch
from gleitzeitd.processes.containment import strays
from gleitzeitd.processes.containment.cgroup import Group
from gleitzeitd.processes.containment.enclosure import Enclosure
from tests.processes.enclosed import ENVIRONMENT, alive, lives, numbers, nursery, python, shell
from tests.processes.waiting import eventually_here

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("subreaper")]

FORGET = "env -i PATH=$PATH setsid"
VFORK = """
import os
os.mkfifo('{fifo}')
open('{pids}', 'a').write(f'{{os.getpid()}}\\n')
# The new process waits for someone to write, and its parent for its exec, in state D.
opens = [(os.POSIX_SPAWN_OPEN, 0, '{fifo}', os.O_RDONLY, 0)]
os.posix_spawn('/bin/true', ['true'], {{}}, file_actions=opens)
"""
OWN_SUBREAPER = """
import ctypes, os, time
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
open('{pids}', 'a').write(f'{{os.getpid()}}\\n')
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execvpe('sh', ['sh', '-c', 'echo $$ >>{pids}; sleep 1000'], {{'PATH': os.environ['PATH']}})
    os._exit(0)
time.sleep(1000)
"""
KINDS = {
    "ignores what it can": (shell("trap '' TERM INT HUP; echo $$ >>{pids}; while :; do sleep 99; done"), 1),
    "is stopped": (shell("echo $$ >>{pids}; kill -STOP $$"), 1),
    "forks twice": (
        shell("(setsid sh -c 'echo $$ >>{pids}; sleep 1000' &) ; echo $$ >>{pids}; sleep 1000"),
        2,
    ),
    "forgets who it is": (
        shell(f"{FORGET} sh -c 'echo $$ >>{{pids}}; sleep 1000' & echo $$ >>{{pids}}; sleep 1000"),
        2,
    ),
    "is somebody else altogether": (
        shell("exec env -i PATH=$PATH sh -c 'sleep 1000 & echo $! >>{pids}; echo $$ >>{pids}; wait'"),
        2,
    ),
    "closes its files": (shell("echo $$ >>{pids}; exec <&- >&- 2>&-; sleep 1000 & sleep 1000"), 1),
    "leaves its output open": (shell("setsid sleep 1000 & echo $! >>{pids}; echo $$ >>{pids}; exit"), 2),
    "waits in vfork": (python(VFORK), 1),
    "is a subreaper": (python(OWN_SUBREAPER), 2),
}


@pytest.fixture(params=["cgroup", "without a cgroup"])
def enclosure(request: pytest.FixtureRequest) -> Iterator[Enclosure]:
    if request.param == "cgroup":
        with nursery() as made:
            yield Enclosure(made)
    else:
        yield Enclosure()


@pytest.mark.parametrize(("argv", "size"), KINDS.values(), ids=KINDS)
async def test_nothing_of_it_is_left(
    tmp_path: Path, enclosure: Enclosure, argv: tuple[str, ...], size: int
) -> None:
    """Broken once by walking neither parents nor cgroups, once by forgetting who was found before."""
    pids = tmp_path / "pids"
    argv = (*argv[:-1], argv[-1].format(pids=pids, fifo=tmp_path / "fifo"))
    async with lives(Launch(argv, ENVIRONMENT, "1:1:p:1"), enclosure) as child:
        await eventually_here(lambda: len(numbers(pids)) >= size)
        child.signal(signal.SIGTERM)
        child.signal(signal.SIGCONT)
    assert [pid for pid in numbers(pids) if alive(pid)] == []
    await eventually_here(nobody_is_ours)


def nobody_is_ours() -> bool:
    """Who is dead is reaped whenever the daemon hears of it."""
    strays.reap_adopted(set())
    return strays.children_of(os.getpid()) == []


async def test_who_forgot_everything_and_lost_its_parent_is_in_the_cgroup(tmp_path: Path) -> None:
    """The way out that there is without cgroups. It hurries, so it may be gone before anybody moved it.

    Broken once by moving the leader alone: what it had started before was left.
    """
    pids = tmp_path / "pids"
    script = f"({FORGET} sh -c 'echo $$ >>{pids}; sleep 1000; :' &); exit 3"
    with nursery() as made:
        for number in range(1, 6):
            child = Child(Launch(shell(script), ENVIRONMENT, f"1:1:p:{number}"), set(), Enclosure(made))
            await eventually_here(partial(wrote, pids, number))
            with anyio.fail_after(20):
                assert await child.exited() == 3
                await child.clear()
            assert not any(map(alive, numbers(pids)))
            os.close(child.stdout)
            os.close(child.stderr)


def wrote(pids: Path, number: int) -> bool:
    return len(numbers(pids)) == number


async def test_what_was_seen_below_it_is_known_after_it_lost_its_parent(tmp_path: Path) -> None:
    """Broken once by not looking before the signal: the orphan was nobody's."""
    pids = tmp_path / "pids"
    script = f"{FORGET} sh -c 'echo $$ >>{pids}; sleep 1000; :' & wait"
    async with lives(Launch(shell(script), ENVIRONMENT, "1:1:p:1")) as child:
        await eventually_here(lambda: numbers(pids))
        child.signal(signal.SIGTERM)
        await child.exited()
    assert not any(map(alive, numbers(pids)))


FORKER = """
import os, time
for number in range(400):
    if os.fork() == 0:
        os.setsid()
        time.sleep(30)
        os._exit(0)
    if number == 20:
        open('{pids}', 'a').write(f'{{os.getpid()}}\\n')
time.sleep(30)
"""


async def test_who_starts_others_as_fast_as_it_can_is_stopped_first(
    tmp_path: Path, enclosure: Enclosure
) -> None:
    """What is born while one looks is found as well."""
    script = f'env -i setsid -w "{sys.executable}" -I -S -c "$0" & wait'
    argv = (*shell(script), FORKER.format(pids=tmp_path / "pids"))
    async with lives(Launch(argv, ENVIRONMENT, "1:1:p:1"), enclosure):
        await eventually_here(lambda: numbers(tmp_path / "pids"))
    await eventually_here(nobody_is_ours)


async def test_its_leader_is_stopped_before_one_looks_below_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken once by killing it alone: what it started after the look was nobody's."""
    async with lives(Launch(("sleep", "99"), ENVIRONMENT, "1:1:p:1")) as child:
        done = list[object]()
        monkeypatch.setattr(child, "signal", done.append)
        monkeypatch.setattr(strays, "kill_all", lambda _: done.append("look"))
        child.kill()
        monkeypatch.undo()
    assert done == [signal.SIGSTOP, "look", signal.SIGKILL]


async def test_a_family_in_cgroups_of_its_own_is_taken_away_too(tmp_path: Path) -> None:
    with nursery() as made:
        script = (
            "d=$(sed -n s/^0:://p /proc/self/cgroup | sed s,.*/,,); "
            f"mkdir {made.path}/$d/own && echo $$ >{made.path}/$d/own/cgroup.procs && "
            f"echo $$ >>{tmp_path}/pids; sleep 1000"
        )
        launch = Launch(
            shell(f"until grep -q p:1 /proc/self/cgroup; do :; done; {script}"), ENVIRONMENT, "1:1:p:1"
        )
        async with lives(launch, Enclosure(made)) as child:
            await eventually_here(lambda: numbers(tmp_path / "pids"))
            assert [int(words.split()[0]) for words in child.survivors()][:1] == [child.pid]


async def test_a_number_that_is_a_strangers_by_now_is_left_alone(tmp_path: Path) -> None:
    """A record forged to point at somebody else. Broken once by comparing numbers alone: it was killed."""
    async with lives(Launch(("sleep", "1000"), ENVIRONMENT, "1:1:stranger:1")) as stranger:
        stat = strays.Stat.of(stranger.pid)
        assert stat is not None
        async with lives(Launch(("sleep", "99"), ENVIRONMENT, "1:1:p:1")) as child:
            child._known[stat.pid] = stat.started - 1
        assert not stranger.has_ended()


async def test_two_lives_that_start_together_stay_apart(tmp_path: Path) -> None:
    """Broken once by spawning the second before the first was where it belongs: it got the first one's."""
    siblings = set[int]()
    script = f"({FORGET} sh -c 'echo $$ >>{tmp_path}/$1; sleep 1000; :' x $0 &); sleep 1000"
    with nursery() as made:
        enclosure = Enclosure(made)
        launches = [Launch((*shell(script), name), ENVIRONMENT, f"1:1:{name}:1") for name in ("a", "b")]
        async with lives(launches[0], enclosure, siblings):
            async with lives(launches[1], enclosure, siblings):
                await eventually_here(lambda: numbers(tmp_path / "a") and numbers(tmp_path / "b"))
            assert [alive(numbers(tmp_path / name)[0]) for name in "ab"] == [True, False]
        assert not alive(numbers(tmp_path / "a")[0])


FACTORY = """
import os, time
for _ in range(100):
    if os.fork() == 0:
        for _ in range(10):
            if os.fork() == 0:
                break
        os._exit(0)
open('{pids}', 'a').write(f'{{os.getpid()}}\\n')
time.sleep(1000)
"""


async def test_a_factory_of_zombies_leaves_none(tmp_path: Path) -> None:
    """It never reaps its hundred children, and their thousand are left to us."""
    siblings = set[int]()
    script = FACTORY.format(pids=tmp_path / "pids")
    async with lives(Launch(python(script), ENVIRONMENT, "1:1:p:1"), siblings=siblings) as child:

        def is_done() -> bool:
            strays.reap_adopted(siblings)
            is_over = bool(numbers(tmp_path / "pids")) and len(child.survivors()) == 1
            return is_over and not strays.has_adopted(siblings)

        await eventually_here(is_done)
        assert len(strays.children_of(child.pid)) == 100
    await eventually_here(nobody_is_ours)


async def test_who_does_not_die_is_named(tmp_path: Path) -> None:
    """In state D, as in a file system that hangs: its parent's exec is waited for."""
    script = VFORK.format(fifo=tmp_path / "fifo", pids=tmp_path / "pids")
    argv = (sys.executable, "-I", "-S", "-c", script)
    async with lives(Launch(argv, ENVIRONMENT, "1:1:p:1")) as child:
        words = await eventually_here(lambda: found if len(found := child.survivors()) == 2 else None)
        await eventually_here(lambda: (stat := strays.Stat.of(child.pid)) and stat.state == "D")
        words = child.survivors()
        assert words[0].startswith(f"{child.pid} python")
        assert "(state D" in words[0]
    assert child.survivors() == []


async def test_all_that_hid_itself_is_ended_however_deep(tmp_path: Path) -> None:
    """Broken once by killing the uppermost alone."""
    inner = f"{FORGET} sh -c 'echo $$ >>{tmp_path}/pids; sleep 1000; :' &"
    script = f'({FORGET} sh -c "{inner} sleep 1000; :" &)'.replace("$$", "\\$\\$")
    children = set(strays.children_of(os.getpid()))
    process = await anyio.run_process(["sh", "-c", script], stdout=None, stderr=None)
    assert process.returncode == 0
    await eventually_here(lambda: numbers(tmp_path / "pids"))
    with anyio.fail_after(20):
        await strays.end_adopted(children)
    assert not any(map(alive, numbers(tmp_path / "pids")))
    assert set(strays.children_of(os.getpid())) <= children


async def test_a_cgroup_that_cannot_be_killed_is_killed_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken once by trying that alone, for ever."""
    monkeypatch.setattr(Group, "kill", lambda _: False)
    script = f"({FORGET} sh -c 'echo $$ >>{tmp_path}/pids; sleep 1000; :' &); sleep 1000"
    with nursery() as made:
        async with lives(Launch(shell(script), ENVIRONMENT, "1:1:p:1"), Enclosure(made)):
            await eventually_here(lambda: numbers(tmp_path / "pids"))
    assert not any(map(alive, numbers(tmp_path / "pids")))
