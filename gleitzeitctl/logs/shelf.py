"""All the files of all the instances: which there are, and what they have in the order of time."""

from __future__ import annotations

import errno
import heapq
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import islice
from operator import attrgetter

from gleitzeitctl.logs.file import File, Tell
from gleitzeitctl.logs.records import Record, Wanted

NAME = re.compile(r"(.+)\.log(?:\.(\d+)(?:\.gz)?)?")
TRIES = 20
"""Times that one looks again when files are renamed meanwhile."""
FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""A FIFO or a link in a file's place must not hold us or lead us astray."""
Shelf = Mapping[str, list[File]]
"""The files of each instance, the newest first."""
Listing = dict[str, dict[int, tuple[str, int]]]
"""Of each instance by their age: the name and the inode of each file."""
by_time = attrgetter("time")


def instances(directory: str) -> list[str]:
    """Who has a log there. Raises OSError."""
    return sorted(_listing(directory))


def meant(names: Iterable[str], known: Iterable[str]) -> list[str]:
    """Those of the instances that one of the names means: itself, its provider, a pattern, or `all`."""
    given = tuple(names)
    return [one for one in known if any(_means(name, one) for name in given)]


def _means(name: str, instance: str) -> bool:
    from fnmatch import fnmatchcase

    provider = instance.partition("#")[0]
    return name in ("all", instance, provider) or fnmatchcase(instance, name) or fnmatchcase(provider, name)


@contextmanager
def opened(directory: str, names: Iterable[str], tell: Tell) -> Iterator[Shelf]:
    """The files as they are now, whatever they are renamed to or replaced by meanwhile. Raises OSError.

    `tell` is told a sentence about each that cannot be read.
    """
    wanted = set(names)
    for attempt in range(TRIES):
        with ExitStack() as stack:
            listing = _listing(directory, wanted)
            shelf = {name: _open_all(stack, directory, name, files, tell) for name, files in listing.items()}
            if attempt < TRIES - 1 and _listing(directory, wanted) != listing:
                continue
            yield {name: shelf.get(name, []) for name in names}
            return


def newest(shelf: Shelf, wanted: Mapping[str, Wanted], count: int) -> list[Record]:
    """The last `count` records of what is wanted of each instance, oldest first."""
    # of one time the last instance comes first, as all of it is turned round
    each = [_backwards(files, wanted[name], count) for name, files in reversed(list(shelf.items()))]
    return list(islice(heapq.merge(*each, key=by_time, reverse=True), count))[::-1]


def forwards(files: list[File], wanted: Wanted) -> Iterator[Record]:
    """All records of one instance that are wanted, oldest first."""
    for file in reversed(_since(files, wanted.since)):
        yield from file.forwards(wanted)


def last_time(files: list[File]) -> bytes:
    """Of the newest record of one instance; empty when only compressed files have one."""
    return next((time for file in files if not file.is_packed and (time := file.last_time())), b"")


def _backwards(files: list[File], wanted: Wanted, count: int) -> Iterator[Record]:
    for file in _since(files, wanted.since):
        if not count:
            return
        for record in file.backwards(wanted, count):
            yield record
            count -= 1


def _since(newest_first: list[File], since: bytes) -> list[File]:
    """Those that may have something of that time or later."""
    if since:
        for at, file in enumerate(newest_first):
            if b"" < file.first_time() < since:
                return newest_first[: at + 1]
    return newest_first


def _listing(directory: str, wanted: set[str] | None = None) -> Listing:
    listing: Listing = {}
    with os.scandir(directory) as entries:
        for entry in entries:
            if (found := NAME.fullmatch(entry.name)) and (wanted is None or found[1] in wanted):
                files = listing.setdefault(found[1], {})
                age, is_packed = int(found[2] or 0), entry.name.endswith(".gz")
                # what a compressed one is made from stays until that is whole
                if age not in files or not is_packed:
                    files[age] = (entry.name, entry.inode())
    return listing


def _open_all(
    stack: ExitStack, directory: str, instance: str, files: Mapping[int, tuple[str, int]], tell: Tell
) -> list[File]:
    shelf: list[File] = []
    for _, (name, _) in sorted(files.items()):
        path = os.path.join(directory, name)
        try:
            descriptor = _open(path)
        except FileNotFoundError:  # renamed: it is looked again
            continue
        except OSError as exc:
            why = "it is a symbolic link" if exc.errno == errno.ELOOP else exc.strerror
            tell(f"cannot read {path}: {why}")
            continue
        stack.callback(os.close, descriptor)
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            shelf.append(File(path, instance, descriptor, tell))
        else:
            tell(f"cannot read {path}: it is not a file")
    return shelf


def _open(path: str) -> int:
    try:
        return os.open(path, FLAGS)
    except OSError as exc:
        if exc.errno != errno.EMFILE:
            raise
    import resource

    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return os.open(path, FLAGS)
