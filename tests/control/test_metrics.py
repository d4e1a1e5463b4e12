"""What /metrics tells of a real daemon, read by the official parsers."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
import socketio
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_prometheus

from gleitzeit_extensions.places import token_file
from gleitzeit_extensions.protocol import PROTO, PROVIDERS
from gleitzeitd.control.exposition import exposition
from gleitzeitd.control.metrics import METRICS, Buckets, Kind, Sample, _own_metrics
from gleitzeitd.hub.meter import SECONDS
from tests.control.conftest import Ask
from tests.house import PATIENCE, House, eventually, house

OPENMETRICS = {"Accept": "application/openmetrics-text;version=0.0.1;q=0.75,text/plain;q=0.5"}
TELLER = '''
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient

class Teller(SocketIOProviderClient):
    """Tells numbers of itself."""

    async def say(self, word: str = "hello"):
        """The word."""
        return word

    async def fail(self):
        """Never well."""
        raise ValueError("out of order")

    async def stream(self, items: int = 3):
        """Numbers."""
        for item in range(items):
            yield item

    async def get_health_status(self):
        told = {"loaded": 3, "rate": 0.5, "is_up": True, "note": "text", "huge": 10**400, "half\\ud800": 1}
        return {"healthy": True, "metrics": told}
'''
HOUSE = {
    "teller": {"class": "teller.Teller", "instances": 2, "routing": {"concurrency": 7}},
    "sleeper": {"command": ["sleep", "1000"], "start_seconds": 0},
    "fatal": {"command": ["sh", "-c", "exit 78"]},
}
read_openmetrics: Any = openmetrics.text_string_to_metric_families
Found = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("metrics"), HOUSE, {"teller.py": TELLER}) as h:
        for name, state in {"teller#1": "RUNNING", "teller#2": "RUNNING", "fatal": "FATAL"}.items():
            h.until(name, state)
        yield h


def read(ask: Ask) -> Found:
    """Every value by its name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in read_prometheus(ask("GET", "/metrics").body.decode())
        for sample in family.samples
    }


