"""Times of a cron expression, by a clock that the test sets: it jumps, and goes to summer time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime

import anyio
import pytest
from anyio.lowlevel import checkpoint
from cronsim import CronSimError

from gleitzeitd.processes.schedule import LOCAL, LONGEST_SLEEP, following, on_schedule

pytestmark = pytest.mark.anyio

HOUR = 3600.0


@pytest.fixture(autouse=True)
def in_berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The zone of this process, spelt out: 2 o'clock becomes 3 in March, and 3 o'clock 2 in October."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
        time.tzset()
        yield
    time.tzset()


def at(text: str, fold: int = 0) -> float:
    """Seconds since 1970 at a local time; of two equal ones the first, or by `fold` the second."""
    return datetime.fromisoformat(text).replace(tzinfo=LOCAL, fold=fold).timestamp()


def local(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, LOCAL).isoformat(" ", "minutes")


class Clock:
    """It goes on only while somebody sleeps, and is set as its plan says."""

    def __init__(self, start: str, plan: dict[str, str] | None = None) -> None:
        """`plan`: when it comes to the one time, it is set to the other, once."""
        self.now = at(start)
        self._plan = {at(shown): at(set_to) for shown, set_to in (plan or {}).items()}
        self.slept = list[float]()

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        await checkpoint()
        self.slept.append(seconds)
        was, self.now = self.now, self.now + seconds
        for shown in list(self._plan):
            if was < shown <= self.now:
                self.now += self._plan.pop(shown) - shown
                return


async def fired(expression: str, clock: Clock, enough: Callable[[list[str]], bool]) -> list[str]:
    """The local times at which it fired, until that is enough."""
    times = list[str]()
    with anyio.CancelScope() as scope:

        def fire() -> None:
            times.append(local(clock.now))
            if enough(times):
                scope.cancel()

        await on_schedule(expression, fire, clock, clock.sleep)
    return times


def so_many(number: int) -> Callable[[list[str]], bool]:
    return lambda times: len(times) == number


async def test_it_fires_at_each_time() -> None:
    clock = Clock("2026-06-01 12:00:30")

    assert await fired("*/15 * * * *", clock, so_many(3)) == [
        "2026-06-01 12:15+02:00",
        "2026-06-01 12:30+02:00",
        "2026-06-01 12:45+02:00",
    ]
    assert clock.now == at("2026-06-01 12:45")


async def test_a_time_that_is_now_is_over() -> None:
    clock = Clock("2026-06-01 12:15")

    assert await fired("15 12 * * *", clock, so_many(1)) == ["2026-06-02 12:15+02:00"]


async def test_it_looks_at_the_clock_every_minute_and_sleeps_till_then() -> None:
    """Broken once by sleeping until the time comes: a clock that is set meanwhile is not seen."""
    clock = Clock("2026-06-01 12:00:30")
    await fired("0 13 * * *", clock, so_many(1))

    assert clock.slept == [LONGEST_SLEEP] * 59 + [30.0]


async def test_a_jump_over_many_times_fires_once() -> None:
    """Broken once by going through all the times that passed."""
    clock = Clock("2026-06-01 12:00:30", {"2026-06-01 12:03:30": "2026-06-01 18:00:30"})

    assert await fired("*/10 * * * *", clock, so_many(2)) == [
        "2026-06-01 18:00+02:00",
        "2026-06-01 18:10+02:00",
    ]


async def test_a_jump_back_does_not_fire_for_the_same_minute_again() -> None:
    """Broken once by always asking for the time that follows what the clock shows."""
    clock = Clock("2026-06-01 11:59", {"2026-06-01 12:00:50": "2026-06-01 11:30"})

    assert await fired("0 12 * * *", clock, so_many(2)) == [
        "2026-06-01 12:00+02:00",
        "2026-06-02 12:00+02:00",
    ]


async def test_a_jump_back_right_after_it_fired_does_not_fire_again() -> None:
    clock = Clock("2026-06-01 11:59", {"2026-06-01 12:00": "2026-06-01 11:59:59"})
    fires = await fired("* * * * *", clock, so_many(3))

    assert fires == ["2026-06-01 12:00+02:00", "2026-06-01 12:01+02:00", "2026-06-01 12:02+02:00"]


async def test_a_clock_that_was_wrong_for_years_is_not_waited_for() -> None:
    """Broken once by never going back: nothing fired before 2031."""
    clock = Clock("2031-06-01 11:00", {"2031-06-01 11:30": "2026-06-01 11:30"})

    assert await fired("0 12 * * *", clock, so_many(1)) == ["2026-06-01 12:00+02:00"]


async def test_small_steps_back_are_one_large_one_in_the_end() -> None:
    """Broken once by measuring each step alone."""
    steps = {"2026-06-01 12:06": "2026-06-01 10:06", "2026-06-01 10:07": "2026-06-01 08:07"}
    clock = Clock("2026-06-01 12:05", steps)

    assert await fired("*/30 * * * *", clock, so_many(1)) == ["2026-06-01 08:30+02:00"]


async def test_a_time_that_summer_skips_comes_right_after() -> None:
    clock = Clock("2026-03-28 12:00")

    assert await fired("30 2 * * *", clock, so_many(2)) == [
        "2026-03-29 03:00+02:00",
        "2026-03-30 02:30+02:00",
    ]


async def test_a_time_that_winter_has_twice_comes_once() -> None:
    """Broken once with the offset of now for a zone: it was an hour off ever after."""
    clock = Clock("2026-10-24 12:00")

    assert await fired("30 2 * * *", clock, so_many(2)) == [
        "2026-10-25 02:30+02:00",
        "2026-10-26 02:30+01:00",
    ]


async def test_each_half_hour_comes_in_both_hours_of_winter() -> None:
    clock = Clock("2026-10-25 01:50")

    assert await fired("*/30 * * * *", clock, so_many(5)) == [
        "2026-10-25 02:00+02:00",
        "2026-10-25 02:30+02:00",
        "2026-10-25 02:00+01:00",
        "2026-10-25 02:30+01:00",
        "2026-10-25 03:00+01:00",
    ]


def test_in_the_second_of_two_equal_hours_the_time_of_the_first_is_over() -> None:
    """Broken once by taking cronsim's first word: it fired at once."""
    assert local(following("30 2 * * *", at("2026-10-25 02:15", fold=1))) == "2026-10-26 02:30+01:00"


@pytest.mark.parametrize("expression", ["", "* * * *", "61 * * * *", "0 0 30 2 *"])
async def test_what_is_no_expression_or_never_comes_is_refused(expression: str) -> None:
    with pytest.raises(CronSimError):
        await on_schedule(expression, lambda: None)


async def test_by_the_clock_on_the_wall_it_sleeps_until_it_is_cancelled() -> None:
    with anyio.move_on_after(0.01) as scope:
        await on_schedule("0 0 29 2 *", lambda: None)
    assert scope.cancelled_caught
