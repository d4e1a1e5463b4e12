"""`providers methods`: what a provider can be asked, with the arguments of each."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from gleitzeit_extensions.protocol import CallError
from gleitzeitctl.render import as_json, note, table
from gleitzeitctl.session import Session

Name = Annotated[str, typer.Argument(metavar="NAME", help="A provider.")]
DEEPEST = 3
"""Levels of a type that are told: what is inside of them is in the JSON."""


def methods(context: typer.Context, name: Name) -> None:
    """List a provider's methods with the arguments that they take.

    An argument with a `?` may be left out.

    \b
    Example:
      gleitzeitctl providers methods calculator
    """
    session = Session.of(context)
    every = session.client.get("/v1/providers")["providers"]
    for one in every:
        if one["name"] == name:
            session.show({"name": name, "methods": one["methods"]}, _tell)
            return
    known = ", ".join(sorted(one["name"] for one in every)) or "none"
    raise CallError("not_found.provider", f'there is no provider "{name}": there are {known}')


def _tell(answer: dict[str, Any]) -> None:
    table(("METHOD", "ARGUMENTS", "RETURNS", "DESCRIPTION"), [_row(one) for one in answer["methods"]])
    if not answer["methods"]:
        note(f'"{answer["name"]}" has not said what methods it has')


def _row(one: dict[str, Any]) -> tuple[object, ...]:
    returns = one.get("returns")
    words = "" if returns is None else in_words(returns)
    streamed = "stream" if one.get("stream") else ""
    return (
        one["name"],
        ", ".join(_arguments(one.get("parameters") or {})),
        " of ".join(filter(None, (streamed, words))),
        one.get("description", ""),
    )


def _arguments(schema: dict[str, Any]) -> Iterator[str]:
    """Each as `a: number`, `base?: number = 10`."""
    required = schema.get("required", [])
    for name, kind in schema.get("properties", {}).items():
        mark = "" if name in required else "?"
        default = kind.get("default") if isinstance(kind, dict) else None
        preset = "" if default is None else f" = {as_json(default)}"
        yield f"{name}{mark}: {in_words(kind)}{preset}"
    if schema.get("additionalProperties"):
        yield "..."


def in_words(schema: Any, depth: int = 0) -> str:
    """A JSON Schema in a few words: `number`, `[string]`, `"a" | "b"`."""
    match schema:
        case _ if depth > DEEPEST:
            return "any"
        case {"const": value}:
            return as_json(value)
        case {"enum": [*values]}:
            return " | ".join(map(as_json, values))
        case {"anyOf": [*kinds]} | {"oneOf": [*kinds]}:
            words = dict.fromkeys(in_words(kind, depth + 1) for kind in kinds)
            # Every integer is a number.
            return " | ".join(word for word in words if word != "integer" or "number" not in words)
        case {"type": [*kinds]}:
            return " | ".join(map(str, kinds))
        case {"type": "array", "items": items}:
            return f"[{in_words(items, depth + 1)}]"
        case {"type": str(kind)}:
            return kind
        case {"$ref": str(where)}:
            return where.rpartition("/")[2]
    return "any"
