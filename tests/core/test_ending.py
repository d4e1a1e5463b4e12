"""How a life ends: by a stop, for failing, by itself; and what survives even SIGKILL."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gleitzeitd.core.ending import KILL_AGAIN, LOST_AFTER, REPLACE_GRACE
from gleitzeitd.core.events import (
    Checked,
    Disconnected,
    Drain,
    Drained,
    Elapsed,
    End,
    Event,
    Examine,
    Exited,
    Failed,
    Gone,
    Held,
    Kill,
    Opened,
    Outgrew,
    Registered,
    Remain,
    Renew,
    Restart,
    Retire,
    Revise,
    Said,
    Spawn,
    Start,
    Stop,
    Terminate,
)
from gleitzeitd.core.life import step
from gleitzeitd.core.process import Phase, Process, State
from gleitzeitd.core.spec import Policy, Rules
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

NEVER = replace(CLASS, policy=Policy.NEVER)


def test_a_stop_waits_at_the_gate_then_drains_then_asks_then_kills() -> None:
    process, effects = step(up(CLASS), Stop(), 9)
    assert (process.phase, process.deadline, effects) == (Phase.HELD, None, ())
    process, effects = step(process, Opened(), 10)
    assert (process.phase, effects) == (Phase.DRAINING, (Drain(1, 5.0),))
    process, effects = step(process, Elapsed(), 10 + CLASS.drain_timeout)
    assert (process.phase, effects) == (Phase.TERMINATING, (Terminate(1),))
    process, effects = step(process, Elapsed(), 15 + CLASS.stop_timeout)
    assert (process.phase, effects) == (Phase.KILLING, (Kill(1),))
    assert ended(process, 25).state is State.STOPPED


def test_a_held_stop_says_what_for_and_lives_on() -> None:
    process = play(up(CLASS), (9, Stop()), (9, Held("waits until b stopped")))
    assert (process.state, process.phase) == (State.STOPPING, Phase.HELD)
    assert process.reason == "waits until b stopped"
    assert play(process, (9e9, Elapsed())) == process


def test_a_stop_that_is_let_go_on_does_not_say_any_more_that_it_waits() -> None:
    process = play(up(CLASS), (9, Stop()), (9, Held("waits until b stopped")), (10, Opened()))
    assert process.reason == "stop was asked for"


def test_what_has_no_connection_has_nothing_to_drain() -> None:
    for process in (up(COMMAND), started(CLASS), play(up(CLASS), (5, Disconnected(1)))):
        assert history(process, (6, Stop()), (6, Opened())) == [
            (State.STOPPING,),
            (State.STOPPING, Terminate(1)),
        ]


@pytest.mark.parametrize("fact", [Drained(1), Disconnected(1)])
def test_what_has_drained_or_cannot_any_more_is_asked_to_end_at_once(fact: Event) -> None:
    process = play(up(CLASS), (10, Stop()), (10, Opened()))
    assert step(process, fact, 10.1)[1] == (Terminate(1),)


def test_what_lost_its_connection_while_it_was_held_is_not_drained() -> None:
    process = play(up(CLASS), (10, Stop()), (11, Disconnected(1)))
    assert step(process, Opened(), 12)[1] == (Terminate(1),)


def test_a_second_stop_hurries_through_every_stage() -> None:
    assert history(up(CLASS), *((2, Stop()),) * 5) == [
        (State.STOPPING,),
        (State.STOPPING, Drain(1, 5.0)),
        (State.STOPPING, Terminate(1)),
        (State.STOPPING, Kill(1)),
        (State.STOPPING, Kill(1)),
    ]


def test_a_gate_that_opens_late_does_not_press_what_was_hurried() -> None:
    process = play(up(CLASS), (2, Stop()), (2, Stop()))
    assert step(process, Opened(), 3) == (process, ())


def test_what_ends_by_itself_while_it_is_held_is_cleared_away_and_stopped() -> None:
    told = ((2, Stop()), (3, Exited(1, End(0))), (3, Opened()), (4, Elapsed()), (4, Gone(1)))
    assert history(up(CLASS), *told) == [
        (State.STOPPING,),
        (State.STOPPING,),
        (State.STOPPING,),
        (State.STOPPING, Kill(1)),
        (State.STOPPED,),
    ]


def test_a_stop_is_accepted_in_every_state_and_leads_to_stopped() -> None:
    for process in (
        new(CLASS),
        play(new(CLASS), (0, Start())),  # WAITING
        started(CLASS),
        up(CLASS),
        backed_off(CLASS),
        fatal(CLASS),
        ended(up(NEVER), 1),  # EXITED
        play(up(CLASS), (1, Exited(1, End(1)))),  # STOPPING, to be started again
        play(up(CLASS), (1, Restart())),
        play(up(CLASS), (1, REVISE)),
        play(up(CLASS), (1, Retire(600.0))),
        lost(up(CLASS)),
    ):
        process = play(process, (20, Stop()), (20, Opened()))
        assert not process.wanted
        if process.is_alive:
            process = ended(process, 20)
        assert process.state is State.STOPPED
        assert (process.pid, process.deadline, process.reason) == (None, None, "")


def test_a_start_during_a_stop_starts_once_the_old_life_is_gone() -> None:
    process = play(up(COMMAND), (2, Stop()), (2, Opened()))
    process, effects = step(process, Start(), 2)
    assert effects == ()
    process = ended(process, 3)
    assert (process.state, process.row, process.failures) == (State.WAITING, 0, ())
    assert play(process, (3, Opened())).generation == 2


def test_a_stop_takes_back_the_start_before_it_hurries() -> None:
    told = ((2, Stop()), (2, Opened()), (3, Start()), (4, Stop()), (5, Stop()))
    assert history(up(CLASS), *told)[-2:] == [(State.STOPPING,), (State.STOPPING, Terminate(1))]
    process = play(up(CLASS), *told)
    assert ended(process, 6).state is State.STOPPED


# A new life that a person, or a schedule, asked for.


def test_a_restart_drains_and_is_a_fresh_life_with_clean_books() -> None:
    process = ready(ended(up(replace(CLASS, initial=0)), 2), 2)
    process, effects = step(process, Restart(), 3)
    assert effects == (Drain(2, 5.0),)
    assert process.reason == "restart was asked for"
    process = ended(process, 4)
    assert (process.state, process.row, process.failures, process.reason) == (State.WAITING, 0, (), "")
    assert step(process, Opened(), 4)[1] == (Spawn(3),)


def test_a_restart_starts_what_rests() -> None:
    for process in (new(CLASS), backed_off(CLASS), fatal(CLASS), ended(up(NEVER), 1)):
        assert step(process, Restart(), 2)[0].state is State.WAITING


def test_a_restart_is_a_restart_under_every_policy() -> None:
    assert ended(play(up(NEVER), (3, Restart())), 4, 0).state is State.WAITING


@pytest.mark.parametrize("process", [up(CLASS), started(CLASS)])
def test_a_renewal_replaces_what_runs_and_counts_as_no_failure(process: Process) -> None:
    renewed = play(process, (9, Renew("its schedule says so")))
    assert (renewed.state, renewed.reason) == (State.STOPPING, "its schedule says so")
    renewed = ended(renewed, 10)
    assert (renewed.state, renewed.attempts, renewed.failures) == (State.WAITING, 0, ())


def test_a_renewal_leaves_alone_what_does_not_run() -> None:
    for process in (
        new(CLASS),
        play(new(CLASS), (0, Start())),
        backed_off(CLASS),
        fatal(CLASS),
        ended(up(NEVER), 1),
        play(up(CLASS), (1, Stop())),
        play(up(CLASS), (1, Exited(1, End(1)))),
        lost(up(CLASS)),
    ):
        assert step(process, Renew("its schedule says so"), 20) == (process, ())


# Settings that change: another life, unless somebody stopped it.

REVISE = Revise("its settings changed")
GIVEN_UP = ended(started(replace(CLASS, max_retry_attempts=1)), 1)
NOT_READY = play(started(CLASS), (1, Registered(1, ready=False)))


def lost(process: Process) -> Process:
    """The process five seconds after it was killed first, ten seconds after it was ready."""
    process = play(process, (10, Stop()), (10, Stop()), (10, Stop()), (10, Stop()))
    return play(process, (10 + LOST_AFTER, Elapsed()))


@pytest.mark.parametrize("process", [up(CLASS), NOT_READY], ids=["RUNNING", "STARTING, connected"])
def test_what_is_revised_drains_and_lives_anew(process: Process) -> None:
    revised, effects = step(process, REVISE, 9)
    assert effects == (Drain(1, CLASS.drain_timeout),)
    assert (revised.state, revised.reason) == (State.STOPPING, "its settings changed")
    revised = ended(revised, 10, 0)
    assert (revised.state, revised.wanted, revised.reason) == (State.WAITING, True, "")
    assert step(revised, Opened(), 10)[1] == (Spawn(2),)


def test_what_is_revised_before_it_is_connected_is_asked_to_end_at_once() -> None:
    assert history(started(CLASS), (1, REVISE)) == [(State.STOPPING, Terminate(1))]


def test_a_revision_is_another_life_under_every_policy() -> None:
    assert ended(play(up(NEVER), (9, REVISE)), 10, 0).state is State.WAITING
    assert play(ended(up(NEVER), 1), (9, REVISE)).state is State.WAITING, "it had EXITED"


@pytest.mark.parametrize(
    "process",
    [backed_off(CLASS), GIVEN_UP, retried(backed_off(CLASS))],
    ids=["BACKOFF", "FATAL", "again"],
)
def test_what_failed_with_its_old_settings_starts_with_clean_books(process: Process) -> None:
    """Seen to fail without the pardon: three more failures were one too many."""
    assert process.attempts
    revised = play(process, (20, REVISE))
    if revised.is_alive:
        revised = ended(revised, 21)
    assert (revised.state, revised.attempts, revised.row, revised.failures) == (State.WAITING, 0, 0, ())
    assert (revised.doublings, revised.deadline) == (0, None)


def test_what_waits_goes_on_to_wait_with_clean_books() -> None:
    assert backed_off(CLASS).deadline is not None
    waiting = play(backed_off(CLASS), (90, Elapsed()), (90, Held("waits for a (STARTING)")))
    assert (waiting.state, waiting.attempts) == (State.WAITING, 1)
    revised, effects = step(waiting, REVISE, 91)
    assert (revised.state, revised.attempts, revised.reason, effects) == (
        State.WAITING,
        0,
        "waits for a (STARTING)",
        (),
    )


def test_a_revision_forgives_what_the_present_life_is_ended_for() -> None:
    failing = play(up(CLASS), (5, Failed(1, "3 checks failed")))
    revised = ended(play(failing, (6, REVISE)), 7)
    assert (revised.state, revised.failures, revised.row) == (State.WAITING, (), 0)


def test_what_crashed_and_is_cleared_away_is_revised_once_nothing_is_left() -> None:
    crashed = play(up(CLASS), (5, Exited(1, End(1))))
    revised, effects = step(crashed, REVISE, 6)
    assert (revised.state, effects) == (State.STOPPING, ())
    assert play(revised, (7, Gone(1))).state is State.WAITING


def test_what_somebody_stopped_stays_stopped_whatever_its_settings_are() -> None:
    """Seen to fail with a revision that is a restart."""
    for process in (
        new(CLASS),
        play(up(CLASS), (1, Stop())),  # held
        play(up(CLASS), (1, Stop()), (1, Opened())),  # draining
        play(up(CLASS), (1, Exited(1, End(1))), (1, Stop())),
        ended(play(up(CLASS), (1, Stop()), (1, Opened())), 2),
        lost(up(CLASS)),
        play(up(CLASS), (1, Retire(600.0))),
    ):
        assert not process.wanted
        assert step(process, REVISE, 20) == (process, ())


def test_a_stop_after_a_revision_ends_in_stopped() -> None:
    revised = play(up(CLASS), (9, REVISE), (9.5, Stop()))
    assert (revised.state, revised.wanted) == (State.STOPPING, False)
    assert ended(revised, 10).state is State.STOPPED


def test_a_second_revision_of_one_life_is_the_first() -> None:
    revised = play(up(CLASS), (9, REVISE))
    again, effects = step(revised, REVISE, 9.5)
    assert effects == ()
    assert (again.phase, again.deadline) == (revised.phase, revised.deadline)


# One whose place another has taken.


def test_what_retires_is_not_held_and_drains_for_as_long_as_it_is_given() -> None:
    retired, effects = step(up(CLASS), Retire(600.0), 9)
    assert effects == (Drain(1, 600.0),)
    assert (retired.phase, retired.deadline, retired.wanted) == (Phase.DRAINING, 609, False)
    assert retired.reason == "another life has taken its place"
    assert ended(play(retired, (300, Drained(1))), 301).state is State.STOPPED


def test_what_retires_is_asked_to_end_once_it_drained_or_its_time_is_over() -> None:
    retired = play(up(CLASS), (9, Retire(600.0)))
    assert history(retired, (10, Drained(1))) == [(State.STOPPING, Terminate(1))]
    assert history(retired, (608.9, Elapsed()), (609, Elapsed())) == [
        (State.STOPPING,),
        (State.STOPPING, Terminate(1)),
    ]
    assert history(retired, (10, Disconnected(1))) == [(State.STOPPING, Terminate(1))]


def test_what_retires_without_a_connection_has_nothing_to_drain() -> None:
    for process in (up(COMMAND), started(CLASS), play(up(CLASS), (5, Disconnected(1)))):
        retired, effects = step(process, Retire(600.0), 9)
        assert effects == (Terminate(1),)
        assert retired.deadline == 9 + CLASS.stop_timeout


def test_a_stop_that_goes_along_leaves_what_retires_no_more_than_the_usual_time() -> None:
    """Seen to fail without `hasten`: a shutdown waited ten minutes."""
    retired = play(up(CLASS), (9, Retire(600.0)))
    hastened, effects = step(retired, Stop(hurries=False), 20)
    assert (hastened.phase, hastened.deadline, effects) == (Phase.DRAINING, 20 + CLASS.drain_timeout, ())
    assert step(hastened, Stop(hurries=False), 24)[0].deadline == 25, "asked for again, it has no more"
    assert step(hastened, Elapsed(), 25)[1] == (Terminate(1),)


def test_a_stop_that_goes_along_gives_nobody_more_time_than_it_had() -> None:
    retired = play(up(CLASS), (9, Retire(2.0)), (10, Stop(hurries=False)))
    assert retired.deadline == 11
    ending = play(retired, (11, Elapsed()))
    assert play(ending, (12, Stop(hurries=False))) == ending


def test_a_stop_that_hurries_presses_what_retires() -> None:
    told = ((9, Retire(600.0)), (10, Stop()), (11, Stop()))
    assert history(up(CLASS), *told)[1:] == [(State.STOPPING, Terminate(1)), (State.STOPPING, Kill(1))]


def test_what_crashes_while_it_retires_is_stopped_and_not_started_again() -> None:
    """Seen to fail with a life that is still wanted."""
    retired = play(up(CLASS), (9, Retire(600.0)))
    assert ended(retired, 10, -11).state is State.STOPPED
    crashed = play(up(CLASS), (9, Exited(1, End(1))), (9, Retire(600.0)), (10, Gone(1)))
    assert crashed.state is State.STOPPED


def test_what_is_to_retire_and_does_not_run_is_stopped_at_once() -> None:
    for process in (
        play(new(CLASS), (0, Start())),  # WAITING
        backed_off(CLASS),
        fatal(CLASS),
        ended(up(NEVER), 1),
        new(CLASS),
    ):
        retired, effects = step(process, Retire(600.0), 20)
        assert (retired.state, retired.wanted, retired.deadline, effects) == (State.STOPPED, False, None, ())


def test_what_was_to_live_anew_and_retires_ends_instead() -> None:
    for want in (Restart(), REVISE, Renew("its schedule says so")):
        retired = play(up(CLASS), (9, want), (9.5, Retire(600.0)))
        assert (retired.wanted, retired.deadline) == (False, 9 + CLASS.drain_timeout)
        assert ended(retired, 10).state is State.STOPPED


def test_a_life_that_does_not_take_over_says_so_and_has_no_time_to_drain() -> None:
    sent_away, effects = step(up(CLASS), Retire(0.0, "it does not take over"), 9)
    assert (effects, sent_away.reason) == ((Drain(1, 0.0),), "it does not take over")
    assert step(sent_away, Elapsed(), 9)[1] == (Terminate(1),)


def test_what_retires_is_of_no_use_whatever_it_says() -> None:
    retired = play(up(CLASS), (9, Retire(600.0)))
    for fact in (Failed(1, "sick"), Outgrew(1, "big"), Checked(1, False), Said(1, False)):
        assert step(retired, fact, 10) == (retired, ())


# Lives that we end because they are of no use, or take too much.


def test_failed_health_replaces_without_drain_and_with_little_patience() -> None:
    process, effects = step(up(CLASS), Failed(1, "3 checks failed"), 10)
    assert (process.state, effects) == (State.STOPPING, (Terminate(1),))
    assert process.deadline == 10 + REPLACE_GRACE
    process, effects = step(process, Elapsed(), 10 + REPLACE_GRACE)
    assert effects == (Kill(1),)
    process = ended(process, 13, -9)
    assert (process.state, process.reason, len(process.failures)) == (State.STARTING, "", 1)


def test_what_outgrew_its_limit_may_finish_and_counts_as_a_failure() -> None:
    process, effects = step(up(CLASS), Outgrew(1, "uses 2.1 GiB of 2 GiB"), 10)
    assert (process.phase, effects) == (Phase.DRAINING, (Drain(1, 5.0),))
    process = ended(play(process, (11, Drained(1))), 12, 0)
    assert process.state is State.STARTING
    assert process.failures == (12,)


@pytest.mark.parametrize("fact", [Failed(1, "3 checks failed"), Outgrew(1, "uses too much")])
def test_what_is_wrong_with_what_runs_ends_nothing_when_the_policy_is_never(fact: Event) -> None:
    assert step(up(NEVER), fact, 10) == (up(NEVER), ())


@pytest.mark.parametrize("fact", [Failed(1, "3 checks failed"), Outgrew(1, "uses too much")])
def test_what_is_being_stopped_cannot_fail_any_more(fact: Event) -> None:
    process = play(up(CLASS), (10, Stop()))
    assert step(process, fact, 11) == (process, ())


def test_a_stop_of_what_is_being_replaced_ends_in_stopped() -> None:
    told = ((5, Failed(1, "3 checks failed")), (6, Stop()), (7, Stop()))
    assert history(up(CLASS), *told) == [
        (State.STOPPING, Terminate(1)),
        (State.STOPPING,),
        (State.STOPPING, Kill(1)),
    ]
    assert ended(play(up(CLASS), *told), 8).state is State.STOPPED


# What ended by itself, and what of it is left.


def test_the_next_generation_waits_until_nothing_is_left_of_the_last() -> None:
    told = ((5, Exited(1, End(1))), (5 + KILL_AGAIN, Elapsed()), (7, Gone(1)))
    assert history(up(CLASS), *told) == [
        (State.STOPPING,),
        (State.STOPPING, Kill(1)),
        (State.STARTING, Spawn(2)),
    ]


def test_what_survives_is_killed_every_second_and_called_lost_after_five() -> None:
    process = play(up(COMMAND), (10, Stop()), (10, Opened()), (20, Elapsed()))  # killed first at 20
    told = tuple((now, Elapsed()) for now in (21.0, 22.0, 23.0, 24.0, 25.0, 26.0))
    assert history(process, *told) == [
        *[(State.STOPPING, Kill(1))] * 4,
        (State.LOST, Kill(1), Examine(1)),
        (State.LOST, Kill(1), Examine(1)),
    ]


def test_what_a_crash_left_behind_is_lost_five_seconds_after_the_crash() -> None:
    process = play(up(COMMAND), (10, Exited(1, End(-11))))
    told = tuple((now, Elapsed()) for now in (11.0, 12.0, 13.0, 14.0, 15.0))
    assert history(process, *told)[-1] == (State.LOST, Kill(1), Examine(1))


def test_what_is_lost_names_what_remains() -> None:
    process = lost(up(CLASS))
    assert (process.state, process.reason) == (State.LOST, "something of it survives SIGKILL")
    process = play(process, (16, Remain(1, "pid 7 (cuda, D)")))
    assert process.reason == "survives SIGKILL: pid 7 (cuda, D)"
    assert play(process, (17, Elapsed())).reason == "survives SIGKILL: pid 7 (cuda, D)"


def test_what_remains_is_of_no_interest_before_it_is_lost() -> None:
    process = play(up(CLASS), (5, Exited(1, End(1))))
    assert step(process, Remain(1, "pid 7"), 5) == (process, ())


def test_when_what_was_lost_is_gone_life_goes_on_where_it_was() -> None:
    assert play(lost(up(CLASS)), (99, Gone(1))).state is State.STOPPED
    crashed = play(up(CLASS), (10, Exited(1, End(1))), (10 + LOST_AFTER, Elapsed()))
    assert crashed.state is State.LOST
    process, effects = step(crashed, Gone(1), 99)
    assert (process.state, effects) == (State.STARTING, (Spawn(2),))
    assert process.failures == (99,)


@pytest.mark.parametrize("want", [Start(), Restart()])
def test_a_start_of_what_is_lost_starts_once_it_is_gone(want: Event) -> None:
    process, effects = step(lost(up(CLASS)), want, 16)
    assert (process.state, effects) == (State.LOST, ())
    assert play(process, (20, Gone(1))).state is State.WAITING


def test_a_stop_of_what_is_lost_takes_back_the_start_and_then_kills_again() -> None:
    told = ((16, Start()), (17, Stop()), (17, Stop()), (18, Gone(1)))
    assert history(lost(up(CLASS)), *told) == [
        (State.LOST,),
        (State.LOST,),
        (State.LOST, Kill(1), Examine(1)),
        (State.STOPPED,),
    ]


def test_what_is_lost_is_of_no_use_whatever_it_says() -> None:
    process = lost(up(CLASS))
    for fact in (Registered(1), Checked(1, True), Failed(1, "sick"), Outgrew(1, "big"), Exited(1, End(0))):
        after, effects = step(process, fact, 16)
        assert (after.state, effects) == (State.LOST, ())


@pytest.mark.parametrize("rules", [CLASS, COMMAND, CHECKED, NEVER])
def test_a_stop_that_nobody_answers_is_lost_within_bounds(rules: Rules) -> None:
    process = play(up(rules), (10, Stop()), (10, Opened()))
    while process.state is State.STOPPING:
        assert process.deadline is not None
        process = play(process, (process.deadline, Elapsed()))
    assert process.state is State.LOST
    assert process.since <= 10 + rules.drain_timeout + rules.stop_timeout + LOST_AFTER


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


# What the review found.


def test_a_stop_that_only_goes_along_hurries_nobody() -> None:
    process = play(up(CLASS), (9, Stop()), (9, Opened()), (9.5, Stop(hurries=False)))
    assert process.phase is Phase.DRAINING
    assert not play(step(up(CLASS), Restart(), 9)[0], (9.5, Stop(hurries=False))).wanted


def test_a_schedule_forgives_nothing_and_a_person_does() -> None:
    crashed = ready(ended(up(CLASS), 5), 6)
    renewed = ended(play(crashed, (7, Renew("its schedule says so"))), 8)
    assert (renewed.state, renewed.row, renewed.failures) == (State.WAITING, 1, (5,))
    restarted = ended(play(crashed, (7, Restart())), 8)
    assert (restarted.state, restarted.row, restarted.failures) == (State.WAITING, 0, ())


def test_health_is_no_matter_before_the_first_readiness() -> None:
    loading = play(started(CLASS), (1, Registered(1, ready=False)))
    assert step(loading, Failed(1, "3 checks failed"), 90) == (loading, ())


def test_the_first_end_of_a_life_is_the_one_that_counts() -> None:
    process = play(up(CLASS), (9, Exited(1, End(3))), (9, Exited(1, End(0))))
    assert process.end == End(3)
