"""The cgroups of lives: where they are made, what they are told, and what is done where there are none.

The files of a cgroup that limits something are plain ones here: the kernel's controllers may all be taken
by cgroup v1, and then no test could see them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from gleitzeitd.core.errors import OccupiedError
from gleitzeitd.core.spec import CommandTarget, Limits, Spec
from gleitzeitd.processes.child import Child, Launch
from gleitzeitd.processes.containment import cgroup, limits, oom
from gleitzeitd.processes.containment.cgroup import Group
from gleitzeitd.processes.containment.enclosure import Enclosure, enclosure
from gleitzeitd.processes.containment.nursery import Nursery
from tests.processes.enclosed import ENVIRONMENT, lives, nursery, shell
from tests.processes.waiting import eventually_here

pytestmark = pytest.mark.anyio

Place = Callable[..., None]


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """What /proc/self says of our cgroup and of what is mounted."""
    read = cgroup._read

    def say(own: str, mounts: str = "") -> None:
        said = {"/proc/self/cgroup": own, "/proc/self/mountinfo": mounts}
        monkeypatch.setattr(
            cgroup, "_read", lambda path: said[str(path)].encode() if str(path) in said else read(path)
        )

    return say


MOUNT = "41 31 0:38 {root} {mounted} rw,relatime shared:7 - cgroup2 cgroup2 rw\n"
TMPFS = "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"


@pytest.mark.parametrize(
    ("own", "root", "mounted", "found"),
    [
        ("0::/system.slice/a.service", "/", "/sys/fs/cgroup", "/sys/fs/cgroup/system.slice/a.service"),
        ("9:name=systemd:/x\n0::/", "/", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/unified"),
        ("0::/docker/abc/x", "/docker/abc", "/sys/fs/cgroup", "/sys/fs/cgroup/x"),
        ("0::/a", "/", "/with\\040space", "/with space/a"),
    ],
)
def test_our_own_cgroup_is_where_it_is_mounted(
    proc: Place, own: str, root: str, mounted: str, found: str
) -> None:
    proc(own + "\n", TMPFS + MOUNT.format(root=root, mounted=mounted))

    assert cgroup.own_directory() == Path(found)


@pytest.mark.parametrize(
    ("own", "mounts", "why"),
    [
        ("4:memory:/\n", TMPFS, "this machine has no cgroup v2"),
        ("0::/\n", TMPFS, "the cgroup of this daemon is not mounted here"),
        (
            "0::/../other\n",
            MOUNT.format(root="/", mounted="/m"),
            "the cgroup of this daemon is not mounted here",
        ),
    ],
)
def test_without_a_cgroup_of_our_own_one_says_so(proc: Place, own: str, mounts: str, why: str) -> None:
    proc(own, mounts)

    with pytest.raises(cgroup.Unavailable, match=why):
        cgroup.own_directory()


def test_where_nothing_may_be_made_children_live_without_cgroups(proc: Place, tmp_path: Path) -> None:
    """In silence but for one line, and with a warning for each limit that somebody counts on."""
    proc("4:memory:/\n")
    specs = [spec("a", Limits(memory=1, nofile=9)), spec("b", Limits(processes=1)), spec("c", Limits())]
    with structlog.testing.capture_logs() as logs, enclosure(tmp_path / "record", specs) as made:
        assert made.nursery is None
        assert made.record is not None
    why = "is not enforced here: the daemon may not make cgroups: this machine has no cgroup v2"

    assert [(line["log_level"], line["event"]) for line in logs] == [
        ("info", "no cgroups"),
        ("warning", f'limits.memory of "a" {why}'),
        ("warning", f'limits.processes of "b" {why}'),
    ]


def spec(name: str, wanted: Limits) -> Spec:
    return Spec(name, "tool", CommandTarget(("true",)), limits=wanted)


def test_a_directory_that_is_read_only_is_no_error(tmp_path: Path) -> None:
    with pytest.raises(cgroup.Unavailable, match="No such file or directory"):
        cgroup.make(tmp_path / "no")
    with pytest.raises(cgroup.Unavailable, match="older"):
        cgroup.make(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_limits_are_words_of_the_kernel() -> None:
    wanted = Limits(memory=2**30, processes=20, cpu=1.5, nofile=9, max_rss=7)

    assert dict(limits.settings(wanted)) == {
        "memory.max": "1073741824",
        "memory.oom.group": "1",
        "pids.max": "20",
        "cpu.max": "150000 100000",
    }
    assert dict(limits.settings(Limits())) == {}
    # The kernel takes no less than a millisecond.
    assert dict(limits.settings(Limits(cpu=0.001))) == {"cpu.max": "1000 100000"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A daemon's directory of cgroups in one that has a controller."""
    path = tmp_path / "gleitzeit-1"
    path.mkdir()
    for directory in (tmp_path, path):
        (directory / "cgroup.controllers").write_text("memory pids\n")
        (directory / "cgroup.subtree_control").write_text("")
    return path


