"""`step` has an answer to everything, whenever it comes: late, doubled or in the wrong order."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gleitzeitd.core.ending import LOST_AFTER
from gleitzeitd.core.events import (
    Checked,
    Disconnected,
    Drained,
    Elapsed,
    End,
    Event,
    Exited,
    Failed,
    Gone,
    Held,
    Opened,
    Outgrew,
    Registered,
    Remain,
    Renew,
    Restart,
    Retire,
    Revise,
    Said,
    Spawned,
    SpawnFailed,
    Start,
    Stop,
)
from gleitzeitd.core.life import step
from gleitzeitd.core.process import ALIVE, AT_REST, Process, State
from gleitzeitd.core.spec import Policy
from tests.core.histories import CLASS, backed_off, ended, fatal, history, new, play, started, up

FACTS: tuple[Event, ...] = (
    Spawned(1, 7),
    SpawnFailed(1, "no memory", mistake=False),
    Registered(1),
    Registered(1, ready=False),
    Said(1, True),
    Said(1, False),
    Checked(1, True),
    Checked(1, False, "refused"),
    Disconnected(1),
    Failed(1, "sick"),
    Outgrew(1, "big"),
    Drained(1),
    Exited(1, End(0)),
    Remain(1, "pid 7"),
    Gone(1),
)
WANTS: tuple[Event, ...] = (
    Start(),
    Stop(),
    Stop(hurries=False),
    Restart(),
    Renew("schedule"),
    Revise("settings"),
    Retire(600.0),
)
EVENTS = (*FACTS, *WANTS, Held("waits"), Opened(), Elapsed())
CRASHED = play(up(CLASS), (5, Exited(1, End(1))))
PROCESSES = {
    "STOPPED": new(CLASS),
    "WAITING": play(new(CLASS), (0, Start())),
    "STARTING": started(CLASS),
    "RUNNING": up(CLASS),
    "RUNNING, not ready": play(up(CLASS), (5, Said(1, False))),
    "RUNNING, lost its connection": play(up(CLASS), (5, Disconnected(1))),
    "BACKOFF": backed_off(CLASS),
    "STOPPING, held": play(up(CLASS), (5, Stop())),
    "STOPPING, draining": play(up(CLASS), (5, Stop()), (5, Opened())),
    "STOPPING, crashed": CRASHED,
    "EXITED": ended(up(replace(CLASS, policy=Policy.NEVER)), 5),
    "FATAL": fatal(CLASS),
    "LOST": play(CRASHED, (5 + LOST_AFTER, Elapsed())),
}


def test_there_is_a_process_in_every_state_here() -> None:
    assert {process.state for process in PROCESSES.values()} == set(State)


@pytest.mark.parametrize("process", PROCESSES.values(), ids=PROCESSES)
def test_every_event_has_an_answer_in_every_state(process: Process) -> None:
    for event in EVENTS:
        after, _ = step(process, event, 50)
        if after.state in AT_REST or after.state is State.WAITING:
            assert (after.pid, after.connected, after.has_slot) == (None, False, False)
            assert not after.missing


@pytest.mark.parametrize("fact", FACTS, ids=str)
def test_a_late_fact_about_a_dead_process_changes_nothing(fact: Event) -> None:
    second = ended(up(CLASS), 5)
    assert second.generation == 2
    assert step(second, fact, 6) == (second, ())


@pytest.mark.parametrize("fact", FACTS, ids=str)
def test_a_fact_about_what_is_not_there_changes_nothing(fact: Event) -> None:
    for process in PROCESSES.values():
        if process.state not in ALIVE:
            assert step(process, fact, 50) == (process, ())


@pytest.mark.parametrize("fact", FACTS, ids=str)
def test_a_fact_that_comes_twice_is_one_fact(fact: Event) -> None:
    for process in PROCESSES.values():
        once, _ = step(process, fact, 5)
        assert step(once, fact, 5) == (once, ()), f"{fact} in {process.state}"


def test_a_deadline_that_was_moved_does_not_pass_early() -> None:
    process = play(up(CLASS), (5, Disconnected(1)), (6, Registered(1)))
    assert step(process, Elapsed(), 10) == (process, ())


def test_a_connection_may_be_told_before_the_spawn() -> None:
    process = play(new(CLASS), (0, Start()), (0, Opened()), (0.1, Registered(1)), (0.1, Spawned(1, 100)))
    assert (process.state, process.pid) == (State.RUNNING, 100)


def test_a_pid_that_is_told_after_the_stop_is_kept_until_nothing_is_left() -> None:
    process = play(new(CLASS), (0, Start()), (0, Opened()), (0, Stop()), (0.1, Spawned(1, 100)))
    assert process.pid == 100
    assert ended(process, 1).pid is None


def test_an_end_that_is_told_after_nothing_is_left_changes_nothing() -> None:
    told = ((5, Gone(1)), (5, Exited(1, End(0))), (5, Gone(1)))
    assert history(up(CLASS), *told) == [(State.BACKOFF,)] * 3


def test_a_loss_of_the_connection_that_is_told_after_the_end_changes_nothing() -> None:
    assert play(CRASHED, (5, Disconnected(1))) == CRASHED


def test_a_connection_that_is_told_after_the_end_does_not_outlive_it() -> None:
    process = play(CRASHED, (5, Registered(1)))
    assert process.state is State.STOPPING
    assert not play(process, (6, Gone(1))).connected


def test_what_was_said_without_a_connection_counts_when_it_comes() -> None:
    process = play(started(CLASS), (1, Said(1, False)), (2, Registered(1, ready=False)))
    assert process.state is State.STARTING
    assert play(process, (3, Said(1, True))).state is State.RUNNING


# Numbers, which no two lives of one name share.


@pytest.mark.parametrize("process", PROCESSES.values(), ids=PROCESSES)
def test_what_is_wanted_after_the_end_is_whatever_was_said_last(process: Process) -> None:
    for want, is_up in ((Revise("settings"), process.wanted), (Retire(600.0), False), (Start(), True)):
        assert play(process, (50, want)).wanted is is_up, f"{want} in {process.state}"


def test_a_life_takes_a_number_that_none_beside_it_has() -> None:
    """Seen to fail with the number after one's own."""
    beside = replace(play(new(CLASS), (0, Start())), numbered=4)
    process = play(beside, (0, Opened()))
    assert (process.generation, process.numbered) == (5, 5)


