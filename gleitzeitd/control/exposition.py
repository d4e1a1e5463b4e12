"""GET /metrics: the samples in the words of Prometheus, or of OpenMetrics for who asks for them.

Writing them takes longer than reading them off, so a thread does it; and the library that does it is imported
there with the first scrape, since most daemons never see one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
from aiohttp import web

from gleitzeitd.control.metrics import METRICS, Buckets, Kind, Sample, samples
from gleitzeitd.control.peers import rights
from gleitzeitd.hub.meter import SECONDS, cumulative
from gleitzeitd.hub.server import Hub
from gleitzeitd.processes.supervisor import Supervisor

if TYPE_CHECKING:
    from prometheus_client import Metric

OPENMETRICS = "application/openmetrics-text;version=1.0.0"
BOUNDS = (*(str(seconds) for seconds in SECONDS), "+Inf")


class MetricsRoute:
    def __init__(self, supervisor: Supervisor, hub: Hub) -> None:
        self._supervisor = supervisor
        self._hub = hub
        self._one_at_a_time = anyio.CapacityLimiter(1)

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/metrics", self._metrics)]

    async def _metrics(self, request: web.Request) -> web.Response:
        rights(request).demand_look()
        found = samples(self._supervisor, self._hub, anyio.current_time())
        accept = request.headers.get("Accept", "")
        limiter = self._one_at_a_time
        body, content_type = await anyio.to_thread.run_sync(exposition, found, accept, limiter=limiter)
        return web.Response(body=body, headers={"Content-Type": content_type})


def exposition(found: Iterable[Sample], accept: str) -> tuple[bytes, str]:
    """The text for these samples and this process, and its content type."""
    from prometheus_client import CollectorRegistry, ProcessCollector
    from prometheus_client.exposition import choose_encoder

    registry = CollectorRegistry()
    registry.register(Collector(found))
    ProcessCollector(registry=registry)
    # The library takes an `Accept` apart itself, and fails where a version is no number.
    encode, content_type = choose_encoder(OPENMETRICS if OPENMETRICS.partition(";")[0] in accept else "")
    return encode(registry), content_type


class Collector:
    """Hands the samples to the library, family by family."""

    def __init__(self, found: Iterable[Sample]) -> None:
        self._by_name: defaultdict[str, list[Sample]] = defaultdict(list)
        for sample in found:
            self._by_name[sample.name].append(sample)

    def collect(self) -> Iterator[Metric]:
        return (_family(name, self._by_name[name]) for name in METRICS if self._by_name[name])


def _family(name: str, found: Iterable[Sample]) -> Metric:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

    kind, labels, sentence = METRICS[name]
    if kind is Kind.HISTOGRAM:
        histogram = HistogramMetricFamily(name, sentence, labels=labels)
        for sample in found:
            assert isinstance(sample.value, Buckets)
            counts = map(float, cumulative(sample.value.counts))
            histogram.add_metric(sample.labels, list(zip(BOUNDS, counts, strict=True)), sample.value.sum)
        return histogram
    plain = (CounterMetricFamily if kind is Kind.COUNTER else GaugeMetricFamily)(
        name, sentence, labels=labels
    )
    for sample in found:
        assert not isinstance(sample.value, Buckets)
        plain.add_metric(sample.labels, sample.value)
    return plain