def key(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return f"gleitzeit_{name}", frozenset(labels.items())


def test_the_official_parsers_read_both_formats(request_: Ask) -> None:
    plain, open_ = request_("GET", "/metrics"), request_("GET", "/metrics", headers=OPENMETRICS)

    assert plain.type == "text/plain; version=0.0.4; charset=utf-8"
    assert open_.type.startswith("application/openmetrics-text; version=1.0.0")
    for families in (read_prometheus(plain.body.decode()), read_openmetrics(open_.body.decode())):
        found = {family.name: family for family in families}
        assert found["gleitzeit_instances"].samples
        assert found["process_resident_memory_bytes"].samples[0].value > 1e6


@pytest.mark.parametrize(
    "accept", ["application/openmetrics-text;version=x", "text/plain;version=", "*/*", ","]
)
def test_whoever_asks_in_strange_words_gets_an_answer(request_: Ask, accept: str) -> None:
    answer = request_("GET", "/metrics", headers={"Accept": accept})

    assert answer.status == 200
    assert b"gleitzeit_instances" in answer.body


def test_every_metric_is_of_the_type_and_has_the_labels_that_the_docs_say(request_: Ask) -> None:
    for path in ("/v1/providers/teller/invoke", "/v1/providers/teller/stream"):
        request_("POST", path, {"method": "stream" if path.endswith("stream") else "say"})

    families = read_prometheus(request_("GET", "/metrics").body.decode())
    shown = {family.name: family for family in families if family.name.startswith("gleitzeit_")}
    for name, family in shown.items():
        metric = METRICS[f"{name}_total" if family.type == "counter" else name]
        assert family.type == metric.kind
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(metric.labels), sample


def test_each_instance_shows_the_state_that_it_is_in(request_: Ask) -> None:
    found = read(request_)

    for instance, state in {"teller#1": "RUNNING", "sleeper": "RUNNING", "fatal": "FATAL"}.items():
        labels = {"provider": instance.partition("#")[0], "instance": instance}
        assert found[key("instances", **labels, state=state)] == 1
        assert found[key("instance_up", **labels)] == (state == "RUNNING")
        assert found[key("instance_ready", **labels)] == (state == "RUNNING")
        assert found[key("instance_restarts_total", **labels)] == 0
        assert (key("instance_start_time_seconds", **labels) in found) == (state == "RUNNING")


def test_what_is_connected_shows_its_slots_and_calls(request_: Ask) -> None:
    found = read(request_)
    labels = {"provider": "teller", "instance": "teller#2"}

    assert found[key("instance_slots", **labels)] == 7
    assert found[key("instance_in_flight", **labels)] == 0
    assert found[key("instance_breaker", **labels, state="closed")] == 1
    assert found[key("connections", kind="provider")] == 2
    assert found[key("connections", kind="caller")] == 0


def test_calls_are_counted_by_their_end(request_: Ask) -> None:
    before = read(request_)
    request_("POST", "/v1/providers/teller/invoke", {"method": "say"})
    request_("POST", "/v1/providers/teller/invoke", {"method": "fail"})
    request_("POST", "/v1/providers/teller/stream", {"method": "stream", "args": {"items": 5}})
    for ghost in ("ghost", "phantom"):
        request_("POST", f"/v1/providers/{ghost}/invoke", {"method": "say"})
    after = read(request_)

    def more(name: str, **labels: str) -> float:
        return after.get(key(name, **labels), 0.0) - before.get(key(name, **labels), 0.0)

    assert more("calls_total", provider="teller", kind="invoke", code="ok") == 1
    assert more("calls_total", provider="teller", kind="invoke", code="provider_error") == 1
    assert more("calls_total", provider="teller", kind="stream", code="ok") == 1
    assert more("calls_total", provider="", kind="invoke", code="not_found.provider") == 2
    assert more("call_duration_seconds_count", provider="teller", kind="invoke") == 2
    assert more("queue_wait_seconds_count", provider="teller") == 3
    assert more("first_chunk_seconds_count", provider="teller") == 1
    assert more("stream_items_total", provider="teller") == 5


def test_the_numbers_that_a_provider_tells_of_itself_are_shown(request_: Ask) -> None:
    def told() -> dict[str, float]:
        request_("GET", "/v1/providers/teller/health")
        return {
            dict(labels)["metric"]: value
            for (name, labels), value in read(request_).items()
            if name == "gleitzeit_provider_metric" and ("instance", "teller#1") in labels
        }

    assert eventually(told) == {"loaded": 3, "rate": 0.5}


def test_two_connections_of_one_name_are_one_instance(request_: Ask, daemon: House) -> None:
    async def join(url: str, token: str) -> Found:
        auth, clients = {"proto": PROTO, "token": token}, [socketio.AsyncClient() for _ in range(2)]
        try:
            for client in clients:
                await client.connect(url, namespaces=[PROVIDERS], transports=["websocket"], auth=auth)
                assert (await client.call("register", {"name": "guest"}, namespace=PROVIDERS))["ok"]
            return await asyncio.to_thread(read, request_)
        finally:
            for client in clients:
                await client.disconnect()

    (url, *_), token = request_("GET", "/v1/status").json["daemon"]["hub"], local_token(daemon)
    found = asyncio.run(join(url, token))
    labels = {"provider": "guest", "instance": "guest"}
    assert found[key("instances", **labels, state="RUNNING")] == 1
    assert found[key("instance_slots", **labels)] % 2 == 0
    assert found[key("connections", kind="provider")] == 4


def test_a_scraper_comes_over_tcp_with_a_token(request_: Ask, daemon: House) -> None:
    (url, *_) = request_("GET", "/v1/status").json["daemon"]["hub"]

    def scrape(headers: Mapping[str, str]) -> int:
        try:
            with urlopen(Request(f"{url}/metrics", headers=dict(headers)), timeout=PATIENCE) as answer:
                return int(answer.status)
        except HTTPError as exc:
            exc.close()
            return exc.code

    assert scrape({"Authorization": f"Bearer {local_token(daemon)}"}) == 200
    assert scrape({}) == 401


def local_token(daemon: House) -> str:
    return Path(token_file(str(daemon.socket))).read_text().strip()


@pytest.mark.parametrize("told", [None, {}, {"metrics": None}, {"metrics": [1]}, {"metrics": {"a": None}}])
def test_a_provider_may_tell_nothing(told: Mapping[str, object] | None) -> None:
    assert list(_own_metrics(told)) == []


def test_a_provider_that_tells_without_end_is_cut_short() -> None:
    told = {"x" * 101: 1, **{f"m{number}": number for number in range(1000)}}

    assert len(list(_own_metrics({"metrics": told}))) == 49


def test_names_follow_the_conventions() -> None:
    for name, metric in METRICS.items():
        assert name.startswith("gleitzeit_")
        assert name.endswith("_total") == (metric.kind is Kind.COUNTER)
        if metric.kind is Kind.HISTOGRAM:
            assert name.endswith("_seconds")


@pytest.mark.parametrize(
    ("accept", "reader"), [("", read_prometheus), (OPENMETRICS["Accept"], read_openmetrics)]
)
def test_what_is_written_is_what_the_official_parsers_read(accept: str, reader: Any) -> None:
    strange = 'a "quoted"\\ back\nslash é'
    counts = (1, 0, 2, *([0] * (len(SECONDS) - 3)), 4)
    body, _ = exposition(
        [
            Sample("gleitzeit_tasks", (), 7),
            Sample("gleitzeit_turned_away_total", (strange,), 2**60),
            Sample("gleitzeit_call_duration_seconds", ("p", "invoke"), Buckets(counts, 0.125)),
            Sample("gleitzeit_call_duration_seconds", ("p", "stream"), Buckets(counts, 1.5)),
        ],
        accept,
    )
    families = {family.name: family for family in reader(body.decode())}

    assert families["gleitzeit_tasks"].samples[0].value == 7
    assert families["gleitzeit_tasks"].documentation == METRICS["gleitzeit_tasks"].sentence
    (turned_away,) = families["gleitzeit_turned_away"].samples
    assert (turned_away.name, turned_away.labels) == ("gleitzeit_turned_away_total", {"code": strange})
    assert turned_away.value == 2**60
    found = {
        (name.removeprefix("gleitzeit_call_duration_seconds_"), labels.get("le", "")): value
        for name, labels, value, *_ in families["gleitzeit_call_duration_seconds"].samples
        if labels["kind"] == "invoke"
    }
    bounds = dict(zip([*map(str, SECONDS), "+Inf"], [1, 1, *([3] * (len(SECONDS) - 2)), 7], strict=True))
    assert found == {
        **{("bucket", bound): count for bound, count in bounds.items()},
        ("count", ""): 7,
        ("sum", ""): 0.125,
    }


def test_the_document_names_only_metrics_that_there_are() -> None:
    text = (Path(__file__).parents[2] / "docs/metrics.md").read_text()
    suffix = r"(_bucket|_sum|_count)?"
    for name in set(re.findall(r"gleitzeit_[a-z_]+", text)):
        assert re.sub(suffix + "$", "", name) in METRICS
