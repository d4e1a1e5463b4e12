"""`providers methods`: what can be asked of a name, and one method with all that its caller needs to know."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from gleitzeit_extensions.protocol import CallError
from gleitzeitctl.arguments import Takes, signature
from gleitzeitctl.examples import example
from gleitzeitctl.render import as_json, flat, note, seen
from gleitzeitctl.schemas import bounds, in_words, resolved
from gleitzeitctl.session import Session
from gleitzeitctl.wrapping import wrapped_table

Name = Annotated[str, typer.Argument(metavar="NAME", help="A provider, a model or a capability.")]
Method = Annotated[
    str | None, typer.Argument(metavar="METHOD", help="One of its methods, to be told all about; else all.")
]


def methods(context: typer.Context, name: Name, method: Method = None) -> None:
    """List the methods of a provider, or tell all about one of them.

    An argument with a `?` may be left out.

    \b
    Example:
      gleitzeitctl providers methods calculator add
    """
    session = Session.of(context)
    offering = session.client.get("/v1/providers", [("name", name)])["providers"]
    # all that can be called by one name are expected to have the same methods
    found: list[dict[str, Any]] = next((one["methods"] for one in offering if one["methods"]), [])
    if method is None:
        session.show({"name": name, "methods": found}, _tell_all)
    else:
        session.show({"name": name, "method": _one(name, method, found)}, _tell_one)


def _one(name: str, method: str, found: list[dict[str, Any]]) -> dict[str, Any]:
    for one in found:
        if one["name"] == method:
            return one
    from difflib import get_close_matches  # only a slip needs it, and it takes long to come

    names = [one["name"] for one in found]
    near = get_close_matches(method, names, n=1)
    hint = f' (did you mean "{near[0]}"?)' if near else ""
    has = f"it has {', '.join(names)}" if names else "it has not said what methods it has"
    raise CallError("not_found.method", f'"{name}" has no method "{method}"{hint}: {has}')


def _tell_all(answer: dict[str, Any]) -> None:
    columns = ("METHOD", "ARGUMENTS", "RETURNS", "DESCRIPTION")
    wrapped_table(columns, [_row(one) for one in answer["methods"]], columns[1:])
    if not answer["methods"]:
        note(f'"{answer["name"]}" has not said what methods it has')


def _row(one: dict[str, Any]) -> tuple[str, list[str], str, str]:
    description = flat(one.get("description"))
    return one["name"], list(signature(_takes(one))), _returned(one), description


def _tell_one(answer: dict[str, Any]) -> None:
    name, method = answer["name"], answer["method"]
    takes = _takes(method)
    print(seen(f"{name} {method['name']}: {str(method.get('description') or 'no description').strip()}"))
    print()
    columns = ("ARGUMENT", "TYPE", "DEFAULT", "MUST BE", "DESCRIPTION")
    wrapped_table(
        columns, [_argument(one, kind, takes) for one, kind in takes.properties.items()], columns[1:]
    )
    print("\n".join(_notes(method, takes)))
    print(f"\nExample:\n  {flat(example(name, method, takes))}")


def _argument(name: str, schema: Any, takes: Takes) -> tuple[str, str, str, str, str]:
    details = schema if isinstance(schema, dict) else {}
    default = as_json(details["default"]) if "default" in details else "may be left out"
    kind, limits = in_words(schema), bounds(resolved(schema, takes.schema))
    said = str(details.get("description") or "")
    return name, kind, "required" if name in takes.required else default, limits, said


def _notes(method: dict[str, Any], takes: Takes) -> Iterator[str]:
    if takes.properties:
        yield ""
    elif not takes.schema:
        yield "What it takes is not said."
    else:
        yield "It takes no argument." if takes.others is False else "It takes arguments of any name."
    if takes.properties and takes.schema.get("additionalProperties"):
        yield "It takes arguments of other names, too."
    yield f"Returns: {_returned(method) or 'not said'}"
    if method.get("idempotent"):
        yield "It may be repeated: a call is made again when its provider dies."


def _returned(method: dict[str, Any]) -> str:
    returns = method.get("returns")
    words = "" if returns is None else in_words(returns)
    return " of ".join(filter(None, ("stream" if method.get("stream") else "", words)))


def _takes(method: dict[str, Any]) -> Takes:
    schema = method.get("parameters")
    return Takes(schema if isinstance(schema, dict) else {})
