"""The observer itself, seen to fail: what must not be is shown to it, and what may be for a moment."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.histories import Change, histories, wrong_turns
from tests.house import House, eventually, house
from tests.invariants import INSISTENCE, Bounds, Judge, Report, Told
from tests.kept import Entry, entries, files, kept, misplaced
from tests.observer import ASK_EVERY, Observer, observed
from tests.scenarios import scarcity
from tests.sightings import Identity, Mark, Sighting, Sweep, Sweeper, Vitals

DAEMON = 7
HEALTHY = Vitals(rss=1, fds=1, threads=1)


def alive(pid: int, name: str = "echo", generation: int = 1, daemon: int = DAEMON) -> Sighting:
    return Sighting(Identity(pid, 100), Mark(daemon, name, generation))


class Story:
    """Sweeps and reports in their order, each at a moment of its own."""

    def __init__(self, bounds: Bounds | None = None) -> None:
        self.judge = Judge(bounds or Bounds())
        self.now = 0.0

    def seen(
        self, *found: Sighting, zombies: frozenset[Identity] = frozenset(), vitals: Vitals = HEALTHY
    ) -> Story:
        pids = frozenset(one.identity.pid for one in found)
        self.judge.sweep(Sweep(self.now + 0.1, self.now + 0.2, frozenset(found), pids, zombies, vitals))
        self.now += 1
        return self

    def told(self, *instances: Told, daemon: int = DAEMON) -> Story:
        self.judge.report(
            Report(daemon, self.now + 0.1, self.now + 0.2, {told.name: told for told in instances})
        )
        self.now += 1
        return self

    @property
    def verdict(self) -> list[str]:
        return self.judge.verdict()


def echo(state: str, generation: int = 1, **more: object) -> Told:
    return Told("echo", state, generation, **more)  # type: ignore[arg-type]


# I1.


def test_two_lives_at_once_are_one_too_many() -> None:
    assert Story().seen(alive(1), alive(2, generation=2)).verdict == [
        "I1: echo lives more than once at a time: "
        "generation 1 of daemon 7 as pid 1; generation 2 of daemon 7 as pid 2"
    ]


def test_the_same_life_under_two_daemons_is_one_too_many() -> None:
    (sentence,) = Story().seen(alive(1), alive(2, daemon=8)).verdict
    assert sentence.startswith("I1: echo lives more than once")


def test_a_family_is_one_life_and_the_next_may_follow_it() -> None:
    assert Story().seen(alive(1), alive(2)).seen(alive(3, generation=2)).verdict == []
    assert Story().seen(alive(1), alive(2, name="other", generation=2)).verdict == []


# I2.


@pytest.mark.parametrize("state", ["STOPPED", "EXITED", "FATAL"])
def test_at_rest_with_a_process_left(state: str) -> None:
    at_rest = echo(state, reason="it is")
    assert Story().told(at_rest).seen(alive(1)).told(at_rest).verdict == [
        f"I2: echo {state} at generation 1 with pid None, reason 'it is' was reported before and after "
        "pid 1 of generation 1 was seen alive"
    ]


def test_what_was_seen_before_or_after_the_rest_is_no_matter() -> None:
    stopped = echo("STOPPED")
    assert Story().seen(alive(1)).told(stopped).seen().told(stopped).seen(alive(1)).verdict == []
    assert Story().told(stopped).seen(alive(1, generation=2)).told(echo("STOPPED", 2)).verdict == []
    assert Story().told(stopped).seen(alive(1)).told(stopped, daemon=8).verdict == []


# I3.


def test_running_without_a_process() -> None:
    story = Story().told(echo("RUNNING", pid=1))
    for _ in range(INSISTENCE):
        assert story.verdict == []
        story.seen().told(echo("RUNNING", pid=1))
    assert story.verdict == [
        "I3: echo RUNNING at generation 1 with pid 1 was reported, but no such process is alive "
        f"({INSISTENCE} reports in a row)"
    ]


def test_an_exit_that_is_soon_reported_is_no_matter() -> None:
    running = echo("RUNNING", pid=1)
    story = Story().told(running).seen().told(running).seen().told(running).seen().told(echo("STOPPING"))
    assert story.verdict == []


def test_a_pid_that_lives_again_ends_the_suspicion() -> None:
    running = echo("RUNNING", pid=1)
    story = Story().told(running)
    for _ in range(INSISTENCE):
        story.seen().told(running).seen(alive(1)).told(running)
    assert story.verdict == []


# I4.


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        (echo("BACKOFF"), "has no time for its next attempt"),
        (echo("BACKOFF", next_in=0.0), "is past the time of its next attempt, and nothing happens"),
        (echo("WAITING"), "does not say why"),
        (echo("FATAL"), "does not say why"),
        (echo("LOST"), "does not say why"),
    ],
)
def test_a_state_that_awaits_nothing(told: Told, sentence: str) -> None:
    story = Story()
    for _ in range(INSISTENCE):
        assert story.verdict == []
        story.told(told)
    assert story.verdict == [f"I4: {told} {sentence} ({INSISTENCE} reports in a row)"]


@pytest.mark.parametrize("state", ["STARTING", "STOPPING"])
def test_a_state_that_does_not_pass(state: str) -> None:
    story = Story(Bounds(passing=5))
    for _ in range(6):
        assert story.verdict == []
        story.told(echo(state))
    assert story.verdict == [f"I4: echo has been {state} at generation 1 for 5.1 s; the test allows 5 s"]


def test_who_awaits_something_and_who_goes_on_is_left_alone() -> None:
    story = Story(Bounds(passing=5))
    for generation in range(10):
        story.told(echo("STARTING", generation), Told("held", "WAITING", 0, reason="needs echo"))
        story.told(echo("BACKOFF", generation, next_in=1.0))
    assert story.verdict == []


# I6.


@pytest.mark.parametrize("what", ["rss", "fds", "threads"])
def test_a_daemon_that_takes_too_much(what: str) -> None:
    bounds = Bounds(rss=10, fds=10, threads=10)
    fat = Vitals(**{"rss": 1, "fds": 1, "threads": 1, what: 11})
    assert Story(bounds).seen(vitals=fat).verdict == [f"I6: the daemon had {what} 11; the test allows 10"]


def test_a_dead_child_that_stays() -> None:
    zombie = frozenset({Identity(9, 100)})
    story = Story().told()
    for _ in range(INSISTENCE):
        assert story.verdict == []
        story.seen(zombies=zombie).told()
    assert story.verdict == [
        f"I6: the daemon leaves its dead child 9 unreaped ({INSISTENCE} reports in a row)"
    ]


def test_dead_children_that_come_and_go() -> None:
    story = Story().told()
    for pid in range(10):
        story.seen(zombies=frozenset({Identity(pid, 100)})).told()
    assert story.verdict == []


# I5.


def test_bytes_are_counted_over_all_files_in_their_order(tmp_path: Path) -> None:
    (tmp_path / "echo.log.2.gz").write_bytes(gzip.compress(b"T stdout F one\n"))
    (tmp_path / "echo.log.1").write_bytes(b"T stdout P two\nT stdout F \n")
    (tmp_path / "echo.log").write_bytes(
        b"T stderr F three\0\xff four\nT stderr F gleitzeit: 5 bytes were dropped here: No space left\n"
    )
    (tmp_path / "echo.log.2").write_bytes(
        b"T stdout F one\n"
    )  # It is just being replaced by the compressed one.
    (tmp_path / "echo.log.old").write_bytes(b"T stdout F not ours\n")
    (tmp_path / "echo2.log").write_bytes(b"T stdout F not ours\n")

    assert [path.name for path in files(tmp_path, "echo")] == ["echo.log.2.gz", "echo.log.1", "echo.log"]
    assert list(entries(tmp_path, "echo")) == [
        Entry("stdout", True, b"one"),
        Entry("stdout", False, b"two"),
        Entry("stdout", True, b""),
        Entry("stderr", True, b"three\0\xff four"),
    ]
    assert kept(tmp_path, "echo") == len(b"one\n") + len(b"two\n") + len(b"three\0\xff four\n")


def test_a_torn_line_counts_without_its_end(tmp_path: Path) -> None:
    (tmp_path / "echo.log").write_bytes(b"T stdout F whole\nT stdout F wh\nT std\nT stdout F whole\n")
    assert kept(tmp_path, "echo", width=5) == len(b"whole\nwhwhole\n")


@pytest.mark.parametrize(
    ("out", "gaps", "is_right"),
    [
        ([0, 1, 2], False, True),
        ([0, 2], False, False),
        ([0, 2], True, True),
        ([0, 1], False, False),
        ([0, 1, 1, 2], True, False),
        ([1, 0, 2], True, False),
        ([0, 1, 2, 3], True, False),
    ],
)
def test_each_line_is_kept_once_and_in_its_place(
    tmp_path: Path, out: list[int], gaps: bool, is_right: bool
) -> None:
    lines = (b"T stdout P #%d a\nT stderr F #0 b\nT stdout F #9 is the rest of a line\n" % n for n in out)
    (tmp_path / "echo.log").write_bytes(b"".join(lines).replace(b"T stderr F #0 b\n", b"", len(out) - 1))
    assert (misplaced(tmp_path, "echo", {"stdout": 3, "stderr": 1}, gaps=gaps) == []) is is_right


# Histories.


def _log(*lines: str) -> str:
    return "\n".join(f'timestamp=T level=info event="process {line}' for line in lines)


def test_the_end_of_a_process_leads_anywhere_but_to_running() -> None:
    said = _log(
        'changed" name=echo was=STOPPED now=STARTING',
        'ended" name=echo how="exited with 1"',
        'changed" name=other was=STOPPED now=WAITING',
        'changed" name=echo was=STARTING now=BACKOFF',
        'changed" name=echo was=BACKOFF now=STARTING',
        'ended" name=echo how="exited with 1"',
        'changed" name=echo was=STARTING now=RUNNING',
    )
    assert histories(said)["echo"][1] == Change("STARTING", "BACKOFF", ended=True)
    assert wrong_turns(said) == ["echo: there is no way STARTING -> RUNNING after the end of its process"]


def test_a_way_that_is_none_and_a_leap_are_found() -> None:
    said = _log(
        'changed" name=echo was=STOPPED now=STARTING',
        'changed" name=echo was=STARTING now=STOPPED',
        'changed" name=echo was=RUNNING now=STOPPING',
    )
    assert wrong_turns(said) == [
        "echo: there is no way STARTING -> STOPPED",
        "echo was STOPPED, and then its log says RUNNING -> STOPPING",
    ]


# Real processes.

OURS = os.getpid()
"""Marks as of a daemon with this number: other runs of these tests must not be taken for ours."""
NOBODY = 2**31
"""No process has this number; the next one to ours may well be a daemon of another test."""


@contextmanager
def marked(mark: str, *argv: str) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        argv or ("sleep", "1000"), env={**os.environ, "GLEITZEIT_INSTANCE": mark}, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("mark", ["{}:echo:3", "{}:boot-id:12345:echo:3", "{}:echo:3:check1"])
def test_a_mark_is_read_in_every_form(mark: str) -> None:
    sweeper = Sweeper()
    with marked(mark.format(OURS)) as process:
        # It is there a moment before its environment can be read.
        (found,) = eventually(lambda: sweeper.sweep(None, {OURS}).alive)
        assert (found.identity.pid, found.mark) == (process.pid, Mark(OURS, "echo", 3))
        assert not sweeper.sweep(None, {NOBODY}).alive
        assert found.kill()
    assert (found.is_alive(), found.kill()) == (False, False)


def test_who_is_executed_only_after_the_first_look_is_recognised() -> None:
    """Seen to fail with a sweeper that knows for ever what it saw between fork and exec."""
    sweeper = Sweeper()
    late = f"read go; exec env GLEITZEIT_INSTANCE={OURS}:echo:3 sleep 1000"
    with subprocess.Popen(["sh", "-c", late], stdin=subprocess.PIPE, start_new_session=True) as process:
        assert not sweeper.sweep(None, {OURS}).alive
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
        eventually(lambda: len(sweeper.sweep(None, {OURS}).alive) == 1)
        process.kill()


def test_who_clears_its_environment_is_known_by_its_parent() -> None:
    sweeper = Sweeper()
    with marked(f"{OURS}:echo:3", "sh", "-c", "read go; env -i sleep 1000 & wait"):
        eventually(lambda: len(sweeper.sweep(None, {OURS}).alive) >= 1)
    with marked(f"{OURS}:echo:3", "sh", "-c", "env -i sleep 1000 & wait"):
        eventually(lambda: len(sweeper.sweep(None, {OURS}).alive) == 2)


def test_a_dead_one_is_a_zombie_of_its_parent_and_not_alive() -> None:
    sweeper = Sweeper()
    with marked(f"{OURS}:echo:3") as process:
        os.kill(process.pid, signal.SIGKILL)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        sweep = sweeper.sweep(os.getpid(), {OURS})
        assert not sweep.alive
        assert process.pid in {zombie.pid for zombie in sweep.zombies}
        assert process.pid not in sweep.pids


def test_the_observer_of_a_real_daemon_sees_what_is_forged(tmp_path: Path) -> None:
    sleeper = {"command": ["sleep", "1000"], "start_seconds": 0}
    with house(tmp_path, {"sleeper": sleeper, "idle": sleeper}) as h:
        h.client.post("/v1/stop", {"names": ["idle"]})
        h.until("sleeper", "RUNNING")
        with pytest.raises(AssertionError, match="the observer saw") as failure, observed(h) as seen:
            _forge(h, seen)
        assert len(str(failure.value).splitlines()) == 3


def test_an_observer_whose_looks_take_long_still_compares_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen to fail with an observer that asks however long it takes to look."""

    def slowly(pid: int) -> Vitals:
        time.sleep(3 * ASK_EVERY)
        return HEALTHY

    monkeypatch.setattr("tests.sightings._vitals", slowly)
    idle = {"command": "sleep 1000", "start_seconds": 0}
    with house(tmp_path, {"idle": idle}) as h:
        h.client.post("/v1/stop", {"names": ["idle"]})
        with (
            pytest.raises(AssertionError, match="the observer saw:\nI2: idle"),
            observed(h) as seen,
            marked(f"{h.daemon.pid}:idle:1"),
        ):
            eventually(seen.wrong, "something is wrong")


