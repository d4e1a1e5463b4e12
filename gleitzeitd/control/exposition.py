"""GET /metrics: the samples in the words of Prometheus, or of OpenMetrics for who asks for them.

Writing them takes longer than reading them off, so a thread does it. The official library takes many times as
long, and a thread that computes slows the loop: so it writes only what is of the daemon's own process. It is
imported with the first scrape, since most daemons never see one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

import anyio
import anyio.to_thread
from aiohttp import web

from gleitzeitd.control.metrics import METRICS, Buckets, Kind, Sample, samples
from gleitzeitd.control.peers import rights
from gleitzeitd.hub.meter import SECONDS, cumulative
from gleitzeitd.hub.server import Hub
from gleitzeitd.processes.supervisor import Supervisor

OPENMETRICS = "application/openmetrics-text;version=1.0.0"
BOUNDS = [f'{bound}"}} ' for bound in (*SECONDS, "+Inf")]
"""As they stand between what a bucket begins with and its count."""


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

    # The library takes an `Accept` apart itself, and fails where a version is no number.
    is_open = OPENMETRICS.partition(";")[0] in accept
    encode, content_type = choose_encoder(OPENMETRICS if is_open else "")
    process = CollectorRegistry()
    ProcessCollector(registry=process)
    # The library's part is the last, as OpenMetrics ends with a mark.
    return "".join(_lines(found, is_open)).encode() + encode(process), content_type


def _lines(found: Iterable[Sample], is_open: bool) -> Iterator[str]:
    by_name: defaultdict[str, list[Sample]] = defaultdict(list)
    for sample in found:
        by_name[sample.name].append(sample)
    for name, (kind, labels, sentence) in METRICS.items():
        if name in by_name:
            family = name.removesuffix("_total") if is_open else name
            yield f"# HELP {family} {_escaped(sentence, quote=is_open)}\n# TYPE {family} {kind}\n"
            write = _histogram if kind is Kind.HISTOGRAM else _plain
            yield from (write(sample, _labels(labels, sample.labels)) for sample in by_name[name])


def _plain(sample: Sample, labels: str) -> str:
    assert not isinstance(sample.value, Buckets)
    return f"{sample.name}{f'{{{labels}}}' if labels else ''} {float(sample.value)!r}\n"


def _histogram(sample: Sample, labels: str) -> str:
    name, value = sample.name, sample.value
    assert isinstance(value, Buckets)
    counts = cumulative(value.counts)
    start = f'{name}_bucket{{{labels},le="'
    buckets = [f"{start}{bound}{count}\n" for bound, count in zip(BOUNDS, counts, strict=True)]
    return f"{''.join(buckets)}{name}_count{{{labels}}} {counts[-1]}\n{name}_sum{{{labels}}} {value.sum!r}\n"


def _labels(names: Iterable[str], values: Iterable[str]) -> str:
    return ",".join(
        [f'{name}="{_escaped(value, quote=True)}"' for name, value in zip(names, values, strict=True)]
    )


def _escaped(text: str, *, quote: bool) -> str:
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return text.replace('"', '\\"') if quote else text
