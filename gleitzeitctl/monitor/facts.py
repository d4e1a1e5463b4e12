"""What the daemon's answers make of the state. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import reduce
from typing import Any

from gleitzeitctl.monitor import model
from gleitzeitctl.monitor.model import State

Fact = Callable[[State, Sequence[Any]], State]


def _looked(state: State, looks: Sequence[Any]) -> State:
    return reduce(model.told, looks, state)


def _printed(state: State, records: Sequence[Any]) -> State:
    return model.printed(state, [_line(record) for record in records])


def _line(record: dict[str, Any]) -> str:
    if "missed" in record:
        return f"({record['missed']} bytes are missing here: they came too fast)"
    return str(record["line"])


def _storied(state: State, answers: Sequence[Any]) -> State:
    return replace(state, story={**state.story, "stories": answers[0]["instances"]})


def _offered(state: State, answers: Sequence[Any]) -> State:
    offers = {one["name"]: one for one in answers[0]["providers"]}
    return replace(state, story={**state.story, "offer": offers.get(state.provider, {})})


def _steered(state: State, answers: Sequence[Any]) -> State:
    (first, *_) = answers[0]["results"]
    if not first["ok"]:
        return replace(state, message=f"could not restart {first['name']}: {first['reason']}")
    return replace(state, message=f"{first['name']} is being restarted")


FACTS: dict[str, Fact] = {
    "looks": _looked,
    "log": _printed,
    "stories": _storied,
    "offers": _offered,
    "restart": _steered,
}