def _forge(h: House, seen: Observer) -> None:
    """Processes that pretend to be a second life, and one of an instance that is stopped."""
    with marked(f"{h.daemon.pid}:sleeper:99"), marked(f"{h.daemon.pid}:idle:1"):
        for what in ("I1: sleeper", "I2: idle"):
            eventually(lambda: any(one.startswith(what) for one in seen.wrong()), what)  # noqa: B023


def test_a_house_ends_a_daemon_that_stands_still(tmp_path: Path) -> None:
    with house(tmp_path, {}) as h:
        os.kill(h.daemon.pid, signal.SIGSTOP)
    assert h.daemon.returncode == 0


def test_a_house_kills_what_does_not_end_and_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.house.PATIENCE", 0.1)
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); signal.pause()"
    with subprocess.Popen([sys.executable, "-c", deaf], stdout=subprocess.PIPE) as daemon:
        assert daemon.stdout is not None
        assert daemon.stdout.readline() == b"\n"
        with pytest.raises(subprocess.TimeoutExpired), house(tmp_path, {}, started=False) as h:
            h.daemon = daemon
        assert daemon.returncode == -signal.SIGKILL


def test_a_group_that_cannot_be_joined_is_not_left_behind(tmp_path: Path) -> None:
    """It is a plain directory: nothing in it can be written to, as where there is no controller."""
    with pytest.raises(FileNotFoundError):
        scarcity.join(tmp_path / "group", os.getpid())
    assert list(tmp_path.iterdir()) == []


def test_an_observer_that_sees_nobody_says_so(tmp_path: Path) -> None:
    with (
        house(tmp_path, {}) as h,
        pytest.raises(AssertionError, match="saw no process of this daemon"),
        observed(h),
    ):
        pass