def test_a_life_after_a_crash_takes_a_number_that_none_beside_it_has_either() -> None:
    process = replace(up(CLASS), numbered=3)
    again = ended(process, 5)
    assert (again.state, again.generation, again.numbered) == (State.STARTING, 4, 4)


def test_two_that_tell_each_other_their_numbers_never_share_one() -> None:
    one, other, numbers = new(CLASS), new(CLASS), list[int]()
    for now in range(10):
        one = play(one, (now, Start()), (now, Opened()))
        other = play(replace(other, numbered=one.generation), (now, Start()), (now, Opened()))
        numbers += [one.generation, other.generation]
        one = play(ended(replace(one, numbered=other.generation), now), (now, Stop()))
        other = play(ended(other, now), (now, Stop()))
    assert len(set(numbers)) == 20
    assert numbers == sorted(numbers)


@pytest.mark.parametrize("fact", FACTS, ids=str)
def test_a_fact_about_the_life_beside_it_changes_nothing(fact: Event) -> None:
    process = replace(started(CLASS), generation=2, numbered=2)
    assert step(process, fact, 5) == (process, ())


@pytest.mark.parametrize("state", [State.STOPPED, State.WAITING, State.EXITED])
def test_a_deadline_where_nothing_is_due_changes_nothing(state: State) -> None:
    process = replace(new(CLASS), state=state)
    assert step(replace(process, deadline=1.0), Elapsed(), 2.0) == (process, ())
