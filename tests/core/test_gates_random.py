"""A little house of any shape, any wishes and any facts: `step` and the gate together keep the order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from hypothesis import given
from hypothesis import strategies as st

from gleitzeitd.core.events import (
    Checked,
    Disconnected,
    Drain,
    Elapsed,
    End,
    Event,
    Exited,
    Failed,
    Gone,
    Opened,
    Registered,
    Said,
    Spawn,
    Start,
    Stop,
    Terminate,
)
from gleitzeitd.core.gates import Order, is_at_gate
from gleitzeitd.core.life import step
from gleitzeitd.core.process import Phase, Process, State
from gleitzeitd.core.spec import CommandTarget, Policy, Rules, Spec
from tests.core.examples import examples
from tests.core.histories import CHECKED, CLASS, COMMAND

RULES = (CLASS, CHECKED, COMMAND, replace(COMMAND, policy=Policy.NEVER), replace(CLASS, initial=0))
LARGEST = 5


class House:
    """Some processes and their gate, wired as simply as can be, with an observer at the door."""

    def __init__(self, specs: list[Spec], slots: int) -> None:
        self.order = Order.of(specs, slots)
        self.provider = {name: spec.name for spec in specs for name in spec.instance_names}
        self.processes = {name: Process(name, spec.rules) for spec in specs for name in spec.instance_names}
        self.now = 0.0

    def tell(self, name: str, event: Event) -> None:
        before = self.processes[name]
        self.processes[name], effects = step(before, event, self.now)
        for effect in effects:
            # The restart at once of what was RUNNING passes the gate by; so does a stop that is hurried.
            if isinstance(effect, Spawn) and before.state is State.WAITING:
                self._watch_start(name)
            if isinstance(effect, Drain | Terminate) and before.phase is Phase.HELD:
                assert isinstance(event, Stop | Opened)
                if isinstance(event, Opened):
                    self._watch_stop(name)
        slots = sum(process.has_slot for process in self.processes.values())
        assert slots <= self.order.slots

    def _watch_start(self, name: str) -> None:
        for needed in self.order.needs[self.provider[name]]:
            assert any(self._is_of_use(other) for other in self.order.instances[needed]), (
                f"{name} came too early"
            )

    def _is_of_use(self, name: str) -> bool:
        process = self.processes[name]
        if process.state is State.EXITED:
            return not process.failure and process.end is not None and process.end.code == 0
        return process.state is State.RUNNING and not process.missing

    def _watch_stop(self, name: str) -> None:
        for other in self._all_that_need(self.provider[name]):
            for instance in self.order.instances[other]:
                process = self.processes[instance]
                is_ending = process.state is State.STOPPING and not process.wanted
                assert not is_ending, f"{name} went before {instance}"

    def _all_that_need(self, provider: str) -> set[str]:
        direct = {other for other, needs in self.order.needs.items() if provider in needs}
        return direct.union(*(self._all_that_need(other) for other in direct))

    def open_gates(self) -> None:
        at_gate = {name: self.provider[name] for name, p in self.processes.items() if is_at_gate(p)}
        for name, event in list(self.order.gates(at_gate, dict(self.processes))):
            self.tell(name, event)

    # What one does with a house.

    def stop(self, provider: str) -> None:
        for each in (provider, *self.order.dependents([provider])):
            self._tell_all(each, Stop())

    def start(self, provider: str) -> None:
        for each in (*self.order.needed([provider]), provider):
            self._tell_all(each, Start())

    def _tell_all(self, provider: str, want: Event) -> None:
        for name in self.order.instances[provider]:
            self.tell(name, want)

    def answer(self) -> None:
        """The world does for each what is wanted of it; time passes to the next deadline."""
        for name, process in self.processes.items():
            for event in _answers(process):
                self.tell(name, event)
            deadline = self.processes[name].deadline
            if deadline is not None:
                self.now = max(self.now, deadline)
                self.tell(name, Elapsed())
        self.open_gates()


def _answers(process: Process) -> list[Event]:
    generation = process.generation
    if process.state in (State.STARTING, State.RUNNING):
        connected = [Registered(generation)] if process.rules.registers else []
        return [*connected, Said(generation, True), Checked(generation, True)]
    if process.state in (State.STOPPING, State.LOST) and process.phase is not Phase.HELD:
        return [Exited(generation, End(-15)), Gone(generation)]
    return []


@dataclass(frozen=True)
class Move:
    """Something happens to one instance, or is wanted of its provider; both are counted round."""

    who: int
    what: Callable[[House, str], None]
    gate_is_open: bool

    def make(self, house: House) -> None:
        self.what(house, [*house.processes][self.who % len(house.processes)])
        if self.gate_is_open:
            house.open_gates()


def _fact(make: Callable[[int], Event]) -> Callable[[House, str], None]:
    return lambda house, name: house.tell(name, make(house.processes[name].generation))


def _deadline(house: House, name: str) -> None:
    house.now = max(house.now, house.processes[name].deadline or house.now)
    house.tell(name, Elapsed())


def _survive(house: House, name: str) -> None:
    """Nothing ends it, so that it is LOST if it is to end."""
    for _ in range(9):
        _deadline(house, name)


def _good(house: House, name: str) -> None:
    for event in _answers(house.processes[name]):
        house.tell(name, event)


DEEDS: tuple[Callable[[House, str], None], ...] = (
    *[lambda house, name: house.start(house.provider[name])] * 4,
    *[lambda house, name: house.stop(house.provider[name])] * 3,
    *[lambda house, _: house.answer()] * 6,
    *[_good] * 6,
    _deadline,
    _survive,
    lambda house, name: house.tell(name, Start()),
    lambda house, name: house.tell(name, Stop()),
    *[_fact(lambda generation: Said(generation, False))] * 3,
    _fact(lambda generation: Failed(generation, "sick")),
    _fact(lambda generation: Exited(generation, End(0))),
    _fact(lambda generation: Exited(generation, End(1))),
    _fact(Disconnected),
    _fact(Gone),
)
MOVE = st.builds(Move, st.integers(0, 2 * LARGEST - 1), st.sampled_from(DEEDS), st.booleans())


@st.composite
def houses(draw: st.DrawFn) -> House:
    """Each provider may need any of those before it, so there is no circle."""
    specs = list[Spec]()
    for number in range(draw(st.integers(1, LARGEST))):
        needs = draw(st.sets(st.sampled_from([spec.name for spec in specs]))) if specs else set[str]()
        rules: Rules = draw(st.sampled_from(RULES))
        instances = draw(st.sampled_from([1, 1, 2]))
        spec = Spec(f"p{number}", "tool", CommandTarget(("true",)), rules, instances=instances)
        specs.append(replace(spec, depends_on=tuple(needs)))
    # The order of the file is not the order of the need.
    return House(draw(st.permutations(specs)), draw(st.integers(1, 3)))


@examples(50)
@given(houses(), st.lists(MOVE, max_size=20) | st.lists(MOVE, min_size=40, max_size=80), st.booleans())
def test_the_order_is_kept_and_every_wish_ends(house: House, moves: list[Move], up: bool) -> None:
    for move in moves:
        move.make(house)
    if up:
        # What just ended by itself comes to rest by its policy, even if a start is asked for meanwhile.
        house.answer()
    for provider in house.order.instances:
        (house.start if up else house.stop)(provider)
    # One after the other at worst: each has to end what it was, start, and be ready.
    for _ in range(4 * len(house.processes) + 4):
        house.answer()
    states = {process.state for process in house.processes.values()}
    assert states <= ({State.RUNNING, State.EXITED} if up else {State.STOPPED})
