"""What the daemon knows of a provider beside figures: its methods, and what failed last."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

View = dict[str, Any]
ILL = ("BACKOFF", "FATAL", "LOST")
MOST_ERRORS = 5
MOST_EVIDENCE = 3
"""Lines of it that are shown of each."""


def call_form(method: View) -> str:
    """`add(a, b, base?)`: what may be left out has a mark."""
    schema = method.get("parameters") or {}
    needed = schema.get("required", ())
    names = [name if name in needed else f"{name}?" for name in schema.get("properties", {})]
    return f"{method['name']}({', '.join(names)})" + (" streams" if method.get("stream") else "")


def last_errors(stories: Sequence[View]) -> Iterator[tuple[str, bool]]:
    """What failed last in all of them, the newest first, each with its evidence: a text, and whether it is
    that."""
    failed: list[View] = []
    for story in stories:
        for entry in story["history"]:
            one = {**entry, "name": story["name"], "what": " ".join(entry["what"].split())}
            # A failure is told where it happened, and again as the reason of what comes of it.
            is_told = bool(failed) and (failed[-1]["name"], failed[-1]["what"]) == (one["name"], one["what"])
            if one["what"] and (one["state"] in ILL or one["evidence"]) and not is_told:
                failed.append(one)
    failed.sort(key=lambda one: str(one["time"]), reverse=True)
    for one in failed[:MOST_ERRORS]:
        when = datetime.fromisoformat(one["time"]).astimezone().strftime("%m-%d %H:%M:%S")
        yield f"{when}  {one['name']}  {one['state']}  {one['what']}", False
        yield from ((f"  | {line}", True) for line in one["evidence"][-MOST_EVIDENCE:])
