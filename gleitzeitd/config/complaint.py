"""One sentence for each mistake that validation found: what is wrong, and what would be right."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from types import UnionType
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gleitzeitd.config.document import Document, Path, Problem
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
_BOUNDS = {
    "greater_than_equal": "at least",
    "less_than_equal": "at most",
    "greater_than": "more than",
    "less_than": "less than",
}


def complaints(document: Document, error: ValidationError, model: type[BaseModel]) -> Iterator[Problem]:
    for detail in error.errors(include_url=False):
        path, value = _in_file(document, detail["loc"])
        if detail["type"] == "extra_forbidden":
            yield document.problem(path, _unknown(path, model), key=True)
        else:
            yield document.problem(path, _expected(detail) + _shown(value))


def _in_file(document: Document, loc: tuple[int | str, ...]) -> tuple[Path, Any]:
    """The path as it is in the file, and what stands there as it was written."""
    node, path = document.data, list[str | int]()
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
            return f"must be {_BOUNDS[kind]} {int(bound) if bound == int(bound) else bound}"
        case _:
            return _SENTENCES.get(kind, detail["msg"])


def _shown(value: Any) -> str:
    if isinstance(value, dict | list):
        return ""
    if value is None:
        return ", not empty"
    text = f'"{value}"' if isinstance(value, str) else as_written(value)
    if len(text) > LONGEST_VALUE:
        end = '..."' if isinstance(value, str) else "..."
        text = text[: LONGEST_VALUE - 3] + end
    return f", not {text}"


def _unknown(path: Path, model: type[BaseModel]) -> str:
    known = sorted(_keys(model, path[:-1]))
    close = difflib.get_close_matches(str(path[-1]), known, n=1)
    hint = f"did you mean {close[0]}?" if close else "known are " + ", ".join(known)
    return f"unknown key ({hint})"


def _keys(model: type[BaseModel], path: Path) -> set[str]:
    """The keys that the schema has at `path`."""
    annotation: Any = model
    for part in path:
        if get_origin(annotation) is dict:
            annotation = get_args(annotation)[1]
        else:
            fields = {field.alias or name: field for name, field in annotation.model_fields.items()}
            annotation = _section(fields[str(part)].annotation)
    return {field.alias or name for name, field in annotation.model_fields.items()}


def _section(annotation: Any) -> Any:
    """The section of `Section | None`; what is no choice stays as it is."""
    return get_args(annotation)[0] if get_origin(annotation) is UnionType else annotation
