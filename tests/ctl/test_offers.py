"""The commands that show what can be called, and where a call would go."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from gleitzeitctl.schemas import in_words
from tests.ctl.conftest import MODULE, Ctl
from tests.ctl.fake_daemon import FakeDaemon, Request, refusal, reply
from tests.terminal import terminal

FIRST = {
    "instance": "openai",
    "provider": "openai",
    "taken": True,
    "rank": 1,
    "reason": "has the fewest calls",
    "calls": 1,
    "slots": 8,
    "latency": 0.0421,
    "priority": 0,
    "weight": 1.0,
    "state": "RUNNING",
    "breaker": "closed",
    "model": "gpt-4",
}
OTHER = FIRST | {"instance": "azure", "taken": False, "rank": None, "reason": "its breaker is open"}
OTHER |= {"latency": None, "state": "BACKOFF", "model": "gpt-4-eu"}
EXPLAINED = {
    "target": {"by": "target", "name": "gpt-4"},
    "how": "model",
    "pattern": "",
    "model": {"openai": "gpt-4", "azure": "gpt-4-eu"},
    "strategy": "least-busy",
    "waiting": 2,
    "candidates": [FIRST, OTHER],
}


def test_route_tells_what_a_name_is_and_who_comes_first_and_why(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(reply(EXPLAINED))

    done = ctl("route", "gpt-4")

    assert done.returncode == 0
    assert done.stderr == '"gpt-4" is a model; strategy least-busy; 2 calls wait\n'
    assert done.stdout.splitlines() == [
        "RANK  INSTANCE  MODEL     CALLS  LATENCY  STATE    REASON",
        "1     openai    gpt-4     1/8    42 ms    RUNNING  has the fewest calls",
        "-     azure     gpt-4-eu  1/8    -        BACKOFF  its breaker is open",
    ]
    assert daemon.requests == [Request("GET", "/v1/route?target=gpt-4")]


def test_route_tells_priorities_where_they_differ(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(reply(EXPLAINED | {"candidates": [FIRST, OTHER | {"priority": 5}]}))

    rows = [line.split()[3] for line in ctl("route", "gpt-4").stdout.splitlines()]
    assert rows == ["PRIORITY", "0", "5"]


@pytest.mark.parametrize("kind", ["provider", "model", "capability"])
def test_route_can_be_told_what_the_name_is_and_for_which_session(
    daemon: FakeDaemon, ctl: Ctl, kind: str
) -> None:
    daemon.answers(reply(EXPLAINED))

    done = ctl("route", "gpt 4", f"--{kind}", "--session", "ada", "--json")

    assert json.loads(done.stdout) == EXPLAINED
    assert daemon.requests == [Request("GET", f"/v1/route?{kind}=gpt+4&session=ada")]


def test_route_names_the_pattern_that_a_model_was_found_by(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(reply(EXPLAINED | {"how": "wildcard", "pattern": "gpt-*", "waiting": 0}))

    assert ctl("route", "gpt-4").stderr == (
        '"gpt-4" is a model by the pattern "gpt-*"; strategy least-busy\n'
    )


def test_route_ends_with_1_when_nobody_could_take_the_call(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(reply(EXPLAINED | {"candidates": [OTHER]}))

    assert ctl("route", "gpt-4").returncode == 1


def test_route_of_a_name_that_is_two_things_is_refused(daemon: FakeDaemon, ctl: Ctl) -> None:
    done = ctl("route", "gpt-4", "--model", "--provider")

    assert (done.returncode, daemon.requests) == (2, [])
    assert "give one of --provider, --model and --capability" in done.stderr


def test_route_of_an_unknown_model_is_not_found(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(refusal("not_found.model", 'nobody has a model "gtp-4"', 404))

    done = ctl("route", "gtp-4", "--model")

    assert (done.returncode, done.stderr) == (4, 'gleitzeitctl: nobody has a model "gtp-4"\n')


CATALOGUE: dict[str, Any] = {
    "models": [
        {"name": "gpt-*", "providers": ["azure"], "aliases": [], "pattern": True},
        {"name": "gpt-4", "providers": ["azure", "openai"], "aliases": ["fast"], "pattern": False},
    ],
    "capabilities": [{"name": "text", "providers": ["openai"]}],
}


def test_models_are_listed_with_who_has_them(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(reply(CATALOGUE))

    assert ctl("providers", "models").stdout.splitlines() == [
        "MODEL  PROVIDERS     ALIASES",
        "gpt-*  azure",
        "gpt-4  azure openai  fast",
    ]
    assert json.loads(ctl("providers", "models", "--json").stdout) == {"models": CATALOGUE["models"]}
    assert daemon.requests[0] == Request("GET", "/v1/models")


def test_capabilities_are_listed_with_who_has_them(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(reply(CATALOGUE))

    assert ctl("providers", "capabilities").stdout.splitlines() == [
        "CAPABILITY  PROVIDERS",
        "text        openai",
    ]


@pytest.mark.parametrize(("command", "what"), [("models", "model"), ("capabilities", "capability")])
def test_that_there_is_none_is_said_where_it_disturbs_nobody(
    daemon: FakeDaemon, ctl: Ctl, command: str, what: str
) -> None:
    daemon.answers(reply({"models": [], "capabilities": []}))

    done = ctl("providers", command)

    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"no provider has said that it has a {what}\n"


ADD = {
    "name": "add",
    "description": "The sum.",
    "parameters": {
        "type": "object",
        "properties": {"a": {"type": "number"}, "b": {"type": "number", "default": 1}},
        "required": ["a"],
    },
    "returns": {"type": "object"},
    "stream": False,
    "idempotent": True,
}
COUNT = {"name": "count", "stream": True, "returns": {"type": "integer"}}
BARE = {"name": "bare", "description": "Says nothing of itself."}


def test_methods_are_listed_with_their_arguments(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(reply({"providers": [{"name": "calculator", "methods": [ADD, COUNT, BARE]}]}))

    assert ctl("providers", "methods", "calculator").stdout.splitlines() == [
        "METHOD  ARGUMENTS                  RETURNS            DESCRIPTION",
        "add     a: number, b?: number = 1  object             The sum.",
        "count   -                          stream of integer",
        "bare    -                          -                  Says nothing of itself.",
    ]
    assert daemon.requests == [Request("GET", "/v1/providers?name=calculator")]


def test_methods_of_an_unknown_provider_are_not_found(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(
        refusal("not_found.provider", 'no provider "calculater" (did you mean "calculator"?)', 404)
    )

    done = ctl("providers", "methods", "calculater")

    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr == 'gleitzeitctl: no provider "calculater" (did you mean "calculator"?)\n'


CHAT = {
    "name": "chat",
    "description": "Answer.\n\nAt length.",
    "parameters": {
        "type": "object",
        "properties": {
            "prompt": {"type": "string", "description": "What to say to it."},
            "heat": {"type": "number", "default": 0.5, "minimum": 0, "maximum": 2},
            "seed": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None},
        },
        "required": ["prompt"],
    },
    "returns": {"type": "string"},
    "stream": True,
    "idempotent": True,
}


def test_one_method_is_told_with_all_that_its_caller_needs(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(reply({"providers": [{"name": "ollama", "methods": [ADD, CHAT]}]}))

    assert ctl("providers", "methods", "ollama", "chat").stdout.splitlines() == [
        "ollama chat: Answer.",
        "",
        "At length.",
        "",
        "ARGUMENT  TYPE            DEFAULT   MUST BE                DESCRIPTION",
        "prompt    string          required  -                      What to say to it.",
        "heat      number          0.5       at least 0, at most 2",
        "seed      integer | null  null      -",
        "",
        "Returns: stream of string",
        "It may be repeated: a call is made again when its provider dies.",
        "",
        "Example:",
        "  gleitzeitctl providers stream ollama chat prompt=text",
    ]
    whole = json.loads(ctl("providers", "methods", "ollama", "chat", "--json").stdout)
    assert whole == {"name": "ollama", "method": CHAT}


def test_a_method_that_is_not_there_is_named_with_the_nearest_that_is(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(reply({"providers": [{"name": "calculator", "methods": [ADD, COUNT]}]}))

    done = ctl("providers", "methods", "calculator", "ad")

    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr == (
        'gleitzeitctl: "calculator" has no method "ad" (did you mean "add"?): it has add, count\n'
    )


LONG = ADD | {"description": "The sum of as many numbers as there are, which may take a while. " * 2}


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_methods_fit_the_terminal(daemon: FakeDaemon, ctl: Ctl, columns: int) -> None:
    """Seen to fail with the widths of the cells as they come."""
    daemon.answers(reply({"providers": [{"name": "calculator", "methods": [LONG, CHAT]}]}))
    command = [sys.executable, *MODULE, "providers", "methods", "calculator"]

    with terminal(command, ctl.environment(), columns=columns) as screen:
        assert screen.ended() == 0
        assert "At length." in screen.text
        assert [line for line in screen.drawn.decode().split("\r\n") if len(line) > columns] == []


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "string"}, "string"),
        ({"type": ["string", "null"]}, "string | null"),
        ({"type": "array", "items": {"type": "number"}}, "[number]"),
        ({"type": "array"}, "array"),
        ({"enum": ["a", 1]}, '"a" | 1'),
        ({"const": None}, "null"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "integer | null"),
        ({"anyOf": [{"type": "integer"}, {"type": "number"}]}, "number"),
        ({"$ref": "#/$defs/Message"}, "Message"),
        ({}, "any"),
        (True, "any"),
    ],
)
def test_a_schema_in_a_few_words(schema: Any, words: str) -> None:
    assert in_words(schema) == words


def test_a_schema_that_never_ends_is_cut() -> None:
    endless: dict[str, Any] = {"type": "array"}
    endless["items"] = endless

    assert in_words(endless) == "[[[[any]]]]"
