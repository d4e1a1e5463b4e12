"""Where each part of a file stands."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import islice
from typing import NamedTuple, Self

Path = tuple[str | int, ...]
"""The keys and the numbers that lead to a part."""


class Place(NamedTuple):
    """Lines and columns count from 1. What has no value stands where its key does."""

    file: int
    """Which of the files it is in."""
    line: int
    column: int
    key_line: int
    key_column: int
    inner: Mapping[str | int, Self]  # type: ignore[misc]
    """What is in it, by key or by number; nothing in what is neither mapping nor list."""


MOST_TOLD = 100
"""Mistakes that are told at once."""


def told(path: str, sentences: Collection[str]) -> tuple[str, ...]:
    """The first of what is wrong with the config at this path, and how much more there is."""
    more = len(sentences) - MOST_TOLD
    first = tuple(islice(sentences, MOST_TOLD))
    return first if more <= 0 else (*first, f"{path}: and {more} more mistakes")


class Problem(NamedTuple):
    """One mistake; problems sort by where they stand."""

    file: int
    line: int
    column: int
    text: str
    path: Path = ()
    """The value it is about, which may stand elsewhere; empty for what is about a key."""
