"""Calls that anybody might send a provider: arguments that fit the schemas that it publishes, and others.

@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(call=calls(FileProvider, words=["../etc/passwd"]))
async def test_whatever_it_is_asked_it_answers_or_refuses(call: Call) -> None:
    await answered(provider, call)
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing, suppress
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from gleitzeit_extensions import CallError, SocketIOProviderClient
from gleitzeit_extensions.methods import methods_of, public_methods
from gleitzeit_extensions.protocol import Wire

Call = tuple[str, dict[str, Any]]

MOST_ITEMS = 50
"""Items of a stream after which its caller leaves."""

ODD = ("", " ", "\0", "a\nb", "\ud800", "ü" * 300, "../..", "%s{0}${HOME}", "'; --", "-1", "null")
"""Texts that JSON carries, and that code forgets; one of them has no form in UTF-8."""

INTEGERS = st.sampled_from([0, 1, 2, 10]) | st.integers(-(10**20), 10**20)
# The hub lets no NaN through.
NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | INTEGERS


def calls(provider: SocketIOProviderClient | type, words: Sequence[str] = ()) -> SearchStrategy[Call]:
    """A method of the provider's and arguments for it: three of four times such as fit its schema.

    Among the texts are `words`, which say something to this provider, such as its models or files.
    """
    # Not before they are asked for: to make them takes longer than the rest of the import.
    return st.deferred(lambda: _calls(provider, words))


def _calls(provider: SocketIOProviderClient | type, words: Sequence[str]) -> SearchStrategy[Call]:
    own = public_methods(provider, SocketIOProviderClient) if isinstance(provider, type) else None
    known = own or methods_of(provider, SocketIOProviderClient)
    texts = st.sampled_from([*words, *words, *ODD]) | st.text(max_size=20)
    return st.one_of(
        *[
            st.tuples(st.just(method.name), _arguments(method.entry.get("parameters", {}), texts))
            for method in known.values()
        ]
    )


async def answered(provider: SocketIOProviderClient, call: Call) -> list[Any]:
    """What it gives, or streams; nothing when it refuses. Any error but a CallError is its mistake."""
    name, arguments = call
    method = methods_of(provider, SocketIOProviderClient)[name]
    read: list[Any] = []
    with suppress(CallError):
        if not method.streams:
            return [await provider.invoke(name, **arguments)]
        taken = method.checked(provider.name, arguments)
        async with aclosing(getattr(provider, method.attribute)(**taken)) as items:
            async for item in items:
                read.append(item)
                if len(read) == MOST_ITEMS:
                    break
    return read


def _arguments(schema: Wire, texts: SearchStrategy[str]) -> SearchStrategy[dict[str, Any]]:
    fit, anything = _fits(schema, schema, texts), _anything(texts)
    names = st.sampled_from([*schema.get("properties", ()), "unknown"])
    unfit = st.tuples(fit, st.dictionaries(names, anything, max_size=2)).map(lambda two: {**two[0], **two[1]})
    return st.one_of(fit, fit, fit, unfit)


def _fits(schema: Wire, whole: Wire, texts: SearchStrategy[str]) -> SearchStrategy[Any]:
    """What fits as far as it goes by type; bounds and patterns are left to the provider to refuse."""
    if "enum" in schema or "const" in schema:
        return st.sampled_from(schema.get("enum") or [schema["const"]])
    if ref := schema.get("$ref"):
        return st.deferred(lambda: _fits(whole["$defs"][ref.rpartition("/")[2]], whole, texts))
    if either := schema.get("anyOf") or schema.get("oneOf"):
        return st.one_of(*[_fits(one, whole, texts) for one in either])
    match schema.get("type"):
        case "array":
            return st.lists(_fits(schema.get("items") or {}, whole, texts), max_size=3)
        case "object":
            return _object(schema, whole, texts)
        case str(kind):
            scalars = {"string": texts, "integer": INTEGERS, "number": NUMBERS, "boolean": st.booleans()}
            return scalars.get(kind, st.none())
    return _anything(texts)


def _object(schema: Wire, whole: Wire, texts: SearchStrategy[str]) -> SearchStrategy[dict[str, Any]]:
    known = {name: _fits(one, whole, texts) for name, one in schema.get("properties", {}).items()}
    required = {name: known.pop(name) for name in schema.get("required", ()) if name in known}
    declared = st.fixed_dictionaries(required, optional=known)
    others = schema.get("additionalProperties", True)
    if others is False or known or required:
        return declared
    return st.dictionaries(texts, _fits(others if isinstance(others, dict) else {}, whole, texts), max_size=3)


def _anything(texts: SearchStrategy[str]) -> SearchStrategy[Any]:
    scalars = st.none() | st.booleans() | NUMBERS | texts
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
        max_leaves=6,
    )
