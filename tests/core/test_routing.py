"""When a call may wait for a provider, and when it is better told at once."""

from __future__ import annotations

import pytest

from gleitzeitd.core.process import State
from gleitzeitd.core.routing import Standing, why_not_wait

SOON, LATE = 5.0, 50.0


def standing(
    state: State, *, wanted: bool = True, next_attempt: float | None = None, reason: str = ""
) -> Standing:
    return Standing(state, wanted, next_attempt, reason, registers=True)


@pytest.mark.parametrize(
    "waits",
    [
        standing(State.STARTING),
        standing(State.RUNNING),
        standing(State.STOPPING),
        standing(State.BACKOFF, next_attempt=SOON),
    ],
)
def test_a_call_waits_for_what_is_coming_up(waits: Standing) -> None:
    assert why_not_wait("p", waits, 10) is None


@pytest.mark.parametrize(
    ("fails", "sentence"),
    [
        (standing(State.STOPPED, wanted=False), '"p" is stopped: start it with "gleitzeitctl start p"'),
        (standing(State.STOPPING, wanted=False), '"p" is being stopped'),
        (standing(State.FATAL, reason="no key"), '"p" is FATAL: no key'),
        (standing(State.EXITED, reason="exited with 0"), '"p" is EXITED: exited with 0'),
        (standing(State.BACKOFF, next_attempt=LATE), '"p" will not be tried again in time'),
        (Standing(State.RUNNING, True, None, "", registers=False), '"p" is a command that offers no methods'),
        (None, '"p" is not connected'),
    ],
)
def test_a_call_is_told_at_once_why_it_would_wait_in_vain(fails: Standing | None, sentence: str) -> None:
    assert why_not_wait("p", fails, 10) == sentence
