"""Instances that can take a call, and the one that is given it."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gleitzeitd.core.routing import hopeless, pick, ranked
from gleitzeitd.core.spec import Strategy
from tests.core.examples import examples


@dataclass(frozen=True, slots=True)
class Free:
    instance: str
    provider: str = "p"
    load: int = 0
    slots: int = 64
    priority: int = 0
    weight: float = 1.0
    latency: float = 0.0
    given: int = 0


CHANCE = Random(1)


def best(*free: Free, by: Strategy = Strategy.LEAST_BUSY, session: str = "") -> str:
    return pick(free, by, session, CHANCE).instance


def many(*free: Free, by: Strategy) -> Counter[str]:
    return Counter(best(*free, by=by) for _ in range(4000))


def test_the_least_busy_is_given_it_and_of_two_the_one_not_given_for_longest() -> None:
    assert best(Free("a", load=2, given=1), Free("b", load=1, given=9)) == "b"
    assert best(Free("a", load=1, given=3), Free("b", load=1, given=2)) == "b"


def test_they_take_turns() -> None:
    house = {name: Free(name) for name in "abc"}
    turns = list[str]()
    for number in range(1, 7):
        name = best(*house.values(), by=Strategy.ROUND_ROBIN)
        house[name] = replace(house[name], given=number, load=number % 2 * 9)
        turns.append(name)

    assert "".join(turns) == "abcabc"


def test_chance_gives_each_its_share() -> None:
    assert all(1850 < count < 2150 for count in many(Free("a"), Free("b"), by=Strategy.RANDOM).values())


def test_weights_give_each_its_share() -> None:
    counts = many(Free("a", weight=3), Free("b", weight=0.5), Free("c", weight=0.5), by=Strategy.WEIGHTED)

    assert 2850 < counts["a"] < 3150
    assert 400 < counts["b"] < 600


def test_the_quickest_is_given_it_by_what_a_call_would_wait() -> None:
    quick, slow = Free("q", latency=1.0, load=3), Free("s", latency=3.0, load=0)

    assert best(quick, slow, by=Strategy.LATENCY) == "s"
    assert best(replace(quick, load=1), slow, by=Strategy.LATENCY) == "q"


def test_one_call_finds_out_how_quick_an_instance_is() -> None:
    known, new = Free("k", latency=1.0, load=5), Free("n")

    assert best(known, new, by=Strategy.LATENCY) == "n"
    assert best(known, replace(new, load=1), by=Strategy.LATENCY) == "k"
    assert best(replace(new, load=1), Free("o", load=2), by=Strategy.LATENCY) == "n"


def test_the_first_by_name_is_the_primary() -> None:
    free = [Free(f"p#{number}", given=20 - number, load=number) for number in (10, 2, 11)]
    free.append(Free("other", "o", load=9))
    order = [place.instance for place in ranked(free, Strategy.PRIORITY, "", CHANCE)]

    assert order == ["other", "p#2", "p#10", "p#11"]


sessions = [f"session {number}" for number in range(300)]


def test_a_session_stays_where_it_is_when_another_instance_goes() -> None:
    house = [Free(f"p#{number}") for number in range(1, 6)]
    homes = {s: best(*house, by=Strategy.STICKY, session=s) for s in sessions}
    fewer = {s: best(*house[1:], by=Strategy.STICKY, session=s) for s in sessions}

    assert {s for s in sessions if homes[s] != fewer[s]} == {s for s in sessions if homes[s] == "p#1"}
    assert all(30 < count < 90 for count in Counter(homes.values()).values()), "they are spread"
    assert Counter(fewer[s] for s in sessions if homes[s] == "p#1").keys() == {p.instance for p in house[1:]}


def test_who_has_no_session_goes_to_the_least_busy() -> None:
    assert best(Free("a", load=1), Free("b"), by=Strategy.STICKY) == "b"
    assert best(Free("a"), Free("b", load=1), by=Strategy.STICKY) == "a"


def test_a_session_may_have_any_name() -> None:
    assert best(Free("a"), Free("b"), by=Strategy.STICKY, session="\ud800") in "ab"


def test_one_is_chosen_without_a_look() -> None:
    class Blind:
        def __getattr__(self, name: str) -> None:
            raise AssertionError(name)

    only = Blind()
    assert pick([only], Strategy.LATENCY, "", CHANCE) is only  # type: ignore[type-var]


places = st.lists(
    st.builds(
        Free,
        instance=st.sampled_from([f"p#{number}" for number in range(1, 13)]),
        provider=st.sampled_from("pq"),
        load=st.integers(0, 3),
        priority=st.integers(-1, 1),
        weight=st.floats(0.01, 100),
        latency=st.sampled_from([0.0, 0.1, 2.0]),
        given=st.integers(0, 3),
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda place: place.instance,
)


@examples(200)
@given(places, st.sampled_from(Strategy), st.sampled_from(["", "s"]), st.integers(0, 9))
def test_it_is_always_one_of_the_lowest_priority(
    free: list[Free], strategy: Strategy, session: str, seed: int
) -> None:
    chosen = pick(free, strategy, session, Random(seed))
    order = ranked(free, strategy, session, Random(seed))

    assert chosen in free
    assert chosen.priority == min(place.priority for place in free)
    assert chosen == order[0]
    assert sorted(order, key=id) == sorted(free, key=id)
    assert [place.priority for place in order] == sorted(place.priority for place in free)


@examples(100)
@given(
    places,
    st.sampled_from([s for s in Strategy if s not in (Strategy.RANDOM, Strategy.WEIGHTED)]),
    st.randoms(use_true_random=False),
)
def test_where_no_chance_is_wanted_the_order_of_the_instances_decides_nothing(
    free: list[Free], strategy: Strategy, random: Random
) -> None:
    before = pick(free, strategy, "s", CHANCE)
    random.shuffle(free)

    assert pick(free, strategy, "s", CHANCE) == before


@pytest.mark.parametrize(
    ("ahead", "slots", "latency", "left", "takes"),
    [
        (0, 1, 10.0, 5.0, 10.0),
        (0, 1, 10.0, 10.0, None),
        (7, 4, 3.0, 5.0, 6.0),
        (7, 4, 3.0, 6.0, None),
        (9999, 1, 0.0, 0.1, None),
        (9999, 0, 9.0, 0.1, None),
        (9999, 1, 9.0, math.inf, None),
    ],
)
def test_a_call_waits_unless_its_time_would_be_over(
    ahead: int, slots: int, latency: float, left: float, takes: float | None
) -> None:
    assert hopeless(ahead, slots, latency, left) == takes
