"""Any life at all, told twice: to `step` and to a model of our own, which have to agree on all of it.

Up to 200 events, many of them late, doubled or out of order; facts about past and future generations too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from gleitzeitd.core import events
from gleitzeitd.core.events import End, Event, Fact
from gleitzeitd.core.life import step
from gleitzeitd.core.process import AT_REST, Need, Phase, Process, State
from gleitzeitd.core.spec import Policy, Rules
from tests.core.examples import examples
from tests.core.model import Model

FACTS: tuple[Fact, ...] = (
    events.Spawned(0, 100),
    events.Registered(0),
    events.Registered(0, ready=False),
    events.Said(0, True),
    events.Said(0, False),
    events.Checked(0, True),
    events.Checked(0, False, "refused"),
    events.Disconnected(0),
    events.Failed(0, "sick"),
    events.Outgrew(0, "big"),
    events.Drained(0),
    *(events.Exited(0, End(code)) for code in (0, 1, 78, -9)),
    events.Remain(0, "pid 7"),
    events.Gone(0),
    events.SpawnFailed(0, "no memory", mistake=False),
)
RARE: tuple[Event, ...] = (
    events.Start(),
    events.Restart(),
    events.Renew("schedule"),
    events.Revise("settings"),
    events.Retire(600.0),
    events.Retire(2.0),
    events.Opened(),
    events.SpawnFailed(0, "no such program", mistake=True),
    events.Held("waits"),
    *(replace(fact, generation=1) for fact in FACTS),
    *(replace(fact, generation=-1) for fact in FACTS),
)


@dataclass(frozen=True)
class Move:
    """One event, some time after the last; a fact's generation is counted back from the present one."""

    pause: float
    """Or, when it is negative, as long as it takes to the deadline."""
    event: Event | None
    """Or what has to come for a life to go on."""

    def at(self, process: Process, now: float) -> tuple[float, Event]:
        event = _onward(process) if self.event is None else self.event
        if isinstance(event, Fact):
            event = replace(event, generation=process.generation - event.generation)
        until_deadline = max(now, process.deadline or now)
        return (until_deadline if self.pause < 0 else now + self.pause), event


def _onward(process: Process) -> Event:
    match process.state:
        case State.WAITING:
            return events.Opened()
        case State.STARTING if Need.REGISTRATION in process.missing:
            return events.Registered(0)
        case State.STARTING if Need.CHECK in process.missing:
            return events.Checked(0, True)
        case State.STARTING | State.BACKOFF | State.FATAL:
            return events.Elapsed()
        case State.RUNNING:
            return events.Exited(0, End(1))
        case State.STOPPING:
            return events.Opened() if process.phase is Phase.HELD else events.Gone(0)
        case _:
            return events.Start()


MOVES = (
    *[Move(0, None)] * 60,
    *[Move(-1, None)] * 30,
    *[Move(-1, events.Elapsed())] * 40,
    *[Move(pause, events.Stop()) for pause in (0, 3)] * 3,
    *[Move(pause, events.Stop(hurries=False)) for pause in (0, 3)] * 2,
    *[Move(pause, fact) for pause in (0, 0.7, 10) for fact in FACTS],
    *[Move(0, event) for event in RARE],
    *[Move(pause, events.Elapsed()) for pause in (0, 2, 70, 700)],
)
RULES = st.builds(
    Rules,
    registers=st.booleans(),
    checked=st.booleans(),
    policy=st.sampled_from([Policy.ALWAYS, *Policy]),
    initial=st.sampled_from([0.0, 0.5, 0.5, 40.0]),
    max_delay=st.sampled_from([3.0, 30.0]),
    intensity=st.sampled_from([0, 1, 3, 10]),
    period=st.sampled_from([30.0, 600.0]),
    max_retry_attempts=st.sampled_from([0, 1, 3]),
    retry_fatal_every=st.sampled_from([0.0, 20.0]),
    reset_after=st.sampled_from([1.0, 60.0]),
    drain_timeout=st.sampled_from([0.0, 5.0]),
)
MOVE = st.sampled_from(MOVES)
# By itself Hypothesis rarely makes a list longer than ten; the short ones are what it shrinks to.
LIFE = st.one_of(st.lists(MOVE, max_size=20), *[st.lists(MOVE, min_size=100, max_size=200)] * 2)


def is_true_of(rules: Rules, event: Event) -> bool:
    """Whether the world could say that: it checks only what has a check."""
    return rules.checked or not isinstance(event, events.Checked)


def agree(model: Model, process: Process, *, now: float) -> None:
    assert (process.state, process.wanted) == (model.state, model.wanted)
    assert process.generation == model.generation
    assert (process.is_ready, process.has_slot) == (model.is_ready, model.holds_slot)
    bounds = model.deadline()
    if bounds is None or process.deadline is None:
        assert (bounds, process.deadline) == (None, None)
        return
    assert bounds[0] - 1e-6 <= process.deadline <= bounds[1] + 1e-6, f"{bounds} at {now}"
    if model.life is None:
        # Where the model knows bounds only, the code has chosen.
        model.due = (process.deadline, process.deadline)


def tell(rules: Rules, moves: list[Move]) -> tuple[Process, Model, float]:
    process, model, now = Process("p", rules), Model(rules), 0.0
    for move in moves:
        now, event = move.at(process, now)
        if not is_true_of(rules, event):
            continue
        expected = model.tell(event, now)
        process, effects = step(process, event, now)
        assert list(effects) == expected, f"{event} at {now}"
        agree(model, process, now=now)
        keeps_its_promises(process)
    return process, model, now


def keeps_its_promises(process: Process) -> None:
    """What has to be true in every state, whatever the model says."""
    if process.state in AT_REST or process.state in (State.WAITING, State.BACKOFF):
        assert (process.pid, process.connected) == (None, False)
    if process.rules.intensity:
        assert len(process.failures) <= process.rules.intensity + 1
    if not process.wanted:
        assert process.state in (State.STOPPED, State.STOPPING, State.LOST)


@examples(150)
@given(RULES, LIFE)
def test_step_and_a_model_of_our_own_agree_on_every_life(rules: Rules, moves: list[Move]) -> None:
    tell(rules, moves)


@examples(30)
@given(RULES, LIFE)
def test_from_anywhere_a_stop_ends_it_once_nothing_is_left(rules: Rules, moves: list[Move]) -> None:
    process, _, now = tell(rules, moves)
    process, _ = step(process, events.Stop(), now)
    process, _ = step(process, events.Gone(process.generation), now)
    assert process.state is State.STOPPED


@examples(30)
@given(RULES, LIFE)
def test_from_anywhere_a_stop_that_nobody_answers_is_lost_within_bounds(
    rules: Rules, moves: list[Move]
) -> None:
    process, _, now = tell(rules, moves)
    process, _ = step(process, events.Stop(), now)
    process, _ = step(process, events.Opened(), now)
    for _ in range(10):
        process, _ = step(process, events.Elapsed(), max(now, process.deadline or now))
        now = max(now, process.deadline or now)
    assert process.state in (State.STOPPED, State.LOST)


def test_the_moves_tell_every_fact_there_is() -> None:
    told = {type(move.event) for move in MOVES}
    assert set(get_args(Event)) <= told
