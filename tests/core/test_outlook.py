"""What comes next, as it is told to somebody who asks why a process is as it is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gleitzeitd.core.events import Disconnected, End, Exited, Registered, Restart, Said, Start, Stop
from gleitzeitd.core.outlook import outlook
from gleitzeitd.core.process import Process, State
from gleitzeitd.core.spec import Policy
from tests.core.histories import CLASS, COMMAND, backed_off, ended, fatal, new, play, started, up

AT_ONCE = "at once with gleitzeitctl start p"
ONCE = replace(CLASS, max_retry_attempts=1)
ENDLESS = replace(CLASS, max_retry_attempts=0)
NEVER = replace(COMMAND, policy=Policy.NEVER)


def lost() -> Process:
    """One that was killed until it was plain that this does not help."""
    process = play(up(COMMAND), (0, Stop()))
    for moment in range(30):
        process = play(process, (moment, Stop()))
        if process.state is State.LOST:
            return replace(process, since=0.0, deadline=1.0)
    raise AssertionError("it was never called LOST")


TOLD: dict[str, tuple[Process, str]] = {
    "stopped": (new(CLASS), "It stays stopped until somebody starts it: gleitzeitctl start p."),
    "at the gate": (play(new(CLASS), (0, Start())), "It is started when that is so."),
    "connecting": (
        started(CLASS),
        "It has 10.0 s to register with the hub, else it is ended and counted as a failure.",
    ),
    "loading": (
        play(started(CLASS), (0, Registered(1, ready=False))),
        "It has 60.0 s to become ready, else it is ended and counted as a failure.",
    ),
    "proving itself": (started(COMMAND), "It counts as RUNNING if it stays alive for 1.0 s."),
    "running": (up(CLASS), "Nothing is due."),
    "busy": (play(up(CLASS), (0, Said(1, False))), "It is given no calls until it is ready again."),
    "cut off": (play(up(CLASS), (0, Disconnected(1))), "It has 5.0 s to connect again, else it is replaced."),
    "failed once": (
        replace(backed_off(CLASS), deadline=2.0),
        f"It is tried again in 2.0 s (start 2 of 3 before it gives up); {AT_ONCE}.",
    ),
    "tried without end": (
        replace(backed_off(ENDLESS), deadline=2.0),
        f"It is tried again in 2.0 s; {AT_ONCE}.",
    ),
    "exited": (
        ended(up(NEVER), 1),
        "By its policy (never) it is not started again: gleitzeitctl start p.",
    ),
    "given up": (ended(started(ONCE), 0), f"It is tried again in 300.0 s; {AT_ONCE}."),
    "mistaken": (
        fatal(CLASS),
        f"It is tried again when its settings or its own source change; {AT_ONCE}.",
    ),
    "held": (
        play(up(CLASS), (0, Stop())),
        "It is ended when those who depend on it have stopped. Then it is stopped.",
    ),
    "draining": (
        play(up(CLASS), (0, Restart())),
        "Its calls have 5.0 s to finish, then it is asked to end. Then it is started again.",
    ),
    "asked to end": (
        play(up(COMMAND), (0, Restart())),
        "It was asked to end and is killed in 10.0 s if it does not. Then it is started again.",
    ),
    "ended by itself": (
        play(up(CLASS), (0, Exited(1, End(1)))),
        "What is left of it is being killed. Then it is decided whether it is started again.",
    ),
    "lost": (lost(), "It is killed again in 1.0 s; only the kernel can let go of it."),
}


@pytest.mark.parametrize(("process", "sentence"), TOLD.values(), ids=TOLD)
def test_what_comes_next_is_told_with_its_time_and_what_one_can_do(process: Process, sentence: str) -> None:
    assert outlook(process, 0.0) == sentence


def test_every_state_has_an_outlook() -> None:
    assert {process.state for process, _ in TOLD.values()} == set(State)


def test_what_is_overdue_is_due_now() -> None:
    assert outlook(started(CLASS), 11.0).startswith("It has 0.0 s to register")
