"""`@tool`: what a method is called by from outside, and what its author is told when that cannot be."""

from __future__ import annotations

from typing import Any

import pytest

from gleitzeit_extensions.authors import Misconfigured
from gleitzeit_extensions.building import check_names
from gleitzeit_extensions.methods import idempotent
from gleitzeit_extensions.protocol import CallError
from gleitzeit_extensions.registration import registration
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient
from gleitzeit_extensions.tools import tool

pytestmark = pytest.mark.anyio


class Workshop(SocketIOProviderClient):
    @tool
    async def saw(self, wood: str) -> str:
        """Cut it."""
        return f"{wood} in two"

    @tool(name="make_a_hole", description="Make a hole of a size.")
    async def drill(self, size: int) -> str:
        """For the reader of the code."""
        return f"a hole of {size}"

    @tool(name="polish")
    @idempotent
    def _polish(self) -> str:
        return "it shines"

    @tool(name="count")
    async def _count(self) -> Any:
        yield 1
        yield 2

    async def plane(self) -> str:
        return "it is flat"

    async def _hide(self) -> str:
        return "nobody sees it"


def workshop() -> Workshop:
    return Workshop("workshop")


def entries(provider: SocketIOProviderClient) -> dict[str, Any]:
    return {entry["name"]: entry for entry in registration(provider)["methods"]}


async def test_a_tool_is_called_by_the_name_that_it_was_given() -> None:
    provider = workshop()

    assert await provider.invoke("saw", wood="oak") == "oak in two"
    assert await provider.invoke("make_a_hole", size=5) == "a hole of 5"
    assert await provider.invoke("polish") == "it shines"
    with pytest.raises(CallError, match='has no method "drill"'):
        await provider.invoke("drill", size=5)


def test_it_is_told_with_its_description_and_all_else_of_the_method() -> None:
    told = entries(workshop())

    assert list(told) == ["saw", "make_a_hole", "polish", "count", "plane"]
    assert [one["description"] for one in told.values()] == ["Cut it.", "Make a hole of a size.", "", "", ""]
    assert told["make_a_hole"]["parameters"]["properties"] == {"size": {"type": "integer"}}
    assert [name for name, one in told.items() if one["idempotent"]] == ["polish"]
    assert [name for name, one in told.items() if one["stream"]] == ["count"]


async def test_what_is_private_is_told_to_be_so() -> None:
    with pytest.raises(CallError) as told:
        await workshop().invoke("_hide")

    assert told.value.message == (
        '"workshop" has no method "_hide" to call, as what begins with _ is private: '
        "it has saw, make_a_hole, polish, count, plane"
    )


def test_a_method_that_is_overridden_is_called_by_what_the_newer_one_says() -> None:
    class Larger(Workshop):
        @tool(name="bore")
        async def drill(self, size: int) -> str:
            return "larger"

        async def saw(self, wood: str) -> str:
            return "in three"

    assert list(entries(Larger("larger"))) == ["polish", "count", "plane", "bore", "saw"]


def test_two_methods_of_one_name_are_both_named_with_their_lines() -> None:
    class Twice(SocketIOProviderClient):
        async def add(self) -> None: ...

        @tool(name="add")
        async def plus(self) -> None: ...

    with pytest.raises(Misconfigured) as told:
        check_names(Twice("twice"))

    first = Twice.add.__code__.co_firstlineno
    assert str(told.value) == (
        f'cannot make Twice: two methods are called "add": add (test_tools.py:{first}) and '
        f"plus (test_tools.py:{Twice.plus.__code__.co_firstlineno}): rename one of them"
    )


def private() -> None:
    @tool
    def _private(self: Any) -> None: ...


WRONG = [
    (private, ValueError, '_private is private: give it a name to be called by, as in @tool(name="private")'),
    (lambda: tool(name="_x"), ValueError, 'a tool cannot be called "_x": what begins with _ is private'),
    (lambda: tool(name=5), TypeError, "the name of a tool is a string, not a int"),  # type: ignore[call-overload]
    (lambda: tool(description=b"x"), TypeError, "the description of a tool is a string, not a bytes"),  # type: ignore[call-overload]
    (lambda: tool("add"), TypeError, "@tool is for a method, not for the string 'add': write @tool(name="),
    (lambda: tool(Workshop), TypeError, "@tool is for a method, not for the class Workshop"),
]


@pytest.mark.parametrize(("wrong", "kind", "sentence"), WRONG)
def test_what_cannot_be_a_tool_is_refused_where_it_is_written(
    wrong: Any, kind: type[Exception], sentence: str
) -> None:
    with pytest.raises(kind) as told:
        wrong()

    assert sentence in str(told.value)
