"""The life of a process, told as histories: what happened when, and what followed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gleitzeitd.core.events import (
    Disconnected,
    Drain,
    Drained,
    Effect,
    Elapsed,
    End,
    Event,
    Exited,
    Failed,
    Gone,
    Kill,
    Ready,
    Restart,
    Spawn,
    Spawned,
    SpawnFailed,
    Start,
    Stop,
    Terminate,
)
from gleitzeitd.core.process import KILL_AGAIN, RECONNECT_TIME, REPLACE_GRACE, Phase, Process, State, step
from gleitzeitd.core.spec import Policy, Rules

COMMAND = Rules(registers=False)
CLASS = Rules()

Told = tuple[float, Event]
Happened = tuple[State, *tuple[Effect, ...]]


def play(rules: Rules, *told: Told) -> Process:
    """The process after all that."""
    process = Process("p", rules)
    for now, event in told:
        process, _ = step(process, event, now)
    return process


def history(rules: Rules, *told: Told) -> list[Happened]:
    """The state and the effects after each event."""
    process, happened = Process("p", rules), list[Happened]()
    for now, event in told:
        process, effects = step(process, event, now)
        happened.append((process.state, *effects))
    return happened


def up(rules: Rules, at: float = 0.0) -> Process:
    """A process that became ready in its first life."""
    return play(rules, (at, Start()), (at, Spawned(1, 100)), (at + 0.5, Ready(1)))


def ended(process: Process, now: float, code: int = 1) -> Process:
    """The process after its present life ended and nothing of it is left."""
    process, _ = step(process, Exited(process.generation, End(code)), now)
    return step(process, Gone(process.generation), now)[0]


def test_a_class_is_running_when_it_has_registered() -> None:
    assert history(CLASS, (0, Start()), (0, Spawned(1, 100)), (2, Ready(1))) == [
        (State.STARTING, Spawn(1)),
        (State.STARTING,),
        (State.RUNNING,),
    ]


def test_a_command_is_running_when_it_stayed_alive_for_start_seconds() -> None:
    assert history(COMMAND, (0, Start()), (0.5, Elapsed()), (1, Elapsed())) == [
        (State.STARTING, Spawn(1)),
        (State.STARTING,),
        (State.RUNNING,),
    ]


def test_the_first_crash_of_what_was_running_is_followed_by_a_start_at_once() -> None:
    process, effects = step(up(CLASS), Exited(1, End(-9)), 5)
    assert (process.state, effects) == (State.STOPPING, ())
    process, effects = step(process, Gone(1), 5)
    assert (process.state, effects, process.restarts) == (State.STARTING, (Spawn(2),), 1)


def test_the_next_generation_waits_until_nothing_is_left_of_the_last() -> None:
    process, _ = step(up(CLASS), Exited(1, End(1)), 5)
    process, effects = step(process, Elapsed(), 5 + KILL_AGAIN)
    assert (process.state, effects) == (State.STOPPING, (Kill(1),))


def test_delays_begin_at_initial_double_and_are_capped() -> None:
    rules = replace(COMMAND, max_delay=3, intensity=0, reset_after=60)
    process, delays = up(rules), list[float]()
    for crash in range(6):
        now = 10.0 * (crash + 1)
        process = ended(process, now)
        if process.state is State.BACKOFF:
            assert process.deadline is not None
            delays.append(process.deadline - now)
            process, _ = step(process, Elapsed(), process.deadline)
        else:
            delays.append(0)
        process, _ = step(process, Ready(process.generation), now + 5)
    assert delays[0] == 0
    for delay, exact in zip(delays[1:], (0.5, 1, 2, 3, 3), strict=True):
        assert exact * 0.8 <= delay <= exact * 1.2


def test_neighbours_are_delayed_differently() -> None:
    def delay(name: str) -> float:
        crashed = ended(step(Process(name, COMMAND), Start(), 0)[0], 0)
        assert crashed.deadline is not None
        return crashed.deadline

    assert len({delay(f"p{number}") for number in range(20)}) > 10


def test_an_initial_delay_of_zero_means_never_a_delay() -> None:
    rules = replace(COMMAND, initial=0, intensity=0)
    process = up(rules)
    for now in range(2, 50):
        process = ended(process, now)
        assert process.state is State.STARTING
        process, _ = step(process, Ready(process.generation), now)


def test_delays_begin_anew_after_a_long_life() -> None:
    process = ended(up(COMMAND), 1)
    process, _ = step(process, Ready(2), 2)
    assert ended(process, 10).state is State.BACKOFF
    assert ended(process, 2 + COMMAND.reset_after).state is State.STARTING


def test_starts_that_never_become_ready_end_in_fatal() -> None:
    process = play(CLASS, (0, Start()))
    states = list[State]()
    for now in (0, 10, 20):
        process = ended(process, now)
        states.append(process.state)
        process, _ = step(process, Elapsed(), now + 9)
    assert states == [State.BACKOFF, State.BACKOFF, State.FATAL]
    assert process.reason == "gave up after 3 starts in a row that never became ready: exited with 1"


def test_a_crash_loop_ends_in_fatal() -> None:
    rules = replace(COMMAND, initial=0, intensity=4, period=100)
    process = up(rules)
    for now in range(2, 7):
        assert process.state is State.RUNNING
        process = ended(process, now)
        process, _ = step(process, Ready(process.generation), now)
    assert process.state is State.FATAL
    assert process.reason.startswith("gave up after 5 failures within 100 s")


def test_failures_that_are_long_ago_do_not_count() -> None:
    rules = replace(COMMAND, initial=0, intensity=2, period=100)
    process = up(rules)
    for now in (60, 120, 180, 240):
        process = ended(process, now)
        process, _ = step(process, Ready(process.generation), now)
    assert process.state is State.RUNNING


@pytest.mark.parametrize("code", [78, 126, 127])
def test_a_mistake_in_the_configuration_is_fatal_at_once(code: int) -> None:
    process = ended(play(CLASS, (0, Start())), 1, code)
    assert (process.state, process.deadline) == (State.FATAL, None)


def test_a_spawn_that_failed_is_a_failure_like_another() -> None:
    process = play(CLASS, (0, Start()), (0, SpawnFailed(1, "no memory", mistake=False)))
    assert (process.state, process.reason) == (State.BACKOFF, "no memory")


def test_spawns_that_fail_are_never_tried_without_a_delay() -> None:
    rules = replace(COMMAND, initial=0, intensity=0, max_retry_attempts=0)
    process = play(rules, (0, Start()), (0, SpawnFailed(1, "no memory", mistake=False)))
    assert process.state is State.BACKOFF
    assert process.deadline is not None
    assert process.deadline > 0.3


def test_a_program_that_is_not_there_is_fatal_at_once() -> None:
    process = play(CLASS, (0, Start()), (0, SpawnFailed(1, "no such program", mistake=True)))
    assert (process.state, process.reason) == (State.FATAL, "no such program")


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


def test_what_does_not_register_in_time_is_ended_and_tried_again() -> None:
    process = play(CLASS, (0, Start()), (0, Spawned(1, 100)))
    process, effects = step(process, Elapsed(), CLASS.connection_timeout)
    assert (process.state, effects) == (State.STOPPING, (Terminate(1),))
    assert process.deadline == CLASS.connection_timeout + REPLACE_GRACE
    process = ended(process, 11)
    assert (process.state, process.reason) == (State.BACKOFF, "did not register within 10 s")


def test_a_stop_drains_then_asks_then_kills() -> None:
    process = up(CLASS)
    process, effects = step(process, Stop(), 10)
    assert (process.phase, effects) == (Phase.DRAINING, (Drain(1),))
    process, effects = step(process, Elapsed(), 10 + CLASS.drain_timeout)
    assert (process.phase, effects) == (Phase.TERMINATING, (Terminate(1),))
    process, effects = step(process, Elapsed(), 15 + CLASS.stop_timeout)
    assert (process.phase, effects) == (Phase.KILLING, (Kill(1),))
    assert ended(process, 25).state is State.STOPPED


def test_what_has_drained_is_asked_to_end_at_once() -> None:
    process, _ = step(up(CLASS), Stop(), 10)
    _, effects = step(process, Drained(1), 10.1)
    assert effects == (Terminate(1),)


def test_a_second_stop_hurries() -> None:
    told: list[Told] = [(0, Start()), (1, Ready(1)), (2, Stop()), (2, Stop()), (2, Stop())]
    assert history(CLASS, *told)[2:] == [
        (State.STOPPING, Drain(1)),
        (State.STOPPING, Terminate(1)),
        (State.STOPPING, Kill(1)),
    ]


def test_a_stop_is_accepted_in_every_state_and_leads_to_stopped() -> None:
    starting = play(CLASS, (0, Start()))
    for process in (
        Process("p", CLASS),
        starting,
        up(CLASS),
        ended(starting, 1),  # BACKOFF
        ended(starting, 1, 78),  # FATAL
        ended(up(replace(CLASS, policy=Policy.NEVER)), 1),  # EXITED
        step(up(CLASS), Exited(1, End(1)), 1)[0],  # STOPPING, to be started again
    ):
        process, _ = step(process, Stop(), 2)
        assert not process.wanted
        if process.is_alive:
            process = ended(process, 3)
        assert process.state is State.STOPPED


def test_a_restart_is_a_fresh_life() -> None:
    process = ended(up(replace(COMMAND, initial=0)), 2)
    process, effects = step(process, Restart(), 3)
    assert effects == (Terminate(2),)
    process = ended(process, 4)
    assert (process.state, process.generation, process.row, process.failures) == (State.STARTING, 3, 0, ())


def test_a_start_during_a_stop_starts_once_the_old_life_is_gone() -> None:
    process, _ = step(up(COMMAND), Stop(), 2)
    process, effects = step(process, Start(), 2)
    assert effects == ()
    assert ended(process, 3).state is State.STARTING


def test_a_start_of_what_gave_up_clears_its_books() -> None:
    process = ended(play(CLASS, (0, Start())), 1, 78)
    process, effects = step(process, Start(), 2)
    assert (process.state, effects, process.attempts) == (State.STARTING, (Spawn(2),), 0)


def test_a_lost_connection_has_time_to_come_back() -> None:
    process, _ = step(up(CLASS), Disconnected(1), 10)
    assert (process.state, process.reason) == (State.RUNNING, "its connection is lost")
    back, _ = step(process, Ready(1), 12)
    assert (back.state, back.deadline, back.reason) == (State.RUNNING, None, "")
    gone, effects = step(process, Elapsed(), 10 + RECONNECT_TIME)
    assert (gone.state, effects) == (State.STOPPING, (Terminate(1),))
    assert gone.reason == "lost its connection for 5 s"


def test_what_lost_its_connection_while_it_drained_is_asked_to_end() -> None:
    process, _ = step(up(CLASS), Stop(), 10)
    _, effects = step(process, Disconnected(1), 10)
    assert effects == (Terminate(1),)


def test_failed_health_replaces_without_drain() -> None:
    process, effects = step(up(CLASS), Failed(1, "3 checks failed"), 10)
    assert (process.state, effects, process.deadline) == (State.STOPPING, (Terminate(1),), 10 + REPLACE_GRACE)
    assert ended(process, 11, -15).state is State.STARTING


def test_failed_health_only_shows_when_the_policy_is_never() -> None:
    process, effects = step(up(replace(CLASS, policy=Policy.NEVER)), Failed(1, "3 checks failed"), 10)
    assert (process.state, effects) == (State.RUNNING, ())


def test_a_late_fact_about_a_dead_process_changes_nothing() -> None:
    second = ended(up(CLASS), 5)
    for late in (Ready(1), Exited(1, End(0)), Gone(1), Disconnected(1), Drained(1), Spawned(1, 7)):
        assert step(second, late, 6) == (second, ())


@pytest.mark.parametrize(
    ("end", "text"),
    [
        (End(1), "exited with 1"),
        (End(-9), "killed by SIGKILL"),
        (End(-50), "killed by signal 50"),
        (End(78, "no key"), "exited with 78: no key"),
    ],
)
def test_an_end_reads_as_a_sentence(end: End, text: str) -> None:
    assert str(end) == text
