"""The difference between what is wanted and what was: for each provider what is to be done, and why. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from gleitzeitd.core.spec import House, Spec


class Action(StrEnum):
    """What a reload does with one provider."""

    ADDED = "added"
    REMOVED = "removed"
    RESTART = "restart"
    """What changed takes a new process."""
    UPDATE = "update in place"
    """What changed is taken over by what runs."""
    KEPT = "kept"
    """It cannot be started as it is wanted now: it goes on as it was."""
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Step:
    """What becomes of one provider."""

    name: str
    action: Action
    keys: tuple[str, ...] = ()
    """What in the file caused it, such as `restart.initial`, in the order of the alphabet."""
    spec: Spec | None = None
    """What is wanted of it from now on; None when it is removed."""
    mistakes: tuple[str, ...] = ()
    """Why it is kept as it was."""


@dataclass(frozen=True, slots=True)
class Plan:
    """`steps` come in the order of the file, and the removed last."""

    steps: tuple[Step, ...]
    house: House
    """What is wanted once the plan is carried out."""
    live: tuple[str, ...] = ()
    """Keys of `global` that apply at once."""
    later: tuple[str, ...] = ()
    """Keys of `global` that apply when the daemon starts anew."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to be done, now or later."""
        quiet = (Action.UNCHANGED, Action.KEPT)
        return not (self.live or self.later) and all(step.action in quiet for step in self.steps)

    def of(self, *actions: Action) -> list[Step]:
        return [step for step in self.steps if step.action in actions]


def diff(running: House, wanted: House, is_live: Callable[[str], bool]) -> Plan:
    """What leads from one to the other. `is_live`: whether what runs takes over a change of this key.

    What the daemon itself listens at stays as it is until it starts anew.
    """
    before = running.by_name
    steps = [_step(before.get(spec.name), spec, is_live) for spec in wanted.specs]
    names = wanted.by_name
    for spec in running.specs:
        if spec.name not in names:
            why = ("enabled",) if spec.name in wanted.disabled else ()
            steps.append(Step(spec.name, Action.REMOVED, why))
    changed = differing(running.settings, wanted.settings)
    live = tuple(key for key in changed if is_live(f"global.{key}"))
    later = tuple(key for key in changed if key not in live)
    # What has to wait is still to be done at the next comparison.
    waiting = {key: running.settings[key] for key in later if key in running.settings}
    specs = tuple(step.spec for step in steps if step.spec is not None)
    house = replace(wanted, specs=specs, server_url=running.server_url, settings=wanted.settings | waiting)
    return Plan(tuple(steps), house, live, later)


def _step(before: Spec | None, wanted: Spec, is_live: Callable[[str], bool]) -> Step:
    if before is None:
        return Step(wanted.name, Action.ADDED, (), wanted, wanted.mistakes)
    if wanted.mistakes and not before.mistakes:
        return Step(wanted.name, Action.KEPT, (), before, wanted.mistakes)
    if wanted.mistakes:
        return Step(wanted.name, Action.UNCHANGED, (), wanted, wanted.mistakes)
    if before.mistakes:
        return Step(wanted.name, Action.RESTART, (), wanted)
    keys = differing(before.settings, wanted.settings)
    if not keys:
        return Step(wanted.name, Action.UNCHANGED, (), wanted)
    action = Action.UPDATE if all(map(is_live, keys)) else Action.RESTART
    return Step(wanted.name, action, keys, wanted)


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[str, ...]:
    """The keys of which only one has a value, or each another; 1, 1.0 and true are three values."""
    return tuple(sorted(key for key in {*one, *other} if not _same(one, other, key)))


def _same(one: Mapping[str, Any], other: Mapping[str, Any], key: str) -> bool:
    return key in one and key in other and _typed(one[key]) == _typed(other[key])


def _typed(value: Any) -> Any:
    """The value with its types, as Python takes 1, 1.0 and True for equal."""
    match value:
        case dict():
            return {key: _typed(item) for key, item in value.items()}
        case list() | tuple():
            return [_typed(item) for item in value]
        case bool() | int() | float():
            kind = next(kind for kind in (bool, int, float) if isinstance(value, kind))
            return kind, kind(value)
        case _:
            return value
