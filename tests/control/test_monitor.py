"""What `/v1/monitor` tells a reader, again and again."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import anyio
import pytest

from gleitzeit_extensions.protocol import CallError
from gleitzeitd.control.monitor import Monitor
from tests.control.asking import Connection, documented
from tests.control.conftest import Ask
from tests.house import House

Look = dict[str, Any]


@contextmanager
def watching(daemon: House, query: str) -> Iterator[Iterator[Look]]:
    """The looks that one reader is told, as they come."""
    connection = Connection(str(daemon.socket))
    try:
        connection.request("GET", f"/v1/monitor?{query}")
        answer = connection.getresponse()
        assert (answer.status, answer.headers["Content-Type"]) == (200, "application/x-ndjson")
        yield map(json.loads, iter(answer.readline, b""))
    finally:
        connection.close()


def of(look: Look, name: str) -> Look:
    (found,) = [one for one in look["instances"] if one["name"] == name]
    return dict(found)


def test_a_look_tells_what_status_does_and_the_figures(daemon: House) -> None:
    with watching(daemon, "every=0.1") as looks:
        look = next(looks)
    status = daemon.client.get("/v1/status")

    assert set(look) == documented(r"one `\{(time.*?)\}`")
    figures = documented(r"adds to each `Instance` `\{(.*?)\}`")
    assert [set(one) for one in look["instances"]] == [set(one) | figures for one in status["instances"]]
    assert set(look["daemon"]) == set(status["daemon"]) | documented(r"`daemon` it adds `\{(.*?)\}`")
    assert abs(look["time"] - time.time()) < 60


def test_calls_are_counted_from_look_to_look(daemon: House) -> None:
    with watching(daemon, "every=0.1&name=probe") as looks:
        first = of(next(looks), "probe")
        for _ in range(5):
            daemon.invoke("probe", "say", {})
        seen = [of(look, "probe") for look, _ in zip(looks, range(5), strict=False)]

    assert first["rate"] is None
    assert seen[-1]["calls"] == first["calls"] + 5
    assert any(one["rate"] > 0 for one in seen)
    assert 0 < seen[-1]["p50"] <= seen[-1]["p99"] < 60


def test_what_fails_is_an_error_of_who_failed_it(daemon: House) -> None:
    with watching(daemon, "every=0.1") as looks:
        before = next(looks)
        with pytest.raises(CallError):
            daemon.invoke("probe", "fail", {})
        after = next(look for look in looks if look["daemon"]["calls"] > before["daemon"]["calls"])

    assert of(after, "probe")["errors"] == of(before, "probe")["errors"] + 1
    assert of(after, "sleeper")["errors"] == 0
    assert after["daemon"]["errors"] == before["daemon"]["errors"] + 1


def test_the_totals_are_those_of_who_is_shown(daemon: House) -> None:
    daemon.invoke("probe", "say", {})

    with watching(daemon, "name=sleeper") as looks:
        assert next(looks)["daemon"]["calls"] == 0


def test_what_never_reached_anybody_is_counted_with_who_was_meant(daemon: House) -> None:
    with watching(daemon, "every=0.1&name=fatal") as looks:
        before = of(next(looks), "fatal")
        with pytest.raises(CallError):
            daemon.invoke("fatal", "say", {})
        after = next(one for look in looks if (one := of(look, "fatal"))["calls"] > before["calls"])

    assert (after["errors"], after["p50"]) == (before["errors"] + 1, None)


def test_a_process_that_works_is_seen_to(daemon: House) -> None:
    with watching(daemon, "every=0.1&name=sleeper") as looks:
        look = of(next(looks), "sleeper")

    assert look["memory"] > 0
    assert look["cpu"] < 1


def test_names_are_those_of_other_commands(daemon: House) -> None:
    with watching(daemon, "name=pro*&name=sleeper") as looks:
        assert {one["name"] for one in next(looks)["instances"]} == {"probe", "sleeper"}


def test_a_name_that_nobody_has_is_refused(request_: Ask) -> None:
    assert "nosuch" in request_("GET", "/v1/monitor?name=nosuch").error("not_found.provider")


@pytest.mark.parametrize("every", ["0", "-1", "nan", "inf", "1e9", "soon", ""])
def test_a_time_that_cannot_be_is_refused(request_: Ask, every: str) -> None:
    assert "`every`" in request_("GET", f"/v1/monitor?every={every}").error("invalid_request")


class Counted(Monitor):
    """Remembers when it looked."""

    def __init__(self) -> None:
        self.looks: list[float] = []

    def look(self, now: float) -> Look:
        self.looks.append(now)
        return {}


@pytest.mark.anyio
async def test_nothing_is_looked_at_for_a_reader_that_stands_still_and_nothing_is_made_up_for() -> None:
    monitor, goes_on, is_sent = Counted(), anyio.Event(), anyio.Event()

    async def write(_: Look) -> None:
        if len(monitor.looks) == 2:
            await goes_on.wait()
        if len(monitor.looks) == 5:
            is_sent.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(monitor.send, write, 0.02)
        with anyio.move_on_after(0.2):
            await is_sent.wait()
        assert len(monitor.looks) == 2
        goes_on.set()
        await is_sent.wait()
        tasks.cancel_scope.cancel()

    assert all(later - earlier > 0.015 for earlier, later in pairwise(monitor.looks[2:]))
