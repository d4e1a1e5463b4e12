"""What /metrics tells: every metric with its meaning, once, and where its numbers come from.

`exposition.py` says how they are written.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple

from gleitzeitd.control.views import is_ready, of_life
from gleitzeitd.core.breaker import circuit
from gleitzeitd.core.process import State
from gleitzeitd.hub.meter import NOBODY, Histogram
from gleitzeitd.hub.registration import Registration
from gleitzeitd.hub.server import Hub
from gleitzeitd.processes.supervisor import Supervisor

MOST_OWN = 50
"""Metrics of its own that are shown of each instance."""
LONGEST_OWN = 100
"""Characters of the name of such a metric."""


class Kind(StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Metric(NamedTuple):
    kind: Kind
    labels: tuple[str, ...]
    sentence: str


class Buckets(NamedTuple):
    """A histogram as it was at one moment."""

    counts: tuple[int, ...]
    sum: float


class Sample(NamedTuple):
    name: str
    labels: tuple[str, ...]
    value: float | Buckets


_INSTANCE = ("provider", "instance")
METRICS: Mapping[str, Metric] = {
    "gleitzeit_instances": Metric(
        Kind.GAUGE, (*_INSTANCE, "state"), "1 for the state that an instance is in; the others are left out"
    ),
    "gleitzeit_instance_up": Metric(Kind.GAUGE, _INSTANCE, "1 while an instance is RUNNING, else 0"),
    "gleitzeit_instance_ready": Metric(
        Kind.GAUGE, _INSTANCE, "1 while an instance is given calls, or is up where it takes none; else 0"
    ),
    "gleitzeit_instance_start_time_seconds": Metric(
        Kind.GAUGE, _INSTANCE, "Unix time at which the present life of an instance became RUNNING"
    ),
    "gleitzeit_instance_restarts_total": Metric(
        Kind.COUNTER, _INSTANCE, "Restarts of an instance since the daemon started"
    ),
    "gleitzeit_instance_in_flight": Metric(
        Kind.GAUGE, _INSTANCE, "Calls that are with an instance now, streams included"
    ),
    "gleitzeit_instance_slots": Metric(Kind.GAUGE, _INSTANCE, "Calls that an instance may have at once"),
    "gleitzeit_instance_breaker": Metric(
        Kind.GAUGE,
        (*_INSTANCE, "state"),
        "1 for the state that the circuit breaker of an instance is in: closed, open or half-open",
    ),
    "gleitzeit_provider_metric": Metric(
        Kind.GAUGE,
        (*_INSTANCE, "metric"),
        "The numbers below `metrics` in what an instance last said of its health (the first 50)",
    ),
    "gleitzeit_log_dropped_bytes_total": Metric(
        Kind.COUNTER, _INSTANCE, "Bytes of the output of an instance that no file has"
    ),
    "gleitzeit_calls_total": Metric(
        Kind.COUNTER,
        ("provider", "kind", "code"),
        "Calls that are over; kind is invoke or stream, code is ok or that of the error, and other where "
        "the protocol has no such code; what was asked of a name that nobody has has no provider",
    ),
    "gleitzeit_call_duration_seconds": Metric(
        Kind.HISTOGRAM, ("provider", "kind"), "Time from the request to the answer, or to the end of a stream"
    ),
    "gleitzeit_first_chunk_seconds": Metric(
        Kind.HISTOGRAM, ("provider",), "Time from the request to the first items of a stream"
    ),
    "gleitzeit_stream_items_total": Metric(
        Kind.COUNTER, ("provider",), "Items of streams that were delivered"
    ),
    "gleitzeit_streams_open": Metric(Kind.GAUGE, ("provider",), "Streams that are with a provider now"),
    "gleitzeit_queue_length": Metric(Kind.GAUGE, ("provider",), "Calls that wait for a free slot now"),
    "gleitzeit_queue_wait_seconds": Metric(
        Kind.HISTOGRAM, ("provider",), "Time that calls waited before they were given to an instance"
    ),
    "gleitzeit_retries_total": Metric(
        Kind.COUNTER, ("provider", "code"), "Calls that were given to an instance again, after such an error"
    ),
    "gleitzeit_fallbacks_total": Metric(
        Kind.COUNTER, ("provider", "to"), "Calls that went on to another provider by a fallback chain"
    ),
    "gleitzeit_connections": Metric(
        Kind.GAUGE, ("kind",), "Connections to the hub now: of providers and of callers"
    ),
    "gleitzeit_turned_away_total": Metric(
        Kind.COUNTER, ("code",), "Connections and requests that were refused for who they came from"
    ),
    "gleitzeit_tasks": Metric(Kind.GAUGE, (), "Tasks of the daemon's event loop now"),
}


def samples(supervisor: Supervisor, hub: Hub, now: float) -> list[Sample]:
    """Everything there is to tell, as it is at `now` of the loop's clock."""
    connected = hub.registry.registrations()
    return [
        *_supervised(supervisor, connected, time.time() - now),
        *_registered(connected, now, time.time() - now),
        *_calls(hub),
        *_waiting(hub, connected),
        *(Sample("gleitzeit_connections", (kind,), n) for kind, n in hub.connections().items()),
        *(Sample("gleitzeit_turned_away_total", (code,), n) for code, n in hub.meter.refusals().items()),
        Sample("gleitzeit_tasks", (), len(asyncio.all_tasks())),
    ]


