"""Checks that run a program: what it says, and that nothing of it is ever left, whatever it does."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from gleitzeitd.core.spec import Check, CheckKind
from gleitzeitd.core.verdict import Outcome
from gleitzeitd.processes.checks import execution as checks_exec
from gleitzeitd.processes.checks.execution import Tail
from gleitzeitd.processes.checks.watching import Ask, Checks
from gleitzeitd.processes.child import Child
from gleitzeitd.processes.containment import strays
from gleitzeitd.processes.containment.strays import MARKER, Stat
from gleitzeitd.processes.launch import Launch
from tests.house import eventually
from tests.processes.waiting import eventually_here

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("subreaper", "nothing_left")]

MARK = f"{os.getpid()}:c:1"
INSTANCE = Launch(("false",), {"PATH": os.environ["PATH"]}, MARK, stdin=b"secret-4711")
LONG = 20.0
"""Seconds for what has to end by itself."""
SHORT = 0.1
"""Seconds for what never will."""


def family() -> list[int]:
    """All that carry a mark of this instance or of its checks."""
    return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if MARK in mark_of(pid)]


def mark_of(pid: int) -> str:
    try:
        variables = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return ""
    return next((text.partition("=")[2] for text in variables if text.startswith(f"{MARKER}=")), "")


@pytest.fixture
def siblings() -> set[int]:
    return set()


@pytest.fixture
def nothing_left(siblings: set[int]) -> Iterator[None]:
    """No process, no child dead or alive, no descriptor, and nobody's status that is still waited for."""
    before = os.listdir("/proc/self/fd")
    yield
    assert family() == []
    assert siblings == set()
    # As the supervisor does whenever a child has died.
    strays.reap_adopted(siblings)
    assert not strays.has_adopted(set())
    assert os.listdir("/proc/self/fd") == before


@pytest.fixture
def flag(tmp_path: Path) -> Path:
    """A file that says that it is time."""
    return tmp_path / "flag"


def asker(siblings: set[int], *argv: str, within: float = LONG, launch: Launch = INSTANCE) -> Ask:
    return Checks(siblings).asker(Check(CheckKind.EXEC, argv=argv, timeout=within), launch)


def leaving(flag: Path | str, way: str = "setsid") -> str:
    """A script that leaves a process behind, in another session, and certainly so when it ends.

    That one does not execute anything any more: in the middle of an exec nobody sees whose it is.
    """
    stays = f": >{flag}; : <{flag}.nobody-writes"
    return f"rm -f {flag}*; mkfifo {flag}.nobody-writes; {way} sh -c '{stays}' & {until(flag)}"


def until(flag: Path | str) -> str:
    return f"until [ -e {flag} ]; do sleep 0.001; done"


async def asked(siblings: set[int], script: str, within: float = LONG) -> Outcome:
    return await asker(siblings, "sh", "-c", script, within=within)()


# What it says.


async def test_exit_status_0_is_a_success(siblings: set[int]) -> None:
    outcome = await asked(siblings, "echo all is well")

    assert (outcome.ok, outcome.reason) == (True, "")
    assert 0 < outcome.seconds < LONG


SAID = {
    "its status and its words": ("echo no response; exit 2", "exited with 2: no response"),
    "its last line": ("echo one; echo; echo two; echo '  '; exit 1", "exited with 1: two"),
    "what it says on stderr first": ("echo why >&2; echo that; exit 1", "exited with 1: why"),
    "nothing when it says nothing": ("exit 255", "exited with 255"),
    "the signal that killed it": ("kill -KILL $$", "killed by SIGKILL"),
    "text, whatever came": (
        "printf 'a\\033[1mb\\377\\0c\\n'; exit 1",
        "exited with 1: a [1mb\N{REPLACEMENT CHARACTER} c",
    ),
    "the end of a long line": ("head -c 9999 /dev/zero | tr '\\0' x; exit 1", "exited with 1: " + "x" * 512),
    "the end of a flood": ("head -c 10000000 /dev/zero; echo; echo it; exit 1", "exited with 1: it"),
}


@pytest.mark.parametrize(("script", "said"), SAID.values(), ids=SAID)
async def test_a_failure_says(siblings: set[int], script: str, said: str) -> None:
    outcome = await asked(siblings, script)

    assert (outcome.ok, outcome.reason) == (False, f'check "sh": {said}')


