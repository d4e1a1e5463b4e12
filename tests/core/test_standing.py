"""When a call may wait for a provider, and when it is better told at once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gleitzeitd.core.events import Retire, Revise
from gleitzeitd.core.process import Need, Phase, Process, State
from gleitzeitd.core.spec import Rules
from gleitzeitd.core.standing import Standing, is_due, why_not_wait
from tests.core.histories import CLASS, ended, play, up

SOON, LATE = 5.0, 50.0


def standing(
    state: State,
    *,
    wanted: bool = True,
    next_attempt: float | None = None,
    reason: str = "",
    registers: bool = True,
    fit: bool = True,
) -> Standing:
    return Standing(state, wanted, next_attempt, reason, registers, fit)


STOPPED = standing(State.STOPPED, wanted=False)
FATAL = standing(State.FATAL, reason="no key")
TRIED_SOON = standing(State.BACKOFF, next_attempt=SOON)
TRIED_LATE = standing(State.BACKOFF, next_attempt=LATE, reason="exited with 1")


@pytest.mark.parametrize(
    "waits",
    [
        standing(State.WAITING),
        standing(State.STARTING),
        standing(State.RUNNING),
        standing(State.RUNNING, fit=False),
        standing(State.STOPPING),
        TRIED_SOON,
    ],
)
def test_a_call_waits_for_what_is_coming_up(waits: Standing) -> None:
    assert why_not_wait("p", {"p": waits}, 10) is None


@pytest.mark.parametrize(
    ("fails", "sentence"),
    [
        (STOPPED, '"p" is stopped: start it with "gleitzeitctl start p"'),
        (standing(State.STOPPING, wanted=False), '"p" is being stopped'),
        (FATAL, '"p" is FATAL: no key'),
        (standing(State.EXITED, reason="exited with 0"), '"p" is EXITED: exited with 0'),
        (standing(State.LOST, reason="survives SIGKILL: pid 7"), '"p" is LOST: survives SIGKILL: pid 7'),
        (TRIED_LATE, '"p" will not be tried again in time: exited with 1'),
        (standing(State.RUNNING, registers=False), '"p" is a command that offers no methods'),
    ],
)
def test_a_call_is_told_at_once_why_it_would_wait_in_vain(fails: Standing, sentence: str) -> None:
    assert why_not_wait("p", {"p": fails}, 10) == sentence


def test_what_has_no_instance_is_not_connected() -> None:
    assert why_not_wait("p", {}, 10) == '"p" is not connected'


@pytest.mark.parametrize("other", [STOPPED, FATAL, TRIED_LATE, standing(State.LOST)])
def test_a_call_waits_as_long_as_one_instance_may_come(other: Standing) -> None:
    assert why_not_wait("p", {"p#1": other, "p#2": TRIED_SOON}, 10) is None


@pytest.mark.parametrize(
    ("first", "second", "sentence"),
    [
        (STOPPED, STOPPED, '"p" is stopped: start it with "gleitzeitctl start p"'),
        (FATAL, FATAL, '"p" is FATAL: no key'),
        (STOPPED, FATAL, 'no instance of "p" is up in time: "p#2" is FATAL: no key'),
        (
            TRIED_LATE,
            STOPPED,
            'no instance of "p" is up in time: "p#1" will not be tried again in time: exited with 1',
        ),
    ],
)
def test_of_several_instances_the_most_telling_is_named(
    first: Standing, second: Standing, sentence: str
) -> None:
    assert why_not_wait("p", {"p#1": first, "p#2": second}, 10) == sentence


@pytest.mark.parametrize("state", list(State))
def test_every_state_of_each_of_two_instances_has_an_answer(state: State) -> None:
    """Seen to fail with a state left out of the order of the telling ones."""
    vain = standing(state, wanted=False, registers=False)
    assert why_not_wait("p", {"p#1": STOPPED, "p#2": vain}, 10) != ""


def test_another_life_is_due_where_one_makes_room_or_is_tried_again_in_time() -> None:
    assert is_due(standing(State.STOPPING), 10)
    assert is_due(TRIED_SOON, 10)
    assert not is_due(TRIED_LATE, 10)
    assert not is_due(standing(State.STOPPING, wanted=False), 10)
    assert not is_due(FATAL, 10)


RUNNING = Process("p", Rules(checked=True), State.RUNNING, wanted=True)


def test_what_fails_its_ready_check_runs_but_is_not_fit() -> None:
    assert Standing.of(RUNNING) == standing(State.RUNNING)
    unchecked = replace(RUNNING, missing=frozenset({Need.CHECK}), reason="404")
    assert Standing.of(unchecked) == standing(State.RUNNING, reason="404", fit=False)


def test_what_holds_its_stop_for_those_who_depend_on_it_is_called_as_before() -> None:
    held = replace(RUNNING, state=State.STOPPING, phase=Phase.HELD, wanted=False)
    assert Standing.of(held).state is State.RUNNING
    assert Standing.of(replace(held, phase=Phase.DRAINING)).state is State.STOPPING


def test_what_was_never_ready_when_its_stop_was_held_is_just_being_stopped() -> None:
    held = replace(RUNNING, state=State.STOPPING, phase=Phase.HELD, wanted=False)
    unready = replace(held, missing=frozenset({Need.REGISTRATION}))
    assert why_not_wait("p", {"p": Standing.of(unready)}, 10) == '"p" is being stopped'


def test_the_next_attempt_is_the_deadline_of_a_backoff_alone() -> None:
    assert Standing.of(replace(RUNNING, state=State.BACKOFF, deadline=SOON)).next_attempt == SOON
    assert Standing.of(replace(RUNNING, state=State.FATAL, deadline=SOON)).next_attempt is None


def test_a_standing_names_the_life_that_it_is_about() -> None:
    assert Standing.of(replace(RUNNING, generation=3, numbered=7)).generation == 3


def test_a_call_waits_for_what_its_settings_have_live_anew() -> None:
    revised = play(up(CLASS), (9, Revise("its settings changed")))
    for process in (revised, ended(revised, 10)):
        assert why_not_wait("p", {"p": Standing.of(process)}, 20) is None


def test_a_call_does_not_wait_for_what_retires() -> None:
    """Unlike a stop that is held, it is called no more: another is there."""
    retired = Standing.of(play(up(CLASS), (9, Retire(600.0))))
    assert (retired.state, retired.wanted) == (State.STOPPING, False)
    assert why_not_wait("p", {"p": retired}, 20) == '"p" is being stopped'
