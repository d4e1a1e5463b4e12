"""Type hints and docstrings of a method: how they describe it, and how its arguments are checked by them."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import typing
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pytest
from pydantic import Field

from gleitzeit_extensions import idempotent
from gleitzeit_extensions.protocol import CallError
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient
from tests.sdk.fake_hub import FakeHub
from tests.sdk.subjects import ROOT, serving

if TYPE_CHECKING:
    from decimal import Decimal

pytestmark = pytest.mark.anyio


@dataclass
class Point:
    x: int
    y: int = 0


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


class Subject(SocketIOProviderClient):
    """Each method gives back what it got."""

    def __init__(self) -> None:
        super().__init__("subject")

    async def number(self, a: float) -> Any:
        return a

    async def whole(self, n: Annotated[int, Field(gt=0)]) -> Any:
        return n

    async def either(self, value: int | float) -> Any:
        return value

    async def perhaps(self, text: str | None = None) -> Any:
        return text

    async def numbers(self, xs: list[int]) -> Any:
        return xs

    async def words(self, words: Iterable[str]) -> Any:
        return words

    async def point(self, at: Point) -> Any:
        return at

    async def points(self, at: dict[str, Point]) -> Any:
        return at

    async def mode(self, mode: Literal["fast", "slow"]) -> Any:
        return mode

    async def colour(self, colour: Colour) -> Any:
        return colour

    async def flag(self, on: bool) -> Any:
        return on

    async def unusable(
        self, a: int, hook: Callable[[int], int], money: Decimal, other: Subject | None
    ) -> Any:
        return [a, hook, money, other]

    async def nothing_said(self, a, b=2):  # type: ignore[no-untyped-def]
        return a, b

    async def endless(self, a: float = math.inf, b: Annotated[float, Field(examples=[math.inf])] = 1) -> Any:
        return [a, b]

    async def shared(self, seen: list[int] = []) -> Any:  # noqa: B006
        seen.append(1)
        return seen

    async def unnamed(self, a: int = 0, /, b: int = 0, *rest: int) -> Any:
        return b

    async def open(self, a: int, **options: Any) -> Any:
        return options

    @idempotent
    async def documented(self, city: str, days: int = 3, *, unit: Literal["C", "F"] = "C") -> list[Point]:
        """The weather to come.

        From the nearest station.

        Args:
            city: where, by its
                English name
            days (int): how many
        """
        return []

    @staticmethod
    @idempotent
    def inside() -> None: ...

    @idempotent
    @staticmethod
    def outside() -> None: ...

    async def forecasts(self, n: int) -> AsyncIterator[Point]:
        """One after the other."""
        yield Point(n)


async def refused(method: str, **args: Any) -> str:
    with pytest.raises(CallError) as caught:
        await Subject().invoke(method, **args)
    assert caught.value.code == "invalid_request"
    return caught.value.message.removeprefix(f'cannot call "{method}" of "subject": ')


@pytest.mark.parametrize(
    ("method", "args", "sentence"),
    [
        ("number", {"a": "five"}, 'a must be a number, not "five"'),
        ("number", {"a": None}, "a must be a number, not null"),
        ("number", {"a": "x" * 38}, f'a must be a number, not "{"x" * 38}"'),
        ("number", {"a": "secret" * 50}, "a must be a number, not a string of 300 characters"),
        ("number", {"a": [1] * 50}, "a must be a number, not a list of 50"),
        ("number", {"a": {"key": "x" * 50}}, "a must be a number, not an object with 1 names"),
        ("number", {"a": {1, 2}}, "a must be a number, not a set"),
        ("whole", {"n": 1.5}, "n must be a whole number, not 1.5"),
        ("whole", {"n": -1}, "n must be greater than 0, not -1"),
        ("either", {"value": "much"}, 'value must be a number, not "much"'),
        ("perhaps", {"text": 5}, "text must be a string, not 5"),
        ("numbers", {"xs": "1"}, 'xs must be a list, not "1"'),
        ("numbers", {"xs": [1, "two"]}, 'xs[1] must be a whole number, not "two"'),
        ("words", {"words": ["a", 2]}, "words[1] must be a string, not 2"),
        ("point", {"at": 5}, "at must be an object, not 5"),
        ("point", {"at": {"y": 1}}, "at.x is missing"),
        ("points", {"at": {"home": {"x": "far"}}}, 'at.home.x must be a whole number, not "far"'),
        ("mode", {"mode": "medium"}, "mode must be 'fast' or 'slow', not \"medium\""),
        ("flag", {"on": "perhaps"}, 'on must be true or false, not "perhaps"'),
        ("number", {}, "a is missing; it takes a"),
        ("unusable", {"a": 1}, "hook and money and other are missing; it takes a, hook, money, other"),
        ("number", {"a": 1, "b": 2}, "it takes no b; it takes a"),
        (
            "documented",
            {"citty": "x"},
            "it takes no citty (did you mean city?); it takes city, days=3, unit='C'",
        ),
        ("outside", {"a": 1}, "it takes no a; it takes nothing"),
        ("unnamed", {"a": 1}, "it takes no a; it takes b=0"),
    ],
)
async def test_what_a_method_cannot_take_is_told_in_a_sentence(
    method: str, args: dict[str, Any], sentence: str
) -> None:
    assert (await refused(method, **args)) == sentence


@pytest.mark.parametrize(
    ("method", "args", "got"),
    [
        ("number", {"a": 5}, 5.0),
        ("number", {"a": "5"}, 5.0),
        ("either", {"value": 5}, 5),
        ("either", {"value": 5.5}, 5.5),
        ("perhaps", {"text": None}, None),
        ("numbers", {"xs": [1, "2"]}, [1, 2]),
        ("words", {"words": ["a", "b"]}, ["a", "b"]),
        ("point", {"at": {"x": 1}}, Point(1)),
        ("points", {"at": {"home": {"x": 1, "y": 2}}}, {"home": Point(1, 2)}),
        ("colour", {"colour": "red"}, Colour.RED),
        ("open", {"a": 1, "b": "2", "c": None}, {"b": "2", "c": None}),
        ("nothing_said", {"a": "x"}, ("x", 2)),
    ],
)
async def test_a_method_gets_what_its_hints_make_of_the_arguments(
    method: str, args: dict[str, Any], got: Any
) -> None:
    given = await Subject().invoke(method, **args)

    assert (given, type(given)) == (got, type(got))


async def test_a_parameter_whose_hint_cannot_be_used_is_not_checked_and_the_others_are() -> None:
    marks: dict[str, Any] = {"hook": "h", "money": "m", "other": object()}

    assert await Subject().invoke("unusable", a="1", **marks) == [1, *marks.values()]
    assert await refused("unusable", a="one", **marks) == 'a must be a whole number, not "one"'


async def test_a_default_is_the_author_s_own() -> None:
    default = Subject.shared.__defaults__

    assert await Subject().invoke("shared") is (default or ())[0]


async def test_hints_and_docstring_describe_a_method() -> None:
    documented = {tool["name"]: tool for tool in await Subject().get_tools()}["documented"]
    point = documented["returns"]["$defs"]["Point"]

    assert documented["description"] == "The weather to come."
    assert documented["parameters"] == {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "where, by its English name"},
            "days": {"type": "integer", "description": "how many", "default": 3},
            "unit": {"type": "string", "enum": ["C", "F"], "default": "C"},
        },
        "required": ["city"],
        "additionalProperties": False,
    }
    assert documented["returns"]["items"] == {"$ref": "#/$defs/Point"}
    assert point["properties"] == {"x": {"type": "integer"}, "y": {"type": "integer", "default": 0}}
    assert (documented["stream"], documented["idempotent"]) == (False, True)


async def test_the_parts_of_a_parameter_s_schema_can_be_found() -> None:
    tools = {tool["name"]: tool for tool in await Subject().get_tools()}

    assert tools["point"]["parameters"]["properties"]["at"] == {"$ref": "#/$defs/Point"}
    assert tools["point"]["parameters"]["$defs"]["Point"]["required"] == ["x"]
    assert tools["open"]["parameters"]["additionalProperties"] is True
    assert tools["unusable"]["parameters"]["properties"]["hook"] == {}
    assert tools["nothing_said"]["parameters"]["properties"] == {"a": {}, "b": {"default": 2}}


async def test_what_json_has_no_number_for_is_left_out() -> None:
    endless = {tool["name"]: tool for tool in await Subject().get_tools()}["endless"]

    assert endless["parameters"]["properties"] == {"a": {"type": "number"}, "b": {"default": 1}}
    assert json.dumps(endless, allow_nan=False)


async def test_a_stream_is_described_by_its_items() -> None:
    forecasts = {tool["name"]: tool for tool in await Subject().get_tools()}["forecasts"]

    assert forecasts["stream"] is True
    assert forecasts["returns"]["properties"]["x"] == {"type": "integer"}


@pytest.mark.parametrize("hint", [typing.AsyncIterator, typing.Generator, Any])
async def test_a_stream_of_nobody_knows_what_is_described_as_far_as_it_is_known(hint: Any) -> None:
    class Bare(SocketIOProviderClient):
        async def count(self):  # type: ignore[no-untyped-def]
            yield 1

        count.__annotations__["return"] = hint

    (tool,) = await Bare("bare").get_tools()

    assert (tool["stream"], "returns" in tool) == (True, False)


async def test_the_mark_of_a_method_that_may_be_repeated_stands_on_either_side() -> None:
    marks = {tool["name"]: tool["idempotent"] for tool in await Subject().get_tools()}

    assert (marks["inside"], marks["outside"], marks["number"]) == (True, True, False)


async def test_a_stream_s_arguments_are_checked_and_converted_too(hub: FakeHub) -> None:
    class Counts(SocketIOProviderClient):
        async def count(self, n: int) -> AsyncIterator[int]:
            for i in range(n):
                yield i

    async with serving(Counts("counts", server_url=hub.url), hub):
        items, _ = await hub.stream("count", {"n": "3"})
        _, end = await hub.stream("count", {"n": "three"})

    assert items == [0, 1, 2]
    assert end["error"]["message"] == 'cannot call "count" of "counts": n must be a whole number, not "three"'


async def test_a_class_with_its_own_invoke_gets_what_came() -> None:
    class Open(Subject):
        async def invoke(self, method: str, **kwargs: Any) -> Any:
            return kwargs

    assert await Open().invoke("number", a="five", b=2) == {"a": "five", "b": 2}


@pytest.mark.parametrize(
    ("hints", "is_loaded"),
    [
        ("self, a, b=1", "False"),
        ("self, a: int, b: list[dict[str, str | None]] | None = None", "True"),
        ("self, a: int, b: dict[str, list[float]] = {}, c: int | float | None = 1", "False"),
        ("self, a: str", "True"),
    ],
)
def test_pydantic_is_loaded_only_for_hints_and_values_that_need_it(hints: str, is_loaded: str) -> None:
    code = f"""
import asyncio, sys
from gleitzeit_extensions import CallError
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient
class Mine(SocketIOProviderClient):
    async def double({hints}):
        "Two lines.\\n\\nOf words."
assert "pydantic" not in sys.modules
try:
    asyncio.run(Mine("mine").invoke("double", a=1))
except CallError as exc:
    assert str(exc).endswith("a must be a string, not 1")
asyncio.run(Mine("mine").get_tools())
print("pydantic" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == f"{is_loaded}\n"
