"""What a failure leads to: a start at once, a growing delay, or the end of all attempts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gleitzeitd.core.events import Elapsed, End, Exited, Failed, Gone, Opened, Spawn, SpawnFailed, Start
from gleitzeitd.core.life import step
from gleitzeitd.core.process import Process, State
from gleitzeitd.core.spec import Policy, Rules
from tests.core.histories import (
    CLASS,
    COMMAND,
    backed_off,
    ended,
    fatal,
    play,
    ready,
    retried,
    started,
    up,
)


def test_the_first_crash_of_what_was_running_is_followed_by_a_start_at_once() -> None:
    process, effects = step(up(CLASS), Exited(1, End(-9)), 5)
    assert (process.state, effects) == (State.STOPPING, ())
    process, effects = step(process, Gone(1), 5)
    assert (process.state, effects, process.restarts) == (State.STARTING, (Spawn(2),), 1)


def test_the_first_failure_of_what_never_ran_is_followed_by_a_pause() -> None:
    process = backed_off(COMMAND)
    assert (process.state, process.reason) == (State.BACKOFF, "exited with 1")


def test_delays_begin_at_initial_double_and_are_capped() -> None:
    rules = replace(COMMAND, max_delay=3, intensity=0, reset_after=60)
    process, delays = up(rules), list[float]()
    for crash in range(6):
        now = 10.0 * (crash + 1)
        process = ended(process, now)
        if process.state is State.BACKOFF:
            assert process.deadline is not None
            delays.append(process.deadline - now)
            process = retried(process)
        else:
            delays.append(0)
        process = ready(process, now + 5)
    assert delays[0] == 0
    for delay, exact in zip(delays[1:], (0.5, 1, 2, 3, 3), strict=True):
        assert exact * 0.8 <= delay <= exact * 1.2


def test_neighbours_are_delayed_differently() -> None:
    crashed = [ended(started(COMMAND, name=f"p{number}"), 0) for number in range(20)]
    assert len({process.deadline for process in crashed}) > 10


def test_an_initial_delay_of_zero_means_never_a_delay_but_the_gate_all_the_same() -> None:
    process = ended(up(replace(COMMAND, initial=0, intensity=0)), 1)
    for now in range(2, 50):
        process = ended(ready(process, now), now)
        assert (process.state, process.restarts) == (State.WAITING, now)
        process = play(process, (now, Opened()))


def test_delays_begin_anew_after_a_long_life() -> None:
    process = ready(ended(up(COMMAND), 1), 2)
    assert ended(process, 10).state is State.BACKOFF
    assert ended(process, 2 + COMMAND.reset_after).state is State.STARTING
    process = retried(ended(ready(retried(ended(process, 10)), 20), 21))
    process = ready(ended(ready(process, 30), 30 + COMMAND.reset_after), 100)
    process = ended(process, 110)
    assert process.deadline is not None
    assert process.deadline - 110 <= COMMAND.initial * 1.2


def test_starts_that_never_become_ready_end_in_fatal() -> None:
    process, states = started(CLASS), list[State]()
    for now in (0, 10, 20):
        process = ended(process, now)
        states.append(process.state)
        process = play(process, (now + 9, Elapsed()), (now + 9, Opened()))
    assert states == [State.BACKOFF, State.BACKOFF, State.FATAL]
    assert process.reason == "gave up after 3 starts in a row that never became ready: exited with 1"


def test_a_life_that_became_ready_clears_the_starts_that_did_not() -> None:
    process = started(CLASS)
    for now in (0, 10, 20, 30):
        process = ended(retried(ended(process, now)), now + 5)  # Two starts that fail,
        process = ready(retried(process), now + 9)  # and one that does not.
        assert process.attempts == 0


def test_a_life_that_was_running_is_not_a_start_that_failed() -> None:
    rules = replace(COMMAND, max_retry_attempts=1)
    assert ended(up(rules), 5).state is State.STARTING
    assert ended(started(rules), 0.5).state is State.FATAL


def test_a_start_of_what_is_being_replaced_is_a_fresh_one() -> None:
    process = ready(ended(up(CLASS), 5), 6)
    process = ended(play(process, (7, Failed(2, "sick")), (7, Start())), 8)
    assert (process.state, process.row, process.failures) == (State.WAITING, 0, ())


def test_a_start_is_not_swallowed_by_an_end_that_its_policy_would_accept() -> None:
    process = play(up(replace(COMMAND, policy=Policy.NEVER)), (5, Exited(1, End(0))), (5, Start()))
    assert play(process, (6, Gone(1))).state is State.WAITING


def test_a_start_of_what_waits_to_be_tried_again_cleans_its_books() -> None:
    process = ended(ready(ended(up(CLASS), 5), 6), 7)
    assert process.deadline is not None
    process = play(process, (process.deadline, Elapsed()), (process.deadline, Start()))
    assert (process.state, process.row, process.failures) == (State.WAITING, 0, ())


def test_a_crash_loop_ends_in_fatal() -> None:
    process = up(replace(COMMAND, initial=0, start_seconds=0, intensity=4, period=100))
    for now in range(2, 7):
        assert process.state is State.RUNNING
        process = ready(ended(process, now), now)
    assert process.state is State.FATAL
    assert process.reason.startswith("gave up after 5 failures within 100 s")


def test_failures_that_are_long_ago_do_not_count() -> None:
    process = up(replace(COMMAND, initial=0, intensity=2, period=100))
    for now in (60, 120, 180, 240):
        process = ready(ended(process, now), now)
    assert process.state is State.RUNNING


def test_no_more_failures_are_remembered_than_count() -> None:
    process = up(replace(COMMAND, initial=0, intensity=3, period=1e9, retry_fatal_every=1))
    for now in range(10, 1000, 10):
        process = ended(process, now)
        process = ready(retried(process) if process.state is State.FATAL else process, now + 1)
    assert len(process.failures) <= process.rules.intensity + 1


# FATAL.


def gave_up(rules: Rules = CLASS) -> Process:
    """A process that reached the limit of its starts at 30."""
    process = started(rules)
    for now in (10, 20):
        process = retried(ended(process, now))
    return ended(process, 30)


def test_after_a_limit_it_is_tried_again_now_and_then_one_attempt_each() -> None:
    """Broken on purpose: books that are cleared at the retry give three attempts each."""
    process = gave_up()
    for at in (30.0, 400.0, 800.0):
        assert (process.state, process.deadline) == (State.FATAL, at + CLASS.retry_fatal_every)
        process = play(process, (at + CLASS.retry_fatal_every, Elapsed()))
        assert process.state is State.WAITING
        process = play(process, (at + 310, Opened()))
        assert process.state is State.STARTING
        process = ended(process, {30.0: 400.0, 400.0: 800.0}.get(at, 1200.0))
    assert process.state is State.FATAL


def test_an_attempt_after_a_limit_that_succeeds_is_a_life_like_another() -> None:
    process = ready(retried(gave_up()), 340)
    assert (process.state, process.attempts, process.reason) == (State.RUNNING, 0, "")
    assert ended(process, 340 + CLASS.reset_after).state is State.STARTING


def test_retry_fatal_every_zero_means_never() -> None:
    process = gave_up(replace(CLASS, retry_fatal_every=0))
    assert (process.state, process.deadline) == (State.FATAL, None)
    assert play(process, (9e9, Elapsed())) == process


@pytest.mark.parametrize("code", [78, 126, 127])
def test_a_mistake_in_the_configuration_is_fatal_at_once_and_never_tried_again(code: int) -> None:
    process = ended(started(CLASS), 1, code)
    assert (process.state, process.deadline) == (State.FATAL, None)
    assert play(process, (9e9, Elapsed())) == process


def test_a_status_that_names_a_mistake_means_nothing_when_we_ended_it() -> None:
    overdue = play(started(CLASS), (CLASS.connection_timeout, Elapsed()))
    assert ended(overdue, 11, 127).state is State.BACKOFF


def test_a_program_that_is_not_there_is_fatal_at_once() -> None:
    process = play(started(CLASS), (0, SpawnFailed(1, "no such program", mistake=True)))
    assert (process.state, process.reason, process.deadline) == (State.FATAL, "no such program", None)


def test_a_start_of_what_gave_up_clears_its_books() -> None:
    process = play(gave_up(), (31, Start()))
    assert (process.state, process.attempts, process.deadline) == (State.WAITING, 0, None)
    assert ended(play(process, (31, Opened())), 32).state is State.BACKOFF
    assert play(fatal(CLASS), (31, Start())).state is State.WAITING


def test_a_start_of_what_pauses_starts_now_with_clean_books() -> None:
    process = play(backed_off(CLASS), (1.1, Start()))
    assert (process.state, process.attempts, process.doublings) == (State.WAITING, 0, 0)


# Spawns that fail.


def test_a_spawn_that_failed_is_a_failure_like_another() -> None:
    process = started(CLASS)
    states = list[State]()
    for now in (0, 10, 20):
        process = play(process, (now, SpawnFailed(process.generation, "no memory", mistake=False)))
        states.append(process.state)
        process = retried(process) if process.state is State.BACKOFF else process
    assert states == [State.BACKOFF, State.BACKOFF, State.FATAL]
    assert process.reason == "gave up after 3 starts in a row that never became ready: no memory"


def test_spawns_that_fail_are_never_tried_without_a_delay() -> None:
    rules = replace(COMMAND, initial=0, intensity=0, max_retry_attempts=0)
    process = play(started(rules), (0, SpawnFailed(1, "no memory", mistake=False)))
    assert process.state is State.BACKOFF
    assert process.deadline is not None
    assert process.deadline > 0.3


def test_the_respawn_at_once_that_fails_is_a_failure_with_a_deadline() -> None:
    process = play(ended(up(CLASS), 5), (5, SpawnFailed(2, "no memory", mistake=False)))
    assert (process.state, process.reason) == (State.BACKOFF, "no memory")
    assert process.deadline is not None


# The policy.


@pytest.mark.parametrize(
    ("policy", "code", "state"),
    [
        (Policy.ALWAYS, 0, State.STARTING),
        (Policy.ON_FAILURE, 0, State.EXITED),
        (Policy.ON_FAILURE, 1, State.STARTING),
        (Policy.NEVER, 0, State.EXITED),
        (Policy.NEVER, 1, State.EXITED),
    ],
)
def test_the_policy_decides_who_is_started_again(policy: Policy, code: int, state: State) -> None:
    assert ended(up(replace(COMMAND, policy=policy)), 5, code).state is state


@pytest.mark.parametrize(
    ("policy", "code", "state"),
    [
        (Policy.ALWAYS, 0, State.BACKOFF),
        (Policy.ON_FAILURE, 0, State.EXITED),
        (Policy.ON_FAILURE, 1, State.BACKOFF),
        (Policy.NEVER, 0, State.EXITED),
        (Policy.NEVER, 1, State.EXITED),
        (Policy.NEVER, 78, State.FATAL),
    ],
)
def test_the_policy_decides_for_a_start_as_for_a_life(policy: Policy, code: int, state: State) -> None:
    assert ended(started(replace(COMMAND, policy=policy)), 0.5, code).state is state


@pytest.mark.parametrize(
    ("policy", "state"), [(Policy.ON_FAILURE, State.BACKOFF), (Policy.NEVER, State.EXITED)]
)
def test_a_start_that_we_ended_did_not_succeed_whatever_its_status(policy: Policy, state: State) -> None:
    overdue = play(started(replace(CLASS, policy=policy)), (CLASS.connection_timeout, Elapsed()))
    process = ended(overdue, 11, 0)
    assert (process.state, process.reason) == (state, "did not register within 10 s")
