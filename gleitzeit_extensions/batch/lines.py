"""The lines of a batch: what may stand in one, and what is written of it. Pure.

In: `{provider | model | capability | target, method, args?, timeout?, idempotent?, key?, session?, id?}`, or
what was written of one that failed. Out: `{line, id?, result}`, or `{line, id?, error, call}`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

WHOM = ("provider", "model", "capability", "target")
OF_A_CALL = frozenset({*WHOM, "method", "args", "timeout", "idempotent", "key", "session"})
BEGINNING = 60
"""Characters of a line that are repeated where something is wrong with it."""


class Misfit(Exception):
    """It is no call; the text says why."""


@dataclass(frozen=True, slots=True)
class Line:
    """One call, or what stands in its place."""

    number: int
    """From 1; of one that failed before, in the file that it stood in first."""
    call: Any
    """What is sent; of a line that is no call, whatever stands there."""
    id: Any = None
    misfit: str = ""
    """Why it is no call."""

    @property
    def is_repeatable(self) -> bool:
        return bool(self.call.get("idempotent") or self.call.get("key"))

    def succeeded(self, result: Any) -> bytes:
        return _written({**self._head(), "result": result})

    def failed(self, error: dict[str, Any]) -> bytes:
        return _written({**self._head(), "error": error, "call": self.call})

    def _head(self) -> dict[str, Any]:
        return {"line": self.number} | ({"id": self.id} if self.id is not None else {})


def read(number: int, raw: bytes, where: str) -> Line:
    """The line of that number; `where` is the name of its file."""
    try:
        given = json.loads(raw)
        if isinstance(given, dict) and "call" in given and "error" in given:
            number, call = int(given["line"]), given["call"]
        else:
            call = {key: value for key, value in given.items() if key != "id"}
        name = given.get("id")
        demand_a_call(call)
    except Misfit as exc:
        return Line(number, call, name, f"{where}:{number}: {exc}")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        text = raw[:BEGINNING].decode("utf-8", "replace")
        return Line(number, text, None, f"{where}:{number}: it is no object of JSON: {exc}")
    return Line(number, call, name)


def demand_a_call(call: Any) -> None:
    """Raises Misfit for what is none, as far as can be told without a daemon."""
    if not isinstance(call, Mapping):
        raise Misfit("it is no object")
    if unknown := sorted(call.keys() - OF_A_CALL):
        raise Misfit(f"unknown key {unknown[0]!r}: a call has {', '.join((*WHOM[:3], 'method', 'args'))}")
    if len(named := [key for key in WHOM if key in call]) != 1:
        said = " and ".join(named) if named else "nobody"
        raise Misfit(f"it names {said}: it takes one of {', '.join(WHOM)}")
    if not isinstance(call.get("method"), str):
        raise Misfit("it has no `method`")
    if not isinstance(call.get("args", {}), Mapping):
        raise Misfit("`args` must be an object")


def number_of(raw: bytes) -> int | None:
    """Of a line that was written; None for what is none."""
    try:
        number = json.loads(raw)["line"]
    except (ValueError, KeyError, TypeError):
        return None
    return number if isinstance(number, int) else None


def _written(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n"
