"""What is sent to an API: a template from the config file, filled with the arguments of a call. Pure.

`"{prompt}"` alone becomes the argument with its type, and is left out with its key where there is none;
within other text it becomes text. `{{` and `}}` are braces.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

Template = Any
"""Of JSON."""

NAMES = ("prompt", "messages", "input", "model", "system", "max_tokens", "temperature")

OPTION = "options."
"""Whatever follows it is an option of the caller's: `{options.top_p}`."""

MARK = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")

_LEFT_OUT = object()


def names(template: Template, where: str) -> frozenset[str]:
    """The arguments that it has a place for; raises ValueError that says where it has an unknown one."""
    return frozenset(_names(template, where))


def filled(template: Template, values: dict[str, Any]) -> Any:
    """An argument that is missing or None is left out."""
    match template:
        case dict():
            items = {key: filled(value, values) for key, value in template.items()}
            return {key: value for key, value in items.items() if value is not _LEFT_OUT}
        case list():
            return [value for one in template if (value := filled(one, values)) is not _LEFT_OUT]
        case str():
            return _filled(template, values)
    return template


def _filled(text: str, values: dict[str, Any]) -> Any:
    whole = MARK.fullmatch(text)
    if whole and whole[1]:
        value = values.get(whole[1])
        return _LEFT_OUT if value is None else value
    return MARK.sub(lambda mark: _text(values.get(mark[1])) if mark[1] else mark[0][0], text)


def _text(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False)


def _names(template: Template, where: str) -> Iterator[str]:
    match template:
        case dict():
            for key, value in template.items():
                yield from _names(value, f"{where}.{key}")
        case list():
            for index, value in enumerate(template):
                yield from _names(value, f"{where}[{index}]")
        case str():
            for mark in MARK.finditer(template):
                if mark[0] not in ("{{", "}}"):
                    yield _known(mark[1] or "", where)


def _known(name: str, where: str) -> str:
    if name in NAMES or (name.startswith(OPTION) and name != OPTION):
        return name
    if near := get_close_matches(name, NAMES, n=1):
        raise ValueError(f"{where}: there is no {{{name:.50}}} (did you mean {{{near[0]}}}?)")
    known = ", ".join(f"{{{one}}}" for one in NAMES)
    raise ValueError(
        f"{where}: {{{name:.50}}} is none of {known} and {{options.NAME}}; write {{{{ for a brace"
    )
