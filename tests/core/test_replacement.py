"""What has come of a life that is to take another's place, told as a history through `step`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gleitzeitd.core.ending import LOST_AFTER
from gleitzeitd.core.events import (
    Checked,
    Disconnected,
    Elapsed,
    End,
    Event,
    Exited,
    Failed,
    Held,
    Opened,
    Registered,
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
from gleitzeitd.core.process import Process, State
from gleitzeitd.core.replacement import Outcome, outcome, why
from gleitzeitd.core.spec import Policy, Rules
from tests.core.histories import CHECKED, CLASS, COMMAND, ended, fatal, new, play, ready, retried, started, up

BOTH = replace(CLASS, checked=True)
ON_FAILURE = replace(CLASS, policy=Policy.ON_FAILURE)
NEVER = replace(CLASS, policy=Policy.NEVER)


def test_one_that_waits_at_the_gate_or_starts_is_pending() -> None:
    waiting = play(new(CLASS), (0, Start()), (0, Held("waits for a (STARTING)")))
    assert outcome(waiting, 0) is Outcome.PENDING
    assert outcome(started(CLASS), 0) is Outcome.PENDING


@pytest.mark.parametrize("rules", [CLASS, COMMAND, CHECKED, BOTH])
def test_one_that_brought_its_evidence_is_ready_and_not_before(rules: Rules) -> None:
    assert outcome(started(rules), 0) is Outcome.PENDING
    assert outcome(up(rules), 0) is Outcome.READY


def test_one_that_registered_and_has_yet_to_pass_its_check_is_pending() -> None:
    process = play(started(BOTH), (1, Registered(1)))
    assert outcome(process, 0) is Outcome.PENDING
    assert outcome(play(process, (2, Checked(1, False, "404"))), 0) is Outcome.PENDING
    assert outcome(play(process, (2, Checked(1, True))), 0) is Outcome.READY


@pytest.mark.parametrize("lapse", [Said(1, False, "loads"), Disconnected(1)])
def test_one_that_was_ready_and_is_not_just_now_is_waited_for(lapse: Event) -> None:
    process = play(up(CLASS), (1, lapse))
    assert outcome(process, 0) is Outcome.PENDING
    assert outcome(play(process, (2, Registered(1))), 0) is Outcome.READY


def test_one_that_crashed_before_it_was_ready_has_failed_and_is_not_waited_for_again() -> None:
    crashed = ended(started(CLASS), 1)
    assert outcome(crashed, 0) is Outcome.FAILED
    assert outcome(play(started(CLASS), (1, Exited(1, End(1)))), 0) is Outcome.FAILED, "as soon as it ends"
    assert why(crashed) == "exited with 1"


def test_one_that_was_not_ready_in_time_has_failed_with_that_reason() -> None:
    process = started(CLASS)
    assert process.deadline is not None
    late = play(process, (process.deadline, Elapsed()))
    assert (outcome(late, 0), why(late)) == (Outcome.FAILED, "did not register within 10 s")
    assert why(ended(late, 12, -15)) == "did not register within 10 s"


def test_one_that_could_not_be_spawned_has_failed_with_that_reason() -> None:
    process = play(new(CLASS), (0, Start()), (0, Opened()), (0, SpawnFailed(1, "no memory", mistake=False)))
    assert (outcome(process, 0), why(process)) == (Outcome.FAILED, "no memory")


def test_one_that_made_a_mistake_has_failed() -> None:
    assert (outcome(fatal(CLASS), 0), why(fatal(CLASS))) == (Outcome.FAILED, "exited with 78")


def test_one_that_was_found_ill_as_soon_as_it_ran_has_failed() -> None:
    process = play(up(CLASS), (1, Failed(1, "3 checks failed")))
    assert (outcome(process, 0), why(process)) == (Outcome.FAILED, "3 checks failed")


def test_one_that_did_its_work_and_ended_well_is_ready_and_one_that_ended_badly_is_not() -> None:
    assert outcome(ended(up(ON_FAILURE), 1, 0), 0) is Outcome.READY
    assert outcome(ended(started(NEVER), 1, 0), 0) is Outcome.READY
    assert outcome(ended(started(NEVER), 1, 3), 0) is Outcome.FAILED


def test_one_that_somebody_stops_is_not_wanted_however_far_it_was() -> None:
    for process in (play(new(CLASS), (0, Start())), started(CLASS), up(CLASS), fatal(CLASS)):
        stopped = play(process, (5, Stop()))
        assert outcome(stopped, 0) is Outcome.UNWANTED
    assert outcome(play(up(CLASS), (5, Retire(600.0))), 0) is Outcome.UNWANTED
    assert outcome(new(CLASS), 0) is Outcome.UNWANTED


def test_one_that_is_lost_has_failed() -> None:
    process = play(started(CLASS), (5, Exited(1, End(1))), (5 + LOST_AFTER, Elapsed()))
    assert process.state is State.LOST
    assert outcome(process, 0) is Outcome.FAILED


# After a change that ends the old life first, the first of the coming lives is the one that counts.


def revised(process: Process) -> Process:
    return play(process, (9, Revise("its settings changed")))


def test_the_life_that_is_replaced_tells_nothing_of_the_next() -> None:
    process = revised(up(CLASS))
    assert outcome(process, process.generation) is Outcome.PENDING, "it is ended first"
    process = ended(process, 10)
    assert (process.state, outcome(process, 1)) == (State.WAITING, Outcome.PENDING)
    process = play(process, (10, Opened()), (10, Spawned(2, 200)))
    assert outcome(process, 1) is Outcome.PENDING
    assert outcome(ready(process, 11), 1) is Outcome.READY


def test_a_failure_of_the_life_before_is_none_of_the_next() -> None:
    crashed = ended(started(CLASS), 1)
    assert outcome(crashed, crashed.generation) is Outcome.PENDING
    assert outcome(revised(crashed), crashed.generation) is Outcome.PENDING


def test_the_next_life_that_fails_is_not_given_another_try() -> None:
    process = play(ended(revised(up(CLASS)), 10), (10, Opened()))
    failed = ended(process, 11)
    assert (failed.state, outcome(failed, 1)) == (State.BACKOFF, Outcome.FAILED)
    assert outcome(retried(failed), 1) is Outcome.PENDING, "whoever looks late sees the one after"
    at_once = ended(started(replace(CLASS, initial=0)), 1)
    assert (at_once.state, outcome(at_once, 0)) == (State.WAITING, Outcome.PENDING)


def test_one_that_crashed_after_it_was_ready_and_comes_up_again_is_seen_as_it_is_then() -> None:
    process = ready(play(ended(revised(up(CLASS)), 10), (10, Opened())), 11)
    again = ended(process, 12)
    assert (again.state, outcome(again, 1)) == (State.STARTING, Outcome.PENDING)
    assert outcome(ready(again, 13), 1) is Outcome.READY


def test_numbers_of_lives_beside_it_are_no_lives_of_its_own() -> None:
    beside = replace(revised(up(CLASS)), numbered=7)
    assert outcome(beside, 7) is Outcome.PENDING
    process = play(ended(beside, 10), (10, Opened()))
    assert process.generation == 8
    assert outcome(ready(process, 11), 7) is Outcome.READY


@pytest.mark.parametrize("want", [Restart(), Renew("its schedule says so")])
def test_a_restart_of_the_life_that_comes_up_is_no_failure_of_it(want: Event) -> None:
    """Seen to fail: the old settings were put back because somebody was impatient."""
    coming = play(ended(revised(up(CLASS)), 10), (10, Opened()), (11, want))
    assert (coming.state, outcome(coming, 1)) == (State.STOPPING, Outcome.PENDING)
    again = play(ended(coming, 12), (12, Opened()))
    assert outcome(ready(again, 13), 1) is Outcome.READY


def test_a_restart_that_is_asked_for_meanwhile_fails_nothing_that_has_yet_to_begin() -> None:
    process = play(revised(up(CLASS)), (9.5, Restart()))
    assert outcome(process, 1) is Outcome.PENDING


def test_without_a_word_of_its_own_one_that_failed_is_described() -> None:
    assert why(replace(new(CLASS), wanted=True)) == "it did not come up"