@pytest.mark.parametrize(
    ("argv", "launch", "said"),
    [
        (("no-such-program",), INSTANCE, '"no-such-program": cannot be started: No such file or directory'),
        (("/etc/passwd",), INSTANCE, '"/etc/passwd": cannot be started: Permission denied'),
        (("true",), replace(INSTANCE, cwd="/nonexistent"), "No such file or directory: /nonexistent"),
        (("true", "a\0b"), INSTANCE, '"true": cannot be started: embedded null byte'),
        ((), INSTANCE, '"": cannot be started: '),
    ],
)
async def test_what_cannot_be_started_is_a_failure(
    siblings: set[int], argv: tuple[str, ...], launch: Launch, said: str
) -> None:
    outcome = await asker(siblings, *argv, launch=launch)()

    assert outcome.ok is False
    assert said in outcome.reason


async def test_when_no_process_is_to_be_had_nobody_has_failed(
    siblings: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken once by calling it a failure: all that is well would be restarted."""

    def none_left(*_: Any, **__: Any) -> None:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(subprocess, "Popen", none_left)
    outcome = await asked(siblings, "true")

    assert outcome.ok is None
    assert outcome.reason == 'check "sh": cannot be started: Resource temporarily unavailable'


async def test_it_is_executed_as_its_instance_is_but_reads_nothing(
    siblings: set[int], tmp_path: Path
) -> None:
    launch = replace(INSTANCE, cwd=str(tmp_path), env={**INSTANCE.env, "COLOUR": "green"})
    script = f"echo $(pwd) $COLOUR ${MARKER} $(cat); exit 1"
    outcome = await asker(siblings, "sh", "-c", script, launch=launch)()

    assert outcome.reason == f'check "sh": exited with 1: {tmp_path} green {MARK}:check1'


# What takes too long.


STUBBORN = {
    "it sleeps": ": >$FLAG; exec sleep 1000",
    "it ignores every signal": "trap '' TERM HUP INT; : >$FLAG; while :; do sleep 1000; done",
    "it has stopped itself": (
        "(until grep -q '^State:.T' /proc/$$/status; do sleep 0.001; done; : >$FLAG) & kill -STOP $$"
    ),
    "it has closed its output": "exec >&- 2>&-; : >$FLAG; exec sleep 1000",
    "it floods": "head -c 9999 /dev/zero; : >$FLAG; exec cat /dev/zero",
    "it forks": "sleep 1000 & sleep 1000 & : >$FLAG; wait",
    "it forks out of its session": (
        "setsid sh -c 'setsid sh -c \": >$FLAG; sleep 1000; :\" & sleep 1000; :' & wait"
    ),
    "its orphans ignore every signal": (
        "(setsid sh -c 'trap : TERM; : >$FLAG; sleep 1000; :' &); exec sleep 1000"
    ),
}


@pytest.fixture
def flagged(flag: Path, monkeypatch: pytest.MonkeyPatch) -> Launch:
    """Of checks whose time begins to run when they have raised $FLAG."""

    class Flagged(Child):
        def __init__(self, launch: Launch, *args: Any) -> None:
            super().__init__(launch, *args)
            eventually(lambda: os.path.exists(launch.env.get("FLAG", "/")))

    monkeypatch.setattr(checks_exec, "Child", Flagged)
    return replace(INSTANCE, env={**INSTANCE.env, "FLAG": str(flag)})


@pytest.mark.parametrize("script", STUBBORN.values(), ids=STUBBORN)
async def test_without_an_answer_in_time_all_of_it_is_killed(
    siblings: set[int], flagged: Launch, script: str
) -> None:
    """Broken once by killing the group only."""
    outcome = await asker(siblings, "sh", "-c", script, within=SHORT, launch=flagged)()

    assert (outcome.ok, outcome.reason) == (False, 'check "sh": no answer within 0.1 s')


async def test_what_it_said_until_then_is_told(siblings: set[int], monkeypatch: pytest.MonkeyPatch) -> None:
    class Spoken(Child):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            eventually(lambda: select.select([self.stdout], [], [], 0)[0])

    monkeypatch.setattr(checks_exec, "Child", Spoken)
    outcome = await asked(siblings, "echo waiting for the lock; exec sleep 1000", SHORT)

    assert outcome.reason == 'check "sh": no answer within 0.1 s: waiting for the lock'


async def test_what_it_says_at_the_very_end_is_told(
    siblings: set[int], flag: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken once by trusting that the last words are read before the exit is seen."""
    wait_readable, waiting = anyio.wait_readable, list[int]()

    async def only_exits(descriptor: int) -> None:
        if is_pidfd(descriptor):
            return await wait_readable(descriptor)
        waiting.append(descriptor)
        if len(waiting) == 2:
            os.close(os.open(flag, os.O_CREAT))
        await anyio.sleep_forever()

    monkeypatch.setattr(anyio, "wait_readable", only_exits)

    outcome = await asked(siblings, f"{until(flag)}; echo no; exit 3")

    assert outcome.reason == 'check "sh": exited with 3: no'


async def test_when_it_cannot_be_watched_nobody_has_failed(
    siblings: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken once by expecting the error itself where its group comes: it ended the whole watch."""
    wait_readable, failures = anyio.wait_readable, iter(range(4))

    async def lacking(descriptor: int) -> None:
        if next(failures, None) is not None:
            raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
        await wait_readable(descriptor)

    monkeypatch.setattr(anyio, "wait_readable", lacking)
    outcome = await asked(siblings, "sleep 1000 & sleep 1000; :")

    assert outcome.ok is None
    assert outcome.reason == 'check "sh": cannot be watched: Cannot allocate memory'
    assert next(failures, None) is None


async def test_between_two_reads_of_a_flood_others_have_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken once by reading on at once: a flooding check kept the loop busy for all its time."""
    ours, theirs = os.pipe2(os.O_NONBLOCK)
    os.write(theirs, b"once")
    monkeypatch.setattr(checks_exec, "PAUSE", 1000)
    tail = Tail(ours)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tail.run)
        await eventually_here(lambda: tail.last_words)
        os.write(theirs, b" more")
        for _ in range(50):
            await checkpoint()
        assert tail.last_words == "once"
        tasks.cancel_scope.cancel()
    os.close(ours)
    os.close(theirs)


async def test_an_output_that_was_closed_is_not_read_again_and_again() -> None:
    ours, theirs = os.pipe2(os.O_NONBLOCK)
    os.write(theirs, b"last\n")
    os.close(theirs)
    tail = Tail(ours)
    with anyio.fail_after(LONG):
        await tail.run()
    os.close(ours)

    assert tail.last_words == "last"


async def test_an_exit_at_the_deadline_counts(siblings: set[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken once by asking the clock first."""

    class Ended(Child):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            eventually(self.has_ended)

    monkeypatch.setattr(checks_exec, "Child", Ended)

    assert (await asked(siblings, "exit 0", 0)).ok
    assert (await asked(siblings, "echo no; exit 3", 0)).reason == 'check "sh": exited with 3: no'


# What it leaves, and whom it leaves alone.


@pytest.mark.parametrize("way", ["", "setsid"])
async def test_what_it_leaves_is_killed_though_it_succeeded(siblings: set[int], flag: Path, way: str) -> None:
    """Broken once by clearing only after a timeout."""
    assert (await asked(siblings, leaving(flag, way))).ok


async def test_a_check_that_is_cancelled_is_killed_with_all_it_started(siblings: set[int]) -> None:
    """Broken once by waiting for it outside of the shield: it was left, and a zombie later."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(asked, siblings, "setsid sleep 1000 & sleep 1000; :")
        await eventually_here(lambda: len(family()) == 3)
        tasks.cancel_scope.cancel()


async def test_to_end_a_check_does_not_end_its_instance(
    siblings: set[int], flag: Path, flagged: Launch
) -> None:
    """Broken once by giving it the mark of the instance: what that had in other sessions was killed."""
    orphaned = Child(replace(INSTANCE, argv=("sh", "-c", leaving(flag))), siblings)
    await orphaned.exited()
    instance = Child(replace(INSTANCE, argv=("sleep", "1000")), siblings)
    await eventually_here(lambda: len(family()) == 2)
    living = family()

    # The flag is up since the orphan raised it: now it is for the check to do so.
    os.unlink(flag)
    script = "(setsid sh -c ': >$FLAG; sleep 1000; :' &); exec sleep 1000"
    outcome = await asker(siblings, "sh", "-c", script, within=SHORT, launch=flagged)()
    assert outcome.ok is False
    assert family() == living

    instance.kill()
    await instance.exited()
    await instance.clear()
    for child in (instance, orphaned):
        os.close(child.stdout)
        os.close(child.stderr)


async def test_two_checks_of_one_instance_leave_each_other_alone(siblings: set[int], flag: Path) -> None:
    """Broken once by one mark for all checks of an instance: the orphans of the other one were killed."""
    checks, outcomes = Checks(siblings), dict[str, Outcome]()

    async def ask(name: str, script: str) -> None:
        check = Check(CheckKind.EXEC, argv=("sh", "-c", script), timeout=LONG)
        outcomes[name] = await checks.asker(check, INSTANCE)()

    async with anyio.create_task_group() as tasks:
        orphan = f": >{flag}; {until(f'{flag}.all')}; : >{flag}.done"
        tasks.start_soon(ask, "patient", f"(setsid sh -c '{orphan}' &); {until(f'{flag}.done')}")
        await eventually_here(lambda: os.path.exists(flag))
        await ask("hasty", leaving(f"{flag}.hasty"))
        os.close(os.open(f"{flag}.all", os.O_CREAT))

    assert [outcomes["hasty"].ok, outcomes["patient"].ok] == [True, True]


# What cannot be ended.


@pytest.fixture
def mortal() -> Iterator[Callable[[], None]]:
    """Until this is called nothing dies of being killed, as in an uninterruptible sleep."""
    patch = pytest.MonkeyPatch()
    patch.setattr(checks_exec, "CLEARING", 0.05)
    patch.setattr(strays, "kill", lambda _: None)
    patch.setattr(Child, "signal", lambda *_: None)
    yield patch.undo
    patch.undo()


async def test_a_check_that_cannot_be_ended_stays_the_only_one(
    siblings: set[int], mortal: Callable[[], None]
) -> None:
    """Broken once by asking anew all the same: each time one more was left."""
    ask = asker(siblings, "sleep", "1000", within=SHORT)
    assert (await ask()).reason == 'check "sleep": no answer within 0.1 s'
    (left,) = family()
    said = f"what the last one left does not end although it was killed: {left}"
    for _ in range(2):
        assert (await ask()).reason.startswith(f'check "sleep": {said} sleep (state S')
    assert family() == [left]
    # Nobody waits for its status any more: it is reaped like whatever was adopted.
    assert siblings == set()

    mortal()
    await ended(left)
    assert (await ask()).reason == 'check "sleep": no answer within 0.1 s'
    # Child has no way to let go of its pidfd but to reap.
    (handle,) = (fd for fd in map(int, os.listdir("/proc/self/fd")) if is_pidfd(fd))
    os.close(handle)


def is_pidfd(descriptor: int) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return os.readlink(f"/proc/self/fd/{descriptor}") == "anon_inode:[pidfd]"
    return False


async def test_what_a_check_started_and_cannot_be_ended_keeps_it_from_starting_more(
    siblings: set[int], mortal: Callable[[], None], flag: Path
) -> None:
    ask = asker(siblings, "sh", "-c", leaving(flag))
    assert (await ask()).ok
    (left,) = family()
    assert f"does not end although it was killed: {left} " in (await ask()).reason

    mortal()
    await ended(left)
    assert (await ask()).ok


async def test_what_one_life_could_not_end_keeps_the_next_from_starting_more(
    siblings: set[int], mortal: Callable[[], None], flag: Path
) -> None:
    """Broken once by remembering it in each life for itself: each crash of the instance left one more."""
    checks = Checks(siblings)

    def asker_of(marker: str) -> Ask:
        check = Check(CheckKind.EXEC, argv=("sh", "-c", leaving(flag)), timeout=LONG)
        return checks.asker(check, replace(INSTANCE, marker=f"{os.getpid()}:{marker}"))

    assert (await asker_of("c:1")()).ok
    (left,) = family()
    assert f"does not end although it was killed: {left} " in (await asker_of("c:2")()).reason

    mortal()
    # Another instance is asked all the same.
    assert (await asker_of("d:1")()).ok
    await ended(left)
    assert (await asker_of("c:3")()).ok


async def ended(pid: int) -> None:
    """Kill it, and reap it as the supervisor would."""
    os.kill(pid, signal.SIGKILL)
    await eventually_here(lambda: (stat := Stat.of(pid)) is None or stat.state == "Z")
    strays.reap_adopted(set())
    assert Stat.of(pid) is None
