"""Patterns of names, wherever the control API takes names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import cast

import anyio
import pytest

from gleitzeit_extensions.protocol import CallError
from gleitzeitd.control.names import LONGEST_PATTERN, chosen, selected
from gleitzeitd.control.stories import stories
from gleitzeitd.processes.supervisor import Supervisor
from tests.control.asking import Answer, ask
from tests.house import House, eventually, house
from tests.hub.peers import site

SLEEPS = {"command": ["sh", "-c", "echo up; exec sleep 1000"], "start_seconds": 0}
PROVIDERS = {"worker": SLEEPS | {"instances": 3}, "calc": SLEEPS, "calm": SLEEPS}
Ask = Callable[..., Answer]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("names"), PROVIDERS) as h:
        for name in ("worker#1", "worker#2", "worker#3", "calc", "calm"):
            h.until(name, "RUNNING")
        yield h


@pytest.fixture
def request_(daemon: House) -> Ask:
    return lambda *words: ask(str(daemon.socket), *words)


def names(answer: Answer, key: str = "instances") -> list[str]:
    return [instance["name"] for instance in answer.json[key]]


MEANT = [
    ("cal*", ["calc", "calm"]),
    ("worker#%3F", ["worker#1", "worker#2", "worker#3"]),
    ("worker#[13]", ["worker#1", "worker#3"]),
    ("w*", ["worker#1", "worker#2", "worker#3"]),
    ("*", ["worker#1", "worker#2", "worker#3", "calc", "calm"]),
    ("all", ["worker#1", "worker#2", "worker#3", "calc", "calm"]),
    ("calm&name=c*", ["calc", "calm"]),
]


@pytest.mark.parametrize(("query", "meant"), MEANT)
def test_a_pattern_means_all_that_are_like_it(request_: Ask, query: str, meant: list[str]) -> None:
    query = query.replace("#", "%23")

    assert names(request_("GET", f"/v1/status?name={query}")) == meant
    assert sorted(names(request_("GET", f"/v1/why?name={query}"))) == sorted(meant)


@pytest.mark.parametrize("path", ["/v1/status", "/v1/why", "/v1/logs"])
def test_a_pattern_that_nothing_is_like_says_what_there_is(request_: Ask, path: str) -> None:
    sentence = request_("GET", f"{path}?name=kalk*").error("not_found.provider")

    assert sentence.endswith("worker, calc, calm")
    assert 'no provider like "kalk*"' in sentence


def test_the_logs_of_a_pattern_are_those_of_all_that_are_like_it(request_: Ask) -> None:
    def said() -> bool:
        lines = request_("GET", "/v1/logs?name=worker*").lines
        return sorted(line["instance"] for line in lines) == ["worker#1", "worker#2", "worker#3"]

    eventually(said, "each has said its line")


def test_patterns_are_steered_in_the_order_in_which_they_stand_each_once(request_: Ask) -> None:
    answer = request_("POST", "/v1/start", {"names": ["calm", "worker#[12]", "c*", "worker#1"]})

    assert names(answer, "results") == ["calm", "worker#1", "worker#2", "calc"]


def test_nothing_is_done_when_a_pattern_means_nobody(request_: Ask, daemon: House) -> None:
    request_("POST", "/v1/stop", {"names": ["cal*", "kalk*"]}).error("not_found.provider")

    assert daemon.view("calc")["state"] == "RUNNING"


def test_what_is_too_long_for_a_pattern_is_an_unknown_name() -> None:
    def demand(name: str) -> None:
        raise CallError("not_found.provider", "unknown")

    with pytest.raises(CallError, match="unknown"):
        selected([{"name": "a", "provider": "a"}], ["*" * (LONGEST_PATTERN + 1)], demand)


@pytest.mark.anyio
async def test_a_pattern_may_mean_what_others_started() -> None:
    nobody = cast(Supervisor, SimpleNamespace(instances={}, order=SimpleNamespace(instances={})))
    async with site() as hub:
        await hub.provider("near")
        await hub.provider("far")

        told = stories(nobody, hub.hub, {}, ["ne*", "*r", "near"], anyio.current_time())

        assert [story["name"] for story in told] == ["near", "far"]
        with pytest.raises(CallError, match=r'runs no provider like "ne\*": it runs none'):
            chosen(nobody, ["ne*"])
