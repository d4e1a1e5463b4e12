"""Reading what an instance's log has."""

from __future__ import annotations

import re
from pathlib import Path

_RECORD = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z (stdout|stderr) ([FP]) (.*)", re.DOTALL)


def parsed(path: str | Path) -> list[tuple[str, str, bytes]]:
    """Stream, tag and text of each record; every byte belongs to one."""
    *lines, rest = Path(path).read_bytes().split(b"\n")
    assert rest == b""
    matches = [_RECORD.fullmatch(line) for line in lines]
    assert all(matches), lines
    return [(m[1].decode(), m[2].decode(), m[3]) for m in matches if m]


def printed(path: str | Path) -> bytes:
    """What the child wrote, if it ended its last line."""
    return b"".join(text + (b"\n" if tag == "F" else b"") for _, tag, text in parsed(path))
