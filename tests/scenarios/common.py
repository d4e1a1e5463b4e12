"""What the scenarios have in common: many instances at once, and what one asks of all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tests.histories import histories, wrong_turns
from tests.house import House, eventually
from tests.invariants import Bounds, Told
from tests.observer import Observer

AT_ONCE = {"restart": {"initial": 0, "intensity": 0}, "max_retry_attempts": 0}
"""Started again without a delay and without a limit."""
SLEEPER = {"command": ["sleep", "1000"], **AT_ONCE}


def room(instances: int) -> Bounds:
    """What a daemon of so many instances may take: each has two pipes, a pidfd and a log."""
    return Bounds(fds=60 + 4 * instances)


def views(h: House) -> dict[str, Mapping[str, Any]]:
    return {view["name"]: view for view in h.client.get("/v1/status")["instances"]}


def becomes(ask: Callable[[], object], wanted: object, what: str) -> None:
    """Wait until `ask()` is what is wanted."""
    try:
        eventually(lambda: ask() == wanted)
    except AssertionError:
        raise AssertionError(f"{what}: still {ask()!r}, wanted is {wanted!r}") from None


def all_are(h: House, state: str, names: Iterable[str] | None = None, life: int | None = None) -> None:
    """Wait until every instance, or each of `names`, is in that state, and in its generation `life`."""

    def others() -> list[str]:
        told = [Told.of(view) for name, view in views(h).items() if names is None or name in names]
        return [str(one) for one in told if one.state != state or life not in (None, one.generation)]

    becomes(others, [], f"who is not {state}")


def never_running(h: House, seen: Observer, names: Iterable[str]) -> None:
    """Neither was it ever reported, nor does the daemon's log say so."""
    told = histories(h.said())
    for name in names:
        assert told[name], f"the daemon's log tells nothing of {name}"
        assert "RUNNING" not in {change.now for change in told[name]}, f"the log says RUNNING of {name}"
        assert "RUNNING" not in seen.states[name], f"{name} was reported RUNNING"


def only_legal(h: House) -> None:
    assert wrong_turns(h.said()) == []