def test_a_controller_is_enabled_above_and_in_our_directory(home: Path) -> None:
    assert limits.enable(home, "memory") == ""
    assert [(at / "cgroup.subtree_control").read_text() for at in (home, home.parent)] == ["+memory"] * 2


def test_a_controller_that_is_not_there_is_said(home: Path) -> None:
    with structlog.testing.capture_logs() as logs:
        limits.enforce([spec("a", Limits(cpu=1, memory=5)), spec("b", Limits(cpu=2))], home)
    why = f"the cgroup {home.parent} has no cpu controller (systemd: Delegate=yes)"

    assert [line["event"] for line in logs] == [
        f'limits.cpu of "a" is not enforced here: {why}',
        f'limits.cpu of "b" is not enforced here: {why}',
    ]


LEAF = f"""
import os, sys
sys.path.insert(0, {os.getcwd()!r})
from pathlib import Path
from gleitzeitd.processes.containment import cgroup, limits
from gleitzeitd.processes.containment.nursery import Nursery

own = cgroup.own_directory()
service = own / f"gleitzeit-test-{{os.getpid()}}"
service.mkdir()
cgroup.write(service / "cgroup.procs", str(os.getpid()))
try:
    nursery = Nursery()
    assert nursery.parent == service
    print(limits.enable(nursery.path, sys.argv[1]))
    print(cgroup.own_directory().relative_to(service).parts[1:])
    print((nursery.path / "cgroup.subtree_control").read_text().split())
    nursery.close()
    print(cgroup.own_directory() == service, nursery.path.exists())
finally:
    cgroup.write(own / "cgroup.procs", str(os.getpid()))
    service.rmdir()
"""


@pytest.fixture
def controller() -> Iterator[str]:
    """One that a cgroup below ours may have."""
    try:
        own = cgroup.own_directory()
        cgroup.make(own).rmdir()
    except cgroup.Unavailable as exc:
        pytest.skip(f"needs cgroup v2 and the right to make cgroups: {exc}")
    subtree = own / "cgroup.subtree_control"
    enabled, free = subtree.read_text().split(), (own / "cgroup.controllers").read_text().split()
    if enabled:
        yield enabled[0]
    elif not free:
        pytest.skip("needs a controller of cgroup v2")
    else:
        try:
            cgroup.write(subtree, f"+{free[0]}")
        except OSError as exc:
            pytest.skip(f"needs the right to enable a controller: {exc}")
        yield free[0]
        cgroup.write(subtree, f"-{free[0]}")