def _supervised(supervisor: Supervisor, connected: Iterable[Registration], epoch: float) -> Iterator[Sample]:
    """Those that lead. `epoch`: the Unix time at 0 of the loop's clock."""
    by_instance: defaultdict[str, list[Registration]] = defaultdict(list)
    for registration in connected:
        by_instance[registration.instance].append(registration)
    for instance in supervisor.instances.values():
        process, labels = instance.process, (instance.spec.name, instance.name)
        ready = is_ready(process, of_life(process, by_instance[instance.name]))
        since = process.ready_at if process.is_alive else None
        yield from _standing(labels, process.state, ready, None if since is None else epoch + since)
        yield Sample("gleitzeit_instance_restarts_total", labels, process.restarts)
        yield Sample("gleitzeit_log_dropped_bytes_total", labels, instance.output.lost)


def _standing(labels: tuple[str, str], state: State, ready: bool, started: float | None) -> Iterator[Sample]:
    yield Sample("gleitzeit_instances", (*labels, state), 1)
    yield Sample("gleitzeit_instance_up", labels, state is State.RUNNING)
    yield Sample("gleitzeit_instance_ready", labels, ready)
    if started is not None:
        # Two clocks are read one after the other: what is below a millisecond is noise.
        yield Sample("gleitzeit_instance_start_time_seconds", labels, round(started, 3))


def _registered(connected: Iterable[Registration], now: float, epoch: float) -> Iterator[Sample]:
    """Whoever is connected. Several connections may bear one name: two lives, or two external providers."""
    by_labels: defaultdict[tuple[str, str], list[Registration]] = defaultdict(list)
    for registration in connected:
        by_labels[registration.name, registration.instance].append(registration)
    for labels, own in by_labels.items():
        if own[0].is_external:
            ready = any(registration.is_ready for registration in own)
            yield from _standing(labels, State.RUNNING, ready, epoch + min(one.since for one in own))
        yield Sample("gleitzeit_instance_in_flight", labels, sum(len(one.calls) for one in own))
        yield Sample("gleitzeit_instance_slots", labels, sum(one.slots for one in own))
        yield Sample("gleitzeit_instance_breaker", (*labels, circuit(own[0].breaker, now)), 1)
        for metric, value in _own_metrics(own[0].health):
            yield Sample("gleitzeit_provider_metric", (*labels, metric), value)


def _own_metrics(health: Mapping[str, object] | None) -> Iterator[tuple[str, float]]:
    """The numbers that a provider tells of itself, as far as they can be written."""
    told = health.get("metrics") if health else None
    if not isinstance(told, dict):
        return
    numbers = [
        (name, value)
        for name, value in told.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    ]
    for name, value in numbers[:MOST_OWN]:
        # JSON may hold half a character, and integers that no float can.
        if len(name) <= LONGEST_OWN and name.isprintable() and abs(value) <= sys.float_info.max:
            yield name, float(value)


def _calls(hub: Hub) -> Iterator[Sample]:
    for provider, series in hub.meter.series():
        of, name = (provider,), "gleitzeit_calls_total"
        yield from (Sample(name, (*of, *which), n) for which, n in series.calls.items())
        for kind, histogram in series.durations.items():
            yield from _histogram("gleitzeit_call_duration_seconds", (provider, kind), histogram)
        yield from _histogram("gleitzeit_queue_wait_seconds", of, series.waits)
        yield from _histogram("gleitzeit_first_chunk_seconds", of, series.firsts)
        if provider != NOBODY:
            yield Sample("gleitzeit_stream_items_total", of, series.items)
        yield from (Sample("gleitzeit_retries_total", (*of, code), n) for code, n in series.retries.items())
        yield from (Sample("gleitzeit_fallbacks_total", (*of, to), n) for to, n in series.fallbacks.items())


def _histogram(name: str, labels: tuple[str, ...], histogram: Histogram) -> Iterator[Sample]:
    if any(histogram.counts):
        yield Sample(name, labels, Buckets(tuple(histogram.counts), histogram.sum))


def _waiting(hub: Hub, connected: Iterable[Registration]) -> Iterator[Sample]:
    waiting = hub.registry.waiting()
    yield from (Sample("gleitzeit_queue_length", (provider,), n) for provider, n in waiting.items())
    streams = Counter(one.name for one in connected for call in one.calls.values() if call.stream)
    yield from (
        Sample("gleitzeit_streams_open", (provider,), streams[provider])
        for provider in dict.fromkeys(one.name for one in connected)
    )
