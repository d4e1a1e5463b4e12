"""Arguments of a method as words of a command line: `a=5`, of the type that the method's schema says.

Pure. A string stays as it was written where the method takes nothing but a string. Elsewhere a value is the
JSON that it reads as, if the method takes that, and else text. `key:=JSON` is JSON whatever the schema says.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

from gleitzeitctl.render import as_json
from gleitzeitctl.schemas import demand, fits, in_words

LONGEST_SHOWN = 60
"""Characters of a wrong value that are repeated."""

PROBES: tuple[Any, ...] = (None, True, 0, 0.5, [], {})
"""A value of every kind but text."""


class Misfit(Exception):
    """What was written can't be meant; the text is a clause such as `a takes a number, not five`."""


@dataclass(frozen=True)
class Takes:
    """What a method takes, as far as it is known: the JSON Schema of its arguments."""

    schema: dict[str, Any] = field(default_factory=dict)

    @property
    def properties(self) -> dict[str, Any]:
        found = self.schema.get("properties")
        return found if isinstance(found, dict) else {}

    @property
    def required(self) -> list[str]:
        found = self.schema.get("required")
        return found if isinstance(found, list) else []

    @property
    def others(self) -> Any:
        """The schema of an argument that has no name; False where there can be none."""
        return self.schema.get("additionalProperties", True)

    def of(self, name: str) -> Any:
        """The schema of one argument. Raises Misfit."""
        if name in self.properties:
            return self.properties[name]
        if self.others is not False:
            return self.others
        from difflib import get_close_matches  # only a slip needs it, and it takes long to come

        near = get_close_matches(name, self.properties, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise Misfit(f"it takes no {name:.40}{hint}; {self}")

    def __str__(self) -> str:
        return f"it takes {', '.join(signature(self)) or 'nothing'}"


def signature(takes: Takes) -> Iterator[str]:
    """Each argument as `a: number`, `base?: number = 10`."""
    for name, kind in takes.properties.items():
        mark = "" if name in takes.required else "?"
        default = kind.get("default") if isinstance(kind, dict) else None
        preset = "" if default is None else f" = {as_json(default)}"
        yield f"{name}{mark}: {in_words(kind)}{preset}"
    if takes.schema.get("additionalProperties"):
        yield "..."


def together(takes: Takes, given: dict[str, Any], pairs: Iterable[str]) -> dict[str, Any]:
    """The arguments of a call: those of `given`, and over them those of the pairs.

    Raises Misfit, also when one is missing.
    """
    written: dict[str, Any] = {}
    for pair in pairs:
        name, value = read(pair, takes)
        if name in written:
            raise Misfit(f"{name} is given twice")
        written[name] = value
    whole = given | written
    missing = [name for name in takes.required if name not in whole]
    if missing:
        raise Misfit(f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing; {takes}")
    return whole


def read(pair: str, takes: Takes) -> tuple[str, Any]:
    """The name and the value of `a=5` or `a:=5`. Raises Misfit."""
    name, equals, text = pair.partition("=")
    if not equals or not name.removesuffix(":"):
        raise Misfit(f"an argument is written as a=5, not as {_shown(pair)}")
    if not name.endswith(":"):
        return name, value_of(name, text, takes.of(name), takes.schema)
    name = name.removesuffix(":")
    takes.of(name)
    try:
        return name, parsed(text)
    except ValueError as exc:
        raise Misfit(f"{name}:= takes JSON, not {_shown(text)} ({exc}); text is written as {name}=") from exc


def value_of(name: str, text: str, schema: Any, root: Any) -> Any:
    """What the text of one argument means by its schema. Raises Misfit."""
    takes_text = fits(text, schema, root)
    if takes_text and not any(fits(probe, schema, root) for probe in PROBES):
        return text
    try:
        value = parsed(text)
    except ValueError:
        value = text
    if fits(value, schema, root):
        return value
    if takes_text:
        return text
    raise Misfit(f"{name} must be {demand(schema)}, not {_shown(text)}")


def written(name: str, value: Any, takes: Takes) -> str:
    """The pair that is read as this value, as a person would write it."""
    for text in (value, as_json(value)):
        if isinstance(text, str) and "\0" not in text:
            try:
                if as_json(read(f"{name}={text}", takes)[1]) == as_json(value):
                    return f"{name}={text}"
            except Misfit:
                pass
    return f"{name}:={json.dumps(value)}"


def parsed(text: str) -> Any:
    """The JSON in a text. Raises ValueError, also for numbers that JSON has not, such as NaN and 1e999."""
    try:
        return json.loads(text, parse_float=_finite, parse_constant=_no_number)
    except RecursionError as exc:
        raise ValueError("it is nested too deeply") from exc


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _no_number(text)


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text[:20]} is no number of JSON")


def _shown(text: str) -> str:
    short = text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."
    return f'"{short}"' if text else "nothing"
