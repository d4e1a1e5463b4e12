"""The keys of an `extension.yaml`, each defined once: read by `manifest`, and printed as a JSON Schema."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gleitzeit_extensions.catalog.meta import NAME as WORD
from gleitzeit_extensions.catalog.meta import FieldType


@dataclass(frozen=True, slots=True)
class Key:
    """What stands behind a key: `type` is the schema's, `text` says it to people."""

    schema: Mapping[str, Any]
    text: str
    description: str
    required: bool = False


SHIPPED = Path(__file__).with_name("extension.schema.json")
"""The schema that an editor reads; `make docs` writes it."""

TEXT = {"type": "string"}
VARIABLE = {"type": "string", "pattern": r"^[A-Za-z_][A-Za-z0-9_]*$"}
NAME = {"type": "string", "pattern": r"\S"}
TEXTS = {"type": "array", "items": NAME}
NOTHING = {"type": "null"}
CLASS_PATH = r"^[^\W\d]\w*(\.[^\W\d]\w*)+$"

SERVICE = {
    "class_path": Key(
        {"type": "string", "pattern": CLASS_PATH},
        "of the form module.ClassName",
        "`module.ClassName`, relative to this file: `service.MyService` is in `service.py` beside it.",
        required=True,
    ),
}
PACKAGES = {
    "packages": Key(TEXTS, "a list of strings", "Requirements as pip takes them, such as `requests>=2.0`.")
}
MODEL = {
    "name": Key(NAME, "a string", "What callers ask for.", required=True),
    "capabilities": Key(TEXTS, "a list of strings", "What this model can do."),
    "max_tokens": Key({"type": "integer", "minimum": 1}, "a whole number", "How much it can answer."),
    "cost_per_token": Key({"type": "number", "minimum": 0}, "a number", "In a currency of your own."),
}
FIELD = {
    "type": Key(
        {"enum": [*FieldType, None]}, "a type", "What the value is; a secret is a string that is never shown."
    ),
    "required": Key({"type": "boolean"}, "true or false", "Whether it has to be given."),
    "default": Key({}, "any value", "What it is where nobody gives it."),
    "env_var": Key(
        VARIABLE,
        "the name of an environment variable",
        "The environment variable that it is read from where nobody gives it.",
    ),
    "description": Key(TEXT, "a string", "One line for people."),
    "min": Key({"type": "number"}, "a number", "The least number, or the least length."),
    "max": Key({"type": "number"}, "a number", "The greatest number, or the greatest length."),
    "choices": Key({"type": "array"}, "a list", "The only values."),
}
TOP = {
    "name": Key(
        {"type": "string", "pattern": WORD},
        "a word of letters, digits, `.`, `-` and `_`",
        "What the extension is called.",
        required=True,
    ),
    "description": Key(TEXT, "a string", "One line for people.", required=True),
    "version": Key(TEXT, "a string", "Its version."),
    "author": Key(TEXT, "a string", "Who wrote it."),
    "models": Key({"type": "array"}, "a list", "The models it serves: names, or mappings with a name."),
    "capabilities": Key(TEXTS, "a list of strings", "What it can do, in words that calls are routed by."),
    "dependencies": Key({}, "a list, or a mapping with packages", "Packages that it needs."),
    "config": Key({"type": "object"}, "a mapping", "The values it is configured with, by their names."),
    "service": Key({"type": "object"}, "a mapping", "The class that does the work.", required=True),
}


def schema() -> dict[str, Any]:
    """The JSON Schema of a manifest, for editors."""
    whole = _object(TOP)
    inner = whole["properties"]
    inner["models"] |= {"items": {"anyOf": [NAME, _object(MODEL, is_open=True)]}}
    inner["dependencies"] |= {"anyOf": [TEXTS, _object(PACKAGES), NOTHING]}
    inner["config"] |= {"additionalProperties": {"anyOf": [_object(FIELD), NOTHING]}}
    inner["service"] |= _object(SERVICE)
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "extension.yaml of a Gleitzeit extension",
        **whole,
    }


def text() -> str:
    return json.dumps(schema(), indent=2) + "\n"


def _object(keys: Mapping[str, Key], is_open: bool = False) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {name: _one(key) for name, key in keys.items()},
        "required": [name for name, key in keys.items() if key.required],
        "additionalProperties": is_open,
    }


def _one(key: Key) -> dict[str, Any]:
    """A key that need not be there may also stand there with nothing behind it."""
    schema = {**key.schema, "description": key.description}
    if "type" in schema and not key.required:
        schema["type"] = [schema["type"], "null"]
    return schema
