"""One sentence for each mistake that validation found: what is wrong, and what would be right."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gleitzeitd.config.block import Block, hint
from gleitzeitd.config.kinds import keys
from gleitzeitd.config.place import MOST_TOLD, Path, Problem
from gleitzeitd.config.secrets import MASK, masked_text
from gleitzeitd.config.values import LONGEST_DURATION
from gleitzeitd.config.written import as_written

LONGEST_VALUE = 60
_SENTENCES = {
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "float_type": 'must be a number of seconds or a duration like "30s"',
    "string_type": "must be text",
    "string_unicode": "must be text",
    "dict_type": "must be a mapping of keys to values",
    "list_type": "must be a list",
    "model_type": "must be a mapping of keys to values",
    "model_attributes_type": "must be a mapping of keys to values",
    "string_pattern_mismatch": "must look like module.ClassName",
    "missing": "is required",
}
_NUMBER = re.compile(r"\d[\d.e+]*")
_BOUNDS = {
    "greater_than_equal": "at least",
    "less_than_equal": "at most",
    "greater_than": "more than",
    "less_than": "less than",
}


def complaints(block: Block, error: ValidationError, model: type[BaseModel]) -> Iterator[Problem]:
    for number, detail in enumerate(error.errors(include_url=False)):
        path, value = _in_file(block.given, detail["loc"])
        if detail["type"] == "extra_forbidden":
            # To find what was meant takes long.
            known = _known(path, model) if number < MOST_TOLD else ""
            yield block.problem(path, f"unknown key{known}", key=True)
        else:
            shown = f", not {MASK}" if block.is_secret(path, value) else _shown(value)
            expected = _expected(detail)
            yield block.problem(
                path, (_NUMBER.sub(MASK, expected) if block.has_secret(path) else expected) + shown
            )


def _in_file(given: Any, loc: tuple[int | str, ...]) -> tuple[Path, Any]:
    """The path as it is in the file, and what stands there as it was written."""
    node, path = given, list[str | int]()
    for part in loc:
        if not isinstance(node, dict | list):
            break
        path.append(part)
        try:
            node = node[part]  # type: ignore[index]
        except LookupError:
            break
    return tuple(path), node


def _expected(detail: ErrorDetails) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    match kind:
        case "literal_error" | "enum":
            return f"must be {context['expected']}"
        case _ if kind in _BOUNDS:
            bound = next(iter(context.values()))
            return f"must be {_BOUNDS[kind]} {_bound(bound)}"
        case _:
            return _SENTENCES.get(kind, detail["msg"])


def _bound(bound: float) -> str:
    if bound == LONGEST_DURATION:
        return "365d"
    return str(int(bound) if bound == int(bound) else bound)


def _shown(value: Any) -> str:
    if isinstance(value, dict | list):
        return ""
    if value is None:
        return ", not empty"
    text = f'"{masked_text(value)}"' if isinstance(value, str) else as_written(value)
    if len(text) > LONGEST_VALUE:
        end = '..."' if isinstance(value, str) else "..."
        text = text[: LONGEST_VALUE - 3] + end
    return f", not {text}"


def _known(path: Path, model: type[BaseModel]) -> str:
    known = sorted(keys(model, path[:-1]))
    return hint(str(path[-1]), known) or f" (known are {', '.join(known)})"
