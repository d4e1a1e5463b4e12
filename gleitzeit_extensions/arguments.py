"""What a method takes: described as a JSON Schema, and checked before the method is called."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from typing import TYPE_CHECKING, Any

from gleitzeit_extensions import docstrings, hints, plain
from gleitzeit_extensions.protocol import CallError, Wire

if TYPE_CHECKING:
    from gleitzeit_extensions.schemas import Typed


UNNAMED = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.VAR_POSITIONAL)
"""What nobody can give from outside."""


@dataclass(frozen=True)
class Arguments:
    """The arguments of one method, which are given by name only."""

    function: Callable[..., Any]
    signature: inspect.Signature
    owner: type

    @cached_property
    def named(self) -> dict[str, inspect.Parameter]:
        by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        return {name: one for name, one in self.signature.parameters.items() if one.kind in by_name}

    @cached_property
    def are_open(self) -> bool:
        """Whether any name will do: the method has `**kwargs`."""
        return any(one.kind is one.VAR_KEYWORD for one in self.signature.parameters.values())

    def accept(self, name: str) -> bool:
        return self.are_open or name in self.named

    def checked(self, given: dict[str, Any], call: str) -> dict[str, Any]:
        """The arguments as the method wants them.

        Raises `invalid_request` in a sentence that begins with `call`: `cannot call "add" of "tools"`.
        """
        if wrong := self._wrong_names(given):
            takes = [
                _as_written(one) for one in self.signature.parameters.values() if one.kind not in UNNAMED
            ]
            raise CallError("invalid_request", f"{call}: {wrong}; it takes {', '.join(takes) or 'nothing'}")
        try:
            return self.fitted(given)
        except plain.Unfit as exc:
            raise CallError("invalid_request", f"{call}: {exc}", {"parameter": exc.parameter}) from exc

    def fitted(self, given: dict[str, Any]) -> dict[str, Any]:
        """The arguments as their hints want them, whatever their names; raises `Unfit`."""
        try:
            return given | {
                name: plain.fitted(hint, given[name]) for name, hint in self._hinted.items() if name in given
            }
        except plain.Unsure:
            return self._typed.convert(given)

    @cached_property
    def schema(self) -> Wire:
        """An object with a property for each parameter."""
        words = docstrings.of_parameters(inspect.getdoc(self.function))
        properties, definitions = self._schemas()
        return {
            "type": "object",
            "properties": {
                name: _property(properties.get(name, {}), words.get(name), one)
                for name, one in self.named.items()
            },
            "required": [name for name, one in self.named.items() if one.default is one.empty],
            "additionalProperties": self.are_open,
        } | ({"$defs": definitions} if definitions else {})

    def returned(self, streams: bool) -> Wire | None:
        """The schema of what it gives, or of each item that it streams; None when nobody knows."""
        hint = self._hints.get(hints.RETURN, Any)
        if streams:
            hint = hints.of_item(hint)
        if hint is Any:
            return None
        try:
            return plain.schema(hint)
        except plain.Unsure:
            from gleitzeit_extensions.schemas import returned

            return returned(hint)

    @cached_property
    def _hints(self) -> Mapping[str, Any]:
        return hints.resolved(self.function, self.signature, self.owner)

    @cached_property
    def _hinted(self) -> dict[str, Any]:
        return {name: hint for name, hint in self._hints.items() if name in self.named}

    @cached_property
    def _typed(self) -> Typed:
        from gleitzeit_extensions.schemas import Typed

        return Typed(self._hinted)

    def _schemas(self) -> tuple[Mapping[str, Wire], Wire]:
        try:
            return {name: plain.schema(hint) for name, hint in self._hinted.items()}, {}
        except plain.Unsure:
            return self._typed.schemas()

    def _wrong_names(self, given: dict[str, Any]) -> str | None:
        for name in given:
            if not self.accept(name):
                near = get_close_matches(name, self.named, n=1)
                hint = f" (did you mean {near[0]}?)" if near else ""
                return f"it takes no {name:.40}{hint}"
        missing = [name for name, one in self.named.items() if one.default is one.empty and name not in given]
        if not missing:
            return None
        return f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing"


def _property(schema: Wire, words: str | None, parameter: inspect.Parameter) -> Wire:
    """Its hint's schema, with the author's words and, where JSON has a form for it, the default."""
    schema = dict(schema)
    if words:
        schema.setdefault("description", words)
    match parameter.default:
        case float(number) if not math.isfinite(number):
            pass
        case None | str() | int() | float():
            schema.setdefault("default", parameter.default)
    return schema


def _as_written(parameter: inspect.Parameter) -> str:
    return str(parameter.replace(annotation=inspect.Parameter.empty))
