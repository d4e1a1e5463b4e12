"""The keys of the config file as `config set` takes them, read from the schema that is shipped for editors.

What understands a config file takes several times as long to import as a TAB may last.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

SCHEMA = os.path.join("config", "providers.schema.json")


def keys(definition: str) -> Iterator[str]:
    """The paths below `Global` or `Provider`, as `health.interval`."""
    definitions = _schema()["definitions"]
    return _below(definitions, definitions[definition], ())


def _schema() -> dict[str, Any]:
    found = find_spec("gleitzeitd")
    if not found or not found.origin:
        raise FileNotFoundError(SCHEMA)
    with open(os.path.join(os.path.dirname(found.origin), SCHEMA), encoding="utf-8") as file:
        schema: dict[str, Any] = json.load(file)
        return schema


def _below(definitions: dict[str, Any], schema: Any, above: tuple[str, ...]) -> Iterator[str]:
    for name, value in schema.get("properties", {}).items():
        path = (*above, name)
        sections = [part for part in _parts(definitions, value) if part.get("properties")]
        if not sections:
            yield ".".join(path)
        for section in sections:
            yield from _below(definitions, section, path)


def _parts(definitions: dict[str, Any], value: Any) -> Iterator[dict[str, Any]]:
    """What a value may be, with references followed."""
    for part in [value, *value.get("anyOf", [])]:
        yield definitions[part["$ref"].rpartition("/")[2]] if "$ref" in part else part
