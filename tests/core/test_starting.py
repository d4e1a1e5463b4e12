"""How a life begins: at the gate, spawned, and RUNNING by the evidence that its rules ask for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gleitzeitd.core.events import (
    Checked,
    Disconnected,
    Elapsed,
    End,
    Exited,
    Gone,
    Held,
    Opened,
    Registered,
    Restart,
    Said,
    Spawn,
    Spawned,
    Start,
    Stop,
    Terminate,
)
from gleitzeitd.core.life import step
from gleitzeitd.core.process import Need, State
from gleitzeitd.core.spec import Policy
from gleitzeitd.core.starting import RECONNECT_TIME
from tests.core.histories import (
    CHECKED,
    CLASS,
    COMMAND,
    backed_off,
    ended,
    fatal,
    history,
    new,
    play,
    ready,
    retried,
    started,
    up,
)

REGISTERED_AND_CHECKED = replace(CLASS, checked=True)


def test_a_start_waits_at_the_gate_and_is_spawned_when_it_opens() -> None:
    assert history(new(CLASS), (0, Start()), (3, Opened())) == [
        (State.WAITING,),
        (State.STARTING, Spawn(1)),
    ]


def test_what_waits_says_what_for_and_has_no_deadline() -> None:
    told = ((0, Start()), (0, Held("waits for a (STARTING)")), (1, Held("waits for a (BACKOFF)")))
    waiting = play(new(CLASS), *told)
    assert (waiting.state, waiting.deadline) == (State.WAITING, None)
    assert waiting.reason == "waits for a (BACKOFF)"
    assert play(waiting, (9e9, Elapsed())) == waiting
    assert play(waiting, (2, Opened())).reason == ""


def test_the_gate_has_nothing_to_say_to_whoever_is_not_there() -> None:
    for process in (new(CLASS), started(CLASS), up(CLASS), backed_off(CLASS), fatal(CLASS)):
        assert step(process, Opened(), 2) == (process, ())
        assert step(process, Held("no"), 2) == (process, ())


def test_a_start_or_a_restart_of_what_waits_already_changes_nothing() -> None:
    waiting = play(new(CLASS), (0, Start()))
    assert play(waiting, (1, Start()), (1, Restart())) == waiting


def test_a_stop_at_the_gate_has_nothing_to_end() -> None:
    assert history(new(CLASS), (0, Start()), (1, Stop()), (2, Opened())) == [
        (State.WAITING,),
        (State.STOPPED,),
        (State.STOPPED,),
    ]


def test_a_class_is_running_when_it_has_registered() -> None:
    told = ((0, Spawned(1, 100)), (1, Elapsed()), (2, Registered(1)))
    assert history(started(CLASS), *told) == [(State.STARTING,), (State.STARTING,), (State.RUNNING,)]


def test_a_command_is_running_when_it_stayed_alive_for_start_seconds() -> None:
    told = ((0.5, Elapsed()), (1, Elapsed()))
    assert history(started(COMMAND), *told) == [(State.STARTING,), (State.RUNNING,)]


def test_what_ended_is_never_called_running_however_late_one_looks() -> None:
    """Broken on purpose: `step` that looks at the deadline first calls /bin/false RUNNING here."""
    told = ((7, Exited(1, End(1))), (7, Elapsed()), (7, Gone(1)), (7, Elapsed()))
    states = [state for state, *_ in history(started(COMMAND), *told)]
    assert State.RUNNING not in states
    assert states[-1] is State.BACKOFF


def test_a_checked_command_is_running_by_its_check_and_not_by_time() -> None:
    told = ((5, Elapsed()), (6, Checked(1, False, "refused")), (7, Checked(1, True)))
    assert history(started(CHECKED), *told) == [(State.STARTING,), (State.STARTING,), (State.RUNNING,)]


@pytest.mark.parametrize("order", [(Registered(1), Checked(1, True)), (Checked(1, True), Registered(1))])
def test_what_registers_and_is_checked_needs_both_in_any_order(order: tuple[Registered, Checked]) -> None:
    first, second = order
    told = ((1, first), (2, second))
    assert history(started(REGISTERED_AND_CHECKED), *told) == [(State.STARTING,), (State.RUNNING,)]


def test_by_its_own_word_a_provider_is_not_ready_although_it_registered() -> None:
    process = play(started(CLASS), (1, Registered(1, ready=False)))
    assert (process.state, process.reason) == (State.STARTING, "it says that it is not ready")
    assert process.deadline == CLASS.start_timeout
    assert play(process, (50, Said(1, True))).state is State.RUNNING


def test_a_command_that_says_it_is_not_ready_is_not_ready_by_time_alone() -> None:
    process = play(started(COMMAND), (0.5, Registered(1, ready=False)), (1, Elapsed()))
    assert (process.state, process.deadline) == (State.STARTING, COMMAND.start_timeout)
    assert play(process, (20, Said(1, True))).state is State.RUNNING


def test_a_command_that_said_it_is_ready_has_to_stay_alive_all_the_same() -> None:
    process = play(started(COMMAND), (0.2, Registered(1, ready=False)), (0.4, Said(1, True)))
    assert (process.state, process.deadline) == (State.STARTING, COMMAND.start_seconds)
    assert play(process, (1, Elapsed())).state is State.RUNNING


def test_what_does_not_register_in_time_is_ended_and_tried_again() -> None:
    process, effects = step(started(CLASS), Elapsed(), CLASS.connection_timeout)
    assert (process.state, effects) == (State.STOPPING, (Terminate(1),))
    process = ended(process, 11)
    assert (process.state, process.reason) == (State.BACKOFF, "did not register within 10 s")


def test_what_is_not_ready_in_time_is_ended_with_the_last_word_of_its_check() -> None:
    told = ((1, Checked(1, False, "connection refused")), (50, Checked(1, False, "status 503")))
    process, effects = step(play(started(CHECKED), *told), Elapsed(), CHECKED.start_timeout)
    assert (process.state, effects) == (State.STOPPING, (Terminate(1),))
    process = ended(process, 61, -15)
    assert (process.state, process.reason) == (State.BACKOFF, "was not ready within 60 s: status 503")


def test_what_was_never_asked_says_so_when_its_time_is_over() -> None:
    process = play(started(CHECKED), (CHECKED.start_timeout, Elapsed()))
    assert process.reason == "was not ready within 60 s: its ready check has not passed"


def test_the_time_to_register_and_the_time_to_be_ready_both_begin_at_the_spawn() -> None:
    process = started(REGISTERED_AND_CHECKED, at=100)
    assert process.deadline == 100 + CLASS.connection_timeout
    assert play(process, (109, Registered(1))).deadline == 100 + CLASS.start_timeout


@pytest.mark.parametrize("policy", [Policy.ALWAYS, Policy.NEVER])
def test_a_start_that_takes_too_long_is_ended_under_every_policy(policy: Policy) -> None:
    process = play(started(replace(CLASS, policy=policy)), (CLASS.connection_timeout, Elapsed()))
    assert process.state is State.STOPPING


# Readiness of what is RUNNING: it shows and takes it out of routing, and changes no state.


def test_what_says_it_is_not_ready_stays_running_and_is_of_no_use_until_it_says_otherwise() -> None:
    process = play(up(CLASS), (5, Said(1, False)))
    assert (process.state, process.is_ready, process.deadline) == (State.RUNNING, False, None)
    assert process.reason == "it says that it is not ready"
    process = play(process, (6, Said(1, True)))
    assert (process.is_ready, process.reason) == (True, "")


def test_a_failing_ready_check_takes_it_out_of_use_and_changes_no_state() -> None:
    process = play(up(CHECKED), (5, Checked(1, False, "status 503")))
    assert (process.state, process.is_ready, process.missing) == (
        State.RUNNING,
        False,
        frozenset({Need.CHECK}),
    )
    assert process.reason == "status 503"
    assert play(process, (9e9, Elapsed())) == process
    assert play(process, (6, Checked(1, True))).is_ready


def test_whatever_is_missing_has_to_come_back_before_it_is_of_use() -> None:
    process = play(up(REGISTERED_AND_CHECKED), (5, Said(1, False)), (5, Checked(1, False, "status 503")))
    assert not play(process, (6, Said(1, True))).is_ready
    assert not play(process, (6, Checked(1, True))).is_ready
    assert play(process, (6, Said(1, True)), (6, Checked(1, True))).is_ready


def test_a_start_of_what_is_up_or_on_its_way_changes_nothing() -> None:
    for process in (up(CLASS), started(CLASS)):
        assert step(process, Start(), 5) == (process, ())


def test_the_reason_for_the_last_end_is_none_for_the_next_life() -> None:
    process = ended(up(CHECKED), 5)
    assert (process.state, process.reason) == (State.STARTING, "")
    late = play(process, (5 + CHECKED.start_timeout, Elapsed()))
    assert late.reason == f"was not ready within 60 s: {Need.CHECK}"


def test_what_a_check_found_is_not_replaced_by_lesser_words() -> None:
    process = play(started(REGISTERED_AND_CHECKED), (1, Checked(1, False, "refused")), (2, Registered(1)))
    assert process.reason == "refused"
    assert play(process, (3, Said(1, False)), (4, Said(1, True))).reason == Need.CHECK


def test_a_connection_lost_while_it_starts_is_what_it_is_ended_for() -> None:
    process = play(started(REGISTERED_AND_CHECKED), (1, Registered(1)), (30, Disconnected(1)))
    assert play(process, (35, Elapsed())).reason == "lost its connection for 5 s"


# The connection.


def test_a_lost_connection_has_time_to_come_back() -> None:
    process = play(up(CLASS), (10, Disconnected(1)))
    assert (process.state, process.is_ready, process.reason) == (
        State.RUNNING,
        False,
        "its connection is lost",
    )
    back = play(process, (12, Registered(1)))
    assert (back.is_ready, back.deadline, back.reason) == (True, None, "")
    gone, effects = step(process, Elapsed(), 10 + RECONNECT_TIME)
    assert (gone.state, effects) == (State.STOPPING, (Terminate(1),))
    assert gone.reason == "lost its connection for 5 s"


def test_a_lost_connection_is_waited_for_whatever_else_is_found_out_meanwhile() -> None:
    process = play(up(REGISTERED_AND_CHECKED), (20, Disconnected(1)))
    for told in (Checked(1, False, "refused"), Checked(1, True), Disconnected(1), Spawned(1, 100)):
        process = play(process, (22, told))
        assert (process.state, process.is_ready) == (State.RUNNING, False)
        assert process.deadline == 20 + RECONNECT_TIME


def test_what_comes_back_is_as_ready_as_it_says_then() -> None:
    silent = play(up(CLASS), (10, Said(1, False)), (11, Disconnected(1)))
    assert play(silent, (12, Registered(1))).is_ready
    assert not play(silent, (12, Registered(1, ready=False))).is_ready


def test_a_lost_connection_only_shows_when_the_policy_is_never() -> None:
    process = play(up(replace(CLASS, policy=Policy.NEVER)), (10, Disconnected(1)))
    assert (process.state, process.is_ready, process.deadline) == (State.RUNNING, False, None)


def test_a_command_needs_no_connection() -> None:
    process = play(up(COMMAND), (5, Registered(1)), (6, Disconnected(1)))
    assert (process.state, process.is_ready, process.deadline) == (State.RUNNING, True, None)


def test_a_connection_lost_early_has_the_rest_of_the_time_to_register() -> None:
    process = play(started(REGISTERED_AND_CHECKED), (1, Registered(1)), (2, Disconnected(1)))
    assert (process.state, process.deadline) == (State.STARTING, CLASS.connection_timeout)


def test_a_connection_lost_late_while_starting_has_time_to_come_back() -> None:
    process = play(started(REGISTERED_AND_CHECKED), (1, Registered(1)), (30, Disconnected(1)))
    assert (process.state, process.deadline) == (State.STARTING, 30 + RECONNECT_TIME)
    process = play(process, (32, Registered(1)))
    assert (process.state, process.deadline) == (State.STARTING, CLASS.start_timeout)


@pytest.mark.parametrize("passed", [True, False])
def test_a_check_does_not_shorten_the_time_of_a_connection_lost_while_starting(passed: bool) -> None:
    told = ((1, Registered(1)), (30, Disconnected(1)), (31, Checked(1, passed, "refused")), (31, Elapsed()))
    process = play(started(REGISTERED_AND_CHECKED), *told)
    assert (process.state, process.deadline) == (State.STARTING, 30 + RECONNECT_TIME)


def test_what_loses_its_connection_before_it_was_ready_does_not_become_running_by_that() -> None:
    told = ((1, Registered(1, ready=False)), (2, Disconnected(1)), (3, Registered(1)))
    assert history(started(CLASS), *told) == [(State.STARTING,), (State.STARTING,), (State.RUNNING,)]


# Slots: how many starts may go on at once.


def test_a_slot_is_held_from_the_gate_until_it_is_running() -> None:
    for rules in (CLASS, CHECKED):
        assert started(rules).has_slot
        assert not up(rules).has_slot


def test_a_start_that_ends_gives_its_slot_back() -> None:
    process = started(CLASS)
    assert not play(process, (1, Stop())).has_slot
    assert not play(process, (1, Exited(1, End(1)))).has_slot
    assert not play(process, (CLASS.connection_timeout, Elapsed())).has_slot


def test_a_plain_command_needs_no_slot() -> None:
    assert not started(COMMAND).has_slot


def test_the_restart_at_once_of_what_was_running_needs_neither_gate_nor_slot() -> None:
    process = ended(up(CLASS), 5)
    assert (process.state, process.has_slot) == (State.STARTING, False)


def test_an_attempt_after_a_pause_goes_through_the_gate_like_the_first() -> None:
    process = backed_off(CLASS)
    assert play(process, (9, Elapsed())).state is State.WAITING
    assert retried(process).has_slot
    assert ready(retried(process), 9).state is State.RUNNING
