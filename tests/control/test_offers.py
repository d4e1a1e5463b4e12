"""What can be called, and where a call would go."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import pytest

from tests.control.asking import Answer, ask
from tests.house import House, house
from tests.sdk.daemons import PROBE

Ask = Callable[..., Answer]
PROVIDERS = {
    "twins": {"class": "probe.Probe", "instances": 2, "routing": {"aliases": {"fast": "probe-1"}}},
    "off": {"class": "probe.Probe", "enabled": False},
}
ROUTE = {"target", "how", "pattern", "model", "strategy", "waiting", "candidates"}
CANDIDATE = {
    *("instance", "provider", "model", "rank", "taken", "reason", "calls", "slots", "latency"),
    *("priority", "weight", "state", "breaker"),
}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("offers"), PROVIDERS, {"probe.py": PROBE}) as h:
        h.until("twins#1", "RUNNING")
        h.until("twins#2", "RUNNING")
        yield h


@pytest.fixture
def get(daemon: House) -> Ask:
    return partial(ask, str(daemon.socket), "GET")


def test_models_and_capabilities_are_listed_with_who_has_them(get: Ask) -> None:
    assert get("/v1/models").json == {
        "models": [{"name": "probe-1", "providers": ["twins"], "aliases": ["fast"], "pattern": False}],
        "capabilities": [{"name": "probing", "providers": ["twins"]}],
    }


@pytest.mark.parametrize(
    ("query", "how"),
    [
        ("target=twins", "provider"),
        ("provider=twins%232", "instance"),
        ("model=probe-1", "model"),
        ("target=fast", "alias"),
        ("capability=probing&session=ada", "capability"),
    ],
)
def test_a_route_tells_by_what_a_name_was_found_and_who_comes_first(get: Ask, query: str, how: str) -> None:
    route = get(f"/v1/route?{query}").json

    assert set(route) == ROUTE
    assert route["how"] == how
    assert all(set(one) == CANDIDATE for one in route["candidates"])
    instances = {one["instance"] for one in route["candidates"]}
    assert instances == ({"twins#2"} if how == "instance" else {"twins#1", "twins#2"})
    assert [one["rank"] for one in route["candidates"]] == list(range(1, len(instances) + 1))
    assert route["candidates"][0]["taken"] is True


@pytest.mark.parametrize("query", ["", "?target=", "?session=ada", "?model=a&provider=b", "?model=a&model=b"])
def test_a_route_is_of_one_name(get: Ask, query: str) -> None:
    assert "give one of" in get(f"/v1/route{query}").error("invalid_request")


def test_a_route_to_nobody_is_not_found(get: Ask) -> None:
    assert '"twin"' in get("/v1/route?provider=twin").error("not_found.provider")
    assert get("/v1/route?model=none").json["error"]["code"] == "not_found.model"
