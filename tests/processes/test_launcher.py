"""Who an instance is made before its exec: what the program sees of it, and what is said if not."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from gleitzeitd.core.spec import Identity, Limits
from gleitzeitd.processes import launcher
from gleitzeitd.processes.child import Child, Launch
from gleitzeitd.processes.containment.enclosure import Enclosure
from gleitzeitd.processes.spawn import spawn
from tests.processes.enclosed import ENVIRONMENT, lives, nursery, python, shell
from tests.processes.waiting import eventually_here

pytestmark = pytest.mark.anyio

root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, who may become somebody else")
NOBODY = Identity(user="nobody")
PLAIN = Launch(("true",), ENVIRONMENT, "1:1:p:1")


async def ran(launch: Launch, enclosure: Enclosure | None = None) -> tuple[int, str, str]:
    """Its exit status, and what it printed."""
    child = Child(launch, set(), enclosure or Enclosure())
    with anyio.fail_after(20):
        code = await child.exited()
        await child.clear()
    said = [os.read(stream, 65536).decode() for stream in (child.stdout, child.stderr)]
    os.close(child.stdout)
    os.close(child.stderr)
    return code, said[0], said[1]


async def sees(launch: Launch, script: str) -> str:
    code, said, complaint = await ran(replace(launch, argv=python(script)))
    assert (code, complaint) == (0, "")
    return said.strip()


IDS = ("Uid", "Gid", "Groups", "CapPrm", "CapEff", "CapAmb")


async def ids(identity: Identity) -> list[str]:
    """As the kernel has them. Python itself is not for every user to read."""
    argv = ("grep", "-E", f"^({'|'.join(IDS)}):", "/proc/self/status")
    code, said, complaint = await ran(replace(PLAIN, argv=argv, identity=identity))
    assert (code, complaint) == (0, "")
    return [" ".join(line.split()[1:]) for line in said.splitlines()]


@pytest.fixture
def with_groups() -> Iterator[None]:
    """We have groups, as the shell of an administrator has."""
    before = os.getgroups()
    os.setgroups([0, 4])
    yield
    os.setgroups(before)


@root
@pytest.mark.usefixtures("with_groups")
async def test_it_is_its_user_for_good() -> None:
    """Broken once by setting the effective ids alone, once by leaving our groups."""
    none = "0" * 16
    four = " ".join(["65534"] * 4)

    assert await ids(NOBODY) == [four, four, "65534", none, none, none]


@root
@pytest.mark.usefixtures("with_groups")
async def test_a_group_alone_takes_all_other_groups_away() -> None:
    assert (await ids(Identity(group="daemon")))[:3] == ["0 0 0 0", "1 1 1 1", "1"]


@root
async def test_a_user_may_have_another_group_and_be_given_by_number() -> None:
    four = " ".join(["65534"] * 4)

    assert (await ids(Identity(user="65534", group="daemon")))[:3] == [four, "1 1 1 1", "1"]


@root
async def test_home_and_name_are_its_users_unless_the_config_says_otherwise() -> None:
    launch = Launch(
        ("env",),
        {**ENVIRONMENT, "HOME": "/root", "USER": "root", "LOGNAME": "me"},
        "1:1:p:1",
        identity=NOBODY,
        given=frozenset({"LOGNAME"}),
    )
    _, said, _ = await ran(launch)

    assert sorted(said.splitlines()) == [
        "GLEITZEIT_INSTANCE=1:1:p:1",
        "HOME=/nonexistent",
        "LOGNAME=me",
        f"PATH={ENVIRONMENT['PATH']}",
        "USER=nobody",
    ]


C_LIBRARYS = 0b11 << 31
"""Signals 32 and 33: who was started by posix_spawn(3), as by make, has them ignored."""


async def test_nice_limits_and_umask_are_set_and_nothing_else_is_different() -> None:
    nice = min(os.nice(0) + 5, 19)
    script = (
        "import os, resource, signal;"
        "print(os.nice(0), resource.getrlimit(resource.RLIMIT_NOFILE), oct(os.umask(0)),"
        "sum(signal.getsignal(n) is signal.SIG_IGN for n in (signal.SIGTERM, signal.SIGHUP)),"
        f"[hex(int(l.split()[1], 16) & ~{C_LIBRARYS:#x}) for l in open('/proc/self/status')"
        " if l.startswith(('SigBlk', 'SigIgn'))])"
    )
    launch = replace(PLAIN, identity=Identity(nice=nice, umask=0o027), limits=Limits(nofile=100))

    # An interpreter ignores SIGPIPE and SIGXFSZ by itself.
    assert await sees(launch, script) == f"{nice} (100, 100) 0o27 0 ['0x0', '0x1001000']"


async def test_no_signal_is_ignored_because_the_launcher_did() -> None:
    """Broken once by leaving them: `yes | head` would not end."""
    _, said, _ = await ran(
        replace(PLAIN, argv=("grep", "SigIgn", "/proc/self/status"), identity=Identity(nice=1))
    )

    assert int(said.split()[1], 16) & ~C_LIBRARYS == 0


async def test_a_umask_needs_no_launcher() -> None:
    launch = replace(PLAIN, identity=Identity(umask=0o077))

    assert launch.is_plain
    assert await sees(launch, "import os; print(oct(os.umask(0)))") == "0o77"


@pytest.mark.parametrize("through", [Identity(), Identity(nice=1)], ids=["plain", "launcher"])
async def test_no_descriptor_leaks(through: Identity) -> None:
    """The listing of /proc is taken from outside, of one that sleeps. Broken once by keeping the orders."""
    ours = [os.open("/dev/null", os.O_RDONLY) for _ in range(200)]
    try:
        for descriptor in ours:
            os.set_inheritable(descriptor, True)
        launch = replace(PLAIN, argv=("sleep", "1000"), stdin=b"secret", identity=through)
        async with lives(launch) as child:
            await eventually_here(lambda: "sleep" in comm(child.pid))
            # At its very start it reads libraries.
            await eventually_here(lambda: sorted(os.listdir(f"/proc/{child.pid}/fd")) == ["0", "1", "2"])
    finally:
        for descriptor in ours:
            os.close(descriptor)


def comm(pid: int) -> str:
    with open(f"/proc/{pid}/comm") as file:
        return file.read()


async def test_what_it_reads_comes_through() -> None:
    _, said, _ = await ran(replace(PLAIN, argv=("cat",), stdin=b"secret", identity=Identity(nice=1)))

    assert said == "secret"


@root
async def test_nothing_of_the_programs_environment_is_loaded_before_it_is_its_user(tmp_path: Path) -> None:
    """Broken once by giving the launcher the environment: the loader complained of it twice."""
    launch = replace(PLAIN, env={**ENVIRONMENT, "LD_PRELOAD": "/nonexistent.so"}, identity=NOBODY)
    _, _, complaint = await ran(launch)

    assert complaint.count("/nonexistent.so") == 1


async def test_on_its_way_it_has_nothing_of_the_daemons_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever runs as the daemon's user could read it meanwhile. The cgroup's file holds the launcher up."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-daemon")
    held = tmp_path / "cgroup.procs"
    os.mkfifo(held)
    launch = replace(PLAIN, limits=Limits(nofile=100))
    spawned = spawn(launch, str(held))
    seen = await eventually_here(lambda: Path(f"/proc/{spawned.popen.pid}/environ").read_bytes())
    with held.open("rb"):
        spawned.popen.wait(20)
    os.close(spawned.stdout)
    os.close(spawned.stderr)

    names = {line.partition(b"=")[0].decode() for line in seen.split(b"\0") if line}
    assert {name for name in names if not name.startswith("LC_")} <= {
        "LANG",
        "LD_LIBRARY_PATH",
        "GLEITZEIT_INSTANCE",
    }


MISTAKES = {
    "no user": (Identity(user="no-such-user"), Limits(), 'there is no user "no-such-user"'),
    "no user of that number": (Identity(user="99999999"), Limits(), 'there is no user "99999999"'),
    "no group": (Identity(group="no-such-group"), Limits(), 'there is no group "no-such-group"'),
}


@pytest.mark.parametrize(("identity", "limits", "words"), MISTAKES.values(), ids=MISTAKES)
async def test_what_cannot_be_is_a_sentence_and_a_mistake(
    identity: Identity, limits: Limits, words: str
) -> None:
    assert await ran(replace(PLAIN, identity=identity, limits=limits)) == (78, "", f"{words}\n")


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("no-such-program", 'there is no program "no-such-program"'),
        ("/nonexistent/program", 'there is no program "/nonexistent/program"'),
        ("/etc/passwd", '"/etc/passwd" may not be executed'),
    ],
)
async def test_a_program_that_cannot_be_executed_is_named(program: str, words: str) -> None:
    launch = replace(PLAIN, argv=(program,), identity=Identity(nice=1))

    assert await ran(launch) == (78, "", f"{words}\n")


async def test_a_script_without_its_first_line_is_not_a_program(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("exit 0\n")
    script.chmod(0o755)
    said = f'"{script}" is not a program: its first line may lack "#!"\n'

    assert await ran(replace(PLAIN, argv=(str(script),), identity=Identity(nice=1))) == (78, "", said)


async def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    launch = replace(PLAIN, cwd=str(tmp_path / "no"), identity=Identity(nice=1))

    assert await ran(launch) == (78, "", f'there is no directory "{tmp_path}/no"\n')


@root
async def test_it_enters_its_directory_as_its_user(tmp_path: Path) -> None:
    """Broken once by entering it as root."""
    os.chmod(tmp_path, 0o700)
    code, _, said = await ran(replace(PLAIN, cwd=str(tmp_path), identity=NOBODY))

    assert (code, said) == (78, f'cannot enter the directory "{tmp_path}": Permission denied\n')


AS_ANOTHER = f"""
import os, sys
sys.path.insert(0, {os.getcwd()!r})
from gleitzeitd.processes import launcher

