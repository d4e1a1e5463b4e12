"""All the files of all the instances: which there are, and what they have in the order of time."""

from __future__ import annotations

import heapq
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from fnmatch import fnmatchcase
from itertools import islice
from operator import attrgetter

from gleitzeitctl.logs import file
from gleitzeitctl.logs.records import Record, Wanted

NAME = re.compile(r"(.+)\.log(?:\.(\d+)(?:\.gz)?)?")


def instances(directory: str) -> list[str]:
    """Who has a log there. Raises OSError."""
    return sorted({found[1] for name in os.listdir(directory) if (found := NAME.fullmatch(name))})


def meant(names: Iterable[str], known: Iterable[str]) -> list[str]:
    """Those of the instances that one of the names means: itself, its provider, a pattern, or `all`."""
    given = tuple(names)
    return [one for one in known if any(_means(name, one) for name in given)]


def _means(name: str, instance: str) -> bool:
    provider = instance.partition("#")[0]
    return name in ("all", instance, provider) or fnmatchcase(instance, name) or fnmatchcase(provider, name)


def files(directory: str, instance: str) -> list[str]:
    """Its files, the newest first. Raises OSError."""
    numbered = {
        int(found[2] or 0): os.path.join(directory, name)
        for name in sorted(
            os.listdir(directory), reverse=True
        )  # `.1` rather than `.1.gz`, while both are there
        if (found := NAME.fullmatch(name)) and found[1] == instance
    }
    return [numbered[number] for number in sorted(numbered)]


def newest(directory: str, names: Iterable[str], wanted: Wanted, count: int) -> list[Record]:
    """The last `count` records that are wanted, oldest first. Raises OSError."""
    each = [_backwards(directory, name, wanted) for name in names]
    merged = heapq.merge(*each, key=attrgetter("time"), reverse=True)
    return list(islice(merged, count))[::-1]


def forwards(directory: str, names: Iterable[str], wanted: Wanted) -> Iterator[Record]:
    """All records that are wanted, oldest first. Raises OSError."""
    return heapq.merge(*(_forwards(directory, name, wanted) for name in names), key=attrgetter("time"))


def newest_first(directory: str, name: str) -> Iterator[Record]:
    """All records of one instance. Raises OSError."""
    for path in files(directory, name):
        with suppress(FileNotFoundError):  # rotated meanwhile
            yield from file.backwards(path, name)


def _backwards(directory: str, name: str, wanted: Wanted) -> Iterator[Record]:
    for record in newest_first(directory, name):
        if record.time < wanted.since:
            return
        if wanted.fits(record):
            yield record


def _forwards(directory: str, name: str, wanted: Wanted) -> Iterator[Record]:
    for path in reversed(_since(files(directory, name), wanted.since)):
        with suppress(FileNotFoundError):
            yield from file.forwards(path, name, wanted)


def _since(newest_first: list[str], since: bytes) -> list[str]:
    """Those that may have something of that time or later."""
    for at, path in enumerate(newest_first):
        with suppress(FileNotFoundError):
            if b"" < file.first_time(path) < since:
                return newest_first[: at + 1]
    return newest_first
