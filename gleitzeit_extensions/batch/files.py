"""The files of a batch: where it was when it ended, however it ended, and the lines that are added to it.

A line is written at once or not at all, but for the last of a disk that is full or a machine that fell: that
one is cut off when the batch goes on. Which input an output is of stands beside it, in `OUT.batch`.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field

from gleitzeit_extensions.batch.lines import Line, number_of, read

SAMPLE = 1024 * 1024
"""Bytes of the input by whose digest it is known again, beside its size."""
PIECE = 1024 * 1024
MODE = 0o640


class FileError(Exception):
    """A file of a batch cannot be used; the text says which, why, and what to do."""


@dataclass
class Done:
    """Which lines are done: a bit for each."""

    bits: bytearray = field(default_factory=bytearray)
    count: int = 0
    failed: int = 0

    def add(self, number: int) -> None:
        if number // 8 >= len(self.bits):
            self.bits.extend(bytes(number // 8 + 1 - len(self.bits) + len(self.bits) // 2))
        if not self.has(number):
            self.bits[number // 8] |= 1 << number % 8
            self.count += 1

    def has(self, number: int) -> bool:
        return number // 8 < len(self.bits) and bool(self.bits[number // 8] >> number % 8 & 1)


@dataclass(frozen=True)
class Places:
    """Where a batch reads and writes."""

    source: str
    """`-` is stdin."""
    out: str
    failed: str

    @property
    def beside(self) -> str:
        return f"{self.out}.batch"


class Output:
    """The two files that are written, from where they ended."""

    def __init__(self, places: Places) -> None:
        """Raises FileError for files that are of another batch, or cannot be used."""
        self.places, self.done = places, Done()
        _demand_its_own(places)
        self._out = self._taken_up(places.out)
        before = self.done.count
        self._failed = self._taken_up(places.failed)
        self.done.failed = self.done.count - before

    def write(self, line: Line, raw: bytes, is_failed: bool) -> None:
        """Raises FileError when it cannot be kept: then it is not done."""
        path, file = (self.places.failed, self._failed) if is_failed else (self.places.out, self._out)
        size = os.fstat(file).st_size
        try:
            written = 0
            while written < len(raw):
                written += os.write(file, raw[written:])
        except OSError as exc:
            os.ftruncate(file, size)
            way_out = "make room, and give the same command again: it goes on where it was"
            raise FileError(f"{path} cannot be written: {exc.strerror}: {way_out}") from exc
        self.done.add(line.number)
        self.done.failed += is_failed

    def close(self) -> None:
        os.close(self._out)
        os.close(self._failed)

    def _taken_up(self, path: str) -> int:
        """Open to be added to, without what was torn off, and with its lines counted as done."""
        try:
            file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, MODE)
        except OSError as exc:
            raise FileError(f"{path} cannot be written: {exc.strerror}") from exc
        end = 0
        with open(path, "rb") as lines:
            for raw in lines:
                number = number_of(raw) if raw.endswith(b"\n") else None
                if number is None:
                    break
                self.done.add(number)
                end += len(raw)
        os.ftruncate(file, end)
        return file


def lines_of(places: Places, done: Done) -> Iterator[Line]:
    """Those that are not done yet, one after the other. Raises FileError."""
    where = "stdin" if places.source == "-" else places.source
    try:
        with open(0 if places.source == "-" else places.source, "rb", closefd=places.source != "-") as file:
            for number, raw in enumerate(file, 1):
                if not raw.strip():
                    continue
                line = read(number, raw, where)
                if not done.has(line.number):
                    yield line
    except OSError as exc:
        raise FileError(f"{where} cannot be read: {exc.strerror}") from exc


def count_of(places: Places) -> int | None:
    """How many lines there are to be done; None where only the end will tell."""
    if places.source == "-":
        return None
    try:
        with open(places.source, "rb") as file:
            return sum(piece.count(b"\n") for piece in iter(lambda: file.read(PIECE), b""))
    except OSError:
        return None


def _demand_its_own(places: Places) -> None:
    """The output is not there yet, or is of this very input."""
    mark = _mark(places.source)
    there = [path for path in (places.out, places.failed) if os.path.lexists(path) and os.path.getsize(path)]
    try:
        with open(places.beside) as file:
            of = json.load(file)
    except FileNotFoundError:
        of = None
    except (OSError, ValueError) as exc:
        raise FileError(f"{places.beside} is damaged: move {places.out} and it away") from exc
    if of == mark and of is not None:
        return
    if there:
        way_out = "choose another output, or move it away"
        why = "is of another input, or of one that has changed since" if of else "is there already"
        raise FileError(f"{there[0]} {why}: {way_out}")
    try:
        with open(places.beside, "w") as file:
            json.dump(mark, file)
    except OSError as exc:
        raise FileError(f"{places.beside} cannot be written: {exc.strerror}") from exc


def _mark(source: str) -> dict[str, object] | None:
    """By what an input is known again; None for one that cannot be read twice."""
    if source == "-":
        return None
    try:
        with open(source, "rb") as file:
            digest = hashlib.blake2b(file.read(SAMPLE), digest_size=16).hexdigest()
            return {"size": os.fstat(file.fileno()).st_size, "digest": digest}
    except OSError as exc:
        raise FileError(f"{source} cannot be read: {exc.strerror}") from exc
