"""Who may start and who may stop: a chain, a slot, a crowd."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gleitzeitd.core.ending import LOST_AFTER
from gleitzeitd.core.events import Elapsed, Gate, Gone, Held, Opened, Said, Start, Stop
from gleitzeitd.core.gates import Order, is_at_gate, is_up
from gleitzeitd.core.process import Phase, Process, State
from gleitzeitd.core.spec import CommandTarget, Policy, Rules, Spec
from tests.core.histories import CLASS, COMMAND, ended, new, play, ready, started, up

NEVER = replace(COMMAND, policy=Policy.NEVER)


def spec(name: str, *needs: str, instances: int = 1) -> Spec:
    return Spec(name, "tool", CommandTarget(("true",)), instances=instances, depends_on=needs)


CHAIN = Order.of([spec("web", "api"), spec("api", "db"), spec("db"), spec("other")], slots=8)


def waiting(rules: Rules = CLASS, since: float = 0.0) -> Process:
    return play(new(rules), (since, Start()))


def held(rules: Rules = CLASS) -> Process:
    return play(up(rules), (5, Stop()))


def gates(order: Order, **processes: Process) -> dict[str, Gate]:
    """What everybody at the gate is told, who is not named being STOPPED."""
    known = {name: processes.get(name.replace("#", "_"), new(CLASS)) for name in _names(order)}
    at_gate = {
        name: provider
        for provider, names in order.instances.items()
        for name in names
        if is_at_gate(known[name])
    }
    return dict(order.gates(at_gate, known))


def _names(order: Order) -> list[str]:
    return [name for names in order.instances.values() for name in names]


# What depends on what.


def test_dependents_and_needed_are_told_nearest_first_and_without_the_asked() -> None:
    assert CHAIN.dependents(["db"]) == ["api", "web"]
    assert CHAIN.needed(["web"]) == ["api", "db"]
    assert CHAIN.dependents(["db", "api"]) == ["web"]
    assert CHAIN.dependents(["other"]) == CHAIN.needed(["db"]) == []


def test_what_is_reached_in_two_ways_is_told_once() -> None:
    diamond = Order.of([spec("a"), spec("b", "a"), spec("c", "a"), spec("d", "b", "c")], slots=8)
    assert diamond.dependents(["a"]) == ["b", "c", "d"]
    assert diamond.needed(["d"]) == ["b", "c", "a"]


# Starts.


def test_a_chain_starts_in_order() -> None:
    assert gates(CHAIN, web=waiting(), api=waiting(), db=waiting()) == {
        "web": Held("waits for api"),
        "api": Held("waits for db"),
        "db": Opened(),
    }
    assert gates(CHAIN, web=waiting(), api=waiting(), db=started(CLASS))["api"] == Held("waits for db")
    assert gates(CHAIN, web=waiting(), api=waiting(), db=up(CLASS)) == {
        "web": Held("waits for api"),
        "api": Opened(),
    }


def test_whoever_needs_several_names_all_that_it_waits_for() -> None:
    order = Order.of([spec("a"), spec("b"), spec("c", "a", "b")], slots=8)
    assert gates(order, c=waiting()) == {"c": Held("waits for a (STOPPED) and b (STOPPED)")}
    assert gates(order, c=waiting(), a=up(CLASS)) == {"c": Held("waits for b (STOPPED)")}


def test_what_runs_and_is_not_ready_is_not_up() -> None:
    not_ready = play(up(CLASS), (5, Said(1, False)))
    assert gates(CHAIN, web=waiting(), api=not_ready) == {"web": Held("waits for api")}


@pytest.mark.parametrize(("code", "satisfies"), [(0, True), (1, False), (-15, False)])
def test_a_task_that_ended_well_is_as_good_as_one_that_runs(code: int, satisfies: bool) -> None:
    done = ended(up(NEVER), 5, code)
    assert done.state is State.EXITED
    told = gates(CHAIN, web=waiting(), api=done)["web"]
    assert told == (Opened() if satisfies else Held("waits for api (EXITED)"))


def test_a_start_that_we_ended_is_not_a_task_that_ended_well() -> None:
    overdue = play(started(replace(CLASS, policy=Policy.NEVER)), (CLASS.connection_timeout, Elapsed()))
    assert not is_up(ended(overdue, 11, 0))


def test_a_task_that_was_stopped_since_is_not_up_any_more() -> None:
    assert not is_up(play(ended(up(NEVER), 5, 0), (6, Stop())))


def test_a_provider_of_several_instances_is_up_when_one_is() -> None:
    order = Order.of([spec("a", instances=2), spec("b", "a")], slots=8)
    assert gates(order, b=waiting()) == {"b": Held("waits for a (STOPPED)")}
    assert gates(order, b=waiting(), a_2=started(CLASS)) == {"b": Held("waits for a")}
    assert gates(order, b=waiting(), a_2=up(CLASS)) == {"b": Opened()}


def test_slots_bound_the_starts_and_whoever_waits_longest_is_first() -> None:
    order = Order.of([spec(name) for name in "abcd"], slots=2)
    crowd = {"b": waiting(since=3), "c": waiting(since=1), "d": waiting(since=2)}
    full = Held("waits for one of 2 start slots")
    assert gates(order, **crowd) == {"c": Opened(), "d": Opened(), "b": full}
    assert gates(order, a=started(CLASS), **crowd) == {"c": Opened(), "d": full, "b": full}
    assert gates(order, a=up(CLASS), **crowd) == {"c": Opened(), "d": Opened(), "b": full}


def test_whoever_waits_for_another_takes_no_slot() -> None:
    order = Order.of([spec("a"), spec("b", "x"), spec("x")], slots=1)
    assert gates(order, b=waiting(since=0), a=waiting(since=1))["a"] == Opened()


def test_plain_commands_need_no_slot_and_come_so_many_at_a_time() -> None:
    order = Order.of([spec(name) for name in "abcde"], slots=2)
    crowd = {name: waiting(COMMAND) for name in "abcd"}
    assert gates(order, e=started(CLASS), **crowd) == {"a": Opened(), "b": Opened()}
    assert gates(order, **crowd, e=waiting(since=1)) == {"a": Opened(), "b": Opened(), "e": Opened()}


def test_the_restart_at_once_of_what_was_running_takes_no_slot_from_others() -> None:
    order = Order.of([spec("a"), spec("b")], slots=1)
    assert gates(order, a=ended(up(CLASS), 5), b=waiting()) == {"b": Opened()}


# Stops.


def test_a_chain_stops_in_reverse() -> None:
    assert gates(CHAIN, web=held(), api=held(), db=held()) == {
        "web": Opened(),
        "api": Held("waits until web stopped"),
        "db": Held("waits until api, web stopped"),
    }
    going = play(held(), (5, Opened()))
    assert gates(CHAIN, web=going, api=held(), db=held())["api"] == Held("waits until web stopped")
    stopped = ended(going, 6)
    assert gates(CHAIN, web=stopped, api=held(), db=held())["api"] == Opened()


def test_a_stop_waits_for_those_who_need_it_by_way_of_what_is_stopped_already() -> None:
    assert gates(CHAIN, web=held(), db=held())["db"] == Held("waits until web stopped")


def test_a_stop_waits_for_every_instance_of_a_dependent() -> None:
    order = Order.of([spec("a"), spec("b", "a", instances=2)], slots=8)
    assert gates(order, a=held(), b_1=new(CLASS), b_2=held())["a"] == Held("waits until b stopped")


def test_a_stop_does_not_wait_for_dependents_that_nobody_stops() -> None:
    """A replacement, or a stop of this one alone, leaves them alone."""
    for dependent in (up(CLASS), waiting(), started(CLASS)):
        assert gates(CHAIN, web=dependent, api=held())["api"] == Opened()


def test_what_survives_sigkill_holds_nobody() -> None:
    lost = play(held(), *((6.0, Stop()),) * 3, (6 + LOST_AFTER, Elapsed()))
    assert lost.state is State.LOST
    assert gates(CHAIN, web=lost, api=held()) == {"api": Opened()}


def test_a_stop_that_is_hurried_is_at_no_gate() -> None:
    hurried = play(held(), (6, Stop()))
    assert hurried.phase is Phase.DRAINING
    assert gates(CHAIN, web=held(), api=hurried) == {"web": Opened()}


def test_whoever_waits_to_start_does_not_wait_for_those_who_need_it() -> None:
    assert gates(CHAIN, web=held(), api=play(held(), (6, Start()), (6, Gone(1))), db=up(CLASS)) == {
        "web": Opened(),
        "api": Opened(),
    }


def test_with_nobody_at_the_gate_there_is_nothing_to_say() -> None:
    assert gates(CHAIN, web=up(CLASS), api=ready(started(CLASS), 1), db=started(CLASS)) == {}
