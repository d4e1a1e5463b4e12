"""What a JSON Schema says of one value: in a few words for a person, and whether a value is of its kind.

Pure. Only kinds and choices are looked at: what else a schema demands its provider checks, in its own words.
"""

from __future__ import annotations

from typing import Any

from gleitzeitctl.render import as_json

DEEPEST = 3
"""Levels of a type that are told: what is inside of them is in the JSON."""

LONGEST_WAY = 20
"""References to references that are followed."""

KINDS: dict[str, tuple[type, ...]] = {
    "null": (type(None),),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "string": (str,),
    "array": (list,),
    "object": (dict,),
}

DEMANDS = {
    "null": "null",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "array": "a list as JSON",
    "object": "an object as JSON",
}

BOUNDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "less than {}",
    "multipleOf": "a multiple of {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "pattern": "like {}",
    "format": "a {}",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
}
"""What a schema demands beyond the kind, in words."""


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


def demand(schema: Any) -> str:
    """The same as a part of a sentence: `a number or null`."""
    words = in_words(schema)
    parts = words.split(" | ")
    return " or ".join(map(DEMANDS.__getitem__, parts)) if DEMANDS.keys() >= {*parts} else words


def bounds(schema: Any) -> str:
    """What a value must be beyond its kind: `at least 0, at most 10`."""
    if not isinstance(schema, dict):
        return ""
    parts = [schema, *(one for one in alternatives(schema) if isinstance(one, dict))]
    said = (words.format(part[key]) for part in parts for key, words in BOUNDS.items() if key in part)
    return ", ".join(dict.fromkeys(said))


def alternatives(schema: dict[str, Any]) -> list[Any]:
    """The schemas of which a value needs to fit one; none when it has no choice."""
    return [one for key in ("anyOf", "oneOf") for one in schema.get(key) or ()]


def resolved(schema: Any, root: Any) -> Any:
    """The schema that a reference such as `#/$defs/Message` leads to in `root`; else any."""
    for _ in range(LONGEST_WAY):
        match schema:
            case {"$ref": str(where)}:
                schema = root
                for part in where.lstrip("#/").split("/"):
                    schema = schema.get(part, {}) if isinstance(schema, dict) else {}
            case _:
                return schema
    return {}


def fits(value: Any, schema: Any, root: Any, depth: int = 0) -> bool:
    """Whether the value is of a kind that the schema allows, and one of its choices where it has some."""
    schema = resolved(schema, root)
    if not isinstance(schema, dict) or depth > LONGEST_WAY:
        return schema is not False
    if "const" in schema:
        return _same(value, schema["const"])
    if isinstance(schema.get("enum"), list):
        return any(_same(value, one) for one in schema["enum"])
    some = alternatives(schema)
    if some and not any(fits(value, one, root, depth + 1) for one in some):
        return False
    if not all(fits(value, one, root, depth + 1) for one in schema.get("allOf") or ()):
        return False
    kinds = schema.get("type", [])
    kinds = kinds if isinstance(kinds, list) else [kinds]
    return not kinds or any(_is(value, kind) for kind in kinds)


def _is(value: Any, kind: Any) -> bool:
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    # to Python a bool is an int, to JSON it is no number
    return isinstance(value, KINDS.get(kind, (object,))) and (
        not isinstance(value, bool) or kind not in ("integer", "number")
    )


def _same(one: Any, other: Any) -> bool:
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)
