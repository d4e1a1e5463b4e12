"""How answers look to people: aligned plain tables, times in words, states in colour on a terminal."""

from __future__ import annotations

import io
import json
import os
import re
import sys
from collections.abc import Sequence
from typing import Any, TextIO

GREEN, YELLOW, RED = 32, 33, 31
COLOURS = {
    "RUNNING": GREEN,
    "WAITING": YELLOW,
    "STARTING": YELLOW,
    "STOPPING": YELLOW,
    "BACKOFF": RED,
    "FATAL": RED,
    "LOST": RED,
    "degraded": YELLOW,
    "unhealthy": RED,
}
COLOUR = re.compile(r"\x1b\[\d*m")
UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows under their columns, without a column that says nothing; without rows, nothing."""
    for line in lines_of(columns, rows):
        print(line)


def lines_of(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """The lines of such a table: what stands in the last column is cut where the terminal ends."""
    if not rows:
        return []
    texts = [[flat(cell) for cell in row] for row in rows]
    *before, last = [i for i in range(len(columns)) if any(row[i] for row in texts)]
    widths = {i: max(width_of(line[i]) for line in [columns, *texts]) for i in before}
    room = terminal_width() - sum(width + 2 for width in widths.values())
    made = []
    for line in [columns, *texts]:
        cells = [padded(line[i] or "-", width) for i, width in widths.items()]
        made.append("  ".join(map(paint, [*cells, cut(line[last], room)])).rstrip())
    return made


def width_of(line: str) -> int:
    """The columns that a line takes, colours aside: none for what combines, two for what is wide."""
    text = COLOUR.sub("", line)
    return len(text) if text.isascii() else sum(map(_columns, text))


def _columns(character: str) -> int:
    # a millisecond that hardly anybody needs
    from unicodedata import category, east_asian_width

    if category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if east_asian_width(character) in "WF" else 1


def padded(text: str, columns: int) -> str:
    return text + " " * (columns - width_of(text))


def terminal_width() -> int:
    """The terminal's columns; without one more than anything needs: what a program reads is not cut."""
    columns = os.get_terminal_size().columns if is_seen() else 0
    return columns or sys.maxsize


def cut(text: str, room: int) -> str:
    if 2 * len(text) <= room or width_of(text) <= room:
        return text
    kept = text[: max(room - 1, 0)]
    while kept and width_of(kept) >= room:
        kept = kept[:-1]
    return f"{kept}…"


def paint(cell: str) -> str:
    """The cell, coloured when it is a state and somebody sees it."""
    return coloured(cell, COLOURS.get(cell.rstrip()))


def coloured(text: str, colour: int | None) -> str:
    """The text in that colour, where somebody sees it and wants colours."""
    is_dumb = os.environ.get("TERM") == "dumb"
    if colour is None or is_dumb or os.environ.get("NO_COLOR") or not is_seen():
        return text
    return f"\x1b[{colour}m{text}\x1b[0m"


def is_seen() -> bool:
    return bool(sys.stdout) and sys.stdout.isatty()


def flat(value: object) -> str:
    """A cell: one line, and nothing that could move a terminal's cursor. None is an empty one."""
    if value is None:
        return ""
    return "".join(c if c.isprintable() else "?" for c in " ".join(str(value).split()))


def duration(seconds: float | None) -> str:
    """`3m 12s`: the two largest units."""
    if seconds is None:
        return ""
    left = max(int(seconds), 0)
    parts: list[str] = []
    for unit, size in UNITS:
        count, left = divmod(left, size)
        if count or (unit == "s" and not parts):
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2])


def percent(share: float | None) -> str:
    """`12%` of one processor; what is little has a decimal."""
    if share is None:
        return ""
    return f"{100 * share:.1f}%" if share < 0.0995 else f"{100 * share:.0f}%"


def size(number: float | None) -> str:
    """`41 MiB`; what has one digit has a decimal, too."""
    if number is None:
        return ""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1024 or unit == "GiB":
            break
        number /= 1024
    return f"{number:.1f} {unit}" if number < 9.95 and unit != "B" else f"{number:.0f} {unit}"


def print_anything() -> None:
    """What the terminal's encoding lacks is printed as an escape, instead of being an error."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def as_json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


def note(sentence: str) -> None:
    """Tell the person at the terminal something that is not the result."""
    if sys.stderr:
        # A reason may hold a provider's last words, and these what moves a terminal's cursor.
        shown = "".join(c if c.isprintable() or c == "\n" else "?" for c in sentence)
        try:
            print(shown, file=sys.stderr, flush=True)
        except OSError:
            # nobody can be told: what the command came to shows in its exit status
            let_go(sys.stderr)


def let_go(stream: TextIO) -> None:
    """Throw away what could not be written: the interpreter would try again at its end, and complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


UNSEEN = {code: None if code == 13 else "?" for code in (*range(32), *range(127, 160)) if code not in (9, 10)}


def seen(text: str) -> str:
    """Text of a provider: as it came for a program, and for a terminal without what could move its cursor."""
    return text.translate(UNSEEN) if is_seen() else text
