"""Tables whose long cells go on below in their own column, so that nothing is cut at a terminal's edge."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from gleitzeitctl.render import flat, terminal_width

NARROWEST = 12
"""Characters that a column has, however narrow the terminal is."""

Cell = str | list[str]
"""Text, or parts of a list that are not to be broken."""


def wrapped_table(columns: Sequence[str], rows: Sequence[Sequence[Cell]], flexible: Sequence[str]) -> None:
    """Print rows under their columns, without a column that says nothing; without rows, nothing.

    The flexible columns share the room that the others leave. Where there is too little, each row is a block.
    """
    there = [i for i in range(len(columns)) if any(row[i] for row in rows)]
    widths = {i: max(len(columns[i]), *(len(_whole(row[i])) for row in rows)) for i in there}
    bending = sorted((i for i in there if columns[i] in flexible), key=widths.__getitem__)
    room = terminal_width() - 2 * (len(there) - 1) - sum(widths[i] for i in there if i not in bending)
    for left, i in zip(range(len(bending), 0, -1), bending, strict=True):
        widths[i] = min(widths[i], max(room // left, NARROWEST))
        room -= widths[i]
    if room < 0:
        _print_blocks([[columns[i] for i in there], *([row[i] for i in there] for row in rows)])
        return
    for line in [columns, *rows] if rows else []:
        cells = [line[i] or ("-" if i != there[-1] else "") for i in there]
        _print([_folded(cell, widths[i]) for i, cell in zip(there, cells, strict=True)], [*widths.values()])


def _print(cells: list[list[str]], widths: list[int]) -> None:
    for at in range(max(map(len, cells))):
        parts = (cell[at] if at < len(cell) else "" for cell in cells)
        print("  ".join(part.ljust(width) for part, width in zip(parts, widths, strict=True)).rstrip())


def _print_blocks(lines: list[list[Cell]]) -> None:
    columns, *rows = lines
    for name, *cells in rows:
        print(_whole(name))
        for column, cell in zip(columns[1:], cells, strict=True):
            if cell:
                words = f"{_whole(column).lower()}: {_whole(cell)}"
                width = max(terminal_width() - 2, NARROWEST)
                print("\n".join(f"  {line}" for line in textwrap.wrap(words, width)))


def _whole(cell: Cell) -> str:
    return flat(cell if isinstance(cell, str) else ", ".join(cell))


def _folded(cell: Cell, width: int) -> list[str]:
    if len(text := _whole(cell)) <= width or isinstance(cell, str):
        return textwrap.wrap(text, width) or [""]
    lines = [""]
    for at, part in enumerate(map(flat, cell), 1):
        piece = part if at == len(cell) else f"{part},"
        if lines[-1] and len(lines[-1]) + 1 + len(piece) > width:
            lines.append("")
        first, *rest = textwrap.wrap(f"{lines[-1]} {piece}".strip(), width)
        lines[-1:] = [first, *rest]
    return lines
