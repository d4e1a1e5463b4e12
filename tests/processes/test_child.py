"""Real processes: how one is started, what it is given, how its end is told, and what is cleared after it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from gleitzeitd.core.spec import CommandTarget, Spec
from gleitzeitd.processes.child import Child, Launch
from gleitzeitd.processes.containment import strays
from gleitzeitd.processes.logs.lines import LONGEST_LINE
from gleitzeitd.processes.logs.output import Output, Reader
from gleitzeitd.processes.refusal import refusal
from tests.processes.waiting import eventually_here

pytestmark = pytest.mark.anyio

MARK = f"{os.getpid()}:p:1"
ENVIRONMENT = {"PATH": os.environ["PATH"]}


def shell(script: str) -> tuple[str, ...]:
    return ("sh", "-c", script)


def python(script: str) -> tuple[str, ...]:
    return (sys.executable, "-I", "-c", script)


def born(argv: tuple[str, ...], stdin: bytes = b"", cwd: str | None = None) -> Child:
    return Child(Launch(argv, ENVIRONMENT, MARK, cwd, stdin), set())


class Life:
    """A child from its start to its end, with all that it printed."""

    def __init__(self, child: Child, log: Path) -> None:
        self.child = child
        self.output = Output("p", str(log))
        self.code: int | None = None
        self._log = log

    async def live(self) -> None:
        async with anyio.create_task_group() as readers:
            readers.start_soon(Reader(self.child.stdout, "stdout", self.output).run)
            readers.start_soon(Reader(self.child.stderr, "stderr", self.output).run)
            with anyio.fail_after(20):
                self.code = await self.child.exited()
                await self.child.clear()
        self.output.close()

    @property
    def records(self) -> list[tuple[bytes, bytes, bytes]]:
        """Stream, tag and text of each record in the file."""
        kept = self._log.read_bytes() if self._log.exists() else b""
        parts = (line.split(b" ", 3) for line in kept.split(b"\n")[:-1])
        return [(stream, tag, text) for _, stream, tag, text in parts]

    def printed(self, stream: bytes = b"stdout") -> bytes:
        """What came through one pipe."""
        return b"".join(
            text + (b"\n" if tag == b"F" else b"") for of, tag, text in self.records if of == stream
        )


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "p.log"


async def lived(log: Path, argv: tuple[str, ...], stdin: bytes = b"", cwd: str | None = None) -> Life:
    life = Life(born(argv, stdin, cwd), log)
    await life.live()
    return life


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


# How it ends.


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("exit 0", 0),
        ("exit 7", 7),
        ("exit 255", 255),
        ("kill -TERM $$", -signal.SIGTERM),
        ("kill -KILL $$", -signal.SIGKILL),
        ("ulimit -c 0; kill -SEGV $$", -signal.SIGSEGV),
    ],
)
async def test_its_end_is_told_as_a_status_or_a_signal(log: Path, script: str, code: int) -> None:
    assert (await lived(log, shell(script))).code == code


async def test_its_end_is_not_known_before_it_comes(log: Path) -> None:
    child = born(("sleep", "1000"))
    assert not child.has_ended()

    child.signal(signal.SIGTERM)
    await eventually_here(child.has_ended)
    life = Life(child, log)
    await life.live()
    assert (life.code, child.has_ended()) == (-signal.SIGTERM, True)
    # Its number may be somebody else's by now.
    child.signal(signal.SIGKILL)


@pytest.mark.parametrize(
    ("argv", "error"),
    [
        (("no-such-program",), FileNotFoundError),
        (("/nonexistent/program",), FileNotFoundError),
        (("/etc/passwd",), PermissionError),
        (("/etc",), PermissionError),
    ],
)
async def test_what_cannot_be_executed_is_an_error_at_once_and_leaves_nothing_open(
    argv: tuple[str, ...], error: type[OSError]
) -> None:
    siblings, before = set[int](), descriptors()
    with pytest.raises(error):
        Child(Launch(argv, ENVIRONMENT, MARK, stdin=b"secret"), siblings)

    assert descriptors() == before
    assert siblings == set()


async def test_a_script_without_its_first_line_is_not_a_program(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("exit 0\n")
    script.chmod(0o755)
    with pytest.raises(OSError, match="Exec format error"):
        born((str(script),))


async def test_a_life_leaves_no_descriptor_open(log: Path) -> None:
    before = descriptors()
    await lived(log, shell("exit 0"), b"secret")

    assert descriptors() == before


async def test_its_status_is_kept_for_it_while_others_are_reaped() -> None:
    siblings = set[int]()
    first = Child(Launch(shell("exit 1"), ENVIRONMENT, MARK), siblings)
    second = Child(Launch(shell("exit 2"), ENVIRONMENT, MARK), siblings)
    await eventually_here(lambda: first.has_ended() and second.has_ended())
    strays.reap_adopted(siblings)

    assert [await second.exited(), await first.exited()] == [2, 1]
    assert siblings == set()
    for child in (first, second):
        os.close(child.stdout)
        os.close(child.stderr)


# What it is given.


async def test_a_secret_reaches_it_and_shows_nowhere(log: Path) -> None:
    life = Life(born(shell("cat; exec sleep 1000"), b"secret-4711\n"), log)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(life.live)
        await eventually_here(lambda: life.printed() == b"secret-4711\n")
        shown: list[bytes] = []

        def is_shown() -> bool:
            """In the middle of an exec there is nothing to be read."""
            shown[:] = [read(f"/proc/{life.child.pid}/{name}") for name in ("cmdline", "environ")]
            return all(shown)

        await eventually_here(is_shown)
        life.child.kill()

    assert not any(b"4711" in content for content in shown)


async def test_what_it_reads_may_be_larger_than_a_pipe(log: Path) -> None:
    life = await lived(log, shell("wc -c"), b"x" * 1_000_000)

    assert life.printed() == b"1000000\n"


async def test_without_anything_to_read_it_reads_the_end(log: Path) -> None:
    assert (await lived(log, shell("cat; echo end"))).printed() == b"end\n"


async def test_it_has_no_descriptor_but_its_three(log: Path) -> None:
    ours = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(ours, True)
    # The listing itself is read through one more.
    script = "import os; print(sorted(map(int, os.listdir('/proc/self/fd'))))"
    try:
        for stdin in (b"", b"secret"):
            life = await lived(log, python(script), stdin)
            assert life.printed().splitlines()[-1] == b"[0, 1, 2, 3]"
    finally:
        os.close(ours)


async def test_its_output_waits_for_room_like_any_programs(log: Path) -> None:
    life = await lived(log, python("import os; print(os.get_blocking(1), os.get_blocking(2))"))

    assert life.printed() == b"True True\n"


async def test_it_leads_a_session_of_its_own(log: Path) -> None:
    life = await lived(log, python("import os; print(os.getpid() == os.getsid(0) == os.getpgid(0))"))

    assert life.printed() == b"True\n"


async def test_it_has_exactly_its_environment_and_the_mark(log: Path) -> None:
    life = await lived(log, ("env",))

    assert sorted(life.printed().decode().splitlines()) == [
        f"GLEITZEIT_INSTANCE={MARK}",
        f"PATH={os.environ['PATH']}",
    ]


async def test_it_starts_in_its_directory(log: Path, tmp_path: Path) -> None:
    assert (await lived(log, ("pwd",), cwd=str(tmp_path))).printed() == f"{tmp_path}\n".encode()


# What it prints.


async def test_last_words_are_kept_though_it_is_gone_when_they_are_read(log: Path) -> None:
    child = born(shell("seq 600; seq 600 >&2; printf unfinished; exit 3"))
    await eventually_here(child.has_ended)
    life = Life(child, log)
    await life.live()
    numbers = b"".join(b"%d\n" % number for number in range(1, 601))

    assert life.code == 3
    assert life.printed() == numbers + b"unfinished\n"
    assert life.printed(b"stderr") == numbers


async def test_a_line_of_ten_megabytes_comes_in_parts_and_whole(log: Path) -> None:
    size = 10 * 1024 * 1024
    life = await lived(log, shell(f"head -c {size} /dev/zero | tr '\\0' x; echo; echo next"))

    assert life.printed() == b"x" * size + b"\nnext\n"
    assert max(len(text) for _, _, text in life.records) <= LONGEST_LINE
    assert [text for _, tag, text in life.records if tag == b"F"][-1] == b"next"


async def test_garbage_is_kept_as_it_came(log: Path) -> None:
    garbage = bytes(range(256)) * 4096
    life = await lived(log, ("cat",), garbage)

    assert life.printed() == garbage + b"\n"


async def test_who_closes_its_output_lives_on(log: Path) -> None:
    life = await lived(log, shell("echo last; exec >&- 2>&-; exit 5"))

    assert (life.code, life.printed()) == (5, b"last\n")


# What it leaves.


FAMILIES = {
    "a child in its session": ("sleep 1000 &", (2, 1)),
    "a child in another session": ("setsid sleep 1000 &", (2, 2)),
    "a grandchild that was forked twice": ("(setsid sh -c 'sleep 1000 & exec sleep 1000' &)", (3, 2)),
    "a stubborn family in sessions of their own": (
        """setsid sh -c 'trap "" TERM HUP INT; setsid sleep 1000 & sleep 1000; sleep 1000' &""",
        (4, 3),
    ),
}


@pytest.mark.usefixtures("subreaper")
@pytest.mark.parametrize(("script", "size"), FAMILIES.values(), ids=FAMILIES)
@pytest.mark.parametrize("all_at_once", [False, True], ids=["its leader dies", "it is killed"])
async def test_nothing_that_it_started_outlives_it(
    log: Path, script: str, size: tuple[int, int], all_at_once: bool
) -> None:
    life = Life(born(shell(f"{script}\nexec sleep 1000")), log)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(life.live)
        await eventually_here(lambda: family() == size)
        if all_at_once:
            life.child.kill()
        else:
            os.kill(life.child.pid, signal.SIGKILL)

    assert life.code == -signal.SIGKILL
    assert family() == (0, 0)


def family() -> tuple[int, int]:
    """The number of processes that carry the mark of this life, and of their sessions."""
    stats = [strays.Stat.of(int(name)) for name in os.listdir("/proc") if name.isdigit()]
    alive = [stat for stat in stats if stat is not None and _carries(stat.pid)]
    return len(alive), len({stat.session for stat in alive})


def _carries(pid: int) -> bool:
    try:
        return f"{strays.MARKER}={MARK}".encode() in read(f"/proc/{pid}/environ")
    except OSError:
        return False


def read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


# What goes wrong with us.


TRACER = """
import ctypes, sys, time
assert ctypes.CDLL(None).ptrace(0x4206, int(sys.argv[1]), None, None) == 0  # PTRACE_SEIZE
print(flush=True)
time.sleep(1000)
"""


async def test_who_is_dead_but_traced_holds_nobody_up() -> None:
    """Its tracer does not look. Broken once by a wait that did not return to the loop."""
    child = born(("sleep", "1000"))
    with subprocess.Popen([sys.executable, "-c", TRACER, str(child.pid)], stdout=subprocess.PIPE) as tracer:  # noqa: ASYNC220 - spawned at once
        assert tracer.stdout is not None
        if not tracer.stdout.readline():
            pytest.skip("needs the right to trace")
        child.signal(signal.SIGKILL)
        await eventually_here(lambda: (stat := strays.Stat.of(child.pid)) and stat.state == "Z")
        assert not child.has_ended()
        with anyio.move_on_after(0.05) as scope:
            await child.exited()
        assert scope.cancelled_caught
        tracer.kill()
    with anyio.fail_after(20):
        assert await child.exited() == -signal.SIGKILL
    os.close(child.stdout)
    os.close(child.stderr)


async def test_its_status_is_kept_though_what_follows_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken once: the next who asked waited for a process that was reaped."""
    child = born(shell("exit 7"))
    monkeypatch.setattr(child, "_why_killed", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        await child.exited()
    assert await child.exited() == 7
    os.close(child.stdout)
    os.close(child.stderr)


async def test_who_was_given_up_is_nobodys() -> None:
    before, siblings = descriptors(), set[int]()
    child = Child(Launch(("sleep", "1000"), ENVIRONMENT, MARK), siblings)
    child.give_up()
    child.signal(signal.SIGTERM)
    os.close(child.stdout)
    os.close(child.stderr)

    assert (siblings, descriptors(), child.has_ended()) == (set(), before, True)
    os.kill(child.pid, signal.SIGKILL)
    assert os.waitpid(child.pid, 0)[1] == signal.SIGKILL  # noqa: ASYNC222 - it was killed


@pytest.mark.parametrize(
    ("exc", "is_mistake"),
    [
        (FileNotFoundError(2, "none", "tool"), True),
        (PermissionError(13, "not allowed", "/there"), True),
        (FileNotFoundError(2, "none", "/proc/sys/x"), False),
        (PermissionError(13, "not allowed"), False),
        (BlockingIOError(11, "again", "tool"), False),
    ],
)
def test_only_a_program_that_cannot_be_executed_is_a_mistake(exc: OSError, is_mistake: bool) -> None:
    """Broken once by the number alone: what we lacked ended it for good."""
    spec = Spec("p", "tool", CommandTarget(("tool",)), cwd="/there")

    assert refusal(spec, exc)[1] is is_mistake
