"""Where something is in an answer: `choices[0].message.content`, `data[*].embedding`. Pure.

The part of JMESPath that answers of models need, with its words: names, places in lists, all of a list, and
`@` for the whole. These thirty lines tell a mistake at the start, and are one package less.
"""

from __future__ import annotations

import re
from typing import Any

STEP = re.compile(r"\.([A-Za-z_][\w-]*)|\[(-?\d{1,9})\]|\[(\*)\]", re.ASCII)

Step = str | int | None
"""A name, a place in a list, or None for all of a list."""

Path = tuple[Step, ...]


def parsed(text: str, where: str) -> Path:
    """Raises ValueError for what is no path."""
    steps: list[Step] = []
    rest = "" if text == "@" else text if text.startswith("[") else f".{text}"
    while step := STEP.match(rest):
        steps.append(step[1] or (int(step[2]) if step[2] else None))
        rest = rest[step.end() :]
    if rest:
        raise ValueError(f"{where}: {text!r:.100} is no path: write it like choices[0].message.content")
    return tuple(steps)


def found(answer: Any, path: Path) -> Any:
    """None when there is nothing; all of a list are those that have something."""
    for index, step in enumerate(path):
        match step, answer:
            case str(), dict():
                answer = answer.get(step)
            case int(), list():
                answer = answer[step] if -len(answer) <= step < len(answer) else None
            case None, list():
                inner = [found(one, path[index + 1 :]) for one in answer]
                return [one for one in inner if one is not None]
            case _:
                return None
    return answer
