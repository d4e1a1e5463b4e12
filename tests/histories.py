"""The histories that the daemon's own log tells: each change of state, and whether there is such a way."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import NamedTuple

_EVENT = re.compile(r'\bevent="process (changed|ended)"')
_FIELDS = {key: re.compile(rf"\b{key}=(\S+)") for key in ("name", "was", "now")}
_AFTER_THE_END = frozenset({"STOPPED", "WAITING", "STARTING", "BACKOFF", "EXITED", "FATAL", "LOST"})
WAYS: Mapping[str, frozenset[str]] = {
    "STOPPED": frozenset({"WAITING", "STARTING"}),
    "EXITED": frozenset({"WAITING", "STARTING", "STOPPED"}),
    "FATAL": frozenset({"WAITING", "STARTING", "STOPPED"}),
    "BACKOFF": frozenset({"WAITING", "STARTING", "STOPPED"}),
    "WAITING": frozenset({"STARTING", "STOPPED"}),
    "STARTING": frozenset({"RUNNING", "STOPPING", "BACKOFF", "EXITED", "FATAL"}),
    "RUNNING": frozenset({"STOPPING"}),
    "STOPPING": _AFTER_THE_END,
    "LOST": _AFTER_THE_END,
}
"""From where to where while nothing ends by itself: design section 2, written down a second time."""


class Change(NamedTuple):
    """From one state to another; `ended`: its process ended in between, which is an unnamed STOPPING."""

    was: str
    now: str
    ended: bool = False

    @property
    def is_a_way(self) -> bool:
        if not self.ended:
            return self.now in WAYS.get(self.was, ())
        # A stop may be asked for before the end that the log has told already is acted upon.
        return self.now in _AFTER_THE_END or (self.now == "STOPPING" and self.now in WAYS.get(self.was, ()))

    def __str__(self) -> str:
        return f"{self.was} -> {self.now}" + (" after the end of its process" if self.ended else "")


def histories(said: str) -> Mapping[str, list[Change]]:
    """The changes of each instance, by the lines `process changed` and `process ended` of the log."""
    told, ended = defaultdict[str, list[Change]](list), set[str]()
    for line in said.splitlines():
        if event := _EVENT.search(line):
            name, was, now = (_field(line, key) for key in _FIELDS)
            if event[1] == "changed":
                told[name].append(Change(was, now, name in ended))
            (ended.add if event[1] == "ended" or now == "STOPPING" else ended.discard)(name)
    return told


def _field(line: str, key: str) -> str:
    return found[1] if (found := _FIELDS[key].search(line)) else "?"


def wrong_turns(said: str) -> list[str]:
    """Each change for which there is no way, and each that does not begin where the last one led."""
    return [sentence for name, changes in histories(said).items() for sentence in _wrong(name, changes)]


def _wrong(name: str, changes: list[Change]) -> Iterator[str]:
    state = "STOPPED"
    for change in changes:
        if change.was != state and not (change.ended and change.was == "STOPPING"):
            yield f"{name} was {state}, and then its log says {change}"
        if not change.is_a_way:
            yield f"{name}: there is no way {change}"
        state = change.now
