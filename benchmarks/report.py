"""From measurements to the table: kept as JSON lines, printed as Markdown, set into the README."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from benchmarks.stats import Goal, Limit, Line, Row

BEGIN, END = "<!-- benchmarks -->", "<!-- end benchmarks -->"
HEAD = ("metric", "ours", "peer", "ratio", "goal", "met")


def keep(path: Path, rows: Iterable[Row]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def kept(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def table(lines: Sequence[Line]) -> str:
    """The lines as a Markdown table, without the peers that were not measured."""
    measured = [cells(line) for line in lines if line.theirs is not None]
    rows = [HEAD, tuple("-" * len(cell) for cell in HEAD), *measured]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def cells(line: Line) -> tuple[str, ...]:
    return (
        line.metric,
        figure(line.ours, line.unit),
        f"{line.peer} {figure(line.theirs, line.unit)}",
        "" if line.ratio is None else figure(line.ratio),
        goal(line),
        {None: "", True: "yes", False: "**no**"}[line.is_met],
    )


def goal(line: Line) -> str:
    match line.goal:
        case None:
            return ""
        case Limit(value, at_least):
            return f"{'≥' if at_least else '≤'} {figure(value, line.unit)}"
        case Goal(ratio, words, at_least):
            return f"{'≥' if at_least else '≤'} {figure(ratio)} ({words})"


def figure(value: float | None, unit: str = "") -> str:
    """Three digits that count, and the unit."""
    if value is None:
        return "not measured"
    if value >= 100:
        text = f"{value:,.0f}"
    else:
        text = f"{value:.{1 if value >= 10 else 2 if value >= 0.1 else 4}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
    return text if not unit else f"{text}{unit}" if unit.startswith("/") else f"{text} {unit}"


def short(row: Row) -> Row:
    """A row for people to look at."""
    return {
        key: [round(item, 1) for item in value]
        if isinstance(value, list)
        else round(value, 1)
        if isinstance(value, float)
        else value
        for key, value in row.items()
    }


def conditions(machine: Mapping[str, object], versions: Iterable[str]) -> str:
    """One line on where and with what it was measured."""
    return (
        f"Medians; the programs of each measure were taken in turn, on {machine['cores']} cores "
        f"({machine['processor']}), "
        f"{machine['memory_gib']} GiB, Linux {machine['linux']}, Python {machine['python']}, "
        f"with {', '.join(dict.fromkeys(versions))}. "
        "Ratio is ours divided by theirs. `make bench` measures again."
    )


def replace_block(text: str, block: str) -> str:
    """`text` with what is between the two marks replaced."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"the file has no block between {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{block}\n{END}{after}"
