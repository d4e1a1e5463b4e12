"""Any life at all: random wants and facts, late and doubled ones too, against what must always hold."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gleitzeitd.core.events import (
    Disconnected,
    Drained,
    Elapsed,
    End,
    Event,
    Exited,
    Failed,
    Gone,
    Ready,
    Restart,
    Spawn,
    Spawned,
    SpawnFailed,
    Start,
    Stop,
)
from gleitzeitd.core.process import AT_REST, Process, State, step
from gleitzeitd.core.spec import Policy, Rules

GENERATIONS = st.integers(0, 6)
EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.builds(Start),
    st.builds(Stop),
    st.builds(Restart),
    st.builds(Elapsed),
    st.builds(Spawned, GENERATIONS, st.integers(1, 9)),
    st.builds(SpawnFailed, GENERATIONS, st.just("why"), st.booleans()),
    st.builds(Ready, GENERATIONS),
    st.builds(Disconnected, GENERATIONS),
    st.builds(Failed, GENERATIONS, st.just("sick")),
    st.builds(Drained, GENERATIONS),
    st.builds(Exited, GENERATIONS, st.builds(End, st.sampled_from([0, 1, 78, -9]))),
    st.builds(Gone, GENERATIONS),
)
RULES = st.builds(
    Rules,
    registers=st.booleans(),
    policy=st.sampled_from(Policy),
    initial=st.sampled_from([0.0, 0.5]),
    intensity=st.integers(0, 3),
    max_retry_attempts=st.integers(0, 3),
)
TOLD = st.lists(st.tuples(st.floats(0, 30), EVENTS), max_size=60)


@given(RULES, TOLD)
def test_every_step_keeps_what_must_always_hold(rules: Rules, told: list[tuple[float, Event]]) -> None:
    process, now = Process("p", rules), 0.0
    for pause, event in told:
        now += pause
        before = process
        process, effects = step(process, event, now)
        spawns = [effect for effect in effects if isinstance(effect, Spawn)]
        # One life at a time, each with a number of its own.
        assert len(spawns) <= 1
        assert process.generation == before.generation + len(spawns)
        if spawns:
            nothing_is_left = isinstance(event, Gone | SpawnFailed) or not before.is_alive
            assert nothing_is_left, f"{event} in {before.state} spawned beside a life"
            assert process.wanted
        # Whoever rests has nothing to wait for; whoever waits has an end to it.
        if process.state in AT_REST:
            assert process.deadline is None
        elif process.state is not State.RUNNING:
            assert process.deadline is not None
        # What is stopped stays stopped until somebody wants it.
        if not process.wanted:
            assert process.state in (State.STOPPED, State.STOPPING)
        if rules.intensity:
            assert len(process.failures) <= rules.intensity + 1


@given(RULES, TOLD)
def test_from_anywhere_a_stop_ends_it_once_the_process_is_gone(
    rules: Rules, told: list[tuple[float, Event]]
) -> None:
    process, now = Process("p", rules), 0.0
    for pause, event in told:
        now += pause
        process, _ = step(process, event, now)
    process, _ = step(process, Stop(), now)
    process, _ = step(process, Exited(process.generation, End(0)), now)
    process, _ = step(process, Gone(process.generation), now)
    assert process.state is State.STOPPED