def test_the_daemon_moves_into_a_leaf_when_the_kernel_wants_it(controller: str) -> None:
    """As in a service of systemd's. Broken once by staying: the kernel says EBUSY."""
    ran = subprocess.run(
        [sys.executable, "-I", "-c", LEAF, controller],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert ran.stdout.splitlines() == ["", "('daemon',)", str([controller]), "True False"], ran.stderr


def test_what_ran_out_of_memory_is_counted(tmp_path: Path) -> None:
    (tmp_path / "memory.events").write_text("low 0\noom 3\noom_kill 2\noom_group_kill 1\n")

    assert Group(tmp_path).oom_kills() == 2
    assert Group(tmp_path / "no").oom_kills() == 0
    assert oom.kills() >= 0


@pytest.mark.parametrize(
    ("end", "grown", "words"),
    [
        ("kill -KILL $$", 1, oom.PERHAPS),
        ("kill -KILL $$", 0, ""),
        ("kill -TERM $$", 1, ""),
        ("exit 1", 1, ""),
    ],
)
async def test_who_was_killed_when_memory_ran_out_may_have_been_for_that(
    monkeypatch: pytest.MonkeyPatch, end: str, grown: int, words: str
) -> None:
    monkeypatch.setattr(oom, "kills_lately", lambda: 5)
    monkeypatch.setattr(oom, "kills", lambda: 5 + grown)
    async with lives(Launch(shell(end), ENVIRONMENT, "1:1:p:1")) as child:
        await child.exited()
        assert child.oom() == words


async def test_whom_we_killed_did_not_die_of_that(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken once by asking the counter alone."""
    monkeypatch.setattr(oom, "kills_lately", lambda: 5)
    monkeypatch.setattr(oom, "kills", lambda: 6)
    async with lives(Launch(("sleep", "1000"), ENVIRONMENT, "1:1:p:1")) as child:
        child.kill()
        await child.exited()
        assert child.oom() == ""


async def test_a_cgroup_that_counted_is_certain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Group, "oom_kills", lambda _: 1)
    with nursery() as made:
        async with lives(Launch(shell("exit 1"), ENVIRONMENT, "1:1:p:1"), Enclosure(made)) as child:
            await child.exited()
            assert child.oom() == oom.BY_GROUP


async def test_limits_stand_before_the_program_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are written by the daemon and entered by the launcher."""
    written = list[tuple[str, str]]()
    monkeypatch.setattr(cgroup, "write", lambda path, text: written.append((path.name, text)))
    monkeypatch.setattr(Nursery, "enforces", lambda *_: True)
    with nursery() as made:
        launch = Launch(("sleep", "1000"), ENVIRONMENT, "1:1:p:1", limits=Limits(processes=7))
        async with lives(launch, Enclosure(made)) as child:
            assert written == [("pids.max", "7")]
            await eventually_here(lambda: cgroup.place_of(child.pid) == f"{place(made)}/1:1:p:1")
            monkeypatch.undo()


def place(made: Nursery) -> str:
    return os.path.join(cgroup.place_of("self") or "", made.path.name)


async def test_a_cgroup_that_cannot_be_made_costs_one_line_and_no_child() -> None:
    with nursery() as made:
        launch = Launch(shell("exit 3"), ENVIRONMENT, "1:1:no/such/directory:1")
        with structlog.testing.capture_logs() as logs:
            async with lives(launch, Enclosure(made)) as child:
                assert await child.exited() == 3
        assert [line["event"] for line in logs] == ["cannot use a cgroup"]


async def test_a_number_is_not_given_away_before_its_cgroup_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The leader ends while it is being moved. Broken once by reaping it at once."""
    moved = list[bool]()
    add = Group.add

    def late(self: Group, pid: int) -> None:
        while child is None or not child.has_ended():
            pass
        moved.append(Path(f"/proc/{pid}").exists())
        add(self, pid)

    child: Child | None = None
    monkeypatch.setattr(Group, "add", late)
    with nursery() as made:
        async with lives(Launch(shell("exit 3"), ENVIRONMENT, "1:1:p:1"), Enclosure(made)) as child:
            assert await child.exited() == 3
    assert moved == [True]


async def test_who_is_in_its_cgroup_stays_there_though_others_cannot_be_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Broken once by forgetting the cgroup: what was born in it outlived its leader."""

    def none(_: object) -> None:
        raise OSError("no more")

    with nursery() as made, structlog.testing.capture_logs() as logs:
        assert made.is_settled
        with monkeypatch.context() as patched:
            patched.setattr("gleitzeitd.processes.containment.strays.lineage", none)
            child = Child(Launch(("sleep", "1000"), ENVIRONMENT, "1:1:p:1"), set(), Enclosure(made))
            made.settle()
        assert cgroup.place_of(child.pid) == f"{place(made)}/1:1:p:1"
        child.kill()
        await child.exited()
        await child.clear()
        os.close(child.stdout)
        os.close(child.stderr)
    assert [line["event"] for line in logs] == ["cannot find all that belongs in a cgroup"]


async def test_a_cgroup_that_cannot_be_entered_is_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> None:
        raise PermissionError("no")

    monkeypatch.setattr(Group, "add", none)
    with nursery() as made:
        async with lives(Launch(("true",), ENVIRONMENT, "1:1:p:1"), Enclosure(made)) as child:
            await child.exited()
            assert not (made.path / "1:1:p:1").exists()
        # What is asked of a directory that is gone is no error of a start.
        monkeypatch.setattr(made, "path", made.path / "gone")
        assert not made.enforces(Limits(memory=1))
        monkeypatch.undo()


def test_a_record_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(OccupiedError, match="no/record cannot be written"):
        enclosure(tmp_path / "no" / "record", []).__enter__()


def test_a_machine_that_counts_no_kills_has_had_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr("builtins.open", none)
    assert oom.kills() == 0
