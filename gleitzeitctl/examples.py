"""An example of a call, made from what its method takes, that can be copied to a shell as it stands."""

from __future__ import annotations

import shlex
from typing import Any

from gleitzeitctl.arguments import Takes, written
from gleitzeitctl.schemas import LONGEST_WAY, alternatives, resolved

NUMBERS = (5, 3, 2)
"""What the first, the second and any further number is."""


def example(name: str, method: dict[str, Any], takes: Takes) -> str:
    """A line such as `gleitzeitctl providers invoke calculator add a=5 b=3`: with what must be given, or else
    with the first argument that can."""
    verb = "stream" if method.get("stream") else "invoke"
    shown = [key for key in takes.properties if key in takes.required] or list(takes.properties)[:1]
    pairs = []
    for at, key in enumerate(shown):
        value = sample(takes.properties[key], takes.schema, NUMBERS[min(at, len(NUMBERS) - 1)])
        pairs.append(shlex.quote(written(key, value, takes)))
    return " ".join(["gleitzeitctl", "providers", verb, shlex.quote(name), method["name"], *pairs])


def sample(schema: Any, root: dict[str, Any], number: int = 5, depth: int = 0) -> Any:
    """A value that the schema allows, as far as its kind, its choices and its bounds are concerned."""
    schema = resolved(schema, root)
    if not isinstance(schema, dict) or depth > LONGEST_WAY:
        return "text"
    for key in ("examples", "enum"):
        if isinstance(schema.get(key), list) and schema[key]:
            return schema[key][0]
    for key in ("const", "default"):
        if schema.get(key) is not None:
            return schema[key]
    if some := alternatives(schema):
        return sample(some[0], root, number, depth + 1)
    kind = schema.get("type", "string")
    match kind[0] if isinstance(kind, list) and kind else kind:
        case "integer" | "number":
            return _bounded(schema, number)
        case "boolean":
            return True
        case "null":
            return None
        case "array":
            return [sample(schema.get("items", {}), root, number, depth + 1)]
        case "object":
            inner = schema.get("properties") or {}
            needed = schema.get("required") or []
            return {key: sample(inner.get(key), root, number, depth + 1) for key in needed}
    return "text".ljust(schema.get("minLength") or 0, ".")


def _bounded(schema: dict[str, Any], number: float) -> float:
    if (least := schema.get("minimum")) is not None:
        number = max(number, least)
    if (most := schema.get("maximum")) is not None:
        number = min(number, most)
    if (above := schema.get("exclusiveMinimum")) is not None and number <= above:
        number = above + 1
    if (below := schema.get("exclusiveMaximum")) is not None and number >= below:
        number = below - 1
    return number
