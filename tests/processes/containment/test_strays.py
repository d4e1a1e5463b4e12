"""Whom we may kill: what belongs to a life, and never somebody who only has its number."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gleitzeitd.processes.containment import guardian, strays
from gleitzeitd.processes.containment.strays import MARKER, Stat
from tests.house import eventually

OURS = {**os.environ, MARKER: "1:p:1"}


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process in a session of its own, which carries the mark `1:p:1`."""
    with subprocess.Popen(["sleep", "1000"], env=OURS, start_new_session=True) as process:
        # Before its exec it still has the environment and the session of the tests.
        eventually(lambda: (stat := Stat.of(process.pid)) and stat.session == process.pid)
        yield process
        process.kill()


def stat_of(process: subprocess.Popen[bytes]) -> Stat:
    stat = Stat.of(process.pid)
    assert stat is not None
    return stat


def test_a_process_is_known_by_its_number_its_place_and_its_start(sleeper: subprocess.Popen[bytes]) -> None:
    stat = stat_of(sleeper)

    assert (stat.pid, stat.parent, stat.session) == (sleeper.pid, os.getpid(), sleeper.pid)
    # Field 22 of proc(5): clock ticks from the start of the machine to its own.
    assert stat.started == int(Path(f"/proc/{sleeper.pid}/stat").read_text().split()[21])
    assert stat.state in "SRD"


def test_who_is_gone_has_no_stat(sleeper: subprocess.Popen[bytes]) -> None:
    sleeper.kill()
    sleeper.wait()

    assert Stat.of(sleeper.pid) is None


def test_a_name_with_brackets_and_spaces_is_no_trap() -> None:
    script = "open('/proc/self/comm', 'w').write('a) R 1 (b'); print(flush=True); input()"
    with subprocess.Popen(
        ["python3", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert stat_of(process).parent == os.getpid()
        process.kill()


def test_exactly_the_process_is_killed(sleeper: subprocess.Popen[bytes]) -> None:
    strays.kill(stat_of(sleeper))

    assert sleeper.wait(20) == -signal.SIGKILL


def test_a_number_that_was_given_to_another_process_is_never_signalled(
    sleeper: subprocess.Popen[bytes],
) -> None:
    stat = stat_of(sleeper)
    strays.kill(replace(stat, started=stat.started - 1))
    # A signal that was sent would have been received before this one, and end it.
    sleeper.send_signal(signal.SIGTERM)

    assert sleeper.wait(20) == -signal.SIGTERM


def test_all_are_stopped_before_one_looks_again(
    sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken once by killing without stopping: what they started meanwhile was nobody's."""
    done = list[object]()
    stat = stat_of(sleeper)

    def look() -> list[Stat]:
        done.append("look")
        return [stat]

    monkeypatch.setattr(strays, "send", lambda _, number: done.append(number))
    assert strays.kill_all(look) == 1
    assert done == ["look", signal.SIGSTOP, "look", signal.SIGKILL]


def test_who_was_seen_before_is_known_by_its_start(sleeper: subprocess.Popen[bytes]) -> None:
    """A record forged to point at somebody else. Broken once by comparing the numbers alone, once by taking
    who is in the session of one that has the number."""
    stat, nobody = stat_of(sleeper), 2**22 + 1

    assert strays.remains(nobody, "1:q:1", known={stat.pid: stat.started})[0].pid == stat.pid
    assert strays.remains(nobody, "1:q:1", known={stat.pid: stat.started - 1}) == []
    # The one that is gone may have been the leader of a session.
    assert strays.remains(nobody, "1:q:1", known={nobody - 1: 7}) == []


def test_to_kill_who_is_gone_does_nothing(sleeper: subprocess.Popen[bytes]) -> None:
    stat = stat_of(sleeper)
    sleeper.kill()
    sleeper.wait()

    strays.kill(stat)


def test_a_life_is_known_by_its_session_and_by_its_mark(sleeper: subprocess.Popen[bytes]) -> None:
    def pids(leader: int, marker: str) -> list[int]:
        return [stat.pid for stat in strays.remains(leader, marker)]

    nobody = 2**22 + 1
    eventually(lambda: sleeper.pid in pids(nobody, "1:p:1"), "its exec has happened")
    assert pids(nobody, "1:p:11") == []
    assert pids(nobody, "1:p:") == []
    # The leader itself is not what it left behind.
    assert pids(sleeper.pid, "1:p:1") == []


def test_who_is_dead_already_is_not_left_behind(sleeper: subprocess.Popen[bytes]) -> None:
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)

    assert stat_of(sleeper).state == "Z"
    assert strays.remains(2**22 + 1, "1:p:1") == []


def test_no_status_that_somebody_waits_for_is_taken(sleeper: subprocess.Popen[bytes]) -> None:
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    strays.reap_adopted({sleeper.pid})
    assert stat_of(sleeper).state == "Z"

    strays.reap_adopted(set())
    assert Stat.of(sleeper.pid) is None


def test_a_dead_one_that_nobody_waits_for_hides_no_other(sleeper: subprocess.Popen[bytes]) -> None:
    """As a job of the shell that became the daemon. Broken once by ending the search at it."""
    with subprocess.Popen(["true"]) as younger:
        sleeper.kill()
        for process in (sleeper, younger):
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        strays.reap_adopted({sleeper.pid})
        assert (stat_of(sleeper).state, Stat.of(younger.pid)) == ("Z", None)


def test_who_cannot_be_signalled_keeps_nobody_else_alive(
    sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """For want of descriptors. Broken once by letting it rise."""

    def none(_: int) -> int:
        raise OSError(errno.ENFILE, "no more")

    monkeypatch.setattr(os, "pidfd_open", none)
    strays.kill(stat_of(sleeper))


def test_who_cannot_be_looked_at_is_not_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> None:
        raise OSError(errno.EMFILE, "no more")

    monkeypatch.setattr("builtins.open", none)
    assert Stat.of(os.getpid()) is None
    with pytest.raises(OSError, match="no more"):
        Stat.look(os.getpid())
    with pytest.raises(OSError, match="no more"):
        guardian.is_alive(os.getpid(), 1)
