"""One sentence for each mistake that validation found: where it is, what is wrong and what would be right."""

from __future__ import annotations

import difflib
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gleitzeitd.config.document import Document, Path

_SENTENCES = {
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "float_type": 'must be a number of seconds or a duration like "30s"',
    "string_type": "must be text",
    "dict_type": "must be a mapping of keys to values",
    "list_type": "must be a list",
    "model_type": "must be a mapping of keys to values",
    "model_attributes_type": "must be a mapping of keys to values",
    "missing": "is required",
}


def complaints(document: Document, error: ValidationError, model: type[BaseModel]) -> tuple[str, ...]:
    """All mistakes, in the order of the file."""
    found: dict[str, tuple[tuple[int, int], str]] = {}
    for detail in error.errors(include_url=False):
        path = _in_file(document, detail["loc"])
        unknown = detail["type"] == "extra_forbidden"
        name = ".".join(str(part) for part in path) or "the file"
        place = document.at(path, key=unknown)
        line, column = (int(number) for number in place.rsplit(":", 2)[1:])
        sentence = _unknown(path, model) if unknown else _sentence(detail)
        # A value that may be of several types has a complaint for each: one is enough.
        found.setdefault(name, ((line, column), f"{place}: {name}: {sentence}"))
    return tuple(text for _, text in sorted(found.values()))


def _in_file(document: Document, loc: tuple[int | str, ...]) -> Path:
    """The path as it is in the file: pydantic adds the names of the types it tried."""
    node, path = document.data, list[str | int]()
    for part in loc:
        if isinstance(node, dict):
            path.append(part)
            if part not in node:
                break
            node = node[part]
        elif isinstance(node, list) and isinstance(part, int) and part < len(node):
            path.append(part)
            node = node[part]
        else:
            break
    return tuple(path)


def _sentence(detail: ErrorDetails) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    given = "" if isinstance(detail["input"], dict | list) else f", not {_shown(detail['input'])}"
    match kind:
        case "literal_error" | "enum":
            return f"must be {context['expected']}{given}"
        case "greater_than_equal" | "less_than_equal" | "greater_than" | "less_than":
            return f"must be {_bound(kind)} {next(iter(context.values())):g}{given}"
        case "string_pattern_mismatch":
            return f"must look like module.ClassName{given}"
        case _:
            return _SENTENCES.get(kind, detail["msg"]) + given


def _bound(kind: str) -> str:
    return {
        "greater_than_equal": "at least",
        "less_than_equal": "at most",
        "greater_than": "more than",
        "less_than": "less than",
    }[kind]


def _shown(value: Any) -> str:
    text = str(value) if isinstance(value, int | float) and not isinstance(value, bool) else f'"{value}"'
    if value is None or isinstance(value, bool):
        text = {None: "empty", True: "true", False: "false"}[value]
    return text if len(text) <= 60 else text[:57] + '..."'


def _unknown(path: Path, model: type[BaseModel]) -> str:
    known = sorted(_keys(model, path[:-1]))
    close = difflib.get_close_matches(str(path[-1]), known, n=1)
    hint = f"did you mean {close[0]}?" if close else "known are " + ", ".join(known)
    return f"unknown key ({hint})"


def _keys(model: type[BaseModel], path: Path) -> set[str]:
    """The keys that the schema has at `path`."""
    for part in path:
        for name, field in model.model_fields.items():
            if (field.alias or name) == part:
                nested = _model(field.annotation)
                model = nested or model
                break
    return {field.alias or name for name, field in model.model_fields.items()}


def _model(annotation: Any) -> type[BaseModel] | None:
    """The model in an annotation such as `Restart` or `dict[str, Provider]`."""
    for candidate in (annotation, *getattr(annotation, "__args__", ())):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None
