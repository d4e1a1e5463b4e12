"""As much of JSON Schema as our own schema uses, so that the tests need no package for it."""

from __future__ import annotations

import re
from typing import Any

_TYPES: dict[str, type | tuple[type, ...]] = {
    "array": list,
    "boolean": bool,
    "integer": int,
    "null": type(None),
    "number": (int, float),
    "object": dict,
    "string": str,
}
_KNOWN = {
    *("$ref", "$schema", "additionalProperties", "anyOf", "default", "definitions", "description", "enum"),
    *("exclusiveMinimum", "items", "maximum", "minimum", "oneOf", "pattern", "properties", "x-reload"),
    *("required", "title", "type"),
}


class Checker:
    def __init__(self, schema: dict[str, Any]) -> None:
        self.schema = schema

    def accepts(self, value: Any) -> bool:
        return self._is(value, self.schema)

    def _is(self, value: Any, node: dict[str, Any]) -> bool:
        assert set(node) <= _KNOWN, f"this checker does not know {set(node) - _KNOWN}"
        if "$ref" in node:
            return self._is(value, self.schema["definitions"][node["$ref"].removeprefix("#/definitions/")])
        return (
            self._has_type(value, node)
            and ("enum" not in node or value in node["enum"])
            and ("anyOf" not in node or any(self._is(value, one) for one in node["anyOf"]))
            and ("oneOf" not in node or sum(self._is(value, one) for one in node["oneOf"]) == 1)
            and (not isinstance(value, str) or bool(re.search(node.get("pattern", ""), value)))
            and (not _is_number(value) or _is_within(value, node))
            and (not isinstance(value, list) or all(self._is(one, node.get("items", {})) for one in value))
            and (not isinstance(value, dict) or self._has_keys(value, node))
        )

    def _has_type(self, value: Any, node: dict[str, Any]) -> bool:
        wanted = node.get("type", list(_TYPES))
        for name in [wanted] if isinstance(wanted, str) else wanted:
            if isinstance(value, _TYPES[name]) and (name == "boolean" or not isinstance(value, bool)):
                return True
        return False

    def _has_keys(self, value: dict[str, Any], node: dict[str, Any]) -> bool:
        others, properties = node.get("additionalProperties", True), node.get("properties", {})
        for key, inner in value.items():
            rule = properties.get(key, others)
            if rule is False or (isinstance(rule, dict) and not self._is(inner, rule)):
                return False
        return set(node.get("required", ())) <= set(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_within(value: float, node: dict[str, Any]) -> bool:
    infinity = float("inf")
    least, most = node.get("minimum", -infinity), node.get("maximum", infinity)
    return bool(least <= value <= most and value > node.get("exclusiveMinimum", -infinity))
