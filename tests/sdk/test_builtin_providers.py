"""The providers that come with us: what they answer, and what they refuse."""

from __future__ import annotations

import math
from typing import Any

import pytest

from gleitzeit_extensions.protocol import CallError
from providers.calculator_provider import CalculatorProvider
from providers.echo_provider import EchoProvider
from tests.sdk.fake_hub import FakeHub
from tests.sdk.subjects import serving

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("method", "args", "expression", "result"),
    [
        ("add", {"a": 5, "b": 3}, "5 + 3 = 8", 8),
        ("subtract", {"a": 5, "b": 3}, "5 - 3 = 2", 2),
        ("multiply", {"a": 5, "b": 0.5}, "5 * 0.5 = 2.5", 2.5),
        ("divide", {"a": 5, "b": 2}, "5 / 2 = 2.5", 2.5),
        ("power", {"a": 2, "b": 10}, "2 ** 10 = 1024", 1024),
        ("power", {"a": -8, "b": -1}, "-8 ** -1 = -0.125", -0.125),
        ("sqrt", {"x": 9}, "sqrt(9) = 3.0", 3.0),
        ("sin", {"x": 0}, "sin(0) = 0.0", 0.0),
        ("cos", {"x": 0}, "cos(0) = 1.0", 1.0),
        ("log", {"x": 1}, "log(1) = 0.0", 0.0),
        ("log", {"x": 8, "base": 2}, "log(8, 2) = 3.0", 3.0),
    ],
)
async def test_the_calculator_calculates(
    method: str, args: dict[str, Any], expression: str, result: float
) -> None:
    answer = await CalculatorProvider(name="calculator").invoke(method, **args)

    assert answer == {"expression": expression, "result": result}


@pytest.mark.parametrize(
    ("method", "args", "sentence"),
    [
        ("divide", {"a": 10, "b": 0}, "Division by zero"),
        ("log", {"x": 0}, "needs a positive number"),
        ("log", {"x": 2, "base": 1}, "other than 1"),
        ("sqrt", {"x": -1}, "not negative"),
        ("power", {"a": 0, "b": -1}, "zero has no negative power"),
        ("power", {"a": -1, "b": 0.5}, "not a real number"),
        ("power", {"a": 10, "b": 10**9}, "too large a number"),
        ("power", {"a": 10.0, "b": 400}, "too large"),
        ("multiply", {"a": 1e300, "b": 1e300}, "the result of 1e\\+300 \\* 1e\\+300 is too large"),
        ("sin", {"x": math.inf}, "math domain error|expected a finite input"),
    ],
)
async def test_the_calculator_says_what_it_cannot(method: str, args: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        await CalculatorProvider(name="calculator").invoke(method, **args)


@pytest.mark.parametrize("a", ["five", None, [1]])
async def test_the_calculator_takes_numbers_only(a: Any) -> None:
    with pytest.raises(CallError, match='cannot call "add" of "calculator": a must be a number, not'):
        await CalculatorProvider(name="calculator").invoke("add", a=a, b=3)


async def test_the_calculator_wants_all_its_numbers() -> None:
    with pytest.raises(CallError, match="b is missing; it takes a, b"):
        await CalculatorProvider(name="calculator").invoke("add", a=5)


async def test_the_calculator_registers_its_methods(hub: FakeHub) -> None:
    async with serving(CalculatorProvider(name="calculator", server_url=hub.url), hub):
        told = await hub.seen("register")

    assert [method["name"] for method in told["methods"]] == (
        ["add", "subtract", "multiply", "divide", "power", "sqrt", "sin", "cos", "log"]
    )
    assert all(method["description"] and method["idempotent"] for method in told["methods"])
    assert told["methods"][0]["parameters"]["required"] == ["a", "b"]
    assert (told["type"], told["closed"]) == ("tool", True)


async def test_echo_says_what_it_is_told(hub: FakeHub) -> None:
    async with serving(EchoProvider(name="echo", server_url=hub.url), hub):
        answer = await hub.call("generate", {"prompt": "hello there", "model": "echo", "temperature": 0})
        items, end = await hub.stream("generate", {"prompt": "hello there", "delay": 0})
        told = await hub.seen("register")

    assert answer["result"] == {"text": "hello there", "model": "echo"}
    assert items == [
        {"token": "hello ", "done": False, "model": "echo"},
        {"token": "there ", "done": True, "model": "echo"},
    ]
    assert end["seq"] == 2
    assert (told["type"], told["models"]) == ("llm", ["echo"])


async def test_echo_of_nothing_is_an_empty_stream(hub: FakeHub) -> None:
    async with serving(EchoProvider(name="echo", server_url=hub.url), hub):
        assert await hub.stream("stream", {"prompt": ""}) == ([], {"id": "c1", "seq": 0})
