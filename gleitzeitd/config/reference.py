"""Every setting as a row for people: its key, what it may be, its default, and what it is for.

Taken from the JSON Schema, which is made from the models: the template and the docs are printed from here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from gleitzeitd.config.json_schema import DEFINITIONS, Node, schema
from gleitzeitd.config.schema import RELOAD, Reload
from gleitzeitd.config.values import CHAINS, SIZES, TIMES

SECTION = "section"
_PLAIN = re.compile(r"(?!(?:true|false|yes|no|on|off|null)$)[A-Za-z/.][\w./:#-]*", re.IGNORECASE)
_MAPPINGS = ("mapping", "keys of a provider", CHAINS)
_KINDS = {
    "array": "list of texts",
    "boolean": "true or false",
    "integer": "whole number",
    "number": "number",
    "object": "mapping",
    "string": "text",
}


@dataclass(frozen=True, slots=True)
class Key:
    """One setting; `default` is as it would be written, and None where leaving it out says something else."""

    path: tuple[str, ...]
    kind: str
    default: str | None
    sentence: str
    reload: str

    @property
    def is_section(self) -> bool:
        return self.kind == SECTION


def keys(definition: str) -> tuple[Key, ...]:
    """The keys of `Global` or of `Provider`, each section before what is in it."""
    whole = schema()
    return tuple(_keys(whole["definitions"], whole["definitions"][definition], (), Reload.RESTART))


def shown(value: Any, kind: str | None) -> str:
    """A value of this kind as a person would write it."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return _AS_TEXT.get(str(kind), written)(value) if is_number else written(value)


def _duration(seconds: float) -> str:
    """As a person writes it: in the largest unit that leaves a whole number."""
    for unit in reversed(TIMES):
        count = seconds / TIMES[unit]
        if count >= 1 and count == int(count):
            return f"{int(count)}{unit}"
    return f"{seconds:g}"


def _size(size: int) -> str:
    """As a person writes it: in the largest unit, by 1024, that leaves a whole number."""
    for unit in reversed([unit for unit in SIZES if "i" in unit]):
        if size % SIZES[unit] == 0:
            return f"{size // SIZES[unit]}{unit}"
    return str(size)


_AS_TEXT: dict[str, Callable[[Any], str]] = {"duration": _duration, "size": _size}


def written(value: Any) -> str:
    """The value as YAML on one line."""
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return value
    return json.dumps(value, ensure_ascii=False)


def _keys(definitions: Node, section: Node, above: tuple[str, ...], reload: str) -> Iterator[Key]:
    for name, node in section["properties"].items():
        path = (*above, name)
        forms = node.get("anyOf", [node])
        inner = _definition(definitions, forms)
        is_section = "properties" in inner
        # it has the keys of a provider, which are told there
        is_told_there = path == ("defaults",)
        kind = "keys of a provider" if is_told_there else SECTION if is_section else _kind(node, forms, inner)
        sentence = node.get("description") or inner["description"]
        mark = "as there" if is_told_there else node.get(RELOAD, reload)
        yield Key(path, kind, _default(node, kind), sentence, mark)
        if is_section and not is_told_there:
            yield from _keys(definitions, inner, path, mark)


def _definition(definitions: Node, forms: list[Node]) -> Node:
    """What the first of the forms refers to."""
    reference = forms[0].get("$ref", "")
    return definitions.get(reference.removeprefix(DEFINITIONS), {})  # type: ignore[no-any-return]


def _kind(node: Node, forms: list[Node], inner: Node) -> str:
    choices = forms[0].get("enum") or inner.get("enum")
    if "title" in node or choices is None:
        return str(node.get("title") or _KINDS[forms[0]["type"]])
    return ", ".join(f"`{choice}`" for choice in choices)


def _default(node: Node, kind: str) -> str | None:
    if "default" in node:
        return shown(node["default"], kind)
    if "anyOf" in node and {"type": "null"} in node["anyOf"] and kind not in _MAPPINGS:
        return None
    if node.get("type") == "string":
        return None  # It has to be given.
    is_list = any(form.get("type") == "array" for form in node.get("anyOf", [node]))
    return "[]" if is_list else None if kind == SECTION else "{}"
