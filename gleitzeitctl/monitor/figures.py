"""Figures in the few cells that a column has, and the line of what they were before."""

from __future__ import annotations

from collections.abc import Sequence

BLOCKS = " ▁▂▃▄▅▆▇█"
LETTERS = " .,:-=+*#"
"""The same where a terminal has nothing but ASCII."""


def rate(number: float | None) -> str:
    """Of something a second: `0`, `3.4`, `120`, `12k`."""
    if number is None:
        return ""
    if number == 0 or 9.95 <= number < 9999.5:
        return f"{number:.0f}"
    return f"{number:.1f}" if number < 9.95 else count(number)


def count(number: float | None) -> str:
    """`0`, `9999`, `12k`, `3M`."""
    if number is None:
        return ""
    if number < 9999.5:
        return f"{number:.0f}"
    return f"{number / 1e3:.0f}k" if number < 999_500 else f"{number / 1e6:.0f}M"


def latency(seconds: float | None) -> str:
    """`0.4ms`, `12ms`, `1.2s`, `95s`."""
    if seconds is None:
        return ""
    if seconds < 0.9995:
        return f"{seconds * 1e3:.1f}ms" if seconds < 0.00995 else f"{seconds * 1e3:.0f}ms"
    return f"{seconds:.1f}s" if seconds < 9.95 else f"{seconds:.0f}s"


def memory(number: float | None) -> str:
    """`900K`, `41M`, `1.2G`: of 1024."""
    if number is None:
        return ""
    number /= 1024
    for unit in "KMG":
        if number < 999.5 or unit == "G":
            break
        number /= 1024
    return f"{number:.1f}{unit}" if number < 9.95 and unit == "G" else f"{number:.0f}{unit}"


def trend(rates: Sequence[float], width: int, has_blocks: bool) -> str:
    """The newest `width` of them as a line, the highest of these at full height."""
    marks, shown = BLOCKS if has_blocks else LETTERS, rates[-width:]
    highest = max(shown, default=0.0)
    if highest <= 0:
        return ""
    steps = len(marks) - 1
    # What was little is not nothing.
    return "".join(marks[max(round(one / highest * steps), 1 if one > 0 else 0)] for one in shown).rjust(
        width
    )
