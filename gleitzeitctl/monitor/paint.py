"""What is drawn with: pieces of text with a style, cut to the cells that there are."""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style

Line = list[Segment]
PLAIN, BOLD, DIM = Style(), Style(bold=True), Style(dim=True)
CHOSEN = Style(reverse=True)
GOOD, DOUBTFUL, BAD = Style(color="green"), Style(color="yellow"), Style(color="red")
ALARM = Style(color="red", bold=True)
OF_STATES = {
    "RUNNING": GOOD,
    "WAITING": DOUBTFUL,
    "STARTING": DOUBTFUL,
    "STOPPING": DOUBTFUL,
    "degraded": DOUBTFUL,
    "unready": DOUBTFUL,
    "unhealthy": BAD,
    "BACKOFF": BAD,
    "FATAL": BAD,
    "LOST": BAD,
}


def clean(text: str) -> str:
    """Nothing that could move a terminal's cursor; a tab is blanks."""
    text = text.expandtabs(8)
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)


def exactly(text: str, width: int, is_right: bool = False) -> str:
    """Cut or filled with blanks, so that it takes `width` cells."""
    if text.isascii():
        return (text.rjust(width) if is_right else text.ljust(width))[:width]
    missing = width - cell_len(text)
    return " " * missing + text if is_right and missing > 0 else set_cell_size(text, width)


def cut(line: Line, width: int) -> Line:
    """As much of it as there is room for."""
    return Segment.adjust_line_length(line, width, pad=False)


def folded(text: str, width: int) -> list[str]:
    """Broken where it has to be."""
    if cell_len(text) <= width:
        return [text]
    lines, line, used = [], "", 0
    for character in text:
        size = cell_len(character)
        if used + size > width:
            lines.append(line)
            line, used = "", 0
        line, used = line + character, used + size
    return [*lines, line]


def codes(line: Line, colours: bool, has_unicode: bool) -> str:
    """What a terminal is sent for it."""
    return "".join(
        _rendered(text if has_unicode else text.encode("ascii", "replace").decode(), style, colours)
        for text, style, _ in line
    )


def _rendered(text: str, style: Style | None, colours: bool) -> str:
    if not style:
        return text
    return (style if colours else style.without_color).render(text, color_system=ColorSystem.STANDARD)
