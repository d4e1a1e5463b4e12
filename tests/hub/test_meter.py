"""What is counted of calls, and that it stays bounded whatever is asked."""

from __future__ import annotations

import pytest

from gleitzeitd.hub.meter import NOBODY, OTHER, SECONDS, Histogram, Meter, Series, cumulative


@pytest.fixture
def providers() -> set[str]:
    return {"echo", "other"}


@pytest.fixture
def meter(providers: set[str]) -> Meter:
    return Meter(providers.__contains__)


def of(meter: Meter) -> dict[str, Series]:
    return dict(meter.series())


def test_each_end_counts_once_by_kind_and_code(meter: Meter) -> None:
    for code in ("ok", "ok", "provider_error"):
        meter.ended("echo", "invoke", code, 0.002, "echo", 0.0)
    meter.ended("echo", "stream", "ok", 200.0, "echo", 0.0)

    echo = of(meter)["echo"]
    assert echo.calls == {("invoke", "ok"): 2, ("invoke", "provider_error"): 1, ("stream", "ok"): 1}
    assert sum(echo.durations["invoke"].counts) == 3
    assert echo.durations["invoke"].sum == pytest.approx(0.006)
    assert cumulative(echo.durations["stream"].counts)[-2:] == [0, 1]


def test_a_value_that_is_a_bound_lies_below_it() -> None:
    histogram = Histogram()
    for bound in SECONDS:
        histogram.observe(bound)

    assert histogram.counts == [1] * len(SECONDS) + [0]


def test_names_that_nobody_has_share_one_series(meter: Meter) -> None:
    for number in range(1000):
        meter.ended(f"ghost{number}", "invoke", "not_found.provider", 0.001, f"ghost{number}", 0.0)
        meter.waited(f"ghost{number}", 0.0)
        meter.first_chunk(f"ghost{number}", 0.0)
        meter.items(f"ghost{number}", 1)
        meter.retried(f"ghost{number}", "unavailable")
        meter.fell_back("echo", f"ghost{number}")

    assert set(of(meter)) == {"echo", NOBODY}
    assert of(meter)[NOBODY].calls == {("invoke", "not_found.provider"): 1000}
    assert of(meter)["echo"].fallbacks == {NOBODY: 1000}


def test_codes_that_a_provider_makes_up_share_one_label(meter: Meter) -> None:
    for number in range(1000):
        meter.ended("echo", "invoke", f"E{number}", 0.001, "echo", 0.0)
        meter.retried("echo", f"E{number}")
        meter.turned_away(f"E{number}")

    assert of(meter)["echo"].calls == {("invoke", OTHER): 1000}
    assert of(meter)["echo"].retries == {OTHER: 1000}
    assert meter.refusals() == {OTHER: 1000}


def test_the_series_of_a_provider_that_is_gone_go_with_it(meter: Meter, providers: set[str]) -> None:
    meter.ended("echo", "invoke", "ok", 0.001, "echo", 0.0)
    providers.remove("echo")
    assert set(of(meter)) == {NOBODY}, "it is not shown any more"

    meter.ended("other", "invoke", "ok", 0.001, "echo", 0.0)
    providers.add("echo")
    assert set(of(meter)) == {"other", NOBODY}, "it is not kept either"