def told(act, *args):
    try:
        act(*args)
        print("done", flush=True)
    except launcher.Refused as exc:
        print(exc, flush=True)

os.setgroups([])
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
told(launcher._become, "daemon", None)
told(launcher._become, None, "daemon")
told(launcher._be_nice, -5)
told(launcher._limit, 10**9)
told(launcher._become, "nobody", None)
print(launcher._become("nobody", None)["USER"])
"""


@root
async def test_who_may_not_become_somebody_says_so() -> None:
    """As a daemon that is not root would run it. Who it is already, it may be."""
    code, said, complaint = await ran(replace(PLAIN, argv=python(AS_ANOTHER)))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]

    assert (code, complaint) == (0, "")
    assert said.splitlines() == [
        'cannot run as user "daemon": Operation not permitted',
        'cannot run as group "daemon": Operation not permitted',
        "cannot set nice to -5: Permission denied",
        f"cannot set limits.nofile to 1000000000: the hard limit is {hard}",
        "done",
        "nobody",
    ]


@root
async def test_it_is_in_its_cgroup_before_its_first_instruction() -> None:
    """Broken once by leaving that to the daemon."""
    with nursery() as made:
        launch = replace(PLAIN, argv=("cat", "/proc/self/cgroup"), marker="1:1:p:7", identity=NOBODY)
        _, said, _ = await ran(launch, Enclosure(made))

    assert f"{made.path.name}/1:1:p:7" in said


async def test_it_can_be_stopped_while_it_is_being_launched() -> None:
    async with lives(replace(PLAIN, argv=shell("sleep 1000"), identity=Identity(nice=1))) as child:
        child.signal(signal.SIGTERM)
        with anyio.fail_after(20):
            assert await child.exited() == -signal.SIGTERM


async def test_what_no_process_can_be_given_is_an_error_at_once() -> None:
    for argv in ((), ("a\0b",)):
        with pytest.raises(ValueError, match="NUL"):
            Child(replace(PLAIN, argv=argv, identity=Identity(nice=1)), set())


@pytest.mark.parametrize("is_limited", [True, False])
def test_limits_that_do_not_hold_are_said(capfd: pytest.CaptureFixture[str], is_limited: bool) -> None:
    launcher._enter("/nonexistent/cgroup.procs", is_limited)
    why = "its limits are not enforced: the cgroup cannot be entered: No such file or directory\n"

    assert capfd.readouterr().err == (why if is_limited else "")
