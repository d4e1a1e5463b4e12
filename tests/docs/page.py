"""Does what a page says, in its order: writes its files, runs its programs and types its commands.

A block is a file when the line before it ends with its name and a colon, "`weather.py`:"; after "Add to" it
goes on where that file ended. A `console` block has commands behind `$ ` with what they show below them, and
`...` there is whatever comes. A `python` block without a name is a program, and the `text` block that follows
is what it prints.

`python -m tests.docs.page FILE...` writes into the pages what is really shown.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.docs.desk import Desk, desk

BLOCK = re.compile(r"^(?P<before>[^\n]*)\n+```(?P<kind>\w+)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"^(?P<more>Add to)?.*`(?P<name>[\w./-]+\.\w+)`[^`]*:$")
PRINTED = "http://localhost:8000"
CONFIG = "providers.yaml"
PATIENCE = 15.0
"""Seconds after which a page was not right. A reader types slower than a daemon reloads."""
VARYING = (
    (re.compile(r"\d\d:\d\d:\d\d(\.\d+)?|\d\d-\d\d(?= TIME)|\d{4}-\d\d-\d\d"), "TIME"),
    (re.compile(r"pid \d+"), "pid N"),
    (re.compile(r"control=\S+"), "control=SOCKET"),
    (re.compile(r"\b(\d+(\.\d+)? ?(ms|s|m|h) ?)+(?!\w)"), "SPAN "),
    (re.compile(r"(?<=[A-Z]{5} )\s*\d+ "), "PID "),
    (re.compile(r"\s+"), " "),
)
"""What is another at each run, in this order, and what stands for it."""


@dataclass(frozen=True)
class Block:
    """One fenced block, and the line before it."""

    before: str
    kind: str
    body: str
    line: int
    span: tuple[int, int]


def blocks(text: str) -> Iterator[Block]:
    for found in BLOCK.finditer(text):
        line = text.count("\n", 0, found.start("body"))
        yield Block(found["before"], found["kind"], found["body"], line, found.span("body"))


def commands(body: str) -> Iterator[tuple[str, str]]:
    """Each command of a console with what the page says that it shows."""
    for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
        command, _, said = part.partition("\n")
        yield command, said


def loosely(shown: str) -> str:
    for pattern, instead in VARYING:
        shown = pattern.sub(instead, shown)
    return shown.strip()


def agree(said: str, shown: str) -> bool:
    """Whether a page says what is shown."""
    pieces = [re.escape(piece.strip()) for piece in re.split(r"(?<!\S)\.\.\.(?!\S)", loosely(said))]
    return bool(re.fullmatch(".*".join(pieces), loosely(shown)))


class Reader:
    """Somebody who does what the page says."""

    def __init__(self, sat_at: Desk, patience: float = PATIENCE) -> None:
        self._at = sat_at
        self._patience = patience
        self._files: dict[str, str] = {}

    def read(self, text: str) -> Iterator[tuple[Block, list[tuple[str, str, str]]]]:
        """Each block, and what its commands are, should show and did show."""
        page = list(blocks(text))
        for block, after in zip(page, [*page[1:], None], strict=True):
            named = FILE.match(block.before)
            if block.kind == "console":
                yield (
                    block,
                    [(command, said, self._tried(command, said)) for command, said in commands(block.body)],
                )
            elif named:
                self._write(named["name"], block.body, bool(named["more"]))
            elif block.kind == "python":
                if not after or after.kind != "text":
                    raise AssertionError(f"line {block.line}: nobody tries this program")
                (self._at.root / "program.py").write_text(block.body)
                yield after, [("python", after.body, self._tried("python program.py", after.body))]
            else:
                assert block.kind == "text", f"line {block.line}: nobody tries this block"

    def _write(self, name: str, body: str, more: bool) -> None:
        self._files[name] = self._files.get(name, "") + body if more else body
        path = self._at.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self._files[name] + self._address(name))

    def _address(self, name: str) -> str:
        """The page's daemon has its port for itself, and other tests are run beside this one."""
        return f"\nglobal:\n  default_server_url: {self._at.url}\n" if name == CONFIG else ""

    def _tried(self, command: str, said: str) -> str:
        """What the command shows: again and again until it is what the page says, or its time is over."""
        deadline = time.monotonic() + self._patience
        local = command.replace(PRINTED, self._at.url)
        while True:
            typed = self._at.type(local)
            shown = typed.shown.replace(self._at.url, PRINTED).replace(f"{self._at.root}/", "")
            is_new = not said and typed.status == 0
            if is_new or agree(said, shown) or time.monotonic() > deadline:
                return shown
            time.sleep(0.1)


def as_shown(text: str, sat_at: Desk) -> str:
    """The page with what is really shown, where it does not say so already."""
    for block, tried in reversed(list(Reader(sat_at, patience=2.0).read(text))):
        parts = [(typed, said if agree(said, shown) else shown) for typed, said, shown in tried]
        is_text = block.kind == "text"
        body = "".join(shown if is_text else f"$ {typed}\n{shown}" for typed, shown in parts)
        text = text[: block.span[0]] + body + text[block.span[1] :]
    return text


if __name__ == "__main__":
    for name in sys.argv[1:]:
        with TemporaryDirectory() as root, desk(Path(root)) as sat_at:
            Path(name).write_text(as_shown(Path(name).read_text(), sat_at))
