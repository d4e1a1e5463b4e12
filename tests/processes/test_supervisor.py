"""The supervisor with real processes: their lives side by side, and what is kept of each."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from gleitzeitd.core.events import End, Start, Stop
from gleitzeitd.core.process import Process, State
from gleitzeitd.core.spec import CommandTarget, Policy, Rules, Spec
from gleitzeitd.processes.callbacks import Callbacks
from gleitzeitd.processes.child import Launch
from gleitzeitd.processes.containment.strays import Stat, kill
from gleitzeitd.processes.environment import child_environment
from gleitzeitd.processes.supervisor import Supervisor
from tests.processes.waiting import eventually_here

pytestmark = pytest.mark.anyio

ONCE = Rules(registers=False, start_seconds=60, policy=Policy.NEVER)
AT_ONCE = Rules(registers=False, start_seconds=0, policy=Policy.NEVER)
NUMBERS = [b"%d" % number for number in range(1, 601)]


def command(name: str, script: str, rules: Rules = ONCE, **more: str) -> Spec:
    return Spec(name, "tool", CommandTarget(("sh", "-c", script)), rules, env=more, where="p.yaml:1")


class Watched(Supervisor):
    """A supervisor that remembers whom it told what."""

    def __init__(self, specs: list[Spec], logs: Path) -> None:
        self.ends: list[tuple[str, int, End, list[str]]] = []
        self.states: dict[str, list[State]] = {spec.name: [] for spec in specs}
        super().__init__(
            specs,
            logs,
            Callbacks(
                launch=self._launch,
                drain=lambda *_: None,
                changed=self._remember,
                exited=lambda *end: self.ends.append(end),
                retired=lambda _: None,
                noted=lambda name, entry: None,
                forgotten=lambda _: None,
            ),
        )

    def _launch(self, spec: Spec, name: str, generation: int) -> Launch:
        assert isinstance(spec.target, CommandTarget)
        environment = child_environment(os.environ, spec)
        return Launch(spec.target.argv, environment, f"{os.getpid()}:{name}:{generation}", spec.cwd)

    def _remember(self, before: Process, after: Process, leads: bool) -> None:
        if after.state is not before.state:
            self.states.setdefault(after.name, []).append(after.state)

    async def becomes(self, name: str, state: State) -> Process:
        await self.wait_for(lambda: self.instances[name].process.state is state)
        return self.instances[name].process

    async def wait_for(self, true: Callable[[], bool]) -> None:
        with anyio.fail_after(20):
            await self.until(true)

    def start_all(self) -> None:
        for name in self.instances:
            self.tell(name, Start())


@asynccontextmanager
async def supervising(logs: Path, *specs: Spec) -> AsyncIterator[Watched]:
    """A running supervisor. When it ends, nothing that it started is left."""
    supervisor = Watched(list(specs), logs)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(supervisor.run)
        yield supervisor
        tasks.cancel_scope.cancel()


def printed(supervisor: Watched, name: str, stream: bytes) -> list[bytes]:
    """What stands in the file of its output, once all is written."""
    output = supervisor.instances[name].output
    assert output.flush()
    records = (line.split(b" ", 3) for line in Path(output.path).read_bytes().splitlines())
    return [line for _, where, _, line in records if where == stream]


async def test_all_that_was_printed_right_before_an_exit_is_kept(tmp_path: Path) -> None:
    script = "seq 600; seq 600 >&2; kill -KILL $$"
    names = [f"p{number}" for number in range(20)]
    async with supervising(tmp_path, *(command(name, script) for name in names)) as supervisor:
        supervisor.start_all()
        await supervisor.wait_for(lambda: len(supervisor.ends) == 20 and supervisor.at_rest())

        for name in names:
            assert printed(supervisor, name, b"stdout") == NUMBERS
            assert printed(supervisor, name, b"stderr") == NUMBERS


async def test_whoever_is_told_of_an_end_is_told_its_last_words(tmp_path: Path) -> None:
    script = "echo on its way; seq 600 >&2; printf 'no such model' >&2; exit 3"
    async with supervising(tmp_path, command("p", script)) as supervisor:
        supervisor.start_all()
        process = await supervisor.becomes("p", State.EXITED)
        ((name, generation, end, lines),) = supervisor.ends

        assert (name, generation, str(end)) == ("p", 1, "exited with 3: no such model")
        assert lines == [*(line.decode() for line in NUMBERS[-19:]), "no such model"]
        assert process.reason == "exited with 3: no such model"


async def test_who_holds_the_pipes_of_the_dead_hides_no_words(tmp_path: Path) -> None:
    script = "echo out; printf unfinished >&2; sleep 1000 & exit 3"
    async with supervising(tmp_path, command("p", script)) as supervisor:
        supervisor.start_all()
        process = await supervisor.becomes("p", State.EXITED)
        ((_, _, end, lines),) = supervisor.ends

        assert (str(end), lines) == ("exited with 3: unfinished", ["unfinished"])
        assert process.reason == "exited with 3: unfinished"
        assert printed(supervisor, "p", b"stdout") == [b"out"]
        assert printed(supervisor, "p", b"stderr") == [b"unfinished"]


async def test_a_flood_of_one_holds_up_no_other(tmp_path: Path) -> None:
    # A directory in the place of its file: what a flood prints need not fill the disk.
    (tmp_path / "flood.log").mkdir()
    flood = command("flood", "exec yes", AT_ONCE)
    async with supervising(tmp_path, flood, command("other", "seq 600; exit 0")) as supervisor:
        supervisor.tell("flood", Start())
        await eventually_here(lambda: supervisor.instances["flood"].output.lost > 1_000_000)
        supervisor.tell("other", Start())
        await supervisor.becomes("other", State.EXITED)
        assert printed(supervisor, "other", b"stdout") == NUMBERS
        assert supervisor.instances["flood"].process.state is State.RUNNING

        supervisor.tell("flood", Stop())
        await supervisor.becomes("flood", State.STOPPED)


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        pytest.param(
            Spec("p", "tool", CommandTarget(("no-such-program",)), ONCE, where="p.yaml:3"),
            'p.yaml:3: there is no program "no-such-program"',
            id="no such program",
        ),
        pytest.param(
            Spec("p", "tool", CommandTarget(("/etc/passwd",)), ONCE, where="p.yaml:3"),
            'p.yaml:3: "/etc/passwd" may not be executed',
            id="not a program",
        ),
        pytest.param(
            Spec("p", "tool", CommandTarget(("true",)), ONCE, cwd="/nonexistent", where="p.yaml:3"),
            'p.yaml:3: there is no directory "/nonexistent"',
            id="no such directory",
        ),
    ],
)
async def test_a_spawn_that_only_a_human_can_mend_is_fatal(tmp_path: Path, spec: Spec, why: str) -> None:
    async with supervising(tmp_path, spec) as supervisor:
        supervisor.start_all()

        assert (await supervisor.becomes("p", State.FATAL)).reason == why


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param(Spec("p", "tool", CommandTarget(()), ONCE, where="p.yaml:3"), id="nothing to run"),
        pytest.param(command("p", "true", ONCE, **{"A=B": "c"}), id="a variable that cannot be"),
        pytest.param(command("p", "true", ONCE, A="\0"), id="a value that cannot be"),
        pytest.param(
            Spec("p", "tool", CommandTarget(("echo", "\ud800")), ONCE, where="p.yaml:3"),
            id="an argument that cannot be",
        ),
    ],
)
async def test_a_spawn_that_can_never_be_is_the_failure_of_its_provider_alone(
    tmp_path: Path, spec: Spec
) -> None:
    async with supervising(tmp_path, spec, command("other", "seq 600")) as supervisor:
        supervisor.start_all()
        await supervisor.becomes("other", State.EXITED)

        assert (await supervisor.becomes("p", State.FATAL)).reason


async def test_a_life_that_was_over_before_its_deadline_was_never_running(tmp_path: Path) -> None:
    spec = Spec("p", "tool", CommandTarget(("false",)), Rules(registers=False, start_seconds=0.05, initial=0))
    async with supervising(tmp_path, spec) as supervisor:
        supervisor.start_all()
        await supervisor.becomes("p", State.FATAL)

        assert State.RUNNING not in supervisor.states["p"]
        assert [generation for _, generation, _, _ in supervisor.ends] == [1, 2, 3]


async def test_an_orphan_that_dies_while_its_leader_lives_is_reaped(tmp_path: Path) -> None:
    script = "(sh -c 'echo $$' &); exec sleep 1000"
    async with supervising(tmp_path, command("p", script, AT_ONCE)) as supervisor:
        supervisor.start_all()
        await supervisor.becomes("p", State.RUNNING)
        output = supervisor.instances["p"].output
        (record,) = await eventually_here(lambda: output.last(1))
        await eventually_here(lambda: Stat.of(int(record.line)) is None)


@pytest.mark.usefixtures("subreaper")
async def test_an_orphan_that_died_before_the_supervisor_listened_is_reaped(tmp_path: Path) -> None:
    async with await anyio.open_process(["sh", "-c", "(sh -c 'echo $$' &)"]) as parent:
        assert parent.stdout is not None
        pid = int(await parent.stdout.receive())
    await eventually_here(lambda: (stat := Stat.of(pid)) and (stat.state, stat.parent) == ("Z", os.getpid()))
    async with supervising(tmp_path):
        await eventually_here(lambda: Stat.of(pid) is None)


async def test_a_supervisor_that_is_cancelled_leaves_nothing(tmp_path: Path) -> None:
    script = "setsid sleep 1000 & echo $!; trap '' TERM; echo $$; wait"
    async with supervising(tmp_path, command("p", script, AT_ONCE)) as supervisor:
        supervisor.start_all()
        output = supervisor.instances["p"].output
        await eventually_here(lambda: len(output.last(2)) == 2)
        stats = [Stat.of(int(record.line)) for record in output.last(2)]

    left = [stat for stat in stats if stat is not None and is_there(stat)]
    for stat in left:
        kill(stat)
    assert left == []


def is_there(stat: Stat) -> bool:
    now = Stat.of(stat.pid)
    return now is not None and now.started == stat.started and now.state not in "ZX"
